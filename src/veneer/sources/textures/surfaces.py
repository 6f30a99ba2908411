"""Textures of relief: bumps, pits, pores, grooves, pleats, frills, waffles, wrinkles and scales.

Like the functions of `patterns`, each takes a canvas and returns layers. Most leave the second
colour to hollows, so that in one colour alone they still show by their shading.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from veneer.sources.textures.canvas import (
    Canvas,
    Cells,
    dome,
    fraction,
    from_middle,
    hexagonal_cells,
    ridges,
    scattered_cells,
    soft_step,
    square_cells,
    thin_lines,
    torus_index,
    triangle,
)
from veneer.sources.textures.patterns import TURN, Layers
from veneer.sources.textures.spots import grain, scatter

_HALF = np.float32(0.5)


def _hollows(relief: np.ndarray, strength: float) -> np.ndarray:
    """Return how deep each place lies below the highest, 0 to ``strength``."""
    low, high = float(relief.min()), float(relief.max())
    return np.float32(strength) * (high - relief) / max(high - low, 1e-6)


def rounded(cells: Cells) -> np.ndarray:
    """Return cells as smooth cushions, 1 high in the middle and 0 at the border."""
    return dome(cells.distance * np.float32(0.9)) * np.sqrt(np.clip(cells.border * 5, 0, 1))


def bumpy(canvas: Canvas) -> Layers:
    """Draw rounded bumps of unequal size crowded together."""
    rng = canvas.rng
    relief = 0.15 * canvas.noise(0.8, 3)
    for finer in (0.8, 1.2, 1.9):
        spots = scatter(canvas, finer, (0.25, 0.5), 0.75, rough=0.35)
        height = spots.radius / finer * dome(np.minimum(spots.outward, 1)) * rng.uniform(0.5, 1)
        relief = np.maximum(relief, height.astype(np.float32) + 0.05)
    return Layers(_hollows(relief, 0.7), relief, 0.15 * (canvas.noise(1.0, 2) - 0.5))


def plaster(canvas: Canvas) -> Layers:
    """Draw rough plaster: lumps thrown on and left as they fell."""
    noise = canvas.noise(canvas.rng.uniform(0.9, 1.5), canvas.rng.integers(2, 5))
    relief = np.float32(canvas.rng.uniform(0.4, 0.9)) * noise
    if canvas.chance(0.5):  # lumps pressed flat while they were wet
        relief = np.minimum(relief, np.float32(np.quantile(relief[::4, ::4], 0.7)))
    return Layers(_hollows(relief, 0.3), relief, grain(canvas, 0.06))


def peel(canvas: Canvas) -> Layers:
    """Draw the skin of an orange: soft low swellings, and pores where it dips."""
    swell = canvas.noise(1.3, 1)
    pores = np.zeros_like(swell)
    for finer in (1.2, 2.0):
        spots = scatter(canvas, finer, (0.14, 0.3), 0.85)
        pores = np.maximum(pores, np.exp(-1.5 * np.minimum(spots.outward, 3) ** 2))
    relief = 0.25 * swell - 0.1 * pores + 0.15 * canvas.noise(0.4)
    return Layers(0.3 * pores + 0.2 * (1 - swell), relief, -0.2 * pores)


def warts(canvas: Canvas) -> Layers:
    """Draw a few large warts on a finely pebbled skin, as on a toad or a gourd."""
    relief = 0.12 * canvas.noise(2.2, 2)
    blend = 0.3 * canvas.noise(0.5, 3)
    for finer, share in ((0.7, 0.6), (1.4, 0.7)):
        spots = scatter(canvas, finer, (0.2, 0.45), share, rough=0.25)
        swell = np.exp(-2.2 * np.minimum(spots.outward, 3) ** 2)
        relief = relief + np.float32(0.4 / finer) * swell * spots.radius * 2
        blend = np.maximum(blend, 0.8 * swell)
    return Layers(blend, relief, 0.15 * (canvas.noise(1.2, 2) - 0.5))


def spikes(canvas: Canvas) -> Layers:
    """Draw rows or a crowd of points that stand up, as on a durian or a foam mat."""
    rng = canvas.rng
    if canvas.chance(0.5):
        cells = hexagonal_cells(canvas.across, canvas.down)
    else:
        cells = scattered_cells(rng, canvas.across, canvas.down, 0.3)
    point = np.clip(1 - cells.distance * np.float32(rng.uniform(1.6, 2.2)), 0, 1)
    relief = rng.uniform(0.4, 0.9) * point ** rng.uniform(0.7, 1.6)
    relief = relief.astype(np.float32)
    return Layers(_hollows(relief, 0.8), relief, 0.15 * (canvas.noise(1.0, 2) - 0.5))


def pebbled(canvas: Canvas) -> Layers:
    """Draw close rounded beads, all much alike."""
    cells = scattered_cells(canvas.rng, canvas.across, canvas.down, canvas.rng.uniform(0.25, 0.45))
    relief = 0.5 * rounded(cells)
    blend = np.clip(1 - cells.border * 5, 0, 1) * 0.8
    return Layers(blend, relief, 0.25 * (cells.random(canvas.rng) - 0.5) - 0.2 * blend)


def embossed(canvas: Canvas) -> Layers:
    """Draw equal round bosses in rows, pressed out of a sheet."""
    lattice = hexagonal_cells if canvas.chance(0.5) else square_cells
    cells = lattice(canvas.across, canvas.down)
    radius = np.float32(canvas.rng.uniform(0.3, 0.48))
    relief = np.float32(canvas.rng.uniform(0.4, 1)) * radius * dome(cells.distance / radius)
    return Layers(_hollows(relief, 0.2), relief, grain(canvas, 0.04))


def pitted(canvas: Canvas) -> Layers:
    """Draw many small round pits of unequal size in a rough surface."""
    rng = canvas.rng
    relief = 0.1 * canvas.noise(1.5, 3)
    blend = np.zeros_like(relief)
    for finer, share in ((0.8, 0.5), (1.4, 0.6), (2.6, 0.6)):
        spots = scatter(canvas, finer, (0.15, 0.45), share, rough=0.3)
        bowl = dome(np.minimum(spots.outward, 1))
        relief = relief - np.float32(rng.uniform(0.5, 1) / finer) * spots.radius * bowl
        blend = np.maximum(blend, spots.inside * (0.4 + 0.5 * bowl))
    return Layers(blend, relief, grain(canvas, 0.1) - 0.25 * blend)


def dimpled(canvas: Canvas) -> Layers:
    """Draw regular round dimples, as on a golf ball or a thimble."""
    lattice = hexagonal_cells if canvas.chance(0.7) else square_cells
    cells = lattice(canvas.across, canvas.down)
    radius = np.float32(canvas.rng.uniform(0.36, 0.47))
    bowl = dome(cells.distance / radius)
    relief = -np.float32(canvas.rng.uniform(0.4, 0.8)) * radius * bowl
    return Layers(0.35 * bowl, relief, -0.12 * bowl)


def craters(canvas: Canvas) -> Layers:
    """Draw craters with raised rims, small ones in large ones, as on the moon."""
    relief = 0.2 * canvas.noise(1, 4)
    for finer, share in ((0.5, 0.8), (1.0, 0.7), (2.0, 0.7)):
        spots = scatter(canvas, finer, (0.15, 0.45), share, rough=0.12)
        outward = np.minimum(spots.outward, 3)
        rim = np.exp(-(((outward - 1.05) / 0.18) ** 2))
        bowl = np.clip(1 - outward**2, 0, 1)
        relief = relief + np.float32(0.6 / finer) * spots.radius * (0.45 * rim - bowl)
    return Layers(_hollows(relief, 0.5), relief, grain(canvas, 0.1))


def corroded(canvas: Canvas) -> Layers:
    """Draw ragged pits eaten into metal or stone, many run together."""
    noise = canvas.noise(canvas.rng.uniform(1.2, 2.2), 4)
    depth = np.clip((0.45 - noise) * 4, 0, 1)
    relief = -0.35 * depth + 0.06 * canvas.noise(6, 2)
    return Layers(0.85 * depth, relief, 0.2 * (canvas.noise(0.8, 3) - 0.5) - 0.3 * depth)


def _pores(
    canvas: Canvas, sizes: tuple[float, ...], share: float, rough: float, dark: float
) -> Layers:
    """Draw dark open holes of several sizes, those of a size scattered evenly."""
    relief = 0.04 * canvas.noise(2, 2)
    holes, deep = np.zeros_like(relief), np.zeros_like(relief)
    for finer in sizes:
        spots = scatter(canvas, finer, (0.12, 0.42), share, rough=rough, edge=1.5)
        depth = np.clip(1.25 - np.minimum(spots.outward, 2), 0, 1)
        relief = relief - np.float32(1.1 / finer) * depth * spots.radius
        holes = np.maximum(holes, spots.inside)
        # The wall away from the lamp stays dark, the near one is hidden: a soft lower edge.
        shade = np.clip(0.75 - 0.5 * spots.cells.below / spots.radius, 0.25, 1)
        deep = np.maximum(deep, spots.inside * shade)
    tone = -dark * deep + 0.15 * (canvas.noise(3, 2) - 0.5)
    return Layers(holes * 0.6, relief, tone)


def porous(canvas: Canvas) -> Layers:
    """Draw a sponge: holes of every size, large among small."""
    return _pores(canvas, (0.9, 1.6, 2.7, 4.5), 0.65, 0.25, 0.6)


def crumb(canvas: Canvas) -> Layers:
    """Draw the crumb of bread: stretched bubbles with thin walls, most of them small."""
    squeeze = np.float32(canvas.rng.uniform(0.5, 0.8))
    stretched = replace(canvas, across=canvas.across * squeeze)
    layers = _pores(stretched, (0.6, 1.3, 2.4, 4.0), 0.6, 0.6, 0.3)
    return Layers(0.7 * layers.blend, layers.relief, layers.tone)


def lava(canvas: Canvas) -> Layers:
    """Draw rough stone full of small holes."""
    layers = _pores(canvas, (1.3, 2.4, 4.2), 0.65, 0.4, 0.6)
    return Layers(layers.blend, layers.relief + 0.15 * canvas.noise(1, 3), layers.tone)


def coral(canvas: Canvas) -> Layers:
    """Draw close cells with a hole in each, as in coral or the underside of a mushroom."""
    sway = 0.3 * canvas.noise(0.7, 2)
    cells = scattered_cells(canvas.rng, canvas.across + sway, canvas.down + sway, 0.35)
    open_to = np.float32(canvas.rng.uniform(0.06, 0.16))
    holes = soft_step(cells.border - open_to, 0.08)
    relief = -0.4 * np.sqrt(np.clip((cells.border - open_to) * 3, 0, 1)) + 0.02 * canvas.noise(5, 2)
    return Layers(0.7 * holes, relief, -0.45 * holes + 0.1 * (canvas.noise(3, 2) - 0.5))


def potholed(canvas: Canvas) -> Layers:
    """Draw a road of tar and chips with a few broken holes in it, some with puddles."""
    rng = canvas.rng
    chips = canvas.image_noise(canvas.across.shape[0] / rng.uniform(1.3, 2.5))
    broken = canvas.noise(1.0, 4)
    depth = np.zeros_like(chips)
    for finer, share in ((0.7, 1.0), (1.3, 0.15)):
        spots = scatter(canvas, finer, (0.22, 0.48), share, rough=0.25)
        out = spots.outward + 0.9 * (broken - 0.5)
        depth = np.maximum(depth, np.clip((1 - out) * 4, 0, 1))
    rubble = canvas.noise(7, 2)
    relief = -0.3 * depth + 0.006 * chips + 0.05 * rubble * (depth > 0.05) * (depth < 0.95)
    rim = np.exp(-(((depth - 0.2) / 0.2) ** 2)) * (depth > 0)
    tone = 0.5 * (chips - 0.5) - 0.3 * depth + 0.6 * (rubble - 0.4) * (depth > 0) + 0.15 * rim
    tone = tone + 0.25 * (canvas.noise(0.5, 3) - 0.5)
    accent = None
    if rng.random() < 0.5:
        accent = np.clip((depth - 0.9) * 12, 0, 1) * (broken < 0.55)
        relief = np.where(accent > 0.5, np.float32(-0.3), relief)
        tone = tone * (1 - accent)
    return Layers(0.55 * depth, relief.astype(np.float32), tone.astype(np.float32), accent)


def worn_track(canvas: Canvas) -> Layers:
    """Draw a dirt track with many shallow round hollows."""
    relief = 0.1 * canvas.noise(1.3, 3)
    wet = np.zeros_like(relief)
    for finer, share in ((0.7, 0.7), (1.3, 0.6)):
        spots = scatter(canvas, finer, (0.2, 0.46), share, rough=0.35)
        bowl = np.clip(1 - np.minimum(spots.outward, 1) ** 2, 0, 1)
        relief = relief - np.float32(0.8 / finer) * spots.radius * bowl
        wet = np.maximum(wet, soft_step(bowl - 0.35, 0.1))
    return Layers(0.75 * wet, relief, 0.3 * (canvas.image_noise(70, 2) - 0.5))


def grooved(canvas: Canvas) -> Layers:
    """Draw straight parallel grooves, round, square or sharp at the bottom."""
    rng = canvas.rng
    sway = np.float32(rng.choice([0.0, 0.15])) * (canvas.noise(0.4) - _HALF)
    wave = triangle(canvas.across + sway)
    shape = rng.integers(4)
    if shape == 0:
        height = 0.5 - 0.5 * np.cos(np.pi * wave)
    elif shape == 1:
        height = np.clip((wave - rng.uniform(0.1, 0.35)) * 5, 0, 1)
    elif shape == 2:
        height = np.sqrt(np.clip(wave, 0, 1))
    else:
        height = wave
    height = height.astype(np.float32)
    relief = np.float32(rng.uniform(0.15, 0.4)) * height + 0.02 * canvas.noise(5, 2)
    tone = -rng.uniform(0.2, 0.6) * (1 - height) ** 2 + 0.1 * (canvas.streaks(3, 0.3, 2) - 0.5)
    return Layers(0.4 * (1 - height) ** 2, relief, tone)


def record_grooves(canvas: Canvas) -> Layers:
    """Draw rings of grooves about a middle, as on a record or a turned plate."""
    right, below = canvas.centred(0.3)
    distance = np.hypot(right, below)
    wave = 0.5 + 0.5 * np.cos(TURN * distance)
    # Light lies on fine rings in the shape of a bow tie.
    gleam = np.cos(2 * (np.arctan2(below, right) - canvas.rng.uniform(0, np.pi))) ** 8
    return Layers(0.4 * (1 - wave), 0.22 * wave, -0.3 * (1 - wave) + 0.35 * gleam * wave)


def treads(canvas: Canvas) -> Layers:
    """Draw the tread of a tyre: long grooves, and slanting cuts in the ribs between."""
    across, down = canvas.across, canvas.down
    main = soft_step(triangle(across) - 0.22, canvas.pixel * 3)
    rib = np.floor(across)
    slant = np.where(rib % 2 > 0, 1, -1).astype(np.float32)
    cut = triangle(down * 0.9 + slant * 0.55 * from_middle(across) + 0.35 * rib)
    height = main * soft_step(cut - 0.18, canvas.pixel * 3)
    sipe = thin_lines(down * 2.7 + slant * across, canvas.pixel * 2, 0.12)
    relief = 0.22 * height
    return Layers(0.5 * (1 - height), relief, -0.45 * (1 - height) - 0.2 * sipe * height)


def furrows(canvas: Canvas) -> Layers:
    """Draw wavering furrows that fork and end, as in bark or raked sand."""
    rng = canvas.rng
    wind = rng.uniform(0.8, 1.8) * canvas.noise(0.35, 2) + 0.2 * canvas.noise(1.5, 2)
    wave = 0.5 + 0.5 * np.sin(TURN * (canvas.across + wind))
    wave = wave ** rng.uniform(0.5, 1.2)
    relief = 0.25 * wave + 0.1 * canvas.noise(2.5, 3)
    return Layers(0.4 * (1 - wave), relief, -0.2 * (1 - wave) ** 2 + grain(canvas, 0.12))


def pleated(canvas: Canvas) -> Layers:
    """Draw knife pleats: flat folds that each lie over the next, with a sharp shadow."""
    rng = canvas.rng
    sway = rng.uniform(0, 0.35) * (canvas.noise(0.3, 2) - 0.5)
    within = fraction(canvas.across + sway.astype(np.float32))
    shadow = np.exp(-within / np.float32(rng.uniform(0.08, 0.2)))
    lip = np.exp(-(1 - within) / 0.06)
    relief = np.float32(rng.uniform(0.1, 0.3)) * within
    tone = 0.12 * (within - 0.6) - 0.6 * shadow + 0.12 * lip
    return Layers(0.35 * shadow, relief, tone + 0.04 * (canvas.image_noise(90) - 0.5))


def box_pleats(canvas: Canvas) -> Layers:
    """Draw box pleats: broad flats with a dark slot between two folds."""
    wave = triangle(canvas.across + 0.1 * (canvas.noise(0.3, 2) - 0.5))
    width = np.float32(canvas.rng.uniform(0.15, 0.4))
    slot = np.clip(1 - wave / width, 0, 1)
    relief = -0.25 * slot
    return Layers(0.5 * slot, relief, -0.6 * slot**0.7 + 0.1 * wave)


def curtain(canvas: Canvas) -> Layers:
    """Draw the hanging folds of a curtain, round and unequal."""
    rng = canvas.rng
    sway = rng.uniform(0.3, 0.8) * canvas.streaks(0.5, 0.08, 2)
    wave = 0.5 + 0.5 * np.sin(TURN * (canvas.across + sway))
    finer = 0.5 + 0.5 * np.sin(TURN * (2.3 * canvas.across + 2 * sway + 0.2))
    height = (0.75 * wave + 0.25 * finer).astype(np.float32)
    return Layers(0.35 * (1 - height), 0.32 * height, -0.55 * (1 - height) ** 1.5)


def fan_pleats(canvas: Canvas) -> Layers:
    """Draw pleats that spread from a point, as in a paper fan or a lampshade."""
    rng = canvas.rng
    right, below = canvas.across, canvas.down
    middle = canvas.across.shape[0] // 2
    right = right - right[middle, middle] + rng.uniform(-0.3, 0.3) * canvas.span
    below = below - below[middle, middle] + rng.uniform(0.3, 0.9) * canvas.span
    count = np.round(rng.uniform(16, 44))
    wave = triangle(np.arctan2(right, below) / TURN * np.float32(count))
    distance = np.hypot(right, below)
    relief = wave * distance * np.float32(1.6 / count)
    return Layers(0.35 * (1 - wave), relief.astype(np.float32), -0.5 * (1 - wave) ** 1.5)


def micro_pleats(canvas: Canvas) -> Layers:
    """Draw fine crushed pleats, wavering together."""
    wind = 0.6 * canvas.noise(0.25, 3)
    wave = triangle(canvas.across + wind) * (0.6 + 0.4 * canvas.streaks(1, 0.3))
    return Layers(0.3 * (1 - wave), 0.3 * wave, -0.45 * (1 - wave) ** 2)


def frilly(canvas: Canvas) -> Layers:
    """Draw rows of ruffles: gathered in fine folds above, wavy and free below."""
    rng = canvas.rng
    across = canvas.across + 0.9 * (canvas.noise(0.5, 2) - 0.5)
    height = np.float32(rng.uniform(1.0, 2.2))
    swing = np.float32(rng.uniform(0.15, 0.4))
    blend, relief, tone = (np.zeros_like(across) for _ in range(3))
    shift = rng.random(64).astype(np.float32)
    own = (0.9 + 0.6 * rng.random(64)).astype(np.float32)
    trim = rng.choice([0.0, 0.5])
    slope = 0.5 * (canvas.noise(0.15) - 0.5)
    down = canvas.down + slope
    lowest = np.floor(down / height)
    for rows_up in (0, 1, 2):  # from the bottom of the pile to its top
        row = lowest - rows_up + 1
        pick = row.astype(np.int64) & 63
        phase = TURN * (across * own.take(pick) + shift.take(pick))
        hem = (row + 0.9) * height + swing * (np.sin(phase) + 0.35 * np.sin(2.3 * phase + row))
        inside = soft_step(hem - down, canvas.pixel)
        # Folds are many and narrow where the cloth is gathered and open out toward the hem.
        free = np.clip((down - (row - 0.4) * height) / (1.3 * height), 0, 1)
        gather = np.sin(3 * phase + 2 * np.sin(phase)) * (1 - free)
        fold = np.sin(phase + 1.1 * free) * free + 0.4 * gather
        edge = np.exp(-np.abs(hem - down) / 0.05)
        for layer, new in (
            (blend, 0.2 * (1 - free) + (0.4 + trim) * edge),
            (relief, 0.28 * fold + 0.3 * free),
            (tone, -0.45 * (1 - free) ** 2 + 0.25 * fold + 0.12 * edge),
        ):
            layer[...] = layer + (new - layer) * inside
    return Layers(np.clip(blend, 0, 1), relief, np.clip(tone, -0.8, 0.25))


def curled_leaves(canvas: Canvas) -> Layers:
    """Draw crowded curling edges, as of lettuce, kale or coral."""
    rng = canvas.rng
    base = canvas.noise(rng.uniform(0.45, 0.7), 2)
    curl = base + 0.05 * np.sin(TURN * 3.2 * canvas.noise(0.9, 1))
    level = curl * np.float32(rng.uniform(5, 8))
    within = fraction(level)
    edge = np.exp(-(1 - within) / 0.06)
    relief = 0.5 * within + 0.12 * canvas.noise(2, 2)
    tone = -0.65 * np.exp(-within / 0.16) + 0.25 * edge + 0.15 * (canvas.noise(1.5, 2) - 0.5)
    return Layers(0.25 * within + 0.55 * edge, relief, tone)


def carnation(canvas: Canvas) -> Layers:
    """Draw petals with toothed edges, ring upon ring, as in a carnation or a rosette."""
    right, below = canvas.centred(0.15)
    distance = np.hypot(right, below)
    angle = np.arctan2(below, right)
    rng = canvas.rng
    wave = np.zeros_like(distance)
    for count in rng.integers(5, 17, 3):
        phase = rng.uniform(0, 2 * np.pi) + 1.5 * np.floor(distance)
        wave += np.sin(count * angle + phase).astype(np.float32)
    level = distance * 1.2 + 0.16 * wave + 0.05 * canvas.noise(2.5, 2)
    within = fraction(level)
    edge = np.exp(-(1 - within) / 0.07)
    tone = -0.6 * np.exp(-within / 0.2) + 0.2 * edge
    return Layers(0.3 * (1 - within) + 0.5 * edge, 0.5 * within + 0.1 * wave, tone)


def single_ruffle(canvas: Canvas) -> Layers:
    """Draw one or two broad ruffles of cloth with deep folds over a plain ground."""
    rng = canvas.rng
    across = canvas.across + 0.5 * (canvas.noise(0.4, 2) - 0.5)
    phase = TURN * across * rng.uniform(0.7, 1.2)
    rows = canvas.span * rng.uniform(0.35, 0.6)
    down = canvas.down / np.float32(rows) + rng.uniform()
    within = fraction(down + 0.07 * np.sin(phase))
    cloth = soft_step(np.float32(0.75) - within, canvas.pixel / rows)
    fold = np.sin(phase + 1.5 * within)
    open_out = np.clip(within * 1.4, 0, 1)
    edge = np.exp(-np.abs(within - 0.75) / 0.02)
    relief = 0.5 * cloth * open_out * fold
    tone = cloth * (0.35 * open_out * fold - 0.25 * (1 - open_out)) - 0.35 * (1 - cloth) * np.exp(
        -(within - 0.75) / 0.08
    )
    return Layers(0.85 * (1 - cloth) + 0.3 * edge, relief, np.clip(tone, -0.7, 0.25))


def waffled(canvas: Canvas) -> Layers:
    """Draw deep square pockets between crossing walls, as in a waffle."""
    rng = canvas.rng
    sway = 0.06 * (canvas.noise(1, 2) - _HALF)
    cells = square_cells(canvas.across + sway, canvas.down - sway)
    wall, slope = np.float32(rng.uniform(0.08, 0.16)), np.float32(rng.uniform(0.06, 0.2))
    depth = np.clip((cells.border - wall) / slope, 0, 1)
    relief = -0.3 * depth + 0.04 * canvas.noise(3, 3)
    baked = 0.35 * canvas.noise(0.4, 3)
    # The wall on the lamp's side throws its shadow into the pocket.
    shadow = depth * np.clip(0.4 - 1.1 * (cells.right + cells.below), 0, 0.7)
    return Layers(np.clip(0.45 * depth + baked, 0, 1), relief, -0.6 * shadow - 0.1 * depth)


def waffle_cloth(canvas: Canvas) -> Layers:
    """Draw the soft small hollows of a waffle weave or a quilted blanket."""
    crossed = np.cos(TURN * canvas.across) * 0.5 + np.cos(TURN * canvas.down) * 0.5
    height = (0.5 + 0.5 * crossed).astype(np.float32)
    thread = np.abs(from_middle(canvas.across * 6) * from_middle(canvas.down * 6)) * 4
    lit = np.maximum(
        thin_lines(canvas.across, canvas.pixel * 3, 0.2),
        thin_lines(canvas.down, canvas.pixel * 3, 0.2),
    )
    relief = 0.22 * np.sqrt(height) + 0.12 * lit + 0.02 * thread
    return Layers(0.4 * (1 - lit), relief, -0.35 * (1 - height) * (1 - lit) + 0.1 * (thread - 0.3))


def waffle_round(canvas: Canvas) -> Layers:
    """Draw one round waffle with an uneven rim on whatever lies behind."""
    layers = waffled(canvas)
    right, below = canvas.centred(0.1)
    reach = canvas.span * canvas.rng.uniform(0.36, 0.5)
    edge = np.hypot(right, below) / reach + 0.05 * (canvas.noise(0.5, 2) - 0.5)
    cover = soft_step(1 - edge, canvas.pixel / reach)
    rim = np.clip((edge - 0.88) * 14, 0, 1)
    relief = layers.relief * (1 - rim) - 0.4 * rim * np.clip((edge - 0.92) * 10, 0, 1)
    return Layers(np.maximum(layers.blend * (1 - rim), 0.6 * rim), relief, layers.tone, None, cover)


def egg_crate(canvas: Canvas) -> Layers:
    """Draw a sheet of square frames standing up, deep and dark inside, as a waffle slab."""
    cells = square_cells(canvas.across, canvas.down)
    wall = np.float32(canvas.rng.uniform(0.05, 0.1))
    pocket = soft_step(cells.border - wall, canvas.pixel)
    inner = np.clip((cells.border - wall) / np.float32(0.14), 0, 1)
    relief = -0.45 * inner
    side = np.where(np.abs(cells.right) > np.abs(cells.below), cells.right, cells.below)
    tone = pocket * (0.5 * side * (1 - inner) * 2 - 0.35 * inner - 0.1)
    return Layers(0.5 * pocket, relief, np.clip(tone, -0.7, 0.2))


def skin_lines(canvas: Canvas) -> Layers:
    """Draw fine crossing lines and deeper creases, as in old skin or on knuckles."""
    rng = canvas.rng
    along = rng.uniform(0.25, 0.6)
    deep = ridges(canvas.streaks(along, 1.3, 2)) ** 6
    cross = ridges(canvas.streaks(1.4, along, 2)) ** 8
    fine = ridges(canvas.noise(2.5, 2)) ** 3
    creases = np.clip(deep + 0.6 * cross, 0, 1)
    relief = -0.3 * creases - 0.1 * fine + 0.1 * canvas.noise(0.5, 2)
    return Layers(0.35 * creases, relief, -0.35 * creases - 0.08 * fine)


def folds(canvas: Canvas) -> Layers:
    """Draw soft deep folds of slack cloth that run together and part."""
    rng = canvas.rng
    noise = canvas.streaks(rng.uniform(0.6, 0.9), rng.uniform(0.2, 0.45), 2)
    second = canvas.streaks(0.5, 0.9, 2)
    height = np.float32(0.9) * ridges(noise) ** 1.5 + 0.5 * ridges(second) ** 2
    relief = 0.9 * height
    tone = 0.45 * np.clip(height - 0.7, -0.9, 0.2)
    return Layers(np.zeros_like(tone), relief, tone + 0.03 * (canvas.image_noise(100) - 0.5))


def crumpled(canvas: Canvas) -> Layers:
    """Draw crumpled paper or foil: flat facets between sharp straight creases."""
    rng = canvas.rng
    relief = 0.3 * canvas.noise(0.4, 2)
    for finer in (0.5, 0.9, 1.7):
        turn = rng.uniform(0, np.pi)
        cosine, sine = np.float32(np.cos(turn) * finer), np.float32(np.sin(turn) * finer)
        across = canvas.across * cosine - canvas.down * sine
        down = canvas.across * sine + canvas.down * cosine
        # Folding a plane along tilted lines, again and again, gives facets at little cost.
        one, other = canvas.noise(0.4 * finer), canvas.noise(0.4 * finer)
        fold = np.abs(from_middle(across * 0.9 + 1.5 * one))
        fold = np.abs(fold - np.abs(from_middle(down * 0.7 + 1.5 * other)))
        relief = relief + np.float32(0.6 / finer) * np.abs(fold - np.float32(0.12))
    tone = np.clip(0.3 * (relief - relief.mean()), -0.3, 0.15)
    return Layers(np.zeros_like(relief), relief, tone)


def bead_scales(canvas: Canvas) -> Layers:
    """Draw the close beads and plates of a lizard's skin, patterned over many scales."""
    cells = hexagonal_cells(
        canvas.across + 0.12 * (canvas.noise(0.8) - _HALF),
        canvas.down * np.float32(canvas.rng.uniform(0.6, 1.1)),
    )
    height = np.sqrt(np.clip(cells.border * 2.2, 0, 1))
    motif = soft_step(canvas.noise(0.25, 2) + 0.15 * (cells.random(canvas.rng) - 0.5) - 0.52, 0.08)
    tone = -0.75 * np.exp(-cells.border / 0.05) + 0.3 * (cells.random(canvas.rng) - 0.5)
    return Layers(0.85 * motif, 0.3 * height, np.clip(tone, -0.8, 0.2))


