"""Whether two heads, or two encoders, differ by more than chance."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from veneer.metrics import wilson_interval


def paired_test(
    labels: Sequence[str], predicted_a: Sequence[str], predicted_b: Sequence[str]
) -> dict:
    """Compare two heads on the same rows.

    Parameters
    ----------
    labels, predicted_a, predicted_b : sequences of str, length n >= 1

    Returns
    -------
    dict
        ``difference``, accuracy of a less that of b, with its ``difference_interval_95``;
        ``only_a_right`` and ``only_b_right``, the discordant rows, which alone tell the heads
        apart; and ``p_value`` of McNemar's exact test: how often heads of equal accuracy would
        share so many discordant rows at least as unevenly.

    Notes
    -----
    The interval is method 10 of Newcombe, Improved confidence intervals for the difference
    between binomial proportions based on paired data, 1998: Wilson's intervals of the two
    accuracies, put together with regard to their correlation. The test is the binomial form of
    McNemar 1947.
    """
    from scipy.stats import binomtest

    labels = np.asarray(labels)
    a, b = np.asarray(predicted_a) == labels, np.asarray(predicted_b) == labels
    only_a, only_b = int(np.sum(a & ~b)), int(np.sum(~a & b))
    discordant = only_a + only_b
    return {
        "difference": (only_a - only_b) / len(labels),
        "difference_interval_95": list(
            paired_interval(int(np.sum(a & b)), only_a, only_b, int(np.sum(~a & ~b)))
        ),
        "only_a_right": only_a,
        "only_b_right": only_b,
        "p_value": float(binomtest(only_a, discordant).pvalue) if discordant else 1.0,
    }


def paired_interval(both: int, only_a: int, only_b: int, neither: int) -> tuple[float, float]:
    """Newcombe's 95 % interval of the difference of two paired proportions (method 10, 1998)."""
    n = both + only_a + only_b + neither
    p_a, p_b = (both + only_a) / n, (both + only_b) / n
    (low_a, high_a), (low_b, high_b) = (wilson_interval(round(p * n), n) for p in (p_a, p_b))
    margins = (both + only_a) * (only_b + neither) * (both + only_b) * (only_a + neither)
    product = both * neither - only_a * only_b
    if product > 0:  # a correction for continuity
        product = max(product - n / 2, 0)
    correlation = product / math.sqrt(margins) if margins else 0.0

    def root(x: float, y: float) -> float:
        return math.sqrt(max(x * x - 2 * correlation * x * y + y * y, 0.0))

    difference = (only_a - only_b) / n
    return (
        difference - root(p_a - low_a, high_b - p_b),
        difference + root(high_a - p_a, p_b - low_b),
    )


def paired_difference(a: np.ndarray, b: np.ndarray) -> tuple[float, float, float]:
    """Mean of a less that of b over the same rows, with its 95 % interval.

    Parameters
    ----------
    a, b : float arrays [n], n >= 1, each value from 0 to 1

    Returns
    -------
    difference, low, high : float

    Notes
    -----
    Of values that are all 0 or 1 the interval is :func:`paired_interval`; of others Student's over
    the differences, cut at -1 and 1.
    """
    from scipy.special import stdtrit

    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    n, difference = len(a), float(np.mean(a) - np.mean(b))
    if np.all((a == 0) | (a == 1)) and np.all((b == 0) | (b == 1)):
        counts = (a * b, a * (1 - b), (1 - a) * b, (1 - a) * (1 - b))
        both, only_a, only_b, neither = (int(each.sum()) for each in counts)
        return difference, *paired_interval(both, only_a, only_b, neither)
    if n == 1:
        return difference, -1.0, 1.0
    half = float(stdtrit(n - 1, 0.975) * np.std(a - b, ddof=1)) / math.sqrt(n)
    return difference, max(-1.0, difference - half), min(1.0, difference + half)


def mean_difference(
    differences: Sequence[tuple[float, float, float]],
) -> tuple[float, float, float]:
    """Mean of independent differences, each with its 95 % interval, and the interval of the mean.

    Each counts the same. The distances to the lower limits add up in squares, and so do those to
    the upper ones (MOVER: Zou and Donner, Construction of confidence limits about effect measures,
    2008). It speaks of these collections, not of others.

    Parameters
    ----------
    differences : sequence of (difference, low, high), at least one
    """
    values, low, high = np.array(differences, np.float64).T
    mean = float(values.mean())
    below, above = (
        float(np.linalg.norm(each)) / len(values) for each in (values - low, high - values)
    )
    return mean, mean - below, mean + above
