"""Near pairs by blocks against all cosines at once."""

import itertools
import tracemalloc

import numpy as np
import pytest

from veneer.errors import VeneerError
from veneer.retrieval import pairs
from veneer.retrieval.pairs import cosines, count_pairs, nearest_cosines, pairs_above


def unit_rows(n, d, seed):
    rows = np.random.default_rng(seed).standard_normal((n, d)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def near(rows, seed, amount=0.05):
    """Rows a little beside the given ones."""
    moved = rows + amount * unit_rows(*rows.shape, seed)
    return (moved / np.linalg.norm(moved, axis=1, keepdims=True)).astype(np.float32)


def planted(n, d, seed):
    """Rows of which some are equal, some nearly so, in no order."""
    rows = unit_rows(n, d, seed)
    rows = np.concatenate([rows, rows[: n // 4], near(rows[: n // 3], seed + 1)])
    return rows[np.random.default_rng(seed).permutation(len(rows))]


def all_cosines(rows, others):
    rows, others = (x.astype(np.float64) for x in (rows, others))
    lengths = np.linalg.norm(rows, axis=1)[:, None] * np.linalg.norm(others, axis=1)
    return (rows @ others.T / lengths).astype(np.float32)


def found_by(batches):
    """{(i, j): cosine}; no pair comes twice."""
    found = [pair for i, j, c in batches for pair in zip(i.tolist(), j.tolist(), c, strict=True)]
    by_pair = {(a, b): c for a, b, c in found}
    assert len(by_pair) == len(found)
    return by_pair


@pytest.fixture(params=[7, 64, 2048])
def block(request, monkeypatch):
    monkeypatch.setattr(pairs, "_BLOCK", request.param)
    monkeypatch.setattr(pairs, "_STRIP", 100)
    return request.param


@pytest.mark.parametrize("threshold", [0.2, 0.9, 0.995, 1])
def test_pairs_within_are_those_of_the_full_matrix(block, threshold):
    rows = planted(150, 12, 0)
    full = all_cosines(rows, rows)
    i, j = np.nonzero(np.triu(full >= np.float32(threshold), 1))
    found = found_by(pairs_above(rows, threshold))
    assert set(found) == set(zip(i.tolist(), j.tolist(), strict=True)) != set()
    pairs_found = zip(i.tolist(), j.tolist(), strict=True)
    np.testing.assert_allclose([found[pair] for pair in pairs_found], full[i, j], atol=1e-6)


def test_pairs_across_are_those_of_the_full_matrix(block):
    rows, others = planted(100, 12, 0), planted(60, 12, 0)[:70]
    full = all_cosines(rows, others)
    found = found_by(pairs_above(rows, 0.9, others))
    expected = np.nonzero(full >= np.float32(0.9))
    assert set(found) == set(zip(*(x.tolist() for x in expected), strict=True)) != set()


def test_a_pair_at_the_threshold_is_found_wherever_it_stands(monkeypatch):
    # In float32 some of these cosines are above and some below what double precision gives.
    rows = unit_rows(40, 768, 0)
    rows = np.concatenate([rows, near(rows, 1)])
    for row in range(5):
        threshold = float(cosines(rows, rows, np.array([row]), np.array([row + 40]))[0])
        for size in (3, 16, 41, 80):
            monkeypatch.setattr(pairs, "_BLOCK", size)
            assert (row, row + 40) in found_by(pairs_above(rows, threshold))
            above = float(np.nextafter(np.float32(threshold), np.float32(2)))
            assert (row, row + 40) not in found_by(pairs_above(rows, above))


def test_vectors_may_lie_in_a_file(tmp_path, block):
    rows = planted(90, 8, 3)
    np.save(tmp_path / "rows.npy", rows)
    mapped = np.load(tmp_path / "rows.npy", mmap_mode="r")
    assert isinstance(mapped, np.memmap)
    assert found_by(pairs_above(mapped, 0.9)) == found_by(pairs_above(rows, 0.9))
    groups = np.arange(len(rows))
    np.testing.assert_array_equal(nearest_cosines(mapped, groups), nearest_cosines(rows, groups))


def test_thousands_of_equal_rows_take_no_more_than_a_block(monkeypatch):
    monkeypatch.setattr(pairs, "_BLOCK", 500)
    monkeypatch.setattr(pairs, "_STRIP", 20_000)
    rows = np.repeat(unit_rows(1, 8, 0), 3000, axis=0)
    tracemalloc.start()
    sizes = [len(i) for i, _, _ in pairs_above(rows, 0.9)]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert sum(sizes) == count_pairs(3000) and max(sizes) <= 20_000
    assert peak < 6e6  # all pairs at once are 90 MB


def test_nearest_of_another_group_is_that_of_the_full_matrix(block):
    rows = planted(150, 12, 5)
    for groups in (
        np.arange(len(rows)),
        np.random.default_rng(0).integers(0, 20, len(rows)),
        np.random.default_rng(0).integers(0, 2, len(rows)) * 1000 - 7,
    ):
        full = all_cosines(rows, rows)
        full[groups[:, None] == groups] = -2
        found = nearest_cosines(rows, groups)
        assert found.dtype == np.float32 and found.max() <= 1
        np.testing.assert_allclose(found, full.max(axis=1), atol=1e-6)


def test_without_another_group_there_is_no_nearest():
    assert nearest_cosines(np.empty((0, 8), np.float32), np.empty(0, int)).shape == (0,)
    assert np.isnan(nearest_cosines(unit_rows(1, 8, 0), np.array([0]))).all()
    assert np.isnan(nearest_cosines(unit_rows(5, 8, 0), np.zeros(5, int))).all()
    two = nearest_cosines(np.eye(2, dtype=np.float32) * -1, np.array([0, 1]))
    np.testing.assert_array_equal(two, [0, 0])


def test_nothing_to_compare_gives_no_pairs():
    none, one = np.empty((0, 8), np.float32), unit_rows(1, 8, 0)
    assert found_by(pairs_above(none, 0.5)) == found_by(pairs_above(one, 0.5)) == {}
    for rows, others in itertools.permutations([none, one]):
        assert found_by(pairs_above(rows, 0.5, others)) == {}
    assert set(found_by(pairs_above(one, 0.5, one))) == {(0, 0)}


def test_progress_tells_of_every_pair_once(block):
    rows, others = unit_rows(150, 8, 0), unit_rows(31, 8, 1)
    told = []
    list(pairs_above(rows, 0.9, advance=told.append))
    assert sum(told) == count_pairs(150) == 150 * 149 // 2
    told.clear()
    nearest_cosines(rows, np.arange(150), advance=told.append)
    assert sum(told) == count_pairs(150)
    told.clear()
    list(pairs_above(rows, 0.9, others, advance=told.append))
    assert sum(told) == count_pairs(150, 31) == 150 * 31


@pytest.mark.parametrize("threshold", [0, -0.5, 1.0001, np.nan, np.inf])
def test_what_is_no_threshold_is_refused(threshold):
    with pytest.raises(VeneerError, match="threshold"):
        list(pairs_above(unit_rows(3, 8, 0), threshold))


@pytest.mark.parametrize("value", [0, np.nan, 2])
def test_rows_that_are_not_of_length_1_are_refused(value):
    rows = unit_rows(9, 8, 0)
    rows[4] = value
    with pytest.raises(ValueError, match="row 4 has length"):
        list(pairs_above(rows, 0.9))
    with pytest.raises(ValueError, match="row 4 has length"):
        nearest_cosines(rows, np.arange(9))
    with pytest.raises(ValueError, match="row 4 has length"):
        list(pairs_above(unit_rows(3, 8, 1), 0.9, rows))


def test_equal_rows_have_a_cosine_of_exactly_1():
    rows = unit_rows(300, 640, 0)
    places = np.arange(300)
    np.testing.assert_array_equal(cosines(rows, rows.copy(), places, places), 1)
