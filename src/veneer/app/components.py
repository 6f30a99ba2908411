"""The page's own components; their scripts are in ``static``."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import gradio as gr


def picture_grid(elem_id: str, *, searches: bool = False) -> gr.HTML:
    """Pictures in a grid; one that is clicked is shown larger.

    Its value is a dict: ``results`` of :func:`veneer.app.shown.result`, and if wanted ``status``,
    ``notice``, ``address``, and ``saved``, the word by which the results can be had as files. Where
    it ``searches``, ``select`` comes with the ``id`` of an image whose like is wanted; elsewhere
    that leads to the search page.
    """
    return _component("grid", elem_id, searches=searches)


def embedding_map(elem_id: str) -> gr.HTML:
    """All images as points; ``select`` comes with the ``ids`` in a box, and their ``count``.

    Its value is what :func:`veneer.figures.map_value.map_value` gives.
    """
    return _component("map", elem_id)


def twin_groups(elem_id: str, server_functions: Sequence[Callable]) -> gr.HTML:
    """Groups of twins, each image with a button that keeps or drops it."""
    return _component("groups", elem_id, server_functions)


def _component(
    name: str, elem_id: str, server_functions: Sequence[Callable] = (), **props: bool
) -> gr.HTML:
    given = "element, props, trigger, watch" + (", server" if server_functions else "")
    # The page does not wait for its scripts.
    ready = f"window.veneer?.make && window.veneer.{name}"
    begin = f"{ready} ? window.veneer.{name}({given}) : setTimeout(begin, 20)"
    return gr.HTML(
        None,
        html_template=f"<div class='veneer-{name}'></div>",
        js_on_load=f"const begin = () => {begin}; begin();",
        apply_default_css=False,
        server_functions=list(server_functions) or None,
        elem_id=elem_id,
        **props,
    )
