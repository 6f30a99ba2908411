"""Which classes are taken for which, readable from two classes to many dozens."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from veneer.figures.canvas import (
    INK,
    LINE,
    MUTED,
    Page,
    header_height,
    header_lines,
    properties,
    shorten,
    text_width,
    to_image,
)

# One hue (OKLab, 250 degrees) in nine equal steps of lightness: equal differences of share look
# equally large.
_STEPS = (
    "#f1f6fa",
    "#c0defd",
    "#94c5f8",
    "#6cacec",
    "#4992d9",
    "#2c79c0",
    "#1861a0",
    "#124a7c",
    "#133555",
)
COLOURS = LinearSegmentedColormap.from_list("veneer_share", _STEPS)

_MARGIN = 28
_PAD = 6
_WIDEST_LABEL = 22  # in font sizes
_LARGEST_SIDE = 3000  # points; Agg cannot draw pictures of any size
_LEGIBLE = 6  # points


def confusion_matrix(
    matrix: np.ndarray, labels: Sequence[str], *, title: str, subtitle: str = ""
) -> Image.Image:
    """Draw a confusion matrix with counts, row-normalised colours, recall and row totals.

    Parameters
    ----------
    matrix : int ndarray of shape [K, K]
        Rows are true classes, columns predicted ones.
    labels : sequence of K str
        Names of the classes, in the order of rows and columns.
    title, subtitle : str

    Returns
    -------
    PIL.Image.Image of mode RGB; size and type grow with K.
    """
    return to_image(confusion_figure(matrix, labels, title=title, subtitle=subtitle))


def confusion_figure(
    matrix: np.ndarray, labels: Sequence[str], *, title: str, subtitle: str = ""
) -> Figure:
    """The matplotlib figure behind :func:`confusion_matrix`; its first axes hold the cells."""
    matrix = np.asarray(matrix)
    k = len(labels)
    if k == 0 or matrix.shape != (k, k):
        raise ValueError(f"{k} labels need a {k} x {k} matrix with K >= 1, not {matrix.shape}")

    size = 10 + min(k, 60) / 20
    widest_count = max(text_width(str(count), 1) for count in (matrix.min(), matrix.max()))
    cell = _cell_side(k, widest_count)
    side = k * cell
    names = [shorten(label, _WIDEST_LABEL * size, size) for label in labels]
    name_width = max(text_width(name, size) for name in names)
    rotation = _rotation(name_width, cell, k)

    # Room for everything around the cells is measured first; the page is made to fit it.
    below = {0: size * LINE, 45: (name_width + size) * 0.71, 90: name_width}[rotation] + _PAD
    overhang = name_width * 0.71 - cell / 2 if rotation == 45 else 0
    left = _MARGIN + round(size * LINE + max(_PAD + name_width + _PAD, overhang))
    totals = matrix.sum(axis=1)
    columns = _recall_columns(matrix, totals)
    widths = [max(text_width(text, size) for text in column) for column in columns]
    column_right = [side + 2 * size + widths[0]]
    column_right.append(column_right[0] + 1.4 * size + widths[1])
    bar_left = round(left + column_right[1] + 2.2 * size)
    bar_size = size * 0.9
    bar_width, bar_height = round(size * 0.9), round(max(14 * bar_size, min(side / 3, 320)))
    right = bar_width + _PAD + text_width("100%", bar_size) + _PAD + bar_size * LINE + _MARGIN

    width = round(bar_left + right)
    header = header_lines(title, subtitle, width - 2 * _MARGIN, round(15 + min(k, 60) / 8))
    # One line above the cells belongs to the heads of the recall columns.
    top = _MARGIN + header_height(header) + round(size * LINE)
    bottom = round(max(side + below + _PAD + size * LINE, bar_height)) + _MARGIN
    page = Page(width, top + bottom)
    page.write_header(_MARGIN, _MARGIN, header)

    shares = matrix / np.maximum(totals, 1)[:, None]
    axes = page.axes(left, top, side, side)
    # White edges keep neighbours apart without a grid to look at.
    axes.pcolormesh(shares, cmap=COLOURS, vmin=0, vmax=1, edgecolors="white", linewidth=0.5)
    axes.set(xlim=(0, k), ylim=(k, 0))
    _write_names(axes, names, size, cell, rotation)
    _write_counts(axes, matrix, shares, cell, widest_count, size)

    page.write(left + side / 2, top + bottom - _MARGIN, "predicted class", size, ha="center")
    page.write(_MARGIN, top + side / 2, "true class", size, rotation=90, ha="left", va="center")
    for column, x, colour in zip(columns, column_right, (INK, MUTED), strict=True):
        head, *entries = column
        page.write(left + x, top - _PAD, head, size, ha="right", color=MUTED)
        for row in range(0, k, _every(size, cell)):
            y = top + (row + 0.5) * cell
            style = {"ha": "right", "va": "center_baseline", "color": colour}
            page.write(left + x, y, entries[row], size, **style)
    _draw_colour_bar(page.axes(bar_left, top, bar_width, bar_height), bar_size)
    return page.figure


def _cell_side(k: int, widest_count: float) -> int:
    """Side of a cell in points.

    It shrinks as classes become many, though not below what the widest count needs, and the
    whole grows with K all the same.
    """
    base = (200 + 18 * k) / k
    needed = widest_count * (_LEGIBLE + 1) + 4
    return max(1, min(round(max(base, needed)), _LARGEST_SIDE // k))


def _rotation(name_width: float, cell: float, k: int) -> int:
    """Angle of the names below the columns: as flat as they stay apart."""
    if name_width + _PAD <= cell:
        return 0
    return 45 if k <= 12 else 90


def _every(size: float, cell: float) -> int:
    """Show one name in so many: 1 unless there are hundreds of classes."""
    return max(1, int(np.ceil(size * 1.2 / cell)))


def _recall_columns(matrix: np.ndarray, totals: np.ndarray) -> tuple[list[str], list[str]]:
    """Heads and entries of the two columns to the right of the cells."""
    hits = np.diagonal(matrix)
    recall = [f"{hit / n:.0%}" if n else "–" for hit, n in zip(hits, totals, strict=True)]
    return ["recall", *recall], ["total", *(f"{n:,}" for n in totals)]


def _write_names(axes: Axes, names: list[str], size: float, cell: float, rotation: int) -> None:
    shown = slice(None, None, _every(size, cell))
    centres = np.arange(len(names)) + 0.5
    axes.set_xticks(centres[shown], names[shown])
    axes.set_yticks(centres[shown], names[shown])
    axes.tick_params(pad=_PAD)
    for tick in (*axes.get_xticklabels(), *axes.get_yticklabels()):
        tick.set(fontproperties=properties(size), parse_math=False)
    for tick in axes.get_yticklabels():
        tick.set_va("center_baseline")
    for tick in axes.get_xticklabels():
        tick.set_rotation(rotation)
        if rotation == 45:
            tick.set(ha="right", rotation_mode="anchor")


def _write_counts(
    axes: Axes,
    matrix: np.ndarray,
    shares: np.ndarray,
    cell: float,
    widest_count: float,
    most: float,
) -> list[Text]:
    """Write the counts that are not zero, all in one size; none if that were illegible."""
    size = min((cell - 4) / widest_count, cell * 0.5, most * 1.2)
    if size < _LEGIBLE:
        return []
    style = {"ha": "center", "va": "center_baseline", "fontproperties": properties(size)}
    return [
        axes.text(column + 0.5, row + 0.5, str(matrix[row, column]), **style, color=colour)
        for row, column in np.argwhere(matrix)
        for colour in [_ink_on(COLOURS(shares[row, column]))]
    ]


def _ink_on(colour: tuple[float, float, float, float]) -> str:
    """Dark or white type, by the relative luminance of ``colour`` (as WCAG defines it)."""
    rgb = np.array(colour[:3])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    luminance = linear @ [0.2126, 0.7152, 0.0722]
    # Equal contrast ratios are at 0.21; on saturated blue, white reads better a little beyond it.
    return "white" if luminance < 0.25 else INK


def _draw_colour_bar(axes: Axes, size: float) -> None:
    bar = axes.figure.colorbar(ScalarMappable(cmap=COLOURS), cax=axes)
    bar.outline.set_visible(False)
    bar.set_ticks([0, 0.5, 1], labels=["0%", "50%", "100%"])
    axes.tick_params(length=0, pad=_PAD / 2, labelcolor=MUTED)
    # The outer labels stand inside the ends of the bar, so that its top is the cells' top.
    for tick, align in zip(axes.get_yticklabels(), ("bottom", "center", "top"), strict=True):
        tick.set(fontproperties=properties(size), va=align)
    axes.set_ylabel(
        "share of the true class", fontproperties=properties(size), color=MUTED, labelpad=_PAD
    )
