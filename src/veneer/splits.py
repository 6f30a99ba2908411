"""Which side of the train/validation border an image stands on, and folds of the train side.

A split is computed from (``id``, ``sha``, ``label``) alone, and all copies of one ``sha`` share
a side, also when they carry different labels: a copy in both would be an answer given away.
"""

from __future__ import annotations

import hashlib
import warnings
from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from veneer.schema import SPLITS


def split_rows(
    ids: Sequence[str],
    shas: Sequence[str],
    labels: Sequence[str | None],
    *,
    method: str = "stratified",
    validation_share: float = 0.2,
    seed: int = 0,
) -> pa.Table:
    """Assign every row to ``train`` or ``validation``.

    Parameters
    ----------
    ids, shas, labels : sequences of length n
        Of the image rows. Their order does not matter.
    method : {"stratified", "hash"}
        ``stratified`` gives each class its exact share (as far as groups of copies allow).
        ``hash`` decides each ``sha`` for itself, so that a row never changes side when images
        are added or removed; the shares are then only approximate.
    validation_share : float
        Between 0 and 1.
    seed : int
        Keys the hash that orders the groups.

    Returns
    -------
    pyarrow.Table of schema :data:`veneer.schema.SPLITS`, n rows, in the order given.
    """
    if method == "hash":
        validation = {s for s in set(shas) if _keyed_unit(s, seed) < validation_share}
    elif method == "stratified":
        validation = _stratified(shas, labels, validation_share, seed)
    else:
        raise ValueError(f"split method {method!r} is unknown; use 'stratified' or 'hash'")
    sides = ["validation" if sha in validation else "train" for sha in shas]
    return pa.table({"id": list(ids), "split": sides}, schema=SPLITS)


def folds(labels: np.ndarray, groups: np.ndarray, count: int, seed: int = 0) -> np.ndarray:
    """Assign every row to one of ``count`` folds: stratified by label, whole groups only.

    Parameters
    ----------
    labels, groups : str arrays [n]
        A group is all copies of one ``sha``; one with several labels counts as its first row's.
    count : int
        At least 2. A class of fewer groups than this is missing from some folds.
    seed : int

    Returns
    -------
    int64 array [n], from 0 to ``count - 1``

    Raises
    ------
    ValueError
        When there are fewer groups than folds.
    """
    from sklearn.model_selection import StratifiedKFold

    _, first, inverse = np.unique(groups, return_index=True, return_inverse=True)
    found = np.empty(len(first), np.int64)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The least populated class")
        drawn = StratifiedKFold(count, shuffle=True, random_state=seed)
        for number, (_, held_out) in enumerate(drawn.split(first, np.asarray(labels)[first])):
            found[held_out] = number
    return found[inverse]


def _keyed_unit(sha: str, seed: int) -> float:
    """A number in [0, 1) that depends on ``sha`` and ``seed`` alone."""
    digest = hashlib.blake2b(sha.encode(), key=str(seed).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


def _stratified(
    shas: Sequence[str], labels: Sequence[str | None], share: float, seed: int
) -> set[str]:
    """The ``sha`` values of the validation side."""
    members: dict[str, Counter] = defaultdict(Counter)  # sha -> rows a label
    for sha, label in zip(shas, labels, strict=True):
        members[sha][label] += 1
    class_size = Counter()
    class_groups = Counter()
    for counts in members.values():
        class_size.update(counts)
        class_groups.update(counts.keys())
    wanted = {
        # A class of one group cannot be on both sides, and training needs it more; any other
        # class has at least one row on each side, or it would be trained and never judged.
        label: 0 if class_groups[label] < 2 else min(max(round(share * size), 1), size - 1)
        for label, size in class_size.items()
    }

    def place(sha: str) -> tuple[int, float]:
        # Single images come in the middle, where they fill each class to its exact share. Groups
        # of copies come first (a keyed share of them) or last, so that they land in validation
        # about as often as single images do and still find room there.
        order = _keyed_unit(sha, seed)
        if members[sha].total() == 1:
            return (1, order)
        return (0, order) if order < share else (2, order)

    validation: set[str] = set()
    for sha in sorted(members, key=place):
        counts = members[sha]
        if all(wanted[label] >= n for label, n in counts.items()):
            validation.add(sha)
            for label, n in counts.items():
                wanted[label] -= n
    return validation
