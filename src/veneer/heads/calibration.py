"""From scores to probabilities: how sure a head may be, and when to keep silent.

Everything here is learnt from scores of rows that the head was not fitted to, as
:func:`out_of_fold_scores` gives them for the training rows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from veneer.metrics import coverage_curve
from veneer.splits import folds

COLDEST, HOTTEST = 0.01, 100.0
"""Bounds of the temperature."""


def fit_temperature(scores: np.ndarray, labels: Sequence[str], classes: Sequence[str]) -> float:
    """The temperature T at which softmax(scores / T) tells best how sure the head may be.

    T minimises the negative log-likelihood of the labels (Guo et al., On calibration of modern
    neural networks, 2017). One more row is counted whose label may be any: without it, scores
    that put every label first would ask for T = 0, certainty that n rows cannot prove. (Platt,
    Probabilistic outputs for support vector machines, 1999, smooths his targets likewise.)

    Parameters
    ----------
    scores : float array [n, K]
        Logits, margins or logarithms of probabilities.
    labels : sequence of str, length n
        Rows of labels that are not among ``classes`` are left out.
    classes : sequence of K str

    Returns
    -------
    float
        Between :data:`COLDEST` and :data:`HOTTEST`; 1 where no row is left or all scores of each
        row are equal.

    Raises
    ------
    ValueError
        On shapes that do not fit, or scores that are not finite.
    """
    from scipy.optimize import minimize_scalar
    from scipy.special import logsumexp

    scores, codes = _checked(scores, labels, classes)
    scores, codes = scores[codes >= 0], codes[codes >= 0]
    if not len(scores) or not np.ptp(scores, axis=1).any():
        return 1.0
    n = len(scores)
    own = scores[np.arange(n), codes].mean()
    target = (n * own + scores.mean()) / (n + 1)

    def loss(log_temperature: float) -> float:
        sharpness = math.exp(-log_temperature)
        return float(logsumexp(scores * sharpness, axis=1).mean() - target * sharpness)

    bounds = (math.log(COLDEST), math.log(HOTTEST))
    found = minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-6})
    return math.exp(found.x)


def probabilities(scores: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """softmax(scores / temperature): float32 [n, K] of a float array [n, K], worked in float64."""
    from scipy.special import softmax

    return softmax(np.asarray(scores, np.float64) / temperature, axis=1).astype(np.float32)


def abstention_threshold(confidence: np.ndarray, right: np.ndarray, accuracy: float) -> float:
    """The confidence from which on a head should answer, to be right as often as wanted.

    Parameters
    ----------
    confidence : float array [n]
        Of rows the head was not fitted to.
    right : bool array [n]
    accuracy : float
        Wanted among the rows answered.

    Returns
    -------
    float
        The lowest confidence t found among the rows for which those of ``confidence >= t`` reach
        the accuracy. 0 where all rows together reach it: there is no reason to keep silent.
        Infinity where no threshold reaches it, or there are no rows: never answer.

    Notes
    -----
    It is the accuracy of these rows, without a margin for chance; on new rows it may fall short,
    the more so the fewer rows are above the threshold.
    """
    curve = coverage_curve(confidence, right)
    reached = np.flatnonzero(curve["accuracy"] >= accuracy)
    if not len(reached):
        return math.inf
    last = reached[-1]
    return 0.0 if last == len(curve["threshold"]) - 1 else float(curve["threshold"][last])


def out_of_fold_scores(
    fit: Callable[[np.ndarray, np.ndarray, np.ndarray], Any],
    features: np.ndarray,
    labels: np.ndarray,
    groups: np.ndarray,
    classes: Sequence[str],
    count: int = 5,
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """Scores of every row by a head that was fitted to the other folds.

    Parameters
    ----------
    fit : callable
        ``fit(features, labels, groups)`` gives a head with ``classes_`` and
        ``scores(features) -> [m, K]``.
    features : float array [n, D]
    labels, groups : str arrays [n]
        Copies of one file are one group and are in one fold; see :func:`veneer.splits.folds`.
    classes : sequence of K str
        Columns of the result; all labels are among them.
    count : int
        Folds, at least 2; fewer where no class has so many groups.
    seed : int
        Of the folds.

    Returns
    -------
    scores : float32 array [n, K]
        A class that a fold's head does not know has the lowest score of that fold, and so never
        wins. Zero in folds that could not be fitted, the other rows being of one class.
    valid : bool array [n]
        Whether the head that scored the row knew its label. False for all rows of a class of one
        group: with it in the fold, nothing is left to learn the class from.

    Raises
    ------
    ValueError
        On a label that is not among ``classes``, or fewer than two folds.
    """
    labels, groups, classes = (np.asarray(x, dtype=str) for x in (labels, groups, classes))
    if count < 2 or not np.isin(labels, classes).all():
        raise ValueError("there must be at least two folds, and every label among the classes")
    scores = np.zeros((len(labels), len(classes)), np.float32)
    valid = np.zeros(len(labels), bool)
    column = {name: index for index, name in enumerate(classes)}

    # As `folds` has it, a group counts for the label of its first row.
    _, first = np.unique(groups, return_index=True)
    _, sizes = np.unique(labels[first], return_counts=True)
    count = min(count, sizes.max(initial=0))
    fold = folds(labels, groups, count, seed) if count > 1 else np.zeros(len(labels), np.int64)
    for number in range(count):
        inside = fold == number
        if len(np.unique(labels[~inside])) < 2:
            continue
        head = fit(features[~inside], labels[~inside], groups[~inside])
        found = head.scores(features[inside])
        part = np.full((len(found), len(classes)), found.min(), np.float32)
        part[:, [column[name] for name in head.classes_]] = found
        scores[inside] = part
        valid[inside] = np.isin(labels[inside], head.classes_)
    return scores, valid


def _checked(
    scores: np.ndarray, labels: Sequence[str], classes: Sequence[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Scores in float64, and the column of each label, -1 where it has none."""
    scores = np.asarray(scores, np.float64)
    if scores.shape != (len(labels), len(classes)) or not np.isfinite(scores).all():
        raise ValueError(
            f"{len(labels)} labels of {len(classes)} classes need as many rows and columns of "
            f"finite scores, not {scores.shape}"
        )
    column = {name: index for index, name in enumerate(classes)}
    return scores, np.array([column.get(label, -1) for label in labels], np.int64)
