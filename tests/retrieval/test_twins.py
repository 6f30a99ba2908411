"""Groups of twins against a search through all pairs, one by one."""

from itertools import combinations

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from support import SHARED as PHOTOS
from support import encode

from veneer.errors import VeneerError
from veneer.images import sha_of, to_rgb
from veneer.retrieval import pairs
from veneer.retrieval.pairs import nearest_cosines
from veneer.retrieval.twins import (
    CHOICES,
    HIGHEST_THRESHOLD,
    LOWEST_THRESHOLD,
    SHARED,
    TWINS,
    USUAL_THRESHOLD,
    conflicts,
    find_shared,
    find_twins,
    leaks,
    suggest_threshold,
    with_choices,
)


def at_angles(*degrees):
    """Rows in a plane: the cosine of two is that of the angle between them."""
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def table(n, **columns):
    """Image rows; everything but their paths is alike, unless told otherwise."""
    defaults = {
        "id": [f"id{i:03d}" for i in range(n)],
        "sha": [f"sha{i:03d}" for i in range(n)],
        "path": [f"p/{i:03d}.jpg" for i in range(n)],
        "label": ["a"] * n,
        "split": ["train"] * n,
        "width": [100] * n,
        "height": [80] * n,
        "size": [5000] * n,
    }
    types = {field.name: field.type for field in TWINS}
    return pa.table({k: pa.array(v, types[k]) for k, v in (defaults | columns).items()})


def groups_of(twins):
    """The paths of each group, the kept one first."""
    found = {}
    for row in twins.to_pylist():
        found.setdefault(row["group"], []).append(int(row["path"][2:5]))
    assert list(found) == list(range(1, len(found) + 1))
    return list(found.values())


def naive_groups(shas, vectors, threshold):
    """Groups as sets, by joining pairs one after the other until nothing changes."""
    sets = [{i} for i in range(len(shas))]
    for i, j in combinations(range(len(shas)), 2):
        cosine = float(vectors[i].astype(float) @ vectors[j].astype(float))
        if (shas[i] == shas[j] or cosine >= threshold) and sets[i] is not sets[j]:
            sets[i] |= sets[j]
            for k in sets[j]:
                sets[k] = sets[i]
    return {frozenset(s) for s in sets if len(s) > 1}


@pytest.mark.parametrize("block", [5, 2048])
@pytest.mark.parametrize("seed", range(4))
def test_groups_are_those_of_the_naive_search(seed, block, monkeypatch):
    monkeypatch.setattr(pairs, "_BLOCK", block)
    rng = np.random.default_rng(seed)
    vectors = at_angles(*rng.uniform(0, 360, 60))  # a circle: chains of all lengths
    codes = rng.integers(0, 60, 80)
    shas, vectors = [f"sha{c:03d}" for c in codes], vectors[codes]
    for threshold in (0.9999, 0.999, 0.99):
        rows = table(80, sha=shas, size=rng.integers(1, 4, 80))
        twins = find_twins(rows, vectors, threshold)
        assert twins.schema.equals(TWINS)
        found = groups_of(twins)
        assert {frozenset(group) for group in found} == naive_groups(shas, vectors, threshold)
        assert [len(group) for group in found] == sorted(map(len, found), reverse=True)
        nearest = nearest_cosines(vectors, codes)
        assert find_twins(rows, vectors, threshold, nearest=nearest).equals(twins)
        shuffled = rng.permutation(80)
        again = find_twins(rows.take(shuffled), vectors[shuffled], threshold)
        assert again.equals(twins)


def test_kinds_and_cosines_are_those_to_the_kept_one():
    vectors = at_angles(0, 5, 0, 10, 90, 5)
    rows = table(6, sha=["a", "b", "a", "c", "d", "b"], width=[100, 100, 100, 300, 100, 100])
    twins = find_twins(rows, vectors, np.cos(np.radians(6)))
    assert [row["path"] for row in twins.to_pylist()] == [f"p/00{i}.jpg" for i in (3, 1, 5, 0, 2)]
    assert twins["kind"].to_pylist() == ["kept"] + ["near"] * 4
    assert twins["keep"].to_pylist() == [True] + [False] * 4
    # A chain: the last ones are further from the kept one than the threshold.
    expected = np.cos(np.radians([0, 5, 5, 10, 10]))
    np.testing.assert_allclose(twins["cosine"].to_numpy(), expected, atol=1e-6)

    twins = find_twins(rows.select(TWINS.names[1:-3]), vectors, 1)
    assert groups_of(twins) == [[0, 2], [1, 5]]
    assert twins["kind"].to_pylist() == ["kept", "exact"] * 2
    assert twins["cosine"].to_pylist() == [1.0] * 4


