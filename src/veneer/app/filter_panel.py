"""Controls for filtering, filled with the columns that the table really has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from veneer.retrieval.columns import AnyOf, Between, Choice, Column, where_of

# So many controls there are of each kind; what a table has beyond them can be written out.
SLOTS = {"category": 10, "number": 6, "date": 3}
NO_VALUE = "(none)"


@dataclass(frozen=True)
class FilterPanel:
    """The controls of a page.

    Attributes
    ----------
    names : State of dict
        Names of the columns that the controls of each kind stand for at the moment.
    controls : list of Component
        All of them: one for a category, two for a number or a date.
    rows : list of Row
        In which the latter two stand.
    """

    names: gr.State
    controls: list[gr.components.Component]
    rows: list[gr.Row]

    @property
    def outputs(self) -> list[Any]:
        """What :meth:`updates` gives new values of."""
        return [self.names, *self.controls, *self.rows]

    def updates(self, columns: Sequence[Column]) -> list[Any]:
        """Names, controls and rows for the columns of a table."""
        names, found, rows = {}, [], []
        for kind, slots in SLOTS.items():
            own = [each for each in columns if each.kind == kind][:slots]
            names[kind] = [each.name for each in own]
            for slot in range(slots):
                column = own[slot] if slot < len(own) else None
                found += _updates(kind, column)
                if kind != "category":
                    rows.append(gr.update(visible=column is not None))
        return [names, *found, *rows]


def filter_panel() -> FilterPanel:
    """Make the controls, in the layout that is open."""
    controls: list[gr.components.Component] = []
    rows = []
    names = gr.State({kind: [] for kind in SLOTS})
    for _ in range(SLOTS["category"]):
        controls.append(gr.Dropdown(multiselect=True, visible=False, min_width=120))
    for kind in ("number", "date"):
        for _ in range(SLOTS[kind]):
            with gr.Row(visible=False) as row:
                rows.append(row)
                for _ in ("from", "to"):
                    if kind == "number":
                        controls.append(gr.Number(None, visible=False, min_width=80))
                    else:
                        controls.append(gr.Textbox(visible=False, max_lines=1, min_width=80))
    return FilterPanel(names, controls, rows)


def chosen(names: dict[str, list[str]], values: Sequence[Any]) -> str | None:
    """The filter that the controls say, in words of :mod:`veneer.retrieval.filters`."""
    choices: dict[str, Choice] = {}
    rest = iter(values)
    for kind, slots in SLOTS.items():
        for slot in range(slots):
            if kind == "category":
                given = [None if each == NO_VALUE else each for each in next(rest) or []]
                choice = AnyOf(given) if given else None
            else:
                low, high = (
                    None if each in (None, "") else each for each in (next(rest), next(rest))
                )
                choice = None if low is None and high is None else Between(low, high)
            if choice is not None and slot < len(names[kind]):
                choices[names[kind][slot]] = choice
    return where_of(choices)


def _updates(kind: str, column: Column | None) -> list[Any]:
    if column is None:
        return [gr.update(visible=False)] * (1 if kind == "category" else 2)
    if kind == "category":
        choices = [*column.values, *[NO_VALUE] * (column.nulls > 0)]
        return [gr.update(visible=True, label=f"{column.name} is", choices=choices, value=[])]
    return [
        gr.update(
            visible=True, label=f"{column.name} {word}", value=None, placeholder=_plain(bound)
        )
        for word, bound in (("from", column.low), ("to", column.high))
    ]


def _plain(bound: Any) -> str:
    return f"{bound:%Y-%m-%d}" if hasattr(bound, "strftime") else f"{bound:g}"
