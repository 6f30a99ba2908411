"""Textures of threads: fibres, hatching, mats, veils, laces, nets, weaves, plaits, knits and webs.

Like the functions of `patterns`, each takes a canvas and returns layers.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from veneer.sources.textures import patterns
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
    thin_lines,
    triangle,
)
from veneer.sources.textures.patterns import TURN, Layers
from veneer.sources.textures.spots import grain, scatter

_HALF = np.float32(0.5)


def _turned(canvas: Canvas, angle: float, finer: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Return the canvas's coordinates turned by an angle, ``finer`` units to one of its own."""
    cosine, sine = np.float32(np.cos(angle) * finer), np.float32(np.sin(angle) * finer)
    return (
        canvas.across * cosine + canvas.down * sine,
        canvas.down * cosine - canvas.across * sine,
    )


def _hairs(canvas: Canvas, across: np.ndarray, down: np.ndarray, length: float) -> np.ndarray:
    """Return combed hairs, in [0, 1], that run along ``down`` and are one unit wide."""
    broad, long = np.float32(0.45), np.float32(1 / length)
    coarse = lattice_noise(canvas.rng, across * broad, down * broad * long, 2)
    fine = lattice_noise(canvas.rng, across, down * long, 2)
    return 0.6 * fine + 0.4 * coarse


def fibrous(canvas: Canvas) -> Layers:
    """Draw fibres that run one way, straight or waving, some proud and some sunk."""
    rng = canvas.rng
    wave = rng.choice([0.1, 0.4, 1.0]) * (canvas.noise(0.3, 2) - 0.5)
    across = canvas.across + wave.astype(np.float32)
    fibres = _hairs(canvas, across * 7, canvas.down * 7, rng.uniform(8, 30))
    strands = lattice_noise(rng, across * 1.5, canvas.down * 0.1, 2)
    height = 0.65 * fibres + 0.35 * strands
    gaps = np.clip((0.42 - height) * 5, 0, 1)
    return Layers(
        np.clip(1.5 * height - 0.3, 0, 1), 0.25 * height, -0.55 * gaps + 0.4 * (fibres - 0.5)
    )


def fibre_tangle(canvas: Canvas) -> Layers:
    """Draw loose fibres that lie over each other every way, as in felt, hay or wool."""
    rng = canvas.rng
    blend = np.zeros_like(canvas.across)
    relief, tone = np.zeros_like(blend), np.full_like(blend, -0.55)
    for number in range(7):
        wave = rng.uniform(0.3, 1.2) * (canvas.noise(rng.uniform(0.3, 0.8)) - 0.5)
        across, down = _turned(canvas, rng.uniform(0, np.pi), rng.uniform(1.5, 4))
        lane = across + wave.astype(np.float32) * 2
        pick = np.floor(lane).astype(np.int64) & 63
        own = rng.random((3, 64), dtype=np.float32)
        from_line = np.abs(from_middle(lane) + 0.3 * (own[0].take(pick) - _HALF))
        width = np.float32(0.07) + 0.1 * own[1].take(pick)
        # Each fibre ends somewhere.
        there = fraction(down * np.float32(0.07) + own[2].take(pick)) < 0.75
        inside = soft_step(width - from_line, canvas.pixel * 2) * there
        shade = -0.4 + 0.07 * number + 0.35 * own[1].take(pick)
        blend += ((0.3 + 0.7 * own[2].take(pick)) - blend) * inside
        tone += (shade - tone) * inside
        relief += (0.06 * number + dome(from_line / width) * 0.1 - relief) * inside
    return Layers(blend, relief, np.clip(tone, -0.8, 0.15))


def husk(canvas: Canvas) -> Layers:
    """Draw coarse bristles and splinters, as on a coconut, a broom or torn wood."""
    rng = canvas.rng
    lean = 0.8 * (canvas.noise(0.35, 2) - 0.5)
    across = canvas.across + lean
    height = 0.25 * lattice_noise(rng, across * 14, canvas.down, 2)
    for finer in (3.0, 5.5, 9.0):
        lane = across * np.float32(finer) + 0.6 * canvas.noise(0.8)
        lane = lane + np.float32(rng.normal(0, 0.5)) * canvas.down
        pick = np.floor(lane).astype(np.int64) & 63
        own = rng.random((2, 64), dtype=np.float32)
        reach = np.abs(from_middle(canvas.down * np.float32(0.08 * finer) + own[0].take(pick))) * 2
        taper = np.clip((0.9 - reach) * 2, 0.001, 1)
        bristle = dome(from_middle(lane) * 2 / taper) * (0.4 + 0.6 * own[1].take(pick))
        height = np.maximum(height * 0.95, bristle)
    return Layers(np.clip(1.2 * height - 0.1, 0, 1), 0.12 * height, 0.8 * (height - 0.7))


def wisps(canvas: Canvas) -> Layers:
    """Draw thin threads strewn on a plain ground, each curling its own way."""
    rng = canvas.rng
    blend = np.zeros_like(canvas.across)
    for _ in range(6):
        noise = canvas.noise(rng.uniform(0.25, 0.5), 2)
        slope = np.hypot(*np.gradient(noise)) / canvas.pixel + 0.02
        lines = np.abs(from_middle(noise * rng.uniform(1, 3))) / slope
        there = canvas.noise(0.3) > 0.4
        blend = np.maximum(blend, np.exp(-((lines / 0.035) ** 2)) * there)
    return Layers(np.clip(blend, 0, 1), 0.05 * blend, 0.1 * (canvas.noise(0.6, 2) - 0.5))


def crosshatched(canvas: Canvas) -> Layers:
    """Draw pen strokes in two to four directions, on paper, denser here than there."""
    rng = canvas.rng
    shade = canvas.image_noise(rng.uniform(1.5, 4), 2)
    ink = np.zeros_like(shade)
    angle, count = rng.uniform(0, np.pi), int(rng.integers(2, 5))
    step = rng.choice([np.pi / 2, np.pi / count, rng.uniform(0.4, 1.2)])
    for number in range(count):
        place, along = _turned(canvas, angle + number * step + rng.uniform(-0.08, 0.08))
        tremble = 0.35 * (canvas.noise(0.5) - 0.5)
        lane = place + tremble
        pick = np.floor(lane).astype(np.int64) & 63
        own = rng.random((2, 64), dtype=np.float32)
        from_line = np.abs(from_middle(lane) + 0.25 * (own[0].take(pick) - _HALF))
        width = rng.uniform(0.06, 0.16) * (0.6 + 0.8 * own[1].take(pick))
        stroke = soft_step(width - from_line, canvas.pixel * 1.3)
        # Strokes have ends, and the later directions only come where it is to be darker.
        ends = triangle(along * np.float32(0.09) + own[0].take(pick)) < 0.93
        dark = soft_step(shade + rng.uniform(0.1, 0.55) - 0.2 * number - 0.35, 0.15)
        ink = np.maximum(ink, stroke * ends * (dark if number else 1) * rng.uniform(0.7, 1))
    return Layers(ink, tone=grain(canvas, 0.06))


