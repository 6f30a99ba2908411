"""Textures of spots: blotches, flecks, freckles, sprinkles, stains, dots and bubbles.

Like the functions of `patterns`, each takes a canvas and returns layers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from veneer.sources.textures.canvas import (
    Canvas,
    Cells,
    contained_cells,
    dome,
    fraction,
    from_middle,
    hexagonal_cells,
    scattered_cells,
    soft_step,
    square_cells,
)
from veneer.sources.textures.patterns import TURN, Layers

_HALF = np.float32(0.5)


@dataclass(frozen=True)
class Spots:
    """Round spots scattered over the canvas; every array is [H, W].

    Attributes
    ----------
    cells : Cells
        Offsets from the middle of the nearest spot, along the image's own axes.
    outward : np.ndarray
        Distance from that middle in radii of the spot: 1 on its edge, huge where no spot is.
    inside : np.ndarray
        1 on a spot and 0 elsewhere, with a soft edge.
    radius : np.ndarray
        Radius of the spot in units of its lattice.
    """

    cells: Cells
    outward: np.ndarray
    inside: np.ndarray
    radius: np.ndarray

    def random(self, rng: np.random.Generator) -> np.ndarray:
        """Return one random number in [0, 1) for each spot."""
        return self.cells.random(rng)


def scatter(
    canvas: Canvas,
    finer: float,
    radii: tuple[float, float],
    share: float = 1.0,
    rough: float = 0.0,
    edge: float = 1.0,
) -> Spots:
    """Return spots scattered over the canvas, on a lattice turned at random.

    Parameters
    ----------
    canvas : Canvas
        Where they lie.
    finer : float
        Cells to a pattern unit; one cell holds at most one spot.
    radii : tuple[float, float]
        Least and greatest radius in cells, at most 0.5.
    share : float
        Share of the cells that hold a spot.
    rough : float
        How far, in cells, the outlines stray from a circle.
    edge : float
        Softness of the outline in pixels.
    """
    rng = canvas.rng
    turn = rng.uniform(0, np.pi)
    cosine, sine = np.float32(np.cos(turn)), np.float32(np.sin(turn))
    across, down = canvas.across * np.float32(finer), canvas.down * np.float32(finer)
    place_right, place_below = across * cosine - down * sine, across * sine + down * cosine
    if rough:
        rough = np.float32(rough)
        place_right = place_right + rough * (canvas.noise(2.2 * finer, 2) - _HALF)
        place_below = place_below + rough * (canvas.noise(2.2 * finer, 2) - _HALF)
    turned, radius = contained_cells(rng, place_right, place_below, np.array(radii, np.float32))
    cells = Cells(
        turned.right * cosine + turned.below * sine,
        turned.below * cosine - turned.right * sine,
        turned.index,
    )
    outward = turned.distance / radius
    if share < 1:
        outward = np.where(turned.random(rng) < share, outward, np.float32(9))
    inside = soft_step((1 - outward) * radius, canvas.pixel * np.float32(finer * edge))
    return Spots(cells, outward, inside, radius)


def grain(canvas: Canvas, strength: float) -> np.ndarray:
    """Return even fine grain as a tone, one grain to a pixel or two."""
    size = canvas.across.shape[0]
    return np.float32(strength) * (canvas.image_noise(size / 1.5) - _HALF)


def blotchy(canvas: Canvas) -> Layers:
    """Draw large irregular patches with soft or hard edges."""
    rng = canvas.rng
    noise = canvas.noise(rng.uniform(0.6, 1.1), 4)
    softness = rng.choice([0.04, 0.12, 0.3])
    patches = soft_step(noise - rng.uniform(0.46, 0.58), softness)
    accent = None
    if canvas.chance(0.4):
        accent = 0.8 * soft_step(canvas.noise(0.8, 3) - 0.62, softness)
    return Layers(
        patches * rng.uniform(0.6, 1.0), 0.008 * canvas.noise(8, 2), 0.2 * (noise - 0.5), accent
    )


def mottled(canvas: Canvas) -> Layers:
    """Draw a surface mottled at all sizes, as sponged paint, stone or a stained wall."""
    rng = canvas.rng
    noise = canvas.noise(rng.uniform(0.4, 1.3), 5)
    blend = np.clip(0.5 + (noise - rng.uniform(0.4, 0.6)) * rng.uniform(1.2, 5), 0, 1)
    accent = None
    if canvas.chance(0.5):
        patches = canvas.noise(rng.uniform(0.5, 1), 4) - rng.uniform(0.5, 0.65)
        accent = rng.uniform(0.4, 0.9) * soft_step(patches, rng.uniform(0.05, 0.2))
    fine = canvas.image_noise(canvas.across.shape[0] / rng.uniform(2, 8), 2)
    tone = rng.uniform(0.05, 0.3) * (fine - 0.5) + 0.3 * (canvas.noise(0.4, 3) - 0.5)
    return Layers(blend.astype(np.float32), 0.03 * noise, tone.astype(np.float32), accent)


def camouflage(canvas: Canvas) -> Layers:
    """Draw hard-edged flowing patches in three colours, as on camouflage or a cow's hide."""
    stretch = canvas.rng.uniform(0.5, 1.0)
    first = soft_step(canvas.streaks(0.7 * stretch, 0.8, 2) - 0.52, 0.03)
    second = soft_step(canvas.streaks(0.8 * stretch, 0.9, 2) - 0.6, 0.03)
    return Layers(first, accent=second, tone=grain(canvas, 0.1))


