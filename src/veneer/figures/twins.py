"""Twins: how near each image's nearest one is, and groups of them as a sheet of pictures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from PIL import Image, ImageDraw

from veneer.figures.canvas import (
    LINE,
    MUTED,
    PAPER,
    draw_header,
    header_height,
    header_lines,
    pillow_font,
    shorten,
    to_image,
)
from veneer.figures.contact_sheet import Tile, draw_tile, lines_of
from veneer.figures.curves import COLOURS, panels

_HEIGHT = 260
_BINS = 56
_TICKS = (-1, 0, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999, 0.9998, 0.9999)
_NEAREST = 1e-4  # distances below this are rounding, and in the last bar

_BEHIND = "#f6f7f8"
_FRAME = "#d5dadf"
_KEPT = COLOURS[2]
_NARROWEST = 640


def similarity_histogram(
    nearest: np.ndarray, threshold: float, *, title: str, subtitle: str = ""
) -> Image.Image:
    """Draw how many images have their nearest other one how near, and the threshold.

    Both axes are logarithmic, that of cosines in the distance 1 - cosine: twins are few, and all
    of them are close to 1.

    Parameters
    ----------
    nearest : float array [n]
        What :func:`veneer.retrieval.pairs.nearest_cosines` gives; NaN is left out.
    threshold : float
        Bars from here on are of another colour.
    title, subtitle : str

    Returns
    -------
    PIL.Image.Image of mode RGB.
    """
    return to_image(similarity_figure(nearest, threshold, title=title, subtitle=subtitle))


def similarity_figure(
    nearest: np.ndarray, threshold: float, *, title: str, subtitle: str = ""
) -> Figure:
    """The matplotlib figure behind :func:`similarity_histogram`."""
    nearest = nearest[np.isfinite(nearest)]
    edges, place = _edges(nearest, threshold)
    counts, _ = np.histogram(_nearness(nearest), edges)
    most = max(int(counts.max(initial=0)), 10)

    [plot] = panels(title, subtitle, [_HEIGHT])
    plot.axes.set_yscale("log")
    plot.axes.minorticks_off()
    lowest = 0.6  # below 1, so that a bar of one image is seen
    ticks = [_nearness(tick) for tick in _TICKS]
    plot.scale(
        (edges[0], edges[-1]),
        (lowest, most * 1.6),
        ("cosine to the nearest image", "images"),
        ticks=(
            [t for t in ticks if edges[0] <= t <= edges[-1] + 1e-9],
            [10**power for power in range(8) if 10**power <= most * 1.6],
        ),
        texts=(_cosine, lambda count: f"{count:,}"),
    )
    colours = np.where(edges[:-1] >= place, COLOURS[1], COLOURS[0])
    width = np.diff(edges)
    plot.axes.bar(
        edges[:-1] + width / 2,
        np.maximum(counts - lowest, 0),
        width * 0.9,
        bottom=lowest,
        color=colours,
        linewidth=0,
        zorder=2,
    )
    above = int(np.sum(nearest >= threshold))
    plot.axes.axvline(place, color=COLOURS[1], linewidth=1.5, linestyle="-", zorder=3)
    plot.remark(f"{above:,} of {len(nearest):,} images have one from {threshold:.3f} on")
    return plot.page.figure


def twins_sheet(
    groups: Sequence[Sequence[Tile]],
    *,
    title: str,
    subtitle: str = "",
    columns: int = 8,
    tile_size: int = 160,
    most: int = 24,
) -> Image.Image:
    """Lay out groups of pictures, each in a frame, its first picture marked as the one kept.

    Parameters
    ----------
    groups : sequence of sequences of Tile
        In the order they are shown in. None at all gives a sheet that says "No twins".
    title, subtitle : str
    columns : int
        Pictures per row. Small groups share a row, large ones take several.
    tile_size : int
        Side of the square each picture is fitted into, in pixels.
    most : int
        Places a group has at the most; the last of a larger one tells how many more there are.

    Returns
    -------
    PIL.Image.Image of mode RGB.
    """
    if columns < 1 or tile_size < 1 or most < 2:
        raise ValueError(
            "columns and tile_size must be at least 1, most at least 2: "
            f"{columns}, {tile_size}, {most}"
        )
    size = max(11, round(tile_size / 15))
    margin, pad, gap = max(24, tile_size // 5), max(6, tile_size // 18), max(8, tile_size // 14)
    groups = [group for group in groups if group]
    # The last place of a group that is too large tells how many have none.
    shown = [group if len(group) <= most else group[: most - 1] for group in groups]
    cells = [min(len(group), most) for group in groups]
    places, columns, rows = _packed(cells, columns)

    pitch = tile_size + 2 * pad + gap
    inner = max(columns * pitch - gap, _NARROWEST - 2 * margin)
    header = header_lines(title, subtitle, inner, max(20, round(size * 1.7)))
    top = margin + header_height(header)
    tiles = [tile for group in shown for tile in group]
    # As on a contact sheet: a line that some use takes room everywhere.
    lines = sum(any(line) for line in zip(*map(lines_of, tiles), strict=True)) if tiles else 0
    line = round(size * LINE)
    row_pitch = tile_size + (size // 2 + lines * line if lines else 0) + 2 * pad + gap
    height = top + (rows * row_pitch - gap if rows else tile_size) + margin

    sheet = Image.new("RGB", (inner + 2 * margin, height), PAPER)
    draw = ImageDraw.Draw(sheet)
    draw_header(draw, margin, margin, header)
    if not shown:
        middle = (sheet.width // 2, top + tile_size // 2)
        draw.rectangle((margin, top, margin + inner - 1, top + tile_size - 1), _BEHIND)
        draw.text(middle, "No twins", MUTED, pillow_font(round(size * 1.2)), anchor="mm")

    for group, tiles, count, (row, column) in zip(groups, shown, cells, places, strict=True):
        left, upper = margin + column * pitch, top + row * row_pitch
        wide, high = min(count, columns), -(-count // columns)
        corner = (left + wide * pitch - gap - 1, upper + high * row_pitch - gap - 1)
        draw.rounded_rectangle((left, upper, *corner), pad, _BEHIND, _FRAME)
        corners = [
            (left + pad + along * pitch, upper + pad + down * row_pitch)
            for down, along in (divmod(index, columns) for index in range(count))
        ]
        (x, y), edge = corners[0], max(3, pad // 2)
        draw.rectangle((x - edge, y - edge, *(v + tile_size + edge - 1 for v in (x, y))), _KEPT)
        for tile, place in zip(tiles, corners, strict=False):
            draw_tile(sheet, tile, place, tile_size, size)
        if len(tiles) < count:
            middle = tuple(v + tile_size // 2 for v in corners[-1])
            told = shorten(f"and {len(group) - len(tiles):,} more", tile_size, size)
            draw.text(middle, told, MUTED, pillow_font(size), anchor="mm")
    return sheet


def _nearness(cosine: np.ndarray | float) -> np.ndarray | float:
    """Where a cosine stands on the axis: 1 for 0.9, 2 for 0.99, at the most 4."""
    return -np.log10(np.maximum(1 - np.asarray(cosine, np.float64), _NEAREST))


def _edges(nearest: np.ndarray, threshold: float) -> tuple[np.ndarray, float]:
    """Edges of the bars on the axis, one of them at the threshold; and where that stands."""
    # What is rounded to 1 still has a bar to the right of any threshold.
    place = float(min(_nearness(threshold), _nearness(1) - 0.1))
    low = min(float(_nearness(nearest).min(initial=np.inf)), place - 0.5)
    high = min(max(float(_nearness(nearest).max(initial=-np.inf)), place + 0.1), _nearness(1))
    wanted = (high - low) / _BINS
    below = np.linspace(low, place, max(round((place - low) / wanted), 1) + 1)
    above = np.linspace(place, high, max(round((high - place) / wanted), 1) + 1)
    return np.union1d(below, above) if high > place else below, place


def _cosine(place: float) -> str:
    """A place on the axis as a cosine."""
    return f"{1 - 10**-place:.4g}"


def _packed(sizes: Sequence[int], columns: int) -> tuple[list[tuple[int, int]], int, int]:
    """Row and column where each group begins, how many columns are used, and how many rows.

    Groups keep their order; one that does not fit beside those before it begins a new row.
    """
    columns = min(columns, max(sum(sizes), 1))
    places, row, used, high = [], 0, 0, 0
    for size in sizes:
        if used and used + size > columns:
            row, used, high = row + high, 0, 0
        places.append((row, used))
        used += min(size, columns)
        high = max(high, -(-size // columns))
    return places, columns, row + high
