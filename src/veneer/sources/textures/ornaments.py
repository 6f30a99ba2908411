"""Textures of drawn and printed figures: stripes, checks, zigzags, swirls, spirals, paisley, paint.

Like the functions of `patterns`, each takes a canvas and returns layers.
"""

from __future__ import annotations

import numpy as np

from veneer.sources.textures.canvas import (
    Canvas,
    dome,
    fraction,
    from_middle,
    hexagonal_cells,
    lattice_noise,
    ridges,
    scattered_cells,
    soft_step,
    square_cells,
    steps,
    stripes,
    thin_lines,
    triangle,
)
from veneer.sources.textures.patterns import TURN, Layers
from veneer.sources.textures.spots import grain, scatter

_HALF = np.float32(0.5)


def broad_bands(canvas: Canvas) -> Layers:
    """Draw a few broad straight bands of three colours with thin ones between."""
    rng = canvas.rng
    place = canvas.down - canvas.down.min() + np.float32(rng.uniform(1, 2))
    edges = np.cumsum(rng.choice([0.12, 0.5, 1.1], int(place.max() * 4) + 8))
    levels = rng.choice([0.0, 0.0, 0.5, 1.0, 1.0], len(edges) + 1)
    accent = steps(place, edges, (rng.random(len(levels)) < 0.25) * 1.0, canvas.pixel.mean())
    return Layers(steps(place, edges, levels, float(canvas.pixel.mean())), accent=accent)


def worn_bands(canvas: Canvas) -> Layers:
    """Draw ragged bands around a body, each of its own width, as on a shell or an animal."""
    rng = canvas.rng
    bend = 0.5 * (canvas.noise(0.25, 2) - 0.5) + 0.18 * (canvas.noise(1.6, 3) - 0.5)
    place = canvas.down + bend
    width = 0.5 + 0.35 * (canvas.noise(0.5, 2) - 0.5)
    bands = soft_step(triangle(place) - width, rng.choice([0.06, 0.25]))
    accent = None
    if canvas.chance(0.35):
        accent = soft_step(triangle(place) - width - 0.22, 0.1)
    return Layers(bands, 0.05 * canvas.noise(4, 2), 0.2 * (canvas.noise(1.2, 3) - 0.5), accent)


def zebra(canvas: Canvas) -> Layers:
    """Draw bold wavering stripes that fork and join, as on a zebra."""
    rng = canvas.rng
    bend = rng.uniform(1.0, 2.4) * (canvas.noise(0.22, 2) - 0.5) + 0.15 * canvas.noise(1.2, 2)
    share = rng.uniform(0.38, 0.58) + 0.25 * (canvas.noise(0.35) - 0.5)
    band = soft_step(triangle(canvas.across + bend) - 1 + share, canvas.pixel * 3)
    hair = canvas.streaks(9, 2)
    return Layers(band, 0.03 * hair, 0.18 * (hair - 0.5))


def tiger(canvas: Canvas) -> Layers:
    """Draw stripes that taper to points and come in pairs, as on a tiger or a tabby."""
    rng = canvas.rng
    bend = rng.uniform(0.5, 1.4) * (canvas.noise(0.3, 2) - 0.5) + 0.25 * canvas.noise(1.0, 2)
    lane = canvas.across + bend
    pick = np.floor(lane).astype(np.int64) & 63
    own = rng.random((2, 64), dtype=np.float32)
    along = triangle(canvas.down * 0.3 + own[0].take(pick))
    width = np.clip(along * 1.3 - 0.35, 0, 1) * (0.25 + 0.35 * own[1].take(pick))
    stripe = soft_step(width - np.abs(from_middle(lane)) * 1.2, 0.08)
    hair = canvas.streaks(9, 2)
    pale = np.clip(canvas.noise(0.2) * 2 - 1, 0, 1) * 0.8
    return Layers(stripe, 0.03 * hair, 0.2 * (hair - 0.5), pale * (1 - stripe))


def many_stripes(canvas: Canvas) -> Layers:
    """Draw straight stripes of many widths in several colours, as on a deck chair or a scarf."""
    rng = canvas.rng
    place = canvas.across - canvas.across.min() + 1
    widths = rng.choice([0.1, 0.25, 0.5, 0.9], int(place.max() * 4) + 8)
    edges = np.cumsum(widths)
    levels = rng.choice([0.0, 1.0, 0.45], len(edges) + 1)
    levels[::2] = 0.0
    pixel = float(canvas.pixel.mean())
    accent = steps(place, edges, (rng.random(len(levels)) < 0.3) * 1.0, pixel)
    return Layers(steps(place, edges, levels, pixel), accent=accent)


def pinstripes(canvas: Canvas) -> Layers:
    """Draw thin stripes far apart on cloth, singly or in pairs."""
    rng = canvas.rng
    width = rng.uniform(0.06, 0.18)
    lines = thin_lines(canvas.across, canvas.pixel, width)
    if canvas.chance(0.4):
        lines = np.maximum(lines, thin_lines(canvas.across + 2.2 * width, canvas.pixel, width))
    thread = canvas.streaks(14, 3)
    return Layers(lines * (0.75 + 0.25 * thread), 0.02 * thread, 0.15 * (thread - 0.5))


