"""A collection at a glance: vectors on a plane, in groups, and a sample of them.

What is read is read in blocks, so that the vectors may lie on disk. Equal input gives equal
output.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

_BLOCK = 4096  # rows at a time; 32 MB of double precision at 1,024 dimensions


def project(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The two directions in which vectors differ most: their first principal components.

    Exact: the D x D covariance is accumulated in double precision and decomposed [1]_.

    Parameters
    ----------
    vectors : float32 array [n, D]
        Rows of length 1, though any length will do. May be a ``np.memmap``; it is read twice.

    Returns
    -------
    points : float32 array [n, 2]
        Around the mean of the vectors, in their unit. 0 on an axis along which nothing differs.
        The largest loading of each axis is positive.
    shares : float32 array [2]
        Of the variance, that of each axis; both 0 where all rows are equal.

    References
    ----------
    .. [1] Pearson, K. (1901). On lines and planes of closest fit to systems of points in space.
       Philosophical Magazine 2(11).
    """
    n, dimensions = vectors.shape
    points, shares = np.zeros((n, 2), np.float32), np.zeros(2, np.float32)
    if n == 0:
        return points, shares
    # Differences to a row instead of the mean: one pass, and exactly 0 where all rows are equal.
    origin = np.asarray(vectors[0], np.float64)
    mean, covariance = np.zeros(dimensions), np.zeros((dimensions, dimensions))
    for _, block in _blocks(vectors, origin):
        mean += block.sum(axis=0)
        covariance += block.T @ block
    mean /= n
    covariance = covariance / n - np.outer(mean, mean)
    variance = np.trace(covariance)
    if not variance > 0:
        return points, shares
    axes, along = _axes(covariance)
    for start, block in _blocks(vectors, origin + mean):
        points[start : start + len(block), : len(along)] = block @ axes
    shares[: len(along)] = np.clip(along / variance, 0, 1)
    return points, shares


def clusters(vectors: np.ndarray, k: int, seed: int) -> np.ndarray:
    """Groups of vectors that are near each other, by k-means.

    On mini-batches [1]_ from a start by k-means++ [2]_. Of unit vectors the Euclidean distance
    orders as the cosine does.

    Parameters
    ----------
    vectors : float32 array [n, D]
        May be a ``np.memmap``.
    k : int
        Groups, at least 1; cut to the number of distinct rows.
    seed : int

    Returns
    -------
    int64 array [n]
        Group of each row; 0 is the largest.

    References
    ----------
    .. [1] Sculley, D. (2010). Web-scale k-means clustering. WWW.
    .. [2] Arthur, D. and Vassilvitskii, S. (2007). k-means++: the advantages of careful seeding.
       SODA.
    """
    if k < 1:
        raise ValueError(f"{k} clusters, and at least 1 is needed")
    k = _distinct(vectors, k)
    if k < 2:
        return np.zeros(len(vectors), np.int64)
    from sklearn.cluster import MiniBatchKMeans

    # Not KMeans: it copies the vectors, and its sums depend on the order in which threads end.
    model = MiniBatchKMeans(k, batch_size=_BLOCK, n_init=5, random_state=seed)
    found = model.fit(vectors).labels_
    by_size = np.argsort(-np.bincount(found, minlength=k), kind="stable")
    return np.argsort(by_size)[found]


def drawn(n: int, most: int, seed: int) -> np.ndarray:
    """Row numbers of a sample without replacement.

    Parameters
    ----------
    n : int
        Rows there are.
    most : int
        Rows wanted at the most.
    seed : int

    Returns
    -------
    int64 array [min(n, most)]
        In rising order.
    """
    if n <= most:
        return np.arange(n)
    return np.sort(np.random.default_rng(seed).choice(n, most, replace=False, shuffle=False))


def _blocks(vectors: np.ndarray, origin: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """First row and differences to ``origin``, float64 [b, D], of each block."""
    for start in range(0, len(vectors), _BLOCK):
        yield start, vectors[start : start + _BLOCK] - origin


def _axes(covariance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """At most two unit vectors [D, a] along which the variance is largest, and it [a]."""
    from scipy.linalg import eigh

    dimensions = len(covariance)
    last = (max(dimensions - 2, 0), dimensions - 1)
    along, axes = eigh(covariance, subset_by_index=last)
    along, axes = along[::-1], axes[:, ::-1]
    largest = np.take_along_axis(axes, np.abs(axes).argmax(axis=0)[None], axis=0)
    return axes * np.sign(largest), along


def _distinct(vectors: np.ndarray, most: int) -> int:
    """How many different rows there are; no more than ``most`` are counted."""
    seen: set[bytes] = set()
    for row in vectors:
        seen.add(row.tobytes())
        if len(seen) == most:
            break
    return len(seen)