def snake_scales(canvas: Canvas) -> Layers:
    """Draw long keeled diamonds in slanting rows, as on a snake, with bands over them."""
    rng = canvas.rng
    across, down = canvas.across, canvas.down * np.float32(rng.uniform(0.45, 0.65))
    cells = square_cells(across + down, across - down)
    keel = np.exp(-np.abs(cells.right + cells.below) / 0.08)
    lap = (cells.right - cells.below) + np.float32(0.5)
    height = 0.6 * np.sqrt(np.clip(cells.border * 2.5, 0, 1)) + 0.4 * lap
    motif = soft_step(
        np.sin(down * 1.3 + 2 * np.sin(across * 0.7)) + 0.4 * (cells.random(rng) - 0.5), 0.4
    )
    tone = -0.7 * np.exp(-cells.border / 0.05) + 0.15 * keel + 0.25 * (cells.random(rng) - 0.6)
    return Layers(0.85 * motif, 0.25 * height, np.clip(tone, -0.8, 0.2))


def pointed_scales(canvas: Canvas) -> Layers:
    """Draw large pointed scales in overlapping rows, as on a cone, an artichoke or a pangolin."""
    rng = canvas.rng
    row_height, sharp = np.float32(0.55), rng.uniform(1.0, 2.0)
    blend, relief, tone = (np.zeros_like(canvas.across) for _ in range(3))
    brightness = rng.uniform(-0.15, 0.1, 64 * 64).astype(np.float32)
    lowest = np.floor(canvas.down / row_height)
    for rows_up in (0, 1, 2, 3):
        row = lowest - rows_up + 1
        place = canvas.across + 0.5 * (row % 2)
        right = np.abs(from_middle(place)) * 2
        below = canvas.down - (row - 1) * row_height
        edge = np.float32(1.1) - np.float32(0.75) * right ** np.float32(sharp) - below
        inside = soft_step(edge, canvas.pixel) * (below > -0.4)
        own = brightness.take(torus_index(np.floor(place), row))
        groove = triangle(place * 6) * 0.03
        rim = np.exp(-np.clip(edge, 0, 2) / 0.1)
        for layer, new in (
            (blend, 0.8 * rim),
            (relief, 0.55 * below - 0.22 * right**2 + groove),
            (tone, own - 0.45 * np.clip(0.6 - below, 0, 0.8)),
        ):
            layer[...] = layer + (new - layer) * inside
    return Layers(np.clip(blend, 0, 1), relief, np.clip(tone, -0.8, 0.2))


