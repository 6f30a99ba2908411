"""How much alike the nearest images are, by one label or several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from veneer.retrieval.evaluation import Rankings, mean_interval, rank, values_of
from veneer.statistics import paired_difference

ALL = "all labels"
"""Relevance where all labels have to agree."""


def rankings(
    vectors: np.ndarray,
    labels: Mapping[str, np.ndarray],
    queries: np.ndarray,
    copies: np.ndarray,
    ks: Sequence[int] = (5,),
) -> dict[str, Rankings]:
    """Rank all images for some of them, by each label, and by all of them where there are several.

    Parameters
    ----------
    vectors : float32 array [n, D], rows of length 1
    labels : mapping of name to str array [n]
    queries : int array [q]
        Rows that are searched for; with their copies left out.
    copies : int array [n]
        Numbers that copies share.
    """
    codes = {name: np.unique(each, return_inverse=True)[1] for name, each in labels.items()}
    if len(codes) > 1:
        together = np.unique(np.stack(list(codes.values())), axis=1, return_inverse=True)[1]
        codes[ALL] = together.reshape(-1)
    asked = vectors[queries]
    return {
        name: rank(
            asked,
            each[queries],
            vectors,
            each,
            own=queries,
            groups=(copies[queries], copies),
            ks=ks,
        )[1]
        for name, each in codes.items()
    }


def shared(found: Mapping[str, Rankings], column: int = 0) -> np.ndarray:
    """Share of labels that a query and its first k have in common, mean over the k: array [q].

    With one label this is precision@k.
    """
    each = [found[name].hits[:, column] / found[name].ks[column] for name in found if name != ALL]
    return np.mean(each, axis=0)


def figures(before: Mapping[str, Rankings], after: Mapping[str, Rankings]) -> dict:
    """Figures of the same queries under two encoders.

    Parameters
    ----------
    before, after : of :func:`rankings`

    Returns
    -------
    dict
        By label: ``before``, ``after`` and ``gain`` of ``precision@k``, ``recall@k``,
        ``accuracy@k``, ``mean_average_precision``, each a mean over the queries to which something
        is relevant, and its 95 % interval; the gain's is of the differences query by query.
        Besides, under ``likeness``, those of :func:`shared`.
    """
    found = {name: _compared(before[name], after[name]) for name in before}
    k = next(iter(before.values())).ks[0]
    found["likeness"] = {f"likeness@{k}": _figure(shared(before), shared(after))}
    return found


def _compared(before: Rankings, after: Rankings) -> dict:
    answerable = before.relevant > 0
    result: dict = {"n_queries": len(answerable), "n_without_relevant": int(np.sum(~answerable))}
    old, new = values_of(before), values_of(after)
    for name in old:
        result[name] = _figure(old[name][answerable], new[name][answerable])
    return result


def _figure(before: np.ndarray, after: np.ndarray) -> dict:
    if not len(before):
        return {"before": None, "after": None, "gain": None}
    gain, low, high = paired_difference(after, before)
    return {
        "before": float(before.mean()),
        "before_interval_95": list(mean_interval(before)),
        "after": float(after.mean()),
        "after_interval_95": list(mean_interval(after)),
        "gain": gain,
        "gain_interval_95": [low, high],
    }
