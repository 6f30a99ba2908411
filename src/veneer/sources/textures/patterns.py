"""One function per kind of texture: canvas in, layers out.

Each function draws one of the texture attributes of the Describable Textures Dataset on a
`Canvas`. It knows nothing of colours or light: it says where the second colour goes (``blend``),
where a third one may go (``accent``), what is darker or lighter than its colour (``tone``) and
how high the surface stands (``relief``); `render` makes an image of that.
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
    steps,
    stripes,
    thin_lines,
    torus_index,
    triangle,
)

TURN = np.float32(2 * np.pi)


@dataclass(frozen=True)
class Layers:
    """What a pattern leaves on the canvas; every array is float32 [H, W].

    Attributes
    ----------
    blend : np.ndarray
        0 where the first colour shows, 1 where the second does.
    relief : np.ndarray or None
        Height of the surface in pattern units, for shading; None is flat.
    tone : np.ndarray or None
        Added brightness as a share of the colour: -1 is black, 0 leaves the colour alone.
    accent : np.ndarray or None
        1 where a third colour covers the other two; None leaves it out.
    cover : np.ndarray or None
        0 where there is nothing and whatever lies behind shows; None is a surface without gaps.
    """

    blend: np.ndarray
    relief: np.ndarray | None = None
    tone: np.ndarray | None = None
    accent: np.ndarray | None = None
    cover: np.ndarray | None = None


def striped(canvas: Canvas) -> Layers:
    """Draw broad straight stripes, at times with a third colour on every other one."""
    share = canvas.rng.uniform(0.35, 0.65)
    accent = None
    if canvas.chance(0.35):
        # Twice the period and half the share: just every other stripe of the second colour.
        accent = stripes(canvas.across / 2, canvas.pixel / 2, share / 2)
    return Layers(stripes(canvas.across, canvas.pixel, share), accent=accent)


def banded(canvas: Canvas) -> Layers:
    """Draw gently waving bands of many widths, each in a tone of its own."""
    rng = canvas.rng
    wave = rng.uniform(0.1, 0.6) * (canvas.noise(0.35, 2) - 0.5)
    place = (canvas.down - canvas.down.min()) + wave.astype(np.float32)
    edges = np.cumsum(rng.uniform(0.15, 1.0, int(place.max() * 2) + 8)) - 1.0
    # Light and dark take turns, so that no two neighbours run into one.
    levels = rng.uniform(0.0, 0.2, len(edges) + 1)
    levels[::2] = rng.uniform(0.7, 1.0, len(levels[::2]))
    ramp = float(canvas.pixel.mean()) * rng.choice([1.5, 6.0])
    accent = None
    if canvas.chance(0.4):
        accent = steps(place, edges, (rng.random(len(levels)) < 0.25) * 1.0, ramp)
    return Layers(steps(place, edges, levels, ramp), accent=accent)


def lined(canvas: Canvas) -> Layers:
    """Draw thin parallel lines on a plain ground, as on ruled paper."""
    tremble = np.float32(0.15) * (canvas.noise(0.3, 2) - 0.5)
    width = canvas.rng.uniform(0.12, 0.24)
    return Layers(thin_lines(canvas.down + tremble, canvas.pixel, width))


def dotted(canvas: Canvas) -> Layers:
    """Draw scattered dots of unequal size."""
    cells, radius = contained_cells(
        canvas.rng, canvas.across, canvas.down, np.array([0.12, 0.34], np.float32)
    )
    dots = soft_step(radius - cells.distance, canvas.pixel)
    accent = dots * (cells.random(canvas.rng) < 0.3) if canvas.chance(0.4) else None
    return Layers(dots, accent=accent)


def polka_dotted(canvas: Canvas) -> Layers:
    """Draw equal round dots on a regular lattice."""
    lattice = hexagonal_cells if canvas.chance(0.65) else square_cells
    cells = lattice(canvas.across, canvas.down)
    radius = np.float32(canvas.rng.uniform(0.22, 0.34))
    return Layers(soft_step(radius - cells.distance, canvas.pixel))


def chequered(canvas: Canvas) -> Layers:
    """Draw a chessboard, or the crossing half tones of gingham."""
    columns = stripes(canvas.across / 2, canvas.pixel / 2)
    rows = stripes(canvas.down / 2, canvas.pixel / 2)
    if canvas.chance(0.3):
        return Layers((columns + rows) / 2)
    return Layers(columns + rows - 2 * columns * rows)


def zigzagged(canvas: Canvas) -> Layers:
    """Draw chevron stripes."""
    steepness = np.float32(canvas.rng.uniform(0.7, 1.3))
    stretch = np.sqrt(1 + steepness**2)  # the slanted stripes are that much thinner
    place = canvas.down * stretch + steepness * triangle(canvas.across * np.float32(0.5))
    share = canvas.rng.uniform(0.4, 0.6)
    accent = None
    if canvas.chance(0.35):
        accent = stripes(place / 2, canvas.pixel * stretch / 2, share / 2)
    return Layers(stripes(place, canvas.pixel * stretch, share), accent=accent)


def grid(canvas: Canvas) -> Layers:
    """Draw lines crossing at right angles, every fourth or fifth at times heavier."""
    width = canvas.rng.uniform(0.1, 0.2)
    lines = np.maximum(
        thin_lines(canvas.across, canvas.pixel, width),
        thin_lines(canvas.down, canvas.pixel, width),
    )
    if canvas.chance(0.4):
        every = int(canvas.rng.integers(3, 6))
        heavy = [
            thin_lines(place / every, canvas.pixel / every, 1.8 * width / every)
            for place in (canvas.across, canvas.down)
        ]
        lines = np.maximum(lines * np.float32(0.7), np.maximum(*heavy))
    return Layers(lines)


def marbled(canvas: Canvas) -> Layers:
    """Draw cloudy stone with winding streaks and hair-thin veins that come and go."""
    rng = canvas.rng
    clouds = canvas.noise(0.5, 4)
    blend = 0.6 * np.clip(1.8 * clouds - 0.6, 0, 1)
    for pace, thin, strength in ((0.5, 16, 1.0), (1.0, 26, 0.75)):
        wind = rng.uniform(1.3, 2.2) * canvas.noise(0.45, 4)
        from_streak = np.abs(from_middle(canvas.across * np.float32(pace) + wind))
        depth = strength * np.clip(2.4 * canvas.noise(0.7) - 0.5, 0.15, 1)
        # A wide halo would make a pale streak on a dark ground look like lightning.
        streak = 1.1 * np.exp(-thin * from_streak) + 0.2 * np.exp(-5 * from_streak)
        blend = blend + (1 - blend) * depth * np.minimum(streak, 1)
    hair = np.exp(-((np.abs(canvas.noise(0.6, 4) - 0.5) / 0.006) ** 2)) * clouds
    return Layers(np.clip(np.maximum(blend, 0.75 * hair), 0, 1))


def woven(canvas: Canvas) -> Layers:
    """Draw flat strands passing over and under each other, as in a basket."""
    right, below = from_middle(canvas.across), from_middle(canvas.down)
    over = 1 - 2 * ((np.floor(canvas.across) + np.floor(canvas.down)) % 2)
    half_width = np.float32(canvas.rng.uniform(0.42, 0.48))
    # Each strand rises in the middle of a cell where it is on top and sinks where it is not; both
    # heights pass zero at the cell's edge, so that a strand is continuous from cell to cell.
    upright = over * np.cos(np.pi * below).astype(np.float32)
    level = -over * np.cos(np.pi * right).astype(np.float32)
    upright_height = np.float32(0.16) * upright + np.float32(0.12) * dome(right / half_width)
    level_height = np.float32(0.16) * level + np.float32(0.12) * dome(below / half_width)
    gap = np.float32(0.6)
    upright_height = upright_height - gap * (np.abs(right) > half_width)
    level_height = level_height - gap * (np.abs(below) > half_width)
    blend = soft_step(upright_height - level_height, canvas.pixel * np.float32(0.6))
    height = np.maximum(upright_height, level_height)
    fibres = int(canvas.rng.integers(2, 6))
    fibre = triangle(canvas.across * fibres) * blend + triangle(canvas.down * fibres) * (1 - blend)
    relief = np.clip(height, -0.15, 1) + np.float32(0.02) * fibre
    tone = np.clip(height * 2.4 - 0.42, -0.75, 0.05) - np.float32(0.12) * (1 - fibre)
    return Layers(blend, relief, tone)


def cracked(canvas: Canvas) -> Layers:
    """Draw dry plates with dark cracks between, and finer cracks within the plates."""
    rng = canvas.rng
    rough_right, rough_below = canvas.noise(1.6, 3) - 0.5, canvas.noise(1.6, 3) - 0.5
    across, down = canvas.across + 0.55 * rough_right, canvas.down + 0.55 * rough_below
    plates = scattered_cells(rng, across, down, 0.42)
    width = rng.uniform(0.03, 0.06) * (0.5 + canvas.noise(0.7))
    cracks = soft_step(width - plates.border, canvas.pixel * 1.3)
    fine = scattered_cells(rng, across * 2.1, down * 2.1, 0.42)
    hair = 0.65 * soft_step(0.035 - fine.border, canvas.pixel * 2.5) * (canvas.noise(0.9) > 0.45)
    edge = np.clip(plates.border / 0.16, 0, 1)
    relief = 0.09 * np.sqrt(edge) + 0.05 * canvas.noise(5, 3) - 0.06 * cracks
    tone = 0.2 * (plates.random(rng) - 0.5) + 0.14 * (canvas.noise(3, 3) - 0.5)
    return Layers(np.maximum(cracks, hair), relief, tone)


def bubbly(canvas: Canvas) -> Layers:
    """Draw clear bubbles of many sizes with bright rims and a glint each."""
    blend = np.float32(0.3) * canvas.noise(0.4, 2)
    tone = np.zeros_like(blend)
    for finer in (2.3, 1.5, 1.0):
        turn = canvas.rng.uniform(0, np.pi)
        cosine, sine = np.float32(np.cos(turn)), np.float32(np.sin(turn))
        place_right = (canvas.across * cosine - canvas.down * sine) * np.float32(finer)
        place_below = (canvas.across * sine + canvas.down * cosine) * np.float32(finer)
        cells, radius = contained_cells(
            canvas.rng, place_right, place_below, np.array([0.22, 0.5], np.float32)
        )
        there = cells.random(canvas.rng) < 0.8
        pixel = canvas.pixel * np.float32(finer)
        outward = cells.distance / radius
        inside = soft_step(radius - cells.distance, pixel) * there
        rim = np.clip(outward, 0, 1) ** 6
        body = 0.06 + 0.75 * rim
        # The glint sits up and to the left in the image whatever way the lattice is turned.
        right = cells.right * cosine + cells.below * sine
        below = -cells.right * sine + cells.below * cosine
        from_glint = np.hypot(right + 0.4 * radius, below + 0.4 * radius)
        glint = np.exp(-((from_glint / (0.17 * radius)) ** 2))
        blend = blend * (1 - inside) + inside * np.clip(body + glint, 0, 1)
        tone = tone * (1 - inside) + inside * (0.25 * glint - 0.12 * (1 - rim))
    return Layers(blend, tone=tone)


def honeycombed(canvas: Canvas) -> Layers:
    """Draw six-sided cells with raised walls and hollow middles."""
    sway = np.float32(0.22)
    across = canvas.across + sway * (canvas.noise(0.4) - 0.5)
    down = canvas.down + sway * (canvas.noise(0.4) - 0.5)
    cells = hexagonal_cells(across, down)
    wall = np.float32(canvas.rng.uniform(0.06, 0.11))
    walls = soft_step(wall - cells.border, canvas.pixel * 1.2)
    hollow = np.clip((cells.border - wall) / np.float32(0.3), 0, 1)
    relief = -0.35 * np.sqrt(hollow) + 0.03 * walls
    tone = -0.4 * hollow * (0.6 + 0.6 * cells.random(canvas.rng))
    return Layers(walls, relief, tone)


def spiralled(canvas: Canvas) -> Layers:
    """Draw one great spiral, or a field of rolled-up ones."""
    rng = canvas.rng
    if canvas.chance(0.4):
        coarse = np.float32(rng.uniform(0.3, 0.42))
        cells = hexagonal_cells(canvas.across * coarse, canvas.down * coarse)
        hand = np.where(cells.random(rng) < 0.5, 1, -1) if canvas.chance(0.4) else 1
        turns = rng.uniform(2.5, 3.4)
        angle = np.arctan2(cells.below, cells.right) * hand + TURN * cells.random(rng)
        outward, pixel = cells.distance / 0.46, canvas.pixel * coarse / 0.46
        arms = stripes(outward * turns + angle / TURN, pixel * turns)
        return Layers(arms * soft_step(1 - outward, pixel))
    right, below = canvas.centred(0.12)
    distance = np.hypot(right, below) + np.float32(1e-3)
    arms, hand = int(rng.integers(1, 4)), int(rng.choice([-1, 1]))
    angle = np.arctan2(below, right) * (arms * hand / TURN)
    if canvas.chance(0.5):
        return Layers(stripes(distance * 1.1 + angle, canvas.pixel * 1.1))
    # A spiral that widens as it goes out; its arms near the centre are thinner than a pixel.
    pace = np.float32(rng.uniform(1.0, 1.8))
    place = pace * np.log(distance) + angle
    edge = canvas.pixel * (pace + arms / TURN) / distance
    return Layers(stripes(place, edge))


def veined(canvas: Canvas) -> Layers:
    """Draw a leaf seen close by: a midrib, side veins, and a net of fine ones between."""
    rng = canvas.rng
    sway = 0.35 * (canvas.noise(0.3) - 0.5)
    right, below = canvas.centred(0.2)
    from_rib = np.abs(right + sway)
    taper = np.clip(1.2 - from_rib / (0.8 * canvas.span), 0.25, 1)
    midrib = soft_step(np.float32(0.075) - from_rib, canvas.pixel * 1.5)
    # The side veins of the two halves start at different heights, and bend as they go out.
    half = np.where(right + sway > 0, np.float32(0.45), np.float32(0))
    rise = below * 0.75 + from_rib ** np.float32(0.85) * 0.8 + half
    rise = rise + 0.35 * (canvas.noise(0.5, 2) - 0.5)
    side_distance = (1 - triangle(rise)) * 0.5
    side = soft_step(0.042 * taper - side_distance, canvas.pixel * 1.4)
    net = scattered_cells(rng, canvas.across * 2.6 + sway, canvas.down * 2.6, 0.4)
    fine = np.exp(-((net.border / 0.07) ** 2)) * np.float32(0.42)
    blend = np.maximum(np.maximum(midrib, side), fine)
    tone = 0.2 * (canvas.noise(0.6, 3) - 0.5) + 0.12 * (net.random(rng) - 0.5)
    relief = 0.05 * (1 - np.exp(-((net.border / 0.18) ** 2)))
    for groove, depth, width in ((side_distance, 0.14, 0.09), (from_rib, 0.2, 0.13)):
        relief = relief - depth * np.exp(-((groove / width) ** 2))
    return Layers(np.clip(blend, 0, 1), relief, tone)


def cobwebbed(canvas: Canvas) -> Layers:
    """Draw a spider's web: spokes from a hub and threads that sag between them."""
    rng = canvas.rng
    right, below = canvas.centred(0.22)
    distance = np.hypot(right, below)
    spokes = int(rng.integers(11, 19))
    # Unequal sectors: the angle runs through knots that are a little off an even spacing.
    turn = np.arctan2(below, right) / TURN + np.float32(0.5)
    knots = np.arange(spokes + 1) / spokes
    knots[1:-1] += rng.uniform(-0.28, 0.28, spokes - 1) / spokes
    sector = np.interp(turn, knots, np.arange(spokes + 1)).astype(np.float32)
    within = fraction(sector)
    thread = np.maximum(canvas.pixel * 1.1, np.float32(0.03))
    spoke_gap = np.minimum(within, 1 - within) * distance * TURN / spokes
    radial = soft_step(thread * 0.55 - spoke_gap, canvas.pixel)
    slack = rng.uniform(0.08, 0.2)
    shift = rng.uniform(-0.12, 0.12, spokes + 1).astype(np.float32)[sector.astype(np.int64)]
    ring = distance * (1 + slack * 4 * within * (1 - within)) * np.float32(1.5) + shift
    ring_gap = (1 - triangle(ring)) / 3
    rings = soft_step(thread * 0.45 - ring_gap, canvas.pixel) * (distance > 0.3)
    drops = np.exp(-((ring_gap / 0.05) ** 2)) * (triangle(sector * 5 + ring) > 0.75) * 0.35
    web = np.maximum(np.maximum(radial, 0.85 * rings), drops * (distance > 0.3))
    gleam = 0.65 + 0.35 * canvas.image_noise(4)
    dusk = -0.6 * canvas.image_noise(2, 2) - 0.15
    return Layers(np.clip(web * gleam, 0, 1), tone=dusk * (1 - web))