def ink_blots(canvas: Canvas) -> Layers:
    """Draw separate blots with ragged outlines and small splashes around them."""
    blots = np.zeros_like(canvas.across)
    for finer, share in ((0.6, 0.9), (1.3, 0.5), (3.2, 0.35)):
        spots = scatter(canvas, finer, (0.15, 0.42), share, rough=0.5, edge=2)
        blots = np.maximum(blots, spots.inside)
    pooled = 0.25 * (canvas.noise(1.2, 3) - 0.5)
    return Layers(blots * canvas.rng.uniform(0.7, 1), tone=pooled * blots + grain(canvas, 0.06))


def lichen(canvas: Canvas) -> Layers:
    """Draw crusty rounded patches with pale rims on a rough ground."""
    patches, rims = np.zeros_like(canvas.across), np.zeros_like(canvas.across)
    for finer in (0.6, 1.0, 1.9):
        spots = scatter(canvas, finer, (0.2, 0.48), 0.7, rough=0.35, edge=2)
        patches = np.maximum(patches, spots.inside)
        rims = np.maximum(rims, np.exp(-(((spots.outward - 0.9) / 0.14) ** 2)))
    rough = canvas.noise(5, 3)
    accent = np.clip(rims * (0.4 + rough), 0, 1)
    relief = 0.06 * patches * rough + 0.03 * canvas.noise(3, 3)
    return Layers(patches * (0.55 + 0.45 * rough), relief, 0.3 * (rough - 0.5), accent)


def skin_blotches(canvas: Canvas) -> Layers:
    """Draw soft faint patches with no clear edges, as on flushed skin or a damp wall."""
    patches = np.clip(2.2 * canvas.noise(canvas.rng.uniform(0.6, 1.2), 3) - 0.75, 0, 1)
    pores = 0.006 * canvas.noise(9, 2)
    return Layers(patches * canvas.rng.uniform(0.4, 0.9), pores, 0.12 * (canvas.noise(3, 2) - 0.5))


def flecked(canvas: Canvas) -> Layers:
    """Draw many small specks of unequal size and strength."""
    rng = canvas.rng
    blend, accent = np.zeros_like(canvas.across), np.zeros_like(canvas.across)
    for finer in (1.0, 1.8, 3.0):
        spots = scatter(canvas, finer, (0.08, 0.38), rng.uniform(0.4, 0.8), rough=0.5)
        picked = spots.random(rng)
        strength = 0.5 + 0.5 * spots.random(rng)
        blend = np.maximum(blend, spots.inside * strength)
        accent = np.maximum(accent, spots.inside * (picked < 0.2))
    return Layers(
        blend,
        0.015 * canvas.noise(4, 2),
        grain(canvas, 0.12),
        accent if rng.random() < 0.4 else None,
    )


