"""What the search tab consists of."""

from __future__ import annotations

from dataclasses import dataclass

import gradio as gr

from veneer.app.components import picture_grid
from veneer.app.filter_panel import FilterPanel, filter_panel
from veneer.app.searching import MOST_RESULTS, RESULTS

EVERYTHING = "all images"
INSIDE = "inside the predicted class"
BEST_HEAD = "the most suitable head"
SUGGESTED = 10


@dataclass(frozen=True)
class Controls:
    """The tab's components: what is asked, and what is answered."""

    prompt: gr.Textbox
    go: gr.Button
    clear: gr.Button
    words: gr.JSON  # suggestions for the prompt box
    suggestions: gr.Dataset
    like: gr.State  # id of the image that is searched for
    picture: gr.Image
    url: gr.Textbox
    weight: gr.Slider
    k: gr.Slider
    mode: gr.Radio
    head: gr.Dropdown
    panel: FilterPanel
    where: gr.Textbox
    least: gr.Slider
    copies: gr.Checkbox
    like_shown: gr.HTML
    unlike: gr.Button
    grid: gr.HTML
    histogram: gr.HTML

    @property
    def settings(self) -> list[gr.components.Component]:
        """What a search is read from, but for the filters of columns."""
        choice = [self.prompt, self.picture, self.url, self.like, self.k, self.weight]
        return [*choice, self.mode, self.head, self.where, self.least, self.copies]


def lay_out(image_weight: float) -> Controls:
    """Make the components, in the layout that is open."""
    made = _prompt()
    with gr.Row():
        with gr.Column(scale=2, min_width=270):
            made |= _like()
            made |= _picture(image_weight)
            made |= _how()
            with gr.Accordion("Filters", open=False, elem_id="filters"):
                made |= _filters()
        with gr.Column(scale=7, min_width=320):
            made["grid"] = picture_grid(elem_id="results", searches=True)
        with gr.Column(scale=2, min_width=200):
            made["histogram"] = gr.HTML(elem_id="labels", apply_default_css=False)
    return Controls(**made)


def _prompt() -> dict:
    with gr.Row(elem_classes="veneer-ask"):
        prompt = gr.Textbox(
            label="Look for",
            placeholder="red and white stripes",
            max_lines=1,
            scale=6,
            min_width=260,
            elem_id="prompt",
            autofocus=True,
        )
        go = gr.Button("Search", variant="primary", scale=0, min_width=120, elem_id="go")
        clear = gr.Button("Clear", scale=0, min_width=90, elem_id="clear")
    suggestions = gr.Dataset(
        components=[prompt], samples=[], label="Try", samples_per_page=SUGGESTED, elem_id="words"
    )
    words = gr.JSON(visible=False)  # a browser reads it, which it cannot of a state
    return {
        "prompt": prompt,
        "go": go,
        "clear": clear,
        "suggestions": suggestions,
        "words": words,
    }


def _like() -> dict:
    return {
        "like": gr.State(""),
        "like_shown": gr.HTML(elem_id="like", apply_default_css=False),
        "unlike": gr.Button("Look for something else", size="sm", visible=False, elem_id="unlike"),
    }


def _picture(image_weight: float) -> dict:
    with gr.Accordion("By a picture", open=True, elem_classes="veneer-closed-on-phones"):
        return {
            "picture": gr.Image(
                label="Picture to search by",
                show_label=False,
                sources=["upload", "clipboard"],
                type="filepath",
                height=170,
                elem_id="picture",
            ),
            "url": gr.Textbox(
                label="or its address", placeholder="https://…", max_lines=1, elem_id="url"
            ),
            "weight": gr.Slider(
                0,
                1,
                value=image_weight,
                step=0.05,
                label="Weight beside words",
                elem_id="weight",
            ),
        }


def _how() -> dict:
    with gr.Accordion("How", open=True, elem_classes="veneer-closed-on-phones"):
        return {
            "k": gr.Slider(1, MOST_RESULTS, value=RESULTS, step=1, label="Results", elem_id="k"),
            "mode": gr.Radio(
                [EVERYTHING, INSIDE], value=EVERYTHING, label="Search", elem_id="mode"
            ),
            "head": gr.Dropdown(
                [BEST_HEAD],
                value=BEST_HEAD,
                label="Class by",
                visible=False,
                allow_custom_value=True,
                elem_id="head",
            ),
            "least": gr.Slider(0, 1, value=0, step=0.01, label="Smallest score", elem_id="least"),
            "copies": gr.Checkbox(label="Show byte-identical copies", elem_id="copies"),
        }


def _filters() -> dict:
    return {
        "panel": filter_panel(),
        "where": gr.Textbox(
            label="in words of your own",
            placeholder="label = 'banded' and width >= 400",
            max_lines=1,
            elem_id="where",
        ),
    }
