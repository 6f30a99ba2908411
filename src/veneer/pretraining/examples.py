"""What the image head is told of the pictures that it learns from."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch

from veneer.pretraining.image_head import Examples, Prompts
from veneer.pretraining.looking import Seen
from veneer.pretraining.pictures import Picture
from veneer.pretraining.targets import (
    COLOUR_PROMPTS,
    SURFACE_PROMPTS,
    SURFACES,
    captions,
    prompts,
)
from veneer.pretraining.words import COLOURS

# File names of clip art also name authors and drawing programs.
_CLIP_ART_WEIGHT = 0.3

Place = Callable[[Sequence[str]], np.ndarray]
"""Texts to where they lie in the shared dimensions: float32 [N, D] of unit length."""


def examples_of(seen: Seen, place: Place, seed: Sequence[int]) -> Examples:
    """Features with the shares, captions and weights that go with them."""
    pictures = seen.pictures
    drawn = captions([(each.attribute, each.material, each.colours) for each in pictures], seed)
    texts = [_caption(*each) for each in zip(pictures, drawn, strict=True)]
    return Examples(
        features=seen.features,
        surfaces=torch.from_numpy(
            surface_shares([(each.attribute, each.material) for each in pictures])
        ),
        colours=torch.from_numpy(colour_shares([each.colours for each in pictures])),
        captions=torch.from_numpy(place(texts)),
        caption_weights=torch.tensor([_weight(each) for each in pictures]),
        real=torch.tensor([each.source in ("clip art", "photo") for each in pictures]),
    )


def prompts_of(place: Place) -> Prompts:
    """Where the prompts of all surfaces and colours lie."""

    def placed(keys: Sequence[str], templates: Sequence[str]) -> torch.Tensor:
        return torch.from_numpy(np.stack([place(each) for each in prompts(keys, templates)]))

    return Prompts(placed(SURFACES, SURFACE_PROMPTS), placed(list(COLOURS), COLOUR_PROMPTS))


def surface_shares(shown: Sequence[tuple[str | None, str | None]]) -> np.ndarray:
    """Attributes and materials as shares of SURFACES: of both, the texture has most."""
    found = np.zeros((len(shown), len(SURFACES)), np.float32)
    for row, (attribute, material) in zip(found, shown, strict=True):
        if attribute is not None:
            row[SURFACES.index(attribute)] = 1.0 if material is None else 0.8
        if material is not None:
            row[SURFACES.index(material)] = 1.0 if attribute is None else 0.2
    return found


def colour_shares(colours: Sequence[tuple[str, ...]]) -> np.ndarray:
    """Named colours as shares of COLOURS; those that are none of ours are left out."""
    keys = list(COLOURS)
    found = np.zeros((len(colours), len(keys)), np.float32)
    for row, names in zip(found, colours, strict=True):
        for name in names:
            if name in COLOURS:
                row[keys.index(name)] += 1
    return found / np.maximum(found.sum(1, keepdims=True), 1)


def _caption(picture: Picture, drawn: str) -> str:
    if picture.source == "clip art":
        return f"clip art of {picture.name}"
    if picture.source == "photo":
        return f"a photo of {picture.material}" if picture.material else "a photo"
    return drawn


def _weight(picture: Picture) -> float:
    if picture.source == "clip art":
        return _CLIP_ART_WEIGHT if picture.name else 0.0
    if picture.source == "photo":
        return 1.0 if picture.material else 0.0
    return 1.0
