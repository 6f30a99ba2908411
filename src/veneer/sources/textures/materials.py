"""Materials: what things are made of, drawn in the colours they mostly have.

Like the functions of `patterns`, each takes a canvas and returns layers. `MATERIALS` names them.
"""

from __future__ import annotations

import numpy as np

from veneer.sources.textures import ornaments, patterns, spots, stones, surfaces, threads
from veneer.sources.textures.canvas import (
    Canvas,
    dome,
    fraction,
    from_middle,
    lattice_noise,
    ridges,
    scattered_cells,
    soft_step,
    square_cells,
    thin_lines,
    triangle,
)
from veneer.sources.textures.kinds import Kind, Palette, natural
from veneer.sources.textures.patterns import TURN, Layers
from veneer.sources.textures.spots import grain, scatter

_HALF = np.float32(0.5)


def brick(canvas: Canvas) -> Layers:
    """Draw a wall of bricks, each in its own shade, with rough joints."""
    rng = canvas.rng
    wobble = 0.05 * (canvas.noise(1.5, 2) - _HALF)
    down = canvas.down * np.float32(rng.uniform(2, 3.2)) + wobble
    row = np.floor(down)
    across = canvas.across + 0.5 * (row % 2) + wobble
    cells = square_cells(across, down)
    ratio = np.float32(2.6)
    gap = np.minimum(0.5 - np.abs(cells.right), (0.5 - np.abs(cells.below)) / ratio)
    gap = gap + 0.02 * (canvas.noise(5, 2) - 0.5)
    joint = soft_step(np.float32(rng.uniform(0.015, 0.05)) - gap, canvas.pixel * 1.5)
    rough = canvas.noise(4, 3)
    own = cells.random(rng)
    relief = 0.12 * (1 - joint) + 0.09 * rough
    tone = (1 - joint) * (0.45 * (own - 0.55) + 0.3 * (rough - 0.5)) + 0.2 * joint * (rough - 0.5)
    return Layers(joint, relief, tone, 0.35 * (own > 0.8) * (1 - joint))


def tiles(canvas: Canvas) -> Layers:
    """Draw glazed square tiles with straight joints."""
    rng = canvas.rng
    stretch = float(rng.choice([1, 1, 0.5]))
    down = canvas.down
    across = canvas.across * np.float32(stretch)
    if stretch < 1:
        across = across + 0.5 * (np.floor(down) % 2)
    cells = square_cells(across, down)
    gap = np.minimum((0.5 - np.abs(cells.right)) / stretch, 0.5 - np.abs(cells.below))
    joint = soft_step(np.float32(rng.uniform(0.015, 0.05)) - gap, canvas.pixel)
    relief = 0.06 * np.clip(gap * 14, 0, 1) + 0.01 * canvas.noise(1)
    own = cells.random(rng)
    accent = (own > 0.8) * (1 - joint) if rng.random() < 0.35 else None
    return Layers(joint, relief, rng.choice([0.05, 0.3]) * (own - 0.5) * (1 - joint), accent)


def wood_grain(canvas: Canvas) -> Layers:
    """Draw the grain of a plank: long lines that part around knots."""
    rng = canvas.rng
    knot = np.zeros_like(canvas.across)
    spread = np.zeros_like(knot)
    if rng.random() < 0.6:
        spots_ = scatter(canvas, 0.5, (0.2, 0.35), 0.5)
        out = np.minimum(spots_.outward, 4)
        knot = np.exp(-((out / 0.35) ** 2))
        spread = 1.6 * np.exp(-((out / 0.9) ** 2)) * np.sign(spots_.cells.right)
    place = canvas.across + 0.25 * spread + 1.1 * canvas.streaks(0.35, 0.06, 3)
    rings = fraction(place * np.float32(rng.uniform(1.5, 4)))
    fine = canvas.streaks(14, 0.5, 2)
    pores = np.clip(5 * canvas.streaks(22, 1.0) - 3.6, 0, 1)
    blend = np.clip(0.55 * rings**2 + 0.3 * fine + 0.9 * knot, 0, 1)
    return Layers(blend, 0.03 * fine - 0.03 * pores, 0.25 * (fine - 0.5) - 0.35 * pores)


def planks(canvas: Canvas) -> Layers:
    """Draw boards side by side, each with a grain and shade of its own."""
    rng = canvas.rng
    lane = canvas.across
    pick = np.floor(lane).astype(np.int64) & 63
    own = rng.random((3, 64), dtype=np.float32)
    down = canvas.down + 40 * own[0].take(pick)
    grain_ = lattice_noise(rng, lane * 16, down * 0.6, 2)
    swell = lattice_noise(rng, lane * 1.2, down * 0.12, 2)
    rings = fraction((lane + 1.5 * swell) * 4)
    gap = np.exp(-(_HALF - np.abs(from_middle(lane))) / rng.uniform(0.01, 0.03))
    ends = thin_lines(down / 6, canvas.pixel / 6, 0.008)
    dark = np.maximum(gap, ends)
    blend = np.clip(0.3 * grain_ + 0.35 * rings**2 + 0.4 * own[1].take(pick), 0, 1)
    tone = 0.3 * (own[2].take(pick) - 0.5) + 0.25 * (grain_ - 0.5) - 0.65 * dark
    return Layers(blend, 0.04 * grain_ - 0.12 * dark, np.clip(tone, -0.85, 0.2))


def log_ends(canvas: Canvas) -> Layers:
    """Draw the rings of a sawn trunk with cracks from the heart outward."""
    rng = canvas.rng
    right, below = canvas.centred(0.4)
    distance = np.hypot(right, below) + 0.5 * canvas.noise(0.3, 3)
    rings = fraction(distance * rng.uniform(2, 5))
    turn = np.arctan2(below, right)
    split = np.clip(8 * lattice_noise(rng, turn * 6, distance * 0.2, 2) - 6.3, 0, 1)
    fine = canvas.noise(8, 2)
    return Layers(
        np.clip(0.7 * rings**2 + 0.3 * fine, 0, 1), 0.04 * rings, -0.6 * split + 0.2 * (fine - 0.5)
    )


