"""Maps by UMAP, and where they are of principal components instead."""

import numpy as np
import pytest

from veneer.errors import VeneerError
from veneer.retrieval import layout
from veneer.retrieval.layout import lay_out, told_of_map
from veneer.retrieval.projection import project

OPTIONS = {"neighbours": 15, "min_dist": 0.1, "seed": 0}


def principal(n, copies=1, groups=3, seed=0):
    """Principal components of vectors in groups, each so many times."""
    rng = np.random.default_rng(seed)
    rows = np.eye(groups, 24)[np.arange(n) % groups] + 0.1 * rng.standard_normal((n, 24))
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return project(np.repeat(rows, copies, axis=0), 10)[0]


@pytest.fixture
def umap():
    pytest.importorskip("umap", reason="needs umap-learn: pip install 'veneer[map]'")


def test_umap_keeps_groups_together_and_gives_the_same_again(umap, recwarn):
    rows = principal(150)
    made = lay_out(rows, "auto", **OPTIONS)
    assert (made.method, made.why) == ("umap", None)
    assert made.points.shape == (150, 2) and made.points.dtype == np.float32
    distances = np.linalg.norm(made.points[:, None] - made.points, axis=2)
    np.fill_diagonal(distances, np.inf)
    assert (distances.argmin(axis=1) % 3 == np.arange(150) % 3).mean() > 0.98
    np.testing.assert_array_equal(lay_out(rows, "umap", **OPTIONS).points, made.points)
    assert not [each for each in recwarn if "umap" in str(each.filename)]


def test_copies_and_few_images_have_places(umap):
    for rows in (principal(15), principal(20, copies=12), principal(30, groups=2)[:, :2]):
        made = lay_out(rows, "auto", **OPTIONS)
        assert made.method == "umap" and np.isfinite(made.points).all()


@pytest.mark.parametrize("n", [0, 1, 2, 14])
def test_too_few_images_lie_by_principal_components(umap, n):
    for copies in (1, 30):
        rows = principal(n, copies)
        made = lay_out(rows, "umap", **OPTIONS)
        assert made.method == "pca" and "fewer than 15" in made.why
        np.testing.assert_array_equal(made.points, rows[:, :2])


def test_one_direction_is_no_plane_for_umap(umap):
    rows = np.zeros((40, 5), np.float32)
    rows[:, 0] = np.arange(40)
    made = lay_out(rows, "auto", **OPTIONS)
    assert made.method == "pca" and "one direction" in made.why


def test_pca_is_taken_where_it_is_asked_for_or_there_is_nothing_else(monkeypatch):
    rows = principal(40)
    assert lay_out(rows, "pca", **OPTIONS).why is None
    monkeypatch.setattr(layout, "has_umap", lambda: False)
    made = lay_out(rows, "auto", **OPTIONS)
    assert (made.method, made.why) == ("pca", "umap-learn is not installed")
    with pytest.raises(VeneerError, match=r"veneer\[map\].*method=auto"):
        lay_out(rows, "umap", **OPTIONS)


def test_what_is_told_of_a_map():
    card = {"images": 2000, "mapped": 2000, "method": "umap", "shares": [0.1, 0.05]}
    assert told_of_map(card).startswith("2,000 images by UMAP of their vectors: neighbours")
    sampled = card | {"mapped": 500, "method": "pca"}
    assert told_of_map(sampled) == (
        "500 of 2,000 images by two principal components of their vectors, "
        "which have 10 % and 5 % of the variance"
    )
