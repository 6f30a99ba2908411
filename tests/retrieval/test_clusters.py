"""Clusters of made points, whose owners are known."""

import numpy as np
import pytest
from sklearn.metrics import normalized_mutual_info_score

from veneer.retrieval.clusters import (
    agreement,
    dense_clusters,
    distinct,
    k_means,
    to_middle,
    usual_count,
    usual_least,
)


def around(centres, sizes, seed=0):
    """Points near centres, so many each, in no order; and which centre each is near."""
    rng = np.random.default_rng(seed)
    owner = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    points = centres[owner] + 0.02 * rng.standard_normal((len(owner), centres.shape[1]))
    return points.astype(np.float32), owner


def test_clusters_are_found_and_numbered_by_size():
    points, owner = around(np.eye(3, 10), [20, 200, 90])
    found = k_means(points, 3, seed=0)
    assert found.dtype == np.int64
    np.testing.assert_array_equal(found, np.array([3, 1, 2])[owner])


def test_clusters_depend_on_the_seed_alone():
    points = np.random.default_rng(5).standard_normal((500, 16)).astype(np.float32)
    np.testing.assert_array_equal(k_means(points, 7, seed=1), k_means(points, 7, seed=1))
    sizes = np.bincount(k_means(points, 7, seed=2))
    assert sizes[0] == 0 and (np.diff(sizes[1:]) <= 0).all()


def test_no_more_clusters_than_distinct_rows():
    two = np.repeat(np.eye(2, 8, dtype=np.float32), [3, 5], axis=0)
    assert distinct(two, 6) == 2 and distinct(two, 1) == 1
    assert k_means(two, 6, seed=0).tolist() == [2, 2, 2, 1, 1, 1, 1, 1]
    assert k_means(two[:3], 6, seed=0).tolist() == [1, 1, 1]
    assert k_means(two[:0], 6, seed=0).shape == (0,)
    with pytest.raises(ValueError, match="at least 1"):
        k_means(two, 0, seed=0)


def test_what_is_not_dense_is_in_no_cluster():
    points, owner = around(np.array([[0, 0], [1, 0], [0, 1]]), [60, 40, 30])
    away = 20 + 10 * np.random.default_rng(1).random((8, 2))
    found = dense_clusters(np.concatenate([points, away]), 10)
    np.testing.assert_array_equal(found[: len(owner)], owner + 1)
    assert not found[len(owner) :].any()
    np.testing.assert_array_equal(found, dense_clusters(np.concatenate([points, away]), 10))


@pytest.mark.parametrize("n", [0, 1, 4])
def test_few_or_equal_points_are_in_no_dense_cluster(n):
    points = np.random.default_rng(0).random((n, 2))
    assert dense_clusters(points, 5).tolist() == [0] * n
    assert not dense_clusters(np.zeros((50, 2)), 5).any()


def test_how_many_are_looked_for():
    assert usual_count(1000, 7) == 7
    assert usual_count(1000, 1) == 2
    assert usual_count(1000, 300) == 20
    assert usual_count(200, 0) == 10
    assert usual_count(3, 0) == 2
    assert (usual_least(40), usual_least(44_072)) == (5, 440)


def test_distances_are_to_the_middle_of_the_own_cluster():
    points = np.array([[0, 0], [2, 0], [9, 9], [5, 1], [5, 5]], np.float32)
    np.testing.assert_allclose(to_middle(points, np.array([1, 1, 2, 3, 3])), [1, 1, 0, 2, 2])


def test_agreement_is_that_of_scikit_learn_on_labelled_rows():
    labels = ["a", "a", None, "b", "b", "c"]
    clusters = np.array([1, 1, 7, 2, 2, 0])
    assert agreement(labels, clusters) == pytest.approx(1)
    clusters = np.array([1, 2, 7, 2, 2, 0])
    expected = normalized_mutual_info_score(["a", "a", "b", "b", "c"], [1, 2, 2, 2, 0])
    assert agreement(labels, clusters) == pytest.approx(expected)
    assert agreement([None] * 6, clusters) is None
    assert agreement(["a"] * 6, clusters) is None
