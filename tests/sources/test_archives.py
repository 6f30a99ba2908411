"""Archives that mean well, and others: nothing leads outside, nothing is read that is too large."""

import bz2
import gzip
import io
import lzma
import random
import struct
import tarfile
import tracemalloc
import warnings
import zipfile
import zlib
from datetime import UTC, datetime
from itertools import islice

import pyarrow as pa
import pytest

from veneer.errors import VeneerError
from veneer.schema import QUARANTINE
from veneer.sources.archives import read_archive

FILES = {
    "top/images/brick/1.jpg": b"one" * 1000,
    "top/images/wood/2.jpg": random.Random(0).randbytes(5000),
    "top/labels/train1.txt": b"images/brick/1.jpg\n",
    "top/empty.txt": b"",
}
STRIPPED = {name.removeprefix("top/"): data for name, data in FILES.items()}


def header(name, size=0, kind=tarfile.REGTYPE, **fields):
    member = tarfile.TarInfo(name)
    member.size, member.type = size, kind
    for field, value in fields.items():
        setattr(member, field, value)
    return member


def tar_of(*members, format_=tarfile.GNU_FORMAT):
    """A tar of (name, data) and of headers as they are."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=format_) as tar:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                tar.addfile(member)
            else:
                tar.addfile(header(member[0], len(member[1])), io.BytesIO(member[1]))
    return buffer.getvalue()


def zip_of(*members, method=zipfile.ZIP_DEFLATED):
    """A zip of (name or ZipInfo, data)."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of names that come twice
        for name, data in members:
            archive.writestr(name, data, method)
    return buffer.getvalue()


def read(tmp_path, data, strip=1, max_bytes=10**6, name="archive"):
    """What is given, and what is refused as {path: (reason, detail)}."""
    file = tmp_path / name
    file.write_bytes(data)
    refused = []
    given = list(read_archive(file, refused, strip=strip, max_bytes=max_bytes))
    table = pa.Table.from_pylist(refused, schema=QUARANTINE)
    assert set().union(*refused) <= set(QUARANTINE.names)
    return given, {r["path"]: (r["reason"], r["detail"]) for r in table.to_pylist()}


def broken(tmp_path, data, **options):
    with pytest.raises(VeneerError) as caught:
        read(tmp_path, data, **options)
    assert f"Unpacking {tmp_path / 'archive'}: " in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("name", ["a.tar.gz", "a.zip", "a.jpg"])
@pytest.mark.parametrize(
    "pack",
    [
        lambda: tar_of(*FILES.items()),
        lambda: tar_of(*FILES.items(), format_=tarfile.PAX_FORMAT),
        lambda: gzip.compress(tar_of(*FILES.items())),
        lambda: bz2.compress(tar_of(*FILES.items())),
        lambda: lzma.compress(tar_of(*FILES.items())),
        lambda: zip_of(*FILES.items()),
        lambda: zip_of(*FILES.items(), method=zipfile.ZIP_STORED),
    ],
    ids=["tar", "pax", "tar.gz", "tar.bz2", "tar.xz", "zip", "stored"],
)
def test_files_are_read_whatever_the_archive_is_called(tmp_path, pack, name):
    given, refused = read(tmp_path, pack(), name=name)
    assert given == list(STRIPPED.items())
    assert refused == {}


def test_files_come_one_by_one(tmp_path):
    """A damaged end does not keep the beginning from being read."""
    (tmp_path / "a").write_bytes(gzip.compress(tar_of(*FILES.items()))[:-20])
    files = read_archive(tmp_path / "a", [], strip=1, max_bytes=10**6)
    assert next(files)[0] == "images/brick/1.jpg"
    with pytest.raises(VeneerError):
        list(files)


def test_folders_are_no_files_and_dots_mean_nothing(tmp_path):
    folder = header("./top/images/", kind=tarfile.DIRTYPE)
    given, refused = read(tmp_path, tar_of(folder, ("./top/./images//1.jpg", b"1")))
    assert given == [("images/1.jpg", b"1")]
    given, refused = read(tmp_path, zip_of(("top/images/", b""), ("top/images/1.jpg", b"1")))
    assert given == [("images/1.jpg", b"1")]
    assert refused == {}


