"""Temperatures, thresholds, folds and doubts against what they are defined as."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.special import log_softmax, softmax
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from veneer.heads.calibration import (
    COLDEST,
    HOTTEST,
    abstention_threshold,
    fit_temperature,
    out_of_fold_scores,
    probabilities,
)
from veneer.heads.linear_svc import OneVsRestLinearSVC
from veneer.metrics import calibration_error


def drawn(n: int, temperature: float, k: int = 6, seed: int = 0):
    """Scores, and labels drawn from softmax(scores / temperature)."""
    rng = np.random.default_rng(seed)
    classes = np.array([f"c{i}" for i in range(k)])
    scores = 2 * rng.normal(size=(n, k))
    uniform = rng.gumbel(size=(n, k))
    return scores, classes[(scores / temperature + uniform).argmax(axis=1)], classes


@pytest.mark.parametrize("temperature", [0.2, 1.0, 5.0])
def test_the_temperature_is_found_again(temperature):
    scores, labels, classes = drawn(20_000, temperature)
    assert fit_temperature(scores, labels, classes) == pytest.approx(temperature, rel=0.04)


def test_the_temperature_is_the_best_of_a_grid():
    scores, labels, classes = drawn(300, 2.0)
    found = fit_temperature(scores, labels, classes)
    own = np.searchsorted(classes, labels)

    def loss(temperature):
        logs = log_softmax(scores / temperature, axis=1)
        # All rows, and one more whose label may be any and whose scores are the average ones.
        return (
            -logs[np.arange(300), own].mean() - (logs.mean() - logs[range(300), own].mean()) / 301
        )

    grid = np.geomspace(1, 4, 4001)
    best = grid[np.argmin([loss(t) for t in grid])]
    assert found == pytest.approx(best, rel=1e-3)
    assert fit_temperature(10 * scores, labels, classes) == pytest.approx(10 * found, rel=1e-4)


def test_separable_scores_do_not_ask_for_certainty():
    found = []
    for n in (20, 200, 2000):
        codes = np.arange(n) % 4
        scores = np.where(codes[:, None] == np.arange(4), 1.0, -1.0)
        labels = np.array(list("abcd"))[codes]
        found.append(fit_temperature(scores, labels, list("abcd")))
        wrong = 1 - probabilities(scores, found[-1]).max()
        assert wrong == pytest.approx(0.75 / (n + 1), rel=0.01)
    assert COLDEST < found[2] < found[1] < found[0]


def test_bounds_and_rows_that_teach_nothing():
    scores, labels, classes = drawn(200, 1.0)
    assert fit_temperature(1e-4 * scores, labels, classes) == pytest.approx(COLDEST, rel=1e-3)
    assert fit_temperature(-scores, labels, classes) == pytest.approx(HOTTEST, rel=1e-3)
    more = np.concatenate([scores, scores[:50]]), [*labels, *["unknown"] * 50]
    assert fit_temperature(*more, classes) == fit_temperature(scores, labels, classes)
    assert fit_temperature(scores[:2], ["unknown"] * 2, classes) == 1.0
    assert fit_temperature(np.zeros((5, 6)), labels[:5], classes) == 1.0
    assert fit_temperature(np.zeros((0, 6)), [], classes) == 1.0
    with pytest.raises(ValueError, match="finite"):
        fit_temperature(np.full((1, 6), -np.inf), labels[:1], classes)
    with pytest.raises(ValueError, match="rows and columns"):
        fit_temperature(scores[:, :5], labels, classes)


def test_probabilities_are_a_stable_softmax():
    scores, *_ = drawn(50, 1.0)
    found = probabilities(scores.astype(np.float32), 0.5)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, softmax(scores * 2, axis=1), rtol=1e-5)
    extreme = probabilities(np.array([[1e4, 0.0, -1e4]]), COLDEST)
    np.testing.assert_array_equal(extreme, [[1, 0, 0]])


def test_the_threshold_is_the_lowest_that_reaches_the_accuracy():
    confidence = np.array([0.9, 0.8, 0.7, 0.6, 0.6, 0.5])
    right = np.array([True, True, False, True, True, False])
    assert abstention_threshold(confidence, right, 1.0) == 0.8
    assert abstention_threshold(confidence, right, 0.8) == 0.6  # 0.7 has but 2 of 3
    assert abstention_threshold(confidence, right, 0.6) == 0.0
    assert abstention_threshold(confidence[2:3], right[2:3], 0.5) == math.inf
    assert abstention_threshold([], [], 0.5) == math.inf


def folded(labels, groups, **options):
    """Out-of-fold scores of a head that knows each class's mean; the calls, and the result."""
    classes = np.unique(labels)
    features = np.arange(len(labels), dtype=np.float32)[:, None]
    calls = []

    def fit(X, y, g):
        known = np.unique(y)
        calls.append((X[:, 0].astype(int), y, g))
        # Every score tells the fold's head and the row.
        return SimpleNamespace(
            classes_=known,
            scores=lambda X: np.float32(X + np.arange(len(known)) * 0.1 + 1000 * len(calls)),
        )

    return calls, *out_of_fold_scores(fit, features, labels, groups, classes, **options)


