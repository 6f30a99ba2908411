"""Evaluation of a search against sorting everything, one query after the other."""

import json
import threading

import numpy as np
import pyarrow as pa
import pytest
from scipy import stats

from veneer.metrics import wilson_interval
from veneer.retrieval import evaluation
from veneer.retrieval.evaluation import (
    evaluate_retrieval,
    mean_interval,
    rank,
    summarise,
    values_of,
)

KS = (1, 5, 10)


def unit_rows(rng, n, d):
    rows = rng.normal(size=(n, d)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def tied_rows(rng, n, d):
    """Of few different directions, whose products are exact: d is a power of four."""
    return rng.choice([-1, 1], size=(n, d)).astype(np.float32) / np.float32(d**0.5)


def naive(query, label, vectors, labels, left_out=(), ks=KS):
    """Number of relevant, hits at k, average precision at k and over all, of one query."""
    candidates = [row for row in range(len(vectors)) if row not in set(left_out)]
    cosines = {row: float(query.astype(np.float64) @ vectors[row]) for row in candidates}
    order = sorted(candidates, key=lambda row: (-cosines[row], labels[row] == label))
    relevant = [bool(labels[row] == label) for row in order]
    total = sum(relevant)

    def precision_sum(k):
        return sum(sum(relevant[: i + 1]) / (i + 1) for i in range(k) if relevant[i])

    return (
        total,
        [sum(relevant[:k]) for k in ks],
        [precision_sum(min(k, len(order))) / min(k, total) if total else 0 for k in ks],
        precision_sum(len(order)) / total if total else 0,
    )


def assert_equal(rankings, expected):
    relevant, hits, at, over_all = (list(each) for each in zip(*expected, strict=True))
    np.testing.assert_array_equal(rankings.relevant, relevant)
    np.testing.assert_array_equal(rankings.hits, hits)
    np.testing.assert_allclose(rankings.average_precision_at, at, rtol=1e-12)
    np.testing.assert_allclose(rankings.average_precision, over_all, rtol=1e-12)


@pytest.mark.parametrize("draw", [unit_rows, tied_rows])
@pytest.mark.parametrize("seed", range(12))
def test_leave_one_out_equals_a_full_sort(draw, seed):
    rng = np.random.default_rng(seed)
    n, d = int(rng.integers(1, 60)), int(rng.choice([4, 16]))
    vectors, labels = draw(rng, n, d), rng.integers(0, rng.integers(1, 9), n)
    shas = rng.integers(0, max(n // 2, 1), n)
    with_copies, without_copies = rank(
        vectors, labels, vectors, labels, own=np.arange(n), groups=(shas, shas)
    )
    copies = [np.flatnonzero(shas == sha) for sha in shas]
    for rankings, left_out in [(with_copies, np.arange(n)[:, None]), (without_copies, copies)]:
        assert_equal(
            rankings,
            [naive(vectors[i], labels[i], vectors, labels, left_out[i]) for i in range(n)],
        )


@pytest.mark.parametrize("draw", [unit_rows, tied_rows])
@pytest.mark.parametrize("seed", range(12))
def test_queries_from_elsewhere_equal_a_full_sort(draw, seed):
    rng = np.random.default_rng(seed)
    n, m, d = *(int(x) for x in rng.integers(0, 50, 2)), int(rng.choice([4, 16]))
    queries, vectors = draw(rng, n, d), draw(rng, m, d)
    asked, labels = rng.integers(0, 6, n), rng.integers(0, 4, m)  # some classes no row has
    first, second = rank(queries, asked, vectors, labels)
    assert first is second
    if n:
        expected = [naive(*each, vectors, labels) for each in zip(queries, asked, strict=True)]
        assert_equal(first, expected)
    assert len(first.relevant) == n


def test_copies_of_queries_from_elsewhere_are_left_out():
    rng = np.random.default_rng(0)
    vectors, labels = tied_rows(rng, 40, 16), rng.integers(0, 3, 40)
    groups = rng.integers(0, 20, 40)
    _, without = rank(
        vectors[:7], labels[:7], vectors[7:], labels[7:], groups=(groups[:7], groups[7:])
    )
    expected = [
        naive(vectors[i], labels[i], vectors[7:], labels[7:], np.flatnonzero(groups[7:] == group))
        for i, group in enumerate(groups[:7])
    ]
    assert_equal(without, expected)


def test_average_precision_is_that_of_scikit_learn_where_nothing_is_tied():
    from sklearn.metrics import average_precision_score

    rng = np.random.default_rng(0)
    vectors, queries = unit_rows(rng, 3000, 32), unit_rows(rng, 5, 32)
    labels = rng.integers(0, 7, 3000)
    ranked, _ = rank(queries, np.arange(5), vectors, labels)
    expected = [
        average_precision_score(labels == label, vectors @ query)
        for label, query in enumerate(queries)
    ]
    np.testing.assert_allclose(ranked.average_precision, expected, rtol=1e-4)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 1.0])
@pytest.mark.parametrize("spread", [1, 50, 2**28])
def test_ranks_are_those_of_a_full_sort(share, spread):
    rng = np.random.default_rng(0)
    for n in (1, 2, 1000):
        keys = (rng.normal(size=n).clip(-3.9, 3.9) * spread / 4).astype(np.int32) << 1
        relevant = np.flatnonzero(rng.random(n) < share)
        keys[relevant] |= 1
        keys[rng.integers(n)] = (keys.max() | 1) + 1  # left out
        found = evaluation._ranks(keys, relevant)
        np.testing.assert_array_equal(found, np.flatnonzero(np.sort(keys) & 1))


def test_one_dimension_and_opposite_vectors():
    vectors = np.array([[1], [-1], [1], [-1]], np.float32)
    ranked, _ = rank(
        vectors, np.array([0, 0, 0, 1]), vectors, np.array([0, 0, 0, 1]), own=np.arange(4)
    )
    np.testing.assert_array_equal(ranked.relevant, [2, 2, 2, 0])
    np.testing.assert_array_equal(ranked.hits[:, 0], [1, 0, 1, 0])
    np.testing.assert_allclose(
        ranked.average_precision, [(1 + 2 / 3) / 2, (2 / 3 + 1 / 2) / 2, (1 + 2 / 3) / 2, 0]
    )


def test_ties_do_not_flatter():
    vectors = np.tile(np.float32([[0.6, 0.8]]), (8, 1))
    labels = np.repeat([0, 1], 4)
    ranked, _ = rank(vectors, labels, vectors, labels, own=np.arange(8), ks=(1, 4, 5, 100))
    np.testing.assert_array_equal(ranked.hits, np.tile([0, 0, 1, 3], (8, 1)))
    np.testing.assert_allclose(ranked.average_precision, (1 / 5 + 2 / 6 + 3 / 7) / 3)


def test_result_does_not_depend_on_blocks_threads_or_memory_maps(monkeypatch, tmp_path):
    rng = np.random.default_rng(0)
    vectors, labels, shas = tied_rows(rng, 50, 64), rng.integers(0, 5, 50), rng.integers(0, 30, 50)
    mapped = np.memmap(tmp_path / "vectors", np.float32, "w+", shape=vectors.shape)
    mapped[:] = vectors

    def found(given):
        return rank(given, labels, given, labels, own=np.arange(50), groups=(shas, shas))

    whole = found(vectors)
    for name, value in [("_MOST_BYTES", 1), ("_MOST_QUERIES", 7), ("_MAX_THREADS", 1)]:
        with monkeypatch.context() as patch:
            patch.setattr(evaluation, name, value)
            for a, b in zip(whole, found(mapped), strict=True):
                for one, other in zip(vars(a).values(), vars(b).values(), strict=True):
                    np.testing.assert_array_equal(one, other)


def test_progress_is_told_by_the_calling_thread(monkeypatch):
    monkeypatch.setattr(evaluation, "_MOST_QUERIES", 4)
    vectors, heard = unit_rows(np.random.default_rng(0), 30, 8), []

    def advance(count):
        assert threading.current_thread() is threading.main_thread()
        heard.append(count)

    rank(vectors, np.zeros(30, int), vectors, np.zeros(30, int), advance=advance)
    assert sum(heard) == 30 and max(heard) <= 4


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"queries": np.ones((3, 2), np.float32)}, "length 1"),
        ({"vectors": np.full((4, 2), np.nan, np.float32)}, "length 1"),
        ({"vectors": np.eye(4, 2)}, "float64"),
        ({"query_labels": np.zeros(2, int)}, "2 labels"),
        ({"vectors": np.eye(4, dtype=np.float32)}, "4 numbers"),
        ({"ks": (0, 5)}, "ks"),
        ({"ks": ()}, "ks"),
    ],
)
def test_what_does_not_fit_is_refused(change, message):
    fitting = {
        "queries": np.tile(np.float32([1, 0]), (3, 1)),
        "query_labels": np.zeros(3, int),
        "vectors": np.tile(np.float32([1, 0]), (4, 1)),
        "labels": np.zeros(4, int),
    }
    rank(**fitting)
    with pytest.raises(ValueError, match=message):
        rank(**fitting | change)


