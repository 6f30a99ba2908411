"""The files below a location: a local folder, or any that fsspec knows (``memory://``, ``s3://``)."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import IO, Any

from veneer.errors import VeneerError
from veneer.refusals import RefusedError
from veneer.sources.source import Read

MOST_LINKS = 3
"""Links to folders within each other that are followed. A few folders that all link to each other
would otherwise be a tree without end."""


@dataclass(frozen=True, slots=True)
class File:
    """One entry of a listing."""

    path: str  # relative, POSIX
    location: bytes
    size: int | None = None
    modified: datetime | None = None
    created: datetime | None = None
    refused: RefusedError | None = None  # why it cannot be read, where that is known already


def is_local(root: str) -> bool:
    """Whether ``root`` is a path rather than an address with a protocol."""
    return "://" not in root


def kind_of(root: str) -> str | None:
    """``"folder"``, ``"file"``, or None where there is nothing."""
    if is_local(root):
        return "folder" if os.path.isdir(root) else "file" if os.path.isfile(root) else None
    filesystem, path = _remote(root)
    try:
        return "folder" if filesystem.isdir(path) else "file" if filesystem.isfile(path) else None
    except Exception as error:  # each file system has its own
        raise VeneerError(
            f"Reading images from {root}: it cannot be reached ({type(error).__name__}: {error}). "
            "Check the address, the connection and your rights there."
        ) from error


def walk(root: str) -> Iterator[File]:
    """All files below ``root``, at any depth, in the order of their relative paths.

    Links to files and folders are followed. What cannot be listed is an entry with a refusal: a
    folder without permission, a broken link, a link back to a folder that it lies in.
    """
    return _walk_local(os.fsencode(root)) if is_local(root) else _walk_remote(root)


def row_of(file: File) -> dict:
    """A row of a listing, with what the file system tells."""
    row = {
        "path": file.path,
        "size": file.size,
        "modified": file.modified,
        "created": file.created,
        "location": file.location,
    }
    if file.refused:
        row |= {"reason": file.refused.reason, "detail": file.refused.detail}
    return row


def reader(root: str, max_bytes: int, location: bytes) -> Read:
    """A function that reads the file at ``location``, refused when it is too large."""
    if is_local(root):
        return partial(_read_local, location, max_bytes)
    return partial(_read_remote, _remote(root)[0], location.decode(), max_bytes)


def single(root: str) -> File:
    """The file that ``root`` itself is."""
    name = root.rstrip("/").rpartition("/")[2]
    if is_local(root):
        location = os.fsencode(root)
        return _file(os.fsencode(name), location, os.stat(location))
    filesystem, path = _remote(root)
    info = filesystem.info(path)
    return File(name, path.encode(), info.get("size"), _modified(info))


def open_location(root: str, location: bytes) -> IO[bytes]:
    """Open the file at the ``location`` of an entry."""
    if is_local(root):
        return open(location, "rb")
    return _remote(root)[0].open(location.decode(), "rb")


def read_text(address: str) -> str:
    """The whole of a text file.

    Raises
    ------
    VeneerError
        When it cannot be read, or is no text.
    """
    import fsspec

    opener = open if is_local(address) else fsspec.open
    try:
        with opener(address, "r", encoding="utf-8-sig") as file:
            return file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise VeneerError(f"Reading {address}: it cannot be read as text ({error}).") from error


def _walk_local(root: bytes) -> Iterator[File]:
    if not os.path.isdir(root):
        return
    top = _Folder(b"", root, (_identity(os.stat(root)),))
    # A stack instead of recursion: paths can be deeper than Python's stack.
    pending = [_entries(top)]
    while pending:
        entry = next(pending[-1], None)
        if entry is None:
            pending.pop()
        elif isinstance(entry, _Folder):
            pending.append(_entries(entry))
        else:
            yield entry


@dataclass(frozen=True, slots=True)
class _Folder:
    path: bytes  # relative
    location: bytes
    above: tuple[tuple[int, int], ...]  # the identities of this folder and those it was reached by
    links: int = 0  # how many of them were links


def _entries(folder: _Folder) -> Iterator[File | _Folder]:
    """What a folder holds, sorted so that the whole walk is in the order of the paths."""
    try:
        with os.scandir(folder.location) as scan:
            entries = [_entry(folder, entry) for entry in scan]
    except OSError as error:
        yield _refused(folder.path, "unreadable", f"the folder cannot be listed: {error.strerror}")
        return
    yield from (entry for _, entry in sorted(entries, key=lambda pair: pair[0]))


def _entry(folder: _Folder, entry: os.DirEntry) -> tuple[bytes, File | _Folder]:
    path = os.path.join(folder.path, entry.name)
    try:
        status = entry.stat()
        if not entry.is_dir():
            return path, _file(path, entry.path, status)
        is_link = entry.is_symlink()
        if is_link and _identity(status) in folder.above:
            target = os.fsdecode(os.readlink(entry.path))
            detail = f"the link leads to {target!r}, a folder that it lies in"
            return path, _refused(path, "symlink_loop", detail)
        if is_link and folder.links == MOST_LINKS:
            detail = f"more than {MOST_LINKS} links within each other"
            return path, _refused(path, "symlink_loop", detail)
        # "a/b.jpg" comes after "a.jpg", so a folder is sorted with its slash.
        above = (*folder.above, _identity(status))
        return path + b"/", _Folder(path, entry.path, above, folder.links + is_link)
    except OSError as error:
        if error.errno == errno.ELOOP:
            return path, _refused(path, "symlink_loop", "the link leads back to itself")
        broken = entry.is_symlink() and error.errno == errno.ENOENT
        return path, _refused(path, "unreadable", "a broken link" if broken else error.strerror)


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def _file(path: bytes, location: bytes, status: os.stat_result) -> File:
    birth = getattr(status, "st_birthtime", None)
    return File(
        _name(path),
        location,
        status.st_size,
        moment(status.st_mtime_ns),
        datetime.fromtimestamp(birth, UTC) if birth else None,
    )


def moment(nanoseconds: int) -> datetime:
    """A file system's time, to the microsecond below: what the tables can hold."""
    seconds, rest = divmod(nanoseconds // 1000, 10**6)
    try:
        return datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest)
    except (ValueError, OverflowError, OSError):  # some file systems hold nonsense
        return datetime.fromtimestamp(0, UTC)


