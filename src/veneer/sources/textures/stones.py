"""Textures of the ground and of growth: cracks, crystals, veins, layers, combs and bands of rock.

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
    scattered_cells,
    soft_step,
    steps,
    triangle,
)
from veneer.sources.textures.patterns import TURN, Layers
from veneer.sources.textures.spots import grain, scatter

_HALF = np.float32(0.5)


def dried_mud(canvas: Canvas) -> Layers:
    """Draw thick plates of dried mud with deep wide cracks, their edges curled up."""
    rng = canvas.rng
    across = canvas.across + 0.5 * (canvas.noise(1.2, 3) - _HALF)
    down = canvas.down + 0.5 * (canvas.noise(1.2, 3) - _HALF)
    plates = scattered_cells(rng, across, down, 0.4)
    width = rng.uniform(0.05, 0.1)
    cracks = soft_step(width - plates.border, canvas.pixel * 1.5)
    curl = np.exp(-np.clip(plates.border - width, 0, 1) / 0.1)
    relief = 0.16 * curl * (1 - cracks) - 0.4 * cracks + 0.06 * canvas.noise(3, 3)
    tone = 0.25 * (plates.random(rng) - 0.5) - 0.55 * cracks + 0.15 * (canvas.noise(4, 2) - 0.5)
    return Layers(cracks, relief, tone)


def struck_glass(canvas: Canvas) -> Layers:
    """Draw glass broken by a blow: rays from a point and broken rings around it."""
    rng = canvas.rng
    right, below = canvas.centred(0.25)
    distance = np.hypot(right, below) + np.float32(1e-3)
    turn = np.arctan2(below, right) / TURN + _HALF
    blend = np.zeros_like(distance)
    for rays, strength, start in ((int(rng.integers(9, 16)), 1.0, 0.0), (29, 0.7, 0.8)):
        knots = np.arange(rays + 1) / rays
        knots[1:-1] += rng.uniform(-0.4, 0.4, rays - 1) / rays
        bent = turn + 0.012 * (canvas.noise(1.5, 2) - 0.5)
        sector = np.interp(bent, knots, np.arange(rays + 1)).astype(np.float32)
        gap = (_HALF - np.abs(from_middle(sector))) * distance * TURN / rays
        line = np.exp(-((gap / np.maximum(0.02, canvas.pixel)) ** 2)) * (distance > start)
        reach = rng.uniform(0.25, 1.0, rays + 2)[sector.astype(np.int64)] * canvas.span
        blend = np.maximum(blend, strength * line * (distance < reach))
        # Rings are chords from ray to ray, and many are missing.
        chord = distance * np.cos(from_middle(sector) * TURN / rays)
        shift = rng.random(rays + 2)[sector.astype(np.int64)].astype(np.float32)
        ring = np.abs(from_middle(np.log(chord + 0.05) * 1.6 + shift))
        there = rng.random((rays + 2, 16))[
            sector.astype(np.int64),
            (np.floor(np.log(chord + 0.05) * 1.6 + shift).astype(np.int64) & 15),
        ]
        ring_line = np.exp(-((ring * chord / 1.6 / np.maximum(0.02, canvas.pixel)) ** 2))
        blend = np.maximum(blend, 0.8 * strength * ring_line * (there < 0.4))
    blend = np.maximum(blend, np.exp(-((distance / 0.18) ** 2)))
    pane = scattered_cells(rng, right * 0.6, below * 0.6, 0.45).random(rng)
    return Layers(np.clip(blend, 0, 1), tone=0.25 * (pane - 0.6) * (1 - blend))


def crazed_glaze(canvas: Canvas) -> Layers:
    """Draw the fine net of cracks in an old glaze or painting."""
    rng = canvas.rng
    blend = np.zeros_like(canvas.across)
    across = canvas.across + 0.2 * canvas.noise(1.5, 2)
    down = canvas.down + 0.2 * canvas.noise(1.5, 2)
    for finer, strength in ((0.6, 1.0), (1.3, 0.75), (2.6, 0.4)):
        cells = scattered_cells(rng, across * np.float32(finer), down * np.float32(finer), 0.48)
        thin = np.maximum(0.018 * finer, canvas.pixel * finer * 0.6)
        blend = np.maximum(blend, strength * np.exp(-((cells.border / thin) ** 2)))
    stain = 0.25 * canvas.noise(0.4, 3)
    return Layers(np.clip(blend + stain * 0.3, 0, 1), -0.04 * blend, 0.12 * (stain - 0.12))


def peeling_paint(canvas: Canvas) -> Layers:
    """Draw cracked paint with flakes lost, another colour under it."""
    rng = canvas.rng
    across = canvas.across + 0.5 * (canvas.noise(1.4, 3) - _HALF)
    down = canvas.down * np.float32(rng.uniform(0.4, 1)) + 0.5 * (canvas.noise(1.4, 3) - _HALF)
    flakes = scattered_cells(rng, across, down, 0.45)
    gone = (canvas.noise(0.4, 3) + 0.35 * flakes.random(rng)) > rng.uniform(0.72, 0.95)
    cracks = soft_step(0.035 - flakes.border, canvas.pixel * 1.5)
    bare = np.maximum(gone, cracks).astype(np.float32)
    curl = np.exp(-flakes.border / 0.12) * (1 - bare)
    relief = 0.12 * (1 - bare) + 0.16 * curl + 0.04 * canvas.noise(5, 2) * bare
    tone = -0.5 * cracks * (1 - gone) + 0.2 * (canvas.noise(2, 3) - 0.5)
    return Layers(bare * (0.7 + 0.3 * canvas.noise(3, 2)), relief, tone)


def road_cracks(canvas: Canvas) -> Layers:
    """Draw a few long wandering cracks with side branches in a fine-grained ground."""
    rng = canvas.rng
    blend = np.zeros_like(canvas.across)
    for cells, strength in ((0.28, 1.0), (0.55, 0.8), (1.0, 0.6)):
        noise = canvas.noise(cells, 4) + 0.02 * canvas.noise(4, 2)
        width = np.float32(rng.uniform(0.006, 0.016)) * (0.4 + 1.2 * canvas.noise(0.6, 2))
        line = soft_step(width - np.abs(noise - rng.uniform(0.42, 0.58)), 0.008)
        keep = canvas.noise(0.35) > (0.25 if cells < 0.5 else 0.5)
        blend = np.maximum(blend, strength * line * keep)
    speckle = canvas.image_noise(canvas.across.shape[0] / 1.6)
    relief = -0.12 * blend + 0.004 * speckle
    return Layers(blend, relief, 0.3 * (speckle - 0.5) + 0.2 * (canvas.noise(0.4, 3) - 0.5))


def ground_cracks(canvas: Canvas) -> Layers:
    """Draw bare ground that cracks part into plates, and finer ones into smaller plates."""
    rng = canvas.rng
    across = canvas.across + 0.4 * (canvas.noise(1.2, 4) - _HALF)
    down = canvas.down + 0.4 * (canvas.noise(1.2, 4) - _HALF)
    blend = np.zeros_like(across)
    for finer, width, strength in ((0.5, 0.028, 1.0), (1.1, 0.03, 0.85), (2.4, 0.035, 0.6)):
        cells = scattered_cells(rng, across * np.float32(finer), down * np.float32(finer), 0.48)
        open_here = width * (0.2 + 1.5 * canvas.noise(0.8, 2))
        line = soft_step(open_here - cells.border, canvas.pixel * np.float32(1.2 * finer))
        keep = 1 if finer < 1 else canvas.noise(0.4) > rng.uniform(0.2, 0.6)
        blend = np.maximum(blend, strength * line * keep)
    speckle = canvas.image_noise(canvas.across.shape[0] / rng.uniform(1.5, 3))
    relief = -0.18 * blend + 0.05 * canvas.noise(4, 3)
    tone = 0.35 * (speckle - 0.5) + 0.2 * (canvas.noise(0.7, 3) - 0.5) - 0.3 * blend
    return Layers(blend.astype(np.float32), relief, tone.astype(np.float32))


def shards(canvas: Canvas) -> Layers:
    """Draw long crystal blades that cross each other, each with a bright and a dark face."""
    rng = canvas.rng
    blend = 0.3 * canvas.noise(0.8, 3)
    tone, relief = np.full_like(blend, -0.5), np.zeros_like(blend)
    for number in range(7):
        turn = rng.uniform(0, np.pi)
        finer = np.float32(rng.uniform(1.0, 2.6))
        cosine, sine = np.float32(np.cos(turn)) * finer, np.float32(np.sin(turn)) * finer
        lane = canvas.across * cosine + canvas.down * sine + np.float32(0.4) * canvas.noise(0.3)
        along = (canvas.down * cosine - canvas.across * sine) * np.float32(0.35)
        pick = np.floor(lane).astype(np.int64) & 63
        own = rng.random((4, 64), dtype=np.float32)
        reach = np.abs(from_middle(along + own[0].take(pick))) * 2
        aside = from_middle(lane)
        width = np.minimum(0.48, (0.85 - reach) * 1.6) * (0.35 + 0.65 * own[1].take(pick))
        inside = (np.abs(aside) < width) & (own[2].take(pick) < 0.7)
        face = np.where(aside > width * (own[3].take(pick) - 0.5), 0.9, 0.2)
        level = np.clip(face + 0.35 * (own[0].take(pick) - 0.5) - 0.3 * reach, 0, 1)
        rim = np.exp(-(width - np.abs(aside)) / 0.03)
        np.copyto(blend, np.clip(level + 0.5 * rim, 0, 1), where=inside)
        np.copyto(tone, 0.6 * level - 0.45 + 0.04 * number, where=inside)
        np.copyto(relief, (width - np.abs(aside)) * 0.7 / finer + 0.05 * number, where=inside)
    return Layers(blend, relief, np.clip(tone, -0.6, 0.3))


def clear_crystals(canvas: Canvas) -> Layers:
    """Draw a mass of clear crystals, lit through: faces at all angles, some bright, no outlines."""
    rng = canvas.rng
    sway = 0.2 * (canvas.noise(0.7, 2) - _HALF)
    level, shine = np.zeros_like(sway), np.zeros_like(sway)
    for finer, share in ((0.45, 1.0), (1.0, 0.8), (2.2, 0.45)):
        turn, stretch = rng.uniform(0, np.pi), np.float32(rng.uniform(1.1, 2.6))
        cosine, sine = np.float32(np.cos(turn) * finer), np.float32(np.sin(turn) * finer)
        cells = scattered_cells(
            rng,
            canvas.across * cosine + canvas.down * sine + sway,
            (canvas.down * cosine - canvas.across * sine) * stretch - sway,
            0.49,
        )
        lean_right, lean_below = cells.random(rng) - _HALF, cells.random(rng) - _HALF
        facing = cells.right * lean_right + cells.below * lean_below
        level += np.float32(share) * (cells.random(rng) - _HALF + 1.4 * facing)
        bright = (cells.random(rng) > 0.87) * np.clip(0.8 + 2 * facing, 0, 1)
        shine = np.maximum(shine, np.float32(share) * bright)
    level = (level - level.min()) / max(float(np.ptp(level)), 1e-6)
    mist = canvas.noise(0.5, 3)
    depth = np.float32(rng.uniform(0.5, 1.3))
    blend = np.clip(1.3 * level - 0.25 + 0.5 * shine + 0.3 * (mist - 0.5), 0, 1)
    tone = depth * (level - 0.55) + 0.3 * (mist - 0.5) + 0.25 * shine
    return Layers(blend.astype(np.float32), tone=np.clip(tone, -0.7, 0.4).astype(np.float32))


def quartz(canvas: Canvas) -> Layers:
    """Draw a bed of crystal points that stand close together, all faces flat and bright or dark."""
    rng = canvas.rng
    blend = np.full_like(canvas.across, 0.1)
    tone, relief = np.full_like(blend, -0.5), np.zeros_like(blend)
    main = rng.uniform(0, 2 * np.pi)
    for number, finer in enumerate((1.7, 1.4, 1.2, 1.0, 0.85)):
        spots = scatter(canvas, finer, (0.42, 0.5), 0.95)
        lean = np.float32(main) + 2.2 * (spots.random(rng) - _HALF)
        along = (spots.cells.right * np.cos(lean) + spots.cells.below * np.sin(lean)) * 2
        aside = (spots.cells.below * np.cos(lean) - spots.cells.right * np.sin(lean)) * 2
        breadth = 0.3 + 0.35 * spots.random(rng)
        tip = np.minimum((0.95 - along) * 0.9, breadth)
        inside = (np.abs(aside) < tip) & (along > -0.95) & (spots.outward < 9)
        ridge = breadth * (spots.random(rng) - _HALF) * 0.8
        side = aside > ridge
        pointed = (0.95 - along) * 0.9 < breadth * 1.15
        level = fraction(side * 0.43 + pointed * 0.27 + spots.random(rng))
        level = level * (0.55 + 0.45 * np.clip(along + 0.6, 0, 1))
        line = np.exp(-np.abs(aside - ridge) / 0.03) + np.exp(-(tip - np.abs(aside)) / 0.03)
        np.copyto(blend, np.clip(level + 0.35 * line, 0, 1).astype(np.float32), where=inside)
        shaded = 0.7 * level - 0.5 + 0.05 * number - 0.25 * (along < -0.4)
        np.copyto(tone, shaded.astype(np.float32), where=inside)
        height = 0.5 * tip - 0.35 * np.abs(aside - ridge) + 0.3 * along + 0.08 * number
        np.copyto(relief, height.astype(np.float32), where=inside)
    return Layers(blend, 0.35 * relief, np.clip(tone, -0.7, 0.3))


def frost(canvas: Canvas) -> Layers:
    """Draw feathers of frost: stems with side branches that themselves branch."""
    rng = canvas.rng
    blend = 0.15 * canvas.noise(0.8, 3)
    for finer in (0.45, 0.7, 1.1):
        cells = scattered_cells(
            rng,
            canvas.across * np.float32(finer) + 0.2 * canvas.noise(0.5),
            canvas.down * np.float32(finer),
            0.48,
        )
        turn = cells.random(rng) * TURN
        along = cells.right * np.cos(turn) + cells.below * np.sin(turn)
        aside = np.abs(cells.below * np.cos(turn) - cells.right * np.sin(turn))
        stem = np.exp(-aside / 0.02)
        barbs = triangle((along - aside * 0.8) * 9)
        fine = triangle((along + aside * 1.3) * 26)
        feather = np.clip(1 - aside / (0.42 * np.clip(0.75 - along, 0.05, 1)), 0, 1)
        shape = feather * np.clip(1.6 * barbs - 0.6 + 0.5 * fine * barbs, 0, 1)
        blend = np.maximum(blend, np.clip(stem * 0.9 + shape, 0, 1) * rng.uniform(0.6, 1))
    return Layers(np.clip(blend, 0, 1), 0.06 * blend, 0.2 * (canvas.image_noise(3) - 0.7))


def grains(canvas: Canvas) -> Layers:
    """Draw loose grains of sugar or salt: tiny clear cubes, some flashing, some dark."""
    rng = canvas.rng
    cells = scattered_cells(rng, canvas.across, canvas.down, 0.45)
    small = scattered_cells(rng, canvas.across * 1.7 + 3, canvas.down * 1.7, 0.45)
    lean = cells.right * (cells.random(rng) - 0.5) + cells.below * (cells.random(rng) - 0.5)
    level = 0.55 * cells.random(rng) + 1.4 * lean + 0.45 * small.random(rng)
    flash = small.random(rng) > 0.88
    edge = np.exp(-cells.border / 0.04)
    blend = np.clip(0.2 + 0.9 * level - 0.3 * edge + 0.6 * flash, 0, 1)
    relief = 0.4 * np.sqrt(np.clip(cells.border * 2, 0, 1)) + 0.3 * lean
    return Layers(blend, relief, np.clip(0.6 * (level - 0.6), -0.5, 0.15) - 0.2 * edge)


def snowflakes(canvas: Canvas) -> Layers:
    """Draw six-armed snow crystals, scattered, each with branches of its own."""
    rng = canvas.rng
    blend = np.zeros_like(canvas.across)
    for finer, share in ((0.5, 0.9), (0.9, 0.6), (1.8, 0.5)):
        spots = scatter(canvas, finer, (0.36, 0.48), share)
        turn = np.arctan2(spots.cells.below, spots.cells.right) / TURN * 6
        swing = np.abs(from_middle(turn + spots.random(rng))) * TURN / 6
        out = np.minimum(spots.outward, 2)
        along, aside = out * np.cos(swing), out * np.sin(swing)
        thin = canvas.pixel * np.float32(finer) / spots.radius + 0.025
        arm = np.exp(-((aside / thin) ** 2))
        count = np.round(3 + 4 * spots.random(rng))
        side = np.abs(from_middle((along - aside * 0.6) * count)) / count
        branch = np.exp(-((side / thin) ** 2)) * (aside < 0.35 * (1.05 - along))
        plate = np.exp(-(((along - 0.2 * spots.random(rng) - 0.1) / thin) ** 2))
        blend = np.maximum(blend, np.maximum(np.maximum(arm, branch), plate) * (along < 1))
    return Layers(np.clip(blend, 0, 1), 0.05 * blend, -0.3 * canvas.image_noise(3) * (1 - blend))


def wax_comb(canvas: Canvas) -> Layers:
    """Draw real honeycomb: wavering cells, some full, some capped, some empty and dark."""
    rng = canvas.rng
    sway = 0.5 * (canvas.noise(0.5, 2) - _HALF)
    cells = hexagonal_cells(canvas.across + sway, canvas.down - sway)
    wall = np.float32(rng.uniform(0.04, 0.1))
    border = cells.border + 0.02 * (canvas.noise(3) - _HALF)
    walls = soft_step(wall - border, canvas.pixel * 1.5)
    fill = cells.random(rng) + 0.8 * (canvas.noise(0.3, 2) - 0.5)
    capped, full = fill > 0.85, fill > 0.45
    hollow = np.clip((border - wall) / np.float32(0.12), 0, 1)
    depth = np.where(capped, -0.1, np.where(full, 0.25, 0.55)).astype(np.float32)
    relief = -depth * np.sqrt(hollow) + 0.06 * walls + 0.05 * canvas.noise(4, 2) * capped
    tone = np.where(capped, 0.0, np.where(full, -0.15, -0.6)) * hollow
    glint = np.exp(-((np.hypot(cells.right + 0.12, cells.below + 0.14) / 0.07) ** 2))
    tone = tone + 0.5 * glint * (full & ~capped)
    blend = np.maximum(walls, np.where(capped, 0.75, np.where(full, 0.3, 0.0)) * hollow)
    return Layers(blend.astype(np.float32), relief, np.clip(tone, -0.8, 0.4).astype(np.float32))


def open_comb(canvas: Canvas) -> Layers:
    """Draw thin six-sided walls seen at a slant, with deep cells between."""
    cells = hexagonal_cells(canvas.across, canvas.down)
    rng = canvas.rng
    wall = np.float32(rng.uniform(0.03, 0.07))
    walls = soft_step(wall - cells.border, canvas.pixel)
    # The far walls of a deep cell show on one side, in light, and the bottom lies off the middle.
    lean = rng.uniform(-0.3, 0.3, 2).astype(np.float32)
    side = np.clip(1 - np.hypot(cells.right - lean[0], cells.below - lean[1]) * 2.4, 0, 1)
    facing = cells.right * lean[0] + cells.below * lean[1]
    tone = (1 - walls) * (-0.7 * side - 0.15 + 2.2 * facing)
    return Layers(walls * 0.9, 0.15 * walls, np.clip(tone, -0.8, 0.1).astype(np.float32))


def hexagon_tiles(canvas: Canvas) -> Layers:
    """Draw flat six-sided tiles, each in its own shade, with narrow gaps."""
    cells = hexagonal_cells(canvas.across, canvas.down)
    gap = soft_step(np.float32(canvas.rng.uniform(0.02, 0.06)) - cells.border, canvas.pixel)
    pick = cells.random(canvas.rng)
    relief = 0.12 * np.clip(cells.border * 10, 0, 1)
    accent = (pick < 0.25) * (1 - gap) if canvas.chance(0.5) else None
    return Layers(np.maximum(gap, 0.15 * pick), relief, 0.4 * (pick - 0.6) * (1 - gap), accent)


def leaf_net(canvas: Canvas) -> Layers:
    """Draw the net of a leaf by transmitted light: large veins part into ever finer ones."""
    rng = canvas.rng
    sway = 0.5 * (canvas.noise(0.6, 2) - _HALF)
    blend = np.zeros_like(sway)
    for finer, strength, width in ((0.5, 1.0, 0.035), (1.3, 0.8, 0.05), (3.2, 0.45, 0.08)):
        cells = scattered_cells(
            rng, (canvas.across + sway) * np.float32(finer), canvas.down * np.float32(finer), 0.48
        )
        thin = np.maximum(width, canvas.pixel * np.float32(finer))
        blend = np.maximum(blend, strength * np.exp(-((cells.border / thin) ** 2)))
    return Layers(blend, -0.12 * blend, 0.25 * (canvas.noise(0.5, 3) - 0.5))


def stone_veins(canvas: Canvas) -> Layers:
    """Draw branching bright veins through stone."""
    rng = canvas.rng
    blend = 0.15 * canvas.noise(0.6, 4)
    for cells, width, strength in ((0.3, 0.02, 1.0), (0.6, 0.014, 0.9), (1.2, 0.012, 0.6)):
        noise = canvas.noise(cells, 4)
        line = np.exp(-(((noise - rng.uniform(0.42, 0.58)) / width) ** 2))
        halo = np.exp(-np.abs(noise - 0.5) / (width * 4)) * 0.2
        blend = np.maximum(blend, strength * np.maximum(line, halo) * (canvas.noise(0.4) + 0.25))
    return Layers(np.clip(blend, 0, 1), tone=0.25 * (canvas.noise(1, 4) - 0.5))


def blood_vessels(canvas: Canvas) -> Layers:
    """Draw raised forking veins under skin, soft at the edges."""
    rng = canvas.rng
    blend, relief = np.zeros_like(canvas.across), np.zeros_like(canvas.across)
    for along, strength in ((0.2, 1.0), (0.4, 0.7), (0.8, 0.45)):
        noise = canvas.streaks(along * 2, along, 2)
        band = np.abs(noise - rng.uniform(0.4, 0.6)) / np.float32(rng.uniform(0.03, 0.06))
        vein = np.exp(-(band**2))
        blend = np.maximum(blend, strength * vein)
        relief = np.maximum(relief, 0.3 * strength * dome(np.minimum(band * 0.6, 1)))
    pores = 0.03 * canvas.noise(8, 2)
    return Layers(0.8 * blend, relief + pores, 0.1 * (canvas.noise(0.5, 2) - 0.5))


def insect_wing(canvas: Canvas) -> Layers:
    """Draw the clear cells and dark veins of a wing, long near the root and small at the rim."""
    rng = canvas.rng
    cells = scattered_cells(
        rng, canvas.across * np.float32(rng.uniform(0.4, 0.7)), canvas.down * 1.3, 0.45
    )
    ribs = np.abs(from_middle(canvas.down * 0.35 + 0.4 * canvas.noise(0.2))) / 0.35
    veins = np.exp(-((cells.border / 0.06) ** 2))
    veins = np.maximum(veins, np.exp(-((ribs / 0.08) ** 2)))
    sheen = cells.random(rng)
    return Layers(np.clip(veins, 0, 1), 0.1 * veins, 0.35 * (sheen - 0.6) * (1 - veins))


def cliff(canvas: Canvas) -> Layers:
    """Draw a rock face of ledges: hard layers that jut out and shade the soft ones below."""
    rng = canvas.rng
    place = canvas.down + 0.4 * (canvas.streaks(0.15, 0.4, 2) - 0.5) + 0.15 * canvas.noise(1.5, 3)
    place = place - place.min() + 1
    edges = np.cumsum(rng.uniform(0.08, 0.7, int(place.max() * 4) + 8)) - 0.5
    hard = rng.random(len(edges) + 1)
    ledge = steps(place, edges, hard, 0.05)
    colour = steps(place, edges, rng.beta(0.7, 0.7, len(hard)), 0.06)
    joints = np.exp(-((np.abs(canvas.streaks(0.9, 0.25, 2) - 0.5) / 0.02) ** 2))
    rough = canvas.noise(2.5, 4)
    relief = 0.3 * ledge + 0.25 * rough - 0.12 * joints
    under = np.clip(steps(place - 0.08, edges, hard, 0.1) - ledge, 0, 1)
    tone = -0.55 * under - 0.3 * joints + 0.4 * (rough - 0.5)
    return Layers(colour, relief, np.clip(tone, -0.8, 0.2))


def thin_layers(canvas: Canvas) -> Layers:
    """Draw many thin straight layers broken off raggedly, as in slate or a stack of paper."""
    rng = canvas.rng
    place = canvas.down * 2.5 + 0.5 * (canvas.streaks(0.3, 0.3, 2) - 0.5)
    rows = np.floor(place).astype(np.int64) & 63
    own = rng.random((3, 64), dtype=np.float32)
    within = fraction(place)
    ragged = canvas.streaks(1.2, 2.5, 2)
    proud = 0.5 * own[0].take(rows) + 0.5 * ragged
    gap = np.exp(-within / np.float32(0.12)) * (0.4 + 0.6 * own[1].take(rows))
    relief = 0.25 * proud - 0.2 * gap
    tone = -0.6 * gap + 0.3 * (proud - 0.5) + 0.12 * (canvas.streaks(8, 12) - 0.5)
    return Layers(own[2].take(rows) * 0.8, relief, np.clip(tone, -0.8, 0.2))


def faulted(canvas: Canvas) -> Layers:
    """Draw layered sediment in soft colours that a fault or a wave has shifted."""
    rng = canvas.rng
    shift = 1.2 * np.sin(canvas.across * np.float32(rng.uniform(0.3, 0.9)) + rng.uniform(0, 6))
    break_at = soft_step(canvas.streaks(0.12, 0.12) - 0.5, 0.02)
    place = canvas.down + shift * rng.uniform(0.1, 0.5) + rng.uniform(0, 0.8) * break_at
    place = (place + 0.1 * canvas.noise(2, 3)).astype(np.float32)
    place = place - place.min() + 1
    edges = np.cumsum(rng.uniform(0.06, 0.8, int(place.max() * 4) + 8)) - 0.5
    levels = rng.random(len(edges) + 1)
    accent = 0.8 * steps(place, edges, (rng.random(len(levels)) < 0.2) * 1.0, 0.08)
    rough = canvas.noise(3, 4)
    return Layers(steps(place, edges, levels, 0.08), 0.15 * rough, 0.35 * (rough - 0.5), accent)


def agate(canvas: Canvas) -> Layers:
    """Draw the nested bands of a cut agate, which follow the outline of a hollow."""
    rng = canvas.rng
    right, below = canvas.centred(0.3)
    stretch = np.float32(rng.uniform(0.5, 1.0))
    distance = np.hypot(right * stretch, below) + 1.6 * (canvas.noise(0.3, 2) - 0.5)
    distance = distance + 0.12 * canvas.noise(1.6, 2)
    place = (distance - distance.min() + 1).astype(np.float32)
    edges = np.cumsum(rng.uniform(0.05, 0.6, int(place.max() * 4) + 8))
    levels = rng.uniform(0, 1, len(edges) + 1)
    levels[::2] = rng.uniform(0.6, 1.0, len(levels[::2]))
    ramp = float(rng.choice([0.03, 0.1]))
    accent = 0.9 * steps(place, edges, (rng.random(len(levels)) < 0.25) * 1.0, ramp)
    fine = 0.2 * (triangle(place * 9) - 0.5)
    return Layers(steps(place, edges, levels, ramp), tone=fine, accent=accent)


def rock_bands(canvas: Canvas) -> Layers:
    """Draw broad soft bands through smooth stone or sand, fading into each other."""
    rng = canvas.rng
    bend = rng.uniform(0.2, 1.0) * (canvas.noise(0.2, 3) - 0.5)
    place = canvas.down + bend.astype(np.float32)
    place = place - place.min() + 1
    edges = np.cumsum(rng.uniform(0.2, 1.0, int(place.max() * 3) + 8)) - 0.5
    levels = rng.random(len(edges) + 1)
    levels[::2] = rng.uniform(0.0, 0.3, len(levels[::2]))
    accent = 0.8 * steps(place, edges, (rng.random(len(levels)) < 0.2) * 1.0, 0.3)
    streaks = canvas.streaks(0.4, 6, 2)
    tone = 0.18 * (streaks - 0.5) + grain(canvas, 0.1)
    return Layers(steps(place, edges, levels, 0.25), 0.05 * canvas.noise(3, 3), tone, accent)
