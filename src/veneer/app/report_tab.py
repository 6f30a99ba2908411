"""Report: what the last run gave."""

from __future__ import annotations

import gradio as gr

from veneer.app import shown
from veneer.app.reporting import report
from veneer.app.told import PRIVATE, sentence_of
from veneer.app.workspace import Workspace


def report_tab(workspace: Workspace, page: gr.Blocks, tab: gr.Tab) -> None:
    """Lay out the tab and wire it."""
    page_shown = gr.HTML(elem_id="report", apply_default_css=False)

    def opened() -> str:
        try:
            return shown.page_of("report", **report(workspace))
        except Exception as error:
            return shown.page_of("notice", text=sentence_of(error))

    tab.select(opened, None, page_shown, **PRIVATE)