def soft_stripes(canvas: Canvas) -> Layers:
    """Draw stripes that fade into each other."""
    level = 0.5 + 0.5 * np.sin(TURN * (canvas.across + 0.1 * canvas.noise(0.4)))
    return Layers((level ** canvas.rng.uniform(0.5, 2)).astype(np.float32))


def contour_lines(canvas: Canvas) -> Layers:
    """Draw thin lines that run side by side through bends, as on a map or in moire."""
    bend = canvas.rng.uniform(1, 4) * canvas.noise(0.15, 2)
    place = canvas.down + bend
    slope = np.hypot(*np.gradient(place))
    width = canvas.rng.uniform(0.15, 0.45)
    return Layers(soft_step(width / 2 - (1 - triangle(place)) / 2, np.maximum(slope, 1e-3)))


def hand_lines(canvas: Canvas) -> Layers:
    """Draw parallel lines ruled by hand: unequal, broken and trembling."""
    rng = canvas.rng
    lane = canvas.down + 0.25 * (canvas.streaks(0.3, 1.0, 2) - 0.5)
    pick = np.floor(lane).astype(np.int64) & 63
    own = rng.random((2, 64), dtype=np.float32)
    offset = np.abs(from_middle(lane) + 0.3 * (own[0].take(pick) - _HALF))
    width = rng.uniform(0.05, 0.14) * (0.4 + 1.2 * own[1].take(pick))
    line = soft_step(width - offset, canvas.pixel * 1.3)
    ink = np.clip(0.4 + 1.2 * canvas.streaks(1.5, 3, 2), 0, 1)
    return Layers(line * ink, tone=grain(canvas, 0.08))


def ruled_paper(canvas: Canvas) -> Layers:
    """Draw faint ruled lines with a margin of another colour."""
    rng = canvas.rng
    lines = thin_lines(canvas.down, canvas.pixel, rng.uniform(0.06, 0.12)) * rng.uniform(0.6, 1)
    middle = float(canvas.across.mean()) + rng.uniform(-0.3, 0.3) * canvas.span
    margin = soft_step(0.08 - np.abs(canvas.across - middle), canvas.pixel)
    return Layers(
        np.maximum(lines, 0.0), tone=0.06 * (canvas.noise(2, 2) - 0.5), accent=0.8 * margin
    )


def slats(canvas: Canvas) -> Layers:
    """Draw narrow slats with dark gaps, as of a blind, a fence or siding."""
    rng = canvas.rng
    within = fraction(canvas.down)
    gap = np.exp(-within / np.float32(rng.uniform(0.05, 0.12)))
    own = rng.random(64, dtype=np.float32).take(np.floor(canvas.down).astype(np.int64) & 63)
    tone = -0.6 * gap + 0.18 * (own - 0.5) + 0.15 * (0.5 - within)
    return Layers(0.8 * gap, 0.2 * within, tone + 0.1 * (canvas.streaks(0.4, 6, 2) - 0.5))


def gingham(canvas: Canvas) -> Layers:
    """Draw the half tones of woven checks, with threads in sight."""
    columns = stripes(canvas.across / 2, canvas.pixel / 2)
    rows = stripes(canvas.down / 2, canvas.pixel / 2)
    thread = triangle(canvas.across * 7 + canvas.down * 7)
    weave = 0.12 * (thread - 0.5)
    return Layers(np.clip((columns + rows) / 2 + weave, 0, 1), 0.02 * thread)


def tartan(canvas: Canvas) -> Layers:
    """Draw crossing bands of several widths over a chequered ground."""
    rng = canvas.rng
    sett = [
        (0.0, rng.uniform(0.25, 0.5)),
        (rng.uniform(0.3, 0.7), rng.uniform(0.05, 0.12)),
        (rng.uniform(0.3, 0.7), 0.04),
    ]

    def bands(place: np.ndarray) -> np.ndarray:
        drawn = [
            stripes(place * _HALF + np.float32(at), canvas.pixel / 2, share) * strength
            for (at, share), strength in zip(sett, (0.9, 0.7, 0.5), strict=True)
        ]
        return np.maximum.reduce(drawn)

    diagonal = fraction((canvas.across + canvas.down) * 5) < _HALF
    blend = np.where(diagonal, bands(canvas.across), bands(canvas.down))
    blend = 0.5 * blend + 0.25 * (bands(canvas.across) + bands(canvas.down))
    line = np.maximum(
        thin_lines(canvas.across / 2 + 0.2, canvas.pixel / 2, 0.03),
        thin_lines(canvas.down / 2 + 0.2, canvas.pixel / 2, 0.03),
    )
    return Layers(np.clip(blend, 0, 1).astype(np.float32), accent=0.8 * line)


