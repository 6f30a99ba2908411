"""From a kind and a seed to an image: placing the canvas, colouring, lighting and the camera."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

from veneer.sources.textures.canvas import Canvas
from veneer.sources.textures.colours import darker, shade_of
from veneer.sources.textures.kinds import KINDS, Kind, check_kinds
from veneer.sources.textures.patterns import Layers

_LEAST_SIZE = 16
# The smallest share of an image an accent may cover and still count as one of its colours.
_LEAST_ACCENT = 0.03


@dataclass(frozen=True)
class Texture:
    """A drawn texture.

    Attributes
    ----------
    pixels : np.ndarray
        Uint8 [H, W, 3], red, green and blue.
    kind : str
        A key of `KINDS`.
    colours : tuple[str, ...]
        The named colours in it, one to three.
    caption : str
        An English caption that names the colours, the kind and how coarse it is.
    """

    pixels: np.ndarray
    kind: str
    colours: tuple[str, ...]
    caption: str


def draw(kind: str, seed: int | Sequence[int], size: int = 224) -> Texture:
    """Draw one texture.

    The same kind, seed and size always give the same pixels, whatever was drawn before.

    Parameters
    ----------
    kind : str
        A key of `KINDS`.
    seed : int or sequence of int
        Not negative.
    size : int
        Side of the square image in pixels, at least 16.

    Returns
    -------
    Texture

    Raises
    ------
    ValueError
        If the kind is unknown, the size too small or the seed negative.
    """
    check_kinds([kind])
    if size < _LEAST_SIZE:
        raise ValueError(f"size must be at least {_LEAST_SIZE} pixels, not {size}")
    entropy = [seed] if isinstance(seed, int | np.integer) else list(seed)
    # The name's checksum, unlike its hash(), is the same in every run of Python.
    rng = np.random.default_rng([zlib.crc32(kind.encode()), *entropy])
    style = KINDS[kind]
    canvas, fineness = _place_canvas(style, rng, size)
    layers = style.pattern(canvas)
    palette = style.palettes[rng.integers(len(style.palettes))]
    if style.either_way and rng.random() < 0.5:
        palette = (palette[1], palette[0], *palette[2:])
    # A caption must not name an accent that chance has left out of the picture.
    accented = layers.accent is not None and layers.accent.mean() > _LEAST_ACCENT
    names = palette if accented else palette[:2]
    lit = _light(_colour(layers, names, rng), layers, style, canvas)
    return Texture(_photograph(lit, rng), kind, names, _caption(kind, names, fineness))


def _place_canvas(style: Kind, rng: np.random.Generator, size: int) -> tuple[Canvas, float]:
    """Return a canvas at a random scale, turn and slant, and its place in the range of scales."""
    fewest, most = style.repeats
    fineness = rng.random()
    # Repeats are picked evenly in ratio, as that is how the eye compares sizes.
    repeats = fewest * (most / fewest) ** fineness
    turn = rng.uniform(-style.turns, style.turns)
    side = np.linspace(-0.5, 0.5, size, dtype=np.float32)
    right, below = np.meshgrid(side, side)
    lean = rng.uniform(-0.28, 0.28, 2) if rng.random() < 0.6 else np.zeros(2)
    # Dividing by a plane is what a camera does to a flat surface that it sees at a slant.
    depth = (1 + lean[0] * right + lean[1] * below).astype(np.float32)
    right, below = (
        right / depth * np.float32(repeats),
        below / depth * np.float32(repeats),
    )
    cosine, sine = np.float32(np.cos(turn)), np.float32(np.sin(turn))
    origin = rng.uniform(0, 32, 2).astype(np.float32)
    canvas = Canvas(
        across=right * cosine + below * sine + origin[0],
        down=below * cosine - right * sine + origin[1],
        pixel=np.float32(repeats / size * 1.2) / depth,
        span=repeats,
        rng=rng,
    )
    return canvas, fineness


def _colour(layers: Layers, names: tuple[str, ...], rng: np.random.Generator) -> np.ndarray:
    """Return the unlit image, float32 [3, H, W] in 0..255.

    The channels come first until the very end, as numpy is slow on a last axis of only three.
    """
    ground = shade_of(rng, names[0])
    figure = shade_of(rng, names[1]) if len(names) > 1 else darker(ground)
    image = ground[:, None, None] + (figure - ground)[:, None, None] * layers.blend
    if len(names) > 2 and layers.accent is not None:
        image += (shade_of(rng, names[2])[:, None, None] - image) * layers.accent
    return image.astype(np.float32, copy=False)


def _light(image: np.ndarray, layers: Layers, style: Kind, canvas: Canvas) -> np.ndarray:
    """Return the image under a lamp: relief, highlights, and light that falls off to one side."""
    rng = canvas.rng
    # Pictures of things are mostly lit from above, and relief lit from below looks hollow.
    bearing = rng.uniform(-0.85, -0.15) * np.pi
    toward = np.array([np.cos(bearing), np.sin(bearing)], np.float32)
    size = image.shape[-1]
    side = np.linspace(-1, 1, size, dtype=np.float32)
    falloff = side[None, :] * toward[0] + side[:, None] * toward[1]
    brightness = 1 + np.float32(rng.uniform(0, 0.16)) * falloff
    if layers.tone is not None:
        brightness = brightness * (1 + layers.tone)
    highlights = np.float32(0)
    if layers.relief is not None:
        slope_below, slope_right = np.gradient(layers.relief)
        slope_right, slope_below = (
            slope_right / canvas.pixel,
            slope_below / canvas.pixel,
        )
        upright = 1 / np.sqrt(1 + slope_right**2 + slope_below**2)
        height = np.float32(rng.uniform(0.75, 1.1))  # tangent of the lamp's height over the plane
        ray = np.append(toward, height) / np.sqrt(1 + height**2)
        facing = upright * (ray[2] - slope_right * ray[0] - slope_below * ray[1])
        # A flat surface keeps its own colour; some light comes from all around.
        depth = rng.uniform(0.6, 0.9)
        lit = np.clip(facing, 0, None) / ray[2]
        # Slopes that face the lamp are held back, or pale textures would burn out to white.
        lit = np.minimum(lit, 0.65 + 0.35 * lit)
        brightness = brightness * (1 - depth + depth * lit)
        if style.gloss:
            half_way = ray + np.array([0, 0, 1], np.float32)
            half_way /= np.linalg.norm(half_way)
            mirror = upright * (half_way[2] - slope_right * half_way[0] - slope_below * half_way[1])
            # A flat shiny surface would be grey all over with the lamp's own reflection.
            tilted = 1 - np.exp(-8 * (1 - upright))
            highlights = np.float32(190 * style.gloss) * tilted * np.clip(mirror, 0, 1) ** 40
    return image * brightness.astype(np.float32) + highlights


def _photograph(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the image as a camera gives it: exposure, contrast, blur and grain; uint8."""
    contrast, exposure = rng.uniform(0.88, 1.1), rng.uniform(0.97, 1.08)
    size = image.shape[-1]
    grain = rng.standard_normal((size, size), dtype=np.float32) * np.float32(rng.uniform(0, 4))
    image = image * np.float32(contrast) + (grain + np.float32(128 * (exposure - contrast)))
    pixels = np.moveaxis(np.clip(image, 0, 255).astype(np.uint8), 0, -1)
    sharp = Image.fromarray(np.ascontiguousarray(pixels))
    radius = rng.uniform(0, 0.8) * size / 224
    blurred = sharp.filter(ImageFilter.GaussianBlur(radius)) if radius > 0.25 else sharp
    return np.array(blurred)


def _caption(kind: str, colours: tuple[str, ...], fineness: float) -> str:
    """Return a caption such as "a red and cream zigzagged texture, fine"."""
    listed = colours[0] if len(colours) == 1 else f"{', '.join(colours[:-1])} and {colours[-1]}"
    article = "an" if listed[0] in "aeiou" else "a"
    grade = ("coarse", "medium", "fine")[min(int(fineness * 3), 2)]
    return f"{article} {listed} {kind} texture, {grade}"
