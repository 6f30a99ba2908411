"""The kinds of texture there are: how each is drawn, how large, how turned and in what colours."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from veneer.sources.textures import patterns
from veneer.sources.textures.canvas import Canvas
from veneer.sources.textures.colours import PALETTES
from veneer.sources.textures.patterns import Layers

Palette = tuple[str, ...]

# Two-coloured things with a natural way round: stone and its streaks, a sheet and its holes.
_STONE: tuple[Palette, ...] = (
    ("white", "grey"),
    ("white", "black"),
    ("cream", "brown"),
    ("green", "white"),
    ("black", "white"),
    ("red", "cream"),
    ("blue", "white"),
    ("pink", "brown"),
    ("beige", "brown"),
)
_EARTH: tuple[Palette, ...] = (
    ("beige", "brown"),
    ("brown", "black"),
    ("grey", "black"),
    ("cream", "brown"),
    ("orange", "brown"),
    ("white", "black"),
    ("cyan", "brown"),
)
_ROCK: tuple[Palette, ...] = (
    ("beige", "brown", "cream"),
    ("orange", "cream", "brown"),
    ("grey", "cream", "brown"),
    ("brown", "beige", "orange"),
    ("red", "beige", "white"),
    ("grey", "black", "white"),
)
_GLASS: tuple[Palette, ...] = (
    ("blue", "white"),
    ("cyan", "white"),
    ("purple", "pink"),
    ("green", "white"),
    ("orange", "cream"),
    ("black", "white"),
    ("pink", "white"),
    ("red", "white"),
)
_GEM: tuple[Palette, ...] = (
    ("purple", "white"),
    ("blue", "white"),
    ("cyan", "white"),
    ("green", "white"),
    ("pink", "white"),
    ("grey", "white"),
    ("red", "pink"),
    ("orange", "cream"),
)
_HONEY: tuple[Palette, ...] = (
    ("brown", "yellow"),
    ("orange", "yellow"),
    ("orange", "cream"),
    ("black", "orange"),
    ("brown", "cream"),
    ("grey", "white"),
    ("blue", "cyan"),
    ("black", "white"),
)
_LEAF: tuple[Palette, ...] = (
    ("green", "cream"),
    ("green", "yellow"),
    ("red", "cream"),
    ("orange", "brown"),
    ("yellow", "green"),
    ("purple", "pink"),
    ("brown", "beige"),
)
_WEB: tuple[Palette, ...] = (
    ("black", "white"),
    ("blue", "white"),
    ("green", "white"),
    ("brown", "white"),
    ("purple", "white"),
    ("grey", "white"),
)
_CLOTH: tuple[Palette, ...] = tuple(
    (name,)
    for name in (
        "red", "orange", "yellow", "green", "cyan", "blue", "purple", "pink",
        "brown", "white", "grey", "beige", "cream",
    )
)  # fmt: skip
_SHEET: tuple[Palette, ...] = (
    ("grey", "black"),
    ("white", "black"),
    ("beige", "brown"),
    ("red", "black"),
    ("yellow", "black"),
    ("cyan", "blue"),
    ("brown", "black"),
    ("cream", "green"),
    ("orange", "purple"),
)
_STUDS: tuple[Palette, ...] = (
    ("black", "grey"),
    ("brown", "yellow"),
    ("red", "yellow"),
    ("black", "yellow"),
    ("blue", "white"),
    ("purple", "grey"),
    ("green", "cream"),
    ("beige", "brown"),
    ("pink", "white"),
)
_SCALES: tuple[Palette, ...] = (
    ("green", "yellow"),
    ("blue", "cyan"),
    ("cyan", "cream"),
    ("brown", "beige"),
    ("red", "yellow"),
    ("black", "grey"),
    ("orange", "cream"),
    ("purple", "pink"),
    ("green", "black"),
)
_FIBRE: tuple[Palette, ...] = (
    ("beige", "brown"),
    ("cream", "beige"),
    ("brown", "cream"),
    ("red", "cream"),
    ("blue", "white"),
    ("green", "cream"),
    ("orange", "cream"),
    ("black", "beige"),
    ("purple", "pink"),
    ("yellow", "grey"),
    ("grey", "white"),
    ("cyan", "white"),
)


@dataclass(frozen=True)
class Kind:
    """One kind of texture.

    Attributes
    ----------
    pattern : Callable[[Canvas], Layers]
        Draws it.
    repeats : tuple[float, float]
        Fewest and most repeats of the pattern across the image.
    palettes : tuple[tuple[str, ...], ...]
        The colour sets it may come in: ground, figure and accent. One colour alone is drawn with
        a darker shade of itself.
    turns : float
        Greatest turn either way from upright, in radians.
    either_way : bool
        Whether ground and figure may change places.
    gloss : float
        Strength of the highlights on its relief, 0 (chalk) to 1 (polish).
    """

    pattern: Callable[[Canvas], Layers]
    repeats: tuple[float, float]
    palettes: tuple[Palette, ...] = PALETTES
    turns: float = np.pi
    either_way: bool = True
    gloss: float = 0.0


def _natural(
    pattern: Callable[[Canvas], Layers],
    repeats: tuple[float, float],
    palettes: tuple[Palette, ...],
    turns: float = np.pi,
    gloss: float = 0.0,
) -> Kind:
    """Return a kind whose ground and figure cannot change places."""
    return Kind(pattern, repeats, palettes, turns, either_way=False, gloss=gloss)


KINDS: dict[str, Kind] = {
    "striped": Kind(patterns.striped, (4, 13)),
    "banded": Kind(patterns.banded, (4, 9), turns=0.2),
    "lined": Kind(patterns.lined, (8, 20)),
    "dotted": Kind(patterns.dotted, (6, 15)),
    "polka-dotted": Kind(patterns.polka_dotted, (4, 10)),
    "chequered": Kind(patterns.chequered, (5, 14)),
    "zigzagged": Kind(patterns.zigzagged, (4, 11)),
    "grid": Kind(patterns.grid, (5, 14)),
    "marbled": _natural(patterns.marbled, (2.5, 6), _STONE),
    "woven": _natural(patterns.woven, (5, 14), _FIBRE),
    "cracked": _natural(patterns.cracked, (3, 7), _EARTH),
    "bubbly": _natural(patterns.bubbly, (2.2, 5.5), _GLASS, turns=0.0),
    "honeycombed": _natural(patterns.honeycombed, (5, 12), _HONEY, gloss=0.3),
    "spiralled": Kind(patterns.spiralled, (6, 13)),
    "veined": _natural(patterns.veined, (3, 6), _LEAF),
    "cobwebbed": _natural(patterns.cobwebbed, (5, 9), _WEB),
    "crystalline": _natural(patterns.crystalline, (3, 7), _GEM),
    "scaly": _natural(patterns.scaly, (5, 12), _SCALES, turns=0.3, gloss=0.4),
    "knitted": Kind(patterns.knitted, (8, 16), turns=0.3),
    "braided": _natural(patterns.braided, (3, 6), _FIBRE, turns=0.5),
    "wrinkled": _natural(patterns.wrinkled, (2.5, 6), _CLOTH),
    "perforated": _natural(patterns.perforated, (6, 14), _SHEET, gloss=0.3),
    "studded": _natural(patterns.studded, (4, 9), _STUDS, gloss=0.9),
    "stratified": _natural(patterns.stratified, (3, 7), _ROCK, turns=0.25),
}

# The kinds of the default sample: those hardest to take for one another.
SAMPLE_KINDS: tuple[str, ...] = (
    "striped",
    "polka-dotted",
    "chequered",
    "zigzagged",
    "grid",
    "marbled",
    "woven",
    "cracked",
    "bubbly",
    "honeycombed",
    "spiralled",
    "veined",
    "cobwebbed",
    "crystalline",
    "scaly",
    "knitted",
    "braided",
    "wrinkled",
    "studded",
    "stratified",
)


def check_kinds(kinds: list[str] | tuple[str, ...]) -> None:
    """Raise ValueError if any of the given names is no known kind."""
    unknown = [kind for kind in kinds if kind not in KINDS]
    if unknown:
        known = ", ".join(sorted(KINDS))
        raise ValueError(f"unknown kind of texture: {', '.join(unknown)}; known kinds: {known}")
