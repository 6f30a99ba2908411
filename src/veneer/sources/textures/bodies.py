"""What carries a texture in a photograph: walls and floors, cloths, and objects in the round.

A `Surface` says for each pixel where on the surface it lies, which way the surface faces there
and how far off it is. Surfaces are made directly for the camera's pixels, without a mesh: every
body here is simple enough to be worked out from the pixel's place.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from veneer.sources.textures.canvas import lattice_noise, soft_step

_STEEPEST = np.float32(0.22)


@dataclass(frozen=True)
class Surface:
    """A surface as the camera sees it; every array is float32 [H, W] unless said otherwise.

    Attributes
    ----------
    right, below : np.ndarray
        Place on the surface, in sides of the image.
    stretch : np.ndarray
        How much longer one pixel is on the surface than it would be seen from the front.
    normal : np.ndarray
        Float32 [3, H, W], which way the surface faces: right, below, toward the camera.
    depth : np.ndarray
        Distance from the camera beyond the nearest point, 0 to about 1.
    cover : np.ndarray or None
        1 where the surface is and 0 where there is none; None is everywhere.
    bent : bool
        Whether the surface is anything but a plane seen nearly from the front.
    """

    right: np.ndarray
    below: np.ndarray
    stretch: np.ndarray
    normal: np.ndarray
    depth: np.ndarray
    cover: np.ndarray | None
    bent: bool


def _pixels(size: int) -> tuple[np.ndarray, np.ndarray]:
    side = np.linspace(-0.5, 0.5, size, dtype=np.float32)
    right, below = np.meshgrid(side, side)
    return right, below


def _turned(right: np.ndarray, below: np.ndarray, angle: float) -> tuple[np.ndarray, np.ndarray]:
    cosine, sine = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    return right * cosine + below * sine, below * cosine - right * sine


def _facing(slope_right: np.ndarray, slope_below: np.ndarray) -> np.ndarray:
    """Return the normals of a height field with the given slopes."""
    upright = 1 / np.sqrt(1 + slope_right**2 + slope_below**2)
    return np.stack([-slope_right * upright, -slope_below * upright, upright]).astype(np.float32)


def front(rng: np.random.Generator, size: int) -> Surface:
    """Return a plane seen from the front or leaning away a little."""
    right, below = _pixels(size)
    lean = rng.uniform(-0.28, 0.28, 2) if rng.random() < 0.5 else np.zeros(2)
    near = (1 + lean[0] * right + lean[1] * below).astype(np.float32)
    normal = np.zeros((3, size, size), np.float32)
    normal[2] = 1
    return Surface(right / near, below / near, 1 / near, normal, np.zeros_like(right), None, False)


def slant(rng: np.random.Generator, size: int) -> Surface:
    """Return a plane that runs off into the distance: a floor, a table or a long wall."""
    right, below = _pixels(size)
    bearing = rng.choice([0.0, 0.0, np.pi / 2, -np.pi / 2, rng.uniform(-np.pi, np.pi)])
    bearing += rng.normal(0, 0.15)
    aside, along = _turned(right, below, bearing)
    steep = rng.uniform(0.5, 1.45)
    near = np.maximum(1 + np.float32(steep) * along, np.float32(0.2))
    # Half way to the horizon the plane is seen at about this angle.
    tilt = np.arctan(steep)
    facing = np.array([0, -np.sin(tilt), np.cos(tilt)])
    cosine, sine = np.cos(bearing), np.sin(bearing)
    turned = [-sine * facing[1], cosine * facing[1], facing[2]]
    normal = np.empty((3, size, size), np.float32)
    for axis in range(3):
        normal[axis] = turned[axis]
    depth = np.clip((1 / near - 0.6) / 2.5, 0, 1)
    return Surface(aside / near, along / near * 1.3, 1 / near**1.5, normal, depth, None, True)


def folded(rng: np.random.Generator, size: int) -> Surface:
    """Return slack cloth that fills the view, in soft folds."""
    right, below = _pixels(size)
    height = np.zeros_like(right)
    for _ in range(int(rng.integers(2, 5))):
        angle, waves = rng.uniform(0, np.pi), rng.uniform(0.6, 2.6)
        along, aside = _turned(right, below, angle)
        bend = 0.5 * lattice_noise(rng, along * 1.5 + 7, aside * 1.5, 1)
        turn = 2 * np.pi * waves * (along + bend) + rng.uniform(0, 2 * np.pi)
        height += np.float32(rng.uniform(0.02, 0.09) / waves) * np.sin(turn)
    return _height_field(right, below, height, None)


def draped(rng: np.random.Generator, size: int) -> Surface:
    """Return cloth that hangs in folds from above, like a curtain or a skirt."""
    right, below = _pixels(size)
    waves = rng.uniform(1.5, 5)
    spread = 1 + rng.uniform(0, 0.8) * (below + 0.5)
    sway = 0.35 * lattice_noise(rng, right * 3 + 9, below * 1.2, 2)
    turn = 2 * np.pi * waves * (right / spread + sway)
    height = np.float32(rng.uniform(0.03, 0.1) / waves) * np.sin(turn)
    return _height_field(right, below, height.astype(np.float32), None)


def _height_field(
    right: np.ndarray, below: np.ndarray, height: np.ndarray, cover: np.ndarray | None
) -> Surface:
    """Return a surface of the given height over the picture, in sides of the image."""
    size = right.shape[0]
    slope_below, slope_right = np.gradient(height, np.float32(1 / size))
    normal = _facing(slope_right, slope_below)
    # Moving the texture down the slope stretches it where the surface is steep.
    shift = np.float32(0.6)
    return Surface(
        right + shift * height * slope_right,
        below + shift * height * slope_below,
        1 / np.maximum(normal[2], _STEEPEST) ** np.float32(0.7),
        normal,
        np.clip((height.max() - height) * 2, 0, 1),
        cover,
        True,
    )


def ball(rng: np.random.Generator, size: int) -> Surface:
    """Return a ball, an egg or a lens."""
    right, below, scale = _placed(rng, size, (0.55, 1.0))
    right, below = _turned(right, below, rng.uniform(0, np.pi))
    right = right * np.float32(rng.uniform(1, 1.4))
    out = np.hypot(right, below)
    within = np.minimum(out, np.float32(0.999))
    # From the middle of its front, the ball's surface runs off evenly all round.
    spread = np.arcsin(within) / np.maximum(within, np.float32(1e-4)) * scale
    toward = np.sqrt(1 - within**2)
    ratio = within / np.maximum(out, np.float32(1e-4))
    normal = np.stack([right * ratio, below * ratio, toward])
    cover = soft_step((1 - out) * scale, np.float32(1.5 / size))
    return Surface(
        right * spread,
        below * spread,
        1 / np.maximum(toward, _STEEPEST),
        normal.astype(np.float32),
        (1 - toward) * scale,
        cover,
        True,
    )


def _placed(
    rng: np.random.Generator, size: int, reach: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray, np.float32]:
    """Return coordinates about an object's middle, 1 at its edge, and half its size."""
    right, below = _pixels(size)
    half = np.float32(rng.uniform(*reach) / 2)
    play = max(0.04, 0.5 - float(half)) * 0.6
    offset = rng.uniform(-play, play, 2).astype(np.float32)
    return (right - offset[0]) / half, (below - offset[1]) / half, half