def angles(*degrees):
    radians = np.radians(degrees)
    return np.stack([np.cos(radians), np.sin(radians)], axis=1).astype(np.float32)


# A brick and its copy, wood nearer to them than the other brick is, and a class of one.
ROWS = pa.table(
    {
        "sha": ["a", "a", "b", "c", "d", "e"],
        "label": ["brick", "brick", "brick", "wood", "wood", "moss"],
    }
)
VECTORS = angles(0, 0, 20, 12, 90, 180)


def test_a_collection_by_hand():
    found = evaluate_retrieval(ROWS, VECTORS, ks=(1, 2))
    assert found["text_to_image"] is None
    with_copies = found["image_to_image"]["with_copies"]
    without = found["image_to_image"]["without_copies"]
    assert with_copies["n_queries"] == without["n_queries"] == 6
    assert with_copies["n_without_relevant"] == without["n_without_relevant"] == 1
    # The bricks find: copy, wood, brick; the same; wood, brick, brick. The wood: brick, brick,
    # brick, wood; and brick, wood. The moss has none of its kind.
    assert with_copies["precision@1"] == pytest.approx(2 / 5)
    assert with_copies["precision@2"] == pytest.approx((0.5 + 0.5 + 0.5 + 0 + 0.5) / 5)
    assert with_copies["recall@2"] == pytest.approx((0.5 + 0.5 + 0.5 + 0 + 1) / 5)
    assert with_copies["accuracy@2"] == pytest.approx(4 / 5)
    assert with_copies["map@2"] == pytest.approx((0.5 + 0.5 + 0.25 + 0 + 0.5) / 5)
    brick = (5 / 6 + 5 / 6 + (1 / 2 + 2 / 3) / 2) / 3
    assert with_copies["per_class"]["brick"]["mean_average_precision"] == pytest.approx(brick)
    assert with_copies["mean_average_precision"] == pytest.approx((3 * brick + 1 / 4 + 1 / 2) / 5)
    # Without their copies the first two bricks find wood, then a brick.
    assert without["precision@1"] == 0
    assert without["per_class"]["brick"]["recall@2"] == pytest.approx((1 + 1 + 0.5) / 3)
    assert without["per_class"]["wood"] == with_copies["per_class"]["wood"]
    assert list(without["per_class"]) == ["brick", "moss", "wood"]
    assert without["per_class"]["moss"] == {
        "n_queries": 1,
        **{name: None for name in without["per_class"]["wood"] if name != "n_queries"},
    }
    json.dumps(found, allow_nan=False)


