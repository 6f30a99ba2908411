"""The Parquet shards of image rows: what is unchanged stays, the rest is written anew."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from veneer.atomic import settle, telling_of_writing, temporary_beside
from veneer.errors import VeneerError
from veneer.schema import IMAGE

logger = logging.getLogger(__name__)

SHARD_BYTES = 256 * 2**20
# Small row groups let a reader take a few images at a time, and bound what a writer holds.
GROUP_ROWS = 256
GROUP_BYTES = 32 * 2**20


@dataclass(frozen=True)
class Shard:
    """One Parquet file of image rows that is there already."""

    path: Path
    rows: int
    first_id: str
    schema: pa.Schema

    @classmethod
    def open(cls, path: Path) -> Shard | None:
        """Look into a file; None where it is no whole Parquet file or has no rows."""
        try:
            file = pq.ParquetFile(path)
            if file.metadata.num_rows == 0:
                return None
            ids = file.read_row_group(0, columns=["id"])["id"]
            if not set(IMAGE.names) <= set(file.schema_arrow.names):
                return None
        except (OSError, pa.ArrowInvalid, KeyError):
            return None
        return cls(path, file.metadata.num_rows, ids[0].as_py(), file.schema_arrow)

    def facts(self) -> pa.Table:
        """Everything but the bytes of the images; nothing where the file is damaged."""
        columns = [name for name in self.schema.names if name != "image"]
        try:
            return _facts(pq.ParquetFile(self.path).read([*columns, "image.path"]))
        except (OSError, pa.ArrowInvalid) as error:
            logger.warning("%s is damaged, and made anew: %s", self.path, error)
            return _facts(self.schema.empty_table())


def open_shards(folder: Path) -> list[Shard]:
    """All shards of a folder that are whole and not empty, also those of a killed run."""
    found = (Shard.open(path) for path in sorted(folder.glob("part-*.parquet")))
    return [shard for shard in found if shard is not None]


def write_shards(
    folder: Path, schema: pa.Schema, batches: Iterable[pa.RecordBatch]
) -> Iterator[tuple[str, int]]:
    """Write rows to shards; yield name and number of rows of each.

    Shards that lie in ``folder`` already, also those of a run that was killed, are used again: a
    row that comes without bytes (null in ``image.bytes``) has them there, and a shard whose rows
    all come again, unchanged and in its order, is kept as it is. Nothing is overwritten or
    removed.

    Parameters
    ----------
    folder : Path
    schema : Schema
        Of the rows, with the metadata of the files.
    batches : iterable of RecordBatch
    """
    old = [s for s in open_shards(folder) if s.schema.equals(schema, check_metadata=True)]
    writer = _Writer(folder, schema, _OldBytes(old))
    try:
        for kept_or_rows in _find_kept(batches, old):
            if isinstance(kept_or_rows, Shard):
                yield from writer.close()
                yield kept_or_rows.path.name, kept_or_rows.rows
            else:
                yield from writer.add(kept_or_rows)
        yield from writer.close()
        if not writer.number and not old:
            yield from writer.close(empty=True)
    finally:
        writer.discard()


def _find_kept(
    batches: Iterable[pa.RecordBatch], old: list[Shard]
) -> Iterator[Shard | pa.RecordBatch]:
    """Put shards in the place of rows that make up the whole of them; pass on all other rows."""
    starts = {shard.first_id: shard for shard in old}
    # The shard that the rows agree with, its facts, and how many of them have come.
    shard, facts, matched = None, None, 0
    for batch in batches:
        rest = batch
        while rest.num_rows:
            if shard is None:
                cut = _first(pc.is_in(rest["id"], pa.array(starts, pa.string())))
                if cut:
                    yield rest.slice(0, cut)
                if cut == rest.num_rows:
                    break
                rest = rest.slice(cut)
                shard, matched = starts.pop(rest["id"][0].as_py()), 0
                facts = shard.facts()
            count = min(rest.num_rows, shard.rows - matched)
            if _facts(rest.slice(0, count)).equals(facts.slice(matched, count)):
                matched, rest = matched + count, rest.slice(count)
                if matched == shard.rows:
                    yield shard
                    shard = None
            else:
                yield from _without_bytes(facts.slice(0, matched), shard.schema)
                shard = None
    if shard is not None:
        yield from _without_bytes(facts.slice(0, matched), shard.schema)


def _first(mask: pa.BooleanArray) -> int:
    """Index of the first true value; the length where there is none."""
    found = pc.index(mask, True).as_py()
    return len(mask) if found < 0 else found


def _facts(rows: pa.RecordBatch | pa.Table) -> pa.Table:
    """Everything but the bytes of the images; the path is a column of its own."""
    table = pa.Table.from_batches([rows]) if isinstance(rows, pa.RecordBatch) else rows
    paths = pc.struct_field(table["image"], "path")
    return table.drop_columns("image").append_column("path", paths)


def _without_bytes(facts: pa.Table, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Rows of ``schema`` with null in ``image.bytes``; the inverse of :func:`_facts`."""
    for batch in facts.to_batches():
        image = pa.StructArray.from_arrays(
            [pa.nulls(batch.num_rows, pa.binary()), batch["path"]],
            fields=list(schema.field("image").type),
        )
        columns = [image if name == "image" else batch[name] for name in schema.names]
        yield pa.RecordBatch.from_arrays(columns, schema=schema)