def turned_body(rng: np.random.Generator, size: int) -> Surface:
    """Return a body of revolution: a cylinder, a bottle, a vase, a cup or a cone."""
    right, below, scale = _placed(rng, size, (0.6, 1.1))
    right, below = _turned(right, below, rng.choice([0, 0, 0, np.pi / 2, rng.uniform(-0.6, 0.6)]))
    style = rng.integers(4)
    knots = np.linspace(-1.05, 1.05, 8)
    if style == 0:  # cylinder
        radii = np.full(8, rng.uniform(0.35, 0.8))
    elif style == 1:  # cone or cup
        radii = np.linspace(rng.uniform(0.3, 0.9), rng.uniform(0.3, 0.9), 8)
    elif style == 2:  # bottle
        neck = rng.uniform(0.15, 0.3)
        radii = np.interp(knots, [-1, -0.4, 0.0, 1], [neck, neck, 0.6, 0.6])
    else:  # vase
        radii = rng.uniform(0.3, 0.8, 8)
    smooth = np.convolve(np.pad(radii, 1, mode="edge"), [0.25, 0.5, 0.25], mode="valid")
    place = np.linspace(-1.05, 1.05, 64)
    profile = np.interp(place, knots, smooth)
    profile = np.convolve(np.pad(profile, 4, mode="edge"), np.ones(9) / 9, mode="valid")
    radius = np.interp(below, place, profile).astype(np.float32)
    slope = np.interp(below, place, np.gradient(profile, place)).astype(np.float32)
    across = np.clip(right / radius, -0.999, 0.999)
    toward = np.sqrt(1 - across**2)
    length = 1 / np.sqrt(1 + slope**2)
    normal = np.stack([across * length, -slope * length, toward * length])
    # The rims of a body seen a little from above are drawn out into arcs.
    bulge = np.float32(rng.uniform(-0.15, 0.15)) * toward * radius
    end = 1 - np.abs(below - bulge)
    edge = np.minimum(radius - np.abs(right), end) * scale
    return Surface(
        np.arcsin(across) * np.float32(profile.mean()) * scale,
        (below - bulge) * scale,
        1 / np.maximum(toward, _STEEPEST) ** np.float32(0.7),
        normal.astype(np.float32),
        (1 - toward) * radius * scale,
        soft_step(edge, np.float32(1.5 / size)),
        True,
    )


