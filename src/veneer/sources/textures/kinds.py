"""The kinds of texture there are: how each is drawn, how large, how turned and in what colours."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from veneer.sources.textures import ornaments, patterns, spots, surfaces, threads
from veneer.sources.textures.canvas import Canvas
from veneer.sources.textures.colours import PALETTES
from veneer.sources.textures.patterns import Layers

Palette = tuple[str, ...]

# Two-coloured things with a natural way round: stone and its streaks, a sheet and its holes.
STONE: tuple[Palette, ...] = (
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
EARTH: tuple[Palette, ...] = (
    ("beige", "brown"),
    ("brown", "black"),
    ("grey", "black"),
    ("cream", "brown"),
    ("orange", "brown"),
    ("white", "black"),
    ("cyan", "brown"),
)
ROCK: tuple[Palette, ...] = (
    ("beige", "brown", "cream"),
    ("orange", "cream", "brown"),
    ("grey", "cream", "brown"),
    ("brown", "beige", "orange"),
    ("red", "beige", "white"),
    ("grey", "black", "white"),
)
GLASS: tuple[Palette, ...] = (
    ("blue", "white"),
    ("cyan", "white"),
    ("purple", "pink"),
    ("green", "white"),
    ("orange", "cream"),
    ("black", "white"),
    ("pink", "white"),
    ("red", "white"),
)
GEM: tuple[Palette, ...] = (
    ("purple", "white"),
    ("blue", "white"),
    ("cyan", "white"),
    ("green", "white"),
    ("pink", "white"),
    ("grey", "white"),
    ("red", "pink"),
    ("orange", "cream"),
)
HONEY: tuple[Palette, ...] = (
    ("brown", "yellow"),
    ("orange", "yellow"),
    ("orange", "cream"),
    ("black", "orange"),
    ("brown", "cream"),
    ("grey", "white"),
    ("blue", "cyan"),
    ("black", "white"),
)
LEAF: tuple[Palette, ...] = (
    ("green", "cream"),
    ("green", "yellow"),
    ("red", "cream"),
    ("orange", "brown"),
    ("yellow", "green"),
    ("purple", "pink"),
    ("brown", "beige"),
)
WEB: tuple[Palette, ...] = (
    ("black", "white"),
    ("blue", "white"),
    ("green", "white"),
    ("brown", "white"),
    ("purple", "white"),
    ("grey", "white"),
)
CLOTH: tuple[Palette, ...] = tuple(
    (name,)
    for name in (
        "red", "orange", "yellow", "green", "cyan", "blue", "purple", "pink",
        "brown", "white", "grey", "beige", "cream",
    )
)  # fmt: skip
SHEET: tuple[Palette, ...] = (
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
STUDS: tuple[Palette, ...] = (
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
SCALES: tuple[Palette, ...] = (
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
FIBRE: tuple[Palette, ...] = (
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

INK: tuple[Palette, ...] = (
    ("white", "black"),
    ("cream", "black"),
    ("white", "grey"),
    ("white", "blue"),
    ("beige", "brown"),
    ("grey", "black"),
    ("cream", "brown"),
)
SKIN: tuple[Palette, ...] = (
    ("beige", "brown"),
    ("cream", "brown"),
    ("pink", "brown"),
    ("cream", "orange"),
    ("white", "brown"),
    ("brown", "black"),
)
VEIL: tuple[Palette, ...] = (
    ("grey", "white"),
    ("beige", "white"),
    ("pink", "white"),
    ("cyan", "white"),
    ("blue", "white"),
    ("purple", "pink"),
    ("brown", "cream"),
    ("black", "grey"),
    ("green", "white"),
)
LACE: tuple[Palette, ...] = (
    ("black", "white"),
    ("grey", "white"),
    ("beige", "white"),
    ("brown", "cream"),
    ("blue", "white"),
    ("pink", "white"),
    ("red", "black"),
    ("white", "black"),
    ("purple", "white"),
)
PELT: tuple[Palette, ...] = (
    ("brown", "beige"),
    ("grey", "white"),
    ("black", "grey"),
    ("beige", "cream"),
    ("brown", "orange"),
    ("grey", "beige"),
    ("white", "cream"),
)
ROAD: tuple[Palette, ...] = (
    ("grey", "brown", "beige"),
    ("grey", "black", "white"),
    ("black", "grey", "brown"),
    ("brown", "beige", "grey"),
    ("beige", "brown", "grey"),
)
STAIN: tuple[Palette, ...] = (
    ("white", "brown"),
    ("cream", "brown"),
    ("white", "yellow"),
    ("beige", "brown"),
    ("grey", "black"),
    ("white", "red"),
    ("grey", "orange"),
    ("blue", "white"),
    ("cream", "grey"),
    ("pink", "red"),
)
BAKED: tuple[Palette, ...] = (
    ("brown", "orange"),
    ("orange", "brown"),
    ("beige", "brown"),
    ("yellow", "brown"),
    ("cream", "orange"),
    ("white", "grey"),
    ("brown", "black"),
    ("yellow", "orange"),
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


def natural(
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
    "marbled": natural(patterns.marbled, (2.5, 6), STONE),
    "woven": natural(patterns.woven, (5, 14), FIBRE),
    "cracked": natural(patterns.cracked, (3, 7), EARTH),
    "bubbly": natural(patterns.bubbly, (2.2, 5.5), GLASS, turns=0.0),
    "honeycombed": natural(patterns.honeycombed, (5, 12), HONEY, gloss=0.3),
    "spiralled": Kind(patterns.spiralled, (6, 13)),
    "veined": natural(patterns.veined, (3, 6), LEAF),
    "cobwebbed": natural(patterns.cobwebbed, (5, 9), WEB),
    "crystalline": natural(patterns.crystalline, (3, 7), GEM),
    "scaly": natural(patterns.scaly, (5, 12), SCALES, turns=0.3, gloss=0.4),
    "knitted": Kind(patterns.knitted, (8, 16), turns=0.3),
    "braided": natural(patterns.braided, (3, 6), FIBRE, turns=0.5),
    "wrinkled": natural(patterns.wrinkled, (2.5, 6), CLOTH),
    "perforated": natural(patterns.perforated, (6, 14), SHEET, gloss=0.3),
    "studded": natural(patterns.studded, (4, 9), STUDS, gloss=0.9),
    "stratified": natural(patterns.stratified, (3, 7), ROCK, turns=0.25),
    "blotchy": Kind(spots.blotchy, (2, 5)),
    "bumpy": natural(surfaces.bumpy, (4, 10), CLOTH, gloss=0.3),
    "crosshatched": natural(threads.crosshatched, (12, 28), INK),
    "fibrous": natural(threads.fibrous, (2, 5), FIBRE),
    "flecked": Kind(spots.flecked, (7, 18)),
    "freckled": natural(spots.freckled, (5, 11), SKIN),
    "frilly": natural(surfaces.frilly, (3, 7), CLOTH, turns=0.4),
    "gauzy": natural(threads.gauzy, (3, 8), VEIL),
    "grooved": natural(surfaces.grooved, (5, 14), CLOTH, gloss=0.4),
    "interlaced": natural(threads.interlaced, (3, 8), FIBRE),
    "lacelike": natural(threads.lacelike, (3, 6), LACE),
    "matted": natural(threads.matted, (2, 5), PELT),
    "meshed": natural(threads.meshed, (5, 12), SHEET),
    "paisley": Kind(ornaments.paisley, (2.5, 5)),
    "pitted": natural(surfaces.pitted, (4, 10), EARTH),
    "pleated": natural(surfaces.pleated, (5, 14), CLOTH, turns=0.3),
    "porous": natural(surfaces.porous, (3, 7), EARTH),
    "potholed": natural(surfaces.potholed, (1.3, 2), ROAD),
    "smeared": Kind(ornaments.smeared, (2, 5)),
    "sprinkled": Kind(spots.sprinkled, (5, 11)),
    "stained": natural(spots.stained, (2, 4), STAIN),
    "swirly": Kind(ornaments.swirly, (5, 12)),
    "waffled": natural(surfaces.waffled, (4, 9), BAKED, gloss=0.3),
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
