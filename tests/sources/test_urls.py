"""Downloads against a real server that misbehaves in every way it can."""

import asyncio
import errno
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time

import pytest
from support import encode, noise_image
from web import Server, always, respond

from veneer import __version__
from veneer.errors import VeneerError
from veneer.sources import urls
from veneer.sources.options import DownloadOptions
from veneer.sources.urls import fetch_first, place

OPTIONS = {
    "connections": 8,
    "connections_per_host": 4,
    "attempts": 3,
    "backoff": 0.01,
    "timeout": 10,
    "time_limit": 30,
    "retry_failed": False,
}
PICTURE = encode(noise_image(1))
HTML = b"<html><title>Sign in</title></html>"
OK = b"HTTP/1.0 200 OK\r\n"


@pytest.fixture
def server():
    with Server() as server:
        yield server


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


def fetch(rows, cache, *, max_bytes=10**6, max_pixels=10**6, advance=None, **changes):
    options = DownloadOptions(**OPTIONS | changes)
    limits = {"max_bytes": max_bytes, "max_pixels": max_pixels}
    return fetch_first(rows, cache, options, **limits, advance=advance)


def fetch_one(url, cache, **changes):
    (result,) = fetch([[url]], cache, **changes)
    return result


def rows_of(server, paths):
    """A row each."""
    return [[server.url(path)] for path in paths]


def numbered(route, count, start=0):
    return {f"/{n}": route for n in range(start, count)}


def asked(server) -> list[str]:
    return [path for path, _ in server.requests]


def files(cache):
    return sorted(path for path in cache.rglob("*") if path.is_file())


def second_host(url):
    return url.replace("127.0.0.1", "localhost")


def whole(handler):
    respond(handler, PICTURE, Content_Length=len(PICTURE))


def in_turn(*routes):
    """The n-th request gets the n-th answer, later ones the last."""
    answers = list(routes)
    lock = threading.Lock()

    def route(handler):
        with lock:
            answer = answers.pop(0) if len(answers) > 1 else answers[0]
        answer(handler)

    return route


def stall(server, beginning=b""):
    def route(handler):
        handler.wfile.write(beginning)
        server.stopped.wait(60)

    return route


def drip(server, beginning):
    def route(handler):
        handler.wfile.write(beginning)
        while not server.stopped.wait(0.05):
            handler.wfile.write(b"x")

    return route


def hang_up(handler):
    handler.connection.shutdown(socket.SHUT_RDWR)


class Gauge:
    """How many requests are being answered; each waits until ``full`` of them are."""

    def __init__(self, full):
        self.full, self.now, self.most = full, 0, 0
        self._changed = threading.Condition()

    def __call__(self, handler):
        with self._changed:
            self.now += 1
            self.most = max(self.most, self.now)
            self._changed.notify_all()
            self._changed.wait_for(lambda: self.most >= self.full, timeout=20)
        time.sleep(0.02)  # for more requests, if there are any
        with self._changed:
            # Before the answer: with its last byte the client may ask for the next.
            self.now -= 1
        whole(handler)


# What is fetched


def test_a_picture_is_kept_under_the_hash_of_its_address(server, cache):
    server.routes["/a.png"] = PICTURE
    url = server.url("/a.png")
    result = fetch_one(url, cache)
    assert (result.url, result.reason, result.detail) == (url, None, None)
    assert result.path == place(cache, url)
    assert result.path.read_bytes() == PICTURE
    assert files(cache) == [result.path]
    assert result.path.parent.name == result.path.name[:2]
    assert len(result.path.name) == 40
    ((_, headers),) = server.requests
    assert headers["User-Agent"] == f"veneer/{__version__}"
    assert headers["Accept-Encoding"] == "identity"


def test_the_first_usable_address_of_a_row_is_taken(server, cache):
    huge = encode(noise_image(3, (2000, 600)))
    server.routes |= {"/page": HTML, "/good": PICTURE, "/other": PICTURE, "/huge": huge}
    named = ["/page /good /other", "/missing /huge /other", "/good"]
    rows = [[server.url(path) for path in paths.split()] for paths in named]
    page, missing = server.url("/page"), server.url("/missing")
    results = fetch([*rows, [page, missing], [missing, page], []], cache)
    good, other = server.url("/good"), server.url("/other")
    assert [result.url for result in results] == [good, other, good, page, missing, ""]
    assert [result.reason for result in results] == [None] * 3 + ["download_failed"] * 3
    assert all(result.path.read_bytes() == PICTURE for result in results[:3])
    assert results[3].detail == f"{missing}: status 404 Not Found"
    assert results[4].detail.startswith(f"{page}: not_an_image: ")
    # Each address once, however many rows name it.
    assert sorted(asked(server)) == ["/good", "/huge", "/missing", "/other", "/page"]