def box(rng: np.random.Generator, size: int) -> Surface:
    """Return a box seen from a corner, two or three of its sides in sight."""
    right, below, scale = _placed(rng, size, (0.6, 0.95))
    yaw, pitch = rng.uniform(0.25, 1.3), rng.uniform(0.1, 0.75)
    halves = rng.uniform(0.35, 0.75, 3).astype(np.float32)
    # Rows are the box's own axes as the camera sees them: right, below, toward.
    axes = np.array(
        [
            [np.cos(yaw), np.sin(pitch) * np.sin(yaw), np.cos(pitch) * np.sin(yaw)],
            [-np.sin(yaw), np.sin(pitch) * np.cos(yaw), np.cos(pitch) * np.cos(yaw)],
            [0, -np.cos(pitch), np.sin(pitch)],
        ],
        np.float32,
    )
    place = [np.zeros_like(right), np.zeros_like(right)]
    normal = np.zeros((3, size, size), np.float32)
    normal[2] = 1
    stretch, depth, cover = np.ones_like(right), np.zeros_like(right), np.zeros_like(right)
    for face in range(3):
        one, other = (face + 1) % 3, (face + 2) % 3
        # Where the line of sight through a pixel meets the plane of the side.
        toward = (halves[face] - right * axes[face, 0] - below * axes[face, 1]) / axes[face, 2]
        first = right * axes[one, 0] + below * axes[one, 1] + toward * axes[one, 2]
        second = right * axes[other, 0] + below * axes[other, 1] + toward * axes[other, 2]
        gap = np.minimum(halves[one] - np.abs(first), halves[other] - np.abs(second))
        inside = gap > 0
        if face != 2:  # keep what is upright upright on the standing sides
            first, second = (second, first) if face == 0 else (first, second)
        turn = (first * scale, second * scale)
        np.copyto(place[0], turn[0] + np.float32(face * 0.37), where=inside)
        np.copyto(place[1], turn[1], where=inside)
        for axis in range(3):
            normal[axis][inside] = axes[face, axis]
        stretch[inside] = min(1 / float(axes[face, 2]), 4.0) ** 0.7
        np.copyto(depth, np.clip((1 - toward) * scale * 0.5, 0, 1), where=inside)
        cover = np.maximum(cover, soft_step(gap * scale, np.float32(2 / size)))
    return Surface(place[0], place[1], stretch, normal, depth, cover, True)


