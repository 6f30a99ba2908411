"""Addresses of strangers: what lies within is never asked, what lies outside is not trusted."""

import asyncio
import gzip
import random
import shutil
import socket
import ssl
import subprocess
import threading
from ipaddress import ip_address

import pytest
from support import encode, noise_image
from web import Server, always, respond

from veneer import __version__
from veneer.errors import VeneerError
from veneer.sources import public
from veneer.sources.public import fetch_public, is_public_address

PICTURE = encode(noise_image(1))
NO_SERVER = "no public server is found there"
BADLY_WRITTEN = "its host is not written in the usual way"
ADVICE = ". Download the picture yourself and upload it."
NAME = "pictures.test"


@pytest.fixture(scope="module")
def shared_server():
    with Server() as server:
        yield server


@pytest.fixture
def server(shared_server, monkeypatch):
    allow_port(shared_server, monkeypatch)
    shared_server.requests.clear()
    shared_server.routes = {"/a": PICTURE}
    return shared_server


@pytest.fixture
def slow_server(monkeypatch):
    """Of its own: what the client does not wait for may reach it late."""
    with Server() as server:
        allow_port(server, monkeypatch)
        yield server


def allow_port(server, monkeypatch):
    monkeypatch.setattr(public, "PORTS", public.PORTS | {port_of(server)})


def port_of(server):
    return int(server.url().rpartition(":")[2])


def named(server, path="/a", host=NAME):
    return server.url(path).replace("127.0.0.1", host)


def asked(server):
    return [path for path, _ in server.requests]


def is_test_server(address):
    """As if 127.0.0.1 were a public address."""
    return address == "127.0.0.1" or is_public_address(address)


def to_test_server(_):
    return ["127.0.0.1"]


def fetch(url, **changes):
    """From the test server, whatever the name is."""
    options = {"max_bytes": 10**6, "resolver": to_test_server, "is_public": is_test_server}
    return fetch_public(url, **options | changes)


def error_of(url, **changes):
    with pytest.raises(VeneerError) as caught:
        fetch(url, **changes)
    message = str(caught.value)
    assert message.startswith("Fetching the picture at ")
    assert message.endswith(ADVICE)
    assert message.isprintable()
    return message.removesuffix(ADVICE)


def redirect(location, status=302):
    return always(status=status, Location=location, Content_Length=0)


# What is fetched


@pytest.mark.parametrize("host", ["127.0.0.1", NAME, "127.0.0.1.", f"{NAME}.", NAME.upper()])
@pytest.mark.parametrize("around", ["", " \n"])
def test_a_picture_is_fetched(server, host, around):
    assert fetch(f"{around}{named(server, host=host)}{around}") == PICTURE
    ((path, headers),) = server.requests
    assert path == "/a"
    assert headers["Host"] == f"{host.lower().removesuffix('.')}:{port_of(server)}"
    assert headers["User-Agent"] == f"veneer/{__version__}"
    assert headers["Accept-Encoding"] == "identity"


@pytest.mark.parametrize(
    ("typed", "sent"),
    [
        ("/a b.png?q=ü#part", "/a%20b.png?q=%C3%BC"),
        ("/a%20b.png", "/a%20b.png"),
        ("/a@2x.png?to=http://x@y/", "/a@2x.png?to=http://x@y/"),
        ("?a", "/?a"),
        ("", "/"),
    ],
)
def test_paths_and_queries_are_sent_as_they_are(server, typed, sent):
    server.routes[sent] = PICTURE
    assert fetch(server.url(typed)) == PICTURE
    assert asked(server) == [sent]


def test_names_of_other_alphabets_are_asked_for(server):
    names = []
    fetch(
        named(server, host="Bücher。test"),
        resolver=lambda name: names.append(name) or ["127.0.0.1"],
    )
    assert names == ["xn--bcher-kva.test"]


def test_a_thread_that_runs_a_loop_can_fetch(server):
    async def cell():
        return fetch(server.url("/a"))

    assert asyncio.run(cell()) == PICTURE


def test_the_system_resolves_names_as_absolute_ones(server, monkeypatch):
    names = []

    def getaddrinfo(name, *_, **__):
        names.append(name)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0))]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    assert fetch(named(server), resolver=None) == PICTURE
    assert names == [f"{NAME}."]


