"""Every pair of vectors that is near enough, by products of one block with another.

Rows are compared 2,048 with 2,048 at a time: of a collection with itself only the blocks on and
above the diagonal. What is in memory is the vectors, one block of products (16 MB) and the pairs
of a strip of it, whether no pair is near or all are. Nothing is approximated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from veneer.errors import VeneerError

Pairs = tuple[np.ndarray, np.ndarray, np.ndarray]
Advance = Callable[[int], object]

# Large enough for a product at full speed, small enough to stay in the cache while it is searched.
_BLOCK = 2048
_STRIP = 1 << 20  # pairs that are yielded together at the most
_CHUNK = 1 << 22  # numbers of double precision at a time


def require_threshold(threshold: float) -> None:
    """Raise a :class:`VeneerError` unless ``threshold`` is above 0 and at most 1."""
    if not 0 < threshold <= 1:
        raise VeneerError(
            f"Looking for images that are nearly the same: the threshold is {threshold}, and a "
            "cosine above 0 and of at most 1 is needed; 0.97 is a usual one."
        )


def count_pairs(n: int, others: int | None = None) -> int:
    """How many pairs ``advance`` is told of: of ``n`` rows, or of ``n`` with ``others``."""
    return n * (n - 1) // 2 if others is None else n * others


def pairs_above(
    vectors: np.ndarray,
    threshold: float,
    others: np.ndarray | None = None,
    *,
    advance: Advance | None = None,
) -> Iterator[Pairs]:
    """Pairs of rows whose cosine is at least ``threshold``.

    Parameters
    ----------
    vectors : float32 array [n, D], rows of length 1
        May be a ``np.memmap``.
    threshold : float
        Above 0, at most 1. At 1 only rows that are equal but for rounding are found.
    others : float32 array [m, D], rows of length 1, optional
        What to compare with; by default ``vectors`` with themselves.
    advance : callable, optional
        Told of how many pairs have been compared since; see :func:`count_pairs`.

    Yields
    ------
    i, j : int64 arrays [p]
        Rows of ``vectors``, and of ``others``; each pair once, within one collection i < j. In
        rising order of i within what is yielded together, which is never more than a million
        pairs.
    cosine : float32 array [p]
        As the block's product has it; the last digits depend on where the rows stand.

    Raises
    ------
    VeneerError
        When the threshold is not one.
    ValueError
        When a row is not of length 1, or the dimensions differ.
    """
    require_threshold(threshold)
    lengths = _lengths(vectors)
    other_lengths = lengths if others is None else _lengths(others)
    # The bound of rounding of a dot product (Higham 2002, 3.1), and a margin for the lengths.
    # Within it the decision is left to double precision, so that it is the same in any block.
    doubt = (vectors.shape[1] + 8) * np.finfo(np.float32).eps
    for row, column, products in _products(vectors, others, advance):
        diagonal = others is None and row == column
        hits = np.flatnonzero(products.max(axis=1) >= threshold - doubt)
        step = max(_STRIP // products.shape[1], 1)
        for strip in (hits[start : start + step] for start in range(0, len(hits), step)):
            near = products[strip] >= threshold - doubt
            if diagonal:
                near &= np.arange(near.shape[1]) > strip[:, None]
            i, j = np.nonzero(near)
            cosine = products[strip[i], j]
            i, j = strip[i] + row, j + column
            unsure = np.flatnonzero(cosine < threshold + doubt)
            if len(unsure):
                cosine[unsure] = cosines(
                    vectors,
                    vectors if others is None else others,
                    i[unsure],
                    j[unsure],
                    (lengths, other_lengths),
                )
                sure = cosine >= np.float32(threshold)
                i, j, cosine = i[sure], j[sure], cosine[sure]
            if len(i):
                yield i, j, np.minimum(cosine, 1)


def nearest_cosines(
    vectors: np.ndarray, groups: np.ndarray, *, advance: Advance | None = None
) -> np.ndarray:
    """How near each row is to the nearest row of another group.

    Parameters
    ----------
    vectors : float32 array [n, D], rows of length 1
        May be a ``np.memmap``.
    groups : int array [n]
        Codes of what is not to be compared with itself: of ``sha``, so that byte-identical
        copies are set aside.
    advance : callable, optional
        As in :func:`pairs_above`.

    Returns
    -------
    float32 array [n]
        Largest cosines; NaN where there is no other group.

    Raises
    ------
    ValueError
        When a row is not of length 1.
    """
    _lengths(vectors)
    _, groups, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    best = np.full(len(vectors), -np.inf, np.float32)
    for row, column, products in _products(vectors, None, advance):
        rows, columns = (
            slice(start, start + size)
            for start, size in zip((row, column), products.shape, strict=True)
        )
        if row == column:
            np.fill_diagonal(products, -np.inf)
        shared = np.intersect1d(groups[rows], groups[columns])
        for group in shared[sizes[shared] > 1]:
            same = np.ix_(groups[rows] == group, groups[columns] == group)
            products[same] = -np.inf
        np.maximum(best[rows], products.max(axis=1), out=best[rows])
        np.maximum(best[columns], products.max(axis=0), out=best[columns])
    return np.where(np.isfinite(best), np.clip(best, -1, 1), np.float32(np.nan))


def cosines(
    vectors: np.ndarray,
    others: np.ndarray,
    i: np.ndarray,
    j: np.ndarray,
    lengths: tuple[np.ndarray, np.ndarray] | None = None,
) -> np.ndarray:
    """Cosines of pairs in double precision, rounded: the same wherever the rows stand.

    Parameters
    ----------
    vectors, others : float32 arrays [n, D] and [m, D]
    i, j : int arrays [p]
        Rows of ``vectors`` and of ``others``.
    lengths : float64 arrays [n] and [m], optional
        Of the rows, where they are known. Rounded to float32, a row is not quite of length 1.

    Returns
    -------
    float32 array [p]
        Exactly 1 for equal rows.
    """
    found = np.empty(len(i), np.float32)
    step = max(_CHUNK // max(vectors.shape[1], 1), 1)
    for start in range(0, len(i), step):
        part = slice(start, start + step)
        a, b = vectors[i[part]].astype(np.float64), others[j[part]].astype(np.float64)
        dots = np.einsum("pd,pd->p", a, b)
        scales = (
            (np.linalg.norm(a, axis=1), np.linalg.norm(b, axis=1))
            if lengths is None
            else (lengths[0][i[part]], lengths[1][j[part]])
        )
        found[part] = dots / (scales[0] * scales[1])
    return found


def _products(
    vectors: np.ndarray, others: np.ndarray | None, advance: Advance | None
) -> Iterator[tuple[int, int, np.ndarray]]:
    """First row, first column and products of each block; the array is used again for the next."""
    columns = vectors if others is None else others
    memory = np.empty(min(_BLOCK, len(vectors)) * min(_BLOCK, len(columns)), np.float32)
    for row in range(0, len(vectors), _BLOCK):
        a = np.asarray(vectors[row : row + _BLOCK])
        for column in range(row if others is None else 0, len(columns), _BLOCK):
            b = np.asarray(columns[column : column + _BLOCK])
            products = memory[: len(a) * len(b)].reshape(len(a), len(b))
            np.matmul(a, b.T, out=products)
            yield row, column, products
            if advance is not None:
                within = others is None and row == column
                advance(count_pairs(len(a)) if within else len(a) * len(b))


def _lengths(vectors: np.ndarray) -> np.ndarray:
    """Lengths of the rows, float64 [n]; ValueError where they are not 1, or not numbers."""
    lengths = np.empty(len(vectors))
    for start in range(0, len(vectors), _BLOCK):
        block = np.asarray(vectors[start : start + _BLOCK]).astype(np.float64)
        lengths[start : start + _BLOCK] = np.linalg.norm(block, axis=1)
    wrong = np.flatnonzero(~(np.abs(lengths - 1) < 1e-3))
    if len(wrong):
        raise ValueError(f"row {wrong[0]} has length {lengths[wrong[0]]:.4g}, and needs length 1")
    return lengths