def lump(rng: np.random.Generator, size: int) -> Surface:
    """Return a rounded lump with an irregular outline."""
    right, below, scale = _placed(rng, size, (0.65, 1.05))
    turn = np.arctan2(below, right)
    outline = np.ones_like(turn)
    for waves in range(2, 6):
        outline += np.float32(rng.normal(0, 0.22 / waves)) * np.cos(
            waves * turn + np.float32(rng.uniform(0, 6.3))
        )
    out = np.hypot(right, below) / outline
    return _inflated(right, below, 1 - out**2, scale, rng.uniform(0.3, 0.9))


def _inflated(
    right: np.ndarray, below: np.ndarray, inner: np.ndarray, scale: np.float32, thick: float
) -> Surface:
    """Return a body blown up from its outline; ``inner`` is 0 on it and rises to 1 within."""
    size = right.shape[0]
    height = np.sqrt(np.clip(inner, 0.003, 1)) * np.float32(thick) * scale
    surface = _height_field(right * scale, below * scale, height.astype(np.float32), None)
    edge = np.clip(inner, -1, 1) / 2 * scale
    return replace(surface, cover=soft_step(edge, np.float32(1.5 / size)))


# Outlines of things, in halves of their size, to the right and below of the middle.
_OUTLINES: dict[str, tuple[tuple[float, float], ...]] = {
    "shirt": (
        (-0.25, -0.9), (0.25, -0.9), (0.55, -0.8), (1.0, -0.25), (0.72, -0.05), (0.52, -0.3),
        (0.52, 0.95), (-0.52, 0.95), (-0.52, -0.3), (-0.72, -0.05), (-1.0, -0.25), (-0.55, -0.8),
    ),
    "dress": (
        (-0.2, -0.95), (-0.08, -0.8), (0.08, -0.8), (0.2, -0.95), (0.32, -0.5), (0.25, -0.15),
        (0.75, 0.95), (-0.75, 0.95), (-0.25, -0.15), (-0.32, -0.5),
    ),
    "bag": (
        (-0.75, -0.3), (-0.4, -0.3), (-0.35, -0.85), (0.35, -0.85), (0.4, -0.3), (0.75, -0.3),
        (0.9, 0.9), (-0.9, 0.9),
    ),
    "tie": (
        (-0.15, -0.95), (0.15, -0.95), (0.1, -0.7), (0.28, 0.65), (0.0, 0.95), (-0.28, 0.65),
        (-0.1, -0.7),
    ),
    "leaf": (
        (0.0, -1.0), (0.3, -0.6), (0.5, -0.1), (0.45, 0.3), (0.2, 0.65), (0.04, 0.8),
        (0.03, 1.0), (-0.03, 1.0), (-0.04, 0.8), (-0.2, 0.65), (-0.45, 0.3), (-0.5, -0.1),
        (-0.3, -0.6),
    ),
    "fish": (
        (-1.0, -0.35), (-0.6, -0.05), (-0.2, -0.35), (0.3, -0.42), (0.75, -0.2), (0.95, 0.05),
        (0.7, 0.25), (0.25, 0.4), (-0.2, 0.3), (-0.6, 0.08), (-1.0, 0.35), (-0.85, 0.0),
    ),
    "beast": (
        (-0.95, -0.5), (-0.8, -0.65), (-0.6, -0.6), (-0.5, -0.3), (0.6, -0.35), (0.75, -0.2),
        (0.95, 0.3), (0.85, 0.3), (0.72, 0.05), (0.7, 0.8), (0.55, 0.8), (0.5, 0.25),
        (-0.2, 0.28), (-0.25, 0.8), (-0.4, 0.8), (-0.45, 0.2), (-0.6, -0.15), (-0.9, -0.2),
    ),
    "shoe": (
        (-0.9, -0.5), (-0.4, -0.55), (-0.2, -0.2), (0.4, -0.05), (0.9, 0.2), (0.95, 0.45),
        (-0.9, 0.45), (-0.95, 0.0),
    ),
    "cushion": (
        (-0.95, -0.85), (0.0, -0.72), (0.95, -0.85), (0.82, 0.0), (0.95, 0.85), (0.0, 0.72),
        (-0.95, 0.85), (-0.82, 0.0),
    ),
    "mug": (
        (-0.6, -0.8), (0.5, -0.8), (0.5, -0.5), (0.85, -0.45), (0.9, 0.2), (0.48, 0.45),
        (0.44, 0.85), (-0.54, 0.85),
    ),
    "scarf": (
        (-0.5, -0.95), (0.5, -0.95), (0.6, -0.7), (0.3, -0.55), (0.4, 0.95), (0.05, 0.9),
        (0.05, -0.5), (-0.1, -0.5), (-0.2, 0.7), (-0.5, 0.7), (-0.35, -0.55), (-0.6, -0.7),
    ),
}  # fmt: skip


