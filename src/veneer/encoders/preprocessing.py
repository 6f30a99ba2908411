"""From a picture to the pixels that an encoder takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from PIL import Image, ImageOps

from veneer.images import Buffer, to_rgb

if TYPE_CHECKING:
    import torch


FAST_MARGIN = 8
"""With less, cosines to exact decoding fell below 0.999; see docs/performance.md."""


@dataclass(frozen=True)
class Preprocessing:
    """Geometry and normalisation of an encoder's input.

    The geometry is that of open_clip, timm and torchvision, to the pixel, on Pillow alone: it
    needs none of these libraries, and ends in bytes, a quarter of what floats would take on their
    way to the encoder. The normalisation is part of the encoder's tower.

    Attributes
    ----------
    height, width : int
        Pixels that the encoder takes.
    resize : (int, int)
        Height and width to which an image is scaled before its middle is cut out.
    mode : {"shortest", "longest", "squash"}
        ``shortest``: the image covers ``resize`` and what stands out is cut off; ``longest``: it
        fits into ``resize`` and the rest is filled; ``squash``: its proportions are given up.
    interpolation : str
        Pillow's name of the filter, in lower case.
    fill : tuple of int
        Colour around an image in ``longest``.
    mean, std : tuple of float
        Of the channels, where the pixels run from 0 to 1.
    fast : bool
        Images are scaled by torch's kernel for bytes, whose weights have fewer bits than Pillow's:
        single pixels differ by one or two levels. And large JPEGs are decoded at a half, a quarter
        or an eighth of their size, but never at less than :data:`FAST_MARGIN` times ``resize``.
    """

    height: int
    width: int
    resize: tuple[int, int]
    mode: Literal["shortest", "longest", "squash"]
    interpolation: str
    fill: tuple[int, int, int]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    fast: bool = False

    def __str__(self) -> str:
        """All but ``fast`` in words, for the fingerprint."""
        how = f"{self.height}x{self.width} px {self.interpolation} {self.mode}"
        if self.resize != (self.height, self.width):
            how += f" of {self.resize[0]}x{self.resize[1]}"
        if self.mode == "longest":
            how += f" on {self.fill}"
        return f"{how}; mean {self.mean} std {self.std}"

    def decode(self, data: Buffer) -> np.ndarray:
        """Pixels of an image file: uint8 array [height, width, 3].

        Raises
        ------
        RefusedError
            As :func:`veneer.images.to_rgb`.
        """
        return self.pixels(
            to_rgb(data, at_least=FAST_MARGIN * max(self.resize) if self.fast else None)
        )

    def pixels(self, image: Image.Image) -> np.ndarray:
        """Pixels of a PIL RGB image: uint8 array [height, width, 3]."""
        image = middle_of_sliver(image)
        width, height = self._scaled(*image.size)
        if self.fast and self.interpolation in ("bicubic", "bilinear"):
            scaled = _scale_bytes(np.array(image), width, height, self.interpolation)
        elif (width, height) == image.size:
            scaled = np.asarray(image)
        else:
            scaled = image.resize((width, height), Image.Resampling[self.interpolation.upper()])
        return self._middle(scaled)

    def _scaled(self, width: int, height: int) -> tuple[int, int]:
        """Width and height to which an image is scaled."""
        rows, columns = self.resize
        if self.mode == "squash":
            return columns, rows
        if self.mode == "shortest" and rows == columns:
            # torchvision rounds down; the two others, and these below, to the nearest.
            if width <= height:
                return columns, int(columns * height / width)
            return int(rows * width / height), rows
        choose = min if self.mode == "shortest" else max
        ratio = choose(width / columns, height / rows)
        return round(width / ratio), round(height / ratio)

    def _middle(self, picture: Image.Image | np.ndarray) -> np.ndarray:
        """Cut out the middle, or fill up around it."""
        array = np.asarray(picture)
        height, width = array.shape[:2]
        if height < self.height or width < self.width:
            down, across = max(0, self.height - height), max(0, self.width - width)
            fill = self.fill if self.mode == "longest" else (0, 0, 0)
            border = (across // 2, down // 2, (across + 1) // 2, (down + 1) // 2)
            array = np.asarray(ImageOps.expand(Image.fromarray(array), border, fill))
            height, width = array.shape[:2]
        top, left = round((height - self.height) / 2), round((width - self.width) / 2)
        return array[top : top + self.height, left : left + self.width]

    def normalise(self, pixels: torch.Tensor) -> torch.Tensor:
        """Bytes [n, height, width, 3] to float32 [n, 3, height, width], as torchvision does."""
        import torch

        def channels(values: tuple[float, ...]) -> torch.Tensor:
            return torch.tensor(values, device=pixels.device).view(3, 1, 1)

        floats = pixels.permute(0, 3, 1, 2).float() / 255
        return (floats - channels(self.mean)) / channels(self.std)


def middle_of_sliver(image: Image.Image) -> Image.Image:
    """Cut an image that is more than 32 times as long as wide down to its middle.

    The usual preprocessing first scales the shorter side to the model's and then cuts the middle
    out. Of a line of a million pixels it would make an image of gigabytes in between.
    """
    width, height = image.size
    longest = 32 * min(width, height)
    if max(width, height) <= longest:
        return image
    left, top = max(0, width - longest) // 2, max(0, height - longest) // 2
    return image.crop((left, top, left + min(width, longest), top + min(height, longest)))


def _scale_bytes(pixels: np.ndarray, width: int, height: int, interpolation: str) -> np.ndarray:
    """Scale uint8 [h, w, 3] to uint8 [height, width, 3]."""
    import torch

    scaled = torch.nn.functional.interpolate(
        torch.from_numpy(pixels).permute(2, 0, 1)[None],
        size=(height, width),
        mode=interpolation,
        antialias=True,
    )
    return scaled[0].permute(1, 2, 0).numpy()
