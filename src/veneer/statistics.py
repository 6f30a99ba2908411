"""Whether two heads differ by more than chance."""

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
