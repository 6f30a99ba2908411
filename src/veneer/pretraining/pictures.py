"""The pictures that the image head learns from: none of them was labelled by anyone for it.

Textures and materials drawn by :mod:`veneer.sources.textures`, which knows what it draws, as
photographs may show them, some textures in shades of one colour, and some that fill the picture,
hardly tilted; clip art in the public domain, with what its file names say; and the few photographs
of scikit-image that are in the public domain. Each picture follows from the seed and its number
alone.
"""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from veneer.errors import VeneerError
from veneer.pretraining.ingredients import no_clip_art, package_folder
from veneer.pretraining.trunk import IMAGE_SIZE
from veneer.pretraining.words import COLOURS
from veneer.sources.textures import KINDS, MATERIALS, photograph, photograph_in_shades
from veneer.sources.textures import draw as draw_flat

# Of 24 pictures in a row: textures, of them some on a known material; textures in shades of one
# colour; textures that fill the picture; materials; plain colour.
_IN_A_ROW = (
    *("attribute",) * 9,
    *("shades",) * 3,
    *("pattern",) * 4,
    *("material",) * 4,
    "plain",
    *("clip art",) * 2,
    "photo",
)
# Pictures of scikit-image by their terms: NASA's and the US government's are in the public domain,
# the others were given to it under CC0. With what is seen, where one of our words says it.
PHOTOGRAPHS: dict[str, tuple[str | None, str]] = {
    "astronaut.png": (None, "NASA, public domain"),
    "brick.png": ("brick", "CC0"),
    "camera.png": (None, "CC0"),
    "chelsea.png": ("fur", "CC0"),
    "coffee.png": (None, "CC0"),
    "grass.png": ("grass", "CC0"),
    "gravel.png": ("gravel", "CC0"),
    "hubble_deep_field.jpg": (None, "NASA, public domain"),
    "moon.png": (None, "NASA, public domain"),
    "rocket.jpg": (None, "CC0"),
}
# A few pieces of clip art are as large as posters, and take seconds to open.
_MOST_PIXELS = 2_000_000


@dataclass(frozen=True)
class Picture:
    """One picture and what is known of it.

    Attributes
    ----------
    pixels : uint8 array [256, 256, 3]
    source : str
        ``attribute``, ``shades``, ``pattern``, ``material``, ``plain``, ``clip art`` or ``photo``.
    attribute, material : str or None
        Keys of ``ATTRIBUTES`` and ``MATERIALS``.
    colours : tuple of str
        Keys of ``COLOURS`` that show.
    name : str
        What a piece of clip art is called, else empty.
    """

    pixels: np.ndarray
    source: str
    attribute: str | None = None
    material: str | None = None
    colours: tuple[str, ...] = ()
    name: str = ""


def find_clip_art(folder: Path) -> list[Path]:
    """The PNG files of a folder of 2 megapixels at most, in an order that is always the same.

    Raises
    ------
    VeneerError
        When there are none, or one is no PNG.
    """
    found = sorted(folder.rglob("*.png"), key=lambda path: path.relative_to(folder).as_posix())
    found = [path for path in found if _pixels(path) <= _MOST_PIXELS]
    if not found:
        raise no_clip_art(folder)
    return found


def _pixels(path: Path) -> int:
    """Of a PNG file, from its first bytes."""
    with path.open("rb") as file:
        header = file.read(24)
    if len(header) < 24 or not header.startswith(b"\x89PNG"):
        raise VeneerError(f"Reading the clip art {path}: it is no PNG. Unpack its package again.")
    width, height = struct.unpack(">II", header[16:])
    return width * height


def draw(
    numbers: Sequence[int], seed: Sequence[int], clip_art: Sequence[Path]
) -> Iterator[Picture]:
    """Draw pictures by their numbers.

    Parameters
    ----------
    numbers : sequence of int
        From 0 up. Any 24 in a row hold all sorts in their shares.
    seed : sequence of int
    clip_art : sequence of Path
        PNG files, cut-outs on nothing.
    """
    attributes, materials = list(KINDS), list(MATERIALS)
    for number in numbers:
        source = _IN_A_ROW[number % len(_IN_A_ROW)]
        entropy = [*seed, number]
        rng = np.random.default_rng(entropy)
        turn = number // len(_IN_A_ROW) * _IN_A_ROW.count(source) + number % len(_IN_A_ROW)
        if source == "attribute":
            material = materials[rng.integers(len(materials))] if rng.random() < 0.3 else None
            yield _texture(source, entropy, attributes[turn % len(attributes)], material)
        elif source == "shades":
            yield _in_shades(entropy, attributes[turn % len(attributes)], rng)
        elif source == "pattern":
            kind = attributes[turn % len(attributes)]
            drawn = draw_flat(kind, entropy, IMAGE_SIZE)
            yield Picture(drawn.pixels, source, kind, None, drawn.colours)
        elif source == "material":
            yield _texture(source, entropy, None, materials[turn % len(materials)])
        elif source == "plain":
            yield _texture(source, entropy, None, None)
        elif source == "clip art":
            yield _clip_art(clip_art[rng.integers(len(clip_art))], entropy, rng)
        else:
            yield _photo(rng)