def tweed_flecks(canvas: Canvas) -> Layers:
    """Draw short flecks of yarn in a coarse cloth, all lying much the same way."""
    rng = canvas.rng
    thread = canvas.streaks(6, 1.6, 2)
    flecks = soft_step(thread - rng.uniform(0.6, 0.68), 0.08)
    second = soft_step(canvas.streaks(5, 1.4, 2) - 0.72, 0.06)
    weave = np.abs(from_middle(canvas.across * 4) * from_middle(canvas.down * 4)) * 4
    return Layers(flecks, 0.06 * weave, 0.25 * (weave - 0.4), second)


def speckled(canvas: Canvas) -> Layers:
    """Draw tiny hard specks and a few larger ones, as on a bird's egg."""
    rng = canvas.rng
    blend = np.zeros_like(canvas.across)
    crowd = canvas.noise(0.35, 2)
    for finer, share in ((1.0, 0.35), (2.2, 0.6), (4.0, 0.7)):
        spots = scatter(canvas, finer, (0.1, 0.36), share, rough=0.4)
        blend = np.maximum(blend, spots.inside * (spots.random(rng) < 0.35 + crowd))
    return Layers(blend * rng.uniform(0.7, 1), tone=0.15 * (canvas.noise(0.6, 2) - 0.5))


def freckled(canvas: Canvas) -> Layers:
    """Draw small soft spots in crowds on skin."""
    rng = canvas.rng
    blend = np.zeros_like(canvas.across)
    crowd = np.clip(2.4 * canvas.noise(0.3, 2) - 0.55, 0.1, 1)
    for finer, share in ((0.9, 0.6), (1.5, 0.7), (2.4, 0.7)):
        spots = scatter(canvas, finer, (0.14, 0.42), share, rough=0.35, edge=4)
        soft = np.exp(-1.6 * np.minimum(spots.outward, 3) ** 2)
        blend = 1 - (1 - blend) * (1 - soft * (0.35 + 0.6 * spots.random(rng)) * crowd)
    flush = 0.14 * (canvas.noise(0.25, 2) - 0.5)
    return Layers(np.clip(1.15 * blend, 0, 1), 0.006 * canvas.noise(6, 2), flush)


def sprinkled(canvas: Canvas) -> Layers:
    """Draw short rounded rods strewn over a smooth ground, as sugar on a cake."""
    rng = canvas.rng
    blend, accent = np.zeros_like(canvas.across), np.zeros_like(canvas.across)
    relief = np.zeros_like(blend)
    length = rng.uniform(0.0, 0.3)
    for finer in (1.0, 1.2, 1.45):
        spots = scatter(canvas, finer, (0.44, 0.48), rng.uniform(0.5, 0.9))
        angle = spots.random(rng) * TURN
        along = spots.cells.right * np.cos(angle) + spots.cells.below * np.sin(angle)
        aside = spots.cells.below * np.cos(angle) - spots.cells.right * np.sin(angle)
        distance = np.hypot(np.maximum(np.abs(along) - np.float32(length), 0), aside)
        inside = soft_step(np.float32(0.13) - distance, canvas.pixel) * (spots.outward < 9)
        blend += (1 - blend) * inside
        accent += ((spots.random(rng) < 0.45) - accent) * inside
        relief += (dome(distance / np.float32(0.13)) * 0.13 - relief) * inside
    return Layers(blend, relief, 0.1 * (canvas.noise(0.5, 2) - 0.5), accent)


def dusting(canvas: Canvas) -> Layers:
    """Draw powder strewn over a surface, thick here and thin there."""
    thick = np.clip(2.2 * canvas.noise(0.45, 3) - canvas.rng.uniform(0.4, 0.8), 0.02, 1)
    blend = np.zeros_like(thick)
    for finer in (2.5, 5.0, 8.0):
        spots = scatter(canvas, finer, (0.15, 0.48), 0.9, rough=0.6)
        blend = np.maximum(blend, spots.inside * (spots.random(canvas.rng) < thick))
    blend = np.maximum(blend, 0.7 * thick**2)
    return Layers(blend, 0.03 * blend + 0.02 * canvas.noise(3, 2), grain(canvas, 0.15))


