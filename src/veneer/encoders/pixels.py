"""Image towers that take bytes."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from veneer.encoders.preprocessing import Preprocessing
from veneer.encoders.towers import Tower


def pixel_tower(preprocessing: Preprocessing, visual: nn.Module, lean: nn.Module) -> Tower:
    """The image tower of modules that take normalised floats [n, 3, height, width]."""
    return Tower(
        reference=_Pixels(preprocessing, visual).eval(),
        lean=_Pixels(preprocessing, lean).eval(),
        examples=_noise(preprocessing.height, preprocessing.width),
    )


def _noise(height: int, width: int) -> np.ndarray:
    """Eight pictures of noise, from single pixels to large spots, of full and of low contrast.

    Networks whose activations need more digits than bf16 has show it on these.
    """
    rng = np.random.default_rng(0)
    pictures = []
    for spot in (1, 4, 16, 64):
        coarse = rng.integers(0, 256, (-(-height // spot), -(-width // spot), 3))
        fine = coarse.repeat(spot, axis=0).repeat(spot, axis=1)[:height, :width]
        pictures += [fine, 96 + fine // 4]
    return np.array(pictures, np.uint8)


class _Pixels(nn.Module):
    """An image tower that takes bytes."""

    def __init__(self, preprocessing: Preprocessing, visual: nn.Module):
        super().__init__()
        self.preprocessing = preprocessing
        self.visual = visual

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        features = self.visual(self.preprocessing.normalise(pixels))
        # CoCa's gives the features of its patches besides.
        return features[0] if isinstance(features, tuple) else features
