"""Which of several encoders is the better one, on one collection and over several.

Every figure here is a mean over rows: over the images that searched for their like, or over the
validation images that a head was shown. Two encoders are compared on the same rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from veneer.retrieval.evaluation import mean_interval
from veneer.statistics import mean_difference, paired_difference

RETRIEVAL = {
    "precision@5": "precision@5",
    "recall@5": "recall@5",
    "accuracy@5": "accuracy@5",
    "map": "average_precision",
}
"""Figures of a search by an image, and the column of a query that each is the mean of."""

TITLES = {
    "precision@5": "P@5",
    "recall@5": "R@5",
    "map": "mAP",
    "svc": "linear probe",
    "zero_shot": "zero-shot",
}
"""What figures are called for a reader, where it is not their own name."""

Values = Mapping[str, pa.Table]
"""The rows that each figure of one encoder is the mean of: tables of ``id`` and ``value``."""


def values_of(
    retrieval_queries: pa.Table, predictions: pa.Table, heads: Sequence[str]
) -> dict[str, pa.Table]:
    """The rows that the figures of one encoder on one collection are made of.

    Parameters
    ----------
    retrieval_queries : Table of schema :data:`veneer.schema.RETRIEVAL_QUERIES`
    predictions : Table of schema :data:`veneer.schema.PREDICTIONS`
        Those of the validation rows count.
    heads : sequence of str

    Returns
    -------
    dict of Table (id string, value float64)
        By name of the figure: a key of :data:`RETRIEVAL`, or a head, whose value is 1 where it is
        right. Figures without a row are left out.
    """
    found = {
        name: pa.table({"id": retrieval_queries["id"], "value": retrieval_queries[column]})
        for name, column in RETRIEVAL.items()
    }
    for head in heads:
        shown = pc.equal(predictions["split"], "validation")
        rows = predictions.filter(pc.and_(shown, pc.equal(predictions["head"], head)))
        right = pc.cast(pc.equal(rows["label"], rows["predicted"]), pa.float64())
        found[head] = pa.table({"id": rows["id"], "value": right})
    return {name: table for name, table in found.items() if len(table)}


def figure(rows: pa.Table) -> dict:
    """Mean ``value`` of some rows, its ``interval_95`` and their number ``n``."""
    values = rows["value"].to_numpy()
    low, high = mean_interval(values)
    return {"value": float(values.mean()), "interval_95": [low, high], "n": len(values)}


def difference(a: pa.Table, b: pa.Table) -> tuple[float, float, float]:
    """Mean of a less that of b over the rows that both have, with its 95 % interval.

    Raises
    ------
    ValueError
        When they have none in common.
    """
    both = a.join(b, "id", join_type="inner", right_suffix=" of b")
    if not len(both):
        raise ValueError("the two have no row in common")
    return paired_difference(both["value"].to_numpy(), both["value of b"].to_numpy())


def winner(values: Mapping[str, Values], by: str) -> dict | None:
    """The best of several encoders on one collection.

    Parameters
    ----------
    values : mapping of encoder to what :func:`values_of` gives
    by : str
        Name of the figure that decides.

    Returns
    -------
    dict or None
        See :func:`overall_winner`; None where no encoder has that figure.
    """
    return overall_winner({"": values}, by)


def overall_winner(collections: Mapping[str, Mapping[str, Values]], by: str) -> dict | None:
    """The best of several encoders over several collections, each of which counts the same.

    Parameters
    ----------
    collections : mapping of collection to mapping of encoder to what :func:`values_of` gives
    by : str

    Returns
    -------
    dict or None
        ``encoder``, ``by``, ``value`` (its mean over the collections); ``ranking``, the value of
        each encoder that has the figure on every collection where any has it, the best first; and
        ``against``, for each but the winner, the ``difference`` to it on the same rows, its
        ``interval_95``, and whether that leaves out zero (``beyond_chance``). None where there is
        no such encoder.
    """
    having = {
        collection: {name: each[by] for name, each in encoders.items() if by in each}
        for collection, encoders in collections.items()
    }
    having = {collection: encoders for collection, encoders in having.items() if encoders}
    first = next(iter(having.values()), {})
    everywhere = [name for name in first if all(name in each for each in having.values())]
    means = {
        name: float(np.mean([pc.mean(each[name]["value"]).as_py() for each in having.values()]))
        for name in everywhere
    }
    # Of equal values the first one that was asked for comes first.
    ranking = sorted(means, key=lambda name: -means[name])
    if not ranking:
        return None
    best, *others = ranking
    against = {}
    for name in others:
        apart = [difference(each[best], each[name]) for each in having.values()]
        mean, low, high = mean_difference(apart)
        against[name] = {
            "difference": mean,
            "interval_95": [low, high],
            "beyond_chance": low > 0,
        }
    return {
        "encoder": best,
        "by": by,
        "value": means[best],
        "ranking": {name: means[name] for name in ranking},
        "against": against,
    }


def verdict(decision: dict | None, where: str, by: str, encoders: Mapping[str, Mapping]) -> str:
    """Who wins, by how much, whether that could be chance, and what it costs, in sentences.

    Parameters
    ----------
    decision : dict or None
        Of :func:`overall_winner`.
    where : str
        As in ``on dtd10``.
    by : str
    encoders : mapping of encoder to mapping
        ``vector_bytes``, and ``images_per_second`` or None.
    """
    by = title(by)
    if decision is None:
        return f"No winner {where}: no encoder has a figure for {by}."
    best, ranking = decision["encoder"], decision["ranking"]
    value = number(decision["value"])
    if len(ranking) == 1:
        return f"{best} is the only one with a figure for {by} {where}: {value}."
    second = list(ranking)[1]
    apart = decision["against"][second]
    margin = f"{signed(apart['difference'])} {interval(apart['interval_95'], signed)}"
    ahead = f"{by} {value} against {number(ranking[second])} of {second}"
    if apart["beyond_chance"]:
        sentences = [
            f"{best} wins {where}: {ahead}.",
            f"The paired difference, {margin}, is beyond chance.",
        ]
    else:
        sentences = [
            f"{best} leads {where}, but has not won: {ahead}.",
            f"The paired difference, {margin}, could be chance.",
        ]
    others = list(ranking)[2:]
    near = [name for name in others if not decision["against"][name]["beyond_chance"]]
    if near:
        sentences.append(f"So could that to {' and '.join(near)}.")
    return " ".join([*sentences, _cost(best, second, encoders)])


def title(name: str) -> str:
    """What a figure is called for a reader."""
    return TITLES.get(name, name)


def _cost(best: str, second: str, encoders: Mapping[str, Mapping]) -> str:
    ours, theirs = encoders[best], encoders[second]
    size = f"its vectors take {ours['vector_bytes']:,} bytes each, "
    times = ours["vector_bytes"] / theirs["vector_bytes"]
    size += f"as many as those of {second}" if times == 1 else f"{factor(times)} those of {second}"
    if not (ours["images_per_second"] and theirs["images_per_second"]):
        return f"Its cost: {size}."
    rate = ours["images_per_second"] / theirs["images_per_second"]
    return f"It embeds {factor(rate)} as many images a second as {second}, and {size}."


def number(value: float) -> str:
    """A share with three digits.

    >>> number(0.8454), number(1.0)
    ('.845', '1.000')
    """
    return f"{value:.3f}".removeprefix("0")


def factor(value: float) -> str:
    """A ratio in about two digits.

    >>> factor(0.356), factor(12.4)
    ('0.36 ×', '12 ×')
    """
    return f"{value:.2g} ×" if value < 10 else f"{value:,.0f} ×"


def signed(value: float) -> str:
    """A difference with three digits and its sign.

    >>> signed(0.0214), signed(-0.0214)
    ('+.021', '−.021')
    """
    return ("−" if value < 0 else "+") + number(abs(value))


def interval(limits: Sequence[float], form: Callable[[float], str] = number) -> str:
    """Two limits in brackets.

    >>> interval([0.8291, 0.861])
    '[.829, .861]'
    """
    return f"[{form(limits[0])}, {form(limits[1])}]"
