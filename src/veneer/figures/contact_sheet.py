"""Search results as a sheet of pictures, for choosing references by eye."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw

from veneer.figures.canvas import (
    INK,
    LINE,
    MUTED,
    PAPER,
    draw_header,
    header_height,
    header_lines,
    pillow_font,
    shorten,
)

_MOUNT = "#eceeef"  # behind pictures that are not square: close to the paper, and without a hue
_NARROWEST = 640  # a sheet of one or two pictures still has room for its title


@dataclass(frozen=True)
class Tile:
    """One picture of a contact sheet.

    Parameters
    ----------
    image : PIL.Image.Image
        Of any size; upright, as :func:`veneer.images.to_rgb` gives it.
    rank : int or None
    score : float or None
        On one line, for a result of a search.
    label, caption : str or None
        One line each below rank and score.
    """

    image: Image.Image
    rank: int | None = None
    score: float | None = None
    label: str | None = None
    caption: str | None = None


def contact_sheet(
    tiles: Sequence[Tile],
    *,
    title: str,
    subtitle: str = "",
    columns: int = 6,
    tile_size: int = 224,
) -> Image.Image:
    """Lay out ``tiles`` row by row in the order given.

    Parameters
    ----------
    tiles : sequence of Tile
        None at all gives a sheet that says "No results".
    title, subtitle : str
    columns : int
        Pictures per row; fewer if there are fewer pictures.
    tile_size : int
        Side of the square each picture is fitted into, in pixels. Pictures are neither cropped
        nor distorted.

    Returns
    -------
    PIL.Image.Image of mode RGB.
    """
    if columns < 1 or tile_size < 1:
        raise ValueError(f"columns and tile_size must be at least 1: {columns}, {tile_size}")
    size = max(11, round(tile_size / 15))
    margin, gutter = max(24, tile_size // 5), max(8, tile_size // 10)
    columns = min(columns, max(len(tiles), 1))
    inner = max(columns * (tile_size + gutter) - gutter, _NARROWEST - 2 * margin)

    header = header_lines(title, subtitle, inner, max(20, round(size * 1.7)))
    top = margin + header_height(header)
    # Lines that no tile uses take no room; a line that some use takes it everywhere, so that
    # the rows stay on a grid.
    lines = sum(any(line) for line in zip(*map(lines_of, tiles), strict=True)) if tiles else 0
    pitch = round(size * LINE)
    row_height = tile_size + size // 2 + lines * pitch + gutter
    rows = -(-len(tiles) // columns)
    height = top + (rows * row_height - gutter if tiles else tile_size) + margin

    sheet = Image.new("RGB", (inner + 2 * margin, height), PAPER)
    draw = ImageDraw.Draw(sheet)
    draw_header(draw, margin, margin, header)

    if not tiles:
        middle = (sheet.width // 2, top + tile_size // 2)
        draw.rectangle((margin, top, margin + inner - 1, top + tile_size - 1), _MOUNT)
        draw.text(middle, "No results", MUTED, pillow_font(round(size * 1.2)), anchor="mm")

    for index, tile in enumerate(tiles):
        row, column = divmod(index, columns)
        x, y = margin + column * (tile_size + gutter), top + row * row_height
        draw_tile(sheet, tile, (x, y), tile_size, size)
    return sheet


def draw_tile(
    sheet: Image.Image, tile: Tile, corner: tuple[int, int], tile_size: int, size: int
) -> None:
    """Put a picture on a sheet, its corner at ``corner``, and its lines in ``size`` below it."""
    x, y = corner
    sheet.paste(_mounted(tile.image, tile_size), corner)
    draw, baseline = ImageDraw.Draw(sheet), y + tile_size + size // 2 + size
    for text, colour in _texts(tile):
        short = shorten(text, tile_size, size)
        draw.text((x, baseline), short, colour, pillow_font(size), anchor="ls")
        baseline += round(size * LINE)


def _texts(tile: Tile) -> list[tuple[str, str]]:
    """The lines below a picture, each with its colour."""
    result, *others = lines_of(tile)
    return [(text, INK) for text in [result] if text] + [(text, MUTED) for text in others if text]


def lines_of(tile: Tile) -> tuple[str, str, str]:
    """Rank and score, label, and caption; empty where the tile has none."""
    rank = [] if tile.rank is None else [str(tile.rank)]
    score = [] if tile.score is None else [f"{tile.score:.3f}"]
    return " · ".join(rank + score), tile.label or "", tile.caption or ""


def _mounted(image: Image.Image, side: int) -> Image.Image:
    """``image`` as large as it can be inside a ``side`` x ``side`` square, in its middle."""
    image = image.convert("RGB")
    scale = side / max(image.size)
    fitted = tuple(max(1, round(length * scale)) for length in image.size)
    mount = Image.new("RGB", (side, side), _MOUNT)
    corner = tuple((side - length) // 2 for length in fitted)
    mount.paste(image.resize(fitted, Image.Resampling.LANCZOS), corner)
    return mount
