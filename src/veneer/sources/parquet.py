"""Parquet files that hold image bytes, as Hugging Face `datasets` writes them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from veneer.errors import VeneerError
from veneer.refusals import RefusedError
from veneer.sources.columns import require_columns
from veneer.sources.files import File, kind_of, open_location, single, walk
from veneer.sources.options import ParquetOptions
from veneer.sources.source import (
    TEXT_SEPARATOR,
    Read,
    Source,
    attributes_type,
    listing_schema,
    with_unique_paths,
)

_SIDES = {"train": "train", "training": "train", "test": "test", "testing": "test"}
_SIDES |= dict.fromkeys(("validation", "valid", "validate", "val", "dev", "eval"), "validation")

# What pyarrow raises for a file, or a page of it, that is damaged.
_DAMAGE = (OSError, UnicodeDecodeError, pa.ArrowException)


def parquet_source(
    root: str,
    options: ParquetOptions,
    *,
    attributes: dict[str, str],
    max_bytes: int,
) -> Source:
    """The rows of one Parquet file, or of all ``*.parquet`` below a folder.

    The path of a row is what the struct or ``options.path`` says; without one it is the file's
    name and the row's number. Later rows of the same path get ``#2``, ``#3`` and so on behind it.
    What cannot be listed, such as a broken link, is a row that is refused.

    Parameters
    ----------
    root : str
        A local path, or an address that fsspec knows.
    options : ParquetOptions
    attributes : dict of name to type
        Columns that become attributes.
    max_bytes : int
        Larger images are refused.

    Raises
    ------
    VeneerError
        When there is no Parquet file, one cannot be read, or a column is missing or of a type
        that cannot be used.
    """
    alone = kind_of(root) == "file"
    files = [single(root)] if alone else _parquet_files(root)
    tables: dict[int, _Images] = {}
    parts = []
    for number, file in enumerate(files):
        if file.refused:
            parts.append(_list_refusal(file, attributes))
            continue
        where = root if alone else f"{root.rstrip('/')}/{file.path}"
        tables[number] = _Images(root, file, where, options.image)
        parts.append(_list_rows(tables[number], number, options, attributes))
    listing = with_unique_paths(pa.concat_tables(parts))

    def reads(locations: Sequence[bytes]) -> list[Read]:
        found = []
        for location in locations:
            number, row = map(int, location.split(b":"))
            # Checked here, so that what is too large is not kept until it is asked for.
            found.append(partial(_give, _check_bytes(tables[number].bytes_at(row), max_bytes)))
        return found

    signature = " ".join(f"{file.path}:{file.size}" for file in files if not file.refused)
    return Source(name=root, listing=listing, reads=reads, signature=signature)


def _parquet_files(root: str) -> list[File]:
    # What is refused counts whatever its name: it may be a folder of Parquet files.
    files = [file for file in walk(root) if file.refused or file.path.lower().endswith(".parquet")]
    if not files:
        state = "holds no *.parquet file" if kind_of(root) else "does not exist"
        raise VeneerError(
            f"Reading images: no images found, {root} {state}. Name a Parquet file or a folder of "
            "them with --params images=PATH."
        )
    return files


def _list_refusal(file: File, attributes: dict[str, str]) -> pa.Table:
    refused = {"reason": file.refused.reason, "detail": file.refused.detail}
    row = {"path": file.path, "location": file.location} | refused
    return pa.Table.from_pylist([row], schema=listing_schema(attributes))


class _Images:
    """The image column of one Parquet file, read forwards, a few rows at a time.

    A row behind the last one begins anew; `ingest` asks for the rows in their order.
    """

    # A piece ends at whichever comes first.
    PIECE_ROWS = 64
    PIECE_BYTES = 16 * 2**20

    def __init__(self, root: str, file: File, where: str, column: str):
        self.name, self.modified, self.where, self.column = file.path, file.modified, where, column
        try:
            # Not mapped into memory: a file that shrinks while it is read would kill the process.
            self._parquet = pq.ParquetFile(
                open_location(root, file.location), pre_buffer=False, buffer_size=2**20
            )
            self.schema = self._parquet.schema_arrow
            metadata = self._parquet.metadata
            self._groups = [metadata.row_group(each) for each in range(metadata.num_row_groups)]
            leaves = enumerate(metadata.schema)  # a struct is several columns of the file
            self._leaves = [n for n, leaf in leaves if f"{leaf.path}.".startswith(f"{column}.")]
        except _DAMAGE as error:
            raise VeneerError(
                f"Reading {where}: this is no readable Parquet file ({_words(error)}); get it "
                "again, or take it away."
            ) from error
        self.rows = sum(group.num_rows for group in self._groups)
        self._rewind()

    def _rewind(self) -> None:
        self._pieces = self._read_pieces()
        self._first, self._count, self._piece = 0, 0, None

    def read(self, columns: list[str]) -> pa.Table:
        """Whole columns."""
        try:
            table = self._parquet.read(columns=columns)
            if len(table) != self.rows:
                raise OSError(f"{len(table)} rows instead of {self.rows}")
            return table
        except _DAMAGE as error:
            raise VeneerError(
                f"Reading {self.where}: the columns {', '.join(columns)} are damaged "
                f"({_words(error)}); get the file again, or name other columns."
            ) from error

    def bytes_at(self, row: int) -> bytes | RefusedError | None:
        """The image of a row; null where it has none, a refusal where it cannot be read."""
        if row < self._first:
            self._rewind()
        while row >= self._first + self._count:
            self._first += self._count
            self._count, self._piece = next(self._pieces)
        if isinstance(self._piece, RefusedError):
            return self._piece
        return self._piece[row - self._first].as_py()

    def _read_pieces(self) -> Iterator[tuple[int, pa.Array | RefusedError]]:
        """The column in pieces, each with its count of rows, which add up to those of the file.

        Behind a damaged page the rest of its row group is one refusal.
        """
        for number, group in enumerate(self._groups):
            left, words = group.num_rows, "it ends too early"
            try:
                for batch in self._parquet.iter_batches(
                    self._rows_a_piece(group), row_groups=[number], columns=[self.column]
                ):
                    column = batch.column(self.column)
                    struct = pa.types.is_struct(column.type)
                    yield len(column), pc.struct_field(column, "bytes") if struct else column
                    left -= len(column)
            except _DAMAGE as error:
                words = _words(error)
            if left:
                yield left, RefusedError("unreadable", f"the Parquet file is damaged here: {words}")

    def _rows_a_piece(self, group: pq.RowGroupMetaData) -> int:
        size = sum(group.column(leaf).total_uncompressed_size for leaf in self._leaves)
        return max(1, min(self.PIECE_ROWS, self.PIECE_BYTES * group.num_rows // max(1, size)))


def _words(error: Exception) -> str:
    """An error of pyarrow in one line."""
    return " ".join(str(error).split()).rstrip(".")


def _check_bytes(data: bytes | RefusedError | None, max_bytes: int) -> bytes | RefusedError:
    if data is None:
        return RefusedError("no_image", "the row has no image bytes")
    if isinstance(data, bytes) and len(data) > max_bytes:
        return RefusedError("too_many_bytes", f"{len(data):,} bytes, more than {max_bytes:,}")
    return data


def _give(found: bytes | RefusedError) -> bytes:
    if isinstance(found, RefusedError):
        # A new one: that of a damaged piece stands for many rows, which are read in threads.
        raise RefusedError(found.reason, found.detail)
    return found


def _list_rows(
    images: _Images, number: int, options: ParquetOptions, attributes: dict[str, str]
) -> pa.Table:
    _check_columns(images, options, attributes)
    plain = [options.path, options.label, options.split, *options.text, *attributes]
    in_struct = _has_path(images, options)
    wanted = dict.fromkeys(name for name in plain if name)
    columns = images.read([*wanted, *([f"{options.image}.path"] if in_struct else [])])
    count = images.rows
    nothing = pa.nulls(count, pa.string())

    def texts(name: str | None, parameter: str) -> pa.Array:
        if name is None:
            return nothing
        return _as_text(columns[name], _Use(images.where, name, f"source.parquet.{parameter}"))

    if in_struct:
        path = pc.struct_field(columns[options.image], "path")
        use = _Use(images.where, f"{options.image}.path", "source.parquet.image")
        path = _as_text(path, use)
    else:
        path = texts(options.path, "path")
    numbered = pa.array([f"{images.name}/{row}" for row in range(count)], pa.string())
    path = pc.coalesce(pc.if_else(pc.equal(path, ""), None, path), numbered)
    described = [texts(name, "text") for name in options.text]
    sides = texts(options.split, "split").to_pylist()
    table = {
        "path": path,
        "label": _empty_as_null(
            _class_names(images.schema, options.label, texts(options.label, "label"))
        ),
        "text": _join(described) if described else nothing,
        "split": pa.array(
            [_SIDES.get((side or "").strip().casefold()) for side in sides], pa.string()
        ),
        "size": pa.nulls(count, pa.int64()),
        "modified": pa.array([images.modified] * count, pa.timestamp("us", tz="UTC")),
        "created": pa.nulls(count, pa.timestamp("us", tz="UTC")),
        "location": pa.array([b"%d:%d" % (number, row) for row in range(count)], pa.binary()),
        "reason": nothing,
        "detail": nothing,
    }
    struct = attributes_type(attributes)
    if struct is not None:
        fields = [
            _cast(columns[field.name], field.type, _Use(images.where, field.name))
            for field in struct
        ]
        table["attributes"] = pa.StructArray.from_arrays(fields, fields=list(struct))
    return pa.table(table, schema=listing_schema(attributes))


def _has_path(images: _Images, options: ParquetOptions) -> bool:
    column = images.schema.field(options.image).type
    return (
        options.path is None and pa.types.is_struct(column) and column.get_field_index("path") >= 0
    )


def _check_columns(images: _Images, options: ParquetOptions, attributes: dict[str, str]) -> None:
    asked = {
        "source.parquet.image": [options.image],
        "source.parquet.path": [options.path],
        "source.parquet.label": [options.label],
        "source.parquet.split": [options.split],
        "source.parquet.text": options.text,
        "source.attributes": list(attributes),
    }
    require_columns(images.where, images.schema.names, asked)
    for parameter, names in asked.items():
        for name in filter(None, names):
            column = images.schema.field(name).type
            image = name == options.image  # large, and no text even where its bytes are
            if parameter != "source.parquet.image" and (image or pa.types.is_nested(column)):
                found = f"is of the type {column}, which is no text or number"
                raise _Use(images.where, name, parameter).error(found)
    column = images.schema.field(options.image).type
    if pa.types.is_struct(column) and column.get_field_index("bytes") >= 0:
        column = column.field("bytes").type
    if not (pa.types.is_binary(column) or pa.types.is_large_binary(column)):
        raise VeneerError(
            f"Reading {images.where}: the column {options.image!r}, which source.parquet.image "
            f"names, is of the type {column}; image bytes are a binary column, or a struct with "
            "a binary field `bytes`."
        )


@dataclass(frozen=True)
class _Use:
    """What a column is used for, for messages."""

    where: str  # the file
    column: str
    parameter: str = "source.attributes"

    def error(self, found: str) -> VeneerError:
        return VeneerError(
            f"Reading {self.where}: the column {self.column!r}, which {self.parameter} names, "
            f"{found}; change {self.parameter}."
        )


def _class_names(schema: pa.Schema, column: str | None, labels: pa.Array) -> pa.Array:
    """Names for the numbers of a Hugging Face ClassLabel, which stand in the file's metadata."""
    try:
        metadata = json.loads((schema.metadata or {})[b"huggingface"])
        names = metadata["info"]["features"][column]["names"]
    except (LookupError, TypeError, ValueError, RecursionError):  # anything may stand there
        return labels
    # Some files hold the names themselves and still have that metadata.
    if not isinstance(names, list) or not pa.types.is_integer(schema.field(column).type):
        return labels
    by_number = {str(number): str(name) for number, name in enumerate(names)}
    return pa.array([by_number.get(label) for label in labels.to_pylist()], pa.string())