def floor_squares(canvas: Canvas) -> Layers:
    """Draw a chequered floor of stone or wooden squares with joints between."""
    rng = canvas.rng
    across, down = canvas.across, canvas.down
    if canvas.chance(0.3):
        across, down = (across + down) * np.float32(0.71), (across - down) * np.float32(0.71)
    cells = square_cells(across, down)
    parity = (np.floor(across) + np.floor(down)) % 2
    joint = soft_step(np.float32(rng.uniform(0.01, 0.035)) - cells.border, canvas.pixel)
    marble = canvas.noise(0.8, 4)
    tone = 0.3 * (marble - 0.5) + 0.15 * (cells.random(rng) - 0.5) - 0.35 * joint
    return Layers(parity, 0.1 * np.clip(cells.border * 12, 0, 1), tone)


def harlequin(canvas: Canvas) -> Layers:
    """Draw long lozenges in two colours, at times with thin lines across them."""
    stretch = np.float32(canvas.rng.uniform(0.45, 0.75))
    one, other = canvas.across + canvas.down * stretch, canvas.across - canvas.down * stretch
    columns, rows = stripes(one / 2, canvas.pixel / 2), stripes(other / 2, canvas.pixel / 2)
    accent = None
    if canvas.chance(0.5):
        shifted = [thin_lines(place / 2 + 0.25, canvas.pixel / 2, 0.03) for place in (one, other)]
        accent = np.maximum(*shifted)
    return Layers(columns + rows - 2 * columns * rows, accent=accent)


def missoni(canvas: Canvas) -> Layers:
    """Draw zigzags of many widths and colours, soft as knitwear."""
    rng = canvas.rng
    place = canvas.down + rng.uniform(0.5, 1.2) * triangle(canvas.across * 0.5)
    place = (place + 0.08 * canvas.noise(1.5, 2)).astype(np.float32)
    place = place - place.min() + 1
    edges = np.cumsum(rng.uniform(0.1, 0.6, int(place.max() * 4) + 8))
    levels = rng.random(len(edges) + 1)
    levels[::2] = rng.choice([0.0, 1.0], len(levels[::2]))
    accent = steps(place, edges, (rng.random(len(levels)) < 0.3) * 1.0, 0.05)
    return Layers(steps(place, edges, levels, 0.05), accent=accent)


def zigzag_lines(canvas: Canvas) -> Layers:
    """Draw thin zigzag lines far apart, by hand or machine."""
    rng = canvas.rng
    steep = np.float32(rng.uniform(0.5, 1.4))
    stretch = np.sqrt(1 + steep**2)
    sway = np.float32(rng.choice([0.0, 0.2])) * (canvas.noise(0.8, 2) - _HALF)
    place = canvas.down * stretch + steep * triangle(canvas.across * _HALF) + sway
    return Layers(thin_lines(place, canvas.pixel * stretch, rng.uniform(0.1, 0.3)))


def ikat(canvas: Canvas) -> Layers:
    """Draw zigzags with feathered edges, as dyed into yarn before weaving."""
    rng = canvas.rng
    feather = 0.25 * (canvas.streaks(9, 0.5) - _HALF)
    place = canvas.down + rng.uniform(0.5, 1.1) * triangle(canvas.across * _HALF) + feather
    band = soft_step(triangle(place) - _HALF, canvas.pixel * 3)
    accent = soft_step(triangle(place) - 0.8, canvas.pixel * 3) if rng.random() < 0.5 else None
    return Layers(band, tone=0.12 * (canvas.streaks(12, 2) - 0.5), accent=accent)


def parquet(canvas: Canvas) -> Layers:
    """Draw blocks laid in a herringbone zigzag."""
    rng = canvas.rng
    band = canvas.across
    side = np.floor(band) % 2
    place = canvas.down * 2 + np.where(side > 0, 1, -1) * from_middle(band) * 2
    row = np.floor(place)
    own = rng.random(64, dtype=np.float32)
    pick = own.take((row * 2 + side + 7 * np.floor(band)).astype(np.int64) & 63)
    joint = np.maximum(
        thin_lines(place, canvas.pixel * 2, 0.1), thin_lines(band, canvas.pixel, 0.05)
    )
    level = np.where(side > 0, pick, pick * 0.6)
    return Layers(np.clip(0.2 + 0.6 * level, 0, 1), -0.1 * joint, -0.6 * joint + 0.2 * (pick - 0.5))


def wire_grid(canvas: Canvas) -> Layers:
    """Draw a grille of crossing bars before whatever lies behind."""
    rng = canvas.rng
    width = np.float32(rng.uniform(0.05, 0.22))
    gaps = [(1 - triangle(place)) * _HALF for place in (canvas.across, canvas.down)]
    bars = np.maximum(*(soft_step(width * _HALF - gap, canvas.pixel) for gap in gaps))
    round_ = np.maximum(*(dome(gap / (width * _HALF)) for gap in gaps))
    cover = bars if rng.random() < 0.7 else None
    return Layers(bars, width * 0.6 * round_, 0.25 * (round_ - 0.7) * bars, None, cover)


