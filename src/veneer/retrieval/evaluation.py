"""How good a search is: every row of a labelled collection, and every class in words, is a query.

What carries the query's label is relevant. All candidates are ranked for every query, so that
average precision is that of the whole ranking; only blocks of the products are ever in memory.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from threadpoolctl import threadpool_limits

from veneer.metrics import wilson_interval

KS = (1, 5, 10)

_MOST_BYTES = 2**28  # of products, all threads together
_MOST_QUERIES = 512  # in a block; larger ones are hardly faster
_MAX_THREADS = 8  # more would leave each a block too narrow for BLAS
_STEPS = 2.0**28  # of a cosine of 1, as a whole number
_UNIT = 1e-3  # by which the square of a length may differ from 1
_ROWS = 8192  # whose lengths are looked at together


def evaluate_retrieval(
    rows: pa.Table,
    vectors: np.ndarray,
    class_vectors: Mapping[str, np.ndarray] | None = None,
    *,
    ks: Sequence[int] = KS,
    most_queries: int | None = None,
    seed: int = 0,
    advance: Callable[[int], object] | None = None,
    keep: Callable[[np.ndarray, Rankings], object] | None = None,
) -> dict:
    """Search a labelled collection for the like of each of its rows, and for its classes in words.

    Parameters
    ----------
    rows : pa.Table
        With ``sha`` and ``label``, neither null.
    vectors : float32 array [m, D], rows of length 1
        Of ``rows``, in their order. May be a ``np.memmap``.
    class_vectors : mapping of label to float32 array [D] of length 1, optional
        A text query each. A class that no row has is one of ``n_without_relevant``.
    most_queries, seed : int
        Where there are more rows, as many of them are drawn to be queries; all are candidates.
    ks, advance
        See :func:`rank`; ``advance`` hears of the rows that are queries, and then of the classes.
    keep : callable, optional
        Is given the rows that were queries, int array [n], and their rankings without copies.

    Returns
    -------
    dict
        ``image_to_image``: what :func:`summarise` gives of the rows as queries, each left out of
        its own candidates (``with_copies``), and each left out with all rows of its ``sha``
        (``without_copies``). ``text_to_image``: the same of ``class_vectors``, to which all rows
        are candidates; None without them.

    Raises
    ------
    ValueError
        On nulls, shapes that do not fit, and vectors that are not of length 1.
    """
    if rows["sha"].null_count or rows["label"].null_count:
        raise ValueError("rows without sha or label cannot be evaluated")
    texts = class_vectors or {}
    names = sorted({*pc.unique(rows["label"]).to_pylist(), *texts})
    labels = _numbers(rows["label"], pa.array(names, rows["label"].type))
    shas = _numbers(rows["sha"], pc.unique(rows["sha"]))
    own, queries = np.arange(len(labels)), vectors
    if most_queries is not None and len(own) > most_queries:
        own = np.sort(np.random.default_rng(seed).choice(own, most_queries, replace=False))
        queries = vectors[own]
    with_copies, without_copies = rank(
        queries,
        labels[own],
        vectors,
        labels,
        own=own,
        groups=(shas[own], shas),
        ks=ks,
        advance=advance,
    )
    if keep is not None:
        keep(own, without_copies)
    found: dict = {
        "image_to_image": {
            "with_copies": summarise(with_copies, labels[own], names),
            "without_copies": summarise(without_copies, labels[own], names),
        },
        "text_to_image": None,
    }
    if texts:
        asked = np.array([names.index(name) for name in texts])
        queries = np.stack(list(texts.values()))
        ranked, _ = rank(queries, asked, vectors, labels, ks=ks, advance=advance)
        found["text_to_image"] = summarise(ranked, asked, names)
    return found


def searches(found: Mapping) -> dict[str, Mapping]:
    """What :func:`evaluate_retrieval` gave of each kind of search, by a name for a reader.

    Only of those by which there was anything to find.
    """
    if not found:
        return {}
    by_image = found["image_to_image"]
    named = {
        "by an image": by_image["with_copies"],
        "by an image, its copies left out": by_image["without_copies"],
        "by the name of a class": found["text_to_image"],
    }
    return {name: each for name, each in named.items() if each and each["precision@1"] is not None}


def _numbers(column: pa.ChunkedArray, values: pa.Array) -> np.ndarray:
    return pc.index_in(column, value_set=values).to_numpy()


def rank(
    queries: np.ndarray,
    query_labels: np.ndarray,
    vectors: np.ndarray,
    labels: np.ndarray,
    *,
    own: np.ndarray | None = None,
    groups: tuple[np.ndarray, np.ndarray] | None = None,
    ks: Sequence[int] = KS,
    advance: Callable[[int], object] | None = None,
) -> tuple[Rankings, Rankings]:
    """Rank all candidates for each query by cosine, and say where the relevant ones stand.

    Parameters
    ----------
    queries : float32 array [n, D], rows of length 1
    query_labels : int array [n]
    vectors : float32 array [m, D], rows of length 1
        The candidates. Both may be a ``np.memmap``.
    labels : int array [m]
        Candidates of the query's label are relevant.
    own : int array [n], optional
        Where each query stands among the candidates; it is not a candidate to itself.
    groups : (int array [n], int array [m]), optional
        Numbers that copies share, of queries and candidates. A query's ``own`` is of its group.
    ks : sequence of int, at least 1
    advance : callable, optional
        Is told of so many more queries done, always by the calling thread.

    Returns
    -------
    with_copies, without_copies : Rankings
        The second leaves out all candidates of the query's group; it is the first where there are
        no ``groups``. Both come from one pass over the products.

    Raises
    ------
    ValueError
        On shapes and types that do not fit, vectors that are not of length 1, and ``ks`` below 1.

    Notes
    -----
    Of equal cosines the irrelevant candidates come first, so that ties never flatter: vectors
    that are all the same reach what the worst order would. Cosines are products in single
    precision, rounded to 4e-9. Their last bits can depend on where vectors stand in their
    matrices, so copies of one image may stand a little apart, in either order.

    A query takes ``m * D`` multiplications and, at D = 1024, 0.4 of their time to be ranked
    (see :func:`_ranks`). Each thread does both for its own blocks, with a single-threaded BLAS, so
    that none waits for another.
    """
    _check(queries, query_labels, vectors, labels, ks)
    first = _no_rankings(len(queries), ks)
    second = first if groups is None else _no_rankings(len(queries), ks)
    relevant = _rows_of(query_labels, labels)
    copies = None if groups is None else _rows_of(*groups)
    already_out = 0 if own is None else 1
    n_threads = min(os.cpu_count() or 1, _MAX_THREADS)
    most = _MOST_BYTES // (n_threads * 4 * max(len(vectors), 1))
    size = min(max(most, 1), _MOST_QUERIES, max(-(-len(queries) // n_threads), 1))

    def rank_block(start: int) -> int:
        asked = range(start, min(start + size, len(queries)))
        # The best have the lowest numbers, as a sort wants it; a power of two rounds nothing.
        products = (queries[start : asked.stop] * np.float32(-_STEPS)) @ vectors.T
        keys = np.empty(len(vectors), np.int32)
        for query, row in zip(asked, products, strict=True):
            np.copyto(keys, row, casting="unsafe")
            keys <<= 1
            keys[relevant[query]] |= 1  # the relevant come after their equals
            last = (keys.max(initial=0) | 1) + 1
            if own is not None:
                keys[own[query]] = last
            figures = _figures(_ranks(keys, relevant[query]), first.ks)
            first.put(query, figures)
            if copies is not None:
                if len(copies[query]) > already_out:
                    keys[copies[query]] = last
                    figures = _figures(_ranks(keys, relevant[query]), first.ks)
                second.put(query, figures)
        return len(asked)

    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(n_threads) as pool:
        for done in pool.map(rank_block, range(0, len(queries), size)):
            if advance is not None:
                advance(done)
    return first, second


def _check(
    queries: np.ndarray,
    query_labels: np.ndarray,
    vectors: np.ndarray,
    labels: np.ndarray,
    ks: Sequence[int],
) -> None:
    for what, given, numbers in (
        ("queries", queries, query_labels),
        ("vectors", vectors, labels),
    ):
        if given.ndim != 2 or given.dtype != np.float32 or len(given) != len(numbers):
            raise ValueError(
                f"{what} are {given.dtype} {given.shape} with {len(numbers)} labels, "
                "not float32 with two axes and a label a row"
            )
        for start in range(0, len(given), _ROWS):
            block = given[start : start + _ROWS]
            squares = np.einsum("ij,ij->i", block, block)
            if not np.all(np.abs(squares - 1) <= _UNIT):
                raise ValueError(f"{what} are not all of length 1")
    if queries.shape[1] != vectors.shape[1]:
        raise ValueError(
            f"queries are of {queries.shape[1]}, vectors of {vectors.shape[1]} numbers"
        )
    if min(ks, default=0) < 1:
        raise ValueError(f"ks must be at least 1, not {list(ks)}")


def _rows_of(asked: np.ndarray, numbers: np.ndarray) -> list[np.ndarray]:
    """Where each of ``asked`` stands among ``numbers``: an int array each."""
    order = np.argsort(numbers, kind="stable")
    ordered = np.asarray(numbers)[order]
    ends = zip(ordered.searchsorted(asked), ordered.searchsorted(asked, "right"), strict=True)
    return [order[start:end] for start, end in ends]


def _ranks(keys: np.ndarray, relevant: np.ndarray) -> np.ndarray:
    """Ranks from 0 of the odd keys, rising, were all keys sorted.

    Parameters
    ----------
    keys : int32 array [m], of a range below 2**31
    relevant : int array
        Where the odd ones stand; others among them do no harm.

    Returns
    -------
    int64 array

    Notes
    -----
    The keys fall into about as many ranges of equal width as there are keys; those in a range
    without a relevant one are counted, and only the others sorted. A sort of all takes as long as
    this where numpy has AVX2, and three times as long with AVX-512 on Zen 4.
    """
    if not len(relevant):
        return np.empty(0, np.int64)
    lowest, highest = int(keys.min()), int(keys.max())
    shift = max((highest - lowest).bit_length() - len(keys).bit_length(), 0)
    ranges = ((keys - lowest) >> shift).astype(np.intp)
    counts = np.bincount(ranges)
    near = np.zeros(len(counts), bool)
    near[ranges[relevant]] = True
    close = np.sort(keys[near[ranges]])
    counts *= ~near
    places = np.flatnonzero((close & 1).astype(bool))
    return places + counts.cumsum()[(close[places] - lowest) >> shift]


def _figures(ranks: np.ndarray, ks: np.ndarray) -> tuple:
    """Relevant among all, relevant among the first k, average precision at k and over all."""
    n = len(ranks)
    hits = ranks.searchsorted(ks)
    sums = np.zeros(n + 1)
    np.cumsum(np.arange(1, n + 1) / (ranks + 1), out=sums[1:])
    return n, hits, sums[hits] / np.minimum(ks, max(n, 1)), sums[n] / max(n, 1)


def _no_rankings(n: int, ks: Sequence[int]) -> Rankings:
    shape = (n, len(ks))
    return Rankings(
        np.array(ks), np.zeros(n, np.int64), np.zeros(shape, np.int64), np.zeros(shape), np.zeros(n)
    )


def summarise(rankings: Rankings, query_labels: np.ndarray, names: Sequence[str]) -> dict:
    """Mean figures over the queries, with how sure they are, and per class.

    Parameters
    ----------
    rankings : Rankings
    query_labels : int array [n]
        The class of each query, as a place in ``names``.
    names : sequence of str

    Returns
    -------
    dict
        ``n_queries``; of these ``n_without_relevant``, to which no candidate is relevant: they
        cannot hit and are left out of all means. Then the means over the others, each with an
        ``*_interval_95`` beside it (see :func:`mean_interval`), and ``per_class``: ``n_queries``
        and the same means over the queries of each class that asks. All are None where no query
        has anything to find.

        - ``precision@k``: relevant among the first k, of k; also where there are fewer candidates.
        - ``recall@k``: relevant among the first k, of all relevant.
        - ``accuracy@k``: share of queries with anything relevant among the first k, the "retrieval
          accuracy" of product search, elsewhere hit rate or success.
        - ``map@k``: mean of the average precision at k, the sum of precision@i over the relevant
          ranks i <= k, of k or of all relevant where these are fewer.
        - ``mean_average_precision``: the same over the whole ranking (Manning, Raghavan and
          Schütze, Introduction to Information Retrieval, 2008, 8.4).
    """
    query_labels = np.asarray(query_labels)
    answerable = rankings.relevant > 0
    values = {name: each[answerable] for name, each in values_of(rankings).items()}
    report: dict = {
        "n_queries": len(answerable),
        "n_without_relevant": int(np.sum(~answerable)),
    }
    for name, each in values.items():
        report[name] = float(each.mean()) if len(each) else None
        report[f"{name}_interval_95"] = list(mean_interval(each)) if len(each) else None
    asked = np.bincount(query_labels, minlength=len(names))
    counted = np.bincount(query_labels[answerable], minlength=len(names))
    means = {
        name: np.bincount(query_labels[answerable], each, len(names)) / np.maximum(counted, 1)
        for name, each in values.items()
    }
    report["per_class"] = {
        names[c]: {
            "n_queries": int(asked[c]),
            **{name: float(mean[c]) if counted[c] else None for name, mean in means.items()},
        }
        for c in np.flatnonzero(asked)
    }
    return report


def values_of(rankings: Rankings) -> dict[str, np.ndarray]:
    """The figures of each query: their name to float64 array [n]."""
    values = {}
    for column, k in enumerate(rankings.ks.tolist()):
        hits = rankings.hits[:, column]
        values[f"precision@{k}"] = hits / k
        values[f"recall@{k}"] = hits / np.maximum(rankings.relevant, 1)
        values[f"accuracy@{k}"] = (hits > 0).astype(np.float64)
        values[f"map@{k}"] = rankings.average_precision_at[:, column]
    return values | {"mean_average_precision": rankings.average_precision}


def mean_interval(values: np.ndarray) -> tuple[float, float]:
    """95 % interval of a mean over queries, each from 0 to 1.

    Student's, cut at 0 and 1, or Wilson's where all values are 0 or 1. Both take the queries for
    independent draws of those that could be asked of *these* candidates. Queries that are much
    alike (photographs of one object) make it too narrow, and it says nothing of other candidates.

    Parameters
    ----------
    values : float array [n], n >= 1
    """
    from scipy.special import stdtrit

    n = len(values)
    if np.all((values == 0) | (values == 1)):
        return wilson_interval(int(values.sum()), n)
    if n == 1:
        return (0.0, 1.0)
    mean = float(values.mean())
    half = float(stdtrit(n - 1, 0.975) * values.std(ddof=1)) / math.sqrt(n)
    return (max(0.0, mean - half), min(1.0, mean + half))


@dataclass(frozen=True)
class Rankings:
    """Where the relevant candidates stand for each of n queries.

    Attributes
    ----------
    ks : int array [K]
    relevant : int64 array [n]
        How many there are among all candidates.
    hits : int64 array [n, K]
        How many there are among the first k.
    average_precision_at : float64 array [n, K]
    average_precision : float64 array [n]
        Over the whole ranking. Both are 0 where nothing is relevant.
    """

    ks: np.ndarray
    relevant: np.ndarray
    hits: np.ndarray
    average_precision_at: np.ndarray
    average_precision: np.ndarray

    def put(self, query: int, figures: tuple) -> None:
        """Set what is known of one query."""
        (
            self.relevant[query],
            self.hits[query],
            self.average_precision_at[query],
            self.average_precision[query],
        ) = figures
