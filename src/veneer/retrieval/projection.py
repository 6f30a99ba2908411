"""Vectors by the few directions in which they differ most, and a sample of them.

What is read is read in blocks, so that the vectors may lie on disk. Equal input gives equal
output.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

_BLOCK = 4096  # rows at a time; 32 MB of double precision at 1,024 dimensions


def project(vectors: np.ndarray, directions: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """The directions in which vectors differ most: their first principal components.

    Exact: the D x D covariance is accumulated in double precision and decomposed [1]_.

    Parameters
    ----------
    vectors : float32 array [n, D]
        Rows of length 1, though any length will do. May be a ``np.memmap``; it is read twice.
    directions : int
        How many, P; those beyond D are empty.

    Returns
    -------
    points : float32 array [n, P]
        Around the mean of the vectors, in their unit. 0 on an axis along which nothing differs.
        The largest loading of each axis is positive.
    shares : float32 array [P]
        Of the variance, that of each axis, falling; all 0 where all rows are equal.

    References
    ----------
    .. [1] Pearson, K. (1901). On lines and planes of closest fit to systems of points in space.
       Philosophical Magazine 2(11).
    """
    n, dimensions = vectors.shape
    points = np.zeros((n, directions), np.float32)
    shares = np.zeros(directions, np.float32)
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
    axes, along = _axes(covariance, directions)
    for start, block in _blocks(vectors, origin + mean):
        points[start : start + len(block), : len(along)] = block @ axes
    shares[: len(along)] = np.clip(along / variance, 0, 1)
    return points, shares


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


def _axes(covariance: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
    """At most so many unit vectors [D, a] along which the variance is largest, and it [a]."""
    from scipy.linalg import eigh

    dimensions = len(covariance)
    last = (max(dimensions - most, 0), dimensions - 1)
    along, axes = eigh(covariance, subset_by_index=last)
    along, axes = along[::-1], axes[:, ::-1]
    largest = np.take_along_axis(axes, np.abs(axes).argmax(axis=0)[None], axis=0)
    return axes * np.sign(largest), along
