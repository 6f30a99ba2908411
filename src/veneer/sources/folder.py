"""A folder of image files, at any depth."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa

from veneer.errors import VeneerError
from veneer.schema import RAW_FILE

BATCH_FILES = 64
BATCH_BYTES = 64 * 2**20


class FolderSource:
    """All files below a folder, as batches of :data:`veneer.schema.RAW_FILE`.

    Iterating reads the files, in the order of their relative paths; a batch closes at
    ``BATCH_FILES`` files or ``BATCH_BYTES`` bytes, whichever comes first. The label of a file is
    the name of the folder it lies in; files directly in ``folder`` have none.

    Parameters
    ----------
    folder : path

    Raises
    ------
    VeneerError
        When the folder is missing or holds no file.

    Examples
    --------
    >>> batches = iter(FolderSource("data/01_raw/textures"))  # doctest: +SKIP
    """

    def __init__(self, folder: str | Path):
        self.folder = Path(folder)
        self.paths = sorted(_walk(self.folder))
        if not self.paths:
            state = "holds no files" if self.folder.is_dir() else "does not exist"
            raise VeneerError(
                f"Reading images: no images found, the folder {self.folder} {state}. "
                "Put image files there, or name another folder with "
                "--params images=FOLDER."
            )

    def __len__(self) -> int:
        """Return the number of files."""
        return len(self.paths)

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        """Read the files, batch by batch."""
        rows, size = [], 0
        for path in self.paths:
            rows.append(_read(self.folder, path))
            size += len(rows[-1]["data"] or b"")
            if len(rows) == BATCH_FILES or size >= BATCH_BYTES:
                yield pa.RecordBatch.from_pylist(rows, schema=RAW_FILE)
                rows, size = [], 0
        if rows:
            yield pa.RecordBatch.from_pylist(rows, schema=RAW_FILE)


def _walk(folder: Path) -> Iterator[str]:
    """Relative paths of all files, following links to folders, but never in a circle."""
    seen = set()
    for directory, subfolders, files in os.walk(folder, followlinks=True):
        real = os.path.realpath(directory)
        if real in seen:
            subfolders.clear()
            continue
        seen.add(real)
        for name in files:
            yield os.path.relpath(os.path.join(directory, name), folder)


def _read(folder: Path, path: str) -> dict:
    file = folder / path
    # Names that are not UTF-8 cannot stand in an Arrow string; their odd bytes are escaped.
    name = os.fsencode(path).decode("utf-8", "backslashreplace").replace(os.sep, "/")
    row = {"path": name, "label": os.path.basename(os.path.dirname(name)) or None}
    try:
        stat = file.stat()
        # Only regular files: opening a pipe would wait for ever.
        data = file.read_bytes() if file.is_file() else None
    except OSError as error:
        return row | {"data": None, "error": f"cannot be read: {error.strerror}"}
    if data is None:
        return row | {"data": None, "error": "not a regular file"}
    birth = getattr(stat, "st_birthtime", None)
    return row | {
        "data": data,
        "modified": datetime.fromtimestamp(stat.st_mtime, UTC),
        "created": datetime.fromtimestamp(birth, UTC) if birth else None,
    }