@pytest.mark.parametrize("pack", [tar_of, zip_of])
def test_leading_folders(tmp_path, pack):
    deep = pack(("a/b/c/1.jpg", b"1"), ("a/b/2.jpg", b"2"), ("a/3.jpg", b"3"), ("4.jpg", b"4"))
    names = [[path for path, _ in read(tmp_path, deep, strip=n)[0]] for n in range(3)]
    assert names[0] == ["a/b/c/1.jpg", "a/b/2.jpg", "a/3.jpg", "4.jpg"]
    assert names[1] == ["b/c/1.jpg", "b/2.jpg", "3.jpg", "4.jpg"]
    assert names[2] == ["c/1.jpg", "2.jpg", "3.jpg", "4.jpg"]


def test_labels_are_not_taken_for_a_leading_folder(tmp_path):
    told = broken(tmp_path, tar_of(("brick/1.jpg", b"1"), ("wood/1.jpg", b"2")))
    assert "leave out the folder brick, but there is wood beside it. Set download.strip" in told


def test_what_a_mac_adds_is_left_out(tmp_path):
    given, refused = read(tmp_path, zip_of(("__MACOSX/top/._1.jpg", b"x"), ("top/1.jpg", b"1")))
    assert given == [("1.jpg", b"1")]
    assert refused == {}


EVIL = {
    "../evil.jpg": "a path with '..' in it",
    "top/../../evil.jpg": "a path with '..' in it",
    "top/..": "a path with '..' in it",
    "top\\..\\..\\evil.jpg": "a path with '..' in it",
    "/etc/evil.jpg": "an absolute path",
    "//server/evil.jpg": "an absolute path",
    "\\\\server\\evil.jpg": "an absolute path",
    "C:\\evil.jpg": "a path with a drive letter",
    "c:evil.jpg": "a path with a drive letter",
}


@pytest.mark.parametrize("pack", [tar_of, zip_of])
@pytest.mark.parametrize("name", EVIL)
def test_paths_that_lead_outside_are_refused(tmp_path, pack, name):
    given, refused = read(tmp_path, pack(("top/1.jpg", b"1"), (name, b"evil"), ("top/2.jpg", b"2")))
    assert given == [("1.jpg", b"1"), ("2.jpg", b"2")]
    assert refused == {name: ("unsafe_archive_member", EVIL[name])}


def test_folders_that_lie_outside_are_refused_too(tmp_path):
    folder = header("../evil", kind=tarfile.DIRTYPE)
    _, refused = read(tmp_path, tar_of(folder))
    assert list(refused) == ["../evil"]


def test_names_with_nul(tmp_path):
    """In a tar only an extended header can hold one; a zip cuts what stands behind it."""
    pax = header("x", pax_headers={"path": "top/evil.jpg\0.txt"})
    nul = ("unsafe_archive_member", "a name with a NUL character")
    data = tar_of(pax, ("top/1.jpg", b"1"), format_=tarfile.PAX_FORMAT)
    assert read(tmp_path, data) == ([("1.jpg", b"1")], {"top/evil.jpg\\x00.txt": nul})
    data = zip_of(("top/evilX.exe", b"evil")).replace(b"evilX", b"evil\0")
    assert read(tmp_path, data) == ([], {"top/evil\\x00.exe": nul})


def test_names_that_are_no_text(tmp_path):
    member = tar_of(("top/caf\udce9.jpg", b"1"), ("../\udce9", b"2"))
    given, refused = read(tmp_path, member)
    assert given == [("caf\udce9.jpg", b"1")]
    assert list(refused) == ["../\\udce9"]


@pytest.mark.parametrize(
    ("kind", "detail"),
    [
        (tarfile.SYMTYPE, "a symbolic link to '/etc/passwd'; links are not followed"),
        (tarfile.LNKTYPE, "a hard link to '/etc/passwd'; links are not followed"),
        (tarfile.CHRTYPE, "a device"),
        (tarfile.BLKTYPE, "a device"),
        (tarfile.FIFOTYPE, "a named pipe"),
        (b"Z", "of the unknown type b'Z'"),
    ],
)
def test_what_is_neither_file_nor_folder_is_refused(tmp_path, kind, detail):
    evil = header("top/evil", kind=kind, linkname="/etc/passwd", mtime=1.6e9)
    given, refused = read(tmp_path, tar_of(evil, ("top/evil/1.jpg", b"1")))
    assert given == [("evil/1.jpg", b"1")]
    assert refused == {"top/evil": ("unsafe_archive_member", detail)}