def test_one_address_in_many_rows_is_asked_once(server, cache):
    server.routes |= {"/a": PICTURE, "/b": PICTURE}
    a, b, bad = (server.url(path) for path in ("/a", "/b", "/bad"))
    results = fetch([[a]] * 50 + [[bad, a], [bad, b]] * 25, cache)
    assert [result.url for result in results] == [a] * 50 + [a, b] * 25
    assert sorted(asked(server)) == ["/a", "/b", "/bad"]


def test_progress_counts_rows(server, cache):
    server.routes["/a"] = PICTURE
    rows = [[server.url("/a")]] * 3 + [[server.url("/bad")], ["ftp://x/a"], []]

    class Bar:
        count = 0

        def update(self, by):
            self.count += by

    for _ in range(2):
        bar = Bar()
        fetch(rows, cache, advance=bar.update)
        assert bar.count == len(rows)


def test_no_cookie_is_kept(server, cache):
    server.routes |= numbered(always(PICTURE, Set_Cookie="a=b; Path=/"), 3)
    rows = [[second_host(server.url(path))] for path in server.routes]  # addresses have no cookies
    fetch(rows, cache, connections=1)
    assert len(server.requests) == 3
    assert not any("Cookie" in headers for _, headers in server.requests)


def test_a_notebook_whose_thread_runs_a_loop_can_fetch(server, cache):
    server.routes["/a"] = PICTURE

    async def cell():
        return fetch_one(server.url("/a"), cache)

    assert asyncio.run(cell()).path.read_bytes() == PICTURE


def test_a_proxy_of_the_environment_is_used(server, cache, monkeypatch):
    url = "http://pictures.invalid/a"
    server.routes[url] = PICTURE
    monkeypatch.setenv("http_proxy", server.url())
    assert fetch_one(url, cache).path.read_bytes() == PICTURE


# Errors that pass, and others


@pytest.mark.parametrize(
    "failure",
    [
        always(status=500),
        always(status=503),
        always(status=429),
        always(status=408),
        hang_up,
        always(PICTURE[:100], Content_Length=len(PICTURE)),
        always(b"%x\r\n" % len(PICTURE) + PICTURE[:50], Transfer_Encoding="chunked"),
        # An end without a word: only the picture itself shows that something is missing.
        always(PICTURE[:2000]),
        always(PICTURE[:2000], Content_Length=2000),
    ],
    ids=["500", "503", "429", "408", "hang-up", "length", "chunked", "silent", "short-length"],
)
def test_what_may_pass_is_tried_again(server, cache, failure):
    server.routes["/a"] = in_turn(failure, failure, whole)
    result = fetch_one(server.url("/a"), cache)
    assert result.reason is None
    assert result.path.read_bytes() == PICTURE
    assert len(server.requests) == 3
    assert files(cache) == [result.path]


def test_attempts_come_to_an_end(server, cache):
    server.routes["/a"] = always(status=503)
    url = server.url("/a")
    result = fetch_one(url, cache)
    assert len(server.requests) == 3
    assert (result.reason, result.path) == ("download_failed", None)
    assert result.detail == f"{url}: status 503 Service Unavailable"
    record = json.loads(place(cache, url).with_suffix(".json").read_text())
    assert record == {"url": url, "error": "status 503 Service Unavailable", "limits": None}


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 304, 204])
def test_what_will_not_pass_is_not_tried_again(server, cache, status):
    server.routes["/a"] = always(status=status)
    result = fetch_one(server.url("/a"), cache)
    assert len(server.requests) == 1
    assert result.reason == "download_failed"
    assert (f"status {status} " in result.detail) == (status != 204)


