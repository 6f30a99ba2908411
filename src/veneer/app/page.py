"""All tabs on one page."""

from __future__ import annotations

import gradio as gr

from veneer.app import shown
from veneer.app.map_tab import map_tab
from veneer.app.recognise_tab import recognise_tab
from veneer.app.report_tab import report_tab
from veneer.app.scripts import search_api
from veneer.app.search_tab import search_tab
from veneer.app.twins_tab import twins_tab
from veneer.app.workspace import Workspace

THEME = gr.themes.Base(
    primary_hue="teal",
    neutral_hue="stone",
    # Those of the machine: nothing is loaded from elsewhere.
    font=["system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif"],
    font_mono=["ui-monospace", "Menlo", "Consolas", "monospace"],
).set(
    # Gradio's own are too pale to be read by everybody: these have a contrast of 4.5 and more.
    body_text_color_subdued="*neutral_600",
    body_text_color_subdued_dark="*neutral_400",
    block_label_text_color="*neutral_600",
    block_title_text_color="*neutral_700",
    block_info_text_color="*neutral_600",
    input_placeholder_color="*neutral_600",
    input_placeholder_color_dark="*neutral_300",
    button_primary_background_fill="*primary_700",
    button_primary_background_fill_hover="*primary_800",
    button_primary_background_fill_dark="*primary_700",
    button_primary_background_fill_hover_dark="*primary_600",
    button_primary_text_color="white",
    button_primary_text_color_dark="white",
    color_accent="*primary_700",
    link_text_color="*primary_700",
    link_text_color_dark="*primary_300",
)
HEAD = "".join(
    [f'<link rel="stylesheet" href="veneer/{name}.css">' for name in ("app", "map")]
    + [f'<script src="veneer/{name}.js"></script>' for name in ("app", "grid", "map", "twins")]
)
DAY = 24 * 60 * 60

TABS = {
    "Search": search_tab,
    "Recognise": recognise_tab,
    "Twins": twins_tab,
    "Map": map_tab,
    "Report": report_tab,
}


def build(workspace: Workspace, *, logout: bool = False) -> gr.Blocks:
    """The page of a collection, with a link to log out if wanted."""
    with gr.Blocks(
        title=f"veneer · {workspace.collection}",
        analytics_enabled=False,
        fill_width=True,
        delete_cache=(DAY // 24, DAY),
    ) as page:
        gr.HTML(
            _head(workspace, logout),
            elem_id="veneer-head",
            apply_default_css=False,
        )
        with gr.Tabs():
            for name, lay_out in TABS.items():
                with gr.Tab(name, id=name.lower()) as tab:
                    lay_out(workspace, page, tab)
        gr.api(search_api(workspace), api_name="search")
    return page.queue(default_concurrency_limit=8, max_size=512)


def _head(workspace: Workspace, logout: bool) -> str:
    return shown.page_of(
        "head", name=workspace.collection, encoder=workspace.encoder_name, logout=logout
    )
