"""Differences of means over the same rows."""

import numpy as np
import pytest
from scipy.stats import ttest_rel

from veneer.statistics import mean_difference, paired_difference, paired_interval


def test_shares_have_students_interval():
    rng = np.random.default_rng(0)
    a, b = rng.random(40), rng.random(40)
    found = paired_difference(a, b)
    expected = ttest_rel(a, b).confidence_interval()
    assert found[0] == pytest.approx(np.mean(a - b))
    np.testing.assert_allclose(found[1:], [expected.low, expected.high])


def test_hits_have_newcombes_interval():
    a, b = np.array([1, 1, 1, 0, 0.0]), np.array([1, 1, 0, 1, 0.0])
    assert paired_difference(a, b) == (pytest.approx(0), *paired_interval(2, 1, 1, 1))


def test_one_row_tells_nothing_and_nothing_leaves_the_range():
    assert paired_difference(np.array([0.5]), np.array([0.25])) == (0.25, -1.0, 1.0)
    assert paired_difference(np.array([0.9, 0]), np.array([0.0, 1]))[1:] == (-1.0, 1.0)


def test_a_mean_of_differences():
    """As a sum of normal ones has it: limits that are as far on both sides."""
    mean, low, high = mean_difference([(0.2, 0.1, 0.3), (0.4, 0.2, 0.6)])
    assert (mean, low, high) == pytest.approx((0.3, 0.3 - 0.05**0.5 / 2, 0.3 + 0.05**0.5 / 2))
    assert mean_difference([(0.2, -0.1, 0.3)]) == pytest.approx((0.2, -0.1, 0.3))


def test_the_interval_holds_the_difference_as_often_as_it_says():
    rng = np.random.default_rng(1)
    held = 0
    for _ in range(400):
        skill = rng.random(60)
        a, b = (rng.binomial(5, np.clip(skill + shift, 0, 1)) / 5 for shift in (0.1, 0.0))
        _, low, high = paired_difference(a, b)
        held += low <= 0.095 <= high  # the mean of min(skill + .1, 1) less skill
    assert 0.92 <= held / 400 <= 0.98