def test_what_each_query_found_is_handed_on():
    kept = []
    found = evaluate_retrieval(ROWS, VECTORS, keep=lambda *given: kept.append(given))
    [(places, rankings)] = kept
    without = found["image_to_image"]["without_copies"]
    assert places.tolist() == list(range(6)) and (rankings.relevant > 0).sum() == 5
    for name, each in values_of(rankings).items():
        assert each[rankings.relevant > 0].mean() == pytest.approx(without[name])
    evaluate_retrieval(ROWS, VECTORS, most_queries=2, keep=lambda *given: kept.append(given))
    assert len(kept[1][0]) == 2 and set(kept[1][0]) <= set(places)


def test_classes_in_words():
    texts = dict(zip(["brick", "moss", "slate"], angles(10, 170, 45), strict=True))
    told = []
    found = evaluate_retrieval(ROWS, VECTORS, texts, advance=told.append)["text_to_image"]
    assert sum(told) == len(ROWS) + len(texts)
    assert found["n_queries"] == 3 and found["n_without_relevant"] == 1  # no slate
    assert found["per_class"]["moss"]["mean_average_precision"] == 1
    assert found["per_class"]["slate"]["accuracy@5"] is None
    # Wood, three bricks, wood, moss.
    assert found["per_class"]["brick"]["map@5"] == pytest.approx((1 / 2 + 2 / 3 + 3 / 4) / 3)
    assert found["precision@10"] == pytest.approx((3 + 1) / 10 / 2)


