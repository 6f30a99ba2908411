"""Figures checked by hand and against scikit-learn."""

import numpy as np
import pytest
from sklearn import metrics as reference

from veneer.metrics import (
    bootstrap_intervals,
    calibration_error,
    classification_report,
    confusion_counts,
    coverage_curve,
    most_confused,
    precision_at_k,
    reliability_bins,
    wilson_interval,
)
from veneer.statistics import paired_interval, paired_test


def judged(n: int, classes: int, seed: int = 0, skill: float = 1.5):
    """Labels, predictions and probabilities of a head that is right now and then."""
    rng = np.random.default_rng(seed)
    names = np.array([f"c{i:02}" for i in range(classes)])
    labels = rng.choice(classes, n, p=rng.dirichlet(np.full(classes, 2.0)))
    scores = rng.normal(size=(n, classes))
    scores[np.arange(n), labels] += skill
    shares = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    return names[labels], names[shares.argmax(axis=1)], names, shares.astype(np.float32)


def test_report_by_hand():
    labels = ["a", "a", "a", "b", "b", "c"]
    predicted = ["a", "a", "b", "b", "b", "a"]
    shares = np.full((6, 4), 0.1, np.float32)
    shares[range(6), ["abc".index(name) for name in predicted]] = 0.7
    report = classification_report(labels, predicted, ["a", "b", "c", "never seen"], shares)
    assert report["accuracy"] == pytest.approx(4 / 6)
    assert report["balanced_accuracy"] == pytest.approx((2 / 3 + 1 + 0) / 3)
    assert report["n_validation"] == 6
    a, b, c = 2 / 3, 4 / 5, 0.0  # f1 of each class
    assert report["macro_f1"] == pytest.approx((a + b + c) / 3)
    assert report["weighted_f1"] == pytest.approx((3 * a + 2 * b + 1 * c) / 6)
    assert list(report["per_class"]) == ["a", "b", "c"]
    assert report["per_class"]["b"] == pytest.approx(
        {"precision": 2 / 3, "recall": 1.0, "f1": 0.8, "support": 2}
    )
    low, high = report["accuracy_interval_95"]
    assert low < 4 / 6 < high
    assert report["log_loss"] == pytest.approx(-(4 * np.log(0.7) + 2 * np.log(0.1)) / 6)
    assert report["expected_calibration_error"] == pytest.approx(0.7 - 4 / 6)
    assert report["top_5_accuracy"] is None


def test_report_against_scikit_learn():
    labels, predicted, classes, shares = judged(700, 12)
    report = classification_report(labels, predicted, classes, shares)
    expected = {
        "accuracy": reference.accuracy_score(labels, predicted),
        "balanced_accuracy": reference.balanced_accuracy_score(labels, predicted),
        "macro_f1": reference.f1_score(labels, predicted, average="macro"),
        "weighted_f1": reference.f1_score(labels, predicted, average="weighted"),
        "log_loss": reference.log_loss(labels, shares, labels=classes),
        "top_5_accuracy": reference.top_k_accuracy_score(labels, shares, k=5, labels=classes),
    }
    assert {key: report[key] for key in expected} == pytest.approx(expected, rel=1e-6)
    for key in ("accuracy", "balanced_accuracy", "macro_f1", "weighted_f1"):
        low, high = report[f"{key}_interval_95"]
        assert low < report[key] < high
        assert high - low < 0.12


def test_labels_the_head_does_not_know_are_wrong():
    labels, predicted, classes, shares = judged(400, 8)
    unknown = np.arange(400) % 4 == 0
    labels = np.where(unknown, "new", labels)
    report = classification_report(labels, predicted, classes, shares)
    right = np.mean((labels == predicted) & ~unknown)
    assert report["accuracy"] == right
    assert report["weighted_recall"] == pytest.approx(right)
    assert report["balanced_accuracy"] == pytest.approx(
        reference.balanced_accuracy_score(labels, predicted)
    )
    assert report["weighted_f1"] == pytest.approx(
        reference.f1_score(labels, predicted, average="weighted", zero_division=0.0)
    )
    assert report["per_class"]["new"] == {
        "precision": 0.0,
        "recall": 0.0,
        "f1": 0.0,
        "support": 100,
    }
    known = classification_report(labels[~unknown], predicted[~unknown], classes, shares[~unknown])
    assert report["top_5_accuracy"] == pytest.approx(0.75 * known["top_5_accuracy"])
    assert report["log_loss"] == pytest.approx(
        0.75 * known["log_loss"] - 0.25 * np.log(np.finfo(np.float32).eps)
    )


def test_top_5_of_ties_is_no_gift():
    shares = np.zeros((2, 50), np.float32)
    shares[:, 0] = 1.0
    classes = [f"c{i:02}" for i in range(50)]
    report = classification_report(["c00", "c40"], ["c00", "c00"], classes, shares)
    assert report["top_5_accuracy"] == 0.5


@pytest.mark.parametrize("shares", [np.ones((2, 3)), np.ones((3, 2)), np.ones(2)])
def test_shapes_that_do_not_fit_are_refused(shares):
    with pytest.raises(ValueError, match="rows and columns"):
        classification_report(["a", "b"], ["a", "b"], ["a", "b"], shares)