def hatched_patches(canvas: Canvas) -> Layers:
    """Draw patches of crossing strokes, each patch hatched its own way and to its own darkness."""
    rng = canvas.rng
    coarse = np.float32(rng.uniform(2, 4) / canvas.span)
    sway = 0.3 * (canvas.image_noise(5, 2) - _HALF)
    cells = scattered_cells(rng, canvas.across * coarse + sway, canvas.down * coarse - sway, 0.48)
    base = rng.uniform(0, np.pi)
    dark = cells.random(rng)
    angle = np.float32(base) + np.float32(rng.choice([0.3, 1.6])) * (cells.random(rng) - _HALF)
    ink = np.zeros_like(dark)
    for number in range(3):
        turned = angle + np.float32(number * rng.uniform(0.7, 1.5))
        place = canvas.across * np.cos(turned) + canvas.down * np.sin(turned)
        lane = place + 0.25 * (canvas.noise(0.4) - _HALF)
        own = rng.random(64, dtype=np.float32).take(np.floor(lane).astype(np.int64) & 63)
        width = np.float32(rng.uniform(0.07, 0.16)) * (0.6 + 0.8 * own)
        stroke = soft_step(width - np.abs(from_middle(lane)), canvas.pixel * 1.3)
        ink = np.maximum(ink, stroke * (dark > 0.3 * number - 0.1) * (0.6 + 0.4 * own))
    return Layers(ink, tone=grain(canvas, 0.08))


def shaded_drawing(canvas: Canvas) -> Layers:
    """Draw a sketch of round things whose shadows are hatched in crossing pencil strokes."""
    rng = canvas.rng
    spots = scatter(canvas, 1.6 / canvas.span, (0.35, 0.48), 0.9)
    out = np.minimum(spots.outward, 1.6)
    lit = (spots.cells.right + spots.cells.below) / spots.radius
    dark = np.where(out < 1, 0.45 + 0.4 * lit, 0.25 + 0.3 * np.clip(lit, -1, 1) * (out < 1.5))
    dark = dark + 0.3 * (canvas.image_noise(3, 2) - 0.5)
    ink = np.exp(-(((out - 1) / 0.03) ** 2)) * 0.8
    angle = rng.uniform(0, np.pi)
    for number, threshold in enumerate((0.15, 0.4, 0.6)):
        place, _ = _turned(canvas, angle + number * rng.uniform(0.6, 1.3))
        place = place + 0.3 * canvas.noise(0.4)
        line = soft_step(
            np.float32(rng.uniform(0.12, 0.22)) - np.abs(from_middle(place)), canvas.pixel * 1.5
        )
        ink = np.maximum(ink, line * soft_step(dark - threshold, 0.12) * 0.85)
    return Layers(np.clip(ink, 0, 1), tone=grain(canvas, 0.1))


def linen(canvas: Canvas) -> Layers:
    """Draw fine cloth, threads crossing threads, each now thicker and now thinner."""
    rng = canvas.rng
    long = np.float32(rng.uniform(0.03, 0.12))
    blend, relief = np.zeros_like(canvas.across), np.zeros_like(canvas.across)
    over = rng.uniform(0.35, 0.65)
    for share, place, slubs in (
        (over, canvas.across, canvas.streaks(0.8, long, 2)),
        (1 - over, canvas.down, canvas.streaks(long, 0.8, 2)),
    ):
        own = rng.random(64, dtype=np.float32).take(np.floor(place).astype(np.int64) & 63)
        ridge = dome(from_middle(place) * 2)
        blend += np.float32(share) * (0.6 * slubs + 0.4 * own)
        relief = np.maximum(relief, 0.2 * ridge * (0.4 + slubs))
    blend = np.clip(0.5 + (blend - 0.5) * rng.uniform(0.8, 3), 0, 1)
    return Layers(blend.astype(np.float32), relief, grain(canvas, 0.12))


def brushed(canvas: Canvas) -> Layers:
    """Draw fine scratches that cross at two angles, as on ground metal or coarse cloth."""
    rng = canvas.rng
    angle, open_by = rng.uniform(0, np.pi), rng.uniform(0.5, 1.57)
    one = lattice_noise(rng, *_stretched(canvas, angle, 4, 0.12), 2)
    other = lattice_noise(rng, *_stretched(canvas, angle + open_by, 4, 0.12), 2)
    lines = np.maximum(np.clip(4 * one - 2.2, 0, 1), np.clip(4 * other - 2.2, 0, 1))
    return Layers(lines * 0.9, 0.06 * (one + other), 0.5 * (one + other - 1))