def test_nothing_of_the_environment_is_used(server, monkeypatch, tmp_path):
    """A proxy would resolve names by itself, and passwords are not a stranger's to send."""
    netrc = tmp_path / "netrc"
    netrc.write_text("default login me password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    with Server({named(server): b"of the proxy"}) as proxy:
        for variable in ("http_proxy", "HTTP_PROXY", "all_proxy"):
            monkeypatch.setenv(variable, proxy.url())
        assert fetch(named(server)) == PICTURE
        assert proxy.requests == []
    ((_, headers),) = server.requests
    assert "Authorization" not in headers


def test_no_cookie_is_kept(server):
    server.routes["/from"] = always(status=302, Location="/a", Set_Cookie="a=b; Path=/")
    assert fetch(named(server, "/from")) == PICTURE
    assert len(server.requests) == 2
    assert not any("Cookie" in headers for _, headers in server.requests)


# Ways in

INNER_HOSTS = [
    *("localhost", "LOCALHOST", "localhost.", "LocalHost", "intranet", "metadata", "router."),
    *("127.0.0.1", "127.0.0.1.", "127.255.255.254", "0.0.0.0", "10.0.0.1", "172.16.0.1"),
    *(
        "192.168.0.1",
        "169.254.169.254",
        "100.64.0.1",
        "100.100.100.200",
        "198.18.0.1",
        "192.0.0.192",
    ),
    *("192.0.2.1", "224.0.0.1", "240.0.0.1", "255.255.255.255", "168.63.129.16", "192.88.99.1"),
    *("127。0。0。1", "127.0.0.1", "①②⑦.⓪.⓪.①", "ⓛⓞⓒⓐⓛⓗⓞⓢⓣ"),
    *("2130706433", "017700000001", "0x7f000001", "0x7F.0.0.1", "0177.0.0.1", "0177.0.0.01"),
    *("127.1", "127.0.1", "0x7f.1", "0", "127.0.0.1.1", "1.0x7f", "127.0.0.1..", "4294967296"),
    *("00000127.0.0.1", "0b1111111.0.0.1", "127.0.0.٠", "٢١٣٠٧٠٦٤٣٣", "0x", "1.0x"),
    *("[::1]", "[::]", "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]"),
    *("[::127.0.0.1]", "[::ffff:0:127.0.0.1]", "[64:ff9b::127.0.0.1]", "[64:ff9b:1::7f00:1]"),
    *("[2002:7f00:1::]", "[2001:0:7f00:1::1]", "[fe80::1]", "[fc00::1]", "[fd00:ec2::254]"),
    *("[fec0::1]", "[ff02::1]", "[ff0e::1]", "[2001:db8::1]", "[3fff::1]", "[100::1]"),
    *("[2600::5efe:127.0.0.1]", "[2600::200:5efe:127.0.0.1]", "[4000::1]", "[5f00::1]"),
    *("[fe80::1%lo]", "[fe80::1%25lo]", "[2600::1%1]", "[v1.a]", "[127.0.0.1]", "[localhost]"),
    *("[::1", "::1", "::1]", "[[::1]]", "[]", "", ".", "..", "[::1]a", "a[::1]"),
    *("127.0.0.1.nip.test", NAME, "a.localhost", "127-0-0-1.test", "_a.test"),
    *("%31%32%37.0.0.1", "127.0.0.1%00.test", "127.0.0.1%2f.test", "loc%61lhost", "127%2E0.0.1"),
    *("127.0.0.1 .test", "127.0.0.1\\.test", "127.0.0.1\t", "127.0.0\n.1", "127.0.0.1\x00.test"),
    *(
        "a..test",
        "-a.test",
        "a-.test",
        "a" * 64 + ".test",
        "a." * 127 + "test",
        "ü" * 5000 + ".test",
    ),
    *("xn--a.test", "\udc80.test", "a\u200b.test", "a\u202e.test", "a/b", "127.0.0.1,a.test"),
]


@pytest.mark.parametrize("host", INNER_HOSTS)
def test_nothing_within_is_asked(server, host):
    """Every name leads to the server on 127.0.0.1, and every number that is read as this."""
    for scheme in ("http", "https"):
        url = f"{scheme}://{host}:{port_of(server)}/a"
        error = error_of(url, is_public=is_public_address)
        assert error.endswith(
            (NO_SERVER, BADLY_WRITTEN, "do not belong there", "(80, 443, 8080, 8443)")
        )
        assert server.requests == []


WRITTEN = [
    *("http://user@127.0.0.1:{port}/a", "http://user:pw@127.0.0.1:{port}/a"),
    *("http://@127.0.0.1:{port}/a", "http://:@127.0.0.1:{port}/a", "http://a@b@127.0.0.1:{port}/a"),
    *("http://good.test:80@127.0.0.1:{port}/a", "http://good.test%40127.0.0.1:{port}/a"),
    *("http://good.test＠127.0.0.1:{port}/a", "http://127.0.0.1:{port}\\@good.test/a"),
    *("http:\\\\127.0.0.1:{port}\\a", "http:/\\127.0.0.1:{port}/a", "http://127.0.0.1:{port}\\a"),
    *("http:127.0.0.1:{port}/a", "http:/127.0.0.1:{port}/a", "http:///127.0.0.1:{port}/a"),
    *("//127.0.0.1:{port}/a", "127.0.0.1:{port}/a", "/a", "url:http://127.0.0.1:{port}/a"),
    *("ftp://127.0.0.1:{port}/a", "ws://127.0.0.1:{port}/a", "gopher://127.0.0.1:{port}/_GET%20/a"),
    *("file:///etc/hostname", "data:image/png;base64,AAAA", "javascript:alert(1)", "dict://x/", ""),
    *("http+unix://127.0.0.1:{port}/a", "jar:http://127.0.0.1:{port}/a!/", "view-source:http://x"),
    *("ht\ttp://127.0.0.1:{port}/a", "http://127.0.0.\t1:{port}/a", "http://127.0.0.1:{port}/\ta"),
    *("http://127.0.0.1:{port}/a\r\nX-A: b", "http://127.0.0.1:{port}/a HTTP/1.1\r\n\r\nGET /b"),
    *(
        "http://127.0.0.1\r\n:{port}/a",
        "http://127.0.0.1:{port}/\x00",
        "http://127.0.0.1:{port}/\udc80",
    ),
    *(
        "http://127.0.0.1:{port}/\u202egnp",
        "http://127.0.0.1:{port}:{port}/a",
        "http://127.0.0.1:-1/a",
    ),
    *("http://127.0.0.1:{port}x/a", "http://127.0.0.1:+{port}/a", "http://127.0.0.1:{port}%20/a"),
    *("http://127.0.0.1 :{port}/a", "http:// 127.0.0.1:{port}/a", "http://127.0.0.1: {port}/a"),
    *("http://127.1:{port}/a", "http://2130706433:{port}/a", "http://0x7f.1:{port}/a"),
    *("http://0177.0.0.1:{port}/a", "http://localhost:{port}/a", "http://localhost.:{port}/a"),
    *("http://127.0.0.1:99999/a", "http://127.0.0.1:{port}00000000000/a"),
    "http://127.0.0.1:{port}/" + "a" * 8000,
]


@pytest.mark.parametrize("url", WRITTEN, ids=range(len(WRITTEN)))
def test_what_can_be_read_in_two_ways_is_not_asked(server, url):
    """Though the server on 127.0.0.1 may be asked here."""
    error_of(url.replace("{port}", str(port_of(server))))
    assert server.requests == []


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:{}#@good.test/", "http://127.0.0.1:{}?@good.test"]
)
def test_what_is_behind_the_host_does_not_change_it(server, url):
    url = url.format(port_of(server))
    assert NO_SERVER in error_of(url, is_public=is_public_address)
    assert server.requests == []
    assert "status 404" in error_of(url)


