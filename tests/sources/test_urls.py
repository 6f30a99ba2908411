"""Downloads against a real server that misbehaves in every way it can."""

import contextlib
import email.utils
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
from support import encode, noise_image
from web import Server

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


@pytest.fixture
def server():
    with Server() as server:
        yield server


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


def fetch(rows, cache, *, max_bytes=10**6, max_pixels=10**6, progress=None, **changes):
    options = DownloadOptions(**OPTIONS | changes)
    limits = {"max_bytes": max_bytes, "max_pixels": max_pixels}
    return fetch_first(rows, cache, options, **limits, progress=progress)


def fetch_one(url, cache, **changes):
    (result,) = fetch([[url]], cache, **changes)
    return result


def asked(server) -> list[str]:
    return [path for path, _ in server.requests]


def respond(handler, body=b"", status=200, **headers):
    """Answer with exactly these headers, be they true or not."""
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(body)


def always(*args, **headers):
    return lambda handler: respond(handler, *args, **headers)


def in_turn(*routes):
    """The n-th request gets the n-th answer, later ones the last."""
    answers = list(routes)
    lock = threading.Lock()

    def route(handler):
        with lock:
            answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if callable(answer):
            answer(handler)
        else:
            respond(handler, answer, Content_Length=len(answer))

    return route


def stall(server):
    return lambda handler: server.stopped.wait(60)


def drip(server, beginning):
    def route(handler):
        handler.wfile.write(beginning)
        while not server.stopped.wait(0.05):
            handler.wfile.write(b"x")

    return route


def hang_up(handler):
    handler.connection.shutdown(socket.SHUT_RDWR)


def second_host(url):
    return url.replace("127.0.0.1", "localhost")


def files(cache):
    return sorted(path for path in cache.rglob("*") if path.is_file())


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
            # Before the answer: with its last byte the client may ask for the next.
            self.now -= 1
        respond(handler, PICTURE, Content_Length=len(PICTURE))


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
    server.routes |= {
        "/page": HTML,
        "/good": PICTURE,
        "/other": encode(noise_image(2)),
        "/huge": encode(noise_image(3, (2000, 600))),
    }
    rows = [
        [server.url(path) for path in row]
        for row in (
            ["/page", "/good", "/other"],
            ["/missing", "/huge", "/other"],
            ["/good"],
            ["/page", "/missing"],
            ["/missing", "/page"],
            [],
        )
    ]
    results = fetch(rows, cache)
    assert [result.url for result in results[:3]] == [rows[0][1], rows[1][2], rows[2][0]]
    assert [result.reason for result in results[:3]] == [None] * 3
    assert [result.path.read_bytes() for result in results[:3]] == [
        server.routes[path] for path in ("/good", "/other", "/good")
    ]
    for result, row in zip(results[3:5], rows[3:5], strict=True):
        assert (result.url, result.path, result.reason) == (row[0], None, "download_failed")
    assert results[3].detail == f"{rows[3][1]}: status 404 Not Found"
    assert results[4].detail.startswith(f"{rows[4][1]}: not_an_image: ")
    assert (results[5].url, results[5].reason) == ("", "download_failed")
    # Each address once, however many rows name it.
    assert sorted(asked(server)) == ["/good", "/huge", "/missing", "/other", "/page"]


def test_one_address_in_many_rows_is_asked_once(server, cache):
    server.routes |= {"/a": PICTURE, "/b": PICTURE}
    a, b, bad = (server.url(path) for path in ("/a", "/b", "/bad"))
    rows = [[a]] * 50 + [[bad, a], [bad, b]] * 25
    results = fetch(rows, cache)
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
        fetch(rows, cache, progress=bar)
        assert bar.count == len(rows)


def test_no_cookie_is_kept(server, cache):
    """Of a session that threads share, they are what must not change."""
    server.routes |= {f"/{n}": always(PICTURE, Set_Cookie="a=b; Path=/") for n in range(3)}
    fetch([[server.url(f"/{n}")] for n in range(3)], cache, connections=1)
    assert len(server.requests) == 3
    assert not any("Cookie" in headers for _, headers in server.requests)


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
    server.routes["/a"] = in_turn(failure, failure, PICTURE)
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
    assert record["url"] == url
    assert record["error"] == "status 503 Service Unavailable"
    assert record["permanent"] is False


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 304, 204])
def test_what_will_not_pass_is_not_tried_again(server, cache, status):
    server.routes["/a"] = always(status=status)
    url = server.url("/a")
    result = fetch_one(url, cache)
    assert len(server.requests) == 1
    assert result.reason == "download_failed"
    assert (f"status {status} " in result.detail) == (status != 204)
    assert json.loads(place(cache, url).with_suffix(".json").read_text())["permanent"] is True