def thing(rng: np.random.Generator, size: int) -> Surface:
    """Return a garment, a bag, a leaf, a beast or the like, blown up from its outline."""
    names = sorted(_OUTLINES)
    outline = np.array(_OUTLINES[names[rng.integers(len(names))]])
    right, below, scale = _placed(rng, size, (0.7, 1.05))
    spread = rng.uniform(0.8, 1.25, 2)
    angle = rng.normal(0, 0.25)
    if rng.random() < 0.5:
        outline = outline * [-1, 1]
    outline = outline * spread
    turned = np.stack(_turned(outline[:, 0], outline[:, 1], angle), 1)
    fit = turned / max(1.0, float(np.abs(turned).max()))
    # Back from halves of the object to pixels.
    corner = np.array([right[0, 0], below[0, 0]])
    points = (fit - corner) * float(scale) * (size - 1)
    mask = Image.new("L", (size, size))
    ImageDraw.Draw(mask).polygon([tuple(point) for point in points.tolist()], fill=255)
    soft = mask.filter(ImageFilter.GaussianBlur(size * rng.uniform(0.02, 0.06)))
    inner = np.clip(np.asarray(soft, np.float32) / 127.5 - 1, 0, 1)
    cover = np.asarray(mask.filter(ImageFilter.GaussianBlur(size * 0.012)), np.float32) / 255
    cover = soft_step(cover - 0.5, np.float32(0.25))
    height = np.sqrt(inner + np.float32(0.01)) * np.float32(rng.uniform(0.04, 0.14)) * scale * 2
    surface = _height_field(right * scale, below * scale, height.astype(np.float32), None)
    return replace(surface, cover=cover)


def sheet(rng: np.random.Generator, size: int) -> Surface:
    """Return a sheet or slab lying alone, its corners anywhere and its face a little bent."""
    right, below, scale = _placed(rng, size, (0.75, 1.1))
    corners = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * rng.uniform(0.45, 1, 2)
    corners = corners * rng.uniform(0.75, 1.05, (4, 2))
    corners = np.stack(_turned(corners[:, 0], corners[:, 1], rng.uniform(-np.pi, np.pi)), 1)
    corners = corners / max(1.0, float(np.abs(corners).max()))
    ragged = np.float32(rng.choice([0.0, 0.05, 0.2])) * lattice_noise(rng, right * 4, below * 4, 2)
    inner = np.full_like(right, 9)
    for (x, y), (next_x, next_y) in zip(corners, np.roll(corners, -1, 0), strict=True):
        long = np.hypot(next_x - x, next_y - y)
        off = ((next_x - x) * (below - y) - (next_y - y) * (right - x)) / long
        inner = np.minimum(inner, off.astype(np.float32))
    inner = inner - ragged
    along, aside = _turned(right, below, rng.uniform(0, np.pi))
    bend = np.float32(rng.uniform(0, 0.25)) * along**2
    bend += np.float32(rng.uniform(0, 0.06)) * np.sin(aside * 4 + along)
    surface = _height_field(right * scale, below * scale, bend * scale, None)
    return replace(surface, cover=soft_step(inner * scale, np.float32(1.5 / size)))


def plate(rng: np.random.Generator, size: int) -> Surface:
    """Return a round plate, table or lid, seen aslant, its rim turned up."""
    right, below, scale = _placed(rng, size, (0.7, 1.15))
    flat = np.float32(rng.uniform(0.45, 1.0))
    out = np.hypot(right, below / flat)
    rim = np.clip((out - rng.uniform(0.65, 0.85)) * 4, 0, 1)
    lean = np.sqrt(1 - flat**2)
    slope_right, slope_below = rim * right * np.float32(0.5), rim * below * np.float32(0.5) - lean
    normal = _facing(slope_right, slope_below)
    return Surface(
        right * scale,
        below / flat * scale,
        np.full_like(right, 1 / flat**0.6),
        normal,
        np.clip(0.5 - below, 0, 1) * lean * scale,
        soft_step((1 - out) * scale, np.float32(1.5 / size)),
        True,
    )