def test_only_ports_where_pictures_are_may_be_asked():
    with Server({"/a": PICTURE}) as server:
        error = error_of(server.url("/a"))
        assert server.requests == []
    assert error.endswith(
        f": port {port_of(server)} is none of those where pictures are asked for "
        "(80, 443, 8080, 8443)"
    )


@pytest.mark.parametrize(
    ("url", "port"), [("http://x.test", 80), ("https://x.test/", 443), ("https://x.test:/", 443)]
)
def test_the_port_of_the_scheme_is_the_default(url, port):
    assert public._checked(url, is_public_address).port == port
    assert port in public.PORTS


PUBLIC = [
    *("8.8.8.8", "1.1.1.1", "93.184.216.34", "172.32.0.1", "100.128.0.1", "198.20.0.1"),
    *("223.255.255.255", "2606:4700:4700::1111", "2001:4860:4860::8888", "2a00:1450:4001::200e"),
]
NOT_PUBLIC = [
    *("0.0.0.0", "0.1.2.3", "10.255.0.1", "100.64.0.1", "127.0.0.1", "169.254.1.1", "172.31.0.1"),
    *("192.0.0.9", "192.0.0.192", "192.0.2.1", "192.88.99.1", "192.168.1.1", "198.19.255.255"),
    *("198.51.100.1", "203.0.113.1", "224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255"),
    *("168.63.129.16", "::", "::1", "::8.8.8.8", "::ffff:8.8.8.8", "::ffff:10.0.0.1"),
    *("::ffff:0:8.8.8.8", "64:ff9b::8.8.8.8", "64:ff9b:1::1", "100::1", "2001::1", "2001:2::1"),
    *("2001:db8::1", "2002:808:808::1", "2002:a00:1::", "3fff::1", "4000::1", "5f00::1"),
    *("2600::5efe:8.8.8.8", "2600::200:5efe:10.0.0.1", "fc00::1", "fd12::1", "fe80::1", "fec0::1"),
    *(
        "fe80::1%eth0",
        "2600::1%1",
        "ff02::1",
        "ff0e::1",
        "",
        "a.test",
        "127.1",
        "8.8.8",
        "08.8.8.8",
    ),
    *("134744072", "8.8.8.8 ", "8.8.8.8/32", "[2600::1]"),
]


