"""The named colours textures are drawn in, and the sets of colours that look well together."""

from __future__ import annotations

import numpy as np

COLOURS: dict[str, tuple[int, int, int]] = {
    "red": (196, 44, 46),
    "orange": (230, 122, 40),
    "yellow": (242, 202, 66),
    "green": (62, 134, 78),
    "cyan": (64, 182, 194),
    "blue": (42, 84, 166),
    "purple": (112, 62, 146),
    "pink": (236, 148, 178),
    "brown": (116, 74, 46),
    "black": (30, 30, 34),
    "white": (245, 244, 240),
    "grey": (134, 136, 140),
    "beige": (212, 188, 148),
    "cream": (246, 233, 202),
}

# The first two colours of a set lie far apart in lightness or hue; the third is an accent.
PALETTES: tuple[tuple[str, str, str], ...] = (
    ("red", "cream", "blue"),
    ("red", "white", "black"),
    ("red", "black", "cream"),
    ("orange", "cream", "brown"),
    ("orange", "blue", "white"),
    ("orange", "black", "yellow"),
    ("yellow", "grey", "white"),
    ("yellow", "blue", "white"),
    ("yellow", "black", "white"),
    ("yellow", "purple", "cream"),
    ("green", "cream", "orange"),
    ("green", "white", "yellow"),
    ("green", "pink", "white"),
    ("cyan", "white", "blue"),
    ("cyan", "brown", "cream"),
    ("cyan", "red", "cream"),
    ("blue", "white", "red"),
    ("blue", "cream", "orange"),
    ("blue", "cyan", "white"),
    ("blue", "beige", "white"),
    ("purple", "cream", "pink"),
    ("purple", "white", "cyan"),
    ("purple", "pink", "cream"),
    ("pink", "white", "red"),
    ("pink", "brown", "cream"),
    ("pink", "black", "white"),
    ("brown", "cream", "orange"),
    ("brown", "beige", "green"),
    ("black", "white", "red"),
    ("black", "cream", "orange"),
    ("black", "beige", "white"),
    ("grey", "white", "yellow"),
    ("grey", "cream", "red"),
)


def shade_of(rng: np.random.Generator, name: str) -> np.ndarray:
    """Return one shade of a named colour, near enough to keep its name.

    Parameters
    ----------
    rng : np.random.Generator
        Picks the shade.
    name : str
        A key of `COLOURS`.

    Returns
    -------
    np.ndarray
        Float32 [3], red, green and blue in 0..255.
    """
    plain = np.asarray(COLOURS[name], np.float32)
    lighter = rng.uniform(0.92, 1.08)
    return np.clip(plain * lighter + rng.normal(0, 4, 3), 0, 255).astype(np.float32)


def darker(colour: np.ndarray) -> np.ndarray:
    """Return a darker shade of a colour, or a lighter one where it is nearly black already."""
    if colour.mean() < 60:
        return colour * np.float32(0.6) + np.float32(62)
    return colour * np.float32(0.5)
