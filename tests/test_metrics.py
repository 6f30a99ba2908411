"""Figures checked by hand."""

import numpy as np
import pytest

from veneer.metrics import (
    classification_report,
    confusion_counts,
    precision_at_k,
    wilson_interval,
)


def test_report_by_hand():
    labels = ["a", "a", "a", "b", "b", "c"]
    predicted = ["a", "a", "b", "b", "b", "a"]
    report = classification_report(labels, predicted, ["a", "b", "c", "never seen"])
    assert report["accuracy"] == pytest.approx(4 / 6)
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


def test_confusion_rows_are_true_classes():
    counts = confusion_counts(["a", "a", "b"], ["a", "b", "b"], ["a", "b"])
    np.testing.assert_array_equal(counts, [[1, 1], [0, 1]])


def test_wilson_interval():
    assert wilson_interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)  # Newcombe 1998
    assert wilson_interval(0, 10)[0] == 0.0
    assert wilson_interval(10, 10)[1] == pytest.approx(1.0)
    assert wilson_interval(0, 0) == (0.0, 1.0)


def test_precision_at_k():
    relevant = np.array([[True, False, True], [False, False, False]])
    assert precision_at_k(relevant, 1) == 0.5
    assert precision_at_k(relevant, 2) == 0.25
