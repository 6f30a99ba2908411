"""How good a head or a search is."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np

BINS = 15
"""Bins of the calibration error, as many as in Guo et al. 2017."""
TOP = 5


def classification_report(
    labels: Sequence[str],
    predicted: Sequence[str],
    classes: Sequence[str],
    probabilities: np.ndarray,
) -> dict:
    """Accuracy, F1, precision and recall, in all and per class; and how far to trust them.

    Parameters
    ----------
    labels, predicted : sequences of str, length n >= 1
        Rows of a label that is not among ``classes`` are always wrong.
    classes : sequence of K str
        All classes of the head, in order.
    probabilities : float32 array [n, K]

    Returns
    -------
    dict
        ``accuracy`` with its 95 % Wilson interval; ``balanced_accuracy`` (the mean recall),
        ``weighted_*`` and ``macro_*`` for f1, precision and recall; ``top_5_accuracy``, None for
        five classes or fewer; ``log_loss``, in nats; ``expected_calibration_error`` (see
        :func:`calibration_error`); ``n_validation``; and ``per_class`` with precision, recall, f1
        and support of each class that occurs among ``labels`` or ``predicted``.
        ``balanced_accuracy``, ``weighted_f1`` and ``macro_f1`` have an ``*_interval_95`` beside
        them, by bootstrap; see :func:`bootstrap_intervals`.

    Raises
    ------
    ValueError
        On shapes that do not fit.

    Notes
    -----
    As in scikit-learn's ``log_loss``, a probability counts as at least the precision of its type,
    1.2e-7 for float32: a certain error costs 15.9 nats.
    """
    from sklearn.metrics import precision_recall_fscore_support

    labels, predicted = np.asarray(labels, dtype=object), np.asarray(predicted, dtype=object)
    probabilities = np.asarray(probabilities)
    if not len(labels) or probabilities.shape != (len(labels), len(classes)):
        raise ValueError(
            f"{len(labels)} labels of {len(classes)} classes need at least one row and as many "
            f"rows and columns of probabilities, not {probabilities.shape}"
        )
    right = labels == predicted
    names = [*classes, *sorted(set(labels) - set(classes))]
    present = [c for c in names if np.any(labels == c) or np.any(predicted == c)]
    column = {name: index for index, name in enumerate(names)}
    own = np.array([column[label] for label in labels])

    report: dict = {
        "accuracy": float(right.mean()),
        "accuracy_interval_95": list(wilson_interval(int(right.sum()), len(labels))),
        "balanced_accuracy": float(
            np.mean([np.mean(right[labels == c]) for c in present if np.any(labels == c)])
        ),
        "n_validation": len(labels),
    }
    for average in ("weighted", "macro"):
        precision, recall, f1, _ = precision_recall_fscore_support(
            labels, predicted, labels=present, average=average, zero_division=0.0
        )
        report |= {
            f"{average}_f1": float(f1),
            f"{average}_precision": float(precision),
            f"{average}_recall": float(recall),
        }
    report |= bootstrap_intervals(own, np.array([column[name] for name in predicted]))
    report |= {
        "top_5_accuracy": top_accuracy(probabilities, own, TOP) if len(classes) > TOP else None,
        "log_loss": _log_loss(probabilities, own),
        "expected_calibration_error": calibration_error(probabilities.max(axis=1), right),
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


def bootstrap_intervals(
    labels: np.ndarray, predicted: np.ndarray, resamples: int = 1000, seed: int = 0
) -> dict:
    """95 % percentile intervals of what has no formula (Efron 1979).

    Whole rows are drawn, so that the sizes of the classes vary as they would in another sample.
    A class without a row in a resample is left out of that resample's means.

    Parameters
    ----------
    labels, predicted : int arrays [n], n >= 1
        Classes by number.
    resamples, seed : int

    Returns
    -------
    dict
        ``balanced_accuracy_interval_95``, ``weighted_f1_interval_95`` and
        ``macro_f1_interval_95``, each [low, high].
    """
    rng = np.random.default_rng(seed)
    n, k = len(labels), int(max(labels.max(), predicted.max())) + 1
    support, named, hits = (np.empty((resamples, k)) for _ in range(3))
    right = labels == predicted
    for resample in range(resamples):
        rows = rng.integers(n, size=n)
        true = labels[rows]
        support[resample] = np.bincount(true, minlength=k)
        named[resample] = np.bincount(predicted[rows], minlength=k)
        hits[resample] = np.bincount(true, weights=right[rows], minlength=k)
    recall = hits / np.maximum(support, 1)
    f1 = 2 * hits / np.maximum(support + named, 1)
    values = {
        "balanced_accuracy": recall.sum(axis=1) / (support > 0).sum(axis=1),
        "weighted_f1": (f1 * support).sum(axis=1) / n,
        "macro_f1": f1.sum(axis=1) / (support + named > 0).sum(axis=1),
    }
    return {
        f"{name}_interval_95": np.percentile(drawn, [2.5, 97.5]).tolist()
        for name, drawn in values.items()
    }


def top_accuracy(probabilities: np.ndarray, labels: np.ndarray, k: int) -> float:
    """Share of rows whose label is among the ``k`` most probable classes.

    Of equal probabilities the first class comes first, as in ``argmax``.

    Parameters
    ----------
    probabilities : float array [n, K]
    labels : int array [n]
        Columns; rows of a number beyond them are wrong.
    """
    best = np.argsort(-probabilities, axis=1, kind="stable")[:, :k]
    return float(np.mean((best == labels[:, None]).any(axis=1)))


def _log_loss(probabilities: np.ndarray, labels: np.ndarray) -> float:
    known = labels < probabilities.shape[1]
    own = np.zeros(len(labels))
    own[known] = probabilities[known, labels[known]]
    return float(-np.log(np.clip(own, np.finfo(probabilities.dtype).eps, 1)).mean())


def confusion_counts(
    labels: Sequence[str], predicted: Sequence[str], classes: Sequence[str]
) -> np.ndarray:
    """Confusion matrix, int64 [K, K]: rows true, columns predicted, in the order of ``classes``."""
    from sklearn.metrics import confusion_matrix

    return confusion_matrix(labels, predicted, labels=list(classes))


def most_confused(
    labels: Sequence[str], predicted: Sequence[str], most: int = 10
) -> list[tuple[str, str, int, float]]:
    """The commonest errors: (true class, predicted class, count, share of the true class).

    The largest counts come first, of equal ones the larger share, then in the order of the names.
    """
    sizes = Counter(labels)
    errors = Counter((a, b) for a, b in zip(labels, predicted, strict=True) if a != b)
    found = [(str(a), str(b), n, n / sizes[a]) for (a, b), n in errors.items()]
    return sorted(found, key=lambda error: (-error[2], -error[3], error[:2]))[:most]


def coverage_curve(confidence: np.ndarray, right: np.ndarray) -> dict[str, np.ndarray]:
    """Accuracy among the rows answered when all of less confidence than a threshold are not.

    Parameters
    ----------
    confidence : float array [n]
    right : bool array [n]

    Returns
    -------
    dict of float64 arrays [m]
        ``threshold``, the m different confidences, falling; ``coverage``, the share of rows of at
        least that confidence, rising to 1; and ``accuracy`` among those. Rows of equal confidence
        come together, so that their order does not matter.
    """
    confidence, right = np.asarray(confidence, np.float64), np.asarray(right, bool)
    threshold, bins = np.unique(-confidence, return_inverse=True)
    answered = np.cumsum(np.bincount(bins, minlength=len(threshold)))
    hits = np.cumsum(np.bincount(bins, weights=right, minlength=len(threshold)))
    return {
        "threshold": -threshold,
        "coverage": answered / max(len(right), 1),
        "accuracy": hits / answered,
    }


def reliability_bins(
    confidence: np.ndarray, right: np.ndarray, bins: int = BINS
) -> dict[str, np.ndarray]:
    """How often a head is right, by how sure it is (Guo et al. 2017).

    Parameters
    ----------
    confidence : float array [n], from 0 to 1
    right : bool array [n]
    bins : int
        Of equal width; the upper edge belongs to the bin.

    Returns
    -------
    dict of arrays [m], m <= bins
        Of the bins that are not empty: the edges ``start`` and ``end``, ``confidence`` (the
        mean), ``accuracy``, ``low`` and ``high`` (its 95 % Wilson interval), ``count`` (int64).
    """
    confidence, right = np.asarray(confidence, np.float64), np.asarray(right, bool)
    number = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
    filled, number, count = np.unique(number, return_inverse=True, return_counts=True)
    hits = np.bincount(number, weights=right, minlength=len(filled))
    intervals = [wilson_interval(int(h), int(n)) for h, n in zip(hits, count, strict=True)]
    low, high = np.array(intervals).reshape(-1, 2).T
    return {
        "start": filled / bins,
        "end": (filled + 1) / bins,
        "confidence": np.bincount(number, weights=confidence, minlength=len(filled)) / count,
        "accuracy": hits / count,
        "low": low,
        "high": high,
        "count": count,
    }


def calibration_error(confidence: np.ndarray, right: np.ndarray, bins: int = BINS) -> float:
    """Expected calibration error: mean distance of confidence and accuracy over equal-width bins.

    Naeini et al. 2015, in the form of Guo et al., On calibration of modern neural networks, 2017;
    parameters as in :func:`reliability_bins`. It is biased upwards where bins hold few rows.
    """
    found = reliability_bins(confidence, right, bins)
    distance = np.abs(found["confidence"] - found["accuracy"])
    return float(np.average(distance, weights=found["count"]))


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