def test_no_connection_is_tried_again(cache, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    tried = []
    connect = socket.socket.connect
    monkeypatch.setattr(
        socket.socket, "connect", lambda self, to: (tried.append(to), connect(self, to))
    )
    result = fetch_one(f"http://127.0.0.1:{port}/a", cache)
    assert "Cannot connect to host 127.0.0.1" in result.detail
    assert len(tried) == 3


@pytest.mark.parametrize(
    ("wait", "least"),
    [
        ("86400", 0.4),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 0.4),
        ("9" * 5000, 0.4),
        ("soon", 0.1),
        ("Fri, 31 Dec 1999 23:59:59 GMT", 0.1),
        (None, 0.1),
    ],
)
def test_a_busy_server_is_left_in_peace(server, cache, monkeypatch, wait, least):
    """For as long as it says, up to a limit; where it says nothing, for the back-off."""
    monkeypatch.setattr(urls, "LONGEST_WAIT", 0.4)
    times = []

    def note(answer):
        return lambda handler: (times.append(time.monotonic()), answer(handler))

    busy = always(status=429, **{"Retry_After": wait} if wait else {})
    server.routes["/a"] = in_turn(note(busy), note(whole))
    assert fetch_one(server.url("/a"), cache, backoff=0.2).reason is None
    assert len(times) == 2
    assert times[1] - times[0] >= least


def test_an_address_that_waits_holds_no_connection(server, cache):
    server.routes |= {"/a": in_turn(always(status=503), whole), "/b": PICTURE}
    rows = rows_of(server, ["/a", "/b"])
    assert not any(r.reason for r in fetch(rows, cache, connections=1, backoff=1))
    assert asked(server) == ["/a", "/b", "/a"]


# Time and size


def test_a_server_that_stalls_is_given_up(server, cache):
    server.routes |= {
        "/never": stall(server),
        "/half": stall(server, OK + b"Content-Length: 9999\r\n\r\n" + PICTURE[:100]),
    }
    for result in fetch(rows_of(server, server.routes), cache, timeout=0.3, attempts=2):
        assert "Timeout on reading data" in result.detail
    assert sorted(asked(server)) == ["/half", "/half", "/never", "/never"]


@pytest.mark.parametrize(
    "beginning",
    [
        b"HTTP/1.0 200 ",
        OK + b"X-Long: ",
        OK + b"\r\n",
        OK + b"Content-Length: 999999\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffff\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: /never\r\nX-Long: ",
    ],
    ids=["status", "headers", "body", "body-with-length", "chunk", "redirect"],
)
@pytest.mark.parametrize("how", [drip, stall])
def test_every_attempt_has_a_time_limit(server, cache, beginning, how):
    """It does not wait for the next byte, and is not tried again."""
    server.routes["/a"] = how(server, beginning)
    result = fetch_one(server.url("/a"), cache, time_limit=0.1, timeout=600)
    assert result.detail == f"{server.url('/a')}: it took too long"
    assert asked(server) == ["/a"]


def test_what_is_announced_as_too_large_is_not_read(server, cache):
    server.routes["/a"] = stall(server, OK + b"Content-Length: 1000000000\r\n\r\n" + PICTURE)
    result = fetch_one(server.url("/a"), cache, max_bytes=10**5)
    assert result.detail.endswith("too_many_bytes: more than 100,000")
    assert len(server.requests) == 1


@pytest.mark.parametrize("chunked", [True, False])
def test_what_turns_out_too_large_is_cut_off(server, cache, chunked):
    sent = []

    def endless(handler):
        respond(handler, **{"Transfer_Encoding": "chunked"} if chunked else {})
        block = bytes(2**16)
        while not server.stopped.is_set():
            handler.wfile.write(b"10000\r\n" + block + b"\r\n" if chunked else block)
            sent.append(len(block))

    server.routes["/a"] = endless
    result = fetch_one(server.url("/a"), cache, max_bytes=10**5)
    assert result.detail.endswith("too_many_bytes: more than 100,000")
    assert len(server.requests) == 1
    assert sum(sent) < 2**26  # no more than the sockets hold


def test_a_picture_of_exactly_max_bytes_is_taken(server, cache):
    server.routes |= {"/a": PICTURE, "/b": always(PICTURE)}
    rows = rows_of(server, server.routes)
    assert all(r.reason for r in fetch(rows, cache / "1", max_bytes=len(PICTURE) - 1))
    assert not any(r.reason for r in fetch(rows, cache / "2", max_bytes=len(PICTURE)))