@pytest.mark.parametrize(("mode", "word"), [(0o120777, "symbolic link"), (0o010644, "named pipe")])
def test_links_and_pipes_in_a_zip_are_refused(tmp_path, mode, word):
    info = zipfile.ZipInfo("top/evil")
    info.external_attr = mode << 16
    given, refused = read(tmp_path, zip_of((info, b"/etc/passwd"), ("top/1.jpg", b"1")))
    assert given == [("1.jpg", b"1")]
    ((reason, detail),) = refused.values()
    assert reason == "unsafe_archive_member"
    assert word in detail


@pytest.mark.parametrize("pack", [tar_of, zip_of])
def test_one_name_for_a_file_and_a_folder(tmp_path, pack):
    given, refused = read(
        tmp_path, pack(("t/a", b"1"), ("t/a/b", b"2"), ("t/c/d", b"3"), ("t/c", b"4"))
    )
    assert given == [("a", b"1"), ("c/d", b"3")]
    assert set(refused) == {"t/a/b", "t/c"}


@pytest.mark.parametrize("pack", [tar_of, zip_of])
def test_of_one_name_the_later_file_comes_later(tmp_path, pack):
    given, _ = read(tmp_path, pack(("t/a", b"1"), ("t/a", b"2")))
    assert given == [("a", b"1"), ("a", b"2")]


def test_what_is_kept_of_a_refused_member(tmp_path):
    (tmp_path / "a").write_bytes(
        tar_of(header("../x", mtime=1_600_000_000), header("../y", mtime=-1))
    )
    rows = []
    assert not list(read_archive(tmp_path / "a", rows, strip=1, max_bytes=9))
    assert [row["modified"] for row in rows] == [
        datetime(2020, 9, 13, 12, 26, 40, tzinfo=UTC),
        datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC),
    ]
    assert rows[0]["size"] == 0


BOMB = 300 * 2**20


def peak(tmp_path, data, **options):
    """Bytes that were allocated at most, and what `read` gave."""
    tracemalloc.start()
    try:
        result = read(tmp_path, data, **options)
        return tracemalloc.get_traced_memory()[1], result
    finally:
        tracemalloc.stop()


