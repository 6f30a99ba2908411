"""A collection as a Parquet source, made of another one's rows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from veneer.atomic import making_folder
from veneer.datasets.shards import GROUP_ROWS, SHARD_BYTES
from veneer.errors import VeneerError
from veneer.streams import with_images

COLUMNS = ("image", "label", "text")


def write_collection(
    folder: Path, image_rows: ds.Dataset, ids: pa.ChunkedArray, splits: pa.Table
) -> int:
    """Write some rows as the raw files of a collection of their own.

    It is to be read as ``source.kind: parquet``: with ``image``, ``label``, ``text`` and ``split``,
    and each attribute as a column of its name. Paths stay, and with them each row's ``id``.

    Parameters
    ----------
    folder : Path
        Is made.
    image_rows : Dataset of :func:`veneer.schema.image_schema`
    ids : string ChunkedArray
    splits : Table of schema SPLITS

    Returns
    -------
    int
        Rows written.

    Raises
    ------
    VeneerError
        When it cannot be written, or an attribute has the name of another column.
    """
    taken = {"split", *COLUMNS} & set(_attributes(image_rows))
    if taken:
        raise VeneerError(
            f"Writing a collection into {folder}: its attribute {sorted(taken)[0]!r} would be a "
            "column of the same name as another one. Call it otherwise in source.attributes, and "
            "run data_processing again."
        )
    written = 0
    with making_folder(folder) as temporary:
        writer, number = None, 0
        for batch in _batches(image_rows, ids, splits):
            file = temporary / f"part-{number:05d}.parquet"
            if writer is None:
                writer = pq.ParquetWriter(file, batch.schema)
            writer.write_batch(batch)
            written += batch.num_rows
            if file.stat().st_size >= SHARD_BYTES:
                writer.close()
                writer, number = None, number + 1
        if writer is not None:
            writer.close()
    return written


def _batches(
    image_rows: ds.Dataset, ids: pa.ChunkedArray, splits: pa.Table
) -> Iterator[pa.RecordBatch]:
    attributes = _attributes(image_rows)
    wanted = ["id", *COLUMNS, *(["attributes"] if attributes else [])]
    batches = with_images(image_rows, wanted, GROUP_ROWS, ids.combine_chunks())
    split_ids, sides = splits["id"].combine_chunks(), splits["split"].combine_chunks()
    for batch in batches:
        columns = {name: batch[name] for name in COLUMNS}
        columns["split"] = sides.take(pc.index_in(batch["id"], split_ids))
        for name in attributes:
            columns[name] = pc.struct_field(batch["attributes"], name)
        yield pa.RecordBatch.from_pydict(columns)


def _attributes(image_rows: ds.Dataset) -> list[str]:
    if "attributes" not in image_rows.schema.names:
        return []
    return [field.name for field in image_rows.schema.field("attributes").type]
