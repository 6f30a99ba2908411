"""Several encoders beside each other: a panel a collection, a row a figure, a dot an encoder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from veneer.comparison import title as name_of
from veneer.figures.canvas import (
    INK,
    LINE,
    Page,
    header_height,
    header_lines,
    properties,
    shorten,
    text_width,
    to_image,
)
from veneer.figures.curves import COLOURS, DOT, GAP, MARGIN, SIZE, WIDTH, Panel, colour_of, percent

# Bounded by 5 over the size of a class, and so next to nothing on an axis that the others share.
LEFT_OUT = ("recall@5",)

# Beside colour, for those who see none; as many as there are colours, and one more, so that
# both together come again late.
MARKERS = ("o", "s", "D", "^", "v", "P", "X")

_PITCH = 12  # between the dots of a row
_APART = 14  # between rows
_LINE = round(SIZE * LINE)
_ABOVE = 30  # room for the name of a collection
_BELOW = 26  # room for the ticks
_WIDEST_NAME = 200


def comparison_chart(comparison: Mapping) -> Image.Image:
    """Draw every figure of every encoder with its 95 % interval.

    Parameters
    ----------
    comparison : mapping
        ``heads``, ``decide_by`` and ``collections``, as
        :func:`veneer.pipelines.comparison.nodes.compare` gives them.

    Returns
    -------
    PIL.Image.Image of mode RGB.
    """
    return to_image(comparison_figure(comparison))


def comparison_figure(comparison: Mapping) -> Figure:
    """The matplotlib figure behind :func:`comparison_chart`."""
    collections = comparison["collections"]
    rows = {name: _rows(each) for name, each in collections.items()}
    drawn = {name for figures in rows.values() for each in figures.values() for name in each}
    asked = dict.fromkeys(name for each in collections.values() for name in each["encoders"])
    encoders = [name for name in asked if name in drawn]
    header = header_lines(
        "Encoders compared",
        "dots with 95 % intervals; byte-identical copies of an image are no results of its search",
        WIDTH - 2 * MARGIN,
        15,
    )
    key = _key_lines(encoders)
    top = MARGIN + header_height(header) + len(key) * _LINE
    labels = [name_of(name) for figures in rows.values() for name in figures]
    left = MARGIN + round(max((text_width(each, SIZE) for each in labels), default=0)) + 2 * GAP
    low = _lowest(rows)
    row_height = _PITCH * len(encoders) + _APART
    heights = [max(row_height * len(figures), _LINE) for figures in rows.values()]
    bottom = top + sum(heights) + len(rows) * (_ABOVE + _BELOW)
    page = Page(WIDTH, bottom + MARGIN)
    page.write_header(MARGIN, MARGIN, header)
    _write_key(page, MARGIN + header_height(header), key)
    y = top
    for (name, figures), height in zip(rows.items(), heights, strict=True):
        y += _ABOVE
        page.write(MARGIN, y - GAP, shorten(name, WIDTH - 2 * MARGIN, SIZE, bold=True), SIZE, True)
        panel = Panel(page, left, y, WIDTH - left - MARGIN - GAP, height)
        _draw(panel, figures, encoders, low)
        y += height + _BELOW
    return page.figure


def _rows(collection: Mapping) -> dict[str, dict[str, Mapping]]:
    """By figure, in the order of the table, what each encoder reached."""
    rows: dict[str, dict[str, Mapping]] = {}
    for encoder, entry in collection["encoders"].items():
        for name, told in entry.get("figures", {}).items():
            if name not in LEFT_OUT:
                rows.setdefault(name, {})[encoder] = told
    return rows


def _lowest(rows: Mapping[str, Mapping[str, Mapping[str, Mapping]]]) -> float:
    """Where the axes begin: a tenth below everything."""
    ends = [
        told["interval_95"][0]
        for figures in rows.values()
        for encoders in figures.values()
        for told in encoders.values()
    ]
    return min(float(np.floor(min(ends, default=0.0) * 10) / 10), 0.9)


def _draw(
    panel: Panel, figures: Mapping[str, Mapping], encoders: Sequence[str], low: float
) -> None:
    panel.scale(
        (low, 1),
        (max(len(figures), 1), 0),
        ("", ""),
        ticks=(None, [row + 0.5 for row in range(len(figures))]),
        texts=(percent, lambda at: name_of(list(figures)[int(at)])),
    )
    panel.axes.grid(visible=False, axis="y")
    panel.axes.tick_params(axis="y", pad=2 * GAP)
    for tick in panel.axes.get_yticklabels():
        tick.set(color=INK, fontproperties=properties(SIZE))
    if not figures:
        middle = (panel.left + panel.width / 2, panel.top + panel.height / 2)
        panel.write(*middle, "nothing could be compared", ha="center", va="center_baseline")
    for row in range(1, len(figures)):
        panel.axes.axhline(row, color="#eef1f3", linewidth=1, zorder=1)
    step = _PITCH / (_PITCH * len(encoders) + _APART)
    for row, reached in enumerate(figures.values()):
        for place, encoder in enumerate(encoders):
            if encoder in reached:
                at = row + 0.5 + (place - (len(encoders) - 1) / 2) * step
                start, end = reached[encoder]["interval_95"]
                line = {"color": colour_of(place), "clip_on": False, "zorder": 3}
                panel.axes.plot([start, end], [at, at], linewidth=2, marker="", **line)
                panel.axes.plot([reached[encoder]["value"]], [at], **line | _marker(place))


def _marker(place: int) -> dict:
    return {
        **DOT,
        "markersize": 7,
        "marker": MARKERS[place % len(MARKERS)],
        "linestyle": "",
        "zorder": 4,
    }


def _key_lines(encoders: Sequence[str]) -> list[list[tuple[int, str, float]]]:
    """Place, name and left edge of each encoder, on as many lines as they need."""
    lines: list[list[tuple[int, str, float]]] = [[]]
    x = 0.0
    for place, encoder in enumerate(encoders):
        name = shorten(encoder, _WIDEST_NAME, SIZE)
        width = 2 * GAP + text_width(name, SIZE)
        if lines[-1] and x + width > WIDTH - 2 * MARGIN:
            lines.append([])
            x = 0.0
        lines[-1].append((place, name, x))
        x += width + 3 * GAP
    return lines


def _write_key(page: Page, top: float, lines: Sequence[Sequence[tuple[int, str, float]]]) -> None:
    whole, height = WIDTH - 2 * MARGIN, len(lines) * _LINE
    axes = page.axes(MARGIN, top, whole, height)
    axes.set(xlim=(0, whole), ylim=(height, 0))
    for number, line in enumerate(lines):
        y = (number + 0.5) * _LINE
        for place, name, x in line:
            colour = COLOURS[place % len(COLOURS)]
            axes.plot([x + GAP / 2], [y], color=colour, clip_on=False, **_marker(place))
            style = {"color": colour, "va": "center_baseline"}
            page.write(MARGIN + x + 2 * GAP, top + y, name, SIZE, **style)
