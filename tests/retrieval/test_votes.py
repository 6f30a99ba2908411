"""The vote of search results against sums made by hand."""

import math

import numpy as np
import pyarrow as pa
import pytest
from indexed import Collection, unit_rows

from veneer.retrieval.options import RetrievalOptions
from veneer.retrieval.search import Query, search
from veneer.retrieval.votes import Quartiles, Shares, Vote, attribute_votes

HALF = 0.07 * math.log(2)  # by so much less a cosine weighs half


def results(scores, labels=None, **attributes):
    columns = {"rank": range(1, len(scores) + 1), "score": pa.array(scores, pa.float32())}
    if labels is not None:
        columns["label"] = pa.array(labels, pa.string())
    if attributes:
        rows = [
            dict(zip(attributes, row, strict=True))
            for row in zip(*attributes.values(), strict=True)
        ]
        columns["attributes"] = pa.array(rows)
    return pa.table(columns)


def told(votes):
    return [(vote.value, pytest.approx(vote.share, abs=1e-6), vote.count) for vote in votes.votes]


def test_the_nearer_weigh_more():
    table = results([0.9, 0.9 - HALF, 0.9 - HALF, 0.9 - 2 * HALF], ["a", "b", "c", "b"])
    found = attribute_votes(table)["label"]
    assert found.voters == 4
    assert told(found) == [("a", 4 / 9, 1), ("b", 3 / 9, 2), ("c", 2 / 9, 1)]
    assert sum(vote.share for vote in found.votes) == pytest.approx(1)


def test_the_level_of_the_scores_does_not_matter():
    scores = np.array([0.2, 0.15, 0.1, 0.05])
    low, high = (attribute_votes(results(scores + by, list("aabc")))["label"] for by in (0, 0.7))
    assert [vote.share for vote in low.votes] == pytest.approx(
        [vote.share for vote in high.votes], abs=1e-5
    )
    assert low.votes[0].share > 0.5


def test_nulls_do_not_vote():
    found = attribute_votes(results([0.9, 0.9 - HALF, 0.9 - HALF], [None, "a", "b"]))["label"]
    assert found == Shares(2, (Vote("a", pytest.approx(0.5), 1), Vote("b", pytest.approx(0.5), 1)))
    assert attribute_votes(results([0.9, 0.8], [None, None])) == {}


def test_the_tail_is_one_vote():
    labels = list("aaabbcdefg")
    found = attribute_votes(results([0.5] * 10, labels), most=3)["label"]
    assert told(found) == [("a", 0.3, 3), ("b", 0.2, 2), ("c", 0.1, 1), (None, 0.4, 4)]
    exact = attribute_votes(results([0.5] * 10, labels), most=7)["label"]
    assert [vote.value for vote in exact.votes] == list("abcdefg")
    with pytest.raises(ValueError, match="at least 1"):
        attribute_votes(results([0.5], ["a"]), most=0)


def test_attributes_vote_each_by_its_kind():
    table = results(
        [0.5, 0.5, 0.5, 0.5],
        list("aabb"),
        style=["x", None, "y", "y"],
        label=["p", "p", "p", "q"],
        year=[1990, 1980, None, 2004],
        price=[1.5, math.nan, 2.5, 0.5],
        tags=[["a"], ["b"], [], None],
        nothing=pa.nulls(4, pa.string()).to_pylist(),
    )
    found = attribute_votes(table)
    assert list(found) == ["label", "style", "attributes.label", "year", "price"]
    assert told(found["style"]) == [("y", 2 / 3, 2), ("x", 1 / 3, 1)]
    assert told(found["attributes.label"]) == [("p", 0.75, 3), ("q", 0.25, 1)]
    assert found["year"] == Quartiles(3, 1980, 1990, 2004)
    assert found["price"] == Quartiles(3, 0.5, 1.5, 2.5)
    assert isinstance(found["year"].middle, int)


def test_quartiles_are_those_of_the_repeated_values():
    """Weights of 4, 2 and 1 are as good as so many equal neighbours."""
    rng = np.random.default_rng(0)
    for _ in range(50):
        halvings = rng.integers(0, 3, 9)
        years = rng.integers(1900, 2000, 9)
        found = attribute_votes(results(0.9 - HALF * halvings, year=years.tolist()))["year"]
        repeated = np.repeat(years, 2 ** (2 - halvings))
        wanted = np.quantile(repeated, [0.25, 0.5, 0.75], method="inverted_cdf")
        # The cosines are of single precision, so a quartile on an edge may lie on either side.
        either = np.quantile(repeated, np.array([0.25, 0.5, 0.75]) + 1e-4, method="inverted_cdf")
        ends = (found.low, found.middle, found.high)
        for end, *pair in zip(ends, wanted, either, strict=True):
            assert end in pair


def test_whole_numbers_stay_exact():
    years = [2**53 + 1, 2**53 + 3, 2**53 + 5]
    assert attribute_votes(results([0.5] * 3, year=years))["year"] == Quartiles(3, *years)


def test_rows_without_attributes_do_not_vote_on_them():
    attributes = pa.array([{"style": "x"}, None, {"style": "y"}])
    table = results([0.9, 0.9, 0.2], list("abc")).append_column("attributes", attributes)
    found = attribute_votes(table)
    assert found["label"].voters == 3 and found["style"].voters == 2
    assert found["style"].votes[0] == Vote("x", pytest.approx(1, abs=1e-3), 1)


@pytest.mark.parametrize("chunks", [0, 1, 2])
def test_no_results_no_votes(chunks):
    empty = results([0.5], ["a"], style=["x"], year=[1.5]).slice(0, 0)
    assert (
        attribute_votes(
            pa.concat_tables([empty] * chunks) if chunks else empty.schema.empty_table()
        )
        == {}
    )


def test_results_of_a_real_search(tmp_path):
    collection = Collection(tmp_path, {"banded": 12, "dotted": 10})
    rows = collection.rows()
    years = [{"year": 1990 + n} for n in range(len(rows))]
    index = collection.build(rows.append_column("attributes", pa.array(years)))
    options = RetrievalOptions.model_validate(
        {
            "thumbnail": 32,
            "approximate": {"from_rows": 99, "partition_rows": 9, "nprobes": 3, "refine_factor": 4},
            "search": {"templates": ["{}"], "image_weight": 0.5},
            "evaluation": {"relevance": "label", "most_queries": 9},
            "twins": {"threshold": None, "most_rows": 9},
        }
    )
    own = rows["sha"][3].as_py()
    found = search(index, Query(row=own), None, options, k=8, thumbnails=True).results
    vectors = unit_rows(found["sha"].to_pylist()).astype(np.float64)
    weights = np.exp(vectors @ unit_rows([own])[0] / 0.07)
    labels = np.array(found["label"].to_pylist())
    votes = attribute_votes(found)
    assert votes["label"].voters == votes["year"].voters == 8
    for vote in votes["label"].votes:
        share = weights[labels == vote.value].sum() / weights.sum()
        assert vote.share == pytest.approx(share, abs=1e-5)
    there = [row["year"] for row in found["attributes"].to_pylist()]
    assert {votes["year"].low, votes["year"].middle, votes["year"].high} <= set(there)
