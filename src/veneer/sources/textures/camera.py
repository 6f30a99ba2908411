"""What a lamp and a camera make of a surface: shading, blur, colour casts, grain and compression.

Images are float32 [3, H, W] in 0..255 until `develop` gives uint8 [H, W, 3].
"""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

from veneer.sources.textures.bodies import Surface


@dataclass(frozen=True)
class Lamp:
    """Where the light comes from and how.

    Attributes
    ----------
    toward : np.ndarray
        Float32 [3], the direction to the lamp: right, below, toward the camera.
    ambient : float
        Share of the light that comes from all around.
    depth : float
        How steep relief is taken to be.
    colour : np.ndarray
        Float32 [3], the lamp's tint.
    flash : float
        How far the light falls off from the middle of the picture outward.
    room : np.ndarray
        Float32 [3], tells the surroundings that polish mirrors from those of another picture.
    """

    toward: np.ndarray
    ambient: float
    depth: float
    colour: np.ndarray
    flash: float
    room: np.ndarray


def random_lamp(rng: np.random.Generator) -> Lamp:
    """Return a lamp: a flash, raking light, or the soft light of a window or the sky."""
    style = rng.random()
    # Things are mostly lit from above, and relief lit from below looks hollow.
    bearing = rng.uniform(-1, 0) * np.pi if rng.random() < 0.85 else rng.uniform(0, 1) * np.pi
    flash = 0.0
    if style < 0.2:
        height, ambient, depth = rng.uniform(2, 5), rng.uniform(0.15, 0.4), rng.uniform(0.8, 1.5)
        flash = rng.uniform(0.1, 0.5)
    elif style < 0.45:
        height, ambient, depth = rng.uniform(0.3, 0.7), rng.uniform(0.1, 0.3), rng.uniform(0.6, 1.1)
    else:
        height, ambient, depth = rng.uniform(0.7, 1.6), rng.uniform(0.3, 0.6), rng.uniform(0.7, 1.6)
    toward = np.array([np.cos(bearing), np.sin(bearing), height])
    warmth = rng.normal(0, 0.04)
    colour = np.array([1 + warmth, 1 + rng.normal(0, 0.012), 1 - warmth], np.float32)
    toward = (toward / np.linalg.norm(toward)).astype(np.float32)
    room = rng.uniform(0, 2 * np.pi, 3).astype(np.float32)
    return Lamp(toward, ambient, depth, colour, flash, room)


def shade(
    image: np.ndarray,
    surface: Surface,
    lamp: Lamp,
    relief: np.ndarray | None,
    pixel: np.ndarray,
    gloss: float,
    mirror: float = 0.0,
) -> np.ndarray:
    """Return the image of a surface in the light of a lamp.

    Parameters
    ----------
    image : np.ndarray
        Float32 [3, H, W], the surface's own colours.
    surface : Surface
        Which way it faces.
    lamp : Lamp
        The light.
    relief : np.ndarray or None
        Float32 [H, W], height of the texture over the surface in pattern units.
    pixel : np.ndarray
        Float32 [H, W], length of a pixel in pattern units.
    gloss : float
        Strength of highlights, 0 (chalk) to 1 (polish).
    mirror : float
        How clearly the surroundings are mirrored, 0 to 1 (chrome).
    """
    right, below, toward = surface.normal
    dark = np.float32(1)
    if relief is not None:
        slope_below, slope_right = np.gradient(relief)
        steep = np.float32(lamp.depth) / pixel
        slope_right = np.clip(slope_right * steep, -3, 3)
        slope_below = np.clip(slope_below * steep, -3, 3)
        length = 1 / np.sqrt(1 + slope_right**2 + slope_below**2)
        right = (right - slope_right * toward) * length
        below = (below - slope_below * toward) * length
        toward = toward * length
        dark = _cast_shadow(relief, lamp, pixel) * _crevices(relief, pixel)
    ray = lamp.toward
    facing = right * ray[0] + below * ray[1] + toward * ray[2]
    # A plane square to the camera keeps its own colour; bodies turn away from the light.
    full = ray[2] if surface.cover is None else max(float(ray[2]), 0.75)
    lit = np.clip(facing, 0, None) / full
    lit = np.minimum(lit, 0.6 + 0.4 * lit)
    light = dark * (lamp.ambient * (0.75 + 0.25 * toward) + (1 - lamp.ambient) * lit)
    image = image * light
    if mirror > 0:
        image = _mirrored(image, right, below, lamp, mirror)
    if gloss > 0:
        half_way = ray + np.array([0, 0, 1], np.float32)
        half_way /= np.linalg.norm(half_way)
        glint = np.clip(right * half_way[0] + below * half_way[1] + toward * half_way[2], 0, 1)
        tilted = 1 - np.exp(-8 * (1 - toward)) if surface.cover is None else np.float32(1)
        sharp = np.float32(150 * gloss) * glint**60 + np.float32(35 * gloss) * glint**8
        image = image + sharp * tilted * dark
        if gloss > 0.7:  # polish mirrors a bright sky over a dark ground
            sky = np.clip(-3 * (below + 0.25 * right) - 0.9, 0, 1)
            image = image + np.float32(70 * gloss) * sky * (1 - toward)
    return image