def _refused(path: bytes, reason: str, detail: str) -> File:
    return File(_name(path) or ".", b"", refused=RefusedError(reason, detail))


def _name(path: bytes) -> str:
    # Names that are not UTF-8 cannot stand in an Arrow string; their odd bytes are escaped.
    return path.decode("utf-8", "backslashreplace").replace(os.sep, "/")


def _read_local(location: bytes, max_bytes: int) -> bytes:
    # The system's own calls: Python's files make three times as many, and each hands over to
    # another thread.
    try:
        # Not blocking: a named pipe would wait for a writer for ever.
        handle = os.open(location, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        try:
            status = os.fstat(handle)
            if not stat.S_ISREG(status.st_mode):
                raise RefusedError("unreadable", "not a regular file")
            _require_size(status.st_size, max_bytes)
            return _read_whole(handle, status.st_size)
        finally:
            os.close(handle)
    except OSError as error:
        raise RefusedError("unreadable", error.strerror or str(error)) from error


def _read_whole(handle: int, size: int) -> bytes:
    data = os.read(handle, size)
    while len(data) < size:  # a signal, or more than the system reads at once
        more = os.read(handle, size - len(data))
        if not more:
            break  # the file has become shorter
        data += more
    return data


def _require_size(size: int | None, max_bytes: int) -> None:
    if size is not None and size > max_bytes:
        raise RefusedError("too_many_bytes", f"{size:,} bytes, more than {max_bytes:,}")


def _remote(root: str) -> tuple[Any, str]:
    from fsspec.core import url_to_fs

    try:
        return url_to_fs(root)
    except (ImportError, ValueError) as error:
        raise VeneerError(
            f"Reading images from {root}: {error}. Install the package that it names, or use a "
            "local folder."
        ) from error


def _walk_remote(root: str) -> Iterator[File]:
    filesystem, top = _remote(root)
    for location, info in sorted(filesystem.find(top, detail=True).items()):
        path = location.removeprefix(top.rstrip("/")).lstrip("/")
        yield File(path, location.encode(), info.get("size"), _modified(info))


def _modified(info: dict) -> datetime | None:
    """File systems of fsspec have no one name for the time of the last change."""
    for key in ("mtime", "LastModified", "last_modified", "updated", "modified", "created"):
        value = info.get(key)
        if isinstance(value, str):
            value = datetime.fromisoformat(value)
        if isinstance(value, datetime):
            return value if value.tzinfo else value.replace(tzinfo=UTC)
        if isinstance(value, int | float):
            return datetime.fromtimestamp(value, UTC)
    return None


def _read_remote(filesystem: Any, location: str, max_bytes: int) -> bytes:
    try:
        _require_size(filesystem.size(location), max_bytes)
        return filesystem.cat_file(location)
    except OSError as error:
        raise RefusedError("unreadable", str(error)) from error
