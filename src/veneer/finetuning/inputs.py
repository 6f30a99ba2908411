"""What goes into the network: cached vectors, or pictures that are drawn anew each time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

import numpy as np
import pyarrow as pa
import torch
from PIL import Image, ImageEnhance

from veneer.encoders.preprocessing import Preprocessing
from veneer.finetuning.options import AugmentationOptions
from veneer.images import to_rgb

_MARGIN = 2
"""Pictures are decoded at no less than so many times the size that the encoder takes."""


class Inputs(Protocol):
    """Rows by their numbers, as a batch for the network."""

    def __call__(self, rows: np.ndarray, draw: tuple[int, ...] | None = None) -> torch.Tensor:
        """Of ``rows``; with ``draw``, the numbers of a random draw, augmented by it."""
        ...


@dataclass(frozen=True)
class Features:
    """Vectors that the frozen encoder has made: float32 array [n, D]."""

    vectors: np.ndarray

    def __call__(self, rows: np.ndarray, draw: tuple[int, ...] | None = None) -> torch.Tensor:
        """Float tensor [len(rows), D]; vectors are not augmented."""
        return torch.from_numpy(self.vectors[rows])


@dataclass(frozen=True)
class Pictures:
    """Image files, decoded by as many threads as there are cores.

    Attributes
    ----------
    files : BinaryArray [n], chunked or not
    preprocessing : Preprocessing
    augmentation : AugmentationOptions
    pool : ThreadPoolExecutor
    """

    files: pa.ChunkedArray
    preprocessing: Preprocessing
    augmentation: AugmentationOptions
    pool: ThreadPoolExecutor

    def __call__(self, rows: np.ndarray, draw: tuple[int, ...] | None = None) -> torch.Tensor:
        """Bytes, uint8 tensor [len(rows), height, width, 3]."""
        numbers = rows.tolist()
        draws = [None if draw is None else (*draw, number) for number in numbers]
        return torch.from_numpy(np.stack(list(self.pool.map(self._pixels, numbers, draws))))

    def _pixels(self, row: int, draw: tuple[int, ...] | None) -> np.ndarray:
        data = memoryview(self.files[row].as_buffer())
        if draw is None:
            return self.preprocessing.decode(data)
        image = to_rgb(data, at_least=_MARGIN * max(self.preprocessing.resize))
        rng = np.random.default_rng(draw)
        return self.preprocessing.pixels(augmented(image, self.augmentation, rng))


@contextmanager
def pictures(
    batches: Iterator[pa.RecordBatch],
    order: list[str],
    preprocessing: Preprocessing,
    augmentation: AugmentationOptions,
) -> Iterator[Pictures]:
    """Put image files where any of them is at hand without all of them being in memory.

    Parameters
    ----------
    batches : iterator of RecordBatch
        With ``sha`` and ``image``.
    order : list of str
        The ``sha`` of each row that the result is to have.

    Yields
    ------
    Pictures
        Until the end of the block; they lie in a temporary file, as large as the images are.
    """
    wanted, shas = set(order), []
    with TemporaryDirectory(prefix="veneer-") as folder, ThreadPoolExecutor(os.cpu_count()) as pool:
        path = Path(folder) / "images.arrow"
        schema = pa.schema([("bytes", pa.large_binary())])
        with pa.ipc.new_file(str(path), schema) as file:
            for batch in batches:
                kept = [i for i, sha in enumerate(batch["sha"].to_pylist()) if sha in wanted]
                wanted.difference_update(batch["sha"][i].as_py() for i in kept)
                shas += [batch["sha"][i].as_py() for i in kept]
                data = batch["image"].field("bytes").take(pa.array(kept, pa.int64()))
                file.write_batch(pa.record_batch([data.cast(pa.large_binary())], schema=schema))
        with pa.memory_map(str(path)) as mapped:
            table = pa.ipc.open_file(mapped).read_all()
            places = {sha: place for place, sha in enumerate(shas)}
            files = _Reordered(table["bytes"], np.array([places[sha] for sha in order]))
            yield Pictures(files, preprocessing, augmentation, pool)
            del table, files


class _Reordered:
    """Entries of an array in another order; ``take`` would copy them into memory."""

    def __init__(self, array: pa.ChunkedArray, places: np.ndarray):
        self._array = array
        self._places = places

    def __getitem__(self, row: int) -> pa.Scalar:
        return self._array[int(self._places[row])]


def augmented(
    image: Image.Image, options: AugmentationOptions, rng: np.random.Generator
) -> Image.Image:
    """A part of a picture, mirrored or not, a little lighter or darker, paler or stronger.

    Not torchvision's: its transforms draw from one generator for all threads, so a picture would
    depend on which thread was first.

    Parameters
    ----------
    image : PIL RGB image
    options : AugmentationOptions
        ``crop``: least share of the area that is kept, in proportions from 3:4 to 4:3 of its own;
        ``flip``: mirror every second picture; ``colour``: by how much brightness, contrast and
        saturation go up or down, as a share.
    rng : Generator
    """
    width, height = image.size
    area, ratio = rng.uniform(options.crop, 1), np.exp(rng.uniform(np.log(3 / 4), np.log(4 / 3)))
    if options.crop < 1:
        across = min(width, max(1, round(width * (area * ratio) ** 0.5)))
        down = min(height, max(1, round(height * (area / ratio) ** 0.5)))
        left, top = rng.integers(0, width - across + 1), rng.integers(0, height - down + 1)
        image = image.crop((int(left), int(top), int(left) + across, int(top) + down))
    if rng.random() < 0.5 and options.flip:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    factors = rng.uniform(1 - options.colour, 1 + options.colour, 3)
    if options.colour:
        for kind, factor in zip(
            (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color),
            factors,
            strict=True,
        ):
            image = kind(image).enhance(float(factor))
    return image
