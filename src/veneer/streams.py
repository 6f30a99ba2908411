"""Streams of record batches between the stages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pyarrow as pa

# Batches are made in one thread and freed in another. Arrow's own allocator keeps what each thread
# has freed; the system's gives it back, so that memory does not grow with the collection.
pa.set_memory_pool(pa.system_memory_pool())


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
