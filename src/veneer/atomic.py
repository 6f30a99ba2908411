"""Files that are either whole or not there."""

from __future__ import annotations

import errno
import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from veneer.errors import VeneerError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

logger = logging.getLogger(__name__)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path beside ``path``; move it there when the block ends well.

    Temporary names begin with a dot and end in ``.tmp``: readers that list ``*.parquet`` or
    ``*.png`` do not see them.

    Raises
    ------
    VeneerError
        When it cannot be written: no space, no permission.
    """
    temporary = None
    try:
        with telling_of_writing(path):
            temporary = temporary_beside(path)
            yield temporary
            settle(temporary, path)
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


@contextmanager
def making_folder(path: Path) -> Iterator[Path]:
    """Give a temporary folder beside ``path``; move it there when the block ends well.

    Where another process has made ``path`` meanwhile, that one stays.

    Raises
    ------
    VeneerError
        When it cannot be written.
    """
    temporary = None
    try:
        with telling_of_writing(path):
            temporary = Path(_temporary(path, tempfile.mkdtemp))
            yield temporary
            for file in temporary.rglob("*"):
                if file.is_file():
                    _sync(file)
            temporary.chmod(0o777 & ~_umask())  # mkdtemp's own mode is 0700
            try:
                os.rename(temporary, path)
            except OSError as error:
                if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                    raise
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def alone_in(folder: Path, doing: str) -> Iterator[None]:
    """Hold a lock on a folder; the system gives it back when the process ends, however it ends.

    Raises
    ------
    VeneerError
        That begins with ``doing``, when another process holds it.
    """
    make_folder(folder)
    if fcntl is None:
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise VeneerError(
                f"{doing}: another run is doing so now. Wait for its end, and run again: what it "
                "has done will not be done twice."
            ) from None
        except OSError as error:  # some network file systems have no locks
            logger.debug("no lock on %s: %s", folder, error)
        yield
    finally:
        os.close(handle)


def temporary_beside(path: Path) -> Path:
    """Make an empty file that only this process knows, in the folder that ``path`` is to be in."""
    handle, name = _temporary(path, tempfile.mkstemp)
    os.close(handle)
    return Path(name)


def settle(temporary: Path, path: Path) -> None:
    """Sync a temporary file and give it its name.

    Synced before it is renamed, so that a crash leaves the old content or the new, never half.
    """
    _sync(temporary)
    temporary.chmod(0o666 & ~_umask())  # mkstemp's own mode is 0600
    os.replace(temporary, path)


def _temporary(path: Path, make: Callable[..., Any]) -> Any:
    """What ``make`` of :mod:`tempfile` gives, under a name that tells target and process."""
    make_folder(path.parent)
    prefix = f".{path.name}."
    _sweep(path.parent, prefix)
    return make(prefix=f"{prefix}{os.getpid()}-", suffix=".tmp", dir=path.parent)


def _sync(file: Path) -> None:
    with open(file, "rb") as written:
        os.fsync(written.fileno())


def _sweep(folder: Path, prefix: str) -> None:
    """Remove the temporary files and folders of processes that were killed."""
    for left in folder.glob(f"{prefix}*.tmp"):
        owner = left.name.removeprefix(prefix).partition("-")[0]
        if owner.isdigit() and not _is_running(int(owner)):
            if left.is_dir():
                shutil.rmtree(left, ignore_errors=True)
            else:
                left.unlink(missing_ok=True)


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass  # somebody else's
    return True


@contextmanager
def telling_of_writing(path: Path) -> Iterator[None]:
    """Turn an error of the file system into a sentence."""
    try:
        yield
    except OSError as error:
        advice = {
            errno.ENOSPC: "Free some space on that disk",
            errno.EDQUOT: "Free some of your quota on that disk",
            errno.EROFS: "The disk is read-only: write elsewhere",
            errno.EACCES: "Make the folder writable for yourself",
            errno.EPERM: "Make the folder writable for yourself",
        }.get(error.errno, "See to it")
        what = os.strerror(error.errno) if error.errno else str(error)
        raise VeneerError(
            f"Writing {path}: {what}. What was there before is unchanged. {advice} and run again."
        ) from error


def make_folder(path: Path) -> None:
    """Make a folder and those above it, unless they are there."""
    with telling_of_writing(path):
        path.mkdir(parents=True, exist_ok=True)


def require(there: bool, path: Path, pipeline: str | None = None) -> None:
    """Raise a :class:`VeneerError` that tells which pipeline makes what is not there."""
    if not there:
        maker = f"the pipeline {pipeline}" if pipeline else "the pipeline that makes it"
        raise VeneerError(
            f"Reading {path}: it is not there. Run {maker} first, with the same --env and --params."
        )


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file atomically."""
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