def test_the_largest_is_kept_then_the_heaviest_then_the_first_by_path():
    same = {"sha": [f"s{i}" for i in range(4)], "path": [f"p/{i:03d}" for i in (2, 0, 3, 1)]}
    vectors = at_angles(0, 0, 0, 0)
    for columns, kept in (
        ({}, 0),
        ({"size": [5, 4, 5, 5]}, 1),
        ({"width": [10, 10, 20, 10], "size": [9, 9, 1, 9]}, 3),
        ({"width": [10, 10, 20, 10], "height": [90, 10, 30, 10]}, 2),
        ({"width": [None, None, 1, None], "size": [9, 9, 1, 9]}, 3),
        ({"size": [None, 4, None, None]}, 0),
    ):
        twins = find_twins(table(4, **same | columns), vectors, 0.9)
        assert groups_of(twins)[0][0] == kept


def test_groups_come_by_size_then_by_path():
    vectors = at_angles(0, 40, 0, 80, 80, 40, 80)
    twins = find_twins(table(7), vectors, 0.99)
    assert groups_of(twins) == [[3, 4, 6], [0, 2], [1, 5]]


@pytest.mark.parametrize("n", [0, 1, 2])
def test_a_collection_without_twins(n):
    twins = find_twins(table(n), at_angles(*range(0, 90 * n, 90)), 0.97)
    assert twins.schema.equals(TWINS) and len(twins) == 0
    assert len(leaks(twins)) == len(conflicts(twins)) == 0


def test_thousands_of_copies_are_one_row_that_is_compared():
    n = 20_000
    compared = []
    rows = table(n, sha=["same"] * (n - 2) + ["x", "y"])
    vectors = np.concatenate([np.repeat(at_angles(0), n - 2, axis=0), at_angles(1, 90)])
    twins = find_twins(rows, vectors, 0.99, advance=compared.append)
    assert sum(compared) == 3 and len(twins) == n - 1
    assert twins["kind"].value_counts().to_pylist() == [
        {"values": "kept", "counts": 1},
        {"values": "exact", "counts": n - 3},
        {"values": "near", "counts": 1},
    ]


def test_thousands_of_near_twins_are_one_group():
    rng = np.random.default_rng(0)
    vectors = at_angles(*rng.uniform(0, 1, 3000))
    assert len(find_twins(table(3000), vectors, 0.99)) == 3000


def test_choices_go_before_what_is_suggested():
    twins = find_twins(table(5), at_angles(0, 0, 1, 90, 90), 0.99)
    kept = dict(zip(twins["id"].to_pylist(), twins["keep"].to_pylist(), strict=True))
    assert kept == {"id000": True, "id001": False, "id002": False, "id003": True, "id004": False}
    choices = pa.table(
        [["id002", "id003", "gone"], ["", "", ""], [True, False, True]], schema=CHOICES
    )
    chosen = with_choices(twins, choices)
    assert chosen.schema == TWINS
    assert chosen.drop_columns(["keep"]).equals(twins.drop_columns(["keep"]))
    now = dict(zip(chosen["id"].to_pylist(), chosen["keep"].to_pylist(), strict=True))
    assert now == kept | {"id002": True, "id003": False}
    assert with_choices(twins, CHOICES.empty_table()).equals(twins)


def test_leaks_and_conflicts_are_whole_groups():
    rows = table(
        8,
        split=["train", "test", "train", None, "train", "train", None, None],
        label=["a", "a", "a", "b", "a", None, None, None],
    )
    twins = find_twins(rows, at_angles(0, 0, 40, 40, 80, 80, 120, 120), 0.99)
    assert groups_of(twins) == [[0, 1], [2, 3], [4, 5], [6, 7]]
    assert set(leaks(twins)["group"].to_pylist()) == {1} and len(leaks(twins)) == 2
    assert set(conflicts(twins)["group"].to_pylist()) == {2} and len(conflicts(twins)) == 2