def crocodile(canvas: Canvas) -> Layers:
    """Draw large unequal plates in rows with deep furrows, as on a crocodile's hide."""
    rng = canvas.rng
    cells = scattered_cells(
        rng,
        canvas.across + 0.1 * canvas.noise(1),
        canvas.down * np.float32(rng.uniform(0.7, 1.3)),
        0.2,
    )
    relief = 0.3 * rounded(cells) + 0.02 * canvas.noise(5, 3)
    furrow = np.exp(-((cells.border / 0.06) ** 2))
    return Layers(0.8 * furrow, relief, -0.45 * furrow + 0.2 * (cells.random(rng) - 0.5))


def pyramid_studs(canvas: Canvas) -> Layers:
    """Draw four-sided pointed studs in rows."""
    turned = canvas.chance(0.5)
    across, down = canvas.across, canvas.down
    if turned:
        across, down = (across + down) * np.float32(0.71), (across - down) * np.float32(0.71)
    cells = square_cells(across, down)
    half = np.float32(canvas.rng.uniform(0.28, 0.46))
    reach = np.maximum(np.abs(cells.right), np.abs(cells.below))
    studs = soft_step(half - reach, canvas.pixel)
    # Each of the four faces is flat, so each has its own brightness.
    face = np.where(np.abs(cells.right) > np.abs(cells.below), cells.right, cells.below * 1.4)
    relief = np.clip(half - reach, 0, 1) * 0.9
    tone = studs * np.where(face > 0, -0.28, 0.12) - 0.4 * (1 - studs) * np.exp(
        -(reach - half) / 0.06
    )
    return Layers(studs, relief, np.clip(tone, -0.7, 0.2).astype(np.float32))


