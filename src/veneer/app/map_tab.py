"""Map: the whole collection at a glance; a box drawn around some of it shows them."""

from __future__ import annotations

import json
from typing import Any

import gradio as gr

from veneer.app import shown
from veneer.app.components import embedding_map, picture_grid
from veneer.app.mapping import CLUSTER, coloured, colours, selected
from veneer.app.told import PRIVATE, told
from veneer.app.workspace import Workspace


def map_tab(workspace: Workspace, page: gr.Blocks, tab: gr.Tab) -> None:
    """Lay out the tab and wire it."""
    with gr.Row():
        with gr.Column(scale=6, min_width=320):
            colour = gr.Dropdown(
                ["label", "split", CLUSTER], value="label", label="Coloured by", elem_id="colour"
            )
            points = embedding_map(elem_id="map")
        with gr.Column(scale=5, min_width=320):
            grid = picture_grid(elem_id="selected")

    def opened(chosen: str) -> list[Any]:
        choices = colours(workspace)
        chosen = chosen if chosen in choices else choices[0]
        update = gr.update(choices=choices, value=chosen)
        return [update, _as_json(coloured(workspace, chosen))]

    def recoloured(chosen: str) -> str:
        return _as_json(coloured(workspace, chosen))

    def boxed(event: gr.EventData) -> dict:
        rows, count = selected(workspace, event._data["ids"]), event._data["count"]
        more = "" if count == len(rows) else f"The {len(rows)} nearest to the middle of "
        return {
            "results": [shown.result(row) for row in rows],
            "status": f"{more}{count:,} images in the box.",
        }

    slow = {"show_progress_on": [points], **PRIVATE}
    tab.select(told(opened), colour, [colour, points], preprocess=False, **slow)
    colour.input(told(recoloured), colour, points, preprocess=False, **slow)
    points.select(told(boxed), None, grid, **PRIVATE)


def _as_json(value: dict) -> str:
    # Gradio warns of what looks like a script, as a label may.
    return json.dumps(value).replace("<", "\\u003c")
