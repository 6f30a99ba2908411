"""Files that are either whole or not there."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from veneer.errors import VeneerError


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path beside ``path``; move it there when the block ends well.

    The file is synced before it is renamed, so that a crash leaves the old content or the new,
    never half of it. Temporary names begin with a dot and end in ``.tmp``: readers that list
    ``*.parquet`` or ``*.png`` do not see them.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
        temporary.chmod(0o666 & ~_umask())  # mkstemp's own mode is 0600
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


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