def seeds(canvas: Canvas) -> Layers:
    """Draw seeds on a baked crust: drops that lie every way, raised and shaded."""
    rng = canvas.rng
    blend, relief = np.zeros_like(canvas.across), 0.12 * canvas.noise(0.8, 4)
    tone = np.zeros_like(blend)
    for finer in (1.0, 1.4):
        spots = scatter(canvas, finer, (0.4, 0.48), rng.uniform(0.5, 0.95))
        angle = spots.random(rng) * TURN
        along = spots.cells.right * np.cos(angle) + spots.cells.below * np.sin(angle)
        aside = spots.cells.below * np.cos(angle) - spots.cells.right * np.sin(angle)
        # Narrower toward one end makes a drop of an oval.
        distance = np.hypot(along / np.float32(0.3), aside / (np.float32(0.17) - 0.25 * along))
        inside = soft_step((1 - distance) * 0.17, canvas.pixel) * (spots.outward < 9)
        blend += (1 - blend) * inside
        tone = np.where(distance < 1.5, -0.3 * (1 - inside), tone)
        relief = relief + 0.16 * dome(distance) * inside
    return Layers(blend, relief, tone + 0.3 * (canvas.noise(0.5, 3) - 0.5) * (1 - blend))


def stained(canvas: Canvas) -> Layers:
    """Draw a few dried stains, darkest at their outlines."""
    rng = canvas.rng
    blend = np.zeros_like(canvas.across)
    for _ in range(int(rng.integers(1, 4))):
        noise = canvas.noise(rng.uniform(0.5, 1.0), 3) + 0.06 * canvas.noise(6, 2)
        level = rng.uniform(0.5, 0.66)
        inside = soft_step(noise - level, 0.03)
        rim = np.exp(-(((noise - level) / rng.uniform(0.012, 0.035)) ** 2))
        body = inside * (rng.uniform(0.15, 0.6) + 0.5 * (canvas.noise(1.5, 3) - 0.5))
        blend = 1 - (1 - blend) * (1 - np.clip(body + 0.55 * rim, 0, 0.95))
    return Layers(blend, 0.008 * canvas.noise(6, 2), 0.1 * (canvas.noise(0.7, 3) - 0.5))


def cup_rings(canvas: Canvas) -> Layers:
    """Draw rings that wet cups left, with drops and splashes beside them."""
    rng = canvas.rng
    blend = np.zeros_like(canvas.across)
    for finer in (0.55, 0.7):
        spots = scatter(canvas, finer, (0.3, 0.46), 0.8, rough=0.06)
        uneven = np.clip(2 * canvas.noise(0.9, 3) - 0.35, 0.1, 1)
        ring = np.exp(-(((spots.outward - 0.93) / 0.05) ** 2)) * uneven
        ring += 0.25 * np.exp(-(((spots.outward - 0.8) / 0.15) ** 2)) * uneven
        blend = np.maximum(blend, ring + 0.12 * spots.inside * rng.random())
    for finer in (2.0, 4.0):
        drops = scatter(canvas, finer, (0.1, 0.35), 0.3, rough=0.25, edge=2)
        edge = np.exp(-(((drops.outward - 0.9) / 0.2) ** 2))
        blend = np.maximum(blend, drops.inside * (0.4 + 0.5 * edge))
    return Layers(np.clip(blend, 0, 1), None, 0.08 * (canvas.noise(0.6, 3) - 0.5))


def run_down(canvas: Canvas) -> Layers:
    """Draw stains that ran down a wall, thinning out below where they began."""
    sway = 0.12 * (canvas.noise(0.5, 2) - 0.5)
    across = canvas.across + sway
    blend = np.zeros_like(across)
    for finer in (0.7, 1.6, 3.0):
        column = across * np.float32(finer)
        own = canvas.rng.random((2, 64), dtype=np.float32)
        pick = np.floor(column).astype(np.int64) & 63
        # Only some columns have a run, and the broad ones are the rarest.
        breadth = np.maximum(0.5 * own[0].take(pick) ** 2, 1e-3)
        fade = fraction(canvas.down * np.float32(0.22) + own[1].take(pick))
        body = np.clip(1 - np.abs(from_middle(column)) / breadth, 0, 1)
        blend = np.maximum(blend, np.sqrt(body) * (1 - fade) * np.minimum(8 * fade, 1))
    patchy = canvas.noise(0.8, 4)
    return Layers(
        np.clip(blend * (0.5 + patchy), 0, 1), 0.015 * canvas.noise(5, 3), 0.25 * (patchy - 0.5)
    )