def strip(rng: np.random.Generator, size: int) -> Surface:
    """Return a plane that covers only part of the view: the edge of a table, a wall or a cloth."""
    surface = slant(rng, size) if rng.random() < 0.4 else front(rng, size)
    right, below = _pixels(size)
    along, _ = _turned(right, below, rng.uniform(-np.pi, np.pi))
    ragged = np.float32(rng.choice([0.0, 0.06])) * lattice_noise(rng, right * 6, below * 6, 2)
    edge = along + ragged + np.float32(rng.uniform(0.1, 0.35))
    return replace(surface, cover=soft_step(edge, np.float32(1.5 / size)))


def several(rng: np.random.Generator, size: int) -> Surface:
    """Return two to five bodies of one sort, the later ones before the earlier."""
    make = (ball, lump, box, turned_body, thing)[rng.integers(5)]
    surface: Surface | None = None
    count = int(rng.integers(2, 6))
    share = rng.uniform(1.1, 1.6) / np.sqrt(count)
    # A body drawn small in a view of its own is looked up, rather than drawn again at each size.
    for _ in range(count):
        half = int(size * share * rng.uniform(0.75, 1.1))
        body = make(rng, max(half, 24))
        grown = _pasted(rng, body, size, share)
        surface = grown if surface is None else _before(grown, surface)
    return surface


def _pasted(rng: np.random.Generator, body: Surface, size: int, share: float) -> Surface:
    """Return a small view of a body set into an empty view of the full size."""
    small = body.right.shape[0]
    top, left = (int(rng.integers(-small // 5, max(size - small + small // 5, 1))) for _ in "ab")
    rows = slice(max(top, 0), min(top + small, size))
    columns = slice(max(left, 0), min(left + small, size))
    part = (
        slice(rows.start - top, rows.stop - top),
        slice(columns.start - left, columns.stop - left),
    )

    def set_in(values: np.ndarray, empty: float) -> np.ndarray:
        whole = np.full((size, size), empty, np.float32)
        whole[rows, columns] = values[part]
        return whole

    ratio = small / size
    shift = rng.uniform(0, 4, 2)
    return Surface(
        set_in(body.right * np.float32(ratio) + np.float32(shift[0]), 0),
        set_in(body.below * np.float32(ratio) + np.float32(shift[1]), 0),
        set_in(body.stretch, 1),
        np.stack([set_in(axis, value) for axis, value in zip(body.normal, (0, 0, 1), strict=True)]),
        set_in(body.depth, 1),
        set_in(body.cover, 0),
        True,
    )


def _before(near: Surface, far: Surface) -> Surface:
    """Return two surfaces as one, the first hiding the second."""
    hides = near.cover > 0.5
    return Surface(
        np.where(hides, near.right, far.right),
        np.where(hides, near.below, far.below),
        np.where(hides, near.stretch, far.stretch),
        np.where(hides, near.normal, far.normal),
        np.where(hides, near.depth, np.minimum(far.depth + np.float32(0.15), 1)),
        np.maximum(near.cover, far.cover),
        True,
    )


# How often each is the carrier of a texture. Half of all pictures are filled with the texture.
BODIES: dict[Callable[[np.random.Generator, int], Surface], float] = {
    front: 0.41,
    slant: 0.12,
    folded: 0.09,
    draped: 0.04,
    strip: 0.04,
    ball: 0.06,
    turned_body: 0.08,
    box: 0.03,
    lump: 0.04,
    thing: 0.07,
    plate: 0.02,
    several: 0.03,
}
SPREAD_BODIES: dict[Callable[[np.random.Generator, int], Surface], float] = {
    front: 0.6,
    slant: 0.28,
    strip: 0.08,
    folded: 0.04,
}