def test_no_connection_is_tried_again(cache, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    tried = []
    connect = socket.socket.connect
    monkeypatch.setattr(
        socket.socket, "connect", lambda self, to: (tried.append(to), connect(self, to))
    )
    url = f"http://127.0.0.1:{port}/a"
    result = fetch_one(url, cache)
    assert result.detail == f"{url}: the connection failed: Connection refused"
    assert len(tried) == 3


@pytest.mark.parametrize(("status", "after"), [(429, "1"), (503, "date"), (429, None)])
def test_a_host_that_is_too_busy_is_left_in_peace(server, cache, status, after):
    """All of it, for as long as it says; where it says nothing, for the back-off."""
    times = []

    def note(handler):
        times.append((handler.path, time.monotonic()))

    def busy(handler):
        note(handler)
        moment = datetime.now(UTC) + timedelta(seconds=1.8)  # cut to whole seconds
        wait = email.utils.format_datetime(moment, usegmt=True) if after == "date" else after
        respond(handler, status=status, **{} if after is None else {"Retry_After": wait})

    def good(handler):
        note(handler)
        respond(handler, PICTURE, Content_Length=len(PICTURE))

    server.routes |= {"/a": in_turn(busy, good), "/b": good}
    rows = [[server.url("/a")], [server.url("/b")]]
    results = fetch(rows, cache, connections=1, backoff=0.5 if after is None else 0)
    assert [result.reason for result in results] == [None, None]
    assert sorted(path for path, _ in times[1:]) == ["/a", "/b"]
    least = {"1": 1.0, "date": 0.5, None: 0.25}[after]
    assert all(moment - times[0][1] >= least for _, moment in times[1:])


@pytest.mark.parametrize("wait", ["86400", "Fri, 31 Dec 9999 23:59:59 GMT", "9" * 5000, "soon"])
def test_retry_after_has_a_cap(server, cache, monkeypatch, wait):
    monkeypatch.setattr(urls, "LONGEST_WAIT", 0.2)
    server.routes["/a"] = in_turn(always(status=429, Retry_After=wait), PICTURE)
    assert fetch_one(server.url("/a"), cache).reason is None
    assert len(server.requests) == 2


def test_an_address_that_waits_holds_no_connection(server, cache):
    server.routes |= {"/a": always(status=503), "/b": PICTURE}
    rows = [[server.url("/a")], [server.url("/b")]]
    done = threading.Event()

    class Bar:
        def update(self, _):
            done.set()
            raise InterruptedError

    def run():
        with contextlib.suppress(InterruptedError):
            fetch(rows, cache, connections=1, backoff=3600, progress=Bar())

    threading.Thread(target=run, daemon=True).start()
    assert done.wait(60)
    assert asked(server) == ["/a", "/b"]


# Time and size


def test_a_server_that_stalls_is_given_up(server, cache):
    server.routes |= {
        "/never": stall(server),
        "/half": lambda handler: (
            respond(handler, PICTURE[:100], Content_Length=len(PICTURE)),
            server.stopped.wait(60),
        ),
    }
    rows = [[server.url("/never")], [server.url("/half")]]
    for result in fetch(rows, cache, timeout=0.3, attempts=2):
        assert result.detail == f"{result.url}: not a byte for 0.3 seconds"
    assert sorted(asked(server)) == ["/half", "/half", "/never", "/never"]


@pytest.mark.parametrize(
    "beginning",
    [
        b"",
        b"HTTP/1.0 200 OK\r\nX-Long: ",
        b"HTTP/1.0 200 OK\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nContent-Length: 999999\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffff\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: /never\r\nX-Long: ",
    ],
    ids=["status", "headers", "body", "body-with-length", "chunk", "redirect"],
)
def test_a_server_that_drips_comes_to_an_end(server, cache, beginning):
    server.routes["/a"] = drip(server, beginning)
    result = fetch_one(server.url("/a"), cache, time_limit=0.25)
    assert result.detail == f"{server.url('/a')}: it took too long"
    assert asked(server) == ["/a"]


def test_the_time_limit_does_not_wait_for_the_next_byte(server, cache):
    ended = threading.Event()

    def route(handler):
        respond(handler, PICTURE[:100], Content_Length=len(PICTURE))
        server.stopped.wait(60)
        ended.set()

    server.routes["/a"] = route
    result = fetch_one(server.url("/a"), cache, time_limit=0.25, timeout=600)
    assert result.detail == f"{server.url('/a')}: it took too long"
    assert not ended.is_set()


def test_all_attempts_share_one_time_limit(server, cache):
    server.routes["/a"] = in_turn(always(status=503), drip(server, b"HTTP/1.0 200 OK\r\n\r\n"))
    result = fetch_one(server.url("/a"), cache, time_limit=0.25, attempts=100)
    assert result.detail.endswith("it took too long")
    assert len(server.requests) == 2


def test_what_is_announced_as_too_large_is_not_read(server, cache):
    finished = threading.Event()

    def route(handler):
        respond(handler, PICTURE, Content_Length=10**9)
        server.stopped.wait(60)
        finished.set()

    server.routes["/a"] = route
    result = fetch_one(server.url("/a"), cache, max_bytes=10**5)
    assert result.detail.endswith("too_many_bytes: more than 100,000")
    assert len(server.requests) == 1
    assert not finished.is_set()


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
    rows = [[server.url("/a")], [server.url("/b")]]
    assert all(r.reason for r in fetch(rows, cache / "1", max_bytes=len(PICTURE) - 1))
    assert not any(r.reason for r in fetch(rows, cache / "2", max_bytes=len(PICTURE)))


def test_a_length_that_is_too_short_spoils_no_other_answer(cache):
    with Server(keep_alive=True) as server:
        server.routes |= {f"/{n}": encode(noise_image(n)) for n in range(10)}
        server.routes["/short"] = always(PICTURE, Content_Length=1000)
        rows = [[server.url("/short")], *([server.url(f"/{n}")] for n in range(10))]
        first, *others = fetch(rows, cache, connections=1)
        assert first.reason == "download_failed"
        assert "truncated" in first.detail
        expected = [server.routes[f"/{n}"] for n in range(10)]
        assert [other.path.read_bytes() for other in others] == expected


def test_other_limits_ask_again_for_what_was_too_large(server, cache):
    server.routes |= {"/a": PICTURE}
    rows = [[server.url("/a")], [server.url("/missing")]]
    assert all(r.reason for r in fetch(rows, cache, max_pixels=100))
    assert all(r.reason for r in fetch(rows, cache, max_pixels=100))
    assert sorted(asked(server)) == ["/a", "/missing"]
    large, missing = fetch(rows, cache)
    assert (large.reason, missing.reason) == (None, "download_failed")
    assert sorted(asked(server)) == ["/a", "/a", "/missing"]


# Connections


def test_a_slow_host_keeps_no_other_from_being_asked(cache):
    """Its rows come first, and it answers only when the other host is through."""
    through = threading.Event()
    with Server() as slow, Server() as quick:
        busy, lock = [0, 0], threading.Lock()

        def wait(handler):
            with lock:
                busy[0] += 1
                busy[1] = max(busy)
            through.wait(30)
            with lock:
                busy[0] -= 1
            respond(handler, PICTURE, Content_Length=len(PICTURE))

        def count(handler):
            respond(handler, PICTURE, Content_Length=len(PICTURE))
            if len(quick.requests) == 30:
                through.set()

        slow.routes |= {f"/{n}": wait for n in range(12)}
        quick.routes |= {f"/{n}": count for n in range(30)}
        rows = [[slow.url(f"/{n}")] for n in range(12)]
        rows += [[second_host(quick.url(f"/{n}"))] for n in range(30)]
        results = fetch(rows, cache, connections=4, connections_per_host=3, timeout=20)
        assert [result.reason for result in results] == [None] * 42
        assert busy[1] == 3
        assert len(slow.requests) == 12


def test_connections_are_limited_and_used(cache):
    everywhere, here = Gauge(full=5), Gauge(full=4)
    with Server() as server:

        def route(handler):
            everywhere(handler)

        server.routes |= {f"/{n}": route for n in range(40)}
        server.routes |= {f"/here{n}": here for n in range(40)}
        rows = [[server.url(f"/{n}")] for n in range(20)]
        rows += [[second_host(server.url(f"/{n}"))] for n in range(20, 40)]
        assert not any(r.reason for r in fetch(rows, cache, connections=5))
        assert everywhere.most == 5
        rows = [[server.url(f"/here{n}")] for n in range(40)]
        assert not any(r.reason for r in fetch(rows, cache, connections=30))
        assert here.most == 4


def test_redirects_count_for_the_host_they_lead_to(cache):
    gauge = Gauge(full=2)
    with Server() as server:
        server.routes |= {f"/{n}": gauge for n in range(20)}
        rows = []
        for n in range(20):
            target = second_host(server.url(f"/{n}"))
            server.routes[f"/to{n}"] = always(status=302, Location=target, Content_Length=0)
            rows.append([server.url(f"/to{n}") if n % 2 else target])
        assert not any(r.reason for r in fetch(rows, cache, connections_per_host=2))
    assert gauge.most == 2


def test_connections_are_used_again(cache):
    clients = set()

    def route(handler):
        clients.add(handler.client_address)
        respond(handler, PICTURE, Content_Length=len(PICTURE))

    with Server({f"/{n}": route for n in range(40)}, keep_alive=True) as server:
        rows = [[server.url(f"/{n}")] for n in range(40)]
        assert not any(r.reason for r in fetch(rows, cache, connections_per_host=2))
    assert len(clients) <= 2


def test_a_host_that_never_answers_is_not_asked_for_ever(cache):
    with Server() as server:
        server.routes |= {f"/{n}": hang_up for n in range(200)}
        server.routes["/good"] = PICTURE
        rows = [[server.url(f"/{n}")] for n in range(200)]
        rows.append([second_host(server.url("/good"))])
        *results, good = fetch(rows, cache)
        assert good.reason is None
        assert {result.reason for result in results} == {"download_failed"}
        assert "did not answer 20 times in a row" in results[-1].detail
        # Those that are under way when the limit is reached come to it.
        assert 20 <= len(server.requests) - 1 < 20 + OPTIONS["connections_per_host"]
        before = len(server.requests)
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


def test_after_an_error_a_redirect_is_asked_for_anew(server, cache):
    """Where it leads may have been an address of short life."""
    moved = [always(status=302, Location=f"/{n}", Content_Length=0) for n in (1, 2)]
    server.routes |= {"/a": in_turn(*moved), "/1": always(status=503), "/2": PICTURE}
    assert fetch_one(server.url("/a"), cache).reason is None
    assert asked(server) == ["/a", "/1", "/a", "/2"]


def test_redirects_come_to_an_end(server, cache):
    server.routes["/a"] = always(status=302, Location="/a")
    result = fetch_one(server.url("/a"), cache)
    assert result.detail.endswith("more than 10 redirects")
    assert len(server.requests) == 11


def test_the_body_of_a_redirect_is_not_waited_for(server, cache):
    def route(handler):
        respond(handler, HTML, status=302, Location="/good", Content_Length=10**12)
        server.stopped.wait(60)

    server.routes |= {"/a": route, "/good": PICTURE}
    assert fetch_one(server.url("/a"), cache, timeout=60, time_limit=60).reason is None


def test_a_redirect_leads_nowhere_but_to_the_web(server, cache, tmp_path):
    secret = tmp_path / "secret.png"
    secret.write_bytes(PICTURE)
    for number, target in enumerate([secret.as_uri(), "ftp://127.0.0.1/a", "http://[1/"]):
        server.routes[f"/{number}"] = always(status=302, Location=target)
        result = fetch_one(server.url(f"/{number}"), cache)
        assert result.reason == "download_failed"
        assert target in result.detail or "it cannot be asked for" in result.detail
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    "url",
    [
        "ftp://127.0.0.1/a.jpg",
        "file:///etc/hostname",
        "www.example.com/a.jpg",
        "//127.0.0.1/a.jpg",
        "data:image/png;base64,AAAA",
        "http://",
        "http://[1",
        "http://127.0.0.1:99999/a",
        "http://127.0.0.1:port/a",
        "http://exa mple/a",
        "http://.example/a",
        "nan",
    ],
)
def test_what_is_no_address_of_the_web_is_refused(server, cache, url):
    server.routes["/a"] = PICTURE
    bad, good = fetch([[url], [url, server.url("/a")]], cache)
    assert (bad.url, bad.reason) == (url, "download_failed")
    assert bad.detail.startswith(f"{url}: ")
    words = ("only http and https", "names no host", "no address", "it cannot be asked for")
    assert any(each in bad.detail for each in words)
    assert good.url == server.url("/a")
    assert good.reason is None
    assert asked(server) == ["/a"]


