"""Parquet files that hold image bytes, as Hugging Face `datasets` writes them."""

from __future__ import annotations

import difflib
import json
from collections.abc import Sequence
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from veneer.errors import VeneerError
from veneer.refusals import RefusedError
from veneer.sources.files import File, kind_of, open_location, single, walk
from veneer.sources.options import ParquetOptions
from veneer.sources.source import Read, Source, attributes_type, listing_schema, with_unique_paths

TEXT_SEPARATOR = " || "
"""Stands between the columns that make up one text."""

_SIDES = {"train": "train", "test": "test"} | dict.fromkeys(
    ("validation", "valid", "validate", "val", "dev"), "validation"
)


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
    files = _parquet_files(root)
    tables = [_Images(root, file, options.image) for file in files]
    parts = [
        _list_rows(images, number, options, attributes) for number, images in enumerate(tables)
    ]
    listing = pa.concat_tables(parts)
    listing = with_unique_paths(listing)

    def reads(locations: Sequence[bytes]) -> list[Read]:
        found = []
        for location in locations:
            number, row = map(int, location.split(b":"))
            found.append(partial(_check_bytes, tables[number].bytes_at(row), max_bytes))
        return found

    signature = " ".join(f"{file.path}:{file.size}" for file in files)
    return Source(name=root, listing=listing, reads=reads, signature=signature)


def _parquet_files(root: str) -> list[File]:
    if kind_of(root) == "file":
        return [single(root)]
    files = [file for file in walk(root) if file.path.endswith(".parquet") and not file.refused]
    if not files:
        state = "holds no *.parquet file" if kind_of(root) else "does not exist"
        raise VeneerError(
            f"Reading images: no images found, {root} {state}. Name a Parquet file or a folder of "
            "them with --params images=PATH."
        )
    return files


class _Images:
    """The image column of one Parquet file, read forwards, a few rows at a time.

    A row behind the last one begins anew; `ingest` asks for the rows in their order.
    """

    BATCH_ROWS = 64

    def __init__(self, root: str, file: File, column: str):
        self.name, self.modified, self.column = file.path, file.modified, column
        try:
            # Not mapped into memory: a file that shrinks while it is read would kill the process.
            self._parquet = pq.ParquetFile(
                open_location(root, file.location), pre_buffer=False, buffer_size=2**20
            )
        except (OSError, pa.ArrowInvalid) as error:
            raise VeneerError(
                f"Reading {file.path} in {root}: this is no readable Parquet file ({error})."
            ) from error
        self.schema = self._parquet.schema_arrow
        self.rows = self._parquet.metadata.num_rows
        self._rewind()

    def _rewind(self) -> None:
        self._batches = None
        self._first, self._bytes = 0, pa.array([], pa.binary())

    def read(self, columns: list[str]) -> pa.Table:
        """Whole columns."""
        return self._parquet.read(columns=columns)

    def bytes_at(self, row: int) -> bytes | None:
        """The image of a row; null where it has none."""
        if row < self._first:
            self._rewind()
        if self._batches is None:
            self._batches = self._parquet.iter_batches(self.BATCH_ROWS, columns=[self.column])
        while row >= self._first + len(self._bytes):
            self._first += len(self._bytes)
            column = next(self._batches).column(0)
            struct = pa.types.is_struct(column.type)
            self._bytes = pc.struct_field(column, "bytes") if struct else column
        return self._bytes[row - self._first].as_py()


def _check_bytes(data: bytes | None, max_bytes: int) -> bytes:
    if data is None:
        raise RefusedError("no_image", "the row has no image bytes")
    if len(data) > max_bytes:
        raise RefusedError("too_many_bytes", f"{len(data):,} bytes, more than {max_bytes:,}")
    return data


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

    def texts(name: str | None) -> pa.Array:
        return nothing if name is None else _as_text(columns[name])

    if in_struct:
        path = pc.struct_field(columns[options.image].combine_chunks(), "path")
        path = path.combine_chunks() if isinstance(path, pa.ChunkedArray) else path
    else:
        path = texts(options.path)
    numbered = pa.array([f"{images.name}/{row}" for row in range(count)])
    path = pc.coalesce(pc.if_else(pc.equal(path, ""), None, path), numbered)
    texts_joined = _join([texts(name) for name in options.text]) if options.text else nothing
    table = {
        "path": path,
        "label": _empty_as_null(_class_names(images, options.label, texts(options.label))),
        "text": texts_joined,
        "split": pa.array(
            [_SIDES.get(str(side).lower()) for side in texts(options.split).to_pylist()],
            pa.string(),
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
        fields = [_cast(columns[field.name], field, images.name) for field in struct]
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
    for parameter, names in asked.items():
        for name in names:
            if name is not None and name not in images.schema.names:
                close = difflib.get_close_matches(name, images.schema.names, n=1)
                hint = f" Did you mean {close[0]!r}?" if close else ""
                raise VeneerError(
                    f"Reading {images.name}: it has no column {name!r}, which {parameter} names."
                    f"{hint} There are {', '.join(images.schema.names)}."
                )
    column = images.schema.field(options.image).type
    if pa.types.is_struct(column) and column.get_field_index("bytes") >= 0:
        column = column.field("bytes").type
    if not (pa.types.is_binary(column) or pa.types.is_large_binary(column)):
        raise VeneerError(
            f"Reading {images.name}: the column {options.image!r}, which source.parquet.image "
            f"names, is of the type {column}; image bytes are a binary column, or a struct with "
            "a binary field `bytes`."
        )


def _class_names(images: _Images, column: str | None, labels: pa.Array) -> pa.Array:
    """Names for the numbers of a Hugging Face ClassLabel, which stand in the file's metadata."""
    metadata = json.loads((images.schema.metadata or {}).get(b"huggingface", b"{}"))
    feature = metadata.get("info", {}).get("features", {}).get(column)
    if not isinstance(feature, dict) or "names" not in feature:
        return labels
    names = dict(enumerate(feature["names"]))
    named = [None if label is None else names.get(int(label)) for label in labels.to_pylist()]
    return pa.array(named, pa.string())


def _as_text(column: Any) -> pa.Array:
    column = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    return column.cast(pa.string())


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


def _cast(column: pa.ChunkedArray, field: pa.Field, name: str) -> pa.Array:
    array = _as_text(column) if pa.types.is_string(field.type) else column.combine_chunks()
    try:
        array = array.cast(field.type)
        # What pandas writes for a number that is missing.
        nan = pc.is_nan(array) if pa.types.is_floating(field.type) else pa.scalar(False)
        return pc.if_else(nan, pa.scalar(None, field.type), array)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise VeneerError(
            f"Reading {name}: the column {field.name!r} cannot be read as {field.type}, which "
            f"source.attributes asks for ({error})."
        ) from error
