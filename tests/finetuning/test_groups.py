"""Which images are alike."""

import numpy as np
import pytest

from veneer.finetuning.groups import group_rows, ideal_pairs, stopping_rows

PAINTINGS = np.array(
    [
        ["Dutch", "1650", "genre"],
        ["Dutch", "1650", "genre"],
        ["Dutch", "1650", "portrait"],
        ["Italian", "1500", "portrait"],
        ["Italian", "1500", "altar"],
    ]
)


def test_images_with_the_same_labels_are_a_group():
    groups = group_rows(PAINTINGS)
    assert groups.of_row[0] == groups.of_row[1]
    assert len(groups.codes) == len(set(groups.of_row)) == 4


def test_groups_that_have_nothing_in_common():
    groups = group_rows(PAINTINGS)
    genre, dutch, italian, altar = groups.of_row[[0, 2, 3, 4]]
    assert set(groups.unlike_to(genre)) == {italian, altar}
    assert set(groups.unlike_to(dutch)) == {altar}  # the portrait is in common with the other
    assert set(groups.unlike_to(italian)) == {genre}


def test_by_one_label_all_others_are_unlike():
    groups = group_rows(np.array([["a"], ["b"], ["a"], ["c"]]))
    assert groups.unlike_to(0).tolist() == [1, 2]
    assert groups.unlike is None


@pytest.mark.parametrize("n", [9, 700, 1300])
def test_what_is_packed_is_what_a_comparison_says(n):
    labels = np.random.default_rng(0).integers(0, 11, (n, 3))
    groups = group_rows(labels)
    for group in range(0, len(groups.codes), 37):
        expected = ~(groups.codes == groups.codes[group]).any(axis=1)
        assert groups.unlike_to(group).tolist() == np.flatnonzero(expected).tolist()


def test_fifty_thousand_images_by_three_labels():
    rng = np.random.default_rng(0)
    labels = np.stack([rng.integers(0, k, 50_000) for k in (7, 46, 8)], axis=1)
    groups = group_rows(labels)
    assert len(groups.codes) == 7 * 46 * 8
    assert groups.unlike.nbytes < 10**6


def test_ideal_pairs_of_a_batch():
    codes = group_rows(PAINTINGS).codes[group_rows(PAINTINGS).of_row]
    near, far = ideal_pairs(codes)
    assert np.argwhere(near).tolist() == [[0, 1], [1, 0]]
    assert far[0].tolist() == [False, False, False, True, True]
    assert not (near & far).any()
    assert (far == far.T).all()


@pytest.mark.parametrize("size", [2, 3, 4, 5, 20])
def test_so_many_rows_are_stopped_on_and_two_of_each_group_stay(size):
    of_row = np.repeat(np.arange(200), size)
    stops = stopping_rows(of_row, np.arange(len(of_row)), 0.1, 0)
    assert stops.sum() == (0 if size == 2 else 20 * size)
    assert np.bincount(of_row[~stops]).min() >= 2


def test_copies_stay_together():
    of_row, copies = np.repeat([0, 1], 30), np.arange(60) // 3
    stops = stopping_rows(of_row, copies, 0.2, 0)
    assert stops.sum() == 12
    assert set(np.bincount(copies[stops], minlength=20)) == {0, 3}
    assert np.array_equal(stops, stopping_rows(of_row, copies, 0.2, 0))
    assert not np.array_equal(stops, stopping_rows(of_row, copies, 0.2, 1))