def test_addresses_of_other_alphabets_are_asked_for(server, cache):
    server.routes["/caf%C3%A9%20%231.png?q=%22"] = PICTURE
    result = fetch_one(server.url('/café %231.png?q="'), cache)
    assert result.reason is None


def certificate(folder):
    pytest.importorskip("cryptography")
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = folder / "certificate.pem"
    file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return file


def test_only_servers_that_can_be_trusted_are_asked(tmp_path, cache, monkeypatch):
    file = certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    with Server({"/a": PICTURE}, tls=context) as server:
        server.routes["/drip"] = drip(server, b"HTTP/1.0 200 OK\r\n\r\n")
        a, slow = (second_host(server.url(path)) for path in ("/a", "/drip"))
        result = fetch_one(a, cache)
        assert "not to be trusted" in result.detail
        assert server.requests == []
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(file))
        assert fetch_one(a, cache, retry_failed=True).path.read_bytes() == PICTURE
        assert fetch_one(slow, cache, time_limit=0.5).detail.endswith("it took too long")
        assert asked(server) == ["/a", "/drip"]


# The cache


def test_a_second_run_makes_no_request(server, cache, monkeypatch):
    server.routes |= {"/a": PICTURE, "/page": HTML, "/busy": always(status=503)}
    server.routes["/stall"] = stall(server)
    paths = ["/a", "/page", "/busy", "/missing", "/stall"]
    rows = [[server.url(path)] for path in paths] + [[server.url("/page"), server.url("/a")]]
    first = fetch(rows, cache, timeout=0.5, attempts=1)
    assert [result.reason is None for result in first] == [True, *[False] * 4, True]
    server.requests.clear()

    def unwanted(*_, **__):
        raise AssertionError("a cached file was looked into")

    monkeypatch.setattr(urls, "inspect_image", unwanted)
    assert fetch(rows, cache) == first
    assert server.requests == []


