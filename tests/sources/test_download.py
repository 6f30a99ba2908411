"""One large file over a real, misbehaving HTTP server: whole, or a sentence, and never for ever."""

import hashlib
import os
import random
import socket
import struct
import time

import pytest
from pydantic import ValidationError
from web import RangedFile, Server

from veneer.errors import VeneerError
from veneer.sources.download import LEAST_PROGRESS, Part, Remote, archive_name, fetch_archive
from veneer.sources.options import ArchiveOptions

DATA = random.Random(0).randbytes(5000)
OTHER = random.Random(1).randbytes(5000)


@pytest.fixture(autouse=True)
def direct(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def server():
    with Server() as running:
        yield running


def options(server, data=DATA, path="/minc.tar.gz", **changes):
    given = {
        "url": server.url(path),
        "hash": f"sha1:{hashlib.sha1(data).hexdigest()}",
        "strip": 1,
        "attempts": 3,
        "backoff": 0.01,
        "timeout": 10,
        "max_bytes": 10**8,
        "max_member_bytes": 10**6,
    }
    return ArchiveOptions(**given | changes)


def ranges(server):
    """What was asked for, request by request; None is the whole file."""
    return [headers.get("Range") for _, headers in server.requests]


def fetched(server, folder, data=DATA, **changes):
    """Fetch, and make sure that exactly the right file is there then."""
    file = fetch_archive(options(server, data, **changes), folder)
    assert file.read_bytes() == data
    assert list(folder.iterdir()) == [file]
    return file


def refused(server, folder, **changes):
    with pytest.raises(VeneerError) as caught:
        fetch_archive(options(server, **changes), folder)
    assert not (folder / "minc.tar.gz").exists()
    assert server.url("/minc.tar.gz") in str(caught.value)
    assert not list(folder.glob("tmp*"))
    return str(caught.value)


def body(data, length, status=200, **headers):
    """A route that says it is so long."""

    def answer(handler):
        handler.send_response(status)
        if length is not None:
            handler.send_header("Content-Length", str(length))
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(data)

    return answer


def in_turn(*routes):
    """One route after the other; the last stays."""
    waiting = list(routes)

    def answer(handler):
        (waiting.pop(0) if len(waiting) > 1 else waiting[0])(handler)

    return answer


def test_a_file_is_fetched_once(server, tmp_path):
    server.routes["/minc.tar.gz"] = DATA
    file = fetched(server, tmp_path / "a")
    assert file.name == "minc.tar.gz"
    os.umask(umask := os.umask(0))
    assert file.stat().st_mode & 0o777 == 0o666 & ~umask
    fetched(server, tmp_path / "a")
    assert ranges(server) == [None]


def test_a_body_that_ends_early_is_resumed(server, tmp_path):
    server.routes["/minc.tar.gz"] = RangedFile(DATA, cuts=[1000, 2500])
    fetched(server, tmp_path)
    assert ranges(server) == [None, "bytes=1000-", "bytes=3500-"]
    assert [headers.get("If-Range") for _, headers in server.requests] == [None, '"1"', '"1"']


def test_a_run_goes_on_where_another_one_ended(server, tmp_path):
    server.routes["/minc.tar.gz"] = RangedFile(DATA, cuts=[1000])
    told = refused(server, tmp_path, attempts=1)
    assert "1,000 bytes are kept" in told
    assert f"put it at {tmp_path / 'minc.tar.gz'}" in told
    fetched(server, tmp_path)
    assert ranges(server) == [None, "bytes=1000-"]


def test_another_address_begins_anew(server, tmp_path):
    server.routes["/minc.tar.gz"] = RangedFile(DATA, cuts=[1000])
    server.routes["/mirror/minc.tar.gz"] = RangedFile(DATA)
    refused(server, tmp_path, attempts=1)
    fetched(server, tmp_path, path="/mirror/minc.tar.gz")
    assert ranges(server) == [None, None]


def test_a_stalled_server_is_left(server, tmp_path):
    server.routes["/minc.tar.gz"] = RangedFile(
        DATA, cuts=[1000], then=lambda handler: server.stopped.wait()
    )
    fetched(server, tmp_path, timeout=0.5)
    assert ranges(server) == [None, "bytes=1000-"]


def test_a_server_that_says_nothing_is_left(server, tmp_path):
    silent = [lambda handler: server.stopped.wait()]
    server.routes["/minc.tar.gz"] = in_turn(*silent, RangedFile(DATA))
    fetched(server, tmp_path, timeout=0.5)
    assert ranges(server) == [None, None]


def test_a_server_that_drips_is_left(server, tmp_path):
    def drip(handler):
        body(b"", 5000)(handler)
        for byte in DATA:
            handler.wfile.write(bytes([byte]))
            if server.stopped.wait(0.02):
                break

    server.routes["/minc.tar.gz"] = in_turn(drip, RangedFile(DATA))
    fetched(server, tmp_path, timeout=0.3)
    assert len(server.requests) == 2
    assert len(server.requests[1][1]["Range"]) > len("bytes=-")


def test_a_connection_that_is_reset_is_resumed(server, tmp_path, caplog):
    part = Part(tmp_path / "minc.tar.gz")

    def reset(handler):
        while part.size < 1000 and not server.stopped.wait(0.01):
            pass  # what the client has not read yet would be lost with the connection
        handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        handler.connection.close()

    server.routes["/minc.tar.gz"] = RangedFile(DATA, cuts=[1000], then=reset)
    fetched(server, tmp_path)
    assert ranges(server) == [None, "bytes=1000-"]
    assert "the connection was cut off; trying again" in caplog.text  # not: a time-out


def test_a_chunked_body_that_ends_early_is_resumed(server, tmp_path):
    def chunked(handler):
        body(b"3e8\r\n" + DATA[:1000] + b"\r\n3e8\r\n", None, Transfer_Encoding="chunked")(handler)

    server.routes["/minc.tar.gz"] = in_turn(chunked, RangedFile(DATA))
    fetched(server, tmp_path)
    assert ranges(server) == [None, "bytes=1000-"]


def test_the_length_of_a_chunked_body_does_not_count(server, tmp_path):
    chunks = b"1388\r\n" + DATA + b"\r\n0\r\n\r\n"
    server.routes["/minc.tar.gz"] = body(chunks, 9999, Transfer_Encoding="chunked")
    fetched(server, tmp_path)
    assert len(server.requests) == 1


def test_a_server_without_ranges_begins_anew(server, tmp_path):
    server.routes["/minc.tar.gz"] = RangedFile(DATA, cuts=[1000], ranges=False)
    fetched(server, tmp_path)
    assert ranges(server) == [None, "bytes=1000-"]


def test_a_server_without_ranges_that_never_ends_a_file_is_given_up(server, tmp_path):
    server.routes["/minc.tar.gz"] = RangedFile(
        DATA[:1000] + bytes(LEAST_PROGRESS * 2), cuts=[LEAST_PROGRESS + 500] * 99, ranges=False
    )
    assert "the connection was cut off" in refused(server, tmp_path, attempts=3)
    assert len(server.requests) == 4  # one has brought something new


@pytest.mark.parametrize("ranges_", [True, False])
def test_a_length_that_is_too_large(server, tmp_path, ranges_):
    """The rest is asked for; a server with ranges then says how long the file is."""
    last = RangedFile(DATA) if ranges_ else body(DATA, 5500)
    server.routes["/minc.tar.gz"] = in_turn(body(DATA, 5500), last)
    if ranges_:
        fetched(server, tmp_path)
        assert ranges(server) == [None, "bytes=5000-"]
    else:
        assert "the connection was cut off" in refused(server, tmp_path)
        assert len(server.requests) == 3


def test_a_length_that_is_too_small(server, tmp_path):
    server.routes["/minc.tar.gz"] = body(DATA, 4500)
    told = refused(server, tmp_path)
    assert f"expected the hash sha1:{hashlib.sha1(DATA).hexdigest()}" in told
    assert f"found sha1:{hashlib.sha1(DATA[:4500]).hexdigest()} (4,500 bytes)" in told
    assert ranges(server) == [None, None]


def test_no_length_at_all(server, tmp_path):
    server.routes["/minc.tar.gz"] = body(DATA, None)
    fetched(server, tmp_path)


@pytest.mark.parametrize("extent", ["bytes 1000-4999/9999", "bytes 990-4999/5000", "nonsense", ""])
def test_a_rest_that_does_not_fit_is_not_taken(server, tmp_path, extent):
    lie = body(DATA[1000:], 4000, 206, ETag='"1"', Content_Range=extent)
    server.routes["/minc.tar.gz"] = in_turn(RangedFile(DATA, cuts=[1000]), lie, RangedFile(DATA))
    fetched(server, tmp_path)
    assert ranges(server) == [None, "bytes=1000-", None]


def test_a_rest_that_is_longer_than_the_file_is_not_taken(server, tmp_path):
    lie = body(DATA[1000:] + b"more", 4004, 206, Content_Range="bytes 1000-4999/5000")
    server.routes["/minc.tar.gz"] = in_turn(RangedFile(DATA, cuts=[1000]), lie, RangedFile(DATA))
    fetched(server, tmp_path)
    assert ranges(server) == [None, "bytes=1000-", None]


@pytest.mark.parametrize("total", ["5000", "*"])
def test_a_rest_in_pieces(server, tmp_path, total):
    piece = body(DATA[1000:3000], 2000, 206, Content_Range=f"bytes 1000-2999/{total}")
    server.routes["/minc.tar.gz"] = in_turn(RangedFile(DATA, cuts=[1000]), piece, RangedFile(DATA))
    fetched(server, tmp_path)
    assert ranges(server) == [None, "bytes=1000-", "bytes=3000-"]


def test_a_file_that_changed_in_between_begins_anew(server, tmp_path):
    server.routes["/minc.tar.gz"] = in_turn(
        RangedFile(DATA, cuts=[1000]), RangedFile(OTHER, etag='"2"')
    )
    fetched(server, tmp_path, OTHER)
    assert ranges(server) == [None, "bytes=1000-"]


def test_a_file_that_changed_under_a_server_that_does_not_know_if_range(server, tmp_path):
    rest = body(OTHER[1000:], 4000, 206, ETag='"2"', Content_Range="bytes 1000-4999/5000")
    server.routes["/minc.tar.gz"] = in_turn(
        RangedFile(DATA, cuts=[1000]), rest, RangedFile(OTHER, etag='"2"')
    )
    fetched(server, tmp_path, OTHER)
    assert ranges(server) == [None, "bytes=1000-", None]


def test_a_file_that_changed_without_a_sign_is_fetched_once_more(server, tmp_path):
    server.routes["/minc.tar.gz"] = in_turn(
        RangedFile(DATA, cuts=[1000], etag=None), RangedFile(OTHER, etag=None)
    )
    fetched(server, tmp_path, OTHER)
    assert ranges(server) == [None, "bytes=1000-", None]


@pytest.mark.parametrize(
    ("headers", "validator"),
    [
        ({"ETag": '"x"', "Last_Modified": "Thu, 01 Jan 2015 00:00:00 GMT"}, '"x"'),
        ({"ETag": 'W/"x"', "Last_Modified": "Thu, 01 Jan 2015 00:00:00 GMT"}, "Thu, 01 Jan"),
        ({"ETag": 'W/"x"'}, None),
    ],
)
def test_only_what_may_tell_a_change_is_asked_for(server, tmp_path, headers, validator):
    server.routes["/minc.tar.gz"] = in_turn(body(DATA[:1000], 5000, **headers), body(DATA, 5000))
    fetched(server, tmp_path)
    sent = server.requests[1][1].get("If-Range")
    assert sent is None if validator is None else sent.startswith(validator)


def test_a_wrong_file_is_fetched_twice_and_never_taken(server, tmp_path):
    server.routes["/minc.tar.gz"] = RangedFile(OTHER)
    told = refused(server, tmp_path)
    assert f"sha1:{hashlib.sha1(DATA).hexdigest()}" in told
    assert f"sha1:{hashlib.sha1(OTHER).hexdigest()} (5,000 bytes)" in told
    assert ranges(server) == [None, None]
    assert not list(tmp_path.iterdir())


def test_what_was_put_there_by_hand(server, tmp_path, caplog):
    server.routes["/minc.tar.gz"] = DATA
    (tmp_path / "minc.tar.gz").write_bytes(DATA)
    fetched(server, tmp_path)
    assert not server.requests
    (tmp_path / "minc.tar.gz").write_bytes(OTHER)
    fetched(server, tmp_path)
    assert len(server.requests) == 1
    assert "has not the hash" in caplog.text


@pytest.mark.parametrize(("status", "requests"), [(404, 1), (403, 1), (204, 1), (503, 3), (429, 3)])
def test_statuses(server, tmp_path, status, requests):
    server.routes["/minc.tar.gz"] = body(b"", 0, status)
    assert f"the server answered {status}" in refused(server, tmp_path)
    assert len(server.requests) == requests


def test_a_server_that_is_busy_is_asked_again(server, tmp_path):
    busy = body(b"busy", 4, 503, Retry_After="0")
    server.routes["/minc.tar.gz"] = in_turn(busy, busy, RangedFile(DATA))
    fetched(server, tmp_path)
    assert len(server.requests) == 3


def test_the_waits_grow_and_the_server_may_ask_for_longer_ones(server, tmp_path, monkeypatch):
    waits = []
    monkeypatch.setattr(time, "sleep", waits.append)
    busy = body(b"", 0, 503)
    server.routes["/minc.tar.gz"] = in_turn(busy, busy, body(b"", 0, 503, Retry_After="7"), busy)
    refused(server, tmp_path, attempts=6, backoff=1)
    assert waits == [1, 2, 7, 8, 16]
    server.routes["/minc.tar.gz"] = body(b"", 0, 503, Retry_After="99999999")
    refused(server, tmp_path, attempts=2)
    assert waits[-1] == 60


def part_of(server, folder, data, total=5000, etag='"1"'):
    part = Part(folder / "minc.tar.gz")
    part.begin(Remote(server.url("/minc.tar.gz"), etag, None, total))
    part.path.write_bytes(data)
    return part


def test_a_part_that_is_whole_already(server, tmp_path):
    """Killed while the checksum was compared: pooch's own file has been left, too."""
    server.routes["/minc.tar.gz"] = RangedFile(DATA)
    part = part_of(server, tmp_path, DATA)
    os.link(part.path, tmp_path / "tmp12345678")
    fetched(server, tmp_path)
    assert not server.requests
    (tmp_path / "minc.tar.gz").unlink()
    part_of(server, tmp_path, DATA, total=None)
    fetched(server, tmp_path)
    assert ranges(server) == ["bytes=5000-"]  # answered with 416


def test_a_part_that_is_longer_than_the_file(server, tmp_path):
    server.routes["/minc.tar.gz"] = RangedFile(DATA)
    part_of(server, tmp_path, DATA + b"more")
    fetched(server, tmp_path)
    assert ranges(server) == ["bytes=5004-", None]


def test_a_416_without_a_length(server, tmp_path):
    server.routes["/minc.tar.gz"] = in_turn(body(b"", 0, 416), RangedFile(DATA))
    part_of(server, tmp_path, DATA[:1000])
    fetched(server, tmp_path)
    assert ranges(server) == ["bytes=1000-", None]


@pytest.mark.parametrize("notes", ["", "[1]", '{"url": 1, "more": 2}'])
def test_a_part_that_nothing_is_known_of_is_not_used(server, tmp_path, notes):
    server.routes["/minc.tar.gz"] = RangedFile(DATA)
    (tmp_path / "minc.tar.gz.part").write_bytes(OTHER[:1000])
    (tmp_path / "minc.tar.gz.part.json").write_text(notes)
    fetched(server, tmp_path)
    assert ranges(server) == [None]


def test_attempts_that_bring_something_do_not_count(server, tmp_path):
    data = random.Random(2).randbytes(6 * LEAST_PROGRESS)
    server.routes["/minc.tar.gz"] = RangedFile(data, cuts=[LEAST_PROGRESS + 9] * 5)
    fetched(server, tmp_path, data, attempts=1)
    assert len(server.requests) == 6


def test_attempts_that_bring_next_to_nothing_do_count(server, tmp_path):
    server.routes["/minc.tar.gz"] = RangedFile(DATA, cuts=[10] * 100)
    assert "given up after 4 attempts in a row" in refused(server, tmp_path, attempts=4)
    assert ranges(server) == [None, "bytes=10-", "bytes=20-", "bytes=30-"]


def test_a_file_that_is_too_large(server, tmp_path):
    """Refused by what is announced, before anything of it comes."""
    server.routes["/minc.tar.gz"] = body(b"", 5000)
    assert "max_bytes is 4,999" in refused(server, tmp_path, max_bytes=4999)
    assert len(server.requests) == 1
    server.routes["/minc.tar.gz"] = body(DATA, 5000)
    fetched(server, tmp_path, max_bytes=5000)


def test_a_file_without_an_end(server, tmp_path):
    def endless(handler):
        body(b"", None)(handler)
        while not server.stopped.is_set():
            handler.wfile.write(DATA)

    server.routes["/minc.tar.gz"] = endless
    assert "max_bytes is 100,000" in refused(server, tmp_path, max_bytes=100_000)
    assert not list(tmp_path.iterdir())
    assert len(server.requests) == 1


def test_an_archive_is_not_unpacked_on_its_way(server, tmp_path):
    """Some servers call the compression of a .tar.gz one of the transfer."""
    import gzip

    data = gzip.compress(DATA)
    server.routes["/minc.tar.gz"] = body(data, len(data), Content_Encoding="gzip")
    fetched(server, tmp_path, data)
    assert server.requests[0][1]["Accept-Encoding"] == "identity"


def test_redirections_are_followed_and_loops_are_not(server, tmp_path):
    server.routes["/minc.tar.gz"] = body(b"", 0, 302, Location="/there")
    server.routes["/there"] = RangedFile(DATA, cuts=[1000])
    fetched(server, tmp_path / "a")
    assert [path for path, _ in server.requests] == ["/minc.tar.gz", "/there"] * 2
    assert ranges(server)[-1] == "bytes=1000-"
    server.routes["/there"] = body(b"", 0, 302, Location="/minc.tar.gz")
    assert "redirects" in refused(server, tmp_path / "b")


def test_a_server_that_is_not_there(tmp_path):
    with Server() as gone:
        pass
    assert "Connection refused" in refused(gone, tmp_path)


def test_a_place_that_cannot_be_written(server, tmp_path):
    server.routes["/minc.tar.gz"] = DATA
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(VeneerError, match="it cannot be written to"):
        fetch_archive(options(server), tmp_path / "file" / "folder")


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("http://x/a/minc-2500.tar.gz", "minc-2500.tar.gz"),
        ("http://x/a.zip?download=1#top", "a.zip"),
        ("http://x/%2e%2e%2fetc", "_etc"),
        ("http://x/..", "archive"),
        ("http://x/a/", "archive"),
    ],
)
def test_names(url, name):
    assert archive_name(url) == name


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"hash": None}, "an address needs the hash"),
        ({"hash": "sha1:123"}, "all its hexadecimal digits"),
        ({"hash": "crc:"}, "all its hexadecimal digits"),
        ({"url": "ftp://x/y"}, "should match pattern"),
        ({"attempts": 0}, "greater than or equal to 1"),
        ({"tries": 3}, "Extra inputs"),
    ],
)
def test_options_are_checked(server, changes, sentence):
    with pytest.raises(ValidationError, match=sentence):
        options(server, **changes)