def panes(canvas: Canvas) -> Layers:
    """Draw windows, lockers or shelves: bars with panes between, each in its own light."""
    rng = canvas.rng
    stretch = np.float32(rng.uniform(0.6, 1.4))
    cells = square_cells(canvas.across * stretch, canvas.down)
    wall = np.float32(rng.uniform(0.05, 0.12))
    bars = soft_step(wall - cells.border, canvas.pixel)
    bevel = np.clip((cells.border - wall) / np.float32(0.06), 0, 1)
    tone = (1 - bars) * (0.55 * (cells.random(rng) - 0.6) - 0.25 * np.clip(-cells.below, 0, 1))
    return Layers(bars, -0.14 * bevel, tone)


def graph_paper(canvas: Canvas) -> Layers:
    """Draw fine squares with every fifth or tenth line heavier."""
    rng = canvas.rng
    every = int(rng.choice([4, 5, 10]))
    fine = [
        thin_lines(p, canvas.pixel, rng.uniform(0.06, 0.14)) for p in (canvas.across, canvas.down)
    ]
    heavy = [
        thin_lines(p / every, canvas.pixel / every, 0.2 / every)
        for p in (canvas.across, canvas.down)
    ]
    lines = np.maximum(np.maximum(*fine) * rng.uniform(0.3, 0.7), np.maximum(*heavy))
    return Layers(lines, tone=0.06 * (canvas.noise(0.5, 3) - 0.5))


def paving_grid(canvas: Canvas) -> Layers:
    """Draw square slabs with sunken joints."""
    cells = square_cells(canvas.across + 0.04 * (canvas.noise(0.8) - _HALF), canvas.down)
    joint = np.clip(1 - cells.border / canvas.rng.uniform(0.04, 0.1), 0, 1)
    rough = canvas.noise(3, 3)
    tone = -0.4 * joint + 0.2 * (cells.random(canvas.rng) - 0.5) + 0.2 * (rough - 0.5)
    return Layers(soft_step(joint - 0.3, 0.3), 0.08 * rough - 0.2 * joint, tone)


def combed_paper(canvas: Canvas) -> Layers:
    """Draw marbled paper: floating colours drawn out with a comb into feathered waves."""
    rng = canvas.rng
    comb = triangle(canvas.across * rng.uniform(1.0, 2.0)) ** 2
    pull = canvas.down + rng.uniform(0.6, 1.4) * comb + 0.9 * canvas.noise(0.3, 3)
    place = (pull * 1.2 + 0.15 * canvas.noise(2, 2)).astype(np.float32)
    place = place - place.min() + 1
    edges = np.cumsum(rng.uniform(0.08, 0.5, int(place.max() * 4) + 8))
    levels = rng.choice([0.0, 1.0, 0.6], len(edges) + 1)
    accent = steps(place, edges, (rng.random(len(levels)) < 0.25) * 1.0, 0.04)
    return Layers(steps(place, edges, levels, 0.04), accent=accent)


def warped_marble(canvas: Canvas) -> Layers:
    """Draw colours stirred into each other, in long folded streaks."""
    rng = canvas.rng
    first, second = canvas.noise(0.35, 3), canvas.noise(0.35, 3)
    across = canvas.across * 0.5 + 3.2 * first
    down = canvas.down * 0.5 + 3.2 * second
    stirred = lattice_noise(rng, across, down, 3)
    sharp = rng.choice([0.06, 0.2, 0.5])
    blend = soft_step(stirred - 0.5, sharp)
    streak = np.exp(-(((stirred - 0.58) / 0.02) ** 2))
    accent = soft_step(lattice_noise(rng, across + 9, down, 2) - 0.64, sharp)
    return Layers(
        np.clip(np.maximum(blend, 0.7 * streak), 0, 1),
        tone=0.2 * (first - 0.5),
        accent=accent if rng.random() < 0.5 else None,
    )


def slab(canvas: Canvas) -> Layers:
    """Draw a polished slab: soft clouds, with a slanting family of dark and pale veins."""
    rng = canvas.rng
    slant = canvas.across + 0.5 * canvas.down + 1.8 * canvas.noise(0.3, 4)
    vein = np.exp(-np.abs(from_middle(slant * 0.6)) / rng.uniform(0.02, 0.06))
    thin = np.exp(-np.abs(canvas.noise(0.8, 4) - 0.5) / 0.012) * canvas.noise(0.5)
    clouds = canvas.noise(0.5, 4)
    patch = np.clip(1.6 * canvas.noise(0.3, 2) - 0.3, 0, 1)
    return Layers(
        np.clip(0.35 * clouds + 0.8 * vein * patch + 0.5 * thin, 0, 1), tone=0.12 * (clouds - 0.5)
    )


def swirly(canvas: Canvas) -> Layers:
    """Draw stripes wound up around several eddies."""
    rng = canvas.rng
    right = (canvas.across - canvas.across.mean()) / canvas.span
    below = (canvas.down - canvas.down.mean()) / canvas.span
    for _ in range(int(rng.integers(3, 8))):
        middle = rng.uniform(-0.55, 0.55, 2).astype(np.float32)
        off_right, off_below = right - middle[0], below - middle[1]
        reach = rng.uniform(0.12, 0.35)
        strength = rng.choice([-1, 1]) * rng.uniform(3, 8)
        turn = strength * np.exp(-(off_right**2 + off_below**2) / reach**2)
        cosine, sine = np.cos(turn).astype(np.float32), np.sin(turn).astype(np.float32)
        right = middle[0] + off_right * cosine - off_below * sine
        below = middle[1] + off_right * sine + off_below * cosine
    place = below * canvas.span + 0.5 * lattice_noise(rng, right * 5, below * 5, 2)
    if rng.random() < 0.5:
        level = soft_step(triangle(place) - 0.5, 0.15)
    else:
        level = 0.5 + 0.5 * np.sin(TURN * place)
    accent = soft_step(triangle(place / 2) - 0.75, 0.1) if rng.random() < 0.4 else None
    return Layers(level.astype(np.float32), (0.15 * level).astype(np.float32), None, accent)


