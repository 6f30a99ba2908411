"""Where pictures ought to lie: the texts that the image head is drawn to.

ImageNet's classes have their words, their glosses, everyday words and what such photos show; drawn
pictures have captions and prompts. All are vectors of the text space, in its own few dimensions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

import numpy as np

from veneer.pretraining.corpus import texture_caption
from veneer.pretraining.imagenet import class_attributes, class_texts, everyday_texts
from veneer.pretraining.space import TEACHER_WIDTH, TextSpace
from veneer.pretraining.words import ATTRIBUTES, AXES, COLOURS, MATERIALS, SYNONYMS

SURFACES = (*ATTRIBUTES, *MATERIALS)
"""What a picture of a texture is classed as."""

SURFACE_PROMPTS = (
    "a {} texture",
    "a photo of a {} texture",
    "{} pattern",
    "a {} surface",
    "a photo of something {}",
    "a photo of {}",
    "a close-up photo of a {} texture",
    "{}",
)
COLOUR_PROMPTS = (
    "a {} texture",
    "a photo of a {} texture",
    "a {} pattern",
    "a photo of something {}",
    "a photo of a {} object",
    "{}",
)
# How much the words beside a class's own (the everyday ones) count in what its photos mean.
_EVERYDAY = 0.5
# How much what photos of a class show counts beside what a text names.
_SHOWN = 0.7
# Where the axes of attributes, materials and colours stand in a target.
_AXES_AT = slice(TEACHER_WIDTH, TEACHER_WIDTH + len(AXES))

Embed = Callable[[Sequence[str]], np.ndarray]
"""Texts to float32 [N, D] of unit length."""


@dataclass(frozen=True)
class ClassTargets:
    """What ImageNet's classes mean.

    Attributes
    ----------
    images : float32 array [1000, D]
        Where photos of a class belong: its words, gloss and everyday words, and the attributes
        and materials that such photos show.
    texts : float32 array [1000, D]
        Where its own words are.
    """

    images: np.ndarray
    texts: np.ndarray


def class_targets(embed: Embed, space: TextSpace, basis: np.ndarray) -> ClassTargets:
    """The targets of ImageNet's classes.

    Parameters
    ----------
    embed : callable
        The teacher: texts to float32 [N, 384].
    space : TextSpace
    basis : float32 array [512, D]
        The dimensions of the space that are used; see :func:`used_dimensions`.
    """
    own, everyday = class_texts(), everyday_texts()
    place: dict[str, int] = {}
    for texts in (*own, *everyday):
        for text in texts:
            place.setdefault(text, len(place))
    vectors = space(embed(list(place)), list(place))

    def mean(texts: Sequence[str]) -> np.ndarray:
        return vectors[[place[text] for text in texts]].mean(0)

    words = np.stack([_unit(mean(texts[:3])) for texts in own])
    meaning = np.stack(
        [
            (mean(texts) + _EVERYDAY * mean(more)) / (1 + _EVERYDAY) if more else mean(texts)
            for texts, more in zip(own, everyday, strict=True)
        ]
    )
    axes = class_attributes() + meaning[:, _AXES_AT]
    images = space.join(_unit(meaning[:, :TEACHER_WIDTH]), _SHOWN * axes)
    return ClassTargets(images @ basis, words @ basis)


def used_dimensions(targets: np.ndarray, count: int) -> np.ndarray:
    """An orthonormal basis of what targets vary in: float32 [512, count].

    Targets of 512 dimensions leave about half of them empty; turned to this basis they have the
    same angles in fewer.
    """
    _, directions = np.linalg.eigh((targets.T @ targets).astype(np.float64))
    return np.ascontiguousarray(directions[:, ::-1][:, :count], np.float32)


def prompts(keys: Sequence[str], templates: Sequence[str]) -> list[list[str]]:
    """Each key in each template, by its first synonym."""
    return [[template.format(SYNONYMS[key][0]) for template in templates] for key in keys]


def captions(
    shown: Sequence[tuple[str | None, str | None, tuple[str, ...]]], seed: Sequence[int]
) -> list[str]:
    """One caption for each of (attribute, material, colours); colours are left out at times."""
    rng = Random(repr(tuple(seed)))
    found = []
    for attribute, material, colours in shown:
        named = [rng.choice(COLOURS[each][:2]) for each in colours if each in COLOURS][:3]
        keep = named if rng.random() < 0.6 or not (attribute or material) else []
        found.append(texture_caption(rng, attribute, material, keep))
    return found


def _unit(vectors: np.ndarray) -> np.ndarray:
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return (vectors / np.maximum(length, 1e-6)).astype(np.float32)
