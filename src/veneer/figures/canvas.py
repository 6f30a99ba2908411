"""What the figures share: one typeface, one ink, text measured before it is placed.

Lengths are in points. :data:`SCALE` pixels make a point, so that whole points fall on whole
pixels and edges stay crisp. The typeface is the DejaVu Sans that comes with matplotlib, named by
its file: the pictures look the same on every machine and under every matplotlibrc.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.text import Text
from PIL import Image, ImageDraw, ImageFont

INK = "#1f2328"
MUTED = "#667079"
PAPER = "#ffffff"

SCALE = 2
LINE = 1.4  # line pitch, in font sizes
_ELLIPSIS = "…"
_MEASURE = 64  # size at which widths are measured; they scale linearly from there


def font_path(bold: bool = False) -> Path:
    """The TrueType file of DejaVu Sans inside the installed matplotlib."""
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return Path(matplotlib.get_data_path()) / "fonts" / "ttf" / name


@lru_cache(maxsize=64)
def pillow_font(size: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    """DejaVu Sans for drawing with Pillow; ``size`` in pixels."""
    return ImageFont.truetype(str(font_path(bold)), size)


def one_line(text: str) -> str:
    """``text`` without line breaks, control characters and lone surrogates.

    File names and prompts may hold any of these, and font engines refuse some of them.
    """
    broken = {"Cc", "Cs", "Zl", "Zp"}
    return " ".join("".join(" " if unicodedata.category(c) in broken else c for c in text).split())


def text_width(text: str, size: float, bold: bool = False) -> float:
    """Width of one line, in the unit of ``size``."""
    return pillow_font(_MEASURE, bold).getlength(text) * size / _MEASURE


def shorten(text: str, width: float, size: float, bold: bool = False) -> str:
    """``text`` on one line, cut with an ellipsis so that it is at most ``width`` wide."""
    text = one_line(text)
    if text_width(text, size, bold) <= width:
        return text
    fits, too_long = 0, len(text)
    while too_long - fits > 1:
        middle = (fits + too_long) // 2
        if text_width(text[:middle].rstrip() + _ELLIPSIS, size, bold) <= width:
            fits = middle
        else:
            too_long = middle
    return text[:fits].rstrip() + _ELLIPSIS


def wrap(text: str, width: float, size: float, bold: bool = False, most: int = 3) -> list[str]:
    """``text`` broken between words into at most ``most`` lines, the last cut if need be."""
    lines: list[str] = []
    words = one_line(text).split()
    while words:
        if len(lines) == most - 1:
            lines.append(shorten(" ".join(words), width, size, bold))
            break
        count = 1
        while count < len(words) and (
            text_width(" ".join(words[: count + 1]), size, bold) <= width
        ):
            count += 1
        lines.append(shorten(" ".join(words[:count]), width, size, bold))
        words = words[count:]
    return lines


def header_lines(
    title: str, subtitle: str, width: float, size: float
) -> list[tuple[str, float, bool]]:
    """Title and subtitle wrapped to ``width``: one (text, font size, is title) per line."""
    small = max(round(size * 0.68), 1)
    return [(line, size, True) for line in wrap(title, width, size, bold=True)] + [
        (line, small, False) for line in wrap(subtitle, width, small)
    ]


def header_height(lines: list[tuple[str, float, bool]]) -> int:
    """Height the header takes, with the space below it; 0 if there is none."""
    if not lines:
        return 0
    return round(sum(size * LINE for _, size, _ in lines) + lines[0][1])


def draw_header(
    draw: ImageDraw.ImageDraw, x: int, y: int, lines: list[tuple[str, float, bool]]
) -> None:
    """Draw what :func:`header_lines` gave with Pillow, its top at ``y``; lengths in pixels."""
    for text, points, is_title in lines:
        font = pillow_font(points, is_title)
        draw.text((x, y + points), text, INK if is_title else MUTED, font, anchor="ls")
        y += round(points * LINE)


class Page:
    """A matplotlib figure measured in points from its top left corner.

    Parameters
    ----------
    width, height : int
        In points.
    """

    def __init__(self, width: int, height: int):
        self.width, self.height = width, height
        self.figure = Figure(figsize=(width / 72, height / 72), dpi=72 * SCALE, facecolor=PAPER)
        FigureCanvasAgg(self.figure)

    def axes(self, left: float, top: float, width: float, height: float):
        """Axes without frame and ticks that fill the given rectangle."""
        box = (
            left / self.width,
            1 - (top + height) / self.height,
            width / self.width,
            height / self.height,
        )
        axes = self.figure.add_axes(box, facecolor=PAPER)
        axes.spines[:].set_visible(False)
        axes.tick_params(which="both", length=0, labelcolor=INK)
        axes.set(xticks=[], yticks=[])
        return axes

    def write(
        self, x: float, y: float, text: str, size: float, bold: bool = False, **style
    ) -> Text:
        """Put ``text`` at (x, y); ``style`` goes to matplotlib."""
        return self.figure.text(
            x / self.width,
            1 - y / self.height,
            text,
            fontproperties=properties(size, bold),
            parse_math=False,
            **{"color": INK, "va": "baseline", **style},
        )

    def write_header(self, x: float, y: float, lines: list[tuple[str, float, bool]]) -> None:
        """Write what :func:`header_lines` gave, its top at ``y``."""
        for text, size, is_title in lines:
            self.write(x, y + size, text, size, is_title, color=INK if is_title else MUTED)
            y += size * LINE


def properties(size: float, bold: bool = False) -> FontProperties:
    """The typeface for matplotlib; ``size`` in points."""
    return FontProperties(fname=str(font_path(bold)), size=size)


def to_image(figure: Figure) -> Image.Image:
    """Draw ``figure`` into an RGB image."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