def curls(canvas: Canvas) -> Layers:
    """Draw curling flourishes: thin lines that wind up at their ends, scattered."""
    rng = canvas.rng
    blend = np.zeros_like(canvas.across)
    accent = np.zeros_like(blend)
    for finer, share in ((0.8, 0.9), (1.2, 0.7), (1.9, 0.5)):
        spots = scatter(canvas, finer, (0.4, 0.5), share)
        hand = np.where(spots.random(rng) < 0.5, 1, -1)
        out = np.minimum(spots.outward, 1.5)
        angle = np.arctan2(spots.cells.below, spots.cells.right) * hand / TURN
        turns = rng.uniform(1.4, 2.4)
        gap = np.abs(from_middle(out * turns + angle + spots.random(rng))) / turns
        # The line swells away from its inner end, like the stroke of a pen.
        width = 0.03 + 0.05 * np.sin(np.pi * np.minimum(out, 1))
        line = soft_step(width - gap, canvas.pixel * finer * 2) * (out < 0.97)
        blend = np.maximum(blend, line)
        accent = np.where(line > 0.5, spots.random(rng) < 0.3, accent)
    return Layers(blend, 0.05 * blend, accent=(accent * blend).astype(np.float32))


def brush_swirls(canvas: Canvas) -> Layers:
    """Draw short thick strokes of paint that follow a turning stream."""
    rng = canvas.rng
    stream = canvas.noise(0.22, 2)
    slope_below, slope_right = np.gradient(stream)
    along = lattice_noise(rng, canvas.across * 0.3, canvas.down * 0.3, 1)
    stroke = lattice_noise(rng, stream * 60, along * 14, 2)
    fine = lattice_noise(rng, stream * 160, along * 20, 2)
    lively = np.clip(np.hypot(slope_below, slope_right) / canvas.pixel * 8, 0, 1)
    level = np.clip(0.5 + 2.2 * (stroke - 0.5) + 0.5 * (fine - 0.5), 0, 1)
    accent = np.clip(6 * (lattice_noise(rng, stream * 25, along * 8, 2) - 0.62), 0, 1)
    return Layers(level, 0.3 * (stroke + 0.4 * fine) * lively, None, accent * 0.9)


def whirl(canvas: Canvas) -> Layers:
    """Draw one great whirl, as of cream in coffee or a storm from above."""
    rng = canvas.rng
    right, below = canvas.centred(0.15)
    distance = np.hypot(right, below) + np.float32(1e-3)
    twist = rng.uniform(1.5, 4) * np.log(distance + 0.3) * rng.choice([-1, 1])
    cosine, sine = np.cos(twist), np.sin(twist)
    wound_right, wound_below = right * cosine - below * sine, right * sine + below * cosine
    arms = lattice_noise(rng, wound_right * 0.5, wound_below * 0.5, 3)
    level = soft_step(arms - 0.5, rng.choice([0.08, 0.3]))
    return Layers(level, 0.2 * arms, 0.3 * (arms - 0.5))


def archimedes(canvas: Canvas) -> Layers:
    """Draw one thin line wound into a spiral from the middle to the edge."""
    rng = canvas.rng
    right, below = canvas.centred(0.2)
    distance = np.hypot(right, below)
    turn = np.arctan2(below, right) * rng.choice([-1, 1]) / TURN
    place = distance + turn + 0.06 * (canvas.noise(0.6, 2) - 0.5)
    return Layers(thin_lines(place, canvas.pixel, rng.uniform(0.12, 0.4)))


def shell(canvas: Canvas) -> Layers:
    """Draw the whorls of a snail or a nautilus, ribbed across, growing outward."""
    rng = canvas.rng
    right, below = canvas.centred(0.12)
    distance = np.hypot(right, below) + np.float32(1e-3)
    turn = np.arctan2(below, right) * rng.choice([-1, 1]) / TURN
    pace = rng.uniform(0.9, 1.8)
    whorl = pace * np.log(distance) + turn
    body = np.sqrt(np.clip(np.sin(np.pi * fraction(whorl)), 0, 1))
    rib = triangle(turn * rng.integers(18, 50) + 2 * fraction(whorl))
    stain = lattice_noise(rng, whorl * 2, turn * 20, 2)
    relief = distance * (0.25 * body / pace + 0.02 * rib)
    tone = -0.75 * np.exp(-body / 0.25) + 0.15 * (rib - 0.5)
    return Layers(
        np.clip(soft_step(stain - 0.5, 0.3) * body, 0, 1).astype(np.float32),
        relief.astype(np.float32),
        np.clip(tone, -0.8, 0.15).astype(np.float32),
    )