def crystalline(canvas: Canvas) -> Layers:
    """Draw facets that each catch the light their own way, with bright edges between."""
    rng = canvas.rng
    large = scattered_cells(rng, canvas.across + 0.35 * canvas.down, canvas.down, 0.45)
    small = scattered_cells(rng, canvas.across * 1.9 - 0.6 * canvas.down, canvas.down * 1.9, 0.45)

    def facet(cells: Cells) -> np.ndarray:
        lean_right, lean_below = cells.random(rng) - 0.5, cells.random(rng) - 0.5
        return cells.random(rng) + 1.6 * (cells.right * lean_right + cells.below * lean_below)

    level = 0.6 * facet(large) + 0.4 * facet(small)
    # No edge is thinner than a pixel, or the steps between facets would show as jags.
    ridges = np.exp(-((large.border / np.maximum(canvas.pixel, 0.03)) ** 2))
    cracks = np.exp(-((small.border / np.maximum(canvas.pixel * 2, 0.04)) ** 2))
    shine = np.clip((level - 0.3) * 1.5, 0, 1)
    blend = np.clip(shine + 0.7 * ridges + 0.25 * cracks, 0, 1)
    return Layers(blend, tone=np.clip(0.7 * (level - 0.5), -0.45, 0.1))


def scaly(canvas: Canvas) -> Layers:
    """Draw rows of rounded scales, each row lying over the next one down."""
    rng = canvas.rng
    row_height, radius = np.float32(0.5), np.float32(0.56)
    blend = np.zeros_like(canvas.across)
    relief, tone = np.zeros_like(blend), np.zeros_like(blend)
    brightness = rng.uniform(-0.16, 0.16, 64 * 64).astype(np.float32)
    rim_reach = np.float32(rng.uniform(0.2, 0.45))
    lowest = np.floor(canvas.down / row_height)
    for rows_up in (0, 1, 2):  # from the bottom of the pile to its top
        row = lowest - rows_up + 1
        place = canvas.across + 0.5 * (row % 2)
        right, below = from_middle(place), canvas.down - (row - 1) * row_height
        distance = np.hypot(right, below)
        inside = soft_step(radius - distance, canvas.pixel)
        rim = np.clip((distance - (radius - rim_reach)) / rim_reach, 0, 1)
        own = brightness.take(torus_index(np.floor(place), row))
        for layer, new in (
            (blend, rim**1.5),
            (relief, 0.5 * below + 0.12 * dome(distance / radius)),
            (tone, own - 0.35 * np.clip(0.5 - below, 0, 0.5)),
        ):
            layer[...] = layer + (new - layer) * inside
    return Layers(blend, relief, tone)