def _texture(
    source: str, entropy: list[int], attribute: str | None, material: str | None
) -> Picture:
    drawn = photograph(entropy, attribute, material, IMAGE_SIZE)
    return Picture(drawn.pixels, source, drawn.attribute, drawn.material, drawn.colours)


def _in_shades(entropy: list[int], attribute: str, rng: np.random.Generator) -> Picture:
    colour = list(COLOURS)[rng.integers(len(COLOURS))]
    drawn = photograph_in_shades(entropy, attribute, colour, IMAGE_SIZE)
    return Picture(drawn.pixels, "shades", attribute, None, drawn.colours)


def _clip_art(path: Path, entropy: list[int], rng: np.random.Generator) -> Picture:
    """A cut-out on white, on plain colour, or before a texture."""
    try:
        with Image.open(path) as opened:
            figure = opened.convert("RGBA")
    except (OSError, ValueError, SyntaxError) as error:
        raise VeneerError(
            f"Reading the clip art {path}: {error}. Unpack its package again."
        ) from error
    side = IMAGE_SIZE
    chosen = rng.random()
    if chosen < 0.25:
        ground = Image.new("RGB", (side, side), "white")
    elif chosen < 0.5:
        ground = Image.new("RGB", (side, side), tuple(int(c) for c in rng.integers(60, 256, 3)))
    else:
        attribute = list(KINDS)[rng.integers(len(KINDS))] if chosen < 0.7 else None
        material = list(MATERIALS)[rng.integers(len(MATERIALS))] if attribute is None else None
        drawn = Image.fromarray(photograph(entropy, attribute, material, side).pixels)
        ground = drawn.filter(ImageFilter.GaussianBlur(rng.uniform(0, 4)))
    scale = rng.uniform(0.55, 1.05) * side / max(figure.size)
    size = tuple(max(8, round(length * scale)) for length in figure.size)
    figure = figure.resize(size, Image.Resampling.BICUBIC).rotate(rng.normal(0, 6), expand=True)
    if rng.random() < 0.5:
        figure = figure.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    free = [side - length for length in figure.size]
    place = tuple(int(rng.uniform(min(0, room), max(0, room))) for room in free)
    ground.paste(figure, place, figure)
    return Picture(np.asarray(ground), "clip art", name=clip_art_name(path))


def clip_art_name(path: Path) -> str:
    """What a file of clip art says it shows, in words.

    >>> clip_art_name(Path("animals/birds/flying_duck_02.png"))
    'flying duck'
    """
    words = re.findall(r"[a-z]{3,}", path.stem.lower())
    return " ".join(dict.fromkeys(words))


def _photo(rng: np.random.Generator) -> Picture:
    names = list(PHOTOGRAPHS)
    name = names[rng.integers(len(names))]
    picture = _opened(name)
    width, height = picture.size
    side = rng.uniform(0.25, 1) ** 0.5 * min(width, height)
    stretch = np.exp(rng.normal(0, 0.1))
    across, down = min(width, side * stretch), min(height, side / stretch)
    left, top = rng.uniform(0, width - across), rng.uniform(0, height - down)
    cut = picture.resize(
        (IMAGE_SIZE, IMAGE_SIZE),
        Image.Resampling.BICUBIC,
        box=(left, top, left + across, top + down),
    )
    if rng.random() < 0.5:
        cut = cut.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return Picture(np.asarray(cut), "photo", material=PHOTOGRAPHS[name][0])


@cache
def _opened(name: str) -> Image.Image:
    with Image.open(io.BytesIO(photograph_bytes(name))) as opened:
        return opened.convert("RGB")


def photograph_bytes(name: str) -> bytes:
    """A file of scikit-image's.

    Raises
    ------
    VeneerError
        When scikit-image is not installed.
    """
    return (package_folder("skimage") / "data" / name).read_bytes()