def pebbles(canvas: Canvas) -> Layers:
    """Draw loose pebbles of several colours and sizes with dark gaps."""
    rng = canvas.rng
    sway = 0.25 * (canvas.noise(1.5, 2) - _HALF)
    cells = scattered_cells(rng, canvas.across + sway, canvas.down - sway, 0.45)
    small = scattered_cells(rng, canvas.across * 2.1 + 5, canvas.down * 2.1 - sway, 0.45)
    fill = cells.random(rng) < 0.35
    border = np.where(fill, np.minimum(small.border * 0.48, cells.border), cells.border)
    own = np.where(fill, small.random(rng), cells.random(rng))
    height = np.where(fill, 0.6 * surfaces.rounded(small), surfaces.rounded(cells))
    rough = canvas.noise(6, 2)
    tone = -0.75 * np.exp(-border / 0.05) + 0.6 * (own - 0.5) + 0.2 * (rough - 0.5)
    return Layers(
        own * 0.9, 0.42 * height + 0.015 * rough, np.clip(tone, -0.85, 0.35), 0.8 * (own > 0.82)
    )


def rough_stone(canvas: Canvas) -> Layers:
    """Draw a face of broken rock: lumps, edges and clefts at every size."""
    rng = canvas.rng
    coarse = canvas.noise(0.5, 4)
    cleft = np.exp(-np.abs(canvas.noise(0.35, 4) - 0.5) / 0.02)
    sharp = ridges(canvas.noise(0.8, 4))
    relief = 0.8 * coarse + 0.35 * sharp - 0.25 * cleft
    speck = canvas.image_noise(110)
    return Layers(
        np.clip(1.6 * canvas.noise(0.6, 4) - 0.4, 0, 1) * rng.uniform(0.3, 0.9),
        relief,
        0.25 * (speck - 0.5) - 0.35 * cleft + 0.3 * (sharp - 0.6),
    )


def stone_wall(canvas: Canvas) -> Layers:
    """Draw a wall of unequal rough stones laid in mortar or dry."""
    rng = canvas.rng
    sway = 0.25 * (canvas.noise(0.9, 3) - _HALF)
    cells = scattered_cells(
        rng, canvas.across * np.float32(rng.uniform(0.5, 0.9)) + sway, canvas.down + sway, 0.35
    )
    joint = soft_step(np.float32(rng.uniform(0.03, 0.09)) - cells.border, canvas.pixel * 2)
    rough = canvas.noise(2.5, 4)
    own = cells.random(rng)
    relief = 0.35 * np.sqrt(np.clip(cells.border * 2.5, 0, 1)) + 0.2 * rough
    dark = rng.choice([-0.6, -0.1])
    tone = dark * joint + (1 - joint) * (0.5 * (own - 0.5) + 0.5 * (rough - 0.5))
    return Layers(np.clip(joint * (dark > -0.3) + 0.6 * own * (1 - joint), 0, 1), relief, tone)


def granite(canvas: Canvas) -> Layers:
    """Draw polished granite: small grains of three colours, flat and shining."""
    rng = canvas.rng
    sway = 0.3 * canvas.noise(1.5, 2)
    cells = scattered_cells(rng, canvas.across + sway, canvas.down, 0.48)
    fine = scattered_cells(rng, canvas.across * 2.3, canvas.down * 2.3 + sway, 0.48)
    own = 0.6 * cells.random(rng) + 0.4 * fine.random(rng)
    level = soft_step(own - rng.uniform(0.4, 0.6), 0.15)
    accent = (fine.random(rng) > 0.82) * 0.9
    return Layers(level, None, 0.4 * (fine.random(rng) - 0.5), accent)


def sand_ground(canvas: Canvas) -> Layers:
    """Draw sand: fine grain, at times with ripples of the wind or footprints."""
    rng = canvas.rng
    size = canvas.across.shape[0]
    fine = canvas.image_noise(size / rng.uniform(1.2, 2.2))
    bend = 1.2 * canvas.noise(0.3, 2) + 0.1 * canvas.noise(1.5, 2)
    wave = np.abs(from_middle(canvas.down * 0.8 + bend)) * 2
    ripple = wave ** rng.uniform(0.7, 1.5) * rng.choice([0.0, 0.1, 0.25])
    lumps = canvas.noise(0.6, 3) * rng.choice([0.2, 0.6])
    return Layers(
        0.5 * fine * rng.uniform(0.4, 1), ripple + lumps + 0.02 * fine, 0.3 * (fine - 0.5)
    )


def grass_blades(canvas: Canvas) -> Layers:
    """Draw blades of grass that lean every way over dark ground."""
    rng = canvas.rng
    blend = np.full_like(canvas.across, 0.9)
    relief, tone = np.zeros_like(blend), np.full_like(blend, -0.7)
    layers = 8
    for number in range(layers):
        lean = rng.normal(0, 0.45)
        lane = (canvas.across + np.float32(lean) * canvas.down) * np.float32(rng.uniform(2.0, 4))
        lane = lane + 0.6 * (canvas.noise(0.5) - _HALF)
        pick = np.floor(lane).astype(np.int64) & 63
        own = rng.random((3, 64), dtype=np.float32)
        along = fraction(canvas.down * np.float32(rng.uniform(0.3, 0.7)) + own[0].take(pick))
        width = 0.42 * np.sqrt(along) * (along < 0.9) * (own[1].take(pick) < 0.75)
        off = np.abs(from_middle(lane))
        inside = soft_step(width - off, canvas.pixel * 3)
        shade = -0.55 + 0.6 * number / layers + 0.3 * (own[2].take(pick) - 0.5) - 0.3 * along
        blend += (0.8 * own[2].take(pick) ** 2 - blend) * inside
        tone += (shade + 0.15 * (off < width * 0.3) - tone) * inside
        relief += (0.05 * number - 0.2 * off - relief) * inside
    return Layers(np.clip(blend, 0, 1), relief, np.clip(tone, -0.85, 0.2))


