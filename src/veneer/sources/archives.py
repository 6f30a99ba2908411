"""The files of a tar or zip archive as a stream, whatever the archive would like to do."""

from __future__ import annotations

import lzma
import re
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from veneer.errors import VeneerError
from veneer.refusals import RefusedError

HEADER_BYTES = 2**20
"""Long names and attributes of a tar member lie in records before it; none is that long."""

_DAMAGE = (
    *(OSError, EOFError, ValueError, NotImplementedError, struct.error, zlib.error),
    *(lzma.LZMAError, tarfile.TarError, zipfile.BadZipFile),
)


def read_archive(
    archive: Path, refused: list[dict[str, Any]], *, strip: int, max_bytes: int
) -> Iterator[tuple[str, bytes]]:
    """Read the regular files of a ``.tar``, ``.tar.gz`` (also bz2 and xz) or ``.zip`` one by one.

    What it is, is told by its first bytes, not by its name. Nothing is written, and no link is
    followed. A path that comes twice is given twice; the later one counts, as with `tar`.

    Parameters
    ----------
    archive : Path
    refused : list
        Gets a row of :data:`veneer.schema.QUARANTINE` for each member that is not given.
    strip : int
        Leading folders that are left out of the paths. All members must lie in the same ones,
        but for files above them (which keep their names) and the ``__MACOSX`` of zip archives
        made on a Mac (which is left out).
    max_bytes : int
        Larger members are refused unread.

    Yields
    ------
    path : str
        Relative, POSIX; without ``..``.
    data : bytes

    Raises
    ------
    VeneerError
        When the archive is damaged, ends too early or is none; or ``strip`` does not fit it.
    """
    names = _Names(archive, strip)
    try:
        for member in _members(archive):
            try:
                path = names.place(member)
                if path is None:
                    continue
                if member.size > max_bytes:
                    detail = f"{member.size:,} bytes, more than {max_bytes:,}"
                    raise RefusedError("too_many_bytes", detail)
            except RefusedError as error:
                refused.append(_row(member, error))
                continue
            data = member.read()
            if len(data) != member.size:
                raise EOFError(f"{path} ends after {len(data):,} of {member.size:,} bytes")
            yield path, data
    except VeneerError:
        raise
    except _DAMAGE as error:
        raise VeneerError(
            f"Unpacking {archive}: it is damaged, ends too early, or is neither a tar nor a zip "
            f"archive ({' '.join(str(error).split()) or type(error).__name__}). To fetch it once "
            "more, delete it and run again."
        ) from error


@dataclass(frozen=True)
class _Member:
    name: str  # as it stands in the archive
    kind: str  # "file", "folder", or what else it is, in words
    size: int
    modified: datetime | None
    read: Callable[[], bytes]


class _Names:
    """Where members go, without their leading folders; none outside, and none onto another."""

    def __init__(self, archive: Path, strip: int):
        self._archive, self._strip = archive, strip
        self._top: list[str] | None = None
        self._files: set[PurePosixPath] = set()
        self._folders: set[PurePosixPath] = set()

    def place(self, member: _Member) -> str | None:
        """Relative path of a file; None for what is no file and need not be one."""
        parts = _safe_parts(member.name)
        if member.kind == "folder" or (parts and parts[0] == "__MACOSX"):
            return None
        if member.kind != "file":
            raise RefusedError("unsafe_archive_member", member.kind)
        if not parts:
            raise RefusedError("unsafe_archive_member", "a file without a name")
        path = PurePosixPath(*self._without_top(parts))
        if path in self._folders or not self._files.isdisjoint(path.parents):
            detail = "one name for a file and for a folder"
            raise RefusedError("unsafe_archive_member", detail)
        self._files.add(path)
        self._folders.update(path.parents)
        return str(path)

    def _without_top(self, parts: list[str]) -> list[str]:
        if len(parts) <= self._strip:
            return parts[-1:]
        top = parts[: self._strip]
        self._top = self._top or top
        if top != self._top:
            raise VeneerError(
                f"Unpacking {self._archive}: download.strip={self._strip} would leave out the "
                f"folder {'/'.join(self._top)}, but there is {'/'.join(top)} beside it. Set "
                "download.strip to the number of folders that all files lie in; 0 keeps all."
            )
        return parts[self._strip :]