def _values(column: Any) -> pa.Array:
    """One array of plain values, where NaN, which pandas writes for what is missing, is null."""
    column = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_floating(column.type):
        return pc.if_else(pc.is_nan(column), pa.scalar(None, column.type), column)
    return column


def _as_text(column: Any, use: _Use) -> pa.Array:
    try:
        text = _values(column).cast(pa.string())
        text.validate(full=True)  # a string column can hold bytes that are no UTF-8
    except _DAMAGE as error:
        raise use.error(
            f"is of the type {column.type} and cannot be read as text ({_words(error)})"
        ) from error
    return text


def _empty_as_null(column: pa.Array) -> pa.Array:
    trimmed = pc.utf8_trim_whitespace(column)
    return pc.if_else(pc.equal(trimmed, ""), pa.scalar(None, pa.string()), trimmed)


def _join(columns: list[pa.Array]) -> pa.Array:
    """Join the columns' texts row by row, leaving out those that are empty."""
    joined, *others = [_empty_as_null(column) for column in columns]
    for column in others:
        both = pc.binary_join_element_wise(joined, column, TEXT_SEPARATOR)  # null if either is
        joined = pc.coalesce(both, joined, column)
    return joined


def _cast(column: pa.ChunkedArray, kind: pa.DataType, use: _Use) -> pa.Array:
    if pa.types.is_string(kind):
        return _as_text(column, use)
    try:
        values = _values(column)
        if not (pa.types.is_primitive(values.type) or pa.types.is_decimal(values.type)):
            values = _empty_as_null(_as_text(values, use))
        return _values(values.cast(kind))  # once more: "nan" may have been a text
    except _DAMAGE as error:
        raise use.error(f"cannot be read as {kind} ({_words(error)})") from error
