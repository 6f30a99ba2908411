"""How good a head or a search is."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np


def classification_report(
    labels: Sequence[str], predicted: Sequence[str], classes: Sequence[str]
) -> dict:
    """Accuracy, F1, precision and recall, in all and per class.

    Parameters
    ----------
    labels, predicted : sequences of str, length n
    classes : sequence of str
        All classes of the head, in order.

    Returns
    -------
    dict
        ``accuracy`` with its 95 % Wilson interval, ``weighted_*`` and ``macro_*`` for f1,
        precision and recall, ``n_validation``, and ``per_class`` with precision, recall, f1 and
        support of each class that occurs among ``labels`` or ``predicted``.
    """
    from sklearn.metrics import accuracy_score, precision_recall_fscore_support

    labels, predicted = np.asarray(labels, dtype=object), np.asarray(predicted, dtype=object)
    report: dict = {
        "accuracy": float(accuracy_score(labels, predicted)),
        "accuracy_interval_95": list(
            wilson_interval(int(np.sum(labels == predicted)), len(labels))
        ),
        "n_validation": len(labels),
    }
    present = [c for c in classes if np.any(labels == c) or np.any(predicted == c)]
    for average in ("weighted", "macro"):
        precision, recall, f1, _ = precision_recall_fscore_support(
            labels, predicted, labels=present, average=average, zero_division=0.0
        )
        report |= {
            f"{average}_f1": float(f1),
            f"{average}_precision": float(precision),
            f"{average}_recall": float(recall),
        }
    columns = precision_recall_fscore_support(
        labels, predicted, labels=present, average=None, zero_division=0.0
    )
    report["per_class"] = {
        name: {
            "precision": float(p),
            "recall": float(r),
            "f1": float(f),
            "support": int(s),
        }
        for name, p, r, f, s in zip(present, *columns, strict=True)
    }
    return report


def confusion_counts(
    labels: Sequence[str], predicted: Sequence[str], classes: Sequence[str]
) -> np.ndarray:
    """Confusion matrix, int64 [K, K]: rows true, columns predicted, in the order of ``classes``."""
    from sklearn.metrics import confusion_matrix

    return confusion_matrix(labels, predicted, labels=list(classes))


def wilson_interval(successes: int, n: int, z: float = 1.959964) -> tuple[float, float]:
    """Wilson's score interval of a proportion (Wilson 1927), by default at 95 %.

    Unlike the normal approximation it stays inside [0, 1] and is honest for small ``n``.
    """
    if n == 0:
        return (0.0, 1.0)
    p = successes / n
    centre = p + z * z / (2 * n)
    spread = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    return (max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale))


def precision_at_k(relevant: np.ndarray, k: int) -> float:
    """Mean share of relevant items among the first ``k``.

    Parameters
    ----------
    relevant : bool array [n_queries, >= k]
        Whether the item at each rank is relevant, best rank first.
    """
    return float(np.mean(relevant[:, :k]))