def leaves(canvas: Canvas) -> Layers:
    """Draw overlapping leaves with ribs, the upper ones bright and those below in shade."""
    rng = canvas.rng
    blend = np.full_like(canvas.across, 0.9)
    relief, tone = np.zeros_like(blend), np.full_like(blend, -0.75)
    slim = rng.uniform(0.3, 0.6)
    for number, finer in enumerate((1.3, 1.15, 1.0, 0.9, 0.8)):
        spots_ = scatter(canvas, finer, (0.44, 0.5), 0.85)
        angle = spots_.random(rng) * TURN
        along = (spots_.cells.right * np.cos(angle) + spots_.cells.below * np.sin(angle)) * 2.1
        aside = (spots_.cells.below * np.cos(angle) - spots_.cells.right * np.sin(angle)) * 2.1
        aside = aside + 0.2 * along**2
        width = slim * np.clip(1 - along**2, 0, 1) * (1.1 - 0.35 * along)
        inside = soft_step(width - np.abs(aside), canvas.pixel * finer * 3) * (spots_.outward < 9)
        rib = np.exp(-np.abs(aside) / 0.025)
        side = np.exp(-(1 - triangle((along - np.abs(aside) * 0.9) * 3.5)) / 0.1)
        own = spots_.random(rng)
        half = np.where(aside > 0, 0.08, -0.08)
        shade = -0.5 + 0.13 * number + 0.35 * (own - 0.5) + half
        for layer, new in (
            (blend, 0.35 * own + 0.5 * rib + 0.15 * side),
            (tone, shade),
            (relief, 0.1 * number - 0.5 * np.abs(aside) - 0.05 * side + 0.1 * along),
        ):
            layer[...] = layer + (new - layer) * inside
    return Layers(np.clip(blend, 0, 1), relief, np.clip(tone, -0.85, 0.2))


def fur(canvas: Canvas) -> Layers:
    """Draw short fine fur, combed one way with parts where the lie of it turns."""
    rng = canvas.rng
    bend = rng.uniform(0.4, 1.5) * (canvas.noise(0.3, 2) - 0.5)
    across, down = canvas.across + bend, canvas.down + 0.3 * canvas.noise(0.8)
    hairs = lattice_noise(rng, across * 22, down * 2.2, 2)
    fine = lattice_noise(rng, across * 45, down * 3.5, 1)
    tufts = lattice_noise(rng, across * 4, down * 0.9, 2)
    coat = canvas.noise(0.3, 2)
    level = 0.5 * hairs + 0.25 * fine + 0.25 * tufts
    return Layers(
        np.clip(1.8 * level - 0.6 + 0.4 * (coat - 0.5), 0, 1),
        0.2 * level + 0.1 * tufts,
        level - 0.55,
    )


def hair(canvas: Canvas) -> Layers:
    """Draw long combed hair in waving strands with a band of gloss across."""
    rng = canvas.rng
    wave = rng.uniform(0.1, 0.9) * np.sin(
        canvas.down * rng.uniform(0.3, 1.2) + 3 * canvas.noise(0.2)
    )
    across = canvas.across + wave + 0.4 * canvas.streaks(0.6, 0.12, 2)
    strands = lattice_noise(rng, across * 3, canvas.down * 0.1, 2)
    fine = lattice_noise(rng, across * 26, canvas.down * 0.35, 2)
    gloss = np.exp(-((from_middle(canvas.down * 0.22 + 0.3 * strands) / 0.12) ** 2))
    level = 0.5 * strands + 0.5 * fine
    tone = 1.3 * (level - 0.58) + 0.4 * gloss * fine
    return Layers(np.clip(1.6 * level - 0.5, 0, 1), 0.15 * level, np.clip(tone, -0.8, 0.5))


def pile(canvas: Canvas) -> Layers:
    """Draw the cut or looped pile of a carpet, trodden here and there."""
    rng = canvas.rng
    cells = scattered_cells(rng, canvas.across, canvas.down, rng.uniform(0.3, 0.48))
    loop = dome(np.minimum(cells.distance * 1.7, 1))
    trodden = canvas.noise(0.15, 3)
    fleck = cells.random(rng)
    return Layers(
        0.5 * (1 - loop) + 0.3 * (fleck > 0.8),
        0.3 * loop,
        0.3 * (fleck - 0.5) + 0.25 * (trodden - 0.5) - 0.4 * (1 - loop),
    )


def rug(canvas: Canvas) -> Layers:
    """Draw a patterned rug: mirrored angular figures in knotted pile."""
    rng = canvas.rng
    knots = 5
    across = np.floor(canvas.across * knots) / knots
    down = np.floor(canvas.down * knots) / knots
    right, below = np.abs(from_middle(across / 3)) * 3, np.abs(from_middle(down / 3)) * 3
    ring = fraction((right + below) * rng.uniform(0.6, 1.1)) < 0.45
    star = fraction(np.maximum(right, below) * rng.uniform(0.7, 1.5)) < 0.4
    knot = dome(
        np.hypot(from_middle(canvas.across * knots), from_middle(canvas.down * knots)) * 1.9
    )
    return Layers(
        (ring ^ star).astype(np.float32),
        0.06 * knot,
        -0.4 * (1 - knot) + 0.15 * (canvas.noise(1, 2) - 0.5),
        (star & ring) * 0.9,
    )


def cloth(canvas: Canvas) -> Layers:
    """Draw plain cloth in soft folds, its weave just in sight."""
    rng = canvas.rng
    weave = triangle(canvas.across * 9) * triangle(canvas.down * 9)
    drape = 0.7 * ridges(canvas.streaks(0.25, 0.12, 2)) + 0.3 * canvas.noise(0.3, 2)
    deep = rng.choice([0.1, 0.5, 1.2])
    melange = canvas.noise(4, 2)
    return Layers(0.25 * weave * rng.random(), deep * drape + 0.02 * weave, 0.12 * (melange - 0.5))


