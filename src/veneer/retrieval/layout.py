"""Where images lie on a map: those that are alike near each other."""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from veneer.errors import VeneerError
from veneer.origin import rows_digest
from veneer.retrieval.clusters import distinct
from veneer.retrieval.index import Index

Method = Literal["umap", "pca"]

IN_WORDS: dict[Method, str] = {"umap": "by UMAP", "pca": "by two principal components"}

FEWEST = 15
"""Different images that UMAP needs: fewer have no neighbourhoods to be kept."""


@dataclass(frozen=True)
class Layout:
    """Points on a plane.

    Attributes
    ----------
    points : float32 array [n, 2]
    method : str
        What laid them out.
    why : str or None
        Why it was not UMAP, where it might have been.
    """

    points: np.ndarray
    method: Method
    why: str | None = None


def lay_out(
    principal: np.ndarray,
    method: Literal["auto", "umap", "pca"],
    *,
    neighbours: int,
    min_dist: float,
    seed: int,
) -> Layout:
    """Put images on a plane, by UMAP where that is possible, or by principal components.

    Parameters
    ----------
    principal : float32 array [n, P]
        Principal components of the images' vectors, P >= 2; see
        :func:`veneer.retrieval.projection.project`.
    method : str
        ``auto`` takes UMAP where umap-learn is installed.
    neighbours, min_dist, seed
        See :func:`umap_points`.

    Raises
    ------
    VeneerError
        When ``umap`` is asked for and not installed.
    """
    if method == "pca":
        return Layout(principal[:, :2], "pca")
    if not has_umap():
        if method == "umap":
            raise VeneerError(
                "Laying out the map by UMAP (reporting.map.method=umap): umap-learn is not "
                "installed. Install veneer[map], or give reporting.map.method=auto, which takes "
                "principal components then."
            )
        return Layout(principal[:, :2], "pca", "umap-learn is not installed")
    different = distinct(principal, max(FEWEST, neighbours + 1))
    if different < FEWEST:
        why = f"there are fewer than {FEWEST} different images"
        return Layout(principal[:, :2], "pca", why)
    if not np.ptp(principal[:, 1]):  # UMAP divides by the extent of its start
        return Layout(principal[:, :2], "pca", "the images differ in one direction only")
    near = min(neighbours, different - 1)
    return Layout(umap_points(principal, neighbours=near, min_dist=min_dist, seed=seed), "umap")


def has_umap() -> bool:
    """Whether umap-learn is installed."""
    return importlib.util.find_spec("umap") is not None


def umap_points(
    principal: np.ndarray, *, neighbours: int, min_dist: float, seed: int
) -> np.ndarray:
    """Points on a plane whose neighbours are those of many dimensions, as far as that can be.

    UMAP [1]_, on neighbours that are searched for exactly and from a start by the first two
    principal components, which keeps more of what lies where at large [2]_ and is the same each
    time. Distances are Euclidean: between unit vectors they order as the cosine does, and their
    principal components keep them. Cosines of principal components would be angles at the mean.

    Parameters
    ----------
    principal : float32 array [n, P]
        n > ``neighbours``, P >= 2, not all equal along either of the first two.
    neighbours : int
        Of each point, itself counted, at least 2.
    min_dist : float
        How near each other points may come, from 0 to 1.
    seed : int
        With one, UMAP computes on one core, and equal input gives equal points.

    Returns
    -------
    float32 array [n, 2]

    References
    ----------
    .. [1] McInnes, L., Healy, J. and Melville, J. (2018). UMAP: uniform manifold approximation and
       projection for dimension reduction. arXiv:1802.03426.
    .. [2] Kobak, D. and Linderman, G. (2021). Initialization is critical for preserving global
       data structure in both t-SNE and UMAP. Nature Biotechnology 39.
    """
    with warnings.catch_warnings():
        # Of what is not wanted: keras, one core under a seed, new points on an old map.
        warnings.filterwarnings("ignore", module=r"umap\b")
        from umap import UMAP

        model = UMAP(
            n_neighbors=neighbours,
            min_dist=min_dist,
            init=np.ascontiguousarray(principal[:, :2]),
            precomputed_knn=_nearest(principal, neighbours),
            random_state=seed,
            n_jobs=1,
        )
        return model.fit_transform(principal).astype(np.float32)


def map_origin(index: Index) -> dict[str, str]:
    """What a map of this version of the index says it was made from; see :mod:`veneer.origin`."""
    return {"rows": rows_digest(index.table(["id"])), "encoder": index.card.fingerprint}


def told_of_map(card: Mapping) -> str:
    """What is to be seen on a map, without a full stop.

    Parameters
    ----------
    card : mapping
        ``images``, ``mapped`` (how many of them are on the map), ``method``, and ``shares`` of the
        variance.
    """
    among = f"{card['mapped']:,} of " if card["mapped"] < card["images"] else ""
    images = f"{among}{card['images']:,} images {IN_WORDS[card['method']]} of their vectors"
    if card["method"] == "umap":
        return f"{images}: neighbours are alike, distances between groups tell little"
    first, second = (100 * share for share in card["shares"])
    return f"{images}, which have {first:.0f} % and {second:.0f} % of the variance"


def _nearest(points: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The nearest rows of each, itself the first, and their distances: int and float32 [n, count].

    All pairs are compared: faster than UMAP's own search, which is approximate and has to be
    compiled first.
    """
    from sklearn.neighbors import NearestNeighbors

    search = NearestNeighbors(n_neighbors=count - 1, algorithm="brute").fit(points)
    distances, rows = search.kneighbors()  # without the rows themselves
    rows = np.insert(rows, 0, np.arange(len(points)), axis=1)
    return rows, np.insert(distances, 0, 0, axis=1).astype(np.float32)
