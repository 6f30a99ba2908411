"""Train and validation."""

from collections import Counter

import numpy as np
import pytest

from veneer.images import sha_of
from veneer.splits import folds, split_rows


def collection(sizes, copies=()):
    """Rows of classes of the given sizes; ``copies`` adds (class, number, other class)."""
    rows = [(label, f"{label}{i}") for label, n in sizes.items() for i in range(n)]
    rows += [(other, f"{label}{i}") for label, i, other in copies]
    shas = [sha_of(name.encode()) for _, name in rows]
    ids = [sha_of(f"{k}".encode()) for k in range(len(rows))]
    return ids, shas, [label for label, _ in rows]


def sides(rows, **options):
    table = split_rows(*rows, **options).to_pydict()
    return dict(zip(table["id"], table["split"], strict=True))


def test_stratified_gives_each_class_its_exact_share():
    rows = collection({"a": 100, "b": 37, "c": 5, "d": 2, "e": 1})
    split = sides(rows, seed=3)
    held_out = Counter(
        label for i, label in zip(rows[0], rows[2], strict=True) if split[i] == "validation"
    )
    # A class of two is judged on one of them; a class of one is only trained on.
    assert held_out == {"a": 20, "b": 7, "c": 1, "d": 1}


@pytest.mark.parametrize("method", ["stratified", "hash"])
def test_copies_share_a_side_also_under_other_labels(method):
    copies = [("a", i, "b") for i in range(20)] + [("a", i, "a") for i in range(10, 40)]
    rows = collection({"a": 100, "b": 100}, copies)
    for seed in range(10):
        split = sides(rows, method=method, seed=seed)
        by_sha = {}
        for i, sha in zip(rows[0], rows[1], strict=True):
            by_sha.setdefault(sha, set()).add(split[i])
        assert all(len(each) == 1 for each in by_sha.values())


def test_stratified_is_exact_with_copies_and_takes_their_fair_share():
    copies = [("a", i, "a") for i in range(30)]
    rows = collection({"a": 170, "b": 100}, copies)
    plural = 0
    for seed in range(40):
        split = sides(rows, seed=seed)
        held_out = [
            (sha, label) for i, sha, label in zip(*rows, strict=True) if split[i] == "validation"
        ]
        assert Counter(label for _, label in held_out) == {"a": 40, "b": 20}
        plural += sum(n - 1 for n in Counter(sha for sha, _ in held_out).values())
    assert 0.12 < plural / (40 * 30) < 0.28  # 30 pairs, a fifth of them expected in validation


def test_order_of_rows_does_not_matter_but_the_seed_does():
    rows = collection({"a": 50, "b": 50})
    backwards = tuple(column[::-1] for column in rows)
    assert sides(rows, seed=1) == sides(backwards, seed=1)
    assert sides(rows, seed=1) != sides(rows, seed=2)


def test_hash_never_moves_a_row_when_images_are_added():
    few, many = collection({"a": 300}), collection({"a": 300, "b": 500})
    before, after = sides(few, method="hash"), sides(many, method="hash")
    assert all(after[i] == side for i, side in before.items())
    share = Counter(after.values())["validation"] / len(after)
    assert 0.16 < share < 0.24


def test_rows_without_labels_are_split_too():
    ids, shas, _ = collection({"a": 50})
    assert Counter(sides((ids, shas, [None] * 50)).values()) == {"train": 40, "validation": 10}


def test_unknown_method():
    with pytest.raises(ValueError, match="'random' is unknown; use 'stratified' or 'hash'"):
        split_rows([], [], [], method="random")


def test_folds_are_stratified_and_keep_copies_together():
    rng = np.random.default_rng(0)
    groups = np.array([f"sha{g}" for g in rng.integers(400, size=900)])
    labels = np.array([f"class {int(g[3:]) % 4}" for g in groups])
    labels, groups = np.r_[labels, ["rare", "rare"]], np.r_[groups, ["only", "only"]]
    found = folds(labels, groups, 5, seed=1)
    assert set(found) == set(range(5))
    for group in set(groups):
        assert len(set(found[groups == group])) == 1
    for number in range(5):
        for label in ("class 0", "class 3"):
            distinct = set(groups[labels == label])
            assert len(set(groups[found == number]) & distinct) == pytest.approx(
                len(distinct) / 5, abs=1
            )
    np.testing.assert_array_equal(found, folds(labels, groups, 5, seed=1))
    assert np.any(found != folds(labels, groups, 5, seed=2))


def test_more_folds_than_images_are_refused():
    with pytest.raises(ValueError, match="n_splits"):
        folds(np.array(["a", "b"]), np.array(["1", "2"]), 5)