def knitted(canvas: Canvas) -> Layers:
    """Draw stocking stitch: columns of V-shaped loops of yarn, at times with a worked-in motif."""
    rng = canvas.rng
    right = from_middle(canvas.across)
    slant = np.float32(rng.uniform(0.9, 1.3))
    climb = canvas.down * np.float32(1.25) - slant * np.abs(right)
    along_leg = from_middle(climb)
    leg = np.abs(np.abs(right) - np.float32(0.25)) / np.float32(0.25)
    height = dome(along_leg * 2) * np.sqrt(np.clip(1 - 0.85 * leg**2, 0, 1))
    twist = triangle(4 * canvas.across * np.sign(right) + 3.0 * climb)
    relief = 0.22 * height + 0.012 * twist
    tone = -0.62 * np.clip(1 - height * 1.5, 0, 1) - 0.1 * twist * height
    column, row = np.floor(canvas.across), np.floor(climb)
    motif = rng.integers(4)
    if motif == 0:
        blend = row % 6 < 2
    elif motif == 1:
        blend = (np.abs(column % 6 - 3) + np.abs(row % 6 - 3)) == 2
    elif motif == 2:
        blend = (column + row) % 4 == 0
    else:
        blend = np.abs(column % 8 - 4) + row % 6 == 4
    return Layers(blend.astype(np.float32), relief, tone)