def denim(canvas: Canvas) -> Layers:
    """Draw twill: fine slanting ribs with pale threads between and a worn fade."""
    rng = canvas.rng
    rib = triangle(canvas.across * 5 + canvas.down * 5)
    thread = canvas.streaks(12, 2)
    fade = canvas.noise(0.25, 3)
    drape = rng.choice([0.0, 0.6]) * ridges(canvas.noise(0.25, 2))
    return Layers(
        np.clip(0.45 * rib * thread + 0.5 * np.clip(fade - 0.4, 0, 1), 0, 1),
        0.03 * rib + drape,
        0.2 * (thread - 0.5),
    )


def leather_grain(canvas: Canvas) -> Layers:
    """Draw the fine pebbled grain of leather, with creases."""
    rng = canvas.rng
    sway = 0.4 * canvas.noise(0.8, 2)
    cells = scattered_cells(rng, canvas.across + sway, canvas.down - sway, 0.48)
    height = np.clip(cells.border * 4, 0, 1)
    crease = np.exp(-np.abs(canvas.noise(0.12, 3) - 0.5) / 0.012) * rng.choice([0, 1])
    relief = 0.12 * np.sqrt(height) - 0.2 * crease + 0.8 * canvas.noise(0.1)
    return Layers(0.6 * (1 - height) * rng.random(), relief, -0.25 * (1 - height) - 0.2 * crease)


def brushed_metal(canvas: Canvas) -> Layers:
    """Draw brushed or scratched sheet metal with soft mirrored bands of light."""
    rng = canvas.rng
    fine = lattice_noise(rng, canvas.across * 0.6, canvas.down * 24, 2)
    band = lattice_noise(rng, canvas.across * 0.25, canvas.down * 0.06 + 0 * fine, 2)
    scratch = np.clip(9 * lattice_noise(rng, canvas.down * 1.5, canvas.across * 0.06) - 8, 0, 1)
    strength = rng.uniform(0.1, 0.35)
    return Layers(
        np.clip(1.5 * band - 0.4, 0, 1),
        0.008 * fine,
        strength * (fine - 0.5) + 0.9 * (band - 0.5) - 0.2 * scratch,
    )


def dented_metal(canvas: Canvas) -> Layers:
    """Draw dented, crumpled or hammered metal that mirrors its surroundings in streaks."""
    rng = canvas.rng
    height = canvas.noise(rng.uniform(0.4, 1.2), rng.integers(1, 4))
    slope_below, slope_right = np.gradient(height)
    bright = (slope_below + 0.5 * slope_right) / canvas.pixel
    mirror = np.sin(6 * bright + 2 * canvas.noise(0.2))
    return Layers(np.clip(0.5 + 0.5 * mirror, 0, 1), 0.5 * height, 0.35 * mirror * np.abs(mirror))