def coil(canvas: Canvas) -> Layers:
    """Draw a coiled rope or hose, or a spiral stair from above."""
    rng = canvas.rng
    right, below = canvas.centred(0.15)
    distance = np.hypot(right, below) + np.float32(1e-3)
    turn = np.arctan2(below, right) * rng.choice([-1, 1]) / TURN
    lane = distance + turn
    body = dome(from_middle(lane) * 2)
    twist = fraction(
        turn * np.maximum(np.round(6 * (np.floor(lane) + 1)), 1) + 0.7 * from_middle(lane)
    )
    strand = dome((twist - 0.5) * 2)
    plain = rng.random() < 0.4
    tone = -0.75 * (1 - body) ** 1.5 - (0 if plain else 0.4) * (1 - strand) ** 2
    relief = 0.35 * body + (0 if plain else 0.1) * strand * body
    return Layers(
        (fraction(lane / 2) < 0.5) * rng.choice([0.0, 0.8]) * (body > 0),
        relief,
        np.clip(tone, -0.85, 0.1),
    )


def wound_up(canvas: Canvas) -> Layers:
    """Draw a field of small spirals, or scrolls, beside each other."""
    rng = canvas.rng
    blend = np.zeros_like(canvas.across)
    for finer in (0.5, 0.8):
        spots = scatter(canvas, finer, (0.42, 0.5), 0.95)
        hand = np.where(spots.random(rng) < 0.5, 1, -1)
        out = np.minimum(spots.outward, 1.5)
        angle = np.arctan2(spots.cells.below, spots.cells.right) * hand / TURN
        turns = 2.6
        pixel = canvas.pixel * np.float32(finer) / spots.radius * turns
        line = stripes(out * turns + angle, pixel, rng.uniform(0.25, 0.5)) * (out < 1)
        blend = np.where(out < 1.02, line, blend)
    return Layers(blend, 0.08 * blend)


def paisley(canvas: Canvas) -> Layers:
    """Draw curved drops with outlines within outlines, flowers inside, and dots between."""
    rng = canvas.rng
    blend, accent = np.zeros_like(canvas.across), np.zeros_like(canvas.across)
    cells = hexagonal_cells(canvas.across * 4, canvas.down * 4)
    blend = 0.8 * soft_step(np.float32(0.2) - cells.distance, canvas.pixel * 4)
    blend = blend * (cells.random(rng) < rng.uniform(0.1, 0.7))
    upright = rng.random() < 0.4
    for finer, share in ((1.5, 0.7), (1.0, 0.9), (0.62, 0.8)):
        spots = scatter(canvas, finer, (0.44, 0.5), share)
        angle = spots.random(rng) * TURN
        if upright:
            angle = np.where(spots.random(rng) < 0.5, np.float32(0), np.float32(np.pi))
        along = (spots.cells.right * np.cos(angle) + spots.cells.below * np.sin(angle)) * 2.1
        aside = (spots.cells.below * np.cos(angle) - spots.cells.right * np.sin(angle)) * 2.1
        # A circle whose upper part narrows and leans over makes the drop.
        rise = np.clip(along + 0.25, 0, 2)
        leaning = aside - 0.75 * rise**2 * np.where(spots.random(rng) < 0.5, 1, -1)
        breadth = np.float32(0.52) * np.clip(1 - rise / 1.15, 0.02, 1) ** 0.8
        below = np.clip(-along - 0.25, 0, 2) / 0.55
        out = np.hypot(leaning / breadth, below)
        out = np.where((rise < 1.15) & (spots.outward < 9), out, np.float32(9))
        edge = canvas.pixel * finer * 5
        inside = soft_step(1 - out, edge)
        bands = fraction(np.minimum(out, 1) * 3.0)
        petal = np.arctan2(along + 0.2, leaning)
        bloom = np.hypot(leaning, along + 0.2) < 0.16 * (1 + 0.4 * np.cos(6 * petal))
        scallop = (out > 0.72) & (fraction(np.arctan2(along, leaning) * 4) < 0.5)
        fill = np.where(bands > 0.5, 1.0, 0.1) * (out > 0.36) + bloom
        halo = np.exp(-(((out - 1.2) / 0.09) ** 2))
        blend = blend * (1 - soft_step(1.3 - out, edge)) + 0.9 * halo
        blend += (fill - blend) * inside
        accent = np.where(out < 1.3, inside * (scallop | bloom | (out < 0.36)), accent)
    return Layers(np.clip(blend, 0, 1), None, None, (accent * 0.9).astype(np.float32))