def test_a_length_that_is_too_short_spoils_no_other_answer(cache):
    pictures = {f"/{n}": encode(noise_image(n)) for n in range(10)}
    short = always(PICTURE, Content_Length=1000)
    with Server({"/short": short} | pictures, keep_alive=True) as server:
        first, *others = fetch(rows_of(server, server.routes), cache, connections=1)
    assert first.reason == "download_failed"
    assert [other.path.read_bytes() for other in others] == list(pictures.values())


def test_other_limits_ask_again_for_what_was_too_large(server, cache):
    server.routes |= {"/a": PICTURE}
    rows = rows_of(server, ["/a", "/missing"])
    for _ in range(2):
        assert all(r.reason for r in fetch(rows, cache, max_pixels=100))
        assert sorted(asked(server)) == ["/a", "/missing"]
    assert [r.reason for r in fetch(rows, cache)] == [None, "download_failed"]
    assert sorted(asked(server)) == ["/a", "/a", "/missing"]


# Connections


def test_a_slow_host_keeps_no_other_from_being_asked(server, cache):
    """Its rows come first, and it answers only when the other host is through."""
    through = threading.Event()

    def slow(handler):
        assert through.wait(30)
        whole(handler)

    def quick(handler):
        whole(handler)
        if sum(path.startswith("/quick") for path in asked(server)) == 30:
            through.set()

    server.routes |= numbered(slow, 12) | {f"/quick{n}": quick for n in range(30)}
    rows = rows_of(server, numbered(None, 12))
    rows += [[second_host(server.url(f"/quick{n}"))] for n in range(30)]
    results = fetch(rows, cache, connections=4, connections_per_host=3, timeout=20)
    assert not any(result.reason for result in results)


@pytest.mark.parametrize(("connections", "hosts", "most"), [(5, 2, 5), (30, 1, 4)])
def test_connections_are_limited_and_used(server, cache, connections, hosts, most):
    gauge = Gauge(most)
    server.routes |= numbered(gauge, 40)
    rows = rows_of(server, server.routes)
    rows[20:] = [[second_host(url) if hosts == 2 else url] for (url,) in rows[20:]]
    assert not any(r.reason for r in fetch(rows, cache, connections=connections))
    assert gauge.most == most


def test_redirects_count_for_the_host_they_lead_to(server, cache):
    gauge = Gauge(full=2)
    server.routes |= numbered(gauge, 20)
    rows = []
    for n in range(20):
        target = second_host(server.url(f"/{n}"))
        server.routes[f"/to{n}"] = always(status=302, Location=target, Content_Length=0)
        rows.append([server.url(f"/to{n}") if n % 2 else target])
    assert not any(r.reason for r in fetch(rows, cache, connections_per_host=2))
    assert gauge.most == 2


def test_no_more_answers_are_held_than_there_are_connections(server, cache, monkeypatch):
    server.routes |= numbered(PICTURE, 20)
    done, most = [], []

    def inspect(*_, **__):
        while len(server.requests) < min(3 + len(done), 20):
            time.sleep(0.001)
        time.sleep(0.01)  # for more requests, if there were any
        most.append(len(server.requests) - len(done))
        done.append(1)

    monkeypatch.setattr(urls, "inspect_apart", inspect)
    monkeypatch.setattr(urls, "_INSPECTING", 1)
    fetch(rows_of(server, server.routes), cache, connections=3)
    assert max(most) == 3


def test_only_so_many_rows_are_begun(server, cache):
    """Tasks for a million rows would take gigabytes."""
    server.routes |= numbered(PICTURE, 150)
    begun = []

    class Rows(list):
        def __iter__(self):
            for row in super().__iter__():
                begun.append(len(server.requests))
                yield row

    fetch(Rows(rows_of(server, server.routes)), cache, connections=1)
    assert len(begun) == 150
    assert all(requests >= row - 50 for row, requests in enumerate(begun))


def test_a_host_that_never_answers_is_not_asked_for_ever(server, cache):
    server.routes |= numbered(hang_up, 200) | {"/good": PICTURE}
    rows = [*rows_of(server, numbered(None, 200)), [second_host(server.url("/good"))]]
    *results, good = fetch(rows, cache)
    assert good.reason is None
    assert {result.reason for result in results} == {"download_failed"}
    assert "did not answer 20 times in a row" in results[-1].detail
    # Those that are under way when the limit is reached come to it; aiohttp asks each twice.
    before = len(server.requests)
    assert before < 2 * (20 + OPTIONS["connections_per_host"])
    fetch(rows, cache)
    assert len(server.requests) == before