def test_retry_failed_asks_for_what_failed_and_nothing_else(server, cache):
    server.routes |= {"/a": PICTURE, "/late": HTML, "/never": HTML}
    rows = [[server.url(path)] for path in ("/a", "/late", "/never", "/late")]
    fetch(rows, cache)
    server.requests.clear()
    server.routes["/late"] = PICTURE
    assert [bool(r.reason) for r in fetch(rows, cache)] == [False, True, True, True]
    assert server.requests == []
    again = fetch(rows, cache, retry_failed=True)
    assert [bool(result.reason) for result in again] == [False, False, True, False]
    assert sorted(asked(server)) == ["/late", "/never"]
    late, never = place(cache, rows[1][0]), place(cache, rows[2][0])
    assert late.read_bytes() == PICTURE
    assert set(files(cache)) == {
        place(cache, rows[0][0]),
        late,
        never.with_suffix(".json"),
    }
    server.requests.clear()
    assert fetch(rows, cache) == again
    assert server.requests == []


def test_damaged_records_and_empty_files_are_fetched_again(server, cache):
    server.routes |= {"/a": PICTURE, "/b": PICTURE}
    rows = [[server.url("/a")], [server.url("/b")]]
    a, b = (place(cache, row[0]) for row in rows)
    for path in (a, b):
        path.parent.mkdir(parents=True, exist_ok=True)
    a.touch()
    b.with_suffix(".json").write_text('{"url":')
    assert not any(result.reason for result in fetch(rows, cache))
    assert sorted(asked(server)) == ["/a", "/b"]