def rivets(canvas: Canvas) -> Layers:
    """Draw lines of rivets along the seams of plates."""
    every = int(canvas.rng.integers(3, 6))
    cells = square_cells(canvas.across, canvas.down)
    row = np.floor(canvas.down) % every == 0
    column = (np.floor(canvas.across) % every == 0) & canvas.chance(0.6)
    radius = np.float32(canvas.rng.uniform(0.2, 0.34))
    there = row | column
    studs = soft_step(radius - cells.distance, canvas.pixel) * there
    seam = thin_lines(canvas.down / every, canvas.pixel / every, 0.05 / every) * ~row
    relief = 0.7 * radius * dome(cells.distance / radius) * there + 0.02 * canvas.noise(4, 3)
    shadow = np.exp(-((np.clip(cells.distance / radius - 1, 0, 9) / 0.25) ** 2)) * there
    tone = -0.45 * shadow * (1 - studs) - 0.5 * seam + 0.15 * (canvas.noise(0.6, 4) - 0.5)
    return Layers(studs * 0.8, relief, tone)


def rhinestones(canvas: Canvas) -> Layers:
    """Draw cut glass stones set closely, each face of a stone with its own glint."""
    lattice = hexagonal_cells if canvas.chance(0.6) else square_cells
    cells = lattice(canvas.across, canvas.down)
    rng = canvas.rng
    angle = np.arctan2(cells.below, cells.right) / TURN * 8
    radius = np.float32(rng.uniform(0.38, 0.48))
    outward = cells.distance / radius
    studs = soft_step(radius - cells.distance, canvas.pixel)
    face = np.floor(angle) + 8 * (outward > 0.5)
    flash = fraction(np.sin(face * 12.9 + cells.random(rng) * 40) * 43.7)
    relief = radius * np.clip(1 - outward, 0, 0.5)
    tone = np.where(studs > 0.5, 0.5 * flash - 0.35, -0.5)
    return Layers(studs * (0.55 + 0.45 * (flash > 0.6)), relief, tone.astype(np.float32))


