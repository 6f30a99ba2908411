"""From raw files to checked rows: every readable image, and a reason for every other file."""

from __future__ import annotations

import os
import posixpath
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from veneer.images import MAX_PIXELS
from veneer.refusals import RefusedError
from veneer.schema import (
    IMAGE_STRUCT,
    QUARANTINE,
    READING,
    checked_schema,
    image_schema,
    raw_schema,
)
from veneer.sources.source import Read, Source, attributes_of
from veneer.streams import Stream, columns_of, parted
from veneer.workers import FILES, describe_apart

# A batch is what one thread works on at a time. It ends at whichever comes first.
BATCH_FILES = 64
BATCH_BYTES = 16 * 2**20
# Where sizes are not known before they are read, a batch may become larger; an array of Arrow holds
# less than 2 GiB.
MOST_BYTES = 2**30
# Rows that are known already carry no bytes.
BATCH_ROWS = 4096

# Refused for what the bytes are: as long as the file is unchanged, it need not be read again.
_LASTING = pa.array(
    ["empty", "not_an_image", "unsupported_format", "truncated", "damaged", "too_many_pixels"]
)


def ingest(
    source: Source,
    known: pa.Table,
    quarantined: pa.Table,
    *,
    text_from_exif: bool = False,
    max_pixels: int = MAX_PIXELS,
) -> Iterator[pa.RecordBatch]:
    """Read and check what a source lists; one row out for each row of its listing, in order.

    A file that an earlier run has seen is not read again if its path, size and modification time
    are the same.

    Parameters
    ----------
    source : Source
    known : Table of schema :data:`veneer.schema.KNOWN_IMAGE`
        Image rows of earlier runs with the same options; in any order, a path may occur often.
    quarantined : Table of schema :data:`veneer.schema.QUARANTINE`
        What such a run refused.
    text_from_exif, max_pixels
        As for :func:`check_batch`.

    Yields
    ------
    RecordBatch of :func:`veneer.schema.checked_schema`
        Rows that were known have null in ``image.bytes``: whoever keeps the earlier rows has them.
    """
    listing = source.listing
    schema = checked_schema(attributes_of(listing.schema))
    lasting = quarantined.filter(pc.is_in(quarantined["reason"], _LASTING))
    listed = pc.is_null(listing["reason"]).to_numpy()  # the others are refused by the source
    in_known = np.where(listed, _find_unchanged(listing, known), -1)
    in_lasting = np.where(listed, _find_unchanged(listing, lasting), -1)
    to_read = listed & (in_known < 0) & (in_lasting < 0)
    check = partial(check_batch, text_from_exif=text_from_exif, max_pixels=max_pixels)

    def tasks() -> Iterator[Callable[[], pa.RecordBatch]]:
        for start, stop in _chunks(to_read, listing["size"]):
            rows, part = slice(start, stop), listing.slice(start, stop - start)
            pieces = [
                (in_known[rows] >= 0, partial(_known_rows, known, in_known[rows], schema)),
                (in_lasting[rows] >= 0, partial(_refused_rows, lasting, in_lasting[rows], schema)),
                (~listed[rows], partial(_listed_refusals, schema)),
            ]
            if to_read[rows].any():
                # Asked for here, in the order of the listing: some sources can only read forwards.
                reads = source.reads(part.filter(to_read[rows])["location"].to_pylist())
                pieces.append((to_read[rows], partial(_read_and_check, reads, check)))
            yield partial(_assemble, part, pieces)

    yield from _in_order(tasks())


Piece = tuple[np.ndarray, Callable[[pa.Table], pa.Table]]


def _assemble(part: pa.Table, pieces: list[Piece]) -> pa.RecordBatch:
    """Make each piece of a part of the listing in its own way, and put the rows in their order."""
    made = [(mask, make(part.filter(pa.array(mask)))) for mask, make in pieces if mask.any()]
    table = pa.concat_tables([each for _, each in made])
    if len(made) > 1:
        positions = np.concatenate([np.flatnonzero(mask) for mask, _ in made])
        table = table.take(np.argsort(positions))
    return table.combine_chunks().to_batches()[0]


def _read_and_check(
    reads: Sequence[Read], check: Callable[[pa.RecordBatch], pa.RecordBatch], part: pa.Table
) -> pa.Table:
    return _check_found([_read(read) for read in reads], check, part)