def test_a_cache_that_cannot_be_written_ends_the_run(server, cache):
    server.routes |= {f"/{n}": PICTURE for n in range(30)}
    cache.write_text("this is no folder")
    with pytest.raises(VeneerError, match=r"Downloading pictures into .*cache: .+run it again"):
        fetch([[server.url(f"/{n}")] for n in range(30)], cache)


def test_old_temporary_files_are_swept_and_others_left(server, cache):
    folder = cache / "ab"
    folder.mkdir(parents=True)
    old, new = folder / ".abc.1.1.tmp", folder / ".abd.1.1.tmp"
    for path in (old, new):
        path.write_bytes(b"half a pic")
    os.utime(old, (time.time() - 7200,) * 2)
    fetch([[server.url("/a")]], cache)
    assert not old.exists()
    assert new.exists()


# Interruptions

PROGRAM = """
import os, sys, time
from pathlib import Path
from veneer.sources.options import DownloadOptions
from veneer.sources.urls import fetch_first

base, count, cache, how = sys.argv[1:]
if how == "stop while writing":
    replace = os.replace
    def slow(source, target):
        print("writing", flush=True)
        time.sleep(600)
    os.replace = slow
options = DownloadOptions(
    connections=4, connections_per_host=4, attempts=5, backoff=300, timeout=300, time_limit=600,
    retry_failed=False,
)
rows = [[f"{base}/{number}"] for number in range(int(count))]
fetch_first(rows, Path(cache), options, max_bytes=10**6, max_pixels=10**6)
print("done", flush=True)
"""