def test_bootstrap_against_scikit_learn():
    labels, predicted, classes, _ = judged(30, 6)  # so few that classes go missing
    numbers = [np.searchsorted(classes, names) for names in (labels, predicted)]
    found = bootstrap_intervals(*numbers, resamples=60, seed=3)
    rng = np.random.default_rng(3)
    drawn = []
    for _ in range(60):
        rows = rng.integers(30, size=30)
        a, b = labels[rows], predicted[rows]
        recalls = [np.mean(b[a == name] == name) for name in set(a)]
        f1 = [reference.f1_score(a, b, average=way) for way in ("weighted", "macro")]
        drawn.append([np.mean(recalls), *f1])
    expected = np.percentile(drawn, [2.5, 97.5], axis=0).T
    np.testing.assert_allclose(list(found.values()), expected)
    assert bootstrap_intervals(*numbers) == bootstrap_intervals(*numbers)


def test_confusion_rows_are_true_classes():
    counts = confusion_counts(["a", "a", "b"], ["a", "b", "b"], ["a", "b"])
    np.testing.assert_array_equal(counts, [[1, 1], [0, 1]])


def test_most_confused_are_sorted():
    labels = ["a"] * 4 + ["b"] * 2 + ["c"] * 2
    predicted = ["a", "b", "b", "c", "a", "b", "a", "c"]
    errors = [("a", "b", 2, 0.5), ("b", "a", 1, 0.5), ("c", "a", 1, 0.5), ("a", "c", 1, 0.25)]
    assert most_confused(labels, predicted) == errors
    assert most_confused(np.array(labels), np.array(predicted), most=1) == errors[:1]
    assert most_confused(["a"], ["a"]) == []


def test_coverage_by_hand():
    confidence = np.array([0.5, 0.9, 0.5, 0.7, 0.5])
    right = np.array([True, True, False, False, False])
    curve = coverage_curve(confidence, right)
    np.testing.assert_allclose(curve["threshold"], [0.9, 0.7, 0.5])
    np.testing.assert_allclose(curve["coverage"], [0.2, 0.4, 1])
    np.testing.assert_allclose(curve["accuracy"], [1, 0.5, 0.4])
    order = [4, 2, 0, 3, 1]
    turned = coverage_curve(confidence[order], right[order])
    assert all(np.array_equal(curve[key], turned[key]) for key in curve)
    assert all(len(values) == 0 for values in coverage_curve([], []).values())


def test_reliability_bins_by_hand():
    bins = reliability_bins(
        np.array([0.0, 0.1, 0.2, 0.75, 1.0]), np.array([False, True, False, True, True]), bins=5
    )
    np.testing.assert_allclose(bins["start"], [0, 0.6, 0.8])
    np.testing.assert_allclose(bins["end"], [0.2, 0.8, 1])
    np.testing.assert_allclose(bins["confidence"], [0.1, 0.75, 1])  # 0.2 is in the lowest bin
    np.testing.assert_allclose(bins["accuracy"], [1 / 3, 1, 1])
    np.testing.assert_array_equal(bins["count"], [3, 1, 1])
    assert (bins["low"][0], bins["high"][0]) == wilson_interval(1, 3)
    assert all(len(values) == 0 for values in reliability_bins([], []).values())


def test_calibration_error():
    confidence = np.array([0.95] * 4 + [0.55] * 6)
    right = np.array([True] * 3 + [False] + [True] * 3 + [False] * 3)
    assert calibration_error(confidence, right) == pytest.approx(0.4 * 0.2 + 0.6 * 0.05)
    rng = np.random.default_rng(0)
    honest = rng.random(100_000)
    assert calibration_error(honest, rng.random(100_000) < honest) < 0.01


def test_wilson_interval():
    assert wilson_interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)  # Newcombe 1998
    assert wilson_interval(0, 10)[0] == 0.0
    assert wilson_interval(10, 10)[1] == pytest.approx(1.0)
    assert wilson_interval(0, 0) == (0.0, 1.0)


def test_paired_interval():
    # Newcombe 1998, table III; Fagerland, Lydersen and Laake 2014, table III
    assert paired_interval(36, 12, 2, 0) == pytest.approx((0.0569, 0.3404), abs=5e-5)
    assert paired_interval(1, 1, 7, 12) == pytest.approx((-0.507, -0.026), abs=5e-4)
    low, high = paired_interval(20, 12, 2, 16)
    assert paired_interval(20, 2, 12, 16) == pytest.approx((-high, -low))
    low, high = paired_interval(54, 0, 0, 0)
    assert low == -high and high == pytest.approx(1 - wilson_interval(54, 54)[0])


def test_paired_interval_covers():
    rng = np.random.default_rng(0)
    tables = rng.multinomial(60, [0.7, 0.12, 0.08, 0.1], size=2000)
    intervals = np.array([paired_interval(*map(int, table)) for table in tables])
    covered = np.mean((intervals[:, 0] <= 0.04) & (intervals[:, 1] >= 0.04))
    assert 0.94 <= covered <= 0.97


def test_paired_test_by_hand():
    labels = ["x"] * 12
    a = ["x"] * 9 + ["y"] * 3
    b = ["x"] * 3 + ["y"] * 6 + ["x"] * 1 + ["y"] * 2
    found = paired_test(labels, a, b)
    assert (found["only_a_right"], found["only_b_right"]) == (6, 1)
    assert found["difference"] == pytest.approx(5 / 12)
    assert found["p_value"] == pytest.approx(2 * (1 + 7) / 2**7)
    assert found["difference_interval_95"] == list(paired_interval(3, 6, 1, 2))
    back = paired_test(labels, b, a)
    assert back["difference"] == -found["difference"] and back["p_value"] == found["p_value"]
    assert paired_test(labels, a, a)["p_value"] == 1.0


def test_precision_at_k():
    relevant = np.array([[True, False, True], [False, False, False]])
    assert precision_at_k(relevant, 1) == 0.5
    assert precision_at_k(relevant, 2) == 0.25
