"""Streams of record batches between the stages."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

Item = TypeVar("Item")

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


def parted(
    checked: Iterator[pa.RecordBatch],
    accept: tuple[pa.Schema, Callable[[pa.RecordBatch], pa.RecordBatch]],
    refuse: tuple[pa.Schema, Callable[[pa.RecordBatch], pa.RecordBatch]],
) -> tuple[Stream, Stream]:
    """Part rows into those that are accepted and those that are refused, in one pass.

    Parameters
    ----------
    checked : iterator of RecordBatch
        With a column ``reason``, null where a row is accepted.
    accept, refuse : (Schema, callable)
        What becomes of the rows of each kind.

    Returns
    -------
    accepted : Stream
    refused : Stream
        Fills while ``accepted`` is read, so it has to be read after it. It waits in memory: a
        refusal is a path and a sentence.
    """
    waiting: list[pa.RecordBatch] = []
    finished = False

    def accepted() -> Iterator[pa.RecordBatch]:
        nonlocal finished
        for batch in checked:
            good = pc.is_null(batch["reason"])
            bad = batch.filter(pc.invert(good))
            if bad.num_rows:
                waiting.append(refuse[1](bad))
            rest = batch if bad.num_rows == 0 else batch.filter(good)
            if rest.num_rows:
                yield accept[1](rest)
        finished = True

    def refused() -> Iterator[pa.RecordBatch]:
        if not finished:
            raise RuntimeError("the refused rows were read before the accepted ones")
        yield from waiting

    return Stream(accept[0], accepted), Stream(refuse[0], refused)


def with_images(
    image_rows: ds.Dataset,
    columns: list[str],
    batch_rows: int,
    ids: pa.Array | None = None,
) -> Iterator[pa.RecordBatch]:
    """Image rows together with the bytes of their files, some at a time.

    Parameters
    ----------
    image_rows : Dataset of :func:`veneer.schema.image_schema`
    columns : list of str
    batch_rows : int
        At most.
    ids : string Array, optional
        Only these rows.
    """
    batches = image_rows.to_batches(
        columns=columns,
        filter=None if ids is None else ds.field("id").isin(ids),
        batch_size=batch_rows,
        # Rows carry whole files: reading far ahead would fill the memory.
        batch_readahead=4,
        fragment_readahead=1,
    )
    return (batch for batch in batches if batch.num_rows)


def find_image(image_rows: ds.Dataset, id_: str) -> bytes | None:
    """The bytes of one image's file; None where there is no such row.

    Of all rows only the ids are read, then the one row group that has it: a filter would read the
    files of the whole collection.
    """
    for fragment in image_rows.get_fragments():
        for group in fragment.split_by_row_group():
            place = group.to_table(columns=["id"])["id"].index(id_).as_py()
            if place >= 0:
                image = group.to_table(columns=["image"])["image"][place]
                return image["bytes"].as_py()
    return None


def drawn_images(image_rows: ds.Dataset, count: int, seed: int) -> pa.Table:
    """Some different images: ``sha`` and ``image``, at most ``count`` rows.

    Row groups are drawn, not rows, until there are enough: single rows from everywhere would take
    reading the files of the whole collection.
    """
    groups = [g for each in image_rows.get_fragments() for g in each.split_by_row_group()]
    tables, known = [], set()
    for place in np.random.default_rng(seed).permutation(len(groups)):
        shas = groups[place].to_table(columns=["sha"])["sha"].to_pylist()
        new = {sha: row for row, sha in enumerate(shas) if sha not in known}
        rows = list(new.values())[: count - len(known)]
        tables.append(
            groups[place].to_table(columns=["sha", "image"]).take(pa.array(rows, pa.int64()))
        )
        known.update(list(new)[: len(rows)])
        if len(known) == count:
            break
    return pa.concat_tables(tables)


def columns_of(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """The columns of ``batch`` that ``schema`` names."""
    return pa.RecordBatch.from_arrays([batch[name] for name in schema.names], schema=schema)


def regrouped(batches: Iterator[pa.RecordBatch], rows: int) -> Iterator[pa.RecordBatch]:
    """The same rows in batches of exactly ``rows``, but for the last."""
    waiting: list[pa.RecordBatch] = []
    for batch in batches:
        rest = batch
        while (room := rows - sum(each.num_rows for each in waiting)) <= rest.num_rows:
            yield _joined([*waiting, rest.slice(0, room)])
            waiting, rest = [], rest.slice(room)
        if rest.num_rows:
            waiting.append(rest)
    if waiting:
        yield _joined(waiting)


def _joined(batches: list[pa.RecordBatch]) -> pa.RecordBatch:
    return pa.Table.from_batches(batches).combine_chunks().to_batches()[0]


def ahead(items: Iterator[Item], depth: int) -> Iterator[Item]:
    """The same items, of which up to ``depth`` are drawn before they are passed on."""
    waiting: deque[Item] = deque()
    for item in items:
        waiting.append(item)
        if len(waiting) >= depth:
            yield waiting.popleft()
    yield from waiting