def start(server, count, cache, how=""):
    command = [sys.executable, "-c", PROGRAM, server.url(), str(count), str(cache), how]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_a_run_that_is_killed_leaves_whole_files_and_is_gone_on_with(server, cache):
    pictures = {f"/{n}": encode(noise_image(n)) for n in range(40)}
    halfway = threading.Event()

    def hold(handler):
        """The last pictures stop in the middle, until the program is killed."""
        body = pictures[handler.path]
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body[:1000])
        halfway.set()
        server.stopped.wait(60)

    server.routes |= pictures | {f"/{n}": hold for n in range(30, 40)}
    program = start(server, 40, cache)
    try:
        assert halfway.wait(60)
    finally:
        program.kill()
        program.wait()
        program.communicate()
    places = {place(cache, server.url(path)): path for path in pictures}
    there = [path for path in files(cache) if not path.name.startswith(".")]
    assert there
    assert all(path.read_bytes() == pictures[places[path]] for path in there)
    server.routes = pictures
    server.requests.clear()
    results = fetch([[server.url(path)] for path in pictures], cache)
    assert [result.path.read_bytes() for result in results] == list(pictures.values())
    # A set: what the killed program still had on its way may have come after `clear`.
    assert set(asked(server)) == set(pictures) - {places[path] for path in there}


def test_a_run_that_is_killed_while_it_writes_leaves_no_half_file(server, cache):
    server.routes["/0"] = PICTURE
    program = start(server, 1, cache, "stop while writing")
    try:
        assert program.stdout.readline() == "writing\n"
    finally:
        program.kill()
        program.communicate()
    (left,) = files(cache)
    assert left.name.startswith(".")
    assert left.name.endswith(".tmp")
    os.utime(left, (time.time() - 7200,) * 2)
    result = fetch_one(server.url("/0"), cache)
    assert result.path.read_bytes() == PICTURE
    assert files(cache) == [result.path]


@pytest.mark.parametrize("route", ["stall", "drip", "back off"])
def test_ctrl_c_ends_it_at_once(server, cache, route):
    """Any of these would go on for minutes."""
    routes = {
        "stall": stall(server),
        "drip": drip(server, b"HTTP/1.0 200 OK\r\n\r\n"),
        "back off": always(status=503),
    }
    server.routes |= {f"/{n}": routes[route] for n in range(1, 30)} | {"/0": PICTURE}
    program = start(server, 30, cache)
    try:
        while len(server.requests) < 4:
            assert program.poll() is None
            time.sleep(0.02)
        program.send_signal(signal.SIGINT)
        output, errors = program.communicate(timeout=60)
    finally:
        program.kill()
        program.communicate()
    assert output == ""
    assert program.returncode not in (0, -signal.SIGKILL)
    assert errors.strip().endswith("KeyboardInterrupt")
    assert [path for path in files(cache) if path.suffix == ".json"] == []


def test_an_interruption_remembers_nothing_as_failed_and_leaves_no_thread(server, cache):
    server.routes |= {f"/{n}": drip(server, b"HTTP/1.0 200 OK\r\n\r\n") for n in range(20)}
    server.routes["/a"] = PICTURE

    class Bar:
        def update(self, _):
            while len(server.requests) < 4:
                time.sleep(0.01)
            raise KeyboardInterrupt

    rows = [[server.url("/a")], *([server.url(f"/{n}")] for n in range(20))]
    with pytest.raises(KeyboardInterrupt):
        fetch(rows, cache, progress=Bar(), attempts=1, time_limit=600)
    for thread in threading.enumerate():
        if thread.name.startswith("download-"):
            thread.join(timeout=30)
            assert not thread.is_alive()
    assert files(cache) == [place(cache, server.url("/a"))]
