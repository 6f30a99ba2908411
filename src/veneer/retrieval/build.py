"""Making an index, and keeping it up to date."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from veneer.atomic import alone_in
from veneer.errors import VeneerError
from veneer.images import RefusedError, thumbnail
from veneer.progress import progress
from veneer.retrieval.filters import quoted
from veneer.retrieval.index import (
    AT_ONCE,
    CARD,
    NOT_SHOWN,
    READY,
    TABLE,
    Index,
    IndexCard,
    among,
    card_of,
    connect,
    disk_array,
    open_table,
    partitions,
    ready_version,
    table_folder,
    what_of,
)
from veneer.retrieval.options import ApproximateOptions
from veneer.schema import IMAGE, fingerprint_of, vectors
from veneer.streams import with_images

logger = logging.getLogger(__name__)

KEPT = timedelta(hours=1)
"""Old versions that were made longer ago go with the build after the one that replaced them. Until
then who has one open can go on reading it."""

BATCH = 256  # rows that are made together
MOST_SEGMENTS = 4  # of an index; each is searched by itself


@dataclass(frozen=True)
class Update:
    """What turns an index, or nothing, into what it should be.

    Attributes
    ----------
    schema : Schema
        As :func:`index_schema` gives it.
    options : ApproximateOptions
    seen : int or None
        The version that readers saw when this was planned; None where there was none.
    anew : bool
        Whether ``added`` makes all rows, and nothing of what is there stays.
    removed : list of str
        Ids of rows that are to go.
    changed : Table
        Rows of which something but vector and thumbnail has changed: all other columns.
    rows : int
        How many are added.
    added : callable
        Makes them, a batch at a time.
    """

    schema: pa.Schema
    options: ApproximateOptions
    seen: int | None
    anew: bool
    removed: list[str]
    changed: pa.Table
    rows: int
    added: Callable[[], Iterator[pa.RecordBatch]]


def plan_update(
    image_rows: ds.Dataset,
    splits: pa.Table,
    embeddings: ds.Dataset,
    known: Index | None,
    thumbnail_side: int,
    options: ApproximateOptions,
) -> Update:
    """Compare an index with the rows it should have.

    Parameters
    ----------
    image_rows : Dataset of :func:`veneer.schema.image_schema`
    splits : Table of schema SPLITS
    embeddings : Dataset of embedding rows
        Images without a vector are not indexed.
    known : Index, optional
        Where it is of another encoder, or has other columns, all rows are made anew.
    thumbnail_side : int
        Pixels.
    options : ApproximateOptions
    """
    card = IndexCard(fingerprint_of(embeddings.schema), thumbnail_side)
    dimension = embeddings.schema.field("embedding").type.list_size
    fields = image_rows.schema.names
    attributes = image_rows.schema.field("attributes").type if "attributes" in fields else None
    schema = index_schema(dimension, card, attributes)
    wanted = _metadata(image_rows, splits, schema)
    embedded = embeddings.to_table(columns=["sha"])["sha"].combine_chunks()
    wanted = wanted.filter(pc.is_in(wanted["sha"], embedded))
    anew = known is None or known.card != card or not known.schema.equals(schema)
    if anew:
        added, changed, removed = wanted, wanted.slice(0, 0), []
    else:
        is_added, is_changed, removed = compare(known.table(wanted.column_names), wanted)
        added, changed = wanted.filter(is_added), wanted.filter(is_changed)
    return Update(
        schema,
        options,
        None if known is None else known.version,
        anew,
        removed,
        changed,
        len(added),
        lambda: _made(added, image_rows, embeddings, schema, thumbnail_side),
    )


def _metadata(image_rows: ds.Dataset, splits: pa.Table, schema: pa.Schema) -> pa.Table:
    """All columns of an index but vector and thumbnail, for each image row."""
    names = [name for name in schema.names if name not in NOT_SHOWN]
    columns = {name: ds.field(name) for name in names if name not in ("path", "split")}
    rows = image_rows.scanner({**columns, "path": ds.field("image", "path")}).to_table()
    place = pc.index_in(rows["id"].combine_chunks(), splits["id"].combine_chunks())
    rows = rows.append_column("split", splits["split"].take(place))
    return rows.select(names).cast(pa.schema([schema.field(name) for name in names]))


def _made(
    rows: pa.Table,
    image_rows: ds.Dataset,
    embeddings: ds.Dataset,
    schema: pa.Schema,
    side: int,
) -> Iterator[pa.RecordBatch]:
    """Rows with their vectors and thumbnails, in the order of the image rows."""
    ids, shas = rows["id"].combine_chunks(), pc.unique(rows["sha"])
    matrix = _vectors_of(shas, embeddings, schema.field("vector").type.list_size)
    batches = with_images(image_rows, ["id", "image"], BATCH, ids)
    with (
        ThreadPoolExecutor(os.cpu_count()) as pool,
        progress(len(rows), "indexing", "images") as advance,
    ):
        for batch in batches:
            data = batch["image"].field("bytes").to_pylist()
            thumbnails = list(pool.map(lambda each: _thumbnail(each, side), data))
            own = rows.take(pc.index_in(batch["id"], ids)).combine_chunks()
            found = matrix[pc.index_in(own["sha"].combine_chunks(), shas).to_numpy()]
            columns = {name: own[name].combine_chunks() for name in own.column_names}
            columns["thumbnail"] = pa.array(thumbnails, pa.binary())
            columns["vector"] = pa.FixedSizeListArray.from_arrays(
                np.asarray(found).ravel(), type=schema.field("vector").type
            )
            yield pa.RecordBatch.from_arrays([columns[n] for n in schema.names], schema=schema)
            advance(batch.num_rows)


def _thumbnail(data: bytes, side: int) -> bytes | None:
    try:
        return thumbnail(data, side)
    except RefusedError as error:  # decoded before, and damaged since
        logger.warning("an image has no thumbnail: %s", error)
        return None


def _vectors_of(shas: pa.Array, embeddings: ds.Dataset, dimension: int) -> np.ndarray:
    """Vectors in the order of ``shas``: float32 [n, D], on disk."""
    matrix = disk_array((len(shas), dimension))
    for batch in embeddings.to_batches(filter=ds.field("sha").isin(shas)):
        if batch.num_rows:
            matrix[pc.index_in(batch["sha"], shas).to_numpy()] = vectors(batch["embedding"])
    return matrix


def index_schema(
    dimension: int, card: IndexCard, attributes: pa.StructType | None = None
) -> pa.Schema:
    """Schema of an index: image rows without their bytes, split, vector and thumbnail."""
    fields = [field for field in IMAGE if field.name != "image"]
    # What identifies a row comes first; LanceDB shows columns in this order.
    schema = [
        *fields[:2],
        pa.field("path", pa.string()),
        *fields[2:],
        pa.field("split", pa.string()),
        *([] if attributes is None else [pa.field("attributes", attributes)]),
        pa.field("thumbnail", pa.binary()),
        pa.field("vector", pa.list_(pa.float32(), dimension), nullable=False),
    ]
    return pa.schema(schema, metadata={CARD: json.dumps(asdict(card)).encode()})


def compare(known: pa.Table, wanted: pa.Table) -> tuple[pa.Array, pa.Array, list[str]]:
    """What has to be done to ``known`` so that it becomes ``wanted``.

    Parameters
    ----------
    known, wanted : Table
        With the same columns, of which ``id`` is unique.

    Returns
    -------
    added, changed : bool arrays, one value for each row of ``wanted``
    removed : list of str
        Ids of ``known`` that are not in ``wanted``.
    """
    place = pc.index_in(wanted["id"].combine_chunks(), known["id"].combine_chunks())
    added = pc.is_null(place)
    changed = pa.array([False] * len(wanted), pa.bool_())
    before, after = _flat(known.take(place)), _flat(wanted)
    for name in after.column_names:
        old, new = before[name], after[name]
        if pa.types.is_floating(new.type):  # NaN is not equal to itself
            old, new = (pc.if_else(pc.is_nan(each), None, each) for each in (old, new))
        differ = pc.not_equal(old, new)  # null where either is
        one_is_null = pc.xor(pc.is_null(old), pc.is_null(new))
        changed = pc.or_(changed, pc.or_(one_is_null, pc.fill_null(differ, False)))
    removed = known["id"].filter(pc.invert(pc.is_in(known["id"], wanted["id"].combine_chunks())))
    return added, pc.and_(changed, pc.invert(added)), removed.to_pylist()


def _flat(table: pa.Table) -> pa.Table:
    """Structs as columns of their own."""
    while any(pa.types.is_struct(field.type) for field in table.schema):
        table = table.flatten()
    return table


def write_index(folder: Path, update: Update) -> None:
    """Bring an index up to date.

    Everything is done on versions that nobody reads; the last step makes the newest of them the one
    that is read. A process that is killed before leaves the index as it was.

    Raises
    ------
    VeneerError
        When another process is writing it, or it cannot be written.
    """
    with (
        alone_in(folder, f"Building the index {table_folder(folder)}"),
        _telling_of_writing(folder),
    ):
        table = open_table(folder)
        seen = None if table is None else ready_version(table)
        if seen != update.seen and not (update.anew and card_of(table.schema) is None):
            raise VeneerError(
                f"Building the index {table_folder(folder)}: another run has built it meanwhile. "
                "Run again."
            )
        if seen is not None:
            _clean(table, seen)
        if update.anew:
            batches = pa.RecordBatchReader.from_batches(update.schema, update.added())
            table = connect(folder).create_table(TABLE, data=batches, mode="overwrite")
        else:
            _change(table, update)
        _index_columns(table, update.options)
        _make_ready(table)


def _clean(table: Any, ready: int) -> None:
    """Undo what a killed run has left, and remove the files of old versions."""
    if table.version != ready:
        table.checkout(ready)
        table.restore()
        _make_ready(table)  # LanceDB removes no version before one that has a tag
    table.optimize(cleanup_older_than=KEPT)
    _make_ready(table)


def _make_ready(table: Any) -> None:
    """Show the newest version to readers: one small file is replaced."""
    if READY not in table.tags.list():
        table.tags.create(READY, table.version)
    elif ready_version(table) != table.version:
        table.tags.update(READY, table.version)


def _change(table: Any, update: Update) -> None:
    for start in range(0, len(update.removed), AT_ONCE):
        table.delete(among("id", update.removed[start : start + AT_ONCE]))
    for start in range(0, len(update.changed), AT_ONCE):
        some = update.changed.slice(start, AT_ONCE)
        done = table.merge_insert("id").when_matched_update_all().execute(some)
        if done.num_updated_rows != len(some):
            raise RuntimeError(f"only {done.num_updated_rows} of {len(some)} rows were changed")
    if update.rows:
        table.add(pa.RecordBatchReader.from_batches(update.schema, update.added()))


def _index_columns(table: Any, options: ApproximateOptions) -> None:
    """See to the indices of a large table, and join small fragments."""
    rows = table.count_rows()
    wanted = _indices(table.schema, rows, options) if rows >= options.from_rows else {}
    for index in table.list_indices():
        if index.name not in wanted:
            table.drop_index(index.name)
    # Indexes what is new, as segments of their own. What readers see now must not be removed.
    table.optimize(cleanup_older_than=timedelta(days=36_500))
    for name, (column, config) in wanted.items():
        stats = table.index_stats(name)
        if stats is None or stats.num_indices > MOST_SEGMENTS or stats.num_unindexed_rows:
            if column == "vector":
                logger.info("indexing %s vectors", f"{rows:,}")
            table.create_index(column, config=config, name=name)


def _indices(schema: pa.Schema, rows: int, options: ApproximateOptions) -> dict[str, tuple]:
    """Column and kind of each index, by a name that tells how it was built.

    Of the vectors, and of the columns that tell what an image is: a filter on a text has to read
    the whole column otherwise, which takes longer than the search.
    """
    from lancedb.index import Bitmap, IvfRq, IvfSq

    dimension = schema.field("vector").type.list_size
    # A bit a dimension says too little where there are few; and they have to fill whole bytes.
    kind = IvfRq if dimension >= 256 and dimension % 8 == 0 else IvfSq
    config = kind(distance_type="cosine", num_partitions=partitions(rows, options))
    found = {f"vector {kind.__name__} {options.partition_rows}": ("vector", config)}
    columns = ["label", "split", "folder", "format"]
    if "attributes" in schema.names:
        fields = [field for field in schema.field("attributes").type if field.type == pa.string()]
        columns += [f"attributes.{quoted(field.name, '`')}" for field in fields]
    return found | {f"text {column}": (column, Bitmap()) for column in columns}


@contextmanager
def _telling_of_writing(folder: Path) -> Iterator[None]:
    """Turn an error of the database into a sentence."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        raise VeneerError(
            f"Building the index {table_folder(folder)}: {what_of(error)}. What could be searched "
            "before still can. Free some space, or make the folder writable; if its files are "
            "damaged, delete it. Then run kedro run --pipelines retrieval again."
        ) from error
