"""Streams of record batches between the stages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pyarrow as pa


@dataclass(frozen=True)
class Stream:
    """Record batches that are made as they are read; a dataset reads them when it saves.

    An iterable rather than an iterator, because Kedro saves what an iterator gives item by
    item, and a dataset that sees only items cannot tell when it has seen the last.
    """

    schema: pa.Schema
    make: Callable[[], Iterator[pa.RecordBatch]]

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        """Begin to make the batches."""
        return self.make()


@dataclass(frozen=True)
class FileStream:
    """Files that are made as they are read: (relative POSIX path, bytes)."""

    make: Callable[[], Iterator[tuple[str, bytes]]]

    def __iter__(self) -> Iterator[tuple[str, bytes]]:
        """Begin to make the files."""
        return self.make()
