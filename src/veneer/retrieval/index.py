"""The index: a LanceDB table of a collection under one encoder, open for reading."""

from __future__ import annotations

import asyncio
import json
import os
import re
import tempfile
import threading
from collections.abc import Coroutine, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from veneer.errors import VeneerError
from veneer.retrieval.filters import literal
from veneer.retrieval.options import ApproximateOptions
from veneer.schema import vectors

TABLE = "index"
READY = "ready"
"""The tag of the version that is searched. Whoever writes makes further versions and moves the tag
at the very end; so readers see the old table or the new one, and nothing between."""

VERSION = 1
"""Of the table's columns and their meaning; another one is built anew."""

CARD = b"veneer_index"
"""Key in the schema's metadata, under which :class:`IndexCard` stands as JSON."""

NOT_SHOWN = ("vector", "thumbnail")
"""Columns that are no metadata."""

AT_ONCE = 10_000  # ids in one filter
ROUNDING = 1e-5  # more than single precision can be wrong by in a cosine


@dataclass(frozen=True)
class IndexCard:
    """What an index was made of.

    Attributes
    ----------
    fingerprint : str
        Of the encoder.
    thumbnail : int
        Longer side of the thumbnails, in pixels.
    version : int
    """

    fingerprint: str
    thumbnail: int
    version: int = VERSION


@dataclass(frozen=True)
class Candidates:
    """What a search found, before it is looked at more closely; the best first.

    Attributes
    ----------
    rows : Table
        ``_rowid``, ``id``, ``sha``, and the columns that were asked for.
    vectors : float32 array [n, D]
    scores : float32 array [n]
        Cosines.
    """

    rows: pa.Table
    vectors: np.ndarray
    scores: np.ndarray


