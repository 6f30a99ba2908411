"""How many images carry each label, as horizontal bars."""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.figure import Figure
from PIL import Image

from veneer.figures.canvas import (
    INK,
    MUTED,
    Page,
    header_height,
    header_lines,
    properties,
    shorten,
    text_width,
    to_image,
)
from veneer.text import natural

_BAR = "#4a7fb5"
_REST = "#b9c1c9"
_WIDTH = 640
_MARGIN = 28
_ROW = 20
_SIZE = 10.5
_GAP = 7
_WIDEST_LABEL = 220


def label_histogram(
    counts: Mapping[str, int], *, title: str, subtitle: str = "", most: int = 20
) -> Image.Image:
    """Draw the labels sorted by count, largest first.

    Parameters
    ----------
    counts : mapping of str to int
        Images per label.
    title, subtitle : str
    most : int
        At most so many labels have a bar of their own; the rest are summed in one grey bar
        at the end, "other (n labels)".

    Returns
    -------
    PIL.Image.Image of mode RGB; its height grows with the number of bars.
    """
    return to_image(histogram_figure(counts, title=title, subtitle=subtitle, most=most))


def histogram_bars(counts: Mapping[str, int], most: int) -> tuple[list[tuple[str, int]], int]:
    """The bars from the top down, and how many labels the last one sums (0: there is no sum).

    Labels of equal count are in alphabetical order, so that the picture does not depend on the
    order of the mapping.
    """
    if most < 1:
        raise ValueError(f"most must be at least 1, not {most}")
    ordered = sorted(counts.items(), key=lambda item: (-item[1], natural(item[0])))
    bars, rest = ordered[:most], ordered[most:]
    if rest:
        name = f"other ({len(rest)} label{'s' if len(rest) > 1 else ''})"
        bars.append((name, sum(count for _, count in rest)))
    return bars, len(rest)


def histogram_figure(
    counts: Mapping[str, int], *, title: str, subtitle: str = "", most: int = 20
) -> Figure:
    """The matplotlib figure behind :func:`label_histogram`."""
    bars, summed = histogram_bars(counts, most)
    names = [shorten(name, _WIDEST_LABEL, _SIZE) for name, _ in bars]
    values = [count for _, count in bars]
    numbers = [f"{count:,}" for count in values]

    header = header_lines(title, subtitle, _WIDTH - 2 * _MARGIN, 15)
    top = _MARGIN + header_height(header)
    page = Page(_WIDTH, top + _ROW * max(len(bars), 1) + _MARGIN)
    page.write_header(_MARGIN, _MARGIN, header)
    if not bars:
        page.write(_MARGIN, top + _SIZE, "No labels", _SIZE, color=MUTED)
        return page.figure

    left = _MARGIN + round(max(text_width(name, _SIZE) for name in names)) + _GAP
    right = round(max(text_width(number, _SIZE) for number in numbers)) + _GAP + _MARGIN
    axes = page.axes(left, top, _WIDTH - left - right, _ROW * len(bars))
    rows = range(len(bars))
    colours = [_BAR] * (len(bars) - bool(summed)) + [_REST] * bool(summed)
    axes.barh(rows, values, height=0.7, color=colours)
    axes.set(xlim=(0, max(*values, 1)), ylim=(len(bars) - 0.5, -0.5))

    axes.set_yticks(rows, names)
    axes.tick_params(axis="y", pad=_GAP)
    for row, tick in enumerate(axes.get_yticklabels()):
        tick.set(fontproperties=properties(_SIZE), parse_math=False)
        tick.set_color(MUTED if summed and row == len(bars) - 1 else INK)
    for row, (value, number) in enumerate(zip(values, numbers, strict=True)):
        axes.annotate(
            number,
            (value, row),
            xytext=(_GAP - 2, 0),
            textcoords="offset points",
            va="center_baseline",
            color=MUTED,
            fontproperties=properties(_SIZE),
            annotation_clip=False,
        )
    return page.figure
