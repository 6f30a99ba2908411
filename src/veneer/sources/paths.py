"""Files and folders named one by one, as on a command line."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace

import pyarrow as pa

from veneer.refusals import RefusedError
from veneer.sources.files import File, kind_of, reader, row_of, single, walk
from veneer.sources.source import LISTING, Read, Source, with_unique_paths


def paths_source(paths: Sequence[str], *, text: str | None = None, max_bytes: int) -> Source:
    """The files named, and all files below the folders named, under the names given.

    Parameters
    ----------
    paths : sequence of str
        Local paths. What is not there becomes a row that is refused.
    text : str, optional
        Of every file.
    max_bytes : int
        Larger files are refused unread.
    """
    rows = [row_of(file) | {"text": text} for path in paths for file in _files(path)]
    listing = with_unique_paths(pa.Table.from_pylist(rows, schema=LISTING))

    def reads(locations: Sequence[bytes]) -> list[Read]:
        return [reader("", max_bytes, location) for location in locations]

    return Source(name="the files named", listing=listing, reads=reads)


def _files(path: str) -> Iterator[File]:
    kind = kind_of(path)
    if kind == "folder":
        for file in walk(path):
            yield replace(file, path=os.path.join(path, file.path))
    elif kind == "file":
        yield replace(single(path), path=path)
    else:
        yield File(path, b"", refused=RefusedError("unreadable", "there is no such file"))
