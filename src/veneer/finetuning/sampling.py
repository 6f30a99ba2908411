"""Which images go through a step of training together: P groups, K images of each."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from veneer.finetuning.groups import Groups


def batches(
    groups: Groups, per_batch: int, per_group: int, rng: np.random.Generator
) -> Iterator[np.ndarray]:
    """The batches of an epoch, as many as it takes to see about as many images as there are.

    Groups are drawn in proportion to the square root of their images: in proportion to the images
    themselves a few groups would be nearly all that is seen, and evenly, the largest would hardly
    be [1]_. Where there are several labels, every second group of a batch is one that has no label
    in common with the one before it, if there is any: else groups of a common label would leave
    little to push apart.

    Parameters
    ----------
    groups : Groups
    per_batch : int
        Groups in a batch, fewer where there are fewer with two images.
    per_group : int
        Images of each, fewer where a group has fewer; none comes twice in a batch.
    rng : Generator

    Yields
    ------
    int64 array [at most per_batch * per_group]
        Row numbers.

    Raises
    ------
    ValueError
        When no group has two images, or there is only one group.

    References
    ----------
    .. [1] Mahajan, D. et al. (2018). Exploring the limits of weakly supervised pretraining. ECCV.
    """
    order = np.argsort(groups.of_row, kind="stable")
    sizes = np.bincount(groups.of_row, minlength=len(groups.codes))
    members = np.split(order, np.cumsum(sizes)[:-1])
    anchors = np.flatnonzero(sizes >= 2)
    if not len(anchors) or len(sizes) < 2:
        raise ValueError(
            f"{len(groups.of_row)} images are of {len(sizes)} groups, {len(anchors)} of which have "
            "two images or more"
        )
    weights = np.sqrt(sizes[anchors])
    chances = weights / weights.sum()
    seen = 0
    while seen < len(order):
        drawn = rng.choice(anchors, min(per_batch, len(anchors)), replace=False, p=chances)
        if groups.unlike is not None:
            drawn = _with_unlike(groups, drawn, rng)
        batch = np.concatenate([_some(members[each], per_group, rng) for each in drawn])
        seen += len(batch)
        yield batch


def _with_unlike(groups: Groups, drawn: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    chosen = dict.fromkeys(drawn[: -(-len(drawn) // 2)].tolist())
    for group in list(chosen):
        others = groups.unlike_to(group)
        if len(others):
            chosen[int(rng.choice(others))] = None
    return np.array(list(chosen))


def _some(rows: np.ndarray, most: int, rng: np.random.Generator) -> np.ndarray:
    return rows if len(rows) <= most else rng.choice(rows, most, replace=False)
