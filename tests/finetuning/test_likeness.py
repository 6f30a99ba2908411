"""How much alike the nearest images are."""

import numpy as np
import pytest

from veneer.finetuning.likeness import ALL, figures, rankings, shared


def world(n=120, seed=0):
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(n, 16)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    labels = {"kind": rng.integers(0, 3, n).astype(str), "tone": rng.integers(0, 4, n).astype(str)}
    return vectors, labels, np.arange(n)


def test_likeness_is_the_share_of_labels_in_common():
    vectors, labels, copies = world()
    queries = np.array([3, 50, 77])
    found = shared(rankings(vectors, labels, queries, copies))
    for query, value in zip(queries, found, strict=True):
        cosines = vectors @ vectors[query]
        cosines[query] = -2
        nearest = np.argsort(-cosines)[:5]
        expected = np.mean([np.mean(each[nearest] == each[query]) for each in labels.values()])
        assert value == pytest.approx(expected)


def test_all_labels_together():
    vectors, labels, copies = world()
    queries = np.arange(20)
    found = rankings(vectors, labels, queries, copies)
    assert set(found) == {"kind", "tone", ALL}
    for query in queries:
        same = (labels["kind"] == labels["kind"][query]) & (labels["tone"] == labels["tone"][query])
        assert found[ALL].relevant[query] == same.sum() - 1


def test_copies_are_not_found():
    vectors, labels, copies = world()
    vectors[1], copies[1] = vectors[0], copies[0]
    labels["kind"][:] = "one"
    found = rankings(vectors, {"kind": labels["kind"]}, np.array([0]), copies)
    assert found["kind"].relevant[0] == 118


def test_figures_of_the_same_vectors_have_no_gain():
    vectors, labels, copies = world()
    ranked = rankings(vectors, labels, np.arange(40), copies)
    found = figures(ranked, ranked)
    assert found["kind"]["precision@5"]["gain"] == 0
    assert found["likeness"]["likeness@5"]["gain_interval_95"] == [0, 0]
    low, high = found["kind"]["precision@5"]["before_interval_95"]
    assert low < found["kind"]["precision@5"]["before"] < high


def test_a_gain_and_its_interval():
    vectors, labels, copies = world()
    better = vectors + 3 * np.eye(16, dtype=np.float32)[labels["kind"].astype(int)]
    better /= np.linalg.norm(better, axis=1, keepdims=True)
    kind = {"kind": labels["kind"]}
    before, after = (rankings(each, kind, np.arange(60), copies) for each in (vectors, better))
    found = figures(before, after)["kind"]["precision@5"]
    assert found["gain"] == pytest.approx(found["after"] - found["before"])
    assert 0 < found["gain_interval_95"][0] < found["gain"] < found["gain_interval_95"][1]