def test_which_addresses_are_public():
    assert [address for address in PUBLIC if not is_public_address(address)] == []
    assert [address for address in NOT_PUBLIC if is_public_address(address)] == []


def test_a_public_address_of_this_machine_is_not_asked(monkeypatch):
    assert public._is_own(ip_address("127.0.0.1"))
    assert not public._is_own(ip_address("8.8.8.8"))
    monkeypatch.setattr(public, "_is_own", lambda ip: str(ip) == "8.8.8.8")
    assert [is_public_address(ip) for ip in ("8.8.8.8", "8.8.4.4")] == [False, True]


# Names


@pytest.mark.parametrize(
    "addresses",
    [
        ["10.0.0.7"],
        ["::1"],
        ["127.0.0.1", "10.0.0.7"],
        ["10.0.0.7", "127.0.0.1"],
        ["127.0.0.1", "fe80::1%eth0"],
        ["127.0.0.1", "::ffff:127.0.0.1"],
        ["127.1"],
        ["localhost"],
        [],
    ],
)
def test_every_address_of_a_name_has_to_be_public(server, addresses):
    """And the error tells neither which it was, nor whether there is such a name."""
    error = error_of(named(server), resolver=lambda _: addresses)
    assert error == f"Fetching the picture at {named(server)}: {NO_SERVER}"
    assert server.requests == []


@pytest.mark.parametrize(
    "failure", [socket.gaierror(-2, "Name or service not known"), UnicodeError("label too long")]
)
def test_a_name_that_is_not_known_gives_the_same_error(server, failure):
    def fail(_):
        raise failure

    error = error_of(named(server), resolver=fail)
    assert error == f"Fetching the picture at {named(server)}: {NO_SERVER}"


def test_a_name_is_looked_up_once_and_what_was_checked_is_asked(server):
    """A second look would find another server."""
    names, answers = [], [["127.0.0.1"]]

    def rebinding(name):
        names.append(name)
        return answers.pop(0) if answers else ["10.0.0.7"]

    assert fetch(named(server), resolver=rebinding) == PICTURE
    assert names == [NAME]


def test_a_name_that_changes_between_redirects_is_checked_anew(server):
    server.routes["/from"] = redirect("/a")
    answers = [["127.0.0.1"], ["10.0.0.7"]]
    error = error_of(named(server, "/from"), resolver=lambda _: answers.pop(0))
    assert error.endswith(f": {NO_SERVER}")
    assert asked(server) == ["/from"]


@pytest.mark.parametrize("host", [NAME, "127.0.0.1"])
def test_the_server_that_was_reached_is_checked_again(server, host):
    """It is not asked if it is another than the one that was looked up."""
    checks = []

    def only_at_first(address):
        checks.append(address)
        return len(checks) == 1

    assert NO_SERVER in error_of(named(server, host=host), is_public=only_at_first)
    assert checks == ["127.0.0.1"] * 2
    assert server.requests == []