def tread_plate(canvas: Canvas) -> Layers:
    """Draw a steel plate with raised lozenges set crosswise."""
    cells = square_cells((canvas.across + canvas.down) * 0.71, (canvas.across - canvas.down) * 0.71)
    parity = (cells.index % 2 + cells.index // 64) % 2 > 0
    along = np.where(parity, cells.right, cells.below)
    aside = np.where(parity, cells.below, cells.right)
    lozenge = np.clip(1 - np.abs(along) / 0.42 - np.abs(aside) / 0.15, 0, 1)
    wear = canvas.noise(0.4, 4)
    return Layers(0.4 * wear, 0.12 * np.sqrt(lozenge), 0.3 * (wear - 0.5))


def rusty(canvas: Canvas) -> Layers:
    """Draw rust eating through painted or bare metal: scabs, pits and stained runs."""
    rng = canvas.rng
    noise = canvas.noise(0.5, 5)
    rust = soft_step(noise - rng.uniform(0.3, 0.6), rng.uniform(0.05, 0.3))
    scab = canvas.noise(3, 4)
    dark = np.clip(3 * scab - 1.6, 0, 1)
    relief = 0.25 * rust * scab + 0.04 * canvas.noise(6, 2)
    return Layers(
        1 - rust,
        relief,
        rust * (0.7 * (scab - 0.55)) + 0.15 * (canvas.noise(1, 3) - 0.5),
        dark * rust,
    )


def glassy(canvas: Canvas) -> Layers:
    """Draw clear or frosted glass: bent reflections, bright edges and a tint."""
    rng = canvas.rng
    bend = canvas.streaks(0.5, rng.choice([0.1, 0.5]), 2)
    caustic = ridges(fraction(bend * rng.uniform(2, 5)))
    bright = np.clip(caustic**5, 0, 1)
    edge = np.exp(-np.abs(from_middle(bend * 2)) / 0.03)
    pane = canvas.noise(0.25)
    window = np.clip(8 * (canvas.streaks(0.3, 0.15) - 0.66), 0, 1)
    return Layers(
        np.clip(0.5 * bright + 0.7 * window, 0, 1), 0.5 * bend, 0.5 * (pane - 0.5) - 0.4 * edge
    )


def plastic_film(canvas: Canvas) -> Layers:
    """Draw thin plastic in sharp shining creases, as a bag or wrapping."""
    crease = surfaces.crumpled(canvas)
    soft = canvas.noise(0.4, 3)
    shine = np.clip(6 * (ridges(canvas.streaks(1.2, 0.5, 2)) - 0.86), 0, 1)
    return Layers(np.clip(0.8 * shine + 0.2 * soft, 0, 1), 0.8 * crease.relief, 0.35 * (soft - 0.5))


def smooth(canvas: Canvas) -> Layers:
    """Draw a smooth even surface with the faintest unevenness, as of glazed or moulded ware."""
    rng = canvas.rng
    relief = rng.uniform(0.02, 0.15) * canvas.noise(0.4, 2)
    speck = scatter(canvas, 2.0, (0.05, 0.12), rng.choice([0.0, 0.1])).inside
    return Layers(0.6 * speck, relief, 0.05 * (canvas.noise(0.5, 2) - 0.5))


def moulded(canvas: Canvas) -> Layers:
    """Draw moulded plastic: shining ribs or rings on a smooth body."""
    rng = canvas.rng
    wave = triangle(canvas.down)
    rib = np.clip((wave - rng.uniform(0.2, 0.7)) * 4, 0, 1)
    return Layers(0.15 * (1 - rib), 0.2 * rib + 0.02 * canvas.noise(0.4), grain(canvas, 0.03))


def paper_sheet(canvas: Canvas) -> Layers:
    """Draw a sheet of paper: folds or crumples, and at times lines of print."""
    rng = canvas.rng
    style = rng.integers(4)
    text = np.zeros_like(canvas.across)
    relief = 0.02 * canvas.noise(7, 2)
    if style in (0, 1):  # lines of words, which are only dark dashes from afar
        row = canvas.down * 7
        column = lattice_noise(rng, canvas.across * 0.7, np.floor(canvas.down) * 5.3, 1) > 0.33
        letters = lattice_noise(rng, canvas.across * 32, np.floor(row) * 3.7 + 2 * fraction(row), 2)
        word = lattice_noise(rng, canvas.across * 7, np.floor(row) * 7.7, 1) > 0.4
        line = np.abs(from_middle(row)) < 0.26
        text = soft_step(letters - 0.46, 0.12) * line * word * column
    if style in (1, 2):
        relief = relief + 0.35 * surfaces.crumpled(canvas).relief
    if style == 3:
        relief = relief + 0.15 * np.abs(from_middle(canvas.across * 0.4))
    return Layers(0.85 * text, relief, 0.08 * (canvas.noise(0.6, 3) - 0.5))


def corrugated_card(canvas: Canvas) -> Layers:
    """Draw cardboard: faint flutes, torn and creased places, and tape at times."""
    rng = canvas.rng
    flute = np.cos(TURN * canvas.across * 2)
    fibre = canvas.streaks(10, 1.5, 2)
    crease = np.exp(-np.abs(canvas.noise(0.15, 1) - 0.5) / 0.008) * rng.choice([0, 1])
    torn = soft_step(canvas.noise(0.25, 4) - rng.uniform(0.62, 0.9), 0.02)
    strength = rng.choice([0.004, 0.02, 0.12])
    relief = strength * flute * (1 + 4 * torn) - 0.15 * crease - 0.08 * torn
    return Layers(
        0.7 * torn + 0.2 * fibre,
        relief,
        0.14 * (fibre - 0.5) + 0.8 * strength * flute - 0.3 * crease,
    )


def card_edges(canvas: Canvas) -> Layers:
    """Draw stacked sheets of corrugated cardboard seen from the cut edge."""
    rng = canvas.rng
    row = np.floor(canvas.down)
    own = rng.random(64, dtype=np.float32).take(row.astype(np.int64) & 63)
    wave = 0.36 * np.sin(TURN * (canvas.across * 1.1 + own))
    flute = np.exp(-((np.abs(from_middle(canvas.down) - wave) / 0.09) ** 2))
    liner = np.exp(-(((_HALF - np.abs(from_middle(canvas.down))) / 0.09) ** 2))
    body = np.clip(np.maximum(flute, liner), 0, 1)
    return Layers(0.3 * own * body, 0.2 * body, -0.75 * (1 - body) + 0.2 * (own - 0.5))


def clouds(canvas: Canvas) -> Layers:
    """Draw clouds in an open sky, heaped, streaked or closed."""
    rng = canvas.rng
    place = canvas.down + 0.3 * canvas.noise(0.5, 2)
    cloud = lattice_noise(
        rng, canvas.across * rng.uniform(0.5, 0.9), place * rng.uniform(0.7, 2.0), 4
    )
    cover = np.clip((cloud - rng.uniform(0.3, 0.65)) * rng.uniform(2, 5), 0, 1)
    size = canvas.across.shape[0]
    height = np.linspace(-0.16, 0.12, size, dtype=np.float32)[:, None]
    under = np.clip(cloud - 0.62, 0, 1) * 1.2
    return Layers(cover, None, height * (1 - cover) - under * cover)


def waves(canvas: Canvas) -> Layers:
    """Draw ripples on open water: crests that mirror the sky and dark troughs."""
    rng = canvas.rng
    across, down = canvas.across, canvas.down * np.float32(rng.uniform(1.5, 3.5))
    bend = 0.8 * lattice_noise(rng, across * 0.6, down * 0.6, 2)
    first = ridges(lattice_noise(rng, across * 0.6 + bend, down + bend, 3))
    second = ridges(lattice_noise(rng, across * 1.3 - bend, down * 1.7 + bend, 2))
    crest = (0.65 * first + 0.35 * second).astype(np.float32)
    glint = np.clip(8 * (crest - 0.83), 0, 1)
    return Layers(np.clip(crest**3 * 0.8 + glint, 0, 1), 0.35 * crest, 0.6 * (crest - 0.65))


def pool(canvas: Canvas) -> Layers:
    """Draw the net of light on the floor of clear shallow water."""
    rng = canvas.rng
    sway = 0.7 * (canvas.noise(0.6, 2) - _HALF)
    net = np.zeros_like(canvas.across)
    for finer in (0.8, 1.3):
        cells = scattered_cells(
            rng,
            (canvas.across + sway) * np.float32(finer),
            (canvas.down - sway) * np.float32(finer),
            0.48,
        )
        net = np.maximum(net, np.exp(-cells.border / 0.09))
    return Layers(np.clip(net**1.3, 0, 1), None, 0.3 * (canvas.noise(0.3, 2) - 0.5))


def drops(canvas: Canvas) -> Layers:
    """Draw drops of water on a surface, each with a glint and a bright lower edge."""
    blend, relief = np.zeros_like(canvas.across), np.zeros_like(canvas.across)
    tone = 0.2 * (canvas.noise(0.3, 2) - 0.5)
    for finer, share in ((2.4, 0.6), (1.3, 0.5), (0.8, 0.5)):
        spots_ = scatter(canvas, finer, (0.15, 0.46), share, rough=0.12)
        right, below = spots_.cells.right / spots_.radius, spots_.cells.below / spots_.radius
        glint = np.exp(-((np.hypot(right + 0.35, below + 0.4) / 0.22) ** 2))
        lens = 0.4 * np.clip(below, -1, 1) - 0.15
        blend += (np.clip(glint + 0.35 * np.clip(below, 0, 1), 0, 1) - blend) * spots_.inside
        tone += (lens - tone) * spots_.inside
        ring = np.exp(-(((spots_.outward - 1.05) / 0.12) ** 2))
        tone = tone - 0.25 * ring
        relief = np.maximum(relief, 0.3 / finer * dome(np.minimum(spots_.outward, 1)))
    return Layers(np.clip(blend, 0, 1), relief, np.clip(tone, -0.8, 0.3))


def concrete(canvas: Canvas) -> Layers:
    """Draw cast concrete: pale clouds, small air holes, and the marks of boards at times."""
    rng = canvas.rng
    cloud = canvas.noise(0.4, 4)
    holes = scatter(canvas, 2.2, (0.05, 0.2), rng.uniform(0.05, 0.35), rough=0.2).inside
    board = thin_lines(canvas.down * 0.4, canvas.pixel, 0.01) * rng.choice([0, 0, 1])
    fine = canvas.image_noise(canvas.across.shape[0] / 1.7)
    return Layers(
        np.clip(0.5 * cloud + 0.5 * holes, 0, 1),
        0.05 * canvas.noise(4, 3) - 0.12 * holes - 0.06 * board,
        0.35 * (cloud - 0.5) + 0.15 * (fine - 0.5) - 0.4 * holes - 0.3 * board,
    )


def tarmac(canvas: Canvas) -> Layers:
    """Draw asphalt: small chips in tar, here and there a crack, a patch or a painted line."""
    rng = canvas.rng
    cells = scattered_cells(rng, canvas.across, canvas.down, 0.48)
    chip = np.clip(cells.border * 4, 0, 1) * cells.random(rng)
    fine = canvas.image_noise(canvas.across.shape[0] / 1.6)
    accent = None
    if rng.random() < 0.25:
        middle = float(canvas.across.mean())
        half = canvas.span * rng.uniform(0.05, 0.12)
        worn = canvas.noise(1.2, 3) > 0.35
        accent = soft_step(half - np.abs(canvas.across - middle), 0.1) * worn
    crack = np.exp(-np.abs(canvas.noise(0.12, 4) - 0.5) / 0.006) * rng.choice([0, 1])
    return Layers(
        np.clip(0.9 * chip**2, 0, 1),
        0.15 * chip - 0.2 * crack,
        0.5 * (fine - 0.5) + 0.35 * (chip - 0.4) - 0.5 * crack,
        accent,
    )


def damask(canvas: Canvas) -> Layers:
    """Draw the mirrored leaves and flowers of a printed wallpaper."""
    rng = canvas.rng
    row = np.floor(canvas.down / 1.4)
    right = np.abs(from_middle(canvas.across + 0.5 * (row % 2))) * 2
    below = from_middle(canvas.down / 1.4) * 2
    angle = np.arctan2(below, right)
    distance = np.hypot(right, below * 1.1)
    petals = rng.integers(3, 8)
    outline = 0.62 + 0.22 * np.cos(petals * angle) + 0.1 * np.cos(2 * petals * angle + 1)
    leaf = soft_step(outline - distance, canvas.pixel * 2)
    inner = soft_step(outline * 0.55 - distance, canvas.pixel * 2)
    vein = np.exp(-np.abs(from_middle(distance * 4 + angle)) / 0.05)
    figure = np.clip(
        leaf - inner * 0.8 - 0.5 * vein * leaf + soft_step(0.15 - distance, 0.04), 0, 1
    )
    border = np.exp(-(((distance - 0.98) / 0.03) ** 2))
    return Layers(
        np.clip(np.maximum(figure, 0.7 * border), 0, 1), 0.03 * figure, grain(canvas, 0.03)
    )


def sprigs(canvas: Canvas) -> Layers:
    """Draw small flowers and leaves scattered over plain paper, with stripes at times."""
    rng = canvas.rng
    blend = 0.35 * thin_lines(canvas.across, canvas.pixel, 0.4) * rng.choice([0, 1])
    accent = np.zeros_like(blend)
    for finer, share in ((1.0, 0.9), (1.5, 0.6)):
        spots_ = scatter(canvas, finer, (0.3, 0.42), share)
        angle = np.arctan2(spots_.cells.below, spots_.cells.right) + spots_.random(rng) * TURN
        petals = np.round(4 + 3 * spots_.random(rng))
        out = spots_.outward / (0.6 + 0.35 * np.cos(petals * angle))
        flower = soft_step(1 - np.abs(out), canvas.pixel * 3 * finer)
        heart = soft_step(0.22 - spots_.outward, canvas.pixel * 3 * finer)
        leaf = spots_.random(rng) < 0.4
        blend = np.maximum(blend, flower)
        accent = np.maximum(accent * (1 - flower), np.where(leaf, flower, heart))
    return Layers(blend, None, 0.05 * (canvas.noise(0.4, 2) - 0.5), accent)


def scraps(canvas: Canvas) -> Layers:
    """Draw a heap of rubbish: creased scraps of many colours with dark gaps between."""
    rng = canvas.rng
    sway = 0.4 * (canvas.noise(0.8, 2) - _HALF)
    blend, tone = np.zeros_like(canvas.across), np.full_like(canvas.across, -0.6)
    accent, relief = np.zeros_like(blend), np.zeros_like(blend)
    for number, finer in enumerate((1.5, 1.0, 0.7)):
        cells = scattered_cells(
            rng,
            canvas.across * np.float32(finer) + sway,
            canvas.down * np.float32(finer * rng.uniform(0.6, 1.2)) - sway,
            0.48,
        )
        inside = soft_step(cells.border - 0.08, 0.04) * (cells.random(rng) < 0.62)
        crease = np.abs(from_middle(canvas.noise(0.9 * finer, 2) * 3))
        shade = 0.6 * (cells.random(rng) - 0.6) + 0.35 * (crease - 0.25)
        label = from_middle(cells.right * 3 * cells.random(rng) + cells.below * 2) > 0.25
        for layer, new in (
            (blend, np.where(cells.random(rng) < 0.5, 0.1, 0.9) * (1 - 0.5 * label)),
            (accent, (cells.random(rng) < 0.3) * 0.9),
            (tone, shade),
            (relief, 0.15 * number + 0.35 * crease),
        ):
            layer[...] = layer + (new - layer) * inside
    return Layers(np.clip(blend, 0, 1), relief, np.clip(tone, -0.85, 0.2), accent)


def _alone(*names: str) -> tuple[Palette, ...]:
    return tuple((name,) for name in names)


_BRICK = (
    ("red", "grey", "brown"), ("brown", "beige", "orange"), ("orange", "cream", "brown"),
    ("red", "beige", "brown"), ("grey", "white", "black"), ("beige", "grey", "brown"),
    ("white",), ("brown", "grey", "black"),
)  # fmt: skip
_ANY = _alone(
    "red", "orange", "yellow", "green", "cyan", "blue", "purple", "pink", "brown", "black",
    "white", "grey", "beige", "cream",
)  # fmt: skip
_WOOD = (
    ("beige", "brown"), ("brown", "black"), ("orange", "brown"), ("cream", "brown"),
    ("brown",), ("grey", "brown"), ("beige", "orange"), ("grey", "black"),
)  # fmt: skip
_STONE = (
    ("grey", "white"), ("grey", "black"), ("grey", "brown"), ("beige", "brown"),
    ("brown", "grey"), ("grey",), ("beige", "grey"), ("brown", "orange"),
)  # fmt: skip
_PEBBLE = (
    ("grey", "beige", "brown"), ("grey", "white", "black"), ("beige", "brown", "white"),
    ("brown", "grey", "cream"), ("grey", "brown", "orange"),
)  # fmt: skip
_SAND = (("beige", "brown"), ("cream", "beige"), ("beige",), ("yellow", "beige"), ("brown",))
_GREEN = (
    ("green", "yellow"), ("green", "black"), ("green",), ("green", "cream"), ("green", "brown"),
    ("green", "cyan"), ("yellow", "green"),
)  # fmt: skip
_FUR = (
    ("brown", "beige"), ("black", "grey"), ("grey", "white"), ("beige", "cream"),
    ("orange", "cream"), ("brown", "black"), ("white", "cream"), ("grey", "brown"),
)  # fmt: skip
_METAL = (("grey", "white"), ("grey", "black"), ("grey",), ("white", "grey"), ("yellow", "brown"),
          ("brown", "orange"), ("grey", "blue"), ("black", "grey"))  # fmt: skip
_RUST = (
    ("brown", "grey", "black"), ("orange", "brown", "brown"), ("orange", "grey", "brown"),
    ("brown", "blue", "orange"), ("brown", "white", "orange"), ("orange", "green", "brown"),
    ("brown", "orange", "black"),
)  # fmt: skip
_RUST = tuple(palette for palette in _RUST if len(set(palette)) == len(palette))
_GLASS = (
    ("cyan", "white"), ("green", "white"), ("grey", "white"), ("blue", "white"),
    ("brown", "white"), ("white", "grey"), ("green",), ("black", "white"),
)  # fmt: skip
_PAPER = (
    ("white", "black"), ("cream", "black"), ("white", "grey"), ("grey", "black"),
    ("beige", "brown"), ("yellow", "black"), ("pink", "grey"), ("white",), ("white", "blue"),
)  # fmt: skip
_CARD = (("brown", "beige"), ("beige", "brown"), ("beige", "cream"), ("brown",), ("beige",))
_SKY = (
    ("blue", "white"), ("cyan", "white"), ("blue", "grey"), ("grey", "white"),
    ("blue", "pink"), ("orange", "purple"), ("cyan", "cream"), ("blue", "cream"),
)  # fmt: skip
_WATER = (
    ("blue", "white"), ("cyan", "white"), ("green", "white"), ("blue", "cyan"),
    ("grey", "white"), ("green", "cyan"), ("black", "white"), ("cyan", "blue"),
)  # fmt: skip
_GREY = (("grey", "white"), ("grey",), ("grey", "beige"), ("beige", "grey"), ("grey", "black"))
_TAR = (("black", "grey", "white"), ("grey", "black", "white"), ("grey", "white", "yellow"),
        ("black", "grey", "yellow"))  # fmt: skip
_TRASH = (
    ("white", "blue", "brown"), ("grey", "red", "white"), ("brown", "white", "green"),
    ("blue", "yellow", "white"), ("white", "beige", "red"), ("black", "white", "cyan"),
    ("beige", "grey", "orange"), ("white", "green", "pink"),
)  # fmt: skip
_LEATHER = _alone("brown", "black", "beige", "red", "brown", "orange", "grey", "white", "blue")

# Each material may be drawn in several ways, which are chosen from evenly.
MATERIALS: dict[str, tuple[Kind, ...]] = {
    "asphalt": (
        natural(tarmac, (12, 45), _TAR),
        natural(stones.road_cracks, (3, 8), (("grey", "black"), ("black", "grey"))),
    ),
    "brick": (natural(brick, (1.5, 9), _BRICK, turns=0.08),),
    "cardboard": (
        natural(corrugated_card, (3, 16), _CARD, turns=np.pi),
        natural(card_edges, (5, 16), _CARD, turns=0.2),
        natural(smooth, (2, 4), _CARD),
    ),
    "carpet": (
        natural(pile, (14, 45), _ANY),
        natural(rug, (3, 8), (("red", "blue", "cream"), ("red", "black", "beige"),
                               ("brown", "cream", "red"), ("blue", "red", "cream"),
                               ("beige", "brown", "red"), ("green", "cream", "red"))),
        natural(threads.felted, (4, 9), _ANY),
    ),
    "ceramic": (
        natural(smooth, (2, 5), _ANY, gloss=1.0),
        natural(smooth, (2, 5), _alone("white", "cream", "white", "blue"), gloss=1.0),
        natural(stones.crazed_glaze, (3, 9), (("white", "grey"), ("cream", "brown"),
                                              ("cyan", "grey"), ("green", "brown")), gloss=0.8),
    ),
    "concrete": (
        natural(concrete, (2, 8), _GREY, turns=0.3),
        natural(surfaces.plaster, (12, 24), _GREY),
    ),
    "fabric": (
        natural(cloth, (4, 14), _ANY),
        natural(threads.plain_cloth, (14, 45), _ANY),
        natural(denim, (8, 22), (("blue", "white"), ("blue", "cyan"), ("black", "grey"))),
        natural(surfaces.folds, (1.5, 4), _ANY),
    ),
    "foliage": (
        natural(leaves, (2.5, 11), _GREEN),
        natural(patterns.veined, (2, 5), _GREEN),
    ),
    "fur": (
        natural(fur, (2.5, 7), _FUR),
        natural(threads.shaggy, (2.5, 6), _FUR),
        natural(threads.matted, (2, 5), _FUR),
    ),
    "glass": (
        natural(glassy, (1.5, 5), _GLASS, gloss=1.0),
        natural(smooth, (2, 4), _GLASS, gloss=1.0),
        natural(stones.struck_glass, (3, 7), _GLASS, gloss=0.6),
        natural(drops, (3, 9), _GLASS, gloss=0.8),
    ),
    "grass": (
        natural(grass_blades, (2, 10), _GREEN, turns=0.2),
        natural(threads.fibrous, (3, 7), (("green", "yellow"), ("green", "cream")), turns=0.3),
    ),
    "gravel": (natural(pebbles, (5, 26), _PEBBLE),),
    "hair": (
        natural(hair, (1.5, 5), _FUR, turns=0.6, gloss=0.3),
        natural(threads.fibrous, (2, 5), _FUR, turns=0.6),
    ),
    "leather": (
        natural(leather_grain, (10, 40), _LEATHER, gloss=0.6),
        natural(surfaces.skin_lines, (4, 10), _LEATHER, gloss=0.5),
        natural(surfaces.tufted, (3, 6), _LEATHER, gloss=0.6, turns=0.1),
    ),
    "metal": (
        natural(brushed_metal, (2, 7), _METAL, gloss=0.8),
        natural(dented_metal, (2, 7), _METAL, gloss=1.0),
        natural(tread_plate, (5, 14), _METAL, gloss=0.8),
        natural(smooth, (2, 5), _METAL, gloss=1.0),
    ),
    "paper": (
        natural(paper_sheet, (2, 7), _PAPER, turns=0.6),
        natural(surfaces.crumpled, (1, 2.5), _alone("white", "cream", "white", "beige", "grey")),
    ),
    "plastic": (
        natural(plastic_film, (1, 3), _ANY, gloss=1.0),
        natural(smooth, (2, 5), _ANY, gloss=1.0),
        natural(moulded, (3, 12), _ANY, gloss=1.0, turns=0.2),
        natural(plastic_film, (1, 3), _GLASS, gloss=1.0),
    ),
    "polished stone": (
        natural(granite, (10, 40), (("grey", "black", "white"), ("black", "grey", "brown"),
                                     ("pink", "black", "white"), ("beige", "brown", "black"),
                                     ("white", "grey", "black")), gloss=0.7),
        natural(patterns.marbled, (2, 6), (("white", "grey"), ("black", "white"),
                                            ("beige", "brown"), ("green", "white"),
                                            ("cream", "brown")), gloss=0.7),
    ),
    "rust": (
        natural(rusty, (2, 6), _RUST),
        natural(spots.run_down, (3, 8), (("grey", "brown"), ("white", "orange"),
                                          ("blue", "brown"), ("green", "orange")), turns=0.1),
    ),
    "sand": (natural(sand_ground, (2, 9), _SAND),),
    "sky": (natural(clouds, (1.5, 5), _SKY, turns=0.1),),
    "stone": (
        natural(rough_stone, (1.5, 6), _STONE),
        natural(stone_wall, (3, 9), _STONE, turns=0.1),
        natural(pebbles, (3, 8), _STONE),
        natural(surfaces.lava, (4, 9), _STONE),
    ),
    "tile": (natural(tiles, (3, 14), tuple(
        (ground, joint) for ground in ("white", "blue", "cyan", "beige", "green", "brown", "grey",
                                       "red", "black", "cream")
        for joint in ("grey", "white", "black") if joint != ground
    ), turns=0.1, gloss=0.8),
        natural(ornaments.mosaic, (8, 24), (("blue", "cyan", "white"), ("grey", "white", "black"),
                                            ("beige", "brown", "orange"),
                                            ("green", "cyan", "yellow")), gloss=0.6),
    ),
    "trash": (natural(scraps, (2.5, 8), _TRASH, gloss=0.3),),
    "wallpaper": (
        Kind(damask, (3, 9), turns=0.05),
        Kind(sprigs, (4, 12), turns=0.1),
        Kind(patterns.striped, (5, 16), turns=0.02),
    ),
    "water": (
        natural(waves, (2, 9), _WATER, turns=0.1, gloss=0.5),
        natural(pool, (3, 8), _WATER, turns=np.pi),
        natural(drops, (3, 9), _WATER, gloss=0.8),
    ),
    "wood": (
        natural(wood_grain, (1.5, 6), _WOOD, turns=0.1),
        natural(planks, (2.5, 9), _WOOD, turns=1.6),
        natural(log_ends, (2, 6), _WOOD),
        natural(surfaces.furrows, (4, 10), _WOOD, turns=0.2),
    ),
}  # fmt: skip
