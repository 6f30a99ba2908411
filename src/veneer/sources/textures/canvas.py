"""The plane a texture is drawn on, and the waves, noise and cells all patterns are made of.

Arrays are float32 of shape [H, W] unless said otherwise. Lengths are in *pattern units*: one unit
is one repeat of the pattern (one stripe, one stitch, one scale). ``Canvas.pixel`` says how long
one pixel is in those units, so that an edge can be softened over just one pixel wherever it lies:
that is what keeps every pattern free of jagged edges without drawing it larger first.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

# Cells of an endless lattice share random numbers on a torus of this many cells a side. It is
# more cells than any kind shows across one image, so no repeat is ever seen. A power of two.
TORUS = 64
HEXAGON_ROW = np.float32(np.sqrt(3.0))


@dataclass(frozen=True)
class Canvas:
    """Coordinates of every pixel in the plane of the pattern, with the image's random generator.

    Attributes
    ----------
    across, down : np.ndarray
        Float32 [H, W], the place of each pixel in pattern units.
    pixel : np.ndarray
        Float32 [H, W], the length of one pixel in pattern units.
    span : float
        Pattern units across the whole image.
    rng : np.random.Generator
        The one source of chance for this image.
    bent : bool
        Whether the plane is seen bent or far aslant, so that noise too must follow it. On a
        plane seen from the front, noise of the image itself does as well and is cheaper.
    """

    across: np.ndarray
    down: np.ndarray
    pixel: np.ndarray
    span: float
    rng: np.random.Generator
    bent: bool = False

    def chance(self, probability: float) -> bool:
        """Return True with the given probability."""
        return bool(self.rng.random() < probability)

    def centred(self, reach: float) -> tuple[np.ndarray, np.ndarray]:
        """Return coordinates about a point at most ``reach`` of the span off the middle."""
        size = self.across.shape[0]
        offset = self.rng.uniform(-reach, reach, 2) * self.span
        middle = size // 2
        return (
            self.across - self.across[middle, middle] - np.float32(offset[0]),
            self.down - self.down[middle, middle] - np.float32(offset[1]),
        )

    def noise(self, cells: float, octaves: int = 1) -> np.ndarray:
        """Return smooth noise in [0, 1] with ``cells`` blobs to a pattern unit.

        Each further octave has blobs of half the size and half the strength.
        """
        if self.bent:
            return self.streaks(cells, cells, octaves)
        return self._noise(cells * self.span, octaves)

    def streaks(self, across: float, down: float, octaves: int = 1) -> np.ndarray:
        """Return smooth noise in [0, 1] with its own numbers of blobs to a unit either way."""
        return lattice_noise(
            self.rng, self.across * np.float32(across), self.down * np.float32(down), octaves
        )

    def image_noise(self, cells: float, octaves: int = 1) -> np.ndarray:
        """Return smooth noise in [0, 1] with ``cells`` blobs across the image, at any scale."""
        return self._noise(cells, octaves)

    def _noise(self, cells_across: float, octaves: int) -> np.ndarray:
        size = self.across.shape[0]
        total = np.zeros((size, size), np.float32)
        for octave in range(octaves):
            cells = int(np.clip(round(cells_across * 2**octave), 2, size))
            lattice = Image.fromarray(self.rng.random((cells, cells), dtype=np.float32))
            smooth = lattice.resize((size, size), Image.Resampling.BICUBIC)
            total += np.asarray(smooth) * np.float32(0.5**octave)
        total -= total.min()
        return total / max(float(total.max()), 1e-6)


def lattice_noise(
    rng: np.random.Generator, across: np.ndarray, down: np.ndarray, octaves: int = 1
) -> np.ndarray:
    """Return smooth noise in [0, 1] at any places, with about one blob to a unit.

    The noise is drawn once on a tile and then looked up, so that it follows whatever bends the
    coordinates. It repeats after 64 units at the latest, with three octaves after 32, with four
    after 16.

    Parameters
    ----------
    rng : np.random.Generator
        The source of chance.
    across, down : np.ndarray
        Float32 [H, W].
    octaves : int
        At most 5. Each further one has blobs of half the size and half the strength.
    """
    side, margin = 256, 2
    # A close view needs a tile with few blobs, each of many pixels; a far one must not repeat.
    reach = max(float(np.ptp(across)), float(np.ptp(down)))
    cells = next((count for count in (8, 16, 32) if reach < 0.8 * count), 64)
    cells = min(cells, side >> octaves)
    tile = np.zeros((side, side), np.float32)
    for octave in range(octaves):
        count = cells << octave
        # Numbers from the far side go around the edges, or the tile would show its seams.
        lattice = np.pad(rng.random((count, count), dtype=np.float32), margin, mode="wrap")
        box = (margin, margin, count + margin, count + margin)
        smooth = Image.fromarray(lattice).resize((side, side), Image.Resampling.BICUBIC, box)
        tile += np.asarray(smooth) * np.float32(0.5**octave)
    tile -= tile.min()
    numbers = (tile / max(float(tile.max()), 1e-6)).ravel()

    scale, mask = np.float32(side / cells), side - 1
    right, below = across * scale, down * scale
    column, row = np.floor(right), np.floor(below)
    right, below = right - column, below - row
    left = column.astype(np.int32) & mask
    after = (left + 1) & mask
    top = (row.astype(np.int32) & mask) * side
    bottom = (top + side) & (side * side - 1)
    upper = numbers.take(top + left)
    upper += (numbers.take(top + after) - upper) * right
    lower = numbers.take(bottom + left)
    lower += (numbers.take(bottom + after) - lower) * right
    return upper + (lower - upper) * below


def fraction(values: np.ndarray) -> np.ndarray:
    """Return the part of each value after the point, in [0, 1)."""
    return values - np.floor(values)


def from_middle(values: np.ndarray) -> np.ndarray:
    """Return the signed distance to the middle of each unit, in [-0.5, 0.5)."""
    return fraction(values) - np.float32(0.5)


def triangle(values: np.ndarray) -> np.ndarray:
    """Return a triangle wave of period one: 1 at whole numbers, 0 half way between."""
    return np.abs(from_middle(values)) * 2


def ridges(noise: np.ndarray) -> np.ndarray:
    """Return 1 where noise in [0, 1] passes its middle, falling off to 0 at its ends."""
    return 1 - np.abs(2 * noise - 1)


def soft_step(signed_distance: np.ndarray, width: np.ndarray | float) -> np.ndarray:
    """Return 0 below zero and 1 above it, with a straight ramp ``width`` long between."""
    return np.clip(signed_distance / width + np.float32(0.5), 0, 1)


def stripes(values: np.ndarray, pixel: np.ndarray, share: float = 0.5) -> np.ndarray:
    """Return stripes of period one, 1 over ``share`` of each unit and 0 elsewhere."""
    # Distances along a triangle wave run at twice the speed of its argument, hence the half.
    return soft_step((triangle(values) - np.float32(1 - share)) * np.float32(0.5), pixel)


def thin_lines(values: np.ndarray, pixel: np.ndarray, width: np.ndarray | float) -> np.ndarray:
    """Return lines ``width`` wide at whole numbers, 1 on a line and 0 between."""
    from_line = (1 - triangle(values)) * np.float32(0.5)
    return soft_step(width * np.float32(0.5) - from_line, pixel)


def dome(distance: np.ndarray) -> np.ndarray:
    """Return the height of a half sphere: 1 at distance 0, 0 from distance 1 outwards."""
    return np.sqrt(np.clip(1 - distance * distance, 0, 1))


def steps(values: np.ndarray, edges: np.ndarray, levels: np.ndarray, ramp: float) -> np.ndarray:
    """Return the level of the step each value falls on, with short ramps at the edges.

    ``edges`` [N] must rise; ``levels`` [N + 1] holds the level below, between and above them.
    """
    knots = np.stack([edges - ramp / 2, edges + ramp / 2], axis=1).ravel()
    heights = np.stack([levels[:-1], levels[1:]], axis=1).ravel()
    # Edges nearer to each other than the ramp would make knots that fall.
    return np.interp(values, np.maximum.accumulate(knots), heights).astype(np.float32)


@dataclass(frozen=True)
class Cells:
    """For each pixel, the cell of a lattice it lies in.

    Attributes
    ----------
    right, below : np.ndarray
        Float32 [H, W], the pixel's offset from the centre of its cell.
    index : np.ndarray
        Int64 [H, W] in [0, TORUS**2), equal within a cell.
    border : np.ndarray or None
        Float32 [H, W], distance to the nearest border of the cell, where it was worked out.
    planes : np.ndarray or None
        Float32 [H, W], zero on the border and rising inwards as flat facets without a gap
        between them. Voronoi cells only.
    """

    right: np.ndarray
    below: np.ndarray
    index: np.ndarray
    border: np.ndarray | None = None
    planes: np.ndarray | None = None

    @property
    def distance(self) -> np.ndarray:
        """Return the distance of each pixel from the centre of its cell."""
        return np.hypot(self.right, self.below)

    def random(self, rng: np.random.Generator) -> np.ndarray:
        """Return one random number in [0, 1) for each cell, spread over its pixels."""
        return rng.random(TORUS * TORUS, dtype=np.float32).take(self.index)


def torus_index(column: np.ndarray, row: np.ndarray) -> np.ndarray:
    """Return the number of a lattice cell on the torus, from whole column and row."""
    mask = TORUS - 1
    return (column.astype(np.int64) & mask) + TORUS * (row.astype(np.int64) & mask)


def square_cells(across: np.ndarray, down: np.ndarray) -> Cells:
    """Return the cells of a square lattice with unit sides."""
    right, below = from_middle(across), from_middle(down)
    border = np.float32(0.5) - np.maximum(np.abs(right), np.abs(below))
    return Cells(right, below, torus_index(np.floor(across), np.floor(down)), border)


def hexagonal_cells(across: np.ndarray, down: np.ndarray) -> Cells:
    """Return the cells of a honeycomb, whose centres lie one unit apart."""
    # The centres are two rectangular lattices, one in the gaps of the other: the nearer wins.
    column, row = np.round(across), np.round(down / HEXAGON_ROW)
    right, below = across - column, down - row * HEXAGON_ROW
    half = np.float32(0.5)
    gap_column, gap_row = np.floor(across), np.floor(down / HEXAGON_ROW)
    gap_right = across - gap_column - half
    gap_below = down - (gap_row + half) * HEXAGON_ROW
    in_gap = gap_right**2 + gap_below**2 < right**2 + below**2
    right, below = (
        np.where(in_gap, gap_right, right),
        np.where(in_gap, gap_below, below),
    )
    index = torus_index(
        np.where(in_gap, gap_column, column), np.where(in_gap, 2 * gap_row + 1, 2 * row)
    )
    slanted = np.abs(right) * half + np.abs(below) * (HEXAGON_ROW * half)
    return Cells(right, below, index, half - np.maximum(np.abs(right), slanted))


def contained_cells(
    rng: np.random.Generator, across: np.ndarray, down: np.ndarray, radius: np.ndarray
) -> tuple[Cells, np.ndarray]:
    """Return scattered discs, each wholly inside one cell of a square lattice.

    As no disc leaves its cell, no neighbour need be asked: scattered dots at the price of a grid.

    Parameters
    ----------
    rng : np.random.Generator
        Places and sizes the discs.
    across, down : np.ndarray
        Float32 [H, W].
    radius : np.ndarray
        Float32 [2], the least and the greatest radius, at most 0.5.

    Returns
    -------
    cells : Cells
        Offsets from the disc's centre.
    radii : np.ndarray
        Float32 [H, W], the radius of the disc of each pixel's cell.
    """
    cells = square_cells(across, down)
    radii = radius[0] + (radius[1] - radius[0]) * cells.random(rng)
    play = np.float32(0.5) - radii
    right = cells.right - (2 * cells.random(rng) - 1) * play
    below = cells.below - (2 * cells.random(rng) - 1) * play
    return Cells(right, below, cells.index), radii


def scattered_cells(
    rng: np.random.Generator, across: np.ndarray, down: np.ndarray, jitter: float
) -> Cells:
    """Return the Voronoi cells of a lattice whose points were each moved by up to ``jitter``.

    The distance to the border is exact near the border, where alone it is looked at.
    """
    shift_right = rng.uniform(-jitter, jitter, TORUS * TORUS).astype(np.float32)
    shift_below = rng.uniform(-jitter, jitter, TORUS * TORUS).astype(np.float32)
    in_right, in_below = from_middle(across), from_middle(down)
    column, row = np.floor(across).astype(np.int64), np.floor(down).astype(np.int64)
    columns = [(column + step) & (TORUS - 1) for step in (-1, 0, 1)]
    rows = [((row + step) & (TORUS - 1)) * TORUS for step in (-1, 0, 1)]
    # The nine cells around each pixel are numbered row by row. Floats that are not negative
    # order like their bits do, so a cell's number can ride in the lowest four bits of its squared
    # distance: plain minima then keep the nearest two cells, far faster than masked copies.
    farthest = np.full(across.shape, np.iinfo(np.int32).max, np.int32)
    first, second = farthest, farthest
    for number in range(9):
        index = rows[number // 3] + columns[number % 3]
        right = in_right - (shift_right.take(index) + np.float32(number % 3 - 1))
        below = in_below - (shift_below.take(index) + np.float32(number // 3 - 1))
        square = right * right + below * below
        tagged = (square.view(np.int32) & ~15) | number
        second = np.minimum(second, np.maximum(first, tagged))
        first = np.minimum(first, tagged)

    def offset(tagged: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        number = tagged & 15
        row_step = number // 3 - 1
        column_step = number - 3 * row_step - 4
        index = torus_index(column + column_step, row + row_step)
        return (
            in_right - (shift_right.take(index) + column_step.astype(np.float32)),
            in_below - (shift_below.take(index) + row_step.astype(np.float32)),
            index,
        )

    right, below, index = offset(first)
    other_right, other_below, _ = offset(second)
    between = np.hypot(right - other_right, below - other_below)
    # A difference of squared distances to two fixed points is linear in the place: a plane.
    planes = other_right**2 + other_below**2 - right**2 - below**2
    border = planes / (2 * between)
    return Cells(right, below, index, border, planes)
