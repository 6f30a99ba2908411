"""How good a search is for each class, readable for two classes as for sixty."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

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
from veneer.figures.curves import COLOURS, GAP, MARGIN, SIZE, WIDTH, Panel, percent

_MARKERS = ((6.5, True), (8.5, False), (11.5, False))  # of a search: size, and whether filled
_HOLD = "#b9c1c9"
_COUNT = "images"
_ROW = 18
_LONG = 20  # rows from which on ticks also stand below them
_WIDEST_LABEL = 200
_LINE = round(SIZE * LINE)
_ABOVE = 34  # room for the ticks
_BELOW = 18
_ASIDE = 12  # between labels and the axes, where half a dot may stand


def precision_by_class(
    searches: Mapping[str, Mapping[str, Mapping]],
    *,
    title: str,
    subtitle: str = "",
    figure: str = "precision@10",
    most: int = 60,
) -> Image.Image:
    """Draw a figure of each class under one to three searches, a row a class, the best first.

    Parameters
    ----------
    searches : mapping of str to mapping
        Name to the ``per_class`` that :func:`veneer.retrieval.evaluation.summarise` gives. The
        first one's order the rows, and its classes with nothing to find are left out.
    title, subtitle : str
    figure : str
        Which of the figures, from 0 to 1.
    most : int, at least 2
        Of more classes, only the best and the worst have a row.

    Returns
    -------
    PIL.Image.Image of mode RGB; its height grows with the number of rows.

    Raises
    ------
    ValueError
        On another number of searches, or ``most`` below 2.
    """
    drawn = precision_figure(searches, title=title, subtitle=subtitle, figure=figure, most=most)
    return to_image(drawn)


def class_rows(per_class: Mapping[str, Mapping], figure: str, most: int) -> tuple[list[str], int]:
    """Classes that have a row, from the top down, and how many are left out in the middle.

    Classes of equal value are in alphabetical order.
    """
    values = {name: each[figure] for name, each in per_class.items() if each[figure] is not None}
    ordered = sorted(values, key=lambda name: (-values[name], name))
    if len(ordered) <= most:
        return ordered, 0
    best = most - most // 2
    return ordered[:best] + ordered[len(ordered) - most // 2 :], len(ordered) - most


def precision_figure(
    searches: Mapping[str, Mapping[str, Mapping]],
    *,
    title: str,
    subtitle: str = "",
    figure: str = "precision@10",
    most: int = 60,
) -> Figure:
    """The matplotlib figure behind :func:`precision_by_class`."""
    if not 1 <= len(searches) <= len(_MARKERS) or most < 2:
        raise ValueError(f"{len(searches)} searches, at most {most} rows: cannot be drawn")
    per_class = next(iter(searches.values()))
    names, between = class_rows(per_class, figure, most)
    header = header_lines(title, subtitle, WIDTH - 2 * MARGIN, 15)
    top = MARGIN + header_height(header)
    if not names:
        page = Page(WIDTH, top + _LINE + MARGIN)
        page.write_header(MARGIN, MARGIN, header)
        page.write(MARGIN, top + SIZE, "No class has anything to find", SIZE, color=MUTED)
        return page.figure

    labels = [shorten(name, _WIDEST_LABEL, SIZE) for name in names]
    counts = [f"{per_class[name]['n_queries']:,}" for name in names]
    left = MARGIN + round(max(text_width(label, SIZE) for label in labels)) + _ASIDE
    right = MARGIN + round(max(text_width(text, SIZE) for text in [*counts, _COUNT])) + 4 * GAP
    # Where classes are left out, a row stays empty.
    best = most - most // 2 if between else len(names)
    rows = [*range(best), *range(best + 1, len(names) + 1)]
    first = top + _LINE + _ABOVE
    bottom = first + _ROW * (rows[-1] + 1)
    alone = len(per_class) - len(names) - between
    ticks_below = len(rows) > _LONG
    under = (_BELOW if ticks_below else 0) + (_LINE + GAP if alone else 0)
    page = Page(WIDTH, bottom + under + MARGIN)
    page.write_header(MARGIN, MARGIN, header)
    _write_key(page, top, figure, list(searches))
    if alone:
        note = f"{_classes(alone)} with nothing else to find left out"
        page.write(MARGIN, bottom + under, note, SIZE, color=MUTED)

    panel = Panel(page, left, first, WIDTH - left - right, bottom - first)
    label_of = dict(zip(rows, labels, strict=True))
    panel.scale(
        (0, 1),
        (rows[-1] + 0.5, -0.5),
        ("", ""),
        ticks=([0, 0.2, 0.4, 0.6, 0.8, 1], rows),
        texts=(percent, label_of.__getitem__),
    )
    panel.axes.tick_params(axis="x", labeltop=True, labelbottom=ticks_below)
    panel.axes.tick_params(axis="y", pad=_ASIDE)
    for tick in panel.axes.get_xticklabels():
        tick.set(fontproperties=properties(SIZE), color=MUTED)
    for tick in panel.axes.get_yticklabels():
        tick.set_color(INK)
    _draw_dots(panel, list(searches.values()), dict(zip(names, rows, strict=True)), figure)

    end = {"ha": "right", "color": MUTED}
    page.write(WIDTH - MARGIN, first - GAP - 3, _COUNT, SIZE, **end)
    for row, count in zip(rows, counts, strict=True):
        y = first + _ROW * (row + 0.5)
        page.write(WIDTH - MARGIN, y, count, SIZE, va="center_baseline", **end)
    if between:
        y = first + _ROW * (best + 0.5)
        style = {"ha": "center", "va": "center_baseline", "backgroundcolor": PAPER}
        text = f"{_classes(between)} between the best and the worst left out"
        page.write(left + panel.width / 2, y, text, SIZE, color=MUTED, **style)
    return page.figure


def _classes(n: int) -> str:
    return f"{n:,} class{'' if n == 1 else 'es'}"


def _marker(index: int) -> dict:
    """A filled dot for the first search and rings for others, which then show around it."""
    size, filled = _MARKERS[index]
    colour = COLOURS[index]
    return {
        "marker": "o",
        "markersize": size,
        "markerfacecolor": colour if filled else PAPER,
        "markeredgecolor": colour,
        "markeredgewidth": 0 if filled else 1.75,
        "zorder": 6 - index,
        "linestyle": "",
        "clip_on": False,
    }


def _draw_dots(
    panel: Panel,
    searches: Sequence[Mapping[str, Mapping]],
    rows: Mapping[str, int],
    figure: str,
) -> None:
    """The dots of each search, and a line that holds together those of a class."""
    ends: dict[str, list[float]] = {name: [] for name in rows}
    for index, per_class in enumerate(searches):
        values = {name: per_class.get(name, {}).get(figure) for name in rows}
        known = {name: value for name, value in values.items() if value is not None}
        for name, value in known.items():
            ends[name].append(value)
        places = [rows[name] for name in known]
        panel.axes.plot(list(known.values()), places, **_marker(index))
    low, high = [min(each) for each in ends.values()], [max(each) for each in ends.values()]
    panel.axes.hlines(list(rows.values()), low, high, color=_HOLD, linewidth=2, zorder=2)


def _write_key(page: Page, top: int, figure: str, names: Sequence[str]) -> None:
    """A line with the name of the figure, and the marker and the name of each search."""
    whole = WIDTH - 2 * MARGIN
    key = page.axes(MARGIN, top, whole, _LINE)
    key.set(xlim=(0, whole), ylim=(_LINE, 0))
    x = 0.0

    def write(text: str, width: float, colour: str) -> None:
        nonlocal x
        text = shorten(text, width, SIZE)
        style = {"color": colour, "va": "center_baseline"}
        page.write(MARGIN + x, top + _LINE / 2, text, SIZE, **style)
        x += text_width(text, SIZE) + 3 * GAP

    write(figure, whole / 4, MUTED)
    room = (whole - x) / len(names) - 5 * GAP
    for index, name in enumerate(names):
        key.plot([x + GAP / 2], [_LINE / 2], **_marker(index))
        x += 2 * GAP
        write(name, room, COLOURS[index])
