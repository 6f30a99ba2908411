"""Principal components against a decomposition of all of them at once."""

import tracemalloc

import numpy as np
import pytest

from veneer.retrieval import projection
from veneer.retrieval.projection import drawn, project


def unit_rows(n, d, seed):
    rows = np.random.default_rng(seed).standard_normal((n, d)) * np.linspace(3, 1, d)
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


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


def test_more_directions_begin_with_the_first_two_and_keep_all_distances():
    rows = unit_rows(60, 12, seed=4)
    two, shares = project(rows)
    points, more = project(rows, 12)
    np.testing.assert_allclose(points[:, :2], two, atol=1e-6)
    np.testing.assert_allclose(more[:2], shares, atol=1e-6)
    assert (np.diff(more) <= 0).all() and more.sum() == pytest.approx(1, abs=1e-5)
    centred = rows - rows.mean(axis=0)
    np.testing.assert_allclose(points @ points.T, centred @ centred.T, atol=1e-5)
    beyond, none = project(rows, 20)
    assert beyond.shape == (60, 20) and not beyond[:, 12:].any() and not none[12:].any()


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