class _OldBytes:
    """The images of the shards that were there, by the ids of their rows."""

    def __init__(self, shards: list[Shard]):
        self._shards = shards
        self._group: tuple[tuple[int, int], pa.ChunkedArray] | None = None  # the one last read

    @cached_property
    def _places(self) -> dict[str, tuple[int, int, int]]:
        """Shard, row group and row in it of every id."""
        places = {}
        for number, shard in enumerate(self._shards):
            file = pq.ParquetFile(shard.path)
            ids = iter(shard.facts()["id"].to_pylist())  # nothing of what is damaged
            for group in range(file.num_row_groups):
                rows = range(file.metadata.row_group(group).num_rows)
                places |= {each: (number, group, row) for row, each in zip(rows, ids, strict=False)}
        return places

    def fill(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        """Give rows without bytes the bytes they had."""
        paths, content = rows["image"].field("path"), rows["image"].field("bytes")
        if content.null_count == 0:
            return rows
        filled = [
            data if data.is_valid else self._read(*self._places[each])
            for each, data in zip(rows["id"].to_pylist(), content, strict=True)
        ]
        struct = rows.schema.field("image").type
        image = pa.StructArray.from_arrays(
            [pa.array([data.as_py() for data in filled], pa.binary()), paths], fields=list(struct)
        )
        return rows.set_column(
            rows.schema.get_field_index("image"), rows.schema.field("image"), image
        )

    def _read(self, number: int, group: int, row: int) -> pa.BinaryScalar:
        if self._group is None or self._group[0] != (number, group):
            path = self._shards[number].path
            try:
                column = pq.ParquetFile(path).read_row_group(group, ["image.bytes"])["image"]
            except (OSError, pa.ArrowInvalid) as error:
                raise VeneerError(
                    f"Reading {path}: it is damaged ({error}). Delete it and run again; its images "
                    "are then read from their files."
                ) from error
            self._group = (number, group), pc.struct_field(column, "bytes")
        return self._group[1][row]


class _Writer:
    """Writes rows to new shards, a row group at a time."""

    def __init__(self, folder: Path, schema: pa.Schema, old: _OldBytes):
        self._folder, self._schema, self._old = folder, schema, old
        self.number = 0  # of shards begun
        self._parquet: pq.ParquetWriter | None = None
        self._waiting: list[pa.RecordBatch] = []

    def add(self, rows: pa.RecordBatch) -> Iterator[tuple[str, int]]:
        """Take rows; yield a shard that has become full."""
        for start in range(0, rows.num_rows, GROUP_ROWS):
            self._waiting.append(self._old.fill(rows.slice(start, GROUP_ROWS)))
            count = sum(batch.num_rows for batch in self._waiting)
            size = sum(batch.nbytes for batch in self._waiting)
            if count >= GROUP_ROWS or size >= GROUP_BYTES:
                self._write_group()
                if self._size >= SHARD_BYTES:
                    yield from self.close()

    def close(self, *, empty: bool = False) -> Iterator[tuple[str, int]]:
        """Finish the shard that is being written, if there is one, and yield it."""
        if self._waiting or empty:
            self._write_group()
        if self._parquet is None:
            return
        # Named by its content, so that no shard of an older manifest is overwritten by another.
        path = self._folder / f"part-{self.number:05d}-{self._digest.hexdigest()[:12]}.parquet"
        with telling_of_writing(path):
            self._parquet.close()
            settle(self._temporary, path)
        self.number += 1
        self._parquet = None
        yield path.name, self._rows

    def discard(self) -> None:
        """Remove what was begun and not finished."""
        if self._parquet is not None:
            with suppress(OSError):
                self._parquet.close()
            self._temporary.unlink(missing_ok=True)
            self._parquet = None

    def _write_group(self) -> None:
        table = pa.Table.from_batches(self._waiting, schema=self._schema)
        self._waiting = []
        with telling_of_writing(self._folder):
            if self._parquet is None:
                self._begin()
            self._parquet.write_table(table, row_group_size=max(len(table), 1))
        self._rows += len(table)
        self._size += table.nbytes
        for batch in _facts(table).to_batches():
            self._digest.update(batch.serialize())

    def _begin(self) -> None:
        self._temporary = temporary_beside(self._folder / "part")
        self._digest = hashlib.sha1(usedforsecurity=False)
        self._rows = self._size = 0
        plain = [name for name in self._schema.names if name != "image"]
        self._parquet = pq.ParquetWriter(
            self._temporary,
            self._schema,
            # Images are compressed already, and no two are the same but for copies.
            compression={"image.bytes": "NONE"},
            use_dictionary=["label", "format", "folder"],
            write_statistics=plain,
        )