def _mirrored(
    image: np.ndarray, right: np.ndarray, below: np.ndarray, lamp: Lamp, strength: float
) -> np.ndarray:
    """Return the image with the dark and bright things of a room mirrored in the surface."""
    one, other, third = lamp.room
    bands = np.sin(5 * right + 2 * below + one) + 0.7 * np.sin(11 * right - 3 * below + other)
    bands = np.clip(1.2 * (bands + 0.5 * np.sin(7 * below + third)), -1, 1)
    bright = np.float32(strength) * np.clip(bands, 0, 1)
    return image * (1 + np.float32(0.55 * strength) * bands) + 55 * bright


def _cast_shadow(relief: np.ndarray, lamp: Lamp, pixel: np.ndarray) -> np.ndarray:
    """Return how much light reaches each place past the relief between it and the lamp."""
    bearing = lamp.toward[:2] / max(float(np.linalg.norm(lamp.toward[:2])), 1e-3)
    rise = lamp.toward[2] / max(float(np.linalg.norm(lamp.toward[:2])), 1e-3)
    light = np.ones_like(relief)
    if rise > 1.5:  # a lamp this high throws none to speak of
        return light
    for steps in (2, 4, 7):
        shift = np.round(bearing * steps).astype(int)
        between = np.roll(relief, (-shift[1], -shift[0]), (0, 1)) * np.float32(lamp.depth)
        over = between - relief * np.float32(lamp.depth) - np.float32(rise * steps) * pixel
        light = np.minimum(light, 1 - np.clip(over / (pixel * 4), 0, 0.45))
    return light


def _crevices(relief: np.ndarray, pixel: np.ndarray) -> np.ndarray:
    """Return the light that reaches hollows from all around: less, the deeper they are."""
    size = relief.shape[0]
    low = float(relief.min())
    span = max(float(relief.max()) - low, 1e-6)
    height = np.asarray((relief - low) * (255 / span), np.uint8)
    around = Image.fromarray(height).filter(ImageFilter.BoxBlur(size / 28))
    # As deep as the ground it is compared with is wide: that is a hole.
    wide = np.float32(float(pixel.mean()) * size / 28)
    deeper = (np.asarray(around, np.float32) - height) * np.float32(span / 255) / wide
    return 1 - np.clip(0.8 * deeper, -0.12, 0.35)


def blurred(image: np.ndarray, radius: float) -> np.ndarray:
    """Return an image [3, H, W] blurred by a radius in pixels."""
    pixels = np.ascontiguousarray(np.moveaxis(np.clip(image, 0, 255).astype(np.uint8), 0, -1))
    soft = Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(float(radius)))
    return np.moveaxis(np.asarray(soft, np.float32), -1, 0)


def defocus(image: np.ndarray, surface: Surface, rng: np.random.Generator) -> np.ndarray:
    """Return the image with what lies off the plane of focus blurred, more the farther off."""
    size = image.shape[-1]
    # Whoever takes a picture of a thing brings the thing into focus.
    focus = rng.uniform(0, 0.5) if surface.cover is None else rng.uniform(0, 0.1)
    depth = surface.depth
    strength = np.clip(
        np.abs(depth - np.float32(focus)) * np.float32(rng.uniform(1, 4)) - 0.15, 0, 1
    )
    if float(strength.max()) < 0.1:
        return image
    soft = blurred(image, rng.uniform(1.5, 5) * size / 224)
    return image + (soft - image) * strength


