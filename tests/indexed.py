"""Small collections with vectors, and their indexes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
from support import ingest_all, open_folder, write_images

from veneer.retrieval.build import Update, plan_update, write_index
from veneer.retrieval.index import Index, open_known
from veneer.retrieval.options import ApproximateOptions
from veneer.schema import SPLITS, embedding_schema

EXACT = ApproximateOptions(from_rows=10**6, partition_rows=10, nprobes=3, refine_factor=4)
APPROXIMATE = EXACT.model_copy(update={"from_rows": 20})
DIMENSION = 16


def unit_rows(shas: list[str], dimension: int = DIMENSION) -> np.ndarray:
    """A vector of length 1 for each sha, and no other."""
    rows = [np.random.default_rng(int(sha[:12], 16)).standard_normal(dimension) for sha in shas]
    found = np.array(rows).reshape(-1, dimension)
    return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)


class Collection:
    """A folder of images that can be changed, and its index."""

    def __init__(self, path: Path, classes: dict[str, int], seed: int = 0):
        self.images, self.folder = path / "images", path / "index"
        write_images(self.images, classes, seed)

    def rows(self, **options) -> pa.Table:
        """Its image rows, as ingest makes them."""
        return ingest_all(open_folder(self.images, **options))[0]

    def plan(
        self,
        rows: pa.Table | None = None,
        *,
        side: str = "train",
        options: ApproximateOptions = EXACT,
        fingerprint: str = "an encoder",
    ) -> Update:
        """What has to be done to the index."""
        rows = self.rows() if rows is None else rows
        ids, shas = rows["id"].to_pylist(), sorted(set(rows["sha"].to_pylist()))
        splits = pa.table([ids, [side] * len(ids)], schema=SPLITS)
        column = pa.FixedSizeListArray.from_arrays(unit_rows(shas).ravel(), DIMENSION)
        embeddings = pa.table([shas, column], schema=embedding_schema(DIMENSION, fingerprint))
        known = open_known(self.folder)
        return plan_update(ds.dataset(rows), splits, ds.dataset(embeddings), known, 32, options)

    def build(self, rows: pa.Table | None = None, **options) -> Index:
        """Bring the index up to date and open it."""
        write_index(self.folder, self.plan(rows, **options))
        return Index(self.folder)