def halftone(canvas: Canvas) -> Layers:
    """Draw a lattice of dots that swell and shrink across the image, as in print."""
    cells = square_cells(canvas.across, canvas.down)
    swell = 0.12 + 0.36 * canvas.image_noise(canvas.rng.uniform(2, 5))
    return Layers(soft_step(swell.astype(np.float32) - cells.distance, canvas.pixel))


def fine_dots(canvas: Canvas) -> Layers:
    """Draw small equal dots, jittered off a lattice."""
    radius = canvas.rng.uniform(0.14, 0.28)
    spots = scatter(canvas, 1.0, (radius, radius * 1.15), canvas.rng.uniform(0.8, 1))
    accent = spots.inside * (spots.random(canvas.rng) < 0.35)
    return Layers(spots.inside, accent=accent if canvas.chance(0.4) else None)


def ringed_dots(canvas: Canvas) -> Layers:
    """Draw dots in rings around a middle, of another colour from ring to ring."""
    right, below = canvas.centred(0.35)
    distance = np.hypot(right, below)
    ring = np.maximum(np.floor(distance), 0)
    count = np.maximum(np.round(2.9 * (ring + _HALF)), 1)
    turn = np.arctan2(below, right) / TURN * count + _HALF * (ring % 2)
    step = from_middle(turn) * TURN * (ring + _HALF) / count
    gap = np.hypot(from_middle(distance), step)
    dots = soft_step(np.float32(canvas.rng.uniform(0.26, 0.42)) - gap, canvas.pixel)
    return Layers(dots, 0.2 * dome(gap * 2.6), accent=dots * (ring % 3 == 1))


def splashed_dots(canvas: Canvas) -> Layers:
    """Draw dots of very different sizes, large among small."""
    blend, accent = np.zeros_like(canvas.across), np.zeros_like(canvas.across)
    for finer, share in ((0.5, 0.6), (1.0, 0.6), (2.0, 0.6)):
        spots = scatter(canvas, finer, (0.2, 0.45), share)
        blend = np.maximum(blend, spots.inside)
        accent += ((spots.random(canvas.rng) < 0.35) - accent) * spots.inside
    return Layers(blend, accent=accent)


def two_sizes(canvas: Canvas) -> Layers:
    """Draw a lattice of dots with smaller ones in its gaps."""
    cells = square_cells(canvas.across, canvas.down)
    between = square_cells(canvas.across + _HALF, canvas.down + _HALF)
    large = soft_step(np.float32(canvas.rng.uniform(0.24, 0.32)) - cells.distance, canvas.pixel)
    small = soft_step(np.float32(canvas.rng.uniform(0.08, 0.16)) - between.distance, canvas.pixel)
    return Layers(np.maximum(large, small), accent=small)


def many_coloured_dots(canvas: Canvas) -> Layers:
    """Draw a lattice of equal dots whose colours differ."""
    lattice = hexagonal_cells if canvas.chance(0.6) else square_cells
    cells = lattice(canvas.across, canvas.down)
    dots = soft_step(np.float32(canvas.rng.uniform(0.25, 0.4)) - cells.distance, canvas.pixel)
    pick = cells.random(canvas.rng)
    return Layers(dots * (0.6 + 0.4 * (pick > 0.7)), accent=dots * (pick < 0.4))


