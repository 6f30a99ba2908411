"""Controls for the columns that a table has."""

from __future__ import annotations

from datetime import datetime

import gradio as gr

from veneer.app.filter_panel import NO_VALUE, SLOTS, chosen, filter_panel
from veneer.retrieval.columns import Column

COLUMNS = [
    Column("label", "category", ("a", "b"), nulls=2),
    Column("size", "number", low=10, high=2000),
    Column("colour", "category", ("red",)),
    Column("modified", "date", low=datetime(2024, 1, 2), high=datetime(2025, 3, 4)),
]


def values(**given) -> list:
    """What the controls hold: label, colour, size and modified as given, the others nothing."""
    category = [given.get("label", []), given.get("colour", [])]
    category += [[]] * (SLOTS["category"] - 2)
    size = [*given.get("size", (None, None)), *[None] * (2 * SLOTS["number"] - 2)]
    modified = [*given.get("modified", ("", "")), *[""] * (2 * SLOTS["date"] - 2)]
    return [*category, *size, *modified]


def test_controls_are_given_the_columns():
    with gr.Blocks():
        panel = filter_panel()
    names, *updates = panel.updates(COLUMNS)
    assert len(updates) + 1 == len(panel.outputs)
    assert names == {"category": ["label", "colour"], "number": ["size"], "date": ["modified"]}
    shown = [each for each in updates if each["visible"] and "label" in each]
    assert [each["label"] for each in shown] == [
        "label is",
        "colour is",
        "size from",
        "size to",
        "modified from",
        "modified to",
    ]
    assert shown[0]["choices"] == ["a", "b", NO_VALUE] and shown[1]["choices"] == ["red"]
    assert [each["placeholder"] for each in shown[2:]] == ["10", "2000", "2024-01-02", "2025-03-04"]
    assert not any(each["visible"] for each in panel.updates([])[1:])


def test_what_is_chosen_becomes_a_filter():
    with gr.Blocks():
        names = filter_panel().updates(COLUMNS)[0]
    assert chosen(names, values()) is None
    assert chosen(names, values(label=["a"])) == "label = 'a'"
    both = chosen(
        names, values(label=["b", NO_VALUE], size=(100, None), modified=("2024-02-01", ""))
    )
    for part in ("'b'", "is null", "size >= 100", "modified >= '2024-02-01'", " and "):
        assert part in both


def test_more_columns_than_controls_are_left_out():
    columns = [Column(f"c{n}", "category", ("x", "y")) for n in range(SLOTS["category"] + 3)]
    with gr.Blocks():
        panel = filter_panel()
    assert len(panel.updates(columns)[0]["category"]) == SLOTS["category"]