# Redirects


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    "location", ["/a", "a", "//other.test:{port}/a", "http://127.0.0.1:{port}/a"]
)
def test_redirects_are_followed(server, status, location):
    server.routes["/from"] = redirect(location.replace("{port}", str(port_of(server))), status)
    assert fetch(named(server, "/from")) == PICTURE
    assert asked(server) == ["/from", "/a"]


@pytest.mark.parametrize(
    ("location", "found"),
    [
        ("http://10.0.0.7/a", NO_SERVER),
        ("http://[::1]:{port}/a", NO_SERVER),
        ("//localhost:{port}/a", NO_SERVER),
        ("http://inner.test:{port}/a", NO_SERVER),
        ("http://2130706433:{port}/a", BADLY_WRITTEN),
        ("http://127.1:{port}/a", BADLY_WRITTEN),
        ("http://user:secret@127.0.0.1:{port}/a", "a user name or password"),
        ("//user@127.0.0.1:{port}/a", "a user name or password"),
        ("http://127.0.0.1:22/a", "port 22 "),
        ("http://127.0.0.1:{port}/\\a", "do not belong there"),
        ("file:///etc/hostname", "no http or https address"),
        ("ftp://127.0.0.1:{port}/a", "no http or https address"),
        ("data:image/png;base64,AAAA", "no http or https address"),
        ("http://[1/", BADLY_WRITTEN),
    ],
)
def test_redirects_are_checked_as_what_was_typed(server, location, found):
    server.routes["/from"] = redirect(location.replace("{port}", str(port_of(server))))
    inner = {"inner.test": ["10.0.0.7"]}
    error = error_of(named(server, "/from"), resolver=lambda name: inner.get(name, ["127.0.0.1"]))
    assert error.startswith(f"Fetching the picture at {named(server, '/from')}, which leads on to ")
    assert found in error
    assert "secret" not in error
    assert asked(server) == ["/from"]


def test_redirects_come_to_an_end(server):
    for number in range(10):
        server.routes[f"/{number}"] = redirect(f"/{number + 1}") if number < 9 else PICTURE
    assert fetch(server.url("/4")) == PICTURE
    assert len(server.requests) == 6
    server.requests.clear()
    assert "there are more than 5 redirects" in error_of(server.url("/3"))
    assert len(server.requests) == 6


def test_a_redirect_to_nowhere_is_an_answer_like_others(server):
    server.routes["/from"] = always(status=302)
    assert error_of(server.url("/from")).endswith(": the server answers with status 302")


# Limits


@pytest.mark.parametrize("how", ["declared", "undeclared", "chunked"])
def test_a_picture_may_have_max_bytes_and_no_more(server, how):
    size = len(PICTURE)
    server.routes["/a"] = {
        "declared": PICTURE,
        "undeclared": always(PICTURE),
        "chunked": lambda handler: chunked(handler, PICTURE),
    }[how]
    assert fetch(server.url("/a"), max_bytes=size) == PICTURE
    error = error_of(server.url("/a"), max_bytes=size - 1)
    assert error.endswith(f": it is larger than {size - 1:,} bytes")


def chunked(handler, body):
    handler.protocol_version = "HTTP/1.1"
    respond(handler, b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body), Transfer_Encoding="chunked")


def test_what_is_announced_as_too_large_is_not_waited_for(slow_server):
    def promise(handler):
        respond(handler, PICTURE, Content_Length=10**12)
        slow_server.stopped.wait(60)

    slow_server.routes["/a"] = promise
    assert "larger than 1,000,000 bytes" in error_of(slow_server.url("/a"))


def test_what_does_not_end_is_cut_off(slow_server):
    sent = []

    def endless(handler):
        respond(handler)
        while not slow_server.stopped.is_set():
            handler.wfile.write(bytes(2**16))
            sent.append(2**16)

    slow_server.routes["/a"] = endless
    assert "larger than 100,000 bytes" in error_of(slow_server.url("/a"), max_bytes=10**5)
    assert sum(sent) < 2**26  # no more than the sockets hold


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "br", "zstd", "deflate, gzip"])
def test_what_is_compressed_is_not_unpacked(server, encoding):
    bomb = gzip.compress(bytes(10**7))
    server.routes["/a"] = always(bomb, Content_Encoding=encoding, Content_Length=len(bomb))
    assert error_of(server.url("/a")).endswith(": the server has compressed it")


