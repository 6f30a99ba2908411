"""Batches of P groups with K images each."""

import numpy as np
import pytest

from veneer.finetuning.groups import group_rows
from veneer.finetuning.sampling import batches

SIZES = {"large": 900, "middle": 90, "small": 9, "single": 1}
LABELS = np.array([name for name, size in SIZES.items() for _ in range(size)])


def drawn(groups, per_batch=2, per_group=4, seed=0):
    return list(batches(groups, per_batch, per_group, np.random.default_rng(seed)))


def test_a_batch_has_so_many_groups_and_images():
    for batch in drawn(group_rows(LABELS[:, None])):
        names, counts = np.unique(LABELS[batch], return_counts=True)
        assert len(names) == 2
        assert counts.tolist() == [4, 4]
        assert len(set(batch)) == 8


def test_an_epoch_sees_as_many_images_as_there_are():
    seen = sum(map(len, drawn(group_rows(LABELS[:, None]))))
    assert 1000 <= seen < 1008


def test_groups_are_drawn_by_the_root_of_their_size():
    counts = dict.fromkeys(SIZES, 0)
    for seed in range(20):
        for batch in drawn(group_rows(LABELS[:, None]), per_batch=1, seed=seed):
            counts[LABELS[batch[0]]] += 1
    assert counts["single"] == 0
    assert counts["large"] / counts["small"] == pytest.approx(10, rel=0.25)
    assert counts["large"] / counts["middle"] == pytest.approx(10**0.5, rel=0.25)


def test_a_small_group_gives_what_it_has():
    found = drawn(group_rows(np.array([["a"], ["a"], ["b"], ["b"], ["b"]])), per_group=8)
    assert {len(batch) for batch in found} == {5}


def test_by_several_labels_every_second_group_is_unlike_another():
    rng = np.random.default_rng(0)
    labels = np.stack([rng.integers(0, 4, 600), rng.integers(0, 4, 600)], axis=1)
    groups = group_rows(labels)
    for batch in drawn(groups, per_batch=8, per_group=2):
        found = groups.codes[list(dict.fromkeys(groups.of_row[batch]))]
        shared = (found[:, None] == found[None]).any(axis=2)
        assert (~shared).any(axis=1).all()


def test_the_same_draw_again_and_another():
    groups = group_rows(LABELS[:, None])
    first, again, other = (drawn(groups, seed=seed) for seed in (1, 1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(first, other, strict=False))


@pytest.mark.parametrize("labels", [["a", "b", "c"], ["a", "a", "a"]])
def test_nothing_to_tell_apart(labels):
    with pytest.raises(ValueError, match="images are of"):
        drawn(group_rows(np.array(labels)[:, None]))
