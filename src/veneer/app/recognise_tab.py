"""Recognise: pictures in, labels out, and why."""

from __future__ import annotations

import base64
from typing import Any

import gradio as gr

from veneer.app import shown
from veneer.app.recognising import MOST_PICTURES, Recognised, classifier_of, recognise
from veneer.app.told import PRIVATE, QUIET, sentence_of, told
from veneer.app.uploads import uploaded
from veneer.app.workspace import Workspace
from veneer.errors import VeneerError
from veneer.heads.classifier import Classifier
from veneer.retrieval.votes import Quartiles

MOST_ACCURATE = "the most accurate head"
OWN_CLASSES = "classes of your own, by words"


def recognise_tab(workspace: Workspace, page: gr.Blocks, tab: gr.Tab) -> None:
    """Lay out the tab and wire it."""
    with gr.Row():
        with gr.Column(scale=2, min_width=270):
            files = gr.File(
                label=f"Pictures, {MOST_PICTURES} at most",
                file_count="multiple",
                file_types=["image"],
                height=200,
                elem_id="unknown",
            )
            text = gr.Textbox(
                label="What is known of them in words",
                info="For heads that see texts.",
                visible=workspace.parameters.modeling.fusion != "image",
                elem_id="known",
            )
            head = gr.Dropdown(
                [MOST_ACCURATE, OWN_CLASSES], value=MOST_ACCURATE, label="By", elem_id="by"
            )
            names = gr.Textbox(
                label="Classes",
                placeholder="marble, brick, water, fur",
                lines=4,
                visible=False,
                elem_id="classes",
            )
            go = gr.Button("Recognise", variant="primary", elem_id="recognise")
        with gr.Column(scale=9, min_width=320):
            cards = gr.HTML(
                shown.page_of("notice", text="Choose pictures: photos of a surface do best."),
                elem_id="cards",
                apply_default_css=False,
            )

    def run(
        given: list[dict] | None, words: str, by: str, classes: str, progress=gr.Progress()
    ) -> str:
        words = (words or "").strip() or None
        if not given and words is None:
            raise VeneerError("Recognising: choose one picture or more.")
        limit = workspace.parameters.source.max_bytes
        paths = [uploaded(each, limit) for each in given or []]
        chosen = classifier_of(
            workspace,
            None if by in (MOST_ACCURATE, OWN_CLASSES) else by,
            classes if by == OWN_CLASSES else None,
        )
        done = recognise(workspace, paths, words, chosen)
        told_of = [_card(each, chosen) for each in progress.tqdm(done, "pictures", len(paths))]
        return shown.page_of("recognised", cards=told_of, head=chosen.card.head)

    def heads() -> Any:
        try:
            return gr.update(choices=[MOST_ACCURATE, *workspace.heads(), OWN_CLASSES])
        except Exception as error:  # told when a head is asked for
            sentence_of(error)
            return gr.skip()

    gr.on(
        [go.click],
        told(run),
        [files, text, head, names],
        cards,
        preprocess=False,
        show_progress="full",
        **PRIVATE,
    )
    head.input(lambda by: gr.update(visible=by == OWN_CLASSES), head, names, **QUIET)
    tab.select(heads, None, head, **QUIET | {"queue": True})


def _card(one: Recognised, chosen: Classifier) -> dict:
    row = one.prediction
    picture = one.thumbnail and base64.b64encode(one.thumbnail).decode()
    bars = [(each["label"], each["confidence"]) for each in row["top"] or []]
    votes = {
        name: f"{vote.low:g} to {vote.high:g}, the middle {vote.middle:g}"
        if isinstance(vote, Quartiles)
        else ", ".join(f"{each.value or 'others'} {100 * each.share:.0f} %" for each in vote.votes)
        for name, vote in (one.votes or {}).items()
    }
    return {
        "name": one.name,
        "reason": one.reason,
        "picture": picture,
        "verdict": "unsure" if row["unsure"] else row["label"],
        "unsure": row["unsure"],
        "confidence": row["confidence"],
        "threshold": chosen.card.threshold,
        "bars": bars,
        "evidence": one.evidence,
        "votes": votes,
    }
