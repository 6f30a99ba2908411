"""A collection on a plane, a dot an image, coloured by what the images are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from veneer.figures.canvas import (
    INK,
    LINE,
    MUTED,
    PAPER,
    Page,
    header_height,
    header_lines,
    properties,
    shorten,
    text_width,
    to_image,
)
from veneer.figures.curves import GAP, MARGIN, SIZE, WIDTH
from veneer.figures.histogram import histogram_bars
from veneer.figures.map_value import NO_CATEGORY

# Those of the app's map (static/map.js): far apart from each other, also for colour-blind eyes.
COLOURS = (
    *("#2563c8", "#f65400", "#a21e42", "#5a0c84", "#00a2c6", "#246066", "#663c00", "#6c1836"),
    *("#0c9c00", "#c03690", "#a24800", "#423660", "#3030c0", "#a87ef6", "#f64872", "#548a5a"),
    *("#6c66f6", "#843096", "#6c6cae", "#de6cba"),
)
GREY = "#b4b9be"

_SIDE = WIDTH - 2 * MARGIN
_COLUMNS = 3
_ROW = 17
_DOT = 8
_CELLS = 24  # along the longer side of a map, to find where it is crowded


def embedding_map(
    points: np.ndarray,
    names: Sequence[str | None],
    *,
    title: str,
    subtitle: str = "",
    marks: Mapping[str, str] | None = None,
    most: int = len(COLOURS),
) -> Image.Image:
    """Draw a map with a legend below it, the most frequent names first.

    Parameters
    ----------
    points : float array [n, 2]
        One scale serves both axes; the second one points up.
    names : sequence of str or None [n]
        What the dots are coloured by.
    title, subtitle : str
    marks : mapping of name to str, optional
        A word that is written where most of the dots of this name are.
    most : int
        Names that have a colour; the others, and dots without a name, are grey.

    Returns
    -------
    PIL.Image.Image of mode RGB.
    """
    drawn = map_figure(points, names, title=title, subtitle=subtitle, marks=marks, most=most)
    return to_image(drawn)


def map_figure(
    points: np.ndarray,
    names: Sequence[str | None],
    *,
    title: str,
    subtitle: str = "",
    marks: Mapping[str, str] | None = None,
    most: int = len(COLOURS),
) -> Figure:
    """The matplotlib figure behind :func:`embedding_map`."""
    points = np.asarray(points, np.float64).reshape(-1, 2)
    counts: dict[str, int] = {}
    for name in names:
        if name is not None:
            counts[name] = counts.get(name, 0) + 1
    bars, summed = histogram_bars(counts, most)
    coloured = [name for name, _ in bars[: len(bars) - bool(summed)]]
    colours = {name: COLOURS[place % len(COLOURS)] for place, name in enumerate(coloured)}
    legend = [(name, count, colours.get(name, GREY)) for name, count in bars]
    if summed:
        legend[-1] = (f"other ({summed})", bars[-1][1], GREY)
    if nameless := len(names) - sum(counts.values()):
        legend.append((NO_CATEGORY, nameless, GREY))

    header = header_lines(title, subtitle, _SIDE, 15)
    top = MARGIN + header_height(header)
    height = _height_of(points)
    rows = -(-len(legend) // _COLUMNS)
    page = Page(WIDTH, top + height + 2 * GAP + rows * _ROW + MARGIN)
    page.write_header(MARGIN, MARGIN, header)
    axes = page.axes(MARGIN, top, _SIDE, height)
    if len(points):
        _scatter(axes, points, [colours.get(name, GREY) for name in names])
        _fit(axes, points, height)
    else:
        page.write(MARGIN, top + SIZE, "No images", SIZE, color=MUTED)
    for name, mark in (marks or {}).items():
        own = points[[each == name for each in names]]
        if len(own):
            _mark(axes, _crowded(own, np.ptp(points, axis=0).max() / _CELLS), mark)
    _write_legend(page, legend, top + height + 2 * GAP)
    return page.figure


def _height_of(points: np.ndarray) -> int:
    """Of the axes, as wide as the page: what the points need, but neither a strip nor a tower."""
    if not len(points):
        return _ROW
    across, up = np.maximum(np.ptp(points, axis=0), 1e-9)
    return round(_SIDE * min(max(up / across, 0.4), 1))


def _fit(axes, points: np.ndarray, height: int) -> None:
    """One scale for both axes, the points in the middle."""
    low, high = points.min(axis=0), points.max(axis=0)
    middle = (low + high) / 2
    room = np.array([_SIDE, height]) - 2 * _DOT
    unit = ((high - low) / room).max() or 1.0
    half = unit * np.array([_SIDE, height]) / 2
    axes.set(xlim=middle[0] + [-half[0], half[0]], ylim=middle[1] + [-half[1], half[1]])


def _scatter(axes, points: np.ndarray, colours: Sequence[str]) -> None:
    """Dots in no order, so that no name lies on top of the others; grey ones below all."""
    n = len(points)
    diameter = float(np.clip(90 / n**0.4, 1.2, _DOT))
    colours = np.asarray(colours)
    order = np.random.default_rng(0).permutation(n)
    order = order[np.argsort(colours[order] != GREY, kind="stable")]
    axes.scatter(
        *points[order].T,
        s=diameter**2,
        c=colours[order],
        marker="o",
        linewidths=0.4 if diameter > 3 else 0,
        edgecolors=PAPER,
        alpha=1,
        clip_on=False,
    )


def _crowded(points: np.ndarray, cell: float) -> np.ndarray:
    """The middle of the points in the square cell that has most of them."""
    cells = np.floor(points / (cell or 1.0))
    _, which, counts = np.unique(cells, axis=0, return_inverse=True, return_counts=True)
    return np.median(points[which == counts.argmax()], axis=0)


def _mark(axes, point: np.ndarray, text: str) -> None:
    from matplotlib.patheffects import withStroke

    axes.annotate(
        text,
        point,
        xytext=(_DOT * 0.7, _DOT * 0.7),  # beside it, so that a small group can be seen
        textcoords="offset points",
        ha="left",
        va="bottom",
        color=INK,
        fontproperties=properties(SIZE, bold=True),
        parse_math=False,
        path_effects=[withStroke(linewidth=3, foreground=PAPER)],
        zorder=5,
        annotation_clip=False,
    )


def _write_legend(page: Page, legend: Sequence[tuple[str, int, str]], top: int) -> None:
    """Names in columns, read downwards, each with its colour and how many dots it has."""
    rows = -(-len(legend) // _COLUMNS)
    width = _SIDE / _COLUMNS
    for place, (name, count, colour) in enumerate(legend):
        column, row = divmod(place, rows)
        x = MARGIN + column * width
        y = top + row * _ROW + SIZE * LINE / 2
        number = f"{count:,}"
        room = width - _DOT - 3 * GAP - text_width(number, SIZE)
        page.write(x, y, "●", SIZE, color=colour, va="center_baseline")
        short = shorten(name, room, SIZE)
        page.write(x + _DOT + GAP, y, short, SIZE, va="center_baseline")
        after = x + _DOT + 2 * GAP + text_width(short, SIZE)
        page.write(after, y, number, SIZE, color=MUTED, va="center_baseline")
