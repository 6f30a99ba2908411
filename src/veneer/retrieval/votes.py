"""What its neighbours say of a picture: the votes of search results on label and attributes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

TEMPERATURE = 0.07
"""By how much a cosine has to be better to count e times as much."""

_ROUNDING = 1e-9  # by which sums of weights may be wrong


@dataclass(frozen=True)
class Vote:
    """How much speaks for a value.

    Attributes
    ----------
    value : str or None
        None for all others together.
    share : float
        Of the weight of all who voted.
    count : int
        Who voted for it.
    """

    value: str | None
    share: float
    count: int


@dataclass(frozen=True)
class Shares:
    """The vote on a text.

    Attributes
    ----------
    voters : int
        Results that have a value.
    votes : tuple of Vote
        By falling share, then by value; the shares sum to 1. Last, where there are more values,
        all others.
    """

    voters: int
    votes: tuple[Vote, ...]


@dataclass(frozen=True)
class Quartiles:
    """The vote on a number.

    Attributes
    ----------
    voters : int
        Results that have a value.
    low, middle, high : int or float
        Weighted quartiles.
    """

    voters: int
    low: float
    middle: float
    high: float


def attribute_votes(results: pa.Table, *, most: int = 5) -> dict[str, Shares | Quartiles]:
    """What search results say of what was searched for, each the more the nearer it is.

    Parameters
    ----------
    results : Table
        ``score`` (cosine), and ``label`` and a struct ``attributes`` where they are known; as
        :func:`veneer.retrieval.search.search` gives it.
    most : int
        Values of a text that are told of; at least 1.

    Returns
    -------
    dict of str to Shares or Quartiles
        By name, as filters know it: ``label`` and each attribute. Of texts the shares of the
        values, of numbers the quartiles. Nulls and NaN do not vote, and where nobody does there is
        no entry.

    Raises
    ------
    ValueError
        When ``most`` is less than 1.

    Notes
    -----
    A neighbour of cosine s weighs exp(s / 0.07), as in the weighted nearest-neighbour classifier
    of Wu, Xiong, Yu and Lin, Unsupervised feature learning via non-parametric instance
    discrimination, CVPR 2018, section 3.4, which Caron et al., Emerging properties in
    self-supervised vision transformers, ICCV 2021, also use. A quartile is the smallest value up to
    which a quarter, a half and three quarters of the weight lie, so it is one that a neighbour has.
    """
    if most < 1:
        raise ValueError(f"most is {most}, and has to be at least 1")
    scores = results["score"].to_numpy().astype(np.float64)
    # Less the best one, which changes no share, so that nothing overflows.
    weights = np.exp((scores - scores.max(initial=-np.inf)) / TEMPERATURE)
    found = {}
    for name, values in _columns(results).items():
        voters = np.flatnonzero(values.is_valid())
        if not len(voters):
            continue
        own, chosen = weights[voters] / weights[voters].sum(), values.take(voters)
        is_text = pa.types.is_string(values.type) or pa.types.is_large_string(values.type)
        found[name] = _shares(chosen, own, most) if is_text else _quartiles(chosen, own)
    return found


def _columns(results: pa.Table) -> dict[str, pa.Array]:
    """What is voted on, by name."""
    found = {}
    if "label" in results.column_names:
        found["label"] = results["label"]
    if "attributes" in results.column_names:
        attributes = results["attributes"]
        for place, each in enumerate(attributes.type):
            known = each.name in results.column_names
            name = f"attributes.{each.name}" if known else each.name
            found[name] = pc.struct_field(attributes, [place])
    return {name: _joined(values) for name, values in found.items() if _can_vote(values.type)}


def _joined(values: pa.ChunkedArray) -> pa.Array:
    """One array, in which NaN is null."""
    values = pa.concat_arrays(values.chunks) if values.num_chunks else pa.array([], values.type)
    return (
        pc.if_else(pc.is_nan(values), None, values) if pa.types.is_floating(values.type) else values
    )


def _can_vote(dtype: pa.DataType) -> bool:
    tests = (pa.types.is_string, pa.types.is_large_string, pa.types.is_integer)
    return any(test(dtype) for test in (*tests, pa.types.is_floating))


def _shares(values: pa.Array, weights: np.ndarray, most: int) -> Shares:
    encoded = values.dictionary_encode()
    codes = encoded.indices.to_numpy()
    sums, counts = np.bincount(codes, weights), np.bincount(codes)
    votes = [
        Vote(value, float(sums[code]), int(counts[code]))
        for code, value in enumerate(encoded.dictionary.to_pylist())
    ]
    votes.sort(key=lambda vote: (-vote.share, vote.value))
    kept, others = votes[:most], votes[most:]
    if others:
        share = sum(vote.share for vote in others)
        kept.append(Vote(None, share, sum(vote.count for vote in others)))
    return Shares(len(values), tuple(kept))


def _quartiles(values: pa.Array, weights: np.ndarray) -> Quartiles:
    order = np.argsort(values.to_numpy(), kind="stable")
    below = np.cumsum(weights[order])
    places = np.searchsorted(below, np.array([0.25, 0.5, 0.75]) - _ROUNDING)
    return Quartiles(len(values), *values.take(order[places]).to_pylist())
