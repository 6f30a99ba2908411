"""Embedding rows in Parquet shards that only ever grow."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from kedro.io import AbstractDataset

from veneer.atomic import alone_in, replacing, require
from veneer.schema import fingerprint_of, require_one_fingerprint


class EmbeddingsDataset(AbstractDataset[Iterable[pa.RecordBatch] | tuple, ds.Dataset]):
    """A folder of Parquet shards of :func:`veneer.schema.embedding_schema`.

    Saving appends: each batch becomes a shard as soon as it comes, so a run that is killed keeps
    what it had embedded. All shards bear one encoder fingerprint; a batch with another one is
    refused.

    Parameters
    ----------
    path : str
        Folder of one collection under one encoder.
    missing_ok : bool
        Loading a folder without shards gives an empty dataset instead of an error.
    """

    def __init__(self, path: str, missing_ok: bool = False, metadata: dict | None = None):
        self._path = Path(path)
        self._missing_ok = missing_ok
        self.metadata = metadata

    def load(self) -> ds.Dataset:
        """Open the shards; the fingerprint stands in ``schema.metadata``."""
        shards = self._shards()
        if not shards and self._missing_ok:
            return ds.dataset(pa.table({"sha": pa.array([], pa.string())}))
        require(bool(shards), self._path, "embedding")
        return ds.dataset([str(shard) for shard in shards])

    def save(self, data: Iterable[pa.RecordBatch] | tuple) -> None:
        """Append a shard for each batch; an empty tuple saves nothing.

        Raises
        ------
        VeneerError
            When another process is doing so, or when a batch has another fingerprint.
        """
        if isinstance(data, tuple):
            return
        with alone_in(self._path, f"Embedding into {self._path}"):
            self._append(data)

    def _append(self, data: Iterable[pa.RecordBatch]) -> None:
        shards = self._shards()
        first = int(re.findall(r"\d+", shards[-1].stem)[-1]) + 1 if shards else 0
        present = fingerprint_of(pq.read_schema(shards[0])) if shards else None
        for number, batch in enumerate(data, start=first):
            new = fingerprint_of(batch.schema)
            require_one_fingerprint(self._path, present or new, new)
            with replacing(self._path / f"part-{number:05d}.parquet") as temporary:
                # Unit vectors of floats do not compress.
                pq.write_table(pa.table(batch), temporary, compression="NONE")

    def _shards(self) -> list[Path]:
        return sorted(self._path.glob("part-*.parquet"))

    def _exists(self) -> bool:
        return bool(self._shards())

    def _describe(self) -> dict:
        return {"path": str(self._path)}
