"""Exact search: every vector is compared, one block of them at a time."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pyarrow as pa

from veneer.schema import vectors


def nearest(
    queries: np.ndarray, batches: Iterable[pa.RecordBatch], k: int
) -> tuple[np.ndarray, np.ndarray]:
    """The ``k`` best matches of each query.

    Parameters
    ----------
    queries : float32 array [n_queries, D], rows of length 1
    batches : iterable of RecordBatch
        With ``sha`` and ``embedding`` (D float32, length 1). Only ``k`` matches a query are
        kept between batches.
    k : int

    Returns
    -------
    scores : float32 array [n_queries, m]
        Cosines, falling; m is ``k``, or the number of rows where there are fewer.
    shas : object array [n_queries, m]
        Of the matches. Equal cosines come in the order of their ``sha``.
    """
    # In double precision, and rounded then: in single precision the product of two vectors depends
    # in its last bits on where they stand in their matrices, and equal images would not be equal.
    queries = queries.astype(np.float64)
    scores = np.empty((len(queries), 0), np.float32)
    shas = np.empty((len(queries), 0), object)
    for batch in batches:
        if batch.num_rows == 0:
            continue
        names = np.asarray(batch["sha"].to_pylist(), dtype=object)
        cosines = queries @ vectors(batch["embedding"]).T.astype(np.float64)
        scores = np.hstack([scores, cosines.astype(np.float32)])
        shas = np.hstack([shas, np.broadcast_to(names, (len(queries), len(names)))])
        order = np.stack([np.lexsort((s, -c))[:k] for s, c in zip(shas, scores, strict=True)])
        scores = np.take_along_axis(scores, order, axis=1)
        shas = np.take_along_axis(shas, order, axis=1)
    return scores, shas