def paisley_rows(canvas: Canvas) -> Layers:
    """Draw equal small paisley drops in rows, facing one way and the other."""
    rng = canvas.rng
    cells = hexagonal_cells(canvas.across, canvas.down)
    row = np.floor(canvas.down / np.float32(0.866))
    hand = np.where(row % 2 > 0, 1, -1)
    along, aside = -cells.below * 2.3, cells.right * 2.3
    rise = np.clip(along + 0.25, 0, 2)
    leaning = aside - 0.75 * hand * rise**2
    breadth = np.float32(0.5) * np.clip(1 - rise / 1.1, 0.02, 1) ** 0.8
    out = np.hypot(leaning / breadth, np.clip(-along - 0.25, 0, 2) / 0.55)
    out = np.where(rise < 1.1, out, np.float32(9))
    inside = soft_step(1 - out, canvas.pixel * 5)
    ring = np.exp(-(((out - 1.3) / 0.12) ** 2))
    core = soft_step(0.6 - out, canvas.pixel * 5)
    dots = soft_step(0.5 - np.abs(from_middle(np.arctan2(along, leaning) * 3)), 0.2)
    blend = np.clip(inside - 0.9 * core + 0.8 * ring * dots, 0, 1)
    return Layers(blend, None, None, core if rng.random() < 0.7 else None)


def smeared(canvas: Canvas) -> Layers:
    """Draw thick paint drawn out by a broad brush, its bristles leaving ridges."""
    rng = canvas.rng
    bend = rng.uniform(0.2, 1.2) * (canvas.noise(0.25, 2) - 0.5)
    place = canvas.down + bend
    bristle = lattice_noise(rng, place * 9, canvas.across * 0.25, 2)
    load = lattice_noise(rng, place * 1.2, canvas.across * 0.2, 2)
    body = np.clip(2.6 * load - 0.8 + 0.9 * (bristle - 0.5), 0, 1)
    accent = np.clip(5 * (lattice_noise(rng, place * 2, canvas.across * 0.2, 2) - 0.62), 0, 1)
    return Layers(body, 0.22 * bristle * body, 0.25 * (bristle - 0.5), 0.85 * accent * body)


def wiped(canvas: Canvas) -> Layers:
    """Draw smears that a hand or a cloth left in arcs on glass, thin and streaky."""
    rng = canvas.rng
    blend = np.zeros_like(canvas.across)
    for _ in range(int(rng.integers(2, 5))):
        right, below = canvas.centred(0.9)
        distance = np.hypot(right, below)
        turn = np.arctan2(below, right)
        middle = rng.uniform(0.2, 1) * canvas.span
        width = rng.uniform(0.06, 0.2) * canvas.span
        within = np.clip(1 - np.abs(distance - middle) / width, 0, 1)
        streak = lattice_noise(rng, distance * 7, turn * 0.8, 2)
        end = np.clip(np.cos(turn - rng.uniform(0, 6.3)) * 3 + 0.4, 0, 1)
        smear = np.sqrt(within) * end * np.clip(2.2 * streak - 0.6, 0, 1)
        blend = np.maximum(blend, smear * rng.uniform(0.5, 1))
    haze = 0.2 * canvas.noise(0.4, 3)
    return Layers(np.clip(blend + haze, 0, 1), 0.06 * blend, None)


def swatch(canvas: Canvas) -> Layers:
    """Draw one smear of cream, lipstick or butter on a plain ground."""
    rng = canvas.rng
    right, below = canvas.centred(0.15)
    right, below = right / canvas.span, below / canvas.span
    below = below + rng.uniform(-0.8, 0.8) * right**2
    breadth = rng.uniform(0.16, 0.36)
    streak = lattice_noise(rng, below * 34, right * 1.6, 2)
    ragged = np.float32(0.25) * (streak - _HALF)
    end = np.clip((0.42 - np.abs(right) + ragged) * 14, 0, 1)
    side = np.clip((breadth - np.abs(below) + 0.04 * (streak - 0.5)) * 30, 0, 1)
    body = end * side
    thin = np.clip(0.5 + 1.5 * streak - 0.8 * np.clip(right + 0.1, 0, 1), 0, 1)
    ridge = np.exp(-(((breadth - np.abs(below)) / 0.03) ** 2))
    return Layers(
        body * thin, (0.12 * streak + 0.1 * ridge) * body * canvas.span, 0.2 * (streak - 0.5) * body
    )


def palette_knife(canvas: Canvas) -> Layers:
    """Draw flat patches of several colours dragged over each other with a knife."""
    rng = canvas.rng
    blend, accent = np.zeros_like(canvas.across), np.zeros_like(canvas.across)
    relief = np.zeros_like(blend)
    for number in range(6):
        angle = rng.normal(0, 0.35) + (number % 2) * rng.uniform(0, 1.2)
        cosine, sine = np.float32(np.cos(angle)), np.float32(np.sin(angle))
        place = canvas.down * cosine - canvas.across * sine
        along = canvas.across * cosine + canvas.down * sine
        streak = lattice_noise(rng, place * 8, along * 0.3, 2)
        patch = lattice_noise(rng, place * 0.9, along * 0.35, 2) + 0.2 * (streak - 0.5)
        inside = soft_step(patch - rng.uniform(0.5, 0.6), 0.03)
        edge = np.exp(-np.abs(patch - 0.55) / 0.02)
        blend += (rng.choice([0.0, 0.5, 1.0]) * (0.8 + 0.2 * streak) - blend) * inside
        accent += (float(rng.random() < 0.3) - accent) * inside
        relief += (0.12 * streak + 0.12 * edge + 0.03 * number - relief) * inside
    return Layers(np.clip(blend, 0, 1), relief, 0.5 * (relief - relief.mean()), accent * 0.9)