@dataclass(frozen=True)
class Grading:
    """A camera's brightness, contrast and colours, the same all over the image.

    Attributes
    ----------
    cast : np.ndarray
        Float32 [3], factors of red, green and blue.
    exposure, contrast, saturation : float
        1 leaves the image as it is.
    grey : bool
        Whether the photograph is black and white.
    """

    cast: np.ndarray
    exposure: float
    contrast: float
    saturation: float
    grey: bool

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """Return an image, or one colour as an array [3, 1, 1], as the camera gives it."""
        image = image * (self.cast * np.float32(self.exposure))[:, None, None]
        grey = 0.3 * image[0] + 0.59 * image[1] + 0.11 * image[2]
        image = grey + (image - grey) * np.float32(0 if self.grey else self.saturation)
        return np.float32(118) + (image - np.float32(118)) * np.float32(self.contrast)


def random_grading(rng: np.random.Generator, grey: bool, gentle: bool) -> Grading:
    """Return a grading, most often a gentle one."""
    strong = rng.random() < 0.25 and not gentle
    warmth = rng.normal(0, 0.06 if strong else 0.02)
    return Grading(
        np.array([1 + warmth, 1 + rng.normal(0, 0.015), 1 - warmth], np.float32),
        rng.uniform(0.72, 1.3) if strong else rng.uniform(0.9, 1.12),
        rng.uniform(0.65, 1.4) if strong else rng.uniform(0.85, 1.2),
        rng.uniform(0.6, 1.5) if strong else rng.uniform(0.85, 1.2),
        grey,
    )


def develop(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the image as a file of a photograph holds it: blur, vignette, grain, compression.

    Parameters
    ----------
    image : np.ndarray
        Float32 [3, H, W].
    rng : np.random.Generator
        The source of chance.

    Returns
    -------
    np.ndarray
        Uint8 [H, W, 3].
    """
    size = image.shape[-1]
    if rng.random() < 0.3:
        side = np.linspace(-1, 1, size, dtype=np.float32)
        out = side[:, None] ** 2 + side[None, :] ** 2
        image = image * (1 - np.float32(rng.uniform(0.05, 0.35)) * out / 2)
    noise = rng.choice([0.0, rng.uniform(1, 4), rng.uniform(4, 14)], p=[0.35, 0.5, 0.15])
    if noise:
        grain = rng.standard_normal((size, size), dtype=np.float32) * np.float32(noise)
        image = image + grain
        if noise > 4:  # coloured noise is coarse
            coarse = rng.standard_normal((2, size // 2 + 1, size // 2 + 1), dtype=np.float32)
            coarse = coarse.repeat(2, 1).repeat(2, 2)[:, :size, :size] * np.float32(noise * 0.5)
            image[0] += coarse[0]
            image[2] += coarse[1]
    pixels = np.ascontiguousarray(np.moveaxis(np.clip(image, 0, 255).astype(np.uint8), 0, -1))
    photo = Image.fromarray(pixels)
    look = rng.random()
    if look < 0.06:  # the camera moved
        reach = float(rng.uniform(2, 6) * size / 224)
        photo = photo.filter(
            ImageFilter.BoxBlur((reach, 0.3) if rng.random() < 0.5 else (0.3, reach))
        )
    elif look < 0.5:
        radius = rng.choice([rng.uniform(0.3, 0.9), rng.uniform(0.9, 2.2)], p=[0.75, 0.25])
        photo = photo.filter(ImageFilter.GaussianBlur(float(radius * size / 224)))
    elif look < 0.62:
        small = int(size * rng.uniform(0.35, 0.85))
        photo = photo.resize((small, small), Image.Resampling.BILINEAR)
        photo = photo.resize((size, size), Image.Resampling.BICUBIC)
    elif look < 0.72:
        photo = photo.filter(ImageFilter.UnsharpMask(1.2, int(rng.uniform(40, 140)), 2))
    if rng.random() < 0.8:
        buffer = io.BytesIO()
        quality = int(rng.choice([rng.uniform(25, 60), rng.uniform(60, 95)], p=[0.3, 0.7]))
        photo.save(buffer, "JPEG", quality=quality)
        photo = Image.open(buffer)
    return np.array(photo)