@pytest.fixture(scope="module")
def zeros():
    """BOMB zeros in gzip's and in zip's form, made of pieces."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    piece = bytes(2**20)
    return b"".join([*(packer.compress(piece) for _ in range(BOMB // 2**20)), packer.flush()])


def test_a_bomb_in_a_tar_is_not_unpacked(tmp_path, zeros):
    start = header("top/bomb", BOMB).tobuf()[:512]
    end = tar_of(("top/1.jpg", b"1"))
    data = gzip.compress(start) + b"\x1f\x8b\x08\0\0\0\0\0\0\xff" + zeros
    crc = 0
    for _ in range(BOMB // 2**20):
        crc = zlib.crc32(bytes(2**20), crc)
    data += struct.pack("<II", crc, BOMB) + gzip.compress(end)
    most, (given, refused) = peak(tmp_path, data)
    assert given == [("1.jpg", b"1")]
    assert refused == {"top/bomb": ("too_many_bytes", "314,572,800 bytes, more than 1,000,000")}
    assert most < 30 * 2**20


@pytest.mark.parametrize("says", [BOMB, 1000])
def test_a_bomb_in_a_zip_is_not_unpacked(tmp_path, zeros, says):
    """Also where it says that it is small."""
    data = zip_of(("top/bomb", b"x" * 777), method=zipfile.ZIP_STORED)
    name = b"top/bomb"
    local = struct.pack("<4s5H3I2H", b"PK\3\4", 20, 0, 8, 0, 33, 0, len(zeros), says, 8, 0) + name
    central = (
        struct.pack(
            "<4s6H3I5H2I", b"PK\1\2", 20, 20, 0, 8, 0, 33, 0, len(zeros), says, 8, 0, 0, 0, 0, 0, 0
        )
        + name
    )
    where = len(local) + len(zeros)
    end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 1, 1, len(central), where, 0)
    data = local + zeros + central + end
    if says == BOMB:
        most, (given, refused) = peak(tmp_path, data)
        assert given == []
        assert refused["top/bomb"][0] == "too_many_bytes"
    else:
        tracemalloc.start()
        told = broken(tmp_path, data)
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert "Bad CRC-32" in told
    assert most < 30 * 2**20


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME])
def test_a_bomb_in_front_of_a_member_is_not_unpacked(tmp_path, kind):
    """Long names and attributes are read by `tarfile` itself, whole."""
    start = tar_of(header("x", BOMB, kind=kind))[:512]
    told = broken(tmp_path, gzip.compress(start + bytes(2**20)))
    assert "a header of 314,572,800 bytes" in told


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_methods_without_a_limit_are_not_unpacked(tmp_path, method):
    told = broken(tmp_path, zip_of(("top/1.jpg", b"1"), method=method))
    assert "top/1.jpg is compressed by method" in told


def test_a_member_that_is_shorter_than_it_says(tmp_path):
    data = bytearray(zip_of(("top/1.jpg", b"x" * 777)))
    central = data.index(b"PK\1\2")
    data[central + 24 : central + 28] = struct.pack("<I", 1000)
    assert "1.jpg ends after 777 of 1,000 bytes" in broken(tmp_path, bytes(data))


def test_an_encrypted_zip_is_told_of(tmp_path):
    data = bytearray(zip_of(("top/1.jpg", b"1")))
    data[6] |= 1
    data[data.index(b"PK\1\2") + 8] |= 1
    assert "top/1.jpg is encrypted" in broken(tmp_path, bytes(data))


def negative(kind=tarfile.REGTYPE):
    """A header with a size below zero, in the form for large numbers."""
    block = bytearray(tar_of(header("top/evil", kind=kind))[:512])
    block[124:136] = b"\xff" * 10 + b"\xfe\x00"
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


@pytest.mark.parametrize("kind", [tarfile.REGTYPE, tarfile.XHDTYPE, tarfile.SYMTYPE])
def test_a_negative_size_is_no_way_back(tmp_path, kind):
    good = tar_of(("top/1.jpg", b"1"))[:1024]
    told = broken(tmp_path, good + negative(kind) + tar_of(("top/2.jpg", b"2")))
    assert "negative size" in told or "a header of -512 bytes" in told


@pytest.mark.parametrize("kind", [tarfile.REGTYPE, b"Z"])
def test_a_negative_size_in_an_extended_header(tmp_path, kind):
    """`tarfile` would go back by it, and read the same members again and again."""
    evil = header("top/evil", kind=kind, pax_headers={"size": "-2560"})
    good = tar_of(("top/1.jpg", b"1"))[:1024]
    (tmp_path / "a").write_bytes(good + tar_of(evil, format_=tarfile.PAX_FORMAT))
    files = read_archive(tmp_path / "a", [], strip=1, max_bytes=9)
    with pytest.raises(VeneerError, match="a member of a negative size"):
        list(islice(files, 9))


PACKED = {
    "tar": tar_of(*FILES.items()),
    "tar.gz": gzip.compress(tar_of(*FILES.items())),
    "tar.xz": lzma.compress(tar_of(*FILES.items())),
    "zip": zip_of(*FILES.items()),
}


@pytest.mark.parametrize("kind", PACKED)
def test_an_archive_that_is_cut_off_is_told_of(tmp_path, kind):
    """Wherever it is cut, up to the last byte that has a meaning."""
    data = PACKED[kind]
    whole = len(data.rstrip(b"\0")) if kind == "tar" else len(data)
    for length in {*range(0, whole, 311), *range(0, whole, 512), whole - 1}:
        broken(tmp_path, data[:length])


@pytest.mark.parametrize("kind", ["tar.gz", "tar.xz", "zip"])
def test_an_archive_with_other_bytes_in_it_is_told_of(tmp_path, kind):
    """What is compressed has checksums; where one byte is wrong, nothing else is given."""
    told = 0
    # The table at the end of a zip has none.
    end = PACKED[kind].index(b"PK\1\2") if kind == "zip" else len(PACKED[kind])
    for place in range(40, end, 97):
        data = bytearray(PACKED[kind])
        data[place] ^= 0xFF
        try:
            given, _ = read(tmp_path, bytes(data))
        except VeneerError:
            told += 1
        else:
            assert given == list(STRIPPED.items()), place  # the byte had no meaning
    assert told > 20


def test_a_damaged_header_is_not_the_end(tmp_path):
    """`tarfile` itself stops there without a word."""
    data = bytearray(PACKED["tar"])
    second = data.index(b"top/images/wood")
    data[second] ^= 1
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        assert len(tar.getnames()) == 1
    assert "bad checksum" in broken(tmp_path, bytes(data))


@pytest.mark.parametrize("data", [b"", b"<html>not found</html>", random.Random(3).randbytes(9999)])
def test_what_is_no_archive(tmp_path, data):
    assert "neither a tar nor a zip archive" in broken(tmp_path, data)


def test_an_empty_archive_is_not_damaged(tmp_path):
    assert read(tmp_path, tar_of()) == ([], {})
    assert read(tmp_path, zip_of()) == ([], {})
