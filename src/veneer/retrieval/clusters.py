"""Images that lie together, found without their labels.

Clusters are numbered from 1, the largest first. Equal input gives equal output.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

FEWEST, MOST = 2, 20
"""Clusters that are looked for where nobody says how many: as many as a map has colours for."""

_BATCH = 4096
_DENSE = 10  # neighbours by which HDBSCAN tells how dense it is around an image


def usual_count(n: int, classes: int) -> int:
    """How many clusters are looked for where nobody says.

    As many as there are classes, so that the two can be compared; without classes, the square root
    of half the images [1]_. Never fewer than :data:`FEWEST` or more than :data:`MOST`.

    Parameters
    ----------
    n : int
        Images.
    classes : int
        Different labels; 0 where there are none.

    References
    ----------
    .. [1] Mardia, K. V., Kent, J. T. and Bibby, J. M. (1979). Multivariate Analysis, 13.3.
    """
    wanted = classes or round((n / 2) ** 0.5)
    return min(max(wanted, FEWEST), MOST)


def k_means(points: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Put every point into one of so many clusters.

    On mini-batches [1]_ from the best of five starts by k-means++ [2]_.

    Parameters
    ----------
    points : float32 array [n, P]
        Vectors, or their principal components. Of unit vectors the Euclidean distance orders as
        the cosine does.
    count : int
        At least 1; cut to the number of distinct rows.
    seed : int

    Returns
    -------
    int64 array [n]
        Number of each point's cluster.

    Raises
    ------
    ValueError
        When ``count`` is below 1.

    References
    ----------
    .. [1] Sculley, D. (2010). Web-scale k-means clustering. WWW.
    .. [2] Arthur, D. and Vassilvitskii, S. (2007). k-means++: the advantages of careful seeding.
       SODA.
    """
    if count < 1:
        raise ValueError(f"{count} clusters, and at least 1 is needed")
    count = distinct(points, count)
    if count < 2:
        return np.ones(len(points), np.int64)
    from sklearn.cluster import MiniBatchKMeans

    # Not KMeans: it copies the points, and its sums depend on the order in which threads end.
    model = MiniBatchKMeans(count, batch_size=_BATCH, n_init=5, random_state=seed)
    return _by_size(model.fit(points).labels_)


def dense_clusters(points: np.ndarray, least: int) -> np.ndarray:
    """Put points into clusters that are denser than what is around them, by HDBSCAN.

    Campello et al. [1]_. Points of few dimensions, as of a map: among fifty principal components
    two images of three are in no cluster.

    Parameters
    ----------
    points : float array [n, P]
    least : int
        Points of the smallest cluster, at least 2.

    Returns
    -------
    int64 array [n]
        Number of each point's cluster; 0 where it is in none.

    References
    ----------
    .. [1] Campello, R., Moulavi, D. and Sander, J. (2013). Density-based clustering based on
       hierarchical density estimates. PAKDD.
    """
    if distinct(points, least) < least:
        return np.zeros(len(points), np.int64)
    from sklearn.cluster import HDBSCAN

    around = min(_DENSE, least)
    model = HDBSCAN(min_cluster_size=least, min_samples=around, copy=True)
    return _by_size(model.fit(points).labels_)


def usual_least(n: int) -> int:
    """Images of the smallest dense cluster where nobody says: a hundredth of all, at least 5."""
    return max(n // 100, 5)


def to_middle(points: np.ndarray, clusters: np.ndarray) -> np.ndarray:
    """Distance of each point to the mean of its cluster.

    Parameters
    ----------
    points : float array [n, P]
    clusters : int array [n]

    Returns
    -------
    float32 array [n]
        Euclidean.
    """
    found = np.zeros(len(points), np.float32)
    for number in np.unique(clusters):
        own = np.flatnonzero(clusters == number)
        middle = points[own].mean(axis=0, dtype=np.float64)
        found[own] = np.linalg.norm(points[own] - middle, axis=1)
    return found


def agreement(labels: Sequence[str | None], clusters: np.ndarray) -> float | None:
    """Normalised mutual information of labels and clusters [1]_, by the arithmetic mean.

    Parameters
    ----------
    labels : sequence of str or None [n]
        Rows without one do not count.
    clusters : int array [n]
        What is in no cluster (0) counts as a cluster of its own.

    Returns
    -------
    float or None
        From 0, where clusters tell nothing of labels, to 1, where the ones are the others. None
        where fewer than two labels are there.

    References
    ----------
    .. [1] Strehl, A. and Ghosh, J. (2002). Cluster ensembles. JMLR 3.
    """
    from sklearn.metrics import normalized_mutual_info_score

    labelled = [place for place, label in enumerate(labels) if label is not None]
    names = [labels[place] for place in labelled]
    if len(set(names)) < 2:
        return None
    return float(normalized_mutual_info_score(names, clusters[labelled]))


def distinct(points: np.ndarray, most: int) -> int:
    """How many different rows there are; no more than ``most`` are counted."""
    seen: set[bytes] = set()
    for row in points:
        seen.add(row.tobytes())
        if len(seen) == most:
            break
    return len(seen)


def _by_size(found: np.ndarray) -> np.ndarray:
    """Numbers from 1, the largest cluster first; 0 for what is in none, which is -1 before."""
    sizes = np.bincount(found[found >= 0])
    rank = np.argsort(np.argsort(-sizes, kind="stable"), kind="stable")
    return np.where(found < 0, 0, np.append(rank, -1)[found] + 1)