def test_nothing_to_find_and_nothing_at_all():
    alone = evaluate_retrieval(ROWS.slice(5), VECTORS[5:])["image_to_image"]["with_copies"]
    assert (alone["n_queries"], alone["n_without_relevant"]) == (1, 1)
    assert alone["precision@5"] is alone["precision@5_interval_95"] is None
    none = evaluate_retrieval(ROWS.slice(0, 0), VECTORS[:0])["image_to_image"]["without_copies"]
    assert none["n_queries"] == 0 and none["per_class"] == {}
    json.dumps([alone, none], allow_nan=False)


def test_rows_without_a_label_are_refused():
    rows = pa.table({"sha": ["a", "b"], "label": ["x", None]})
    with pytest.raises(ValueError, match="without sha or label"):
        evaluate_retrieval(rows, VECTORS[:2])


def test_means_leave_out_who_cannot_hit():
    rng = np.random.default_rng(0)
    vectors, labels = unit_rows(rng, 40, 8), rng.integers(0, 30, 40)
    ranked, _ = rank(vectors, labels, vectors, labels, own=np.arange(40))
    report = summarise(ranked, labels, [f"c{c}" for c in range(30)])
    can = ranked.relevant > 0
    assert report["n_without_relevant"] == np.sum(~can) > 0
    assert report["precision@5"] == pytest.approx(ranked.hits[can, 1].mean() / 5)
    per_class = report["per_class"]
    assert sum(each["n_queries"] for each in per_class.values()) == 40
    weighted = [
        each["recall@10"] * each["n_queries"]
        for each in per_class.values()
        if each["recall@10"] is not None
    ]
    assert sum(weighted) / can.sum() == pytest.approx(report["recall@10"])
    for name in ("precision@1", "map@10", "mean_average_precision"):
        low, high = report[f"{name}_interval_95"]
        assert 0 <= low <= report[name] <= high <= 1


def test_intervals():
    values = np.array([0.3, 0.4, 0.4, 0.6])
    expected = stats.t.interval(0.95, 3, loc=values.mean(), scale=stats.sem(values))
    np.testing.assert_allclose(mean_interval(values), expected)
    assert mean_interval(np.array([0.0, 1, 1])) == wilson_interval(2, 3)
    assert mean_interval(np.array([0.5])) == (0.0, 1.0)
    assert mean_interval(np.array([0.01, 0.99])) == (0.0, 1.0)
