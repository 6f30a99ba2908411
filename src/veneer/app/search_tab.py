"""Search: words, a picture, or both; what is found; more like it; a sheet or a table of it."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import gradio as gr

from veneer.app import shown
from veneer.app.filter_panel import chosen
from veneer.app.saving import Result
from veneer.app.search_controls import BEST_HEAD, EVERYTHING, INSIDE, SUGGESTED, Controls, lay_out
from veneer.app.searching import Asked, advice, answer, browse, labels
from veneer.app.suggestions import DTD_ATTRIBUTES
from veneer.app.told import PRIVATE, QUIET, sentence_of, told
from veneer.app.uploads import uploaded
from veneer.app.workspace import Workspace
from veneer.retrieval.search import Found


def search_tab(workspace: Workspace, page: gr.Blocks, _: gr.Tab) -> None:
    """Lay out the tab and wire it."""
    usual = workspace.parameters.retrieval.search.image_weight
    tab = lay_out(usual)
    answers = [tab.grid, tab.histogram, tab.like_shown, tab.unlike]

    def run(*values: Any) -> list[Any]:
        count = len(tab.settings)
        settings, names, filters = values[:count], values[count], values[count + 1 :]
        asked = read_settings(settings, chosen(names, filters), usual).checked()
        if settings[1] is None:
            return [asked.like, *answered(workspace, asked)]
        path, name = uploaded(settings[1], workspace.parameters.source.max_bytes)
        # A picture takes the place of the image that was searched for before.
        return ["", *answered(workspace, replace(asked, like=""), path.read_bytes(), name)]

    def load(request: gr.Request) -> list[Any]:
        asked = Asked()
        try:
            asked = Asked.from_address(dict(request.query_params))
            found = answered(workspace, asked)
        except Exception as error:
            found = [{"results": [], "notice": sentence_of(error)}, "", *_like(Asked())]
        return [*changes_of(asked, usual), *found]

    def start_anew() -> list[Any]:
        controls = tab.panel.updates(workspace.columns())
        return [*settings_of(Asked(), usual), *answered(workspace, Asked()), *controls]

    def more_like(event: gr.EventData) -> tuple[Any, ...]:
        # What was searched for before would pull the results back.
        return event._data["id"], "", None, ""

    slow = {"show_progress": "minimal", "show_progress_on": [tab.grid], **PRIVATE}
    searching = {
        "fn": told(run),
        "inputs": [*tab.settings, tab.panel.names, *tab.panel.controls],
        "outputs": [tab.like, *answers],
        "preprocess": False,
        "trigger_mode": "always_last",
        **slow,
    }
    gr.on(_occasions(tab), **searching)
    fresh = [*tab.settings, *answers]
    page.load(load, None, fresh, **slow)
    columns = [tab.words, tab.suggestions, *tab.panel.outputs]
    page.load(lambda: _columns(workspace, tab), None, columns, **QUIET)
    # Apart from the rest: heads take a while to be opened for the first time.
    page.load(lambda: _heads(workspace), None, tab.head, **QUIET | {"queue": True})
    tab.words.change(None, tab.words, None, js="(w) => window.veneer?.suggest?.(w)", **QUIET)
    tab.clear.click(told(start_anew), None, [*fresh, *tab.panel.outputs], **QUIET)
    tab.unlike.click(lambda: "", None, tab.like, **QUIET).then(**searching)
    tab.grid.select(more_like, None, [tab.like, tab.prompt, tab.picture, tab.url], **QUIET).then(
        **searching
    )
    tab.suggestions.click(lambda given: given[0], tab.suggestions, tab.prompt, **QUIET).then(
        **searching
    )
    tab.mode.input(lambda mode: gr.update(visible=mode == INSIDE), tab.mode, tab.head, **QUIET)


def _occasions(tab: Controls) -> list[Any]:
    """What makes the tab search."""
    occasions = [tab.go.click, tab.prompt.submit, tab.url.submit, tab.where.submit]
    occasions += [tab.k.input, tab.weight.input, tab.least.input]
    occasions += [tab.mode.input, tab.head.input, tab.copies.input]
    occasions += [tab.picture.upload, tab.picture.clear]
    for control in tab.panel.controls:
        occasions.append(control.input if isinstance(control, gr.Dropdown) else control.submit)
    return occasions


def read_settings(settings: Sequence[Any], filtered: str | None, usual: float) -> Asked:
    """What the controls say."""
    words, _, url, like, k, weight, mode, head, where, least, copies = settings
    both = [each for each in (filtered, _text(where)) if each]
    confined = "auto" if head in (BEST_HEAD, None) else head
    return Asked(
        q=_text(words),
        image=_text(url),
        like=like or "",
        k=int(k) if isinstance(k, float) and k.is_integer() else k,
        weight=None if weight == usual else weight,
        head=confined if mode == INSIDE else "",
        where=both[0] if len(both) == 1 else " and ".join(f"({each})" for each in both),
        min=least or None,
        copies=bool(copies),
    )


def _text(value: Any) -> Any:
    return value.strip() if isinstance(value, str) else value or ""


def settings_of(asked: Asked, usual: float) -> list[Any]:
    """Inverse of :func:`read_settings`; an uploaded picture has no address."""
    return [
        asked.q,
        None,
        asked.image,
        asked.like,
        asked.k,
        usual if asked.weight is None else asked.weight,
        INSIDE if asked.head else EVERYTHING,
        gr.update(
            value=BEST_HEAD if asked.head in ("", "auto") else asked.head, visible=bool(asked.head)
        ),
        asked.where,
        asked.min or 0,
        asked.copies,
    ]


def changes_of(asked: Asked, usual: float) -> list[Any]:
    """:func:`settings_of`, but for what a new page says anyway.

    Controls in a closed section get new values when it is opened: late enough to wipe out what
    somebody quick has typed there.
    """
    settings = zip(settings_of(asked, usual), settings_of(Asked(), usual), strict=True)
    return [gr.skip() if given == blank else given for given, blank in settings]


def _columns(workspace: Workspace, tab: Controls) -> list[Any]:
    """Suggestions and filters, as the collection has them now."""
    words, columns = list(DTD_ATTRIBUTES), []
    try:
        columns = workspace.columns()
        own = [each.replace("_", " ") for each in labels(workspace)]
        words = list(dict.fromkeys([*own, *words]))
    except Exception as error:  # what is missing, the grid says as well
        sentence_of(error)
    samples = [[each] for each in words[:SUGGESTED]]
    return [words, gr.Dataset(samples=samples), *tab.panel.updates(columns)]


def _heads(workspace: Workspace) -> Any:
    try:
        return gr.update(choices=[BEST_HEAD, *workspace.heads()])
    except Exception as error:  # who searches by a head is told
        sentence_of(error)
        return gr.skip()


def answered(
    workspace: Workspace, asked: Asked, data: bytes | None = None, name: str = ""
) -> list[Any]:
    """What the tab shows of a search; of the collection, where nothing is searched for."""
    if data is None and not (asked.q or asked.image or asked.like):
        return _browsed(workspace, asked)
    found = answer(workspace, asked, data)
    rows = found.results.to_pylist()
    word = secrets.token_urlsafe(16)
    workspace.results.keep({word: Result(asked, found, name)})
    value = {
        "results": [shown.result(row) for row in rows],
        "status": _status(workspace, asked, found),
        "notice": advice(workspace, asked, found, data is not None or bool(asked.image)),
        "address": asked.address(),
        "saved": word if rows else None,
    }
    bars = shown.label_bars([row["label"] for row in rows])
    return [value, bars, *_like(asked)]


def _like(asked: Asked) -> list[Any]:
    """The image that is searched for, and the button that drops it."""
    picture = shown.page_of("like", id=asked.like) if asked.like else ""
    return [picture, gr.update(visible=bool(asked.like))]


def _browsed(workspace: Workspace, asked: Asked) -> list[Any]:
    table, count = browse(workspace, asked)
    passing = " that pass the filter" if asked.where else ""
    value = {
        "results": [shown.result(row) for row in table.to_pylist()],
        "status": f"{len(table)} of {count:,} images{passing}. Say what to look for, or choose one "
        "of these.",
        "address": asked.address(),
    }
    return [value, "", *_like(asked)]


def _status(workspace: Workspace, asked: Asked, found: Found) -> str:
    if not len(found.results):
        return found.why_nothing(asked.where or None, asked.min)
    passing = "" if found.searched == workspace.index().rows else " that pass"
    told_of = f"{len(found.results)} of {found.searched:,} images{passing}, the nearest first."
    if found.label is not None:
        told_of += f" Inside the class {found.label} ({found.confidence:.2f})."
    return told_of