def _check_found(
    found: list[tuple[bytes | None, RefusedError | None]],
    check: Callable[[pa.RecordBatch], pa.RecordBatch],
    part: pa.Table,
) -> pa.Table:
    half = len(found) // 2
    if half and sum(len(data or b"") for data, _ in found) > MOST_BYTES:
        halves = [(found[:half], part.slice(0, half)), (found[half:], part.slice(half))]
        return pa.concat_tables([_check_found(each, check, rows) for each, rows in halves])
    columns = {name: part[name].combine_chunks() for name in part.schema.names}
    columns["data"] = _binary_array([data for data, _ in found])
    columns["reason"] = pa.array([r and r.reason for _, r in found], pa.string())
    columns["detail"] = pa.array([r and r.detail for _, r in found], pa.string())
    schema = raw_schema(attributes_of(part.schema))
    raw = pa.RecordBatch.from_pydict({n: columns[n] for n in schema.names}, schema=schema)
    return pa.Table.from_batches([check(raw)])


def _binary_array(contents: list[bytes | None]) -> pa.BinaryArray:
    """An array of whole files, in one allocation of the size they need together."""
    sizes = [0 if content is None else len(content) for content in contents]
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32)
    valid = np.packbits([content is not None for content in contents], bitorder="little")
    joined = b"".join(content or b"" for content in contents)
    buffers = [pa.py_buffer(each) for each in (valid, offsets, joined)]
    return pa.Array.from_buffers(pa.binary(), len(contents), buffers)


def _read(read: Read) -> tuple[bytes | None, RefusedError | None]:
    try:
        return read(), None
    except RefusedError as refusal:
        return None, refusal


def _known_rows(known: pa.Table, rows: np.ndarray, schema: pa.Schema, part: pa.Table) -> pa.Table:
    """Rows of an earlier run under what the source tells of them now, without their bytes."""
    earlier = known.take(rows[rows >= 0])
    columns = {name: earlier[name] for name in earlier.schema.names}
    columns |= {
        name: part[name]
        for name in ("label", "modified", "attributes")
        if name in part.schema.names
    }
    columns["text"] = pc.coalesce(part["text"], earlier["text"])
    return _table(columns, part, schema)


def _refused_rows(
    quarantined: pa.Table, rows: np.ndarray, schema: pa.Schema, part: pa.Table
) -> pa.Table:
    earlier = quarantined.take(rows[rows >= 0])
    return _table({name: earlier[name] for name in earlier.schema.names}, part, schema)


def _listed_refusals(schema: pa.Schema, part: pa.Table) -> pa.Table:
    columns = {name: part[name] for name in ("reason", "detail", "size", "modified")}
    return _table(columns, part, schema)


def _table(columns: dict[str, Any], part: pa.Table, schema: pa.Schema) -> pa.Table:
    """A table of checked files; what is not among ``columns`` is null, or empty for the keys."""
    count = len(part)
    paths = part["path"].combine_chunks()
    columns["image"] = pa.StructArray.from_arrays(
        [pa.nulls(count, pa.binary()), paths], fields=list(IMAGE_STRUCT)
    )
    for field in schema:
        if field.name not in columns:
            empty = pa.nulls(count, field.type) if field.nullable else pa.array([""] * count)
            columns[field.name] = empty
    columns["folder"] = pa.array(map(posixpath.dirname, paths.to_pylist()), pa.string())
    return pa.table({name: columns[name] for name in schema.names}, schema=schema)


def _find_unchanged(listing: pa.Table, earlier: pa.Table) -> np.ndarray:
    """For each listed file its row in an earlier table, or -1 where it is new or changed."""
    if not len(earlier):
        return np.full(len(listing), -1)
    versions = _versions(earlier).combine_chunks()
    rows = pc.index_in(_versions(listing), versions, skip_nulls=True)
    rows = pc.fill_null(rows, -1).to_numpy()
    size, earlier_size = listing["size"], earlier["size"].take(np.maximum(rows, 0))
    # A source that cannot tell the size before it reads vouches by its signature.
    same = pc.fill_null(pc.equal(size, earlier_size), True).to_numpy()
    return np.where(same, rows, -1)


def _versions(table: pa.Table) -> pa.ChunkedArray:
    """Path and modification time of each file as one text; null where the time is not known."""
    moment = table["modified"].cast(pa.int64()).cast(pa.string())
    return pc.binary_join_element_wise(table["path"], moment, "\0")


def _chunks(to_read: np.ndarray, sizes: pa.ChunkedArray) -> Iterator[tuple[int, int]]:
    """Bounds of the batches: few files or bytes to be read in each, or many that are known."""
    sizes = pc.fill_null(sizes, 0).to_numpy()
    start = files = size = 0
    for row, (unread, bytes_) in enumerate(zip(to_read.tolist(), sizes.tolist(), strict=True), 1):
        if unread:
            files, size = files + 1, size + bytes_
        if files == BATCH_FILES or size >= BATCH_BYTES or row - start == BATCH_ROWS:
            yield start, row
            start, files, size = row, 0, 0
    if start < len(to_read):
        yield start, len(to_read)