class Index:
    """One version of an index; it stays as it is, whatever is written meanwhile.

    Tables with an index of vectors are searched through it. Others are searched exactly, in
    memory: all but their thumbnails is read once, with the first search.

    Parameters
    ----------
    folder : Path
        The database, in which the table lies.

    Raises
    ------
    VeneerError
        When there is no index, or what is there cannot be read or is not veneer's.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self._lock = threading.Lock()
        self._read: tuple[pa.Table, np.ndarray] | None = None
        with telling_of_reading(folder):
            self._table = open_table(folder)
            if self._table is None:
                raise _missing(folder)
            self.version = ready_version(self._table)
            if self.version is None:
                raise _missing(folder)
            self._table.checkout(self.version)
            self._asynchronous = _run(_open_asynchronous(folder, self.version))
            self.schema = self._table.schema
            self.card = card_of(self.schema)
            if self.card is None:
                raise _foreign(folder)
            self.rows = self._table.count_rows()
            indices = self._table.list_indices()
            self.is_approximate = any(each.columns == ["vector"] for each in indices)

    @property
    def dimension(self) -> int:
        """Length of the vectors."""
        return self.schema.field("vector").type.list_size

    @property
    def metadata(self) -> list[str]:
        """Names of the columns that tell of an image."""
        return [name for name in self.schema.names if name not in NOT_SHOWN]

    def refreshed(self) -> Index:
        """The newest version: this very index where nothing was written since."""
        with telling_of_reading(self.folder):
            newest = ready_version(connect(self.folder).open_table(TABLE))
        return self if newest == self.version else Index(self.folder)

    def count(self, where: str | None = None) -> int:
        """Rows that pass a filter of :func:`veneer.retrieval.filters.compile_filter`."""
        with telling_of_reading(self.folder):
            return self._table.count_rows(where)

    def batches(self, columns: list[str], where: str | None = None) -> Iterator[pa.RecordBatch]:
        """All rows that pass a filter, a batch at a time, in no particular order."""
        with telling_of_reading(self.folder):
            query = self._table.search().select(columns)
            if where is not None:
                query = query.where(where)
            yield from query.to_batches(batch_size=4096)

    def table(self, columns: list[str], where: str | None = None) -> pa.Table:
        """All rows that pass a filter."""
        schema = pa.schema([self.schema.field(name) for name in columns])
        return pa.Table.from_batches(self.batches(columns, where), schema=schema)

    def vectors(self, columns: list[str], where: str | None = None) -> tuple[pa.Table, np.ndarray]:
        """Columns of all rows that pass a filter, and their vectors beside them.

        Returns
        -------
        Table of n rows
        float32 array [n, D]
            On disk; see :func:`disk_array`.
        """
        count = self.count(where)
        matrix, tables, done = disk_array((count, self.dimension)), [], 0
        for batch in self.batches([*columns, "vector"], where):
            matrix[done : done + batch.num_rows] = vectors(batch["vector"])
            done += batch.num_rows
            tables.append(batch.select(columns))
        schema = pa.schema([self.schema.field(name) for name in columns])
        return pa.Table.from_batches(tables, schema=schema), matrix

    def take(self, row_ids: list[int], columns: list[str]) -> pa.Table:
        """Rows by the ``_rowid`` of :class:`Candidates`, in that order."""
        if not row_ids:
            return pa.schema([self.schema.field(name) for name in columns]).empty_table()
        with telling_of_reading(self.folder):
            query = self._asynchronous.take_row_ids(row_ids).select([*columns, "_rowid"])
            found = _run(query.to_arrow())
        order = pc.index_in(pa.array(row_ids, pa.uint64()), found["_rowid"].combine_chunks())
        return found.take(order).select(columns)

    def thumbnails(self, ids: Iterable[str]) -> dict[str, bytes]:
        """Thumbnails (WebP) by id; none for images that are not in the index, or have none."""
        wanted, found = sorted(ids), {}
        for start in range(0, len(wanted), AT_ONCE):
            condition = among("id", wanted[start : start + AT_ONCE])
            for batch in self.batches(["id", "thumbnail"], condition):
                pairs = zip(batch["id"].to_pylist(), batch["thumbnail"].to_pylist(), strict=True)
                found.update((id_, data) for id_, data in pairs if data is not None)
        return found

    def nearest(
        self,
        vector: np.ndarray,
        k: int,
        options: ApproximateOptions,
        where: str | None = None,
        columns: Sequence[str] = (),
    ) -> Candidates:
        """The ``k`` rows of the largest cosine, fewer where fewer pass the filter.

        Parameters
        ----------
        vector : float32 array [D] of length 1
        k : int
        options : ApproximateOptions
            How thoroughly a table with an index of vectors is searched.
        where : str, optional
            As :func:`veneer.retrieval.filters.compile_filter` gives it.
        columns : sequence of str
            Of :attr:`metadata`: what is to be known of the rows besides ``id`` and ``sha``.

        Notes
        -----
        Cosines are computed in double precision and rounded, so that images of equal vectors have
        equal scores; those come in the order of their ``id``.
        """
        columns = list(dict.fromkeys(["id", "sha", *columns]))
        if self.is_approximate:
            nprobes = max(options.nprobes, round(partitions(self.rows, options) ** 0.5))
            rows, near = self._approximate(vector, k, options, where, columns, nprobes)
            # Few of the rows that pass may lie in the partitions that were looked through.
            if len(rows) < min(k, self.rows) and len(rows) < min(k, self.count(where)):
                rows, near = self._approximate(vector, k, options, where, columns, None)
        else:
            rows, near = self._exact(vector, k, where, columns)
        # Not by BLAS, whose last bits depend on where a row stands.
        scores = np.einsum("nd,d->n", near, vector, dtype=np.float64).astype(np.float32)
        order = np.lexsort((np.asarray(rows["id"].to_pylist(), object), -scores))[:k]
        return Candidates(rows.take(order), near[order], scores[order])

    def _approximate(
        self,
        vector: np.ndarray,
        k: int,
        options: ApproximateOptions,
        where: str | None,
        columns: list[str],
        nprobes: int | None,
    ) -> tuple[pa.Table, np.ndarray]:
        """Candidates from the nearest partitions; from all of them where no number is given."""

        async def found() -> pa.Table:
            query = (
                self._asynchronous.query()
                .nearest_to(vector)
                .column("vector")
                .distance_type("cosine")
                .nprobes(nprobes or partitions(self.rows, options))
                .refine_factor(options.refine_factor)
                .limit(k)
                # Without the last one LanceDB warns of a change to come.
                .select([*columns, "vector", "_distance"])
                .with_row_id()
            )
            # No fixed number takes twice as long as this one even where it is not exceeded.
            query = query if nprobes else query.maximum_nprobes(0)
            return await (query if where is None else query.where(where)).to_arrow()

        with telling_of_reading(self.folder):
            table = _run(found())
        return table.select(["_rowid", *columns]), vectors(table["vector"])

    def _exact(
        self, vector: np.ndarray, k: int, where: str | None, columns: list[str]
    ) -> tuple[pa.Table, np.ndarray]:
        rows, matrix = self._in_memory()
        scores = matrix @ vector.astype(np.float32)
        if where is not None:
            with telling_of_reading(self.folder):
                query = self._table.search().where(where).select(["_rowid"]).with_row_id(True)
                passing = query.to_arrow()["_rowid"]
            places = np.flatnonzero(pc.is_in(rows["_rowid"], passing.combine_chunks()))
            scores = scores[places]
        else:
            places = np.arange(len(scores))
        if k < len(scores):
            # All that may be among the best when their cosines are computed more precisely.
            kth = np.partition(scores, -k)[-k]
            places = places[scores >= kth - ROUNDING]
        return rows.select(["_rowid", *columns]).take(places), matrix[places]

    def _in_memory(self) -> tuple[pa.Table, np.ndarray]:
        with self._lock:  # threads that search first at the same time read once
            if self._read is None:
                with telling_of_reading(self.folder):
                    query = self._table.search().select([*self.metadata, "vector"])
                    found = query.with_row_id(True).to_arrow()
                rows = found.select(["_rowid", *self.metadata]).combine_chunks()
                self._read = rows, vectors(found["vector"])
            return self._read

    def require_encoder(self, name: str, fingerprint: str) -> None:
        """Raise a :class:`VeneerError` if the vectors are of another encoder."""
        if self.card.fingerprint != fingerprint:
            raise VeneerError(
                f"Searching the index {table_folder(self.folder)}: it holds vectors of the encoder "
                f"[{self.card.fingerprint}], and the encoder {name} is now [{fingerprint}]. Build "
                "it anew with kedro run --pipelines embedding,retrieval, or use that encoder."
            )


def disk_array(shape: tuple[int, int]) -> np.ndarray:
    """A float32 array that takes no memory of its own: a file without a name, gone with it.

    Raises
    ------
    VeneerError
        When there is no space for it among the temporary files.
    """
    if not all(shape):
        return np.empty(shape, np.float32)
    size = 4 * shape[0] * shape[1]
    with tempfile.TemporaryFile() as file:
        try:
            if hasattr(os, "posix_fallocate"):  # else writing into it would end the process
                os.posix_fallocate(file.fileno(), 0, size)
        except OSError as error:
            raise VeneerError(
                f"Keeping {size / 1e6:,.0f} MB of vectors in {tempfile.gettempdir()}: "
                f"{error.strerror}. Free some space there, or name another folder in TMPDIR."
            ) from error
        return np.memmap(file, np.float32, "w+", shape=shape)


def among(column: str, values: Iterable[str]) -> str:
    """A filter for the database: rows whose id or sha, which are hexadecimal, is one of these."""
    return f"{column} IN ({', '.join(map(literal, values))})"


def card_of(schema: pa.Schema) -> IndexCard | None:
    """What an index was made of; None where a table is none, or one of another version."""
    try:
        card = IndexCard(**json.loads((schema.metadata or {})[CARD]))
    except (KeyError, TypeError, ValueError):
        return None
    return card if card.version == VERSION else None


def open_known(folder: Path) -> Index | None:
    """The index that is to be brought up to date; None where it is to be made.

    Raises
    ------
    VeneerError
        When a table stands in its place that is not veneer's.
    """
    with telling_of_reading(folder):
        table = open_table(folder)
        if table is None:
            return None
        if CARD not in (table.schema.metadata or {}):
            raise _foreign(folder)
        if ready_version(table) is None or card_of(table.schema) is None:
            return None
        return Index(folder)


def connect(folder: Path) -> Any:
    """The database in a folder."""
    return _lancedb().connect(str(folder))


def _lancedb() -> ModuleType:
    # Its Rust parts warn on stderr of their own deprecations, and of tables that are not there yet.
    os.environ.setdefault("LANCEDB_LOG", "error")
    import lancedb

    return lancedb


def ready_version(table: Any) -> int | None:
    """The version that readers see; None where none was ever finished."""
    tags = table.tags.list()
    return tags[READY]["version"] if READY in tags else None


def table_folder(folder: Path) -> Path:
    """The table in a folder."""
    return folder / f"{TABLE}.lance"


def open_table(folder: Path) -> Any:
    """The newest version of the table, whether it is ready or not; None where there is none."""
    place = table_folder(folder)
    # A first build that was killed has left data, and no version yet.
    if not place.exists() or (place.is_dir() and not any(place.glob("_versions/*"))):
        return None
    return connect(folder).open_table(TABLE)


async def _open_asynchronous(folder: Path, version: int) -> Any:
    connection = await _lancedb().connect_async(str(folder))
    table = await connection.open_table(TABLE)
    await table.checkout(version)
    return table


@cache
def _loop() -> asyncio.AbstractEventLoop:
    """An event loop in a thread of its own."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="index", daemon=True).start()
    return loop