# Addresses


@pytest.mark.parametrize(
    ("status", "target"), [(301, "/a"), (302, "a"), (303, "?q"), (307, None), (308, "//")]
)
def test_redirects_are_followed(server, cache, status, target):
    targets = {None: second_host(server.url("/a")), "//": second_host(server.url("/a"))[5:]}
    location = targets.get(target, target)
    server.routes |= {"/a": PICTURE, "/from?q": PICTURE}
    server.routes["/from"] = always(HTML, status=status, Location=location)
    url = server.url("/from")
    result = fetch_one(url, cache)
    assert (result.url, result.reason) == (url, None)
    assert result.path == place(cache, url)
    assert result.path.read_bytes() == PICTURE
    assert len(server.requests) == 2


def test_redirects_come_to_an_end(server, cache):
    server.routes["/a"] = always(status=302, Location="/a")
    assert "TooManyRedirects" in fetch_one(server.url("/a"), cache).detail
    assert len(server.requests) == 10


def test_a_redirect_leads_nowhere_but_to_the_web(server, cache, tmp_path):
    secret = tmp_path / "secret.png"
    secret.write_bytes(PICTURE)
    for number, target in enumerate([secret.as_uri(), "ftp://127.0.0.1/a", "http://[1/"]):
        server.routes[f"/{number}"] = always(status=302, Location=target)
        result = fetch_one(server.url(f"/{number}"), cache)
        assert result.reason == "download_failed"
        assert target in result.detail
    assert len(server.requests) == 3


BAD = [
    *("ftp://127.0.0.1/a.jpg", "file:///etc/hostname", "www.example.com/a.jpg", "nan"),
    *(
        "//127.0.0.1/a.jpg",
        "data:image/png;base64,AAAA",
        "ws://127.0.0.1/a",
        "http://",
        "http://[1",
    ),
    *("http://127.0.0.1:99999/a", "http://127.0.0.1:port/a", "http://.example/a"),
    *("http://exa mple/a", "http://exa%20mple/a", "http://\udc80/a"),
]


def test_what_is_no_address_of_the_web_is_refused(server, cache):
    server.routes["/a"] = PICTURE
    good = server.url("/a")
    results = fetch([[url] for url in BAD] + [[url, good] for url in BAD], cache)
    for url, result in zip(BAD, results, strict=False):
        assert (result.url, result.reason) == (url, "download_failed")
        assert result.detail.startswith(f"{url}: ")
    assert [result.url for result in results[len(BAD) :]] == [good] * len(BAD)
    assert asked(server) == ["/a"]


def test_addresses_of_other_alphabets_are_asked_for(server, cache):
    server.routes["/caf%C3%A9%20%231.png?q=%22"] = PICTURE
    assert fetch_one(server.url('/café %231.png?q="'), cache).reason is None


@pytest.mark.skipif(not shutil.which("openssl"), reason="openssl makes the certificate")
def test_only_servers_that_can_be_trusted_are_asked(tmp_path, cache, monkeypatch):
    key, file = tmp_path / "key.pem", tmp_path / "certificate.pem"
    make = "openssl req -x509 -nodes -newkey rsa:2048 -subj /CN=localhost -days 1"
    named = ["-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", file]
    subprocess.run([*make.split(), *named], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file, key)
    with Server({"/a": PICTURE}, tls=context) as server:
        url = second_host(server.url("/a"))
        assert "certificate verify failed" in fetch_one(url, cache).detail
        assert server.requests == []
        monkeypatch.setenv("SSL_CERT_FILE", str(file))
        assert fetch_one(url, cache, retry_failed=True).path.read_bytes() == PICTURE


# The cache


def test_a_second_run_makes_no_request(server, cache, monkeypatch):
    server.routes |= {"/a": PICTURE, "/page": HTML, "/busy": always(status=503)}
    server.routes["/stall"] = stall(server)
    rows = rows_of(server, [*server.routes, "/missing"])
    rows.append([server.url("/page"), server.url("/a")])
    first = fetch(rows, cache, timeout=0.5, attempts=1)
    assert [result.reason is None for result in first] == [True, *[False] * 4, True]
    server.requests.clear()

    def unwanted(*_, **__):
        raise AssertionError("a cached file was looked into")

    monkeypatch.setattr(urls, "inspect_apart", unwanted)
    assert fetch(rows, cache) == first
    assert server.requests == []


