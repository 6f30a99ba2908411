"""Who wins, and what is said of it."""

import numpy as np
import pyarrow as pa
import pytest

from veneer.comparison import figure, overall_winner, values_of, verdict, winner
from veneer.metrics import wilson_interval
from veneer.schema import PREDICTIONS, RETRIEVAL_QUERIES

COSTS = {
    "a": {"vector_bytes": 2048, "images_per_second": 40.0},
    "b": {"vector_bytes": 1024, "images_per_second": 100.0},
    "c": {"vector_bytes": 1024, "images_per_second": None},
}


def rows(values, start=0):
    ids = [f"{number:04}" for number in range(start, start + len(values))]
    return pa.table({"id": ids, "value": pa.array(values, pa.float64())})


def shares(mean, n=200, seed=0):
    return {"precision@5": rows(np.random.default_rng(seed).binomial(5, mean, n) / 5)}


def test_the_rows_that_figures_are_made_of():
    queries = pa.table(
        [["q", "r"], [0.2, 0.6], [0.1, 0.3], [1.0, 0.0], [0.5, 0.25]], schema=RETRIEVAL_QUERIES
    )
    predicted = [
        ("1", "svc", "validation", "x", "x"),
        ("2", "svc", "validation", "x", "y"),
        ("3", "svc", "train", "x", "y"),
        ("4", "svc", "test", "x", "y"),
        ("1", "mlp", "validation", "x", "x"),
    ]
    names = PREDICTIONS.names[:5]
    predictions = pa.Table.from_pylist(
        [dict(zip(names, each, strict=True)) for each in predicted], schema=PREDICTIONS
    )
    found = values_of(queries, predictions, ["svc", "zero_shot"])
    assert {name: table["value"].to_pylist() for name, table in found.items()} == {
        "precision@5": [0.2, 0.6],
        "recall@5": [0.1, 0.3],
        "accuracy@5": [1.0, 0.0],
        "map": [0.5, 0.25],
        "svc": [1.0, 0.0],
    }
    assert found["svc"]["id"].to_pylist() == ["1", "2"]
    empty = values_of(RETRIEVAL_QUERIES.empty_table(), PREDICTIONS.empty_table(), ["svc"])
    assert empty == {}


def test_a_figure_has_its_interval():
    found = figure(rows([1.0, 1, 0, 1]))
    assert found == {"value": 0.75, "interval_95": list(wilson_interval(3, 4)), "n": 4}


def test_a_difference_beyond_chance_wins():
    found = winner({"a": shares(0.8), "b": shares(0.5, seed=1)}, "precision@5")
    assert (found["encoder"], list(found["ranking"])) == ("a", ["a", "b"])
    assert found["against"]["b"]["beyond_chance"]
    told = verdict(found, "on x", "precision@5", COSTS)
    assert told.startswith("a wins on x: P@5 .773") and "is beyond chance." in told
    assert told.endswith(
        "It embeds 0.4 × as many images a second as b, and its vectors take 2,048 bytes each, "
        "2 × those of b."
    )


def test_a_difference_that_could_be_chance_leads():
    values = {"a": shares(0.6), "b": shares(0.6, seed=1), "c": shares(0.6, seed=2)}
    found = winner(values, "precision@5")
    best, second, third = found["ranking"]
    told = verdict(found, "on x", "precision@5", COSTS)
    assert told.startswith(f"{best} leads on x, but has not won:")
    assert "could be chance." in told and f"So could that to {third}." in told
    assert not found["against"][second]["beyond_chance"]


def test_of_equals_the_first_asked_for_comes_first():
    values = {"b": shares(0.6), "a": shares(0.6)}
    found = winner(values, "precision@5")
    assert list(found["ranking"]) == ["b", "a"]
    assert found["against"]["a"] == {
        "difference": 0.0,
        "interval_95": [0.0, 0.0],
        "beyond_chance": False,
    }


def test_only_the_same_rows_are_compared():
    """What the one found easy is not held against the other."""
    hard = [0.0, 0.2] * 20
    a = {"map": rows([0.9] * 40 + hard)}
    b = {"map": rows([0.0, 0.2] * 20, start=40)}
    found = winner({"a": a, "b": b}, "map")
    assert found["against"]["b"]["difference"] == 0
    with pytest.raises(ValueError, match="no row in common"):
        winner({"a": a, "b": {"map": rows([0.5], start=500)}}, "map")


def test_an_encoder_without_the_figure_is_not_ranked():
    values = {"a": shares(0.5), "b": {"svc": rows([1.0])}, "c": {}}
    found = winner(values, "precision@5")
    assert list(found["ranking"]) == ["a"] and found["against"] == {}
    assert verdict(found, "on x", "precision@5", COSTS) == (
        f"a is the only one with a figure for P@5 on x: .{found['value'] * 1000:.0f}."
    )
    none = winner(values, "zero_shot")
    assert none is None
    told = verdict(none, "on x", "zero_shot", COSTS)
    assert told == "No winner on x: no encoder has a figure for zero-shot."


def test_over_collections_each_counts_the_same():
    big = {"a": shares(0.7, 900), "b": shares(0.6, 900, 1), "c": shares(0.9, 900, 2)}
    small = {"a": shares(0.3, 100), "b": shares(0.6, 100, 1)}
    unlabelled = {"a": {}, "b": {}}
    found = overall_winner({"big": big, "small": small, "none": unlabelled}, "precision@5")
    # c has no figure on one of them.
    assert list(found["ranking"]) == ["b", "a"]
    ours, theirs = (
        np.mean([np.mean(each[name]["precision@5"]["value"]) for each in (big, small)])
        for name in "ba"
    )
    assert found["value"] == pytest.approx(ours)
    assert found["against"]["a"]["difference"] == pytest.approx(ours - theirs)
    assert found["against"]["a"]["beyond_chance"]
    told = verdict(found, "over the 2 collections", "precision@5", COSTS)
    assert told.startswith("b wins over the 2 collections")


def test_the_cost_where_no_rate_is_known_or_sizes_are_equal():
    found = winner({"b": shares(0.8), "c": shares(0.5, seed=1)}, "precision@5")
    told = verdict(found, "on x", "precision@5", COSTS)
    assert told.endswith("Its cost: its vectors take 1,024 bytes each, as many as those of c.")