def _run(coroutine: Coroutine) -> Any:
    """Wait for LanceDB's asynchronous interface.

    Its blocking one goes from thread to thread half a dozen times a query, and this once, which
    makes a query a third faster.
    """
    return asyncio.run_coroutine_threadsafe(coroutine, _loop()).result()


def partitions(rows: int, options: ApproximateOptions) -> int:
    """Into how many parts the vectors of a large table are cut."""
    return max(1, round(rows / options.partition_rows))


def _missing(folder: Path) -> VeneerError:
    return VeneerError(
        f"Opening the index {table_folder(folder)}: it is not there. Build it with kedro run "
        "--pipelines retrieval (or everything, with kedro run), with the --env and --params of "
        "this collection and encoder."
    )


def _foreign(folder: Path) -> VeneerError:
    return VeneerError(
        f"Opening the index {table_folder(folder)}: this LanceDB table was not made by this "
        "version of veneer. Move it away, and build the index with kedro run --pipelines retrieval."
    )


def what_of(error: BaseException) -> str:
    """What LanceDB says, on one line, without the places in its sources."""
    said = re.sub(r",? ?\(?/\S+\.rs:\d+(:\d+)?\)?", "", str(error))
    return " ".join(said.split())[:300] or type(error).__name__


@contextmanager
def telling_of_reading(folder: Path) -> Iterator[None]:
    """Turn an error of the database into a sentence."""
    try:
        yield
    except VeneerError:
        raise
    # LanceDB raises whatever its Rust parts are led to by damaged files: ValueError, OSError,
    # RuntimeError, and panics, which are no Exception.
    except (KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:
        raise VeneerError(
            f"Reading the index {table_folder(folder)}: {what_of(error)}. If its files are "
            "damaged, delete it, and build it anew with kedro run --pipelines retrieval."
        ) from error