def scattered_studs(canvas: Canvas) -> Layers:
    """Draw studs and spikes of two sizes strewn over leather."""
    blend, relief = np.zeros_like(canvas.across), 0.04 * canvas.noise(5, 2)
    tone = np.zeros_like(blend)
    for finer, share in ((1.0, 0.8), (2.0, 0.5)):
        spots = scatter(canvas, finer, (0.26, 0.34), share)
        outward = np.minimum(spots.outward, 4)
        blend = np.maximum(blend, spots.inside)
        relief = relief + spots.radius / np.float32(finer) * np.clip(1 - outward, 0, 1) * 1.3
        tone = np.minimum(tone, -0.5 * np.exp(-((np.clip(outward - 1, 0, 9) / 0.25) ** 2)))
    return Layers(blend, relief, tone * (1 - blend))


def tufted(canvas: Canvas) -> Layers:
    """Draw a padded cover with buttons sunk into it in a diamond lattice."""
    across = (canvas.across + canvas.down) * np.float32(0.71)
    down = (canvas.across - canvas.down) * np.float32(0.71)
    cells = square_cells(across, down)
    corner = square_cells(across + _HALF, down + _HALF).distance
    cushion = np.sqrt(np.clip(cells.border * 1.8, 0, 1))
    button = soft_step(np.float32(0.09) - corner, canvas.pixel)
    relief = 0.45 * cushion - 0.25 * np.exp(-((corner / 0.2) ** 2))
    relief = relief + 0.12 * dome(corner / 0.09)
    seam = np.exp(-cells.border / 0.03)
    return Layers(button, relief, -0.35 * seam * (1 - button) - 0.3 * np.exp(-corner / 0.1))