def foam(canvas: Canvas) -> Layers:
    """Draw packed soap bubbles: thin bright walls between many-sided cells, small among large."""
    rng = canvas.rng
    sway = 0.2 * (canvas.noise(0.8) - _HALF)
    large = scattered_cells(rng, canvas.across + sway, canvas.down - sway, 0.48)
    small = scattered_cells(rng, canvas.across * 2.2 - sway, canvas.down * 2.2, 0.48)
    crowd = large.random(rng) < rng.uniform(0.2, 0.6)
    border = np.where(crowd, np.minimum(large.border, small.border * 0.45), large.border)
    walls = np.exp(-((border / 0.035) ** 2)) + 0.35 * np.exp(-((border / 0.13) ** 2))
    right = np.where(crowd, small.right * 0.45, large.right)
    below = np.where(crowd, small.below * 0.45, large.below)
    reach = np.where(crowd, np.float32(0.2), np.float32(0.42))
    glint = np.exp(-((np.hypot(right + 0.35 * reach, below + 0.4 * reach) / (0.16 * reach)) ** 2))
    relief = 0.25 * np.sqrt(np.clip(border * 2, 0, 1))
    blend = np.clip(walls + 0.8 * glint, 0, 1)
    return Layers(blend, relief, 0.2 * (large.random(rng) - 0.6) * (1 - blend))


def fizz(canvas: Canvas) -> Layers:
    """Draw small bubbles rising in a clear drink: dark rims, bright middles."""
    blend = 0.35 * canvas.image_noise(2)
    tone = -0.35 * canvas.image_noise(2)
    for finer, share in ((0.8, 0.5), (1.5, 0.6), (3.0, 0.6)):
        spots = scatter(canvas, finer, (0.12, 0.42), share)
        rim = np.exp(-(((spots.outward - 0.85) / 0.13) ** 2)) * spots.inside
        lens = spots.inside * np.clip(0.35 + spots.cells.below / spots.radius * 0.5, 0, 1)
        spark = np.hypot(
            spots.cells.right / spots.radius + 0.35, spots.cells.below / spots.radius + 0.35
        )
        spark = np.exp(-((spark / 0.2) ** 2)) * spots.inside
        blend = blend * (1 - 0.6 * spots.inside) + 0.7 * lens * spots.inside + spark
        tone = tone * (1 - spots.inside) - 0.5 * rim + 0.2 * spark
    return Layers(np.clip(blend, 0, 1), tone=np.clip(tone, -0.8, 0.3))


def bubble_wrap(canvas: Canvas) -> Layers:
    """Draw rows of clear round blisters."""
    cells = hexagonal_cells(canvas.across, canvas.down)
    outward = cells.distance / np.float32(0.44)
    crush = 0.08 * canvas.noise(2.5, 2)
    relief = 0.42 * dome(outward) ** 0.7 - crush * (outward < 1)
    rim = np.exp(-(((outward - 1) / 0.1) ** 2))
    glint = np.exp(-((np.hypot(cells.right + 0.16, cells.below + 0.18) / 0.07) ** 2))
    blend = np.clip(0.15 + 0.4 * rim + glint + 0.3 * canvas.noise(1.5, 2) * (outward < 1), 0, 1)
    return Layers(blend, relief, -0.18 * rim)


def large_bubbles(canvas: Canvas) -> Layers:
    """Draw a few large soap bubbles with coloured rims and windows mirrored in them."""
    blend, accent = 0.2 * canvas.image_noise(2), np.zeros_like(canvas.across)
    tone = -0.2 * canvas.image_noise(3)
    for finer, share in ((1.1, 0.5), (0.5, 0.85)):
        spots = scatter(canvas, finer, (0.25, 0.48), share, rough=0.03)
        right, below = spots.cells.right / spots.radius, spots.cells.below / spots.radius
        rim = np.clip(spots.outward, 0, 1) ** 7
        window = (np.abs(right + 0.45) < 0.16) & (np.abs(below + 0.45) < 0.2)
        lower = (np.abs(right - 0.4) < 0.1) & (np.abs(below - 0.5) < 0.12)
        shine = 0.8 * window + 0.4 * lower + 0.75 * rim
        film = 0.5 + 0.5 * np.sin(TURN * (1.6 * spots.outward**2 + 0.8 * canvas.noise(0.6, 2)))
        blend += (np.clip(0.08 + shine, 0, 1) - blend) * spots.inside
        accent += (0.5 * film * np.clip(spots.outward, 0, 1) ** 2 - accent) * spots.inside
        tone = tone * (1 - 0.4 * spots.inside)
    return Layers(blend, tone=tone, accent=accent)
