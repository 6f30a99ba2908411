"""Which images are alike, by one label or by several.

Images with the same labels throughout are a group. What is ideal to be near, and ideal to be far,
holds between groups; so it is worked out for them, not for pairs of images: 50 000 images of 600
groups have 45 kB of it instead of 1.25 billion pairs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_BLOCK = 512  # groups that are compared with all at a time


@dataclass(frozen=True)
class Groups:
    """Images by their labels.

    Attributes
    ----------
    of_row : int64 array [n]
        The group of each image.
    codes : int64 array [g, L]
        The labels of each group, as numbers.
    unlike : uint8 array [g, ceil(g / 8)], or None
        Packed bits: the pairs of groups that have no label in common. None where there is one
        label, by which all groups are unlike.
    """

    of_row: np.ndarray
    codes: np.ndarray
    unlike: np.ndarray | None

    def unlike_to(self, group: int) -> np.ndarray:
        """Groups that have no label in common with this one: int64 array."""
        if self.unlike is None:
            others = np.arange(len(self.codes))
            return others[others != group]
        bits = np.unpackbits(self.unlike[group], count=len(self.codes))
        return np.flatnonzero(bits)


def group_rows(labels: np.ndarray) -> Groups:
    """Put images with equal labels together.

    Parameters
    ----------
    labels : array [n, L] of str or int
        None of them null.

    Returns
    -------
    Groups
        In the order of their labels.
    """
    columns = [np.unique(column, return_inverse=True)[1] for column in labels.T]
    codes, of_row = np.unique(np.stack(columns, axis=1), axis=0, return_inverse=True)
    of_row = of_row.reshape(-1)
    if codes.shape[1] == 1:
        return Groups(of_row, codes, None)
    unlike = np.concatenate(
        [
            np.packbits(~(codes[start : start + _BLOCK, None] == codes[None]).any(axis=2), axis=1)
            for start in range(0, len(codes), _BLOCK)
        ]
    )
    return Groups(of_row, codes, unlike)


def ideal_pairs(codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of a batch that should be near, and pairs that should be far.

    Parameters
    ----------
    codes : int array [n, L]
        Labels of the batch, as numbers.

    Returns
    -------
    near, far : bool arrays [n, n]
        All labels are the same, but for the pair of an image with itself; and none is. What shares
        some of its labels is neither.
    """
    same = codes[:, None] == codes[None]
    near = same.all(axis=2)
    np.fill_diagonal(near, False)
    return near, ~same.any(axis=2)


def stopping_rows(of_row: np.ndarray, copies: np.ndarray, share: float, seed: int) -> np.ndarray:
    """Draw rows to stop on, which have others of their group to be trained on and to be found.

    Parameters
    ----------
    of_row : int array [n]
        Group of each row.
    copies : int array [n]
        Numbers that byte-identical images share; they stay together.
    share : float
        Of the rows; fewer are drawn where many groups are small, as two of each stay.
    seed : int

    Returns
    -------
    bool array [n]
    """
    order = np.argsort(copies, kind="stable")
    numbers, starts = np.unique(copies[order], return_index=True)
    members = np.split(order, starts[1:])
    left = np.bincount(of_row)
    stops, most = np.zeros(len(of_row), bool), share * len(of_row)
    for number in np.random.default_rng(seed).permutation(len(numbers)):
        rows = members[number]
        taken = np.bincount(of_row[rows], minlength=len(left))
        if stops.sum() + len(rows) <= max(most, 1) and np.all(
            left[taken > 0] - taken[taken > 0] >= 2
        ):
            stops[rows], left = True, left - taken
    return stops