def braided(canvas: Canvas) -> Layers:
    """Draw plaits of three strands, side by side."""
    rng = canvas.rng
    place = canvas.across
    right = from_middle(place)
    phase = canvas.down * np.float32(0.62) + rng.random(64).astype(np.float32).take(
        np.floor(place).astype(np.int64) & 63
    )
    radius, swing = np.float32(0.2), np.float32(0.24)
    best = np.full_like(right, -0.3)
    blend, fibre = np.zeros_like(right), np.zeros_like(right)
    cover = np.zeros_like(right)
    # A strand of a plait moves along a lying eight: side to side once while up and down twice.
    for strand in range(3):
        turn = (phase + np.float32(strand / 3)) * TURN
        slope = swing * TURN * np.float32(0.62) * np.cos(turn)
        breadth = radius * np.sqrt(1 + 0.6 * slope**2)
        offset = (right - swing * np.sin(turn)) / breadth
        inside = np.abs(offset) < 1
        height = 0.22 * dome(offset) + 0.13 * np.sin(2 * turn)
        top = inside & (height > best)
        np.copyto(best, height, where=top)
        np.copyto(blend, np.float32(strand == 0), where=top)
        np.copyto(fibre, triangle(offset * 2.5 + 0.25), where=top)
        np.copyto(cover, dome(offset), where=top)
    relief = best + 0.02 * fibre
    tone = np.clip(-0.85 * (1 - cover) ** 1.5 - 0.14 * fibre + 0.6 * (best - 0.1), -0.85, 0.1)
    return Layers(blend, relief, tone)


