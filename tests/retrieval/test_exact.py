"""Exact search against sorting everything."""

import numpy as np
import pyarrow as pa

from veneer.retrieval.exact import nearest
from veneer.schema import embedding_schema, vectors


def unit_rows(n, d, seed):
    rows = np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def batches(rows, size):
    schema = embedding_schema(rows.shape[1], "test")
    shas = [f"{i:04d}" for i in range(len(rows))]
    for start in range(0, len(rows), size):
        block = rows[start : start + size]
        column = pa.FixedSizeListArray.from_arrays(block.ravel(), rows.shape[1])
        yield pa.RecordBatch.from_arrays([shas[start : start + size], column], schema=schema)


def test_equals_a_full_sort():
    rows, queries = unit_rows(500, 16, 0), unit_rows(7, 16, 1)
    scores, shas = nearest(queries, batches(rows, 64), 10)
    cosines = queries @ rows.T
    best = np.argsort(-cosines, axis=1)[:, :10]
    np.testing.assert_array_equal(shas.astype(int), best)
    np.testing.assert_allclose(scores, np.take_along_axis(cosines, best, axis=1), rtol=1e-6)


def test_ties_come_in_the_order_of_their_sha_however_they_are_batched():
    rows = np.repeat(unit_rows(2, 8, 0), 20, axis=0)
    for size in (1, 7, 40):
        _, shas = nearest(rows[:1], batches(rows, size), 5)
        assert shas[0].tolist() == ["0000", "0001", "0002", "0003", "0004"]


def test_fewer_rows_than_asked_for():
    rows = unit_rows(3, 8, 0)
    scores, shas = nearest(rows, batches(rows, 2), 10)
    assert scores.shape == shas.shape == (3, 3)
    assert nearest(rows, [], 10)[0].shape == (3, 0)


def test_vectors_of_a_column():
    rows = unit_rows(5, 8, 0)
    table = pa.Table.from_batches(batches(rows, 2))
    np.testing.assert_array_equal(vectors(table["embedding"]), rows)
    np.testing.assert_array_equal(vectors(table["embedding"].slice(1, 3)), rows[1:4])
    assert vectors(table.slice(0, 0)["embedding"]).shape == (0, 8)