def test_retry_failed_asks_for_what_failed_and_nothing_else(server, cache):
    server.routes |= {"/a": PICTURE, "/late": HTML, "/never": HTML}
    rows = rows_of(server, ["/a", "/late", "/never", "/late"])
    fetch(rows, cache)
    server.requests.clear()
    server.routes["/late"] = PICTURE
    assert [bool(r.reason) for r in fetch(rows, cache)] == [False, True, True, True]
    assert server.requests == []
    again = fetch(rows, cache, retry_failed=True)
    assert [bool(result.reason) for result in again] == [False, False, True, False]
    assert sorted(asked(server)) == ["/late", "/never"]
    a, late, never = (place(cache, row[0]) for row in rows[:3])
    assert late.read_bytes() == PICTURE
    assert set(files(cache)) == {a, late, never.with_suffix(".json")}
    server.requests.clear()
    assert fetch(rows, cache) == again
    assert server.requests == []


def test_damaged_records_and_empty_files_are_fetched_again(server, cache):
    server.routes |= {"/a": PICTURE, "/b": PICTURE}
    rows = rows_of(server, server.routes)
    a, b = (place(cache, row[0]) for row in rows)
    for path in (a, b):
        path.parent.mkdir(parents=True, exist_ok=True)
    a.touch()
    b.with_suffix(".json").write_text('{"url":')
    assert not any(result.reason for result in fetch(rows, cache))
    assert sorted(asked(server)) == ["/a", "/b"]


def test_a_cache_that_cannot_be_made_ends_the_run(server, cache):
    server.routes |= numbered(PICTURE, 30)
    cache.write_text("this is no folder")
    with pytest.raises(VeneerError, match=r"Downloading pictures into .*cache: .+run it again"):
        fetch(rows_of(server, server.routes), cache)


@pytest.mark.parametrize("route", ["/a", "/missing"])
@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_full_disk_ends_the_run(server, cache, monkeypatch, route, step):
    """What is half written is not there under its name, and the rest is removed."""

    def full(*_):
        assert all(path.suffix == ".tmp" for path in files(cache))
        raise OSError(errno.ENOSPC, "No space left on device")

    server.routes["/a"] = PICTURE
    monkeypatch.setattr(os, step, full)
    with pytest.raises(VeneerError, match=r"pictures into .*cache: No space left .+run it again"):
        fetch_one(server.url(route), cache)
    assert files(cache) == []


# Interruptions

PROGRAM = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # background jobs ignore it
import sys
from pathlib import Path
from veneer.sources.options import DownloadOptions
from veneer.sources.urls import fetch_first

url, cache = sys.argv[1:]
options = DownloadOptions(
    connections=4, connections_per_host=4, attempts=5, backoff=300, timeout=300, time_limit=600,
    retry_failed=False,
)
rows = [[f"{url}/{number}"] for number in range(30)]
fetch_first(rows, Path(cache), options, max_bytes=10**6, max_pixels=10**6)
"""


@pytest.mark.parametrize("route", ["stall", "drip", "back off"])
def test_ctrl_c_ends_it_at_once(server, cache, route):
    """Any of these would go on for minutes. Nothing is remembered as failed, and nothing lost."""
    routes = {
        "stall": stall(server),
        "drip": drip(server, OK + b"\r\n"),
        "back off": always(status=503),
    }
    server.routes |= numbered(routes[route], 30) | {"/0": PICTURE}
    program = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, server.url(), str(cache)], stderr=subprocess.PIPE, text=True
    )
    try:
        picture = place(cache, server.url("/0"))
        while len(server.requests) < 4 or not picture.exists():
            assert program.poll() is None
            time.sleep(0.02)
        program.send_signal(signal.SIGINT)
        _, errors = program.communicate(timeout=60)
    finally:
        program.kill()
        program.communicate()
    assert program.returncode not in (0, -signal.SIGKILL)
    assert errors.strip().endswith("KeyboardInterrupt")
    assert "Unclosed" not in errors
    assert "destroyed" not in errors
    assert files(cache) == [picture]