def wrinkled(canvas: Canvas) -> Layers:
    """Draw crumpled paper or cloth: creases between soft tilted planes, smaller ones in larger."""
    sway = np.float32(0.7) * (canvas.noise(0.6, 2) - 0.5)
    relief = np.float32(0.5) * canvas.noise(0.45)
    for finer, depth in ((0.6, 0.34), (1.4, 0.2)):
        across, down = (
            canvas.across * np.float32(finer),
            canvas.down * np.float32(finer),
        )
        cells = scattered_cells(canvas.rng, across + sway, down - sway, 0.48)
        # The planes are zero on the border of a cell, so that each may bulge or sink as it
        # likes and still join on to the next.
        bulge = 2 * cells.random(canvas.rng) - 1
        relief = relief + np.float32(depth / finer) * cells.planes * (bulge + 0.4 * np.sign(bulge))
    tone = 0.4 * np.clip(relief - relief.mean(), -0.3, 0.2)
    return Layers(np.zeros_like(relief), relief.astype(np.float32), tone)


def perforated(canvas: Canvas) -> Layers:
    """Draw a sheet with round holes punched through it."""
    lattice = hexagonal_cells if canvas.chance(0.6) else square_cells
    cells = lattice(canvas.across, canvas.down)
    radius = np.float32(canvas.rng.uniform(0.24, 0.33))
    holes = soft_step(radius - cells.distance, canvas.pixel)
    bevel = np.clip((cells.distance - radius) / np.float32(0.07), -1, 1)
    # What lies behind a hole is darker under the upper edge, in the shadow of the sheet.
    shadow = holes * np.clip(0.35 - cells.below / radius * 0.5, 0, 0.8)
    return Layers(holes, 0.07 * bevel, 0.06 * (canvas.image_noise(90) - 0.5) - 0.6 * shadow)