def test_what_is_compressed_behind_a_false_header_is_not_unpacked_either(server):
    bomb = gzip.compress(bytes(10**7))

    def twice(handler):
        handler.send_response(200)
        handler.send_header("Content-Encoding", "identity")
        handler.send_header("Content-Encoding", "gzip")
        handler.end_headers()
        handler.wfile.write(bomb)

    server.routes["/a"] = twice
    assert fetch(server.url("/a")) == bomb


OK = b"HTTP/1.0 200 OK\r\n"


@pytest.mark.parametrize(
    "beginning",
    [
        b"",
        b"HTTP/1.0 200 ",
        OK + b"X-Long: ",
        OK + b"\r\n",
        OK + b"Content-Length: 999999\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffff\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: /never\r\nX-Long: ",
    ],
    ids=["nothing", "status", "headers", "body", "body-with-length", "chunk", "redirect"],
)
@pytest.mark.parametrize("between", [60, 0.02])
def test_there_is_one_time_limit_over_everything(slow_server, beginning, between):
    """It does not wait for the next byte, and a byte now and then does not prolong it."""

    def slow(handler):
        handler.wfile.write(beginning)
        while beginning and not slow_server.stopped.wait(between):
            handler.wfile.write(b"x")
        slow_server.stopped.wait(60)

    slow_server.routes["/a"] = slow
    assert error_of(slow_server.url("/a"), time_limit=0.1).endswith(": it took too long")


def test_the_time_limit_is_not_one_for_each_redirect(slow_server):
    """Each of them alone is within it."""
    enough = threading.Event()

    def late(number):
        def route(handler):
            enough.wait(0.15)
            respond(handler, status=302, Location=f"/{number + 1}")

        return route

    slow_server.routes |= {f"/{number}": late(number) for number in range(5)} | {"/5": PICTURE}
    assert error_of(slow_server.url("/0"), time_limit=0.4).endswith(": it took too long")


def test_a_slow_name_server_is_not_waited_for(server):
    stopped = threading.Event()
    error = error_of(named(server), resolver=lambda _: stopped.wait(60) or [], time_limit=0.1)
    stopped.set()
    assert error.endswith(": it took too long")


# Answers


@pytest.mark.parametrize(
    "kind",
    [
        *("image/png", "IMAGE/JPEG; charset=utf-8", " image/webp ", "image/x-whatever"),
        *("application/octet-stream", "binary/octet-stream", "", None),
    ],
)
def test_types_that_may_be_pictures_are_taken(server, kind):
    server.routes["/a"] = always(PICTURE, **{} if kind is None else {"Content_Type": kind})
    assert fetch(server.url("/a")) == PICTURE


@pytest.mark.parametrize(
    "kind",
    [
        *("text/html; charset=utf-8", "text/plain", "application/json", "application/pdf"),
        *("image/svg+xml", "Image/SVG+XML; charset=utf-8", "image/svg", "image", "imagery/png"),
        *("application/octet-stream2", "multipart/x-mixed-replace; boundary=image/png", "x" * 3000),
    ],
)
def test_other_types_are_refused(server, kind):
    server.routes["/a"] = always(PICTURE, Content_Type=kind)
    shown = kind.partition(";")[0].lower()[:50]
    error = error_of(server.url("/a"))
    assert error.endswith(f": it is {shown}, and no picture that can be read")


@pytest.mark.parametrize(
    "status", [201, 204, 206, 300, 304, 400, 401, 403, 404, 407, 429, 500, 503]
)
def test_only_status_200_is_a_picture(server, status):
    server.routes["/a"] = always(PICTURE if status not in (204, 304) else b"", status=status)
    assert error_of(server.url("/a")).endswith(f": the server answers with status {status}")


def hang_up(handler):
    handler.connection.shutdown(socket.SHUT_RDWR)


def test_answers_that_are_none_are_errors_all_the_same(server):
    routes = {
        "/hang-up": hang_up,
        "/ssh": lambda handler: handler.wfile.write(b"SSH-2.0-OpenSSH_9.6\r\n"),
        "/short": always(PICTURE[:100], Content_Length=len(PICTURE)),
        "/length": always(PICTURE, Content_Length="-1"),
        "/headers": always(PICTURE, **{f"X_{n}": "x" * 4000 for n in range(300)}),
        "/header": always(PICTURE, X_Long="x" * 10**5),
    }
    server.routes |= routes | {"/empty": b""}
    for path in routes:
        assert error_of(server.url(path)).endswith(
            ": the server broke off, or did not answer as web servers do"
        ), path
    assert error_of(server.url("/empty")).endswith(": it is empty")