def _safe_parts(name: str) -> list[str]:
    """Parts of a path; refused where it leads outside, on this system or another."""
    if "\0" in name:
        raise RefusedError("unsafe_archive_member", "a name with a NUL character")
    if name.startswith(("/", "\\")):
        raise RefusedError("unsafe_archive_member", "an absolute path")
    if re.match("[A-Za-z]:", name):
        raise RefusedError("unsafe_archive_member", "a path with a drive letter")
    if ".." in re.split(r"[/\\]", name):
        raise RefusedError("unsafe_archive_member", "a path with '..' in it")
    return [part for part in name.split("/") if part not in ("", ".")]


def _row(member: _Member, error: RefusedError) -> dict[str, Any]:
    # Neither half characters nor NUL can stand in every reader of a table.
    name = member.name.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")
    return {
        "path": name,
        "reason": error.reason,
        "detail": error.detail,
        "size": member.size,
        "modified": member.modified,
    }


def _members(archive: Path) -> Iterator[_Member]:
    with open(archive, "rb") as file:
        is_zip = file.read(4) in (b"PK\3\4", b"PK\5\6")
    return _zip_members(archive) if is_zip else _tar_members(archive)


class _Header(tarfile.TarInfo):
    """A tar member's header, which is the end of the archive only where it says so."""

    @classmethod
    def fromtarfile(cls, archive: tarfile.TarFile) -> tarfile.TarInfo:
        try:
            header = super().fromtarfile(archive)
        except tarfile.EOFHeaderError:
            raise
        except tarfile.HeaderError as error:
            # `tarfile` itself takes a header that it cannot read for the end.
            raise tarfile.ReadError(str(error)) from error
        if header.size < 0 or archive.offset <= header.offset:
            raise tarfile.ReadError("a member of a negative size")
        return header

    def _proc_member(self, archive: tarfile.TarFile) -> tarfile.TarInfo:
        # Made to be overridden, says `tarfile`. Such records are read whole into memory.
        before = (tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK)
        before += (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE)
        if self.size < 0 or (self.type in before and self.size > HEADER_BYTES):
            raise tarfile.ReadError(f"a header of {self.size:,} bytes")
        return super()._proc_member(archive)


def _tar_members(archive: Path) -> Iterator[_Member]:
    with tarfile.open(archive, "r:*", tarinfo=_Header) as tar:
        for header in tar:
            yield _Member(
                header.name,
                _tar_kind(header),
                header.size,
                _moment(header.mtime),
                partial(_read_tar, tar, header),
            )
        # What is compressed has a checksum at its very end.
        while tar.fileobj.read(2**20):
            pass


def _tar_kind(header: tarfile.TarInfo) -> str:
    if header.isreg():
        return "file"
    if header.isdir():
        return "folder"
    if header.islnk() or header.issym():
        kind = "hard" if header.islnk() else "symbolic"
        return f"a {kind} link to {header.linkname!a}; links are not followed"
    if header.isdev():
        return "a named pipe" if header.isfifo() else "a device"
    return f"of the unknown type {header.type!r}"


def _read_tar(tar: tarfile.TarFile, header: tarfile.TarInfo) -> bytes:
    with tar.extractfile(header) as file:
        return file.read()


def _moment(seconds: float) -> datetime | None:
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _zip_members(archive: Path) -> Iterator[_Member]:
    with zipfile.ZipFile(archive) as opened:
        for info in opened.infolist():
            # The times of a zip archive have no zone: they cannot be told.
            read = partial(_read_zip, opened, info)
            yield _Member(info.orig_filename, _zip_kind(info), info.file_size, None, read)


def _zip_kind(info: zipfile.ZipInfo) -> str:
    mode = stat.S_IFMT(info.external_attr >> 16)
    if mode == stat.S_IFLNK:
        return "a symbolic link; links are not followed"
    if mode in (stat.S_IFIFO, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFSOCK):
        return "a device, a named pipe or a socket"
    return "folder" if info.is_dir() else "file"


def _read_zip(opened: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    if info.flag_bits & 1:
        raise NotImplementedError(f"{info.filename} is encrypted")
    # The others unpack without a limit, however small a member says it is.
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise NotImplementedError(f"{info.filename} is compressed by method {info.compress_type}")
    with opened.open(info) as file:
        # Not `read()`, which unpacks before it looks at the size.
        return file.read(info.file_size)