def studded(canvas: Canvas) -> Layers:
    """Draw round polished studs on a soft ground."""
    lattice = hexagonal_cells if canvas.chance(0.4) else square_cells
    cells = lattice(canvas.across, canvas.down)
    radius = np.float32(canvas.rng.uniform(0.24, 0.34))
    outward = cells.distance / radius
    studs = soft_step(radius - cells.distance, canvas.pixel)
    shadow = np.exp(-((np.clip(outward - 1, 0, None) / 0.22) ** 2)) * (1 - studs)
    grain = canvas.noise(9, 2)
    relief = radius * 0.8 * dome(outward) + 0.03 * grain * (1 - studs)
    return Layers(studs, relief, -0.55 * shadow + 0.12 * (grain - 0.5) * (1 - studs))


def stratified(canvas: Canvas) -> Layers:
    """Draw layers of rock, folded a little, some hard and proud and some worn back."""
    rng = canvas.rng
    fold = rng.uniform(0.5, 1.5) * (canvas.noise(0.25, 2) - 0.5)
    fold = fold + 0.18 * (canvas.noise(1.5, 4) - 0.5)
    place = canvas.down - canvas.down.min() + 1 + fold.astype(np.float32)
    edges = np.cumsum(rng.uniform(0.05, 0.5, int(place.max() * 5) + 8)) - 0.5
    ramp = float(canvas.pixel.mean()) * 2
    levels = np.clip(rng.beta(0.7, 0.7, len(edges) + 1), 0, 1)
    blend = steps(place, edges, levels, ramp)
    accent = None
    if canvas.chance(0.6):
        accent = 0.85 * steps(place, edges, (rng.random(len(levels)) < 0.15) * 1.0, ramp)
    relief = 0.16 * steps(place, edges, rng.random(len(levels)), 0.06) + 0.07 * canvas.noise(6, 3)
    return Layers(blend, relief, 0.25 * (canvas.noise(5, 3) - 0.5), accent)