def smudged(canvas: Canvas) -> Layers:
    """Draw chalk or ink rubbed across a sheet: soft drawn-out clouds and finger marks."""
    rng = canvas.rng
    bend = canvas.down + 0.5 * canvas.noise(0.2)
    cloud = lattice_noise(rng, canvas.across * 0.35, bend * 1.1, 3)
    streak = lattice_noise(rng, canvas.across * 0.3, bend * 8, 2)
    marks = np.clip(2.4 * cloud - 0.85, 0, 1) * (0.55 + 0.9 * (streak - 0.3))
    return Layers(np.clip(marks, 0, 1), None, grain(canvas, 0.12))


def holes_lit(canvas: Canvas) -> Layers:
    """Draw a sheet with holes through which whatever lies behind shows."""
    rng = canvas.rng
    lattice = hexagonal_cells if rng.random() < 0.5 else square_cells
    cells = lattice(canvas.across, canvas.down)
    radius = np.float32(rng.uniform(0.18, 0.4))
    sheet = soft_step(cells.distance - radius, canvas.pixel)
    rim = np.clip((cells.distance - radius) / np.float32(0.06), -1, 1)
    return Layers(
        0.15 * canvas.noise(0.5, 2), 0.07 * rim, 0.06 * (canvas.image_noise(90) - 0.5), None, sheet
    )


def slots(canvas: Canvas) -> Layers:
    """Draw a sheet with long rounded slots in staggered rows."""
    rng = canvas.rng
    row = np.floor(canvas.down)
    right = from_middle(canvas.across * rng.uniform(0.4, 0.7) + 0.5 * (row % 2)) * 2
    below = from_middle(canvas.down)
    radius = np.float32(rng.uniform(0.15, 0.3))
    distance = np.hypot(np.clip(np.abs(right) - np.float32(0.45), 0, 9), below)
    holes = soft_step(radius - distance, canvas.pixel)
    shade = holes * np.clip(0.5 - below / radius * 0.4, 0.1, 0.9)
    bevel = np.clip((distance - radius) / np.float32(0.07), -1, 1)
    return Layers(holes, 0.06 * bevel, -0.7 * shade + 0.06 * (canvas.image_noise(90) - 0.5))


def pinholes(canvas: Canvas) -> Layers:
    """Draw leather or paper pricked with small holes, in rows that form a figure."""
    rng = canvas.rng
    cells = square_cells(canvas.across, canvas.down)
    column, row = np.floor(canvas.across), np.floor(canvas.down)
    every = int(rng.integers(3, 8))
    figure = ((column + row) % every < 2) | ((column - row) % every < 1)
    there = figure | (rng.random() < 0.6)
    radius = np.float32(rng.uniform(0.14, 0.26))
    holes = soft_step(radius - cells.distance, canvas.pixel) * there
    dent = np.exp(-np.clip(cells.distance - radius, 0, 9) / 0.1) * there
    relief = -0.15 * dent + 0.03 * canvas.noise(4, 3)
    return Layers(0.7 * holes, relief, -0.75 * holes - 0.12 * dent)


def punched_card(canvas: Canvas) -> Layers:
    """Draw a sheet with a few irregular rows of holes of two sizes, deep and dark."""
    rng = canvas.rng
    cells = square_cells(canvas.across, canvas.down)
    there = cells.random(rng) < rng.uniform(0.5, 0.9)
    radius = np.where(cells.random(rng) < 0.5, 0.36, 0.24).astype(np.float32)
    holes = soft_step(radius - cells.distance, canvas.pixel) * there
    lit = np.clip(cells.below / radius, 0, 1) * holes
    return Layers(holes * 0.8, -0.12 * holes, -0.75 * holes + 0.45 * lit)


def mosaic(canvas: Canvas) -> Layers:
    """Draw a mosaic: small many-sided stones of several colours with pale joints."""
    rng = canvas.rng
    cells = scattered_cells(rng, canvas.across, canvas.down, 0.3)
    joint = soft_step(0.04 - cells.border, canvas.pixel)
    pick = cells.random(rng)
    return Layers(
        np.where(pick < 0.5, 0.15, 0.9) * (1 - joint),
        0.1 * np.clip(cells.border * 8, 0, 1),
        0.3 * (cells.random(rng) - 0.5),
        (pick > 0.75) * (1 - joint) * 0.9,
    )


def yarn_ridges(canvas: Canvas) -> Layers:
    """Draw wavy ridges that run side by side, as in corduroy or candlewick."""
    place = canvas.across + 0.3 * canvas.noise(0.3, 2)
    height = ridges(fraction(place)) ** 0.6
    pile = canvas.noise(8, 2)
    return Layers(
        0.3 * (1 - height), 0.3 * height + 0.06 * pile, -0.45 * (1 - height) + 0.2 * (pile - 0.5)
    )