def test_a_server_that_is_not_there_cannot_be_reached(monkeypatch):
    with Server() as server:
        allow_port(server, monkeypatch)
    assert error_of(named(server)).endswith(": the server cannot be reached")


@pytest.mark.skipif(not shutil.which("openssl"), reason="openssl makes the certificate")
def test_only_servers_that_can_be_trusted_are_asked(tmp_path, monkeypatch):
    key, file = tmp_path / "key.pem", tmp_path / "certificate.pem"
    make = f"openssl req -x509 -nodes -newkey rsa:2048 -subj /CN={NAME} -days 1"
    for_name = ["-addext", f"subjectAltName=DNS:{NAME}", "-keyout", key, "-out", file]
    subprocess.run([*make.split(), *for_name], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file, key)
    with Server({"/a": PICTURE}, tls=context) as secure, Server({"/a": PICTURE}) as plain:
        allow_port(secure, monkeypatch)
        allow_port(plain, monkeypatch)
        assert "certificate cannot be trusted" in error_of(named(secure))
        monkeypatch.setenv("SSL_CERT_FILE", str(file))
        for host in ("other.test", "127.0.0.1"):
            assert "certificate cannot be trusted" in error_of(named(secure, host=host))
        assert "does not speak TLS" in error_of(named(plain).replace("http:", "https:"))
        assert secure.requests == []
        assert fetch(named(secure)) == PICTURE
        secure.routes |= {"/up": redirect("/a"), "/down": redirect(named(plain))}
        plain.routes["/up"] = redirect(named(secure))
        assert fetch(named(secure, "/up")) == fetch(named(plain, "/up")) == PICTURE
        plain.requests.clear()
        assert "a redirect from https to http" in error_of(named(secure, "/down"))
        assert plain.requests == []


# Errors


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://user:secret@a.test/b?c", "…@a.test/b?c"),
        ("http://user:secret/secret@a.test/", "…@a.test/"),
        ("http://user:secret＠a.test/", "…@a.test/"),
        ("ftp://user:secret@a.test/b", "…@a.test/b"),
        ("user:secret@a.test", "…@a.test"),
        ("http:\\\\user:secret@a.test", "…@a.test"),
        ("http://user:secret@" + "a" * 300, "…@" + "a" * 198 + "…"),
        ("http://localhost/a@2x.png", "http://localhost/a@2x.png"),
        ("http://localhost/\r\n\x1b\u202e\udc80ü", r"http://localhost/\r\n\x1b\u202e\udc80ü"),
        ("http://localhost/" + "\n" * 300 + "a", "http://localhost/" + r"\n" * 91 + "\\…"),
        ("http://localhost/" + "a" * 10**6, "http://localhost/" + "a" * 183 + "…"),
        ("", ""),
    ],
)
def test_errors_show_the_address_and_no_password(url, shown):
    error = error_of(url)
    assert error.startswith(f"Fetching the picture at {shown}: ")
    assert "secret" not in error


def test_no_text_gives_another_error():
    """Nor does it lead anywhere."""
    looked_up = []

    def resolver(name):
        looked_up.append(name)
        return ["10.0.0.7"]

    parts = ["http", "https", ":", "//", "/", "\\", "@", "[", "]", "%", "?", "#", ".", "..", "127"]
    parts += [
        "0x7f",
        "0",
        "1",
        "::",
        "a.test",
        "localhost",
        "ü",
        "。",
        "＠",
        "ß",
        "\u200d",
        "\u0300",
    ]
    parts += ["\udc80", "\x00", "\r\n", "\t", " ", "%00", "%0d%0a", "٣", "𝟙", "xn--", "-", "_", "é"]
    parts += [
        "\U0001f600",
        "http://",
        "http://",
        "https://[",
        "ⓐ",
        "\u2100",
        "\u3002",
        ":80",
        ":443",
    ]
    chance = random.Random(1)
    for _ in range(700):
        url = "".join(chance.choices(parts, k=chance.randint(1, 12)))
        for text in (url, f"http://{url}"):
            error = error_of(text, resolver=resolver, is_public=is_public_address)
            assert len(error) < 400
    assert looked_up
    assert all(name.isascii() and name.isprintable() and "." in name for name in looked_up)