def test_no_copy_of_a_row_helps_to_score_it():
    rng = np.random.default_rng(0)
    groups = np.array([f"g{i}" for i in rng.integers(40, size=100)])
    labels = np.array([f"c{int(g[1:]) % 3}" for g in groups])
    calls, scores, valid = folded(labels, groups, count=4)
    assert len(calls) == 4 and valid.all() and scores.dtype == np.float32
    np.testing.assert_allclose(scores[:, 1] - scores[:, 0], 0.1, atol=1e-3)
    for number, (rows, y, g) in enumerate(calls, start=1):
        scored = np.flatnonzero(scores[:, 0] // 1000 == number)
        assert not set(groups[scored]) & set(g)
        np.testing.assert_array_equal(labels[rows], y)
        assert sorted([*scored, *rows]) == list(range(100))
    _, again, _ = folded(labels, groups, count=4)
    np.testing.assert_array_equal(scores, again)


def test_a_class_of_one_group_cannot_be_judged():
    labels = np.array(["a"] * 10 + ["b"] * 10 + ["lone"] * 3)
    groups = np.array([f"g{i}" for i in range(20)] + ["copies"] * 3)
    _, scores, valid = folded(labels, groups, count=5)
    np.testing.assert_array_equal(valid, labels != "lone")
    lone = scores[20:]
    assert np.all(lone[:, 2] <= lone[:, :2].min(axis=1))
    assert np.isfinite(scores).all()
    assert np.all(lone[:, 2] == lone.min())


def test_folds_that_cannot_be_fitted_are_not_judged():
    labels = np.array(["a"] * 6 + ["b"])
    groups = np.array([f"g{i}" for i in range(7)])
    calls, scores, valid = folded(labels, groups, count=5)
    assert len(calls) == 4 and not valid[6]
    assert np.all(scores[~valid] == 0) and 4 <= valid.sum() <= 5
    # Fewer groups than folds, down to none.
    _, _, valid = folded(np.array(["a", "a", "b", "b"]), np.array(["1", "2", "3", "4"]))
    assert valid.all()
    _, _, valid = folded(np.array(["a", "a", "b"]), np.array(["1", "1", "2"]))
    assert not valid.any()
    calls, scores, valid = folded(np.array([], str), np.array([], str))
    assert not calls and scores.shape == (0, 0) and valid.shape == (0,)


def test_labels_must_be_among_the_classes():
    given = (None, np.zeros((2, 1)), ["a", "b"], ["1", "2"], ["a"])
    with pytest.raises(ValueError, match="among the classes"):
        out_of_fold_scores(*given)


@pytest.mark.parametrize("name", ["svc", "logistic"])
def test_flipped_digits_are_found_and_probabilities_are_honest(name):
    X, y = load_digits(return_X_y=True)
    X, y = (X[:1000] / 16).astype(np.float32), y[:1000].astype(str)
    rng = np.random.default_rng(0)
    flipped = rng.choice(1000, 50, replace=False)
    given = y.copy()
    given[flipped] = (y[flipped].astype(int) + rng.integers(1, 10, size=50)) % 10

    def fit(X, y, groups):
        if name == "svc":
            return OneVsRestLinearSVC(reg_param=0.02).fit(X, y)
        head = LogisticRegression(max_iter=1000).fit(X, y)
        head.scores = head.decision_function
        return head

    classes = np.unique(y)
    groups = np.arange(1000).astype(str)
    scores, valid = out_of_fold_scores(fit, X, given, groups, classes, count=3)
    assert valid.all()
    shares = probabilities(scores, fit_temperature(scores, given, classes))
    of_label = shares[np.arange(1000), np.searchsorted(classes, given)]
    worst = np.argsort(of_label, kind="stable")[:50]
    assert len(set(worst) & set(flipped)) >= 40

    right = classes[shares.argmax(axis=1)] == given
    raw = calibration_error(probabilities(scores).max(axis=1), right)
    assert calibration_error(shares.max(axis=1), right) < raw