@pytest.mark.parametrize("block", [2, 2048])
def test_shared_images_have_their_best_match(block, monkeypatch):
    monkeypatch.setattr(pairs, "_BLOCK", block)
    rows = table(6, sha=["a", "b", "c", "d", "e", "a"], label=["x"] * 5 + [None])
    others = table(
        7,
        sha=["n1", "a", "n2", "n3", "a", "n4", "n5"],
        path=[f"q/{i}.jpg" for i in (6, 5, 4, 3, 2, 1, 0)],
        label=[f"l{i}" for i in range(7)],
        split=[None, "test"] * 3 + [None],
    )
    vectors = at_angles(0, 20, 40, 60, 80, 0)
    other_vectors = at_angles(0, 0, 21, 22, 0, 41, 41)
    shared = find_shared(rows, vectors, others, other_vectors, np.cos(np.radians(2.5)))
    assert shared.schema.equals(SHARED)
    columns = ["path", "other_path", "other_label", "other_split", "kind"]
    assert [tuple(row[c] for c in columns) for row in shared.to_pylist()] == [
        # the copy, though another one is as near; of two copies, the first by path
        ("p/000.jpg", "q/2.jpg", "l4", None, "exact"),
        ("p/005.jpg", "q/2.jpg", "l4", None, "exact"),
        ("p/001.jpg", "q/4.jpg", "l2", None, "near"),  # the nearer of two
        ("p/002.jpg", "q/0.jpg", "l6", None, "near"),  # the first by path of two
    ]
    expected = np.cos(np.radians([0, 0, 1, 1]))
    np.testing.assert_allclose(shared["cosine"].to_numpy(), expected, atol=1e-6)
    assert find_shared(rows, vectors, others[:0], other_vectors[:0], 0.9).num_rows == 0
    assert find_shared(rows[:0], vectors[:0], others, other_vectors, 0.9).num_rows == 0


@pytest.mark.parametrize("threshold", [0, -1, 1.5, np.nan])
def test_what_is_no_threshold_is_refused(threshold):
    rows, vectors = table(2), at_angles(0, 0)
    with pytest.raises(VeneerError, match="threshold"):
        find_twins(rows, vectors, threshold)
    with pytest.raises(VeneerError, match="threshold"):
        find_shared(rows, vectors, rows, vectors, threshold)


def different(n, seed=0):
    """Nearest cosines of a collection without twins."""
    return 1 - np.exp(np.random.default_rng(seed).normal(np.log(0.15), 0.5, n))


def test_few_images_have_the_usual_threshold():
    for n in (0, 1, 2, 5, 20):
        assert suggest_threshold(different(n)) == USUAL_THRESHOLD
    assert suggest_threshold(np.full(20, np.nan, np.float32)) == USUAL_THRESHOLD


@pytest.mark.parametrize("n", [50, 1000, 50_000])
def test_hardly_any_different_images_are_above_what_is_suggested(n):
    above = [np.sum(different(n, seed) >= suggest_threshold(different(n, seed))) for seed in (1, 2)]
    assert max(above) <= 4


def test_a_suggestion_stays_in_its_bounds():
    many = [np.full(100, c, np.float32) for c in (-1, 0, 0.9, 0.9999, 1)]
    nearer = np.where(np.arange(1000) % 2, 0.999, different(1000))  # half of them are twins
    for nearest in [*many, nearer, np.append(different(200), [np.nan] * 50)]:
        assert LOWEST_THRESHOLD <= suggest_threshold(nearest) <= HIGHEST_THRESHOLD
    assert (suggest_threshold(nearer) <= nearer).sum() == 500


def pixels(data):
    """A photo as a vector: its deviations from its mean at 16 x 16 pixels."""
    small = to_rgb(data).resize((16, 16), Image.Resampling.BOX)
    values = np.asarray(small, np.float32).ravel()
    values -= values.mean()
    return values / np.linalg.norm(values)


def test_twins_of_real_photos():
    folder = PHOTOS / "data/trashnet/images"
    if not folder.is_dir():
        pytest.skip(f"there is no {folder} (VENEER_SHARED)")
    files = sorted(folder.rglob("*.jpg"))
    contents = [file.read_bytes() for file in files]
    smaller = [to_rgb(data).resize((100, 100)) for data in contents[:20]]
    contents += [encode(image, "JPEG", quality=80) for image in smaller]
    rows = table(
        len(contents),
        path=[f"{file.parent.name}/{file.name}" for file in files] + [f"{i}" for i in range(20)],
        label=[file.parent.name for file in files] + [None] * 20,
        sha=[sha_of(data) for data in contents],
        width=[150] * len(files) + [100] * 20,
        height=[150] * len(files) + [100] * 20,
    )
    vectors = np.stack([pixels(data) for data in contents])

    exact = find_twins(rows, vectors, 1)
    assert len(exact) == 6 and exact["kind"].to_pylist() == ["kept", "exact"] * 3
    assert conflicts(exact).equals(exact)  # all three are known to have two labels each

    near = find_twins(rows, vectors, 0.995)
    groups = dict(zip(near["path"].to_pylist(), near["group"].to_pylist(), strict=True))
    copied = rows["path"].to_pylist()[:20]
    assert [path for i, path in enumerate(copied) if groups.get(path) != groups[str(i)]] == []
    assert set(near.filter(near["keep"])["width"].to_pylist()) == {150}
    assert len(near) < 60
