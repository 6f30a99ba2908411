"""Twins: images that are there more than once, side by side; which of them stay."""

from __future__ import annotations

import time
from typing import Any

import gradio as gr

from veneer.app.cleaning import SHOWN_GROUPS, choose, forget, groups, in_words, twins_at
from veneer.app.components import twin_groups
from veneer.app.told import PRIVATE, sentence_of, told
from veneer.app.workspace import Workspace
from veneer.retrieval.pairs import count_pairs


def twins_tab(workspace: Workspace, page: gr.Blocks, tab: gr.Tab) -> None:
    """Lay out the tab and wire it."""

    def decide(given: dict[str, Any]) -> dict[str, str]:
        try:
            choose(workspace, given["id"], given["keep"])
            found = twins_at(workspace, float(given["threshold"]))
            return {"status": in_words(found, len(workspace.project.twin_choices()))}
        except Exception as error:
            return {"error": sentence_of(error)}

    with gr.Row(elem_classes="veneer-ask"):
        threshold = gr.Slider(
            0.8,
            1,
            value=0.97,
            step=0.001,
            label="Cosine from which two images are twins",
            info="At 1 only what is the same is left.",
            scale=5,
            elem_id="threshold",
        )
        undo = gr.Button("Forget my choices", size="sm", scale=0, min_width=170)
    shown = twin_groups(elem_id="twins", server_functions=[decide])
    with gr.Row():
        previous = gr.Button("Previous groups", size="sm", visible=False)
        following = gr.Button("Next groups", size="sm", visible=False)
    first = gr.State(None)  # group that the page begins with; none before the tab is opened

    def show(value: float | None, start: int, progress: gr.Progress) -> list[Any]:
        advance = _advance(progress, count_pairs(workspace.index().rows))
        found = twins_at(workspace, value, advance)
        if value is None:  # as the slider can show it
            found = twins_at(workspace, round(found.card["threshold"], 3))
        count = found.card["groups"]
        start = start if start <= count else 1
        used = found.card["threshold"]
        content = {
            "status": in_words(found, len(workspace.project.twin_choices())),
            "threshold": used,
            "groups": groups(found, start),
            # What is as it was before is not drawn anew; after a choice that was forgotten, it is
            # not as it looks.
            "drawn": time.monotonic(),
        }
        return [
            content,
            used if value is None else gr.skip(),  # a slider that is being moved stays where it is
            start,
            gr.update(visible=start > 1),
            gr.update(visible=start + SHOWN_GROUPS <= count),
        ]

    def opened(value: float, start: int | None, progress=gr.Progress()) -> list[Any]:
        return show(None if start is None else value, start or 1, progress)

    def moved(value: float, progress=gr.Progress()) -> list[Any]:
        return show(value, 1, progress)

    def turned(by: int) -> Any:
        def turn(value: float, start: int, progress=gr.Progress()) -> list[Any]:
            return show(value, max(1, start + by), progress)

        return turn

    def undone(value: float, start: int, progress=gr.Progress()) -> list[Any]:
        forget(workspace)
        return show(value, start, progress)

    outputs = [shown, threshold, first, previous, following]
    tab.select(told(opened), [threshold, first], outputs, show_progress_on=[shown], **PRIVATE)
    options = {"show_progress_on": [shown], "trigger_mode": "always_last", **PRIVATE}
    threshold.input(told(moved), threshold, outputs, **options)
    previous.click(told(turned(-SHOWN_GROUPS)), [threshold, first], outputs, **options)
    following.click(told(turned(SHOWN_GROUPS)), [threshold, first], outputs, **options)
    undo.click(told(undone), [threshold, first], outputs, **options)


def _advance(progress: gr.Progress, total: int) -> Any:
    done = 0

    def advance(count: int) -> None:
        nonlocal done
        done += count
        progress((done, total), desc="comparing all images", unit="pairs")

    return advance