def _stretched(
    canvas: Canvas, angle: float, across: float, along: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return turned coordinates with their own scales across and along."""
    place, down = _turned(canvas, angle)
    return place * np.float32(across), down * np.float32(along)


def cross_lines(canvas: Canvas) -> Layers:
    """Draw two or three families of straight engraved lines that cross aslant."""
    rng = canvas.rng
    angle, open_by = rng.uniform(0, np.pi), rng.uniform(0.5, 1.57)
    swell = 0.08 + 0.2 * canvas.image_noise(rng.uniform(1.5, 4), 2)
    lines = np.zeros_like(canvas.across)
    for number in range(int(rng.integers(2, 4))):
        place, _ = _turned(canvas, angle + number * open_by)
        place = place + np.float32(0.15) * canvas.noise(0.3)
        from_line = _HALF - np.abs(from_middle(place))
        lines = np.maximum(lines, soft_step(swell * 0.8 - from_line, canvas.pixel))
    return Layers(lines, tone=grain(canvas, 0.06))


def matted(canvas: Canvas) -> Layers:
    """Draw locks of hair pressed and tangled together, each lying its own way."""
    rng = canvas.rng
    blend, height = np.zeros_like(canvas.across), np.zeros_like(canvas.across)
    tone = np.full_like(blend, -0.5)
    for number in range(3):
        spots = scatter(canvas, rng.uniform(0.5, 0.9), (0.45, 0.5), 1.0, rough=0.5)
        angle = spots.random(rng) * TURN + 0.8 * canvas.noise(0.6)
        along = spots.cells.right * np.cos(angle) + spots.cells.below * np.sin(angle)
        aside = spots.cells.below * np.cos(angle) - spots.cells.right * np.sin(angle)
        bend = aside + 0.9 * along**2 * (spots.random(rng) - _HALF)
        hairs = lattice_noise(rng, bend * 42, along * 2.2 + spots.random(rng) * 64, 2)
        hairs = 0.6 * hairs + 0.4 * lattice_noise(rng, bend * 95, along * 4, 2)
        lock = np.clip(1.3 - np.hypot(along, aside * 2.1) * 2.4, 0, 1)
        inside = np.clip(lock * 6 * (0.4 + hairs), 0, 1) * (spots.outward < 9)
        rise = np.sqrt(lock) * 0.3 + 0.05 * number + 0.12 * hairs
        blend += (np.clip(1.4 * hairs - 0.2, 0, 1) - blend) * inside
        height += (rise - height) * inside
        tone += (0.9 * (hairs - 0.6) - 0.3 * (1 - lock) - tone) * inside
    return Layers(blend, 0.3 * height, np.clip(tone, -0.8, 0.2).astype(np.float32))


def shaggy(canvas: Canvas) -> Layers:
    """Draw thick fur in clumps that part from each other in dark gaps."""
    rng = canvas.rng
    swirl = rng.uniform(1.0, 2.5) * (canvas.noise(0.35, 2) - 0.5)
    clump = canvas.noise(0.9, 2)
    across = canvas.across + swirl + 0.35 * clump
    down = canvas.down + 0.6 * canvas.noise(0.3)
    hairs = _hairs(canvas, across * 8, down * 8, 7)
    locks = lattice_noise(rng, across * 1.6, down * 0.35, 2)
    gaps = np.clip((0.44 - locks) * 5, 0, 1)
    height = 0.5 * hairs + 0.5 * locks
    return Layers(
        np.clip(1.3 * hairs - 0.15, 0, 1) * (1 - 0.5 * gaps),
        0.3 * height,
        np.clip(0.7 * (hairs - 0.55) - 0.5 * gaps, -0.8, 0.2),
    )


def dreadlocks(canvas: Canvas) -> Layers:
    """Draw thick felted ropes of hair hanging side by side."""
    rng = canvas.rng
    sway = rng.uniform(0.3, 0.9) * (canvas.streaks(0.5, 0.3, 2) - 0.5)
    lane = canvas.across + sway
    pick = np.floor(lane).astype(np.int64) & 63
    own = rng.random((2, 64), dtype=np.float32)
    lump = 0.25 * canvas.streaks(1.2, 1.8)
    rope = dome(from_middle(lane) * (1.9 + lump))
    hairs = _hairs(canvas, lane * 10 + 5 * canvas.down * (own[0].take(pick) - 0.5), canvas.down, 2)
    tone = 0.5 * (hairs - 0.6) - 0.6 * (1 - rope) ** 1.3 + 0.2 * (own[1].take(pick) - 0.5)
    return Layers(
        np.clip(1.3 * hairs - 0.3, 0, 1) * rope, 0.3 * rope + 0.12 * hairs, np.clip(tone, -0.8, 0.2)
    )


def felted(canvas: Canvas) -> Layers:
    """Draw a close mat of short curled fibres."""
    rng = canvas.rng
    height = np.zeros_like(canvas.across)
    for finer in (1.5, 2.4, 3.6):
        noise = canvas.noise(finer, 2)
        curl = np.abs(from_middle(noise * 3 + canvas.noise(finer * 0.4)))
        height = np.maximum(height, np.exp(-((curl / 0.16) ** 2)) * rng.uniform(0.6, 1))
    clump = canvas.noise(0.7, 3)
    return Layers(
        np.clip(height * (0.4 + clump), 0, 1), 0.12 * height, 0.5 * (height - 0.6) + clump - 0.5
    )


def gauzy(canvas: Canvas) -> Layers:
    """Draw a sheer veil in soft folds, whiter where it lies double."""
    rng = canvas.rng
    angle = rng.uniform(-0.5, 0.5)
    thick = np.zeros_like(canvas.across)
    for _ in range(3):
        place, along = _turned(canvas, angle + rng.uniform(-0.4, 0.4), rng.uniform(0.25, 0.6))
        wave = place + 0.9 * lattice_noise(rng, place * 0.7, along * 0.4, 2)
        within = fraction(wave)
        # The veil is bright along a fold and thins out away from it.
        thick += 0.3 * np.exp(-within / 0.35) + 0.25 * np.exp(-within / 0.06)
    thread = thin_lines(canvas.across * 6, canvas.pixel * 6, 0.4)
    thread = np.maximum(thread, thin_lines(canvas.down * 6, canvas.pixel * 6, 0.4))
    veil = np.clip(0.15 + 0.6 * thick, 0, 1) * (0.85 + 0.15 * thread)
    return Layers(veil, None, 0.25 * (canvas.noise(0.25, 2) - 0.5))


def open_weave(canvas: Canvas) -> Layers:
    """Draw the loose threads of a bandage or a muslin, with what lies behind in the gaps."""
    rng = canvas.rng
    pull = rng.uniform(0.2, 0.7)
    across = canvas.across + pull * (canvas.noise(0.3, 3) - 0.5)
    down = canvas.down + pull * (canvas.noise(0.3, 3) - 0.5)
    width = np.float32(rng.uniform(0.25, 0.5)) * (0.7 + 0.6 * canvas.noise(0.4, 2))
    one = thin_lines(across, canvas.pixel, width)
    other = thin_lines(down, canvas.pixel, width)
    threads = np.maximum(one, other)
    parity = (np.floor(across + _HALF) + np.floor(down + _HALF)) % 2
    top = np.where(parity > 0, one, other)
    relief = 0.15 * (one + other) + 0.1 * top
    return Layers(0.92 * threads, relief, 0.2 * (top - 0.7) * threads, None, 0.35 + 0.65 * threads)


def veils(canvas: Canvas) -> Layers:
    """Draw sheer layers laid over each other, their edges seen through one another."""
    rng = canvas.rng
    white, tone = np.full_like(canvas.across, 0.08), np.zeros_like(canvas.across)
    for _ in range(int(rng.integers(4, 8))):
        place, along = _turned(canvas, rng.uniform(0, np.pi), 1 / canvas.span)
        edge = (
            place
            - place.mean()
            + 0.5 * (lattice_noise(rng, place * 1.5, along * 2.5, 2) - 0.5)
            + rng.uniform(-0.4, 0.4)
        )
        inside = soft_step(edge, canvas.pixel * 2 / canvas.span)
        hem = np.exp(-np.abs(edge) / 0.008)
        white = white + (1 - white) * np.clip(0.22 * inside + 0.3 * hem, 0, 1)
        tone = tone + 0.06 * inside * np.cos(along * 20 + 4 * edge)
    mesh = np.cos(TURN * canvas.across * 3) * np.cos(TURN * canvas.down * 3)
    return Layers(np.clip(white + 0.05 * mesh, 0, 1), None, tone)


def interlaced(canvas: Canvas) -> Layers:
    """Draw broad bands that pass over and under each other with gaps between."""
    rng = canvas.rng
    across, down = _turned(canvas, rng.choice([0.0, np.pi / 4]))
    sway = np.float32(rng.choice([0.0, 0.12]))
    across, down = across + sway * np.sin(TURN * down), down + sway * np.sin(TURN * across)
    half = np.float32(rng.uniform(0.22, 0.36))
    right, below = from_middle(across), from_middle(down)
    parity = 1 - 2 * ((np.floor(across) + np.floor(down)) % 2)
    up = parity * np.cos(np.pi * below) * 0.5
    level = -parity * np.cos(np.pi * right) * 0.5
    upright, flat = np.abs(right) < half, np.abs(below) < half
    rounded = rng.uniform(0.1, 0.9)
    up_height = np.where(upright, up + rounded * dome(right / half), -2)
    flat_height = np.where(flat, level + rounded * dome(below / half), -2)
    over = up_height > flat_height
    height = np.maximum(up_height, flat_height)
    band = soft_step(half - np.minimum(np.abs(right), np.abs(below)), canvas.pixel)
    offset = np.abs(np.where(over, right, below)) / half
    outline = np.clip((offset - rng.uniform(0.7, 0.85)) * 8, 0, 1)
    # Under an edge of the band above lies its shadow.
    other = np.abs(np.where(over, below, right)) / half
    under = np.exp(-np.clip(other - 1, 0, 9) / 0.25) * (np.where(over, up, level) < 0)
    relief = np.clip(0.25 * height, -0.3, 1)
    tone = band * (-0.5 * outline - 0.45 * under) - 0.35 * (1 - band)
    accent = band * over if rng.random() < 0.4 else None
    cover = band if rng.random() < 0.3 else None
    return Layers(
        0.9 * band,
        relief.astype(np.float32),
        np.clip(tone, -0.8, 0.1).astype(np.float32),
        accent,
        cover,
    )


def knotwork(canvas: Canvas) -> Layers:
    """Draw waving cords that cross over and under their neighbours, as in a Celtic border."""
    rng = canvas.rng
    half = np.float32(rng.uniform(0.1, 0.16))
    best = np.full_like(canvas.across, -1.0)
    tone, blend = np.full_like(best, -0.4), np.zeros_like(best)
    accent = np.zeros_like(best)
    swing = rng.uniform(0.32, 0.5)
    for number in range(4):
        phase = number / 4
        for sign in (1, -1):
            turn = TURN * (canvas.down * 0.5 + phase)
            offset = from_middle(canvas.across * 0.5 + 0.25 * (number % 2)) * 2
            offset = offset - np.float32(sign * swing) * np.sin(turn)
            slope = np.abs(np.cos(turn)) * np.float32(swing * np.pi)
            breadth = half * np.sqrt(1 + slope**2)
            out = np.abs(offset) / breadth
            lift = 0.5 * sign * np.cos(2 * turn + np.pi * (number % 2)) + dome(np.minimum(out, 1))
            top = (out < 1) & (lift > best)
            np.copyto(best, lift, where=top)
            np.copyto(blend, np.float32(0.9), where=top)
            np.copyto(accent, np.float32(number % 2), where=top)
            np.copyto(tone, (-0.75 * np.clip(out * 3 - 2, 0, 1)).astype(np.float32), where=top)
    relief = np.clip(best, -0.2, 2) * 0.14
    return Layers(blend, relief, tone, accent if rng.random() < 0.4 else None)


def linked_rings(canvas: Canvas) -> Layers:
    """Draw rows of rings that hang in each other, as in mail or a chain."""
    rng = canvas.rng
    radius, half = np.float32(rng.uniform(0.42, 0.56)), np.float32(rng.uniform(0.06, 0.11))
    blend, relief = np.zeros_like(canvas.across), np.full_like(canvas.across, -0.1)
    tone = np.full_like(blend, -0.5)
    # Left halves first and right halves last: every ring is then over one neighbour, under one.
    for part in (1, -1):
        for shift_right, shift_below in ((0, 0), (0.5, 0.5), (0.5, 0), (0, 0.5)):
            right = from_middle(canvas.across + np.float32(shift_right))
            below = from_middle(canvas.down + np.float32(shift_below))
            for step in (-1, 0, 1):
                off = right - step
                out = np.abs(np.hypot(off, below) - radius) / half
                inside = soft_step(1 - out, canvas.pixel / half) * (part * off < 0.05)
                round_ = dome(np.minimum(out, 1))
                blend += (1 - blend) * inside
                relief += (0.1 * round_ + 0.1 * part * off - relief) * inside
                tone += (-0.6 * np.clip(out * 2 - 1, 0, 1) - tone) * inside
    return Layers(blend, relief, tone)


def twigs(canvas: Canvas) -> Layers:
    """Draw round branches and vines lying across each other every way."""
    rng = canvas.rng
    blend, relief = np.zeros_like(canvas.across), np.zeros_like(canvas.across)
    tone = np.full_like(blend, -0.65)
    for number in range(7):
        place, along = _turned(canvas, rng.uniform(0, np.pi), rng.uniform(0.35, 0.9))
        place = place + 0.7 * lattice_noise(rng, place * 0.4, along * 0.7, 2)
        pick = np.floor(place).astype(np.int64) & 63
        own = rng.random(64, dtype=np.float32)
        half = np.float32(0.12) + 0.14 * own.take(pick)
        out = np.abs(from_middle(place)) / half
        inside = soft_step(1 - out, canvas.pixel / half)
        bark = lattice_noise(rng, place * 18, along * 1.5, 2)
        shadow = np.exp(-np.clip(out - 1, 0, 9) / 0.5) * (1 - inside)
        tone = tone - (tone + 0.8) * 0.6 * shadow
        blend += (0.35 + 0.6 * own.take(pick) - blend) * inside
        tone += (0.4 * (bark - 0.5) - 0.5 * np.clip(out, 0, 1) ** 2 - tone) * inside
        relief += (0.08 * number + 0.3 * dome(np.minimum(out, 1)) - relief) * inside
    return Layers(np.clip(blend, 0, 1), relief, np.clip(tone, -0.85, 0.15))


def lacelike(canvas: Canvas) -> Layers:
    """Draw lace: flowers with open petals joined by a fine net."""
    rng = canvas.rng
    cells = hexagonal_cells(canvas.across, canvas.down)
    distance, angle = cells.distance, np.arctan2(cells.below, cells.right)
    petals = int(rng.integers(5, 9))
    bloom = np.float32(0.3) * (0.75 + 0.25 * np.cos(petals * angle))
    outline = np.exp(-(((distance - bloom) / 0.028) ** 2))
    inner = np.exp(-(((distance - bloom * 0.55) / 0.024) ** 2))
    ribs = np.exp(-((np.sin(petals * angle / 2) * distance / 0.03) ** 2)) * (distance < bloom)
    edge = np.exp(-(((cells.border - 0.06) / 0.03) ** 2))
    mesh_across, mesh_down = _turned(canvas, np.pi / 4, rng.uniform(7, 11))
    pixel = canvas.pixel * 10
    mesh = np.maximum(thin_lines(mesh_across, pixel, 0.3), thin_lines(mesh_down, pixel, 0.3))
    solid = np.maximum.reduce([outline, 0.9 * inner, ribs, edge])
    filled = (distance < bloom) & (distance > bloom * 0.55) & (rng.random() < 0.6)
    threads = np.maximum(np.maximum(solid, 0.75 * mesh * (distance > bloom)), 0.85 * filled)
    threads = np.clip(threads, 0, 1).astype(np.float32)
    return Layers(
        threads, 0.015 * threads, 0.15 * (mesh - 0.5) * threads, None, _open(canvas, threads)
    )


def _open(canvas: Canvas, threads: np.ndarray) -> np.ndarray | None:
    """Return lace as a cover, at times: then whatever lies behind shows between the threads."""
    return threads if canvas.chance(0.3) else None


def doily(canvas: Canvas) -> Layers:
    """Draw one round crocheted doily: rings of loops, petals and picots about a middle."""
    rng = canvas.rng
    right, below = canvas.centred(0.2)
    reach = canvas.span * rng.uniform(0.4, 0.7)
    distance = np.hypot(right, below) / np.float32(reach)
    turn = np.arctan2(below, right) / TURN
    threads = np.exp(-((distance / 0.05) ** 2))
    count = int(rng.integers(6, 11))
    inner = 0.05
    thin = np.maximum(0.012, canvas.pixel / np.float32(reach))
    while inner < 1:
        outer = inner + rng.uniform(0.1, 0.2)
        within = (distance - inner) / (outer - inner)
        swing = np.abs(np.sin(np.pi * count * turn + rng.uniform(0, 3)))
        style = rng.integers(3)
        if style == 0:  # loops
            line = np.exp(-(((within - swing) * (outer - inner) / thin) ** 2))
        elif style == 1:  # spokes
            gap = np.abs(from_middle(turn * 2 * count)) * distance * TURN / (2 * count)
            line = np.exp(-((gap / thin) ** 2))
        else:  # filled petals
            line = 0.9 * soft_step(swing - within, thin / (outer - inner))
        inside = (within >= 0) & (within < 1)
        ring = np.exp(-(((distance - outer) / thin) ** 2))
        threads = np.maximum(threads, np.maximum(line * inside, ring))
        inner = outer
        count = int(count * rng.choice([1, 1, 2])) if inner > 0.3 else count
    rim = 1 + 0.03 * np.cos(TURN * 12 * turn)
    threads = np.clip(threads * (distance < rim), 0, 1).astype(np.float32)
    stitch = grain(canvas, 0.25)
    return Layers(threads, 0.02 * threads, stitch * threads, None, _open(canvas, threads))


def tulle(canvas: Canvas) -> Layers:
    """Draw fine six-sided net with leaves and sprays worked solid into it."""
    rng = canvas.rng
    cells = hexagonal_cells(canvas.across * 4, canvas.down * 4)
    net = soft_step(np.float32(0.13) - cells.border, canvas.pixel * 4)
    solid = np.zeros_like(net)
    for finer in (0.7, 1.0):
        spots = scatter(canvas, finer, (0.38, 0.48), 0.8)
        angle = np.arctan2(spots.cells.below, spots.cells.right) + spots.random(rng) * TURN
        petals = np.round(3 + 4 * spots.random(rng))
        shape = spots.outward / (0.55 + 0.4 * np.cos(petals * angle))
        leaf = soft_step(1 - np.abs(shape), canvas.pixel * 3)
        edge = np.exp(-(((shape - 1) / 0.1) ** 2))
        solid = np.maximum(solid, np.maximum(0.8 * leaf, edge))
    threads = np.clip(np.maximum(solid, 0.7 * net), 0, 1)
    return Layers(threads, 0.02 * solid, 0.15 * (net - 0.5) * threads, None, _open(canvas, threads))


def meshed(canvas: Canvas) -> Layers:
    """Draw a wire fence of diamonds with what lies behind showing through."""
    rng = canvas.rng
    across, down = canvas.across, canvas.down * np.float32(rng.uniform(0.6, 1.1))
    one, other = across + down, across - down
    sway = np.float32(0.05)
    one, other = one + sway * np.sin(TURN * other), other + sway * np.sin(TURN * one)
    width = np.float32(rng.uniform(0.07, 0.2))
    gaps = [(1 - triangle(place)) * _HALF for place in (one, other)]
    wires = [soft_step(width * _HALF - gap, canvas.pixel * 1.4) for gap in gaps]
    wire = np.maximum(*wires)
    round_ = np.maximum(*(dome(gap / (width * _HALF)) for gap in gaps))
    cover = wire if rng.random() < 0.7 else None
    return Layers(wire, width * _HALF * round_, 0.3 * (round_ - 0.7) * wire, None, cover)


def fishing_net(canvas: Canvas) -> Layers:
    """Draw a slack knotted net whose meshes sag."""
    rng = canvas.rng
    sag = rng.uniform(0.3, 1.2)
    across = canvas.across + sag * (canvas.noise(0.3, 2) - 0.5)
    down = canvas.down + sag * (canvas.noise(0.3, 2) - 0.5)
    one, other = _turned(replace(canvas, across=across, down=down), rng.choice([0, np.pi / 4]))
    width = np.float32(rng.uniform(0.06, 0.13))
    cord = np.maximum(
        thin_lines(one, canvas.pixel * 1.3, width), thin_lines(other, canvas.pixel * 1.3, width)
    )
    knot = soft_step(width * 1.3 - square_cells(one + _HALF, other + _HALF).distance, canvas.pixel)
    twist = triangle((one + other) * 9)
    net = np.maximum(cord, knot)
    cover = net if rng.random() < 0.6 else None
    return Layers(net, 0.08 * net + 0.05 * knot, 0.25 * (twist - 0.6) * net, None, cover)


def wire_cloth(canvas: Canvas) -> Layers:
    """Draw woven metal cloth: round wires over and under each other, dark square gaps."""
    half = np.float32(canvas.rng.uniform(0.16, 0.34))
    right, below = from_middle(canvas.across), from_middle(canvas.down)
    parity = 1 - 2 * ((np.floor(canvas.across) + np.floor(canvas.down)) % 2)
    up = dome(right / half) + 0.8 * parity * np.cos(np.pi * below) - 3 * (np.abs(right) > half)
    flat = dome(below / half) - 0.8 * parity * np.cos(np.pi * right) - 3 * (np.abs(below) > half)
    height = np.maximum(up, flat)
    wire = soft_step(half - np.minimum(np.abs(right), np.abs(below)), canvas.pixel)
    relief = np.clip(height, -0.6, 2) * half * 0.6
    return Layers(
        0.95 * wire, relief, np.clip(0.3 * height - 0.4, -0.7, 0.05) * wire - 0.55 * (1 - wire)
    )


def chicken_wire(canvas: Canvas) -> Layers:
    """Draw six-sided wire netting before whatever lies behind."""
    sway = np.float32(0.2) * (canvas.noise(0.4, 2) - _HALF)
    cells = hexagonal_cells(canvas.across + sway, canvas.down * 0.85 - sway)
    half = np.float32(canvas.rng.uniform(0.025, 0.06))
    wire = soft_step(half - cells.border, canvas.pixel * 1.2)
    twist = triangle(canvas.down * 6)
    cover = wire if canvas.chance(0.7) else None
    return Layers(wire, half * dome(cells.border / half), 0.3 * (twist - 0.5) * wire, None, cover)


def expanded_metal(canvas: Canvas) -> Layers:
    """Draw sheet metal slit and drawn out into lozenges with bright tilted edges."""
    across, down = canvas.across, canvas.down * np.float32(canvas.rng.uniform(1.5, 2.2))
    cells = square_cells((across + down) * 0.71, (across - down) * 0.71)
    wall = np.float32(canvas.rng.uniform(0.1, 0.2))
    walls = soft_step(wall - cells.border, canvas.pixel * 1.6)
    tilt = np.where(cells.right - cells.below > 0, 0.12, -0.35)
    relief = 0.25 * np.clip(wall - cells.border, 0, 1)
    return Layers(walls, relief, (tilt * walls - 0.5 * (1 - walls)).astype(np.float32))


def single_plait(canvas: Canvas) -> Layers:
    """Draw one plait of three strands down the middle, on whatever lies behind."""
    rng = canvas.rng
    right, below = canvas.centred(0.12)
    broad = canvas.span * rng.uniform(0.3, 0.75)
    taper = 1 + rng.uniform(-0.2, 0.25) * below / canvas.span
    bend = 0.12 * np.sin(below / canvas.span * rng.uniform(2, 5) + rng.uniform(0, 6))
    place = right / np.float32(broad) / taper + bend
    column = replace(
        canvas,
        across=np.clip(place + _HALF, 0.01, 0.99).astype(np.float32),
        down=(below / np.float32(broad * 0.8)).astype(np.float32),
        pixel=canvas.pixel / np.float32(broad),
    )
    layers = patterns.braided(column) if rng.random() < 0.6 else fishbone(column)
    there = (layers.relief > -0.2) & (np.abs(place) < 0.48)
    hairs = lattice_noise(rng, place * 60 + 3 * layers.relief, below / broad * 2, 2)
    tone = layers.tone + 0.4 * (hairs - 0.5)
    cover = there.astype(np.float32)
    return Layers(layers.blend, layers.relief, np.clip(tone, -0.85, 0.2), None, cover)


def fishbone(canvas: Canvas) -> Layers:
    """Draw plaits whose strands slant in from both sides, as a fishbone or an ear of wheat."""
    rng = canvas.rng
    right = from_middle(canvas.across)
    out = np.abs(right)
    side = right > 0
    climb = canvas.down * 1.6 - rng.uniform(1.0, 2.2) * out + 0.5 * side
    within = from_middle(climb)
    round_ = dome(within * 2) * np.sqrt(np.clip(1 - (out / 0.47) ** 3, 0, 1))
    own = rng.random(64, dtype=np.float32)
    pick = (np.floor(climb).astype(np.int64) * 2 + side) & 63
    hairs = lattice_noise(rng, within * 14, out * 3 + 9 * own.take(pick), 2)
    relief = np.where(out < 0.46, 0.28 * round_ + 0.05 * hairs, -0.3)
    tone = -0.75 * (1 - round_) ** 1.4 + 0.4 * (hairs - 0.5)
    return Layers(
        (own.take(pick) < 0.33).astype(np.float32) * 0.8,
        relief.astype(np.float32),
        np.clip(tone, -0.85, 0.15).astype(np.float32),
    )


def ropes(canvas: Canvas) -> Layers:
    """Draw twisted ropes side by side, their strands slanting."""
    rng = canvas.rng
    lane = canvas.across + 0.15 * (canvas.noise(0.3) - 0.5)
    right = from_middle(lane)
    own = rng.random(64, dtype=np.float32).take(np.floor(lane).astype(np.int64) & 63)
    body = dome(right * 2.05)
    slant = rng.uniform(0.8, 1.6)
    twist = canvas.down * 1.4 + slant * np.arcsin(np.clip(right * 2, -1, 1)) * 0.6 + own
    strand = dome(from_middle(twist) * 2)
    fibre = triangle(5 * twist - 7 * right)
    height = 0.3 * body + 0.13 * strand * body + 0.015 * fibre
    tone = -0.7 * (1 - body) ** 1.5 - 0.55 * (1 - strand) ** 2 + 0.2 * (fibre - 0.5)
    return Layers((np.floor(twist) % 3 == 0) * 0.9 * (body > 0), height, np.clip(tone, -0.85, 0.1))


def rope_coil(canvas: Canvas) -> Layers:
    """Draw one thick twisted rope before whatever lies behind."""
    rng = canvas.rng
    right, below = canvas.centred(0.15)
    broad = canvas.span * rng.uniform(0.2, 0.45)
    bend = 0.5 * np.sin(below / canvas.span * 4 + rng.uniform(0, 6)) * rng.random()
    place = (right / np.float32(broad) + bend).astype(np.float32)
    column = replace(
        canvas,
        across=np.clip(place + _HALF, 0.01, 0.99),
        down=(below / np.float32(broad)).astype(np.float32),
        pixel=canvas.pixel / np.float32(broad),
    )
    layers = ropes(column)
    cover = soft_step(0.49 - np.abs(place), column.pixel)
    return replace(layers, cover=cover)


def garter(canvas: Canvas) -> Layers:
    """Draw garter stitch: rows of small arched bumps of yarn."""
    row = np.floor(canvas.down)
    place = canvas.across + 0.5 * (row % 2) + 0.1 * (canvas.noise(0.8) - 0.5)
    right, below = from_middle(place), from_middle(canvas.down)
    arch = below + 0.25 - np.float32(1.2) * right**2
    height = dome(np.minimum(np.abs(arch) * 2.6, 1)) * np.sqrt(
        np.clip(1 - (right * 1.9) ** 2, 0, 1)
    )
    twist = triangle(4 * right + 3 * below)
    tone = -0.65 * (1 - height) ** 1.5 + 0.15 * (twist - 0.5) * height
    stripe = (row % int(canvas.rng.integers(2, 8)) == 0) * 1.0
    return Layers(stripe.astype(np.float32), 0.25 * height + 0.015 * twist, tone)


def cable_knit(canvas: Canvas) -> Layers:
    """Draw twisted cables of stitches on a purled ground."""
    rng = canvas.rng
    lane = canvas.across / 4
    right = from_middle(lane)
    turn = TURN * (canvas.down / rng.uniform(5, 8))
    best = np.full_like(right, -0.02)
    stitch_row = np.zeros_like(right)
    for sign in (1, -1):
        offset = (right - 0.14 * sign * np.sin(turn)) / np.float32(0.13)
        lift = 0.5 * dome(np.minimum(np.abs(offset), 1)) + 0.25 * sign * np.cos(turn)
        top = (np.abs(offset) < 1) & (lift > best)
        np.copyto(best, lift, where=top)
        np.copyto(
            stitch_row, canvas.down * 1.6 + 0.9 * np.abs(from_middle(offset * 1.0)), where=top
        )
    cable = best > -0.02
    stitch = dome(from_middle(stitch_row) * 2)
    purl = dome(np.hypot(from_middle(canvas.across * 1.5), from_middle(canvas.down * 1.5)) * 2)
    relief = np.where(cable, 0.8 * best + 0.2 * stitch, 0.15 * purl - 0.15)
    tone = np.where(cable, -0.45 * (1 - stitch) + 0.3 * best - 0.15, -0.5 * (1 - purl) - 0.2)
    return Layers(
        np.zeros_like(right), relief.astype(np.float32), np.clip(tone, -0.8, 0.1).astype(np.float32)
    )


def ribbed_knit(canvas: Canvas) -> Layers:
    """Draw ribs of knit stitches that stand up between sunken ones."""
    layers = patterns.knitted(canvas)
    every = float(canvas.rng.integers(2, 5))
    rib = 0.5 + 0.5 * np.cos(TURN * canvas.across / every)
    stripes = np.floor(canvas.down * 1.25 / canvas.rng.integers(2, 7)) % 2
    tone = layers.tone - 0.45 * (1 - rib)
    blend = stripes if canvas.chance(0.4) else np.zeros_like(stripes)
    return Layers(blend.astype(np.float32), layers.relief + 0.35 * rib, np.clip(tone, -0.85, 0.1))


def loose_knit(canvas: Canvas) -> Layers:
    """Draw large open stitches of thick fuzzy yarn, dark between."""
    rng = canvas.rng
    sway = 0.2 * (canvas.noise(0.6, 2) - _HALF)
    right = from_middle(canvas.across + sway)
    climb = canvas.down * 1.1 - np.float32(rng.uniform(0.7, 1.3)) * np.abs(right)
    leg = np.hypot(from_middle(climb) * 2.1, (np.abs(right) - 0.25) * 3.6)
    fuzz = canvas.noise(7, 2)
    height = dome(np.minimum(leg * (0.9 + 0.3 * fuzz), 1))
    tone = -0.8 * (1 - height) ** 2 + 0.45 * (fuzz - 0.5)
    return Layers(
        np.clip(0.6 * fuzz * height, 0, 1), 0.35 * height + 0.06 * fuzz, np.clip(tone, -0.85, 0.15)
    )


def plain_cloth(canvas: Canvas) -> Layers:
    """Draw plain cloth: round threads over and under, some thicker than others."""
    rng = canvas.rng
    across = canvas.across + 0.2 * (canvas.noise(0.4, 2) - _HALF)
    down = canvas.down + 0.2 * (canvas.noise(0.4, 2) - _HALF)
    parity = (np.floor(across) + np.floor(down)) % 2
    own = rng.uniform(-0.2, 0.15, (2, 64)).astype(np.float32)
    upright = dome(from_middle(across) * 2)
    level = dome(from_middle(down) * 2)
    height = np.where(parity > 0, upright * (0.55 + 0.45 * level), level * (0.55 + 0.45 * upright))
    tone = np.where(
        parity > 0,
        own[0].take(np.floor(across).astype(np.int64) & 63),
        own[1].take(np.floor(down).astype(np.int64) & 63),
    )
    return Layers(parity * 0.9, 0.25 * height, np.clip(tone - 0.6 * (1 - height), -0.8, 0.1))


def basket(canvas: Canvas) -> Layers:
    """Draw a basket of two or three flat strands side by side passing over as many."""
    count = int(canvas.rng.integers(2, 5))
    right, below = from_middle(canvas.across), from_middle(canvas.down)
    over = (np.floor(canvas.across) + np.floor(canvas.down)) % 2
    strand_up, strand_flat = from_middle(canvas.across * count), from_middle(canvas.down * count)
    rise_up, rise_flat = np.cos(np.pi * below), np.cos(np.pi * right)
    height = np.where(over > 0, rise_up, rise_flat) * 0.3
    strand = np.where(over > 0, strand_up, strand_flat)
    round_ = dome(strand * 2.1)
    relief = height + 0.3 / count * round_
    tone = -0.7 * (1 - round_) ** 1.5 - 0.5 * (1 - np.where(over > 0, rise_up, rise_flat)) ** 2
    tone = tone + 0.15 * (canvas.noise(6, 2) - 0.5)
    return Layers(
        over * canvas.rng.choice([0.3, 0.9]), relief.astype(np.float32), np.clip(tone, -0.85, 0.1)
    )


def wicker(canvas: Canvas) -> Layers:
    """Draw wicker: thin rods weaving before and behind uprights."""
    rng = canvas.rng
    rods = canvas.down * rng.uniform(2.5, 4.5) + 0.2 * (canvas.noise(0.8) - 0.5)
    row = np.floor(rods)
    wave = np.cos(np.pi * canvas.across + np.pi * (row % 2))
    round_ = dome(from_middle(rods) * 2.1)
    own = rng.random(64, dtype=np.float32).take(row.astype(np.int64) & 63)
    post = dome(np.minimum(np.abs(from_middle(canvas.across + _HALF)) * 6, 1))
    height = 0.3 * wave + 0.12 * round_
    post_height = 0.1 * post - 0.05 - (post <= 0)
    upright = post_height > height
    tone = np.where(upright, -0.4 * (1 - post), -0.65 * (1 - round_) ** 1.5 + 0.28 * (wave - 1))
    tone = tone + 0.25 * (own - 0.5) + 0.15 * (canvas.streaks(2, 8) - 0.5)
    return Layers(
        np.where(upright, 0.8, 0.4 * own).astype(np.float32),
        np.maximum(height, post_height).astype(np.float32),
        np.clip(tone, -0.85, 0.1).astype(np.float32),
    )


def herringbone(canvas: Canvas) -> Layers:
    """Draw twill whose slant turns from band to band."""
    rng = canvas.rng
    band = canvas.across / np.float32(rng.uniform(4, 8))
    slope = np.where(np.floor(band) % 2 > 0, 1, -1)
    place = canvas.down + slope * canvas.across
    thread = dome(from_middle(place) * 2)
    fine = triangle(canvas.across * 3)
    tone = -0.5 * (1 - thread) ** 1.5 + 0.15 * (fine - 0.5)
    return Layers(
        (np.floor(place) % 2 * 0.9).astype(np.float32), (0.22 * thread).astype(np.float32), tone
    )


def caning(canvas: Canvas) -> Layers:
    """Draw the cane seat of a chair: crossing pairs of strips that leave eight-sided holes."""
    width = np.float32(canvas.rng.uniform(0.16, 0.24))
    height = np.full_like(canvas.across, -0.3)
    tone = np.full_like(height, -0.6)
    for number, angle in enumerate((0, np.pi / 2, np.pi / 4, -np.pi / 4)):
        finer = 1.0 if number < 2 else np.sqrt(2) / 1.0
        place, _ = _turned(canvas, angle, finer)
        gap = np.abs(from_middle(place))
        for offset in (-0.13, 0.13) if number < 2 else (0.0,):
            out = np.abs(gap - np.abs(offset)) / (width * (0.45 if number < 2 else 0.6))
            inside = out < 1
            lift = 0.08 * number + 0.1 * dome(np.minimum(out, 1))
            np.copyto(height, lift.astype(np.float32), where=inside)
            np.copyto(tone, (-0.45 * out**3 - 0.1 + 0.03 * number).astype(np.float32), where=inside)
    strip = (height > -0.2).astype(np.float32)
    return Layers(0.9 * strip, height, tone)


def orb_web(canvas: Canvas) -> Layers:
    """Draw a fine bright web before a dim blurred background, hung with dew at times."""
    rng = canvas.rng
    right, below = canvas.centred(0.3)
    below = below * np.float32(rng.uniform(0.7, 1.3)) + 0.1 * (canvas.noise(0.5) - 0.5)
    distance = np.hypot(right, below) + np.float32(1e-3)
    spokes = int(rng.integers(14, 34))
    turn = np.arctan2(below, right) / TURN + _HALF
    knots = np.arange(spokes + 1) / spokes
    knots[1:-1] += rng.uniform(-0.3, 0.3, spokes - 1) / spokes
    sector = np.interp(turn, knots, np.arange(spokes + 1)).astype(np.float32)
    within = fraction(sector)
    thin = np.maximum(canvas.pixel * rng.uniform(0.5, 1.0), 0.012)
    spoke = np.minimum(within, 1 - within) * distance * TURN / spokes
    radial = np.exp(-((spoke / thin) ** 2)) * (distance > 0.15)
    pick = sector.astype(np.int64)
    shift = rng.uniform(-0.2, 0.2, spokes + 1).astype(np.float32)[pick]
    ring = distance * (1 + rng.uniform(0.1, 0.5) * within * (1 - within)) * rng.uniform(1.5, 3)
    pace = ring / distance
    gap = (_HALF - np.abs(from_middle(ring + shift))) / pace
    torn = canvas.image_noise(5) > rng.uniform(0, 0.35)
    rings = np.exp(-((gap / thin) ** 2)) * (distance > 0.4) * torn
    web = np.maximum(0.9 * radial, 0.8 * rings)
    if rng.random() < 0.4:
        bead = np.abs(from_middle(sector * 4 + ring)) * distance * TURN / spokes / 4
        dew = np.hypot(gap, bead) < thin * 2.5
        web = np.maximum(web, dew * (distance > 0.4))
    web = np.clip(web * (0.4 + 0.8 * canvas.image_noise(3)), 0, 1)
    return Layers(web, None, None, None, np.clip(web * 1.2, 0, 1))


def thread_tangle(canvas: Canvas) -> Layers:
    """Draw straight fine threads strung every way through a haze of dust."""
    rng = canvas.rng
    web = 0.45 * np.clip(2 * canvas.noise(0.4, 4) - 0.8, 0, 1)
    thin = np.maximum(canvas.pixel * 0.7, 0.012)
    for _ in range(16):
        place, along = _turned(canvas, rng.uniform(0, np.pi), 1.0)
        middle = rng.uniform(place.min(), place.max())
        sag = rng.uniform(-0.05, 0.05) * ((along - along.mean()) / canvas.span) ** 2 * canvas.span
        gap = np.abs(place - np.float32(middle) + sag.astype(np.float32) * 4)
        end = soft_step(along - rng.uniform(along.min() - canvas.span, along.mean()), 0.3)
        web = np.maximum(web, np.exp(-((gap / thin) ** 2)) * rng.uniform(0.3, 1) * end)
    return Layers(np.clip(web, 0, 1), None, None, None, np.clip(web * 1.1, 0, 1))


def dusty_web(canvas: Canvas) -> Layers:
    """Draw torn veils of old web: sheets of fine threads drawn out from corners."""
    rng = canvas.rng
    right, below = canvas.centred(0.6)
    distance = np.hypot(right, below) + np.float32(0.1)
    turn = np.arctan2(below, right)
    rays = lattice_noise(rng, turn * 20, distance * np.float32(0.35), 2)
    cross = lattice_noise(rng, turn * 3, distance * np.float32(3), 2)
    lines = np.clip(ridges(rays) * 5 - 3.9, 0, 1) + 0.7 * np.clip(ridges(cross) * 7 - 6, 0, 1)
    sheet = np.clip(1.8 * canvas.noise(0.4, 3) - 0.5, 0, 1)
    web = np.clip(lines * (0.3 + sheet) + 0.3 * sheet * rays, 0, 1)
    return Layers(web, None, None, None, web)