def _in_order(tasks: Iterable[Callable[[], pa.RecordBatch]]) -> Iterator[pa.RecordBatch]:
    """Run tasks in threads, a few ahead of the one whose result is being waited for.

    A thread reads its files, and waits for the worker process that decodes them.
    """
    cores = os.cpu_count() or 1
    running: deque[Future] = deque()
    pool = ThreadPoolExecutor(cores)
    try:
        for task in tasks:
            running.append(pool.submit(task))
            if len(running) > cores + 1:
                yield running.popleft().result()
        while running:
            yield running.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def check_files(
    batches: Iterable[pa.RecordBatch],
    *,
    text_from_exif: bool = False,
    max_pixels: int = MAX_PIXELS,
) -> Iterator[pa.RecordBatch]:
    """:func:`check_batch` for each batch, on all cores."""
    check = partial(check_batch, text_from_exif=text_from_exif, max_pixels=max_pixels)
    return _in_order(partial(check, batch) for batch in batches)


def check_batch(
    batch: pa.RecordBatch, *, text_from_exif: bool = False, max_pixels: int = MAX_PIXELS
) -> pa.RecordBatch:
    """Hash, decode and describe files; one row out for each row in.

    Parameters
    ----------
    batch : RecordBatch of :func:`veneer.schema.raw_schema`
    text_from_exif : bool
        Where a file has no text, take it from EXIF ImageDescription. Many cameras write their own
        name there.
    max_pixels : int
        Images with more are refused before they are unpacked.

    Returns
    -------
    RecordBatch of :func:`veneer.schema.checked_schema`
        Where ``reason`` is null the row is a whole image row; else it tells why the file was
        refused, and only ``image.path``, ``sha``, ``size`` and ``modified`` are set.
    """
    limits = pa.array([max_pixels] * batch.num_rows, pa.int64())
    files = pa.RecordBatch.from_arrays([batch["path"], batch["data"], limits], schema=FILES)
    facts = describe_apart(files)
    schema = checked_schema(attributes_of(batch.schema))
    columns = {name: facts[name] for name in ("id", "sha", "width", "height", "format")}
    columns["size"] = pc.coalesce(facts["size"], batch["size"])
    for name in ("reason", "detail"):
        columns[name] = pc.coalesce(batch[name], facts[name])
    good = pc.is_null(columns["reason"])
    columns["created"] = pc.coalesce(facts["created"], batch["created"].cast(pa.timestamp("us")))
    described = facts["description"] if text_from_exif else None
    columns["text"] = batch["text"] if described is None else pc.coalesce(batch["text"], described)
    folders = [posixpath.dirname(path) for path in batch["path"].to_pylist()]
    columns["folder"] = pa.array(folders, pa.string())
    for name in set(schema.names) & {"label", "modified", "attributes"}:
        columns[name] = batch[name]
    data = batch["data"]
    if not pc.all(good).as_py():  # whole batches of bytes are copied only where they must be
        data = pc.if_else(good, data, pa.scalar(None, pa.binary()))
    columns["image"] = pa.StructArray.from_arrays([data, batch["path"]], fields=list(IMAGE_STRUCT))
    return pa.RecordBatch.from_pydict({n: columns[n] for n in schema.names}, schema=schema)


def accepted_and_refused(
    checked: Iterator[pa.RecordBatch], attributes: pa.StructType | None, reading: str
) -> tuple[Stream, Stream]:
    """Part the checked rows into image rows and quarantine rows, in one pass.

    Parameters
    ----------
    checked : iterator of RecordBatch of :func:`veneer.schema.checked_schema`
    attributes : Arrow type of the column of that name, where there is one
    reading : str
        How the files were read, for the metadata.

    Returns
    -------
    accepted : Stream of :func:`veneer.schema.image_schema`
    refused : Stream of schema :data:`veneer.schema.QUARANTINE`
        To be read after ``accepted``; see :func:`veneer.streams.parted`.
    """
    schema = image_schema(attributes, reading)
    quarantine = QUARANTINE.with_metadata({READING: reading.encode()})
    return parted(
        checked,
        (schema, lambda rows: columns_of(rows, schema)),
        (quarantine, lambda rows: _quarantine(rows, quarantine)),
    )


def _quarantine(refused: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    columns = {name: refused[name] for name in schema.names if name != "path"}
    columns["path"] = refused["image"].field("path")
    columns["sha"] = pc.if_else(pc.equal(columns["sha"], ""), None, columns["sha"])
    return pa.RecordBatch.from_pydict({n: columns[n] for n in schema.names}, schema=schema)
