"""Vectors on a plane against a decomposition of all of them at once."""

import tracemalloc

import numpy as np
import pytest

from veneer.retrieval import projection
from veneer.retrieval.projection import clusters, drawn, project


def unit_rows(n, d, seed):
    rows = np.random.default_rng(seed).standard_normal((n, d)) * np.linspace(3, 1, d)
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def around(centres, sizes, seed=0):
    """Rows near centres, so many each, in no order; and which centre each is near."""
    rng = np.random.default_rng(seed)
    owner = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    rows = centres[owner] + 0.02 * rng.standard_normal((len(owner), centres.shape[1]))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32), owner


@pytest.fixture(params=[7, 64, 4096])
def block(request, monkeypatch):
    monkeypatch.setattr(projection, "_BLOCK", request.param)


@pytest.mark.parametrize(("n", "d"), [(300, 24), (20, 50), (3, 2)])
def test_axes_are_those_of_a_singular_value_decomposition(block, n, d):
    rows = unit_rows(n, d, seed=n)
    points, shares = project(rows)
    assert points.dtype == shares.dtype == np.float32
    assert points.shape == (n, 2)

    centred = rows.astype(np.float64) - rows.astype(np.float64).mean(axis=0)
    _, singular, axes = np.linalg.svd(centred, full_matrices=False)
    axes = axes[:2] * np.sign(axes[:2][[0, 1], np.abs(axes[:2]).argmax(axis=1)])[:, None]
    np.testing.assert_allclose(points, centred @ axes.T, atol=1e-6)
    np.testing.assert_allclose(shares, (singular**2 / (singular**2).sum())[:2], atol=1e-6)
    assert shares[0] >= shares[1]


def test_order_of_rows_moves_no_point():
    rows = unit_rows(200, 16, seed=1)
    order = np.random.default_rng(2).permutation(200)
    np.testing.assert_allclose(project(rows[order])[0], project(rows)[0][order], atol=1e-6)


def test_nothing_and_one():
    for n in (0, 1):
        points, shares = project(unit_rows(n, 8, seed=0))
        assert points.shape == (n, 2)
        assert not points.any()
        assert shares.tolist() == [0, 0]


def test_equal_rows_are_one_point_without_variance(block):
    points, shares = project(np.repeat(unit_rows(1, 8, seed=0), 100, axis=0))
    assert not points.any()
    assert shares.tolist() == [0, 0]


def test_two_rows_lie_on_the_first_axis():
    rows = unit_rows(2, 8, seed=0)
    points, shares = project(rows)
    np.testing.assert_allclose(points[0], -points[1], atol=1e-6)
    np.testing.assert_allclose(np.ptp(points[:, 0]), np.linalg.norm(rows[0] - rows[1]), rtol=1e-5)
    np.testing.assert_allclose(shares, [1, 0], atol=1e-6)


def test_one_dimension_leaves_the_second_axis_empty():
    points, shares = project(np.array([[1], [-1], [1]], np.float32))
    assert not points[:, 1].any()
    np.testing.assert_allclose(points[:, 0], [2 / 3, -4 / 3, 2 / 3], atol=1e-6)
    assert shares.tolist() == [1, 0]


def test_memory_is_bounded_by_a_block(tmp_path, monkeypatch):
    monkeypatch.setattr(projection, "_BLOCK", 256)
    n, d = 20_000, 64
    rows = np.lib.format.open_memmap(tmp_path / "rows.npy", "w+", np.float32, (n, d))
    rows[:] = unit_rows(n, d, seed=3)
    project(rows[:300])  # imports
    tracemalloc.start()
    try:
        project(rows)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1_500_000  # the vectors have 5 MB


def test_clusters_are_found_and_numbered_by_size():
    rows, owner = around(np.eye(3, 10), [20, 200, 90])
    found = clusters(rows, 3, seed=0)
    assert found.dtype == np.int64
    np.testing.assert_array_equal(found, np.array([2, 0, 1])[owner])


def test_clusters_depend_on_the_seed_alone():
    rows = unit_rows(500, 16, seed=5)
    np.testing.assert_array_equal(clusters(rows, 7, seed=1), clusters(rows, 7, seed=1))
    sizes = np.bincount(clusters(rows, 7, seed=2))
    assert (np.diff(sizes) <= 0).all()


def test_no_more_clusters_than_distinct_rows():
    two = np.repeat(unit_rows(2, 8, seed=0), [3, 5], axis=0)
    assert clusters(two, 6, seed=0).tolist() == [1, 1, 1, 0, 0, 0, 0, 0]
    assert clusters(two[:3], 6, seed=0).tolist() == [0, 0, 0]
    assert clusters(two[:0], 6, seed=0).shape == (0,)
    with pytest.raises(ValueError, match="at least 1"):
        clusters(two, 0, seed=0)


def test_sample_is_sorted_without_repetition_and_depends_on_the_seed():
    assert drawn(5, 5, seed=0).tolist() == [0, 1, 2, 3, 4]
    assert drawn(0, 5, seed=0).tolist() == []
    rows = drawn(1000, 50, seed=0)
    assert len(rows) == 50
    assert (np.diff(rows) > 0).all()
    assert rows.min() >= 0
    assert rows.max() < 1000
    np.testing.assert_array_equal(rows, drawn(1000, 50, seed=0))
    assert drawn(1000, 50, seed=1).tolist() != rows.tolist()
