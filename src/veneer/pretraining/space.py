"""The space that images and texts are brought into: what a teacher says, and what is named.

A teacher of language knows that a chair is near a stool, and little of how surfaces look: "dotted"
is near "striped" to it. So half of the space are axes of our own, one for each attribute, material
and colour that :mod:`veneer.pretraining.words` lists.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from veneer.atomic import write_bytes
from veneer.errors import VeneerError
from veneer.pretraining.words import AXES, SYNONYMS, closeness

TEACHER_WIDTH = 384
WIDTH = 512
_AXES_SHARE = 0.7  # length of the axes' part, where that of the teacher is 1
# Directions in which texts vary less than this share of the most are not blown up any further.
_SMALLEST_VARIANCE = 1e-4


@dataclass(frozen=True)
class TextSpace:
    """The target of texts.

    Attributes
    ----------
    mean : float32 array [384]
        Of the teacher's vectors.
    projection : float32 array [384, 384]
        What the centred vectors are multiplied by.
    """

    mean: np.ndarray
    projection: np.ndarray

    @classmethod
    def fit(cls, vectors: np.ndarray, power: float = 0.35, rank: int = 160) -> TextSpace:
        """Centre the teacher's vectors and make the variances of their directions more alike.

        Whitening in part: each principal direction is scaled by its variance to the power of
        ``-power / 2`` (0 leaves it as it is, 1 is whitening), and turned back to where it was.

        Parameters
        ----------
        vectors : float32 array [N, 384]
        power : float
        rank : int
            Principal directions that are kept, the largest first. With the axes they must not be
            more than a text tower can tell apart: one that is 256 wide spans 255 directions, and
            what lies in others it could never be taught. Among ImageNet's classes, 160 find the
            name that belongs to a gloss as often as all 384 do.
        """
        mean = vectors.mean(axis=0, dtype=np.float64)
        centred = vectors - mean
        variances, directions = np.linalg.eigh(centred.T @ centred / len(vectors))
        shares = np.maximum(variances / variances[-1], _SMALLEST_VARIANCE)
        scales = shares ** (-power / 2)
        scales[:-rank] = 0
        projection = (directions * scales) @ directions.T
        return cls(mean.astype(np.float32), projection.astype(np.float32))

    def __call__(self, vectors: np.ndarray, texts: Iterable[str]) -> np.ndarray:
        """The target of texts whose teacher vectors are at hand.

        Parameters
        ----------
        vectors : float32 array [N, 384]
            Of the teacher.
        texts : iterable of N str

        Returns
        -------
        float32 array [N, 512]
            Of unit length: teacher, axes, zeros.
        """
        return self.join(self.project(vectors), mentioned(texts))

    def project(self, vectors: np.ndarray) -> np.ndarray:
        """The teacher's part alone: float32 [N, 384] of unit length."""
        return _unit((vectors - self.mean) @ self.projection)

    @staticmethod
    def join(teacher: np.ndarray, axes: np.ndarray) -> np.ndarray:
        """Both parts in one vector.

        Parameters
        ----------
        teacher : float32 array [N, 384]
            Of unit length.
        axes : float32 array [N, 91]
            How much of each axis there is; shortened to unit length where it is longer.

        Returns
        -------
        float32 array [N, 512]
            Of unit length.
        """
        length = np.maximum(np.linalg.norm(axes, axis=1, keepdims=True), 1)
        found = np.zeros((len(teacher), WIDTH), np.float32)
        found[:, :TEACHER_WIDTH] = teacher
        found[:, TEACHER_WIDTH : TEACHER_WIDTH + len(AXES)] = _AXES_SHARE * axes / length
        return _unit(found)

    def save(self, path: Path) -> None:
        """Keep it as safetensors."""
        import safetensors.numpy

        tensors = {"mean": self.mean, "projection": self.projection}
        write_bytes(path, safetensors.numpy.save(tensors))

    @classmethod
    def load(cls, path: Path) -> TextSpace:
        """What was saved.

        Raises
        ------
        VeneerError
            When the file is no such space.
        """
        import safetensors.numpy
        from safetensors import SafetensorError

        try:
            tensors = safetensors.numpy.load(path.read_bytes())
            return cls(tensors["mean"], tensors["projection"])
        except (SafetensorError, KeyError) as error:
            raise VeneerError(
                f"Reading {path}: it is no space of texts ({error}). Make it again."
            ) from error


def mentioned(texts: Iterable[str]) -> np.ndarray:
    """What texts name of each axis, by any of its synonyms: float32 [N, 91], axes as in AXES.

    A named axis has its weight, its neighbours have a share of that; of two that name the same
    axis the larger counts. Where synonyms overlap the longer is meant: ``snake skin`` is scaly.

    >>> row = mentioned(["A zigzag of red wool."])[0]
    >>> [axis for axis, value in zip(AXES, row) if value > 0.5]
    ['zigzagged', 'fabric', 'red']
    """
    pattern, place = _pattern()
    rows = []
    for text in texts:
        row = np.zeros(len(AXES), np.float32)
        for found in pattern.findall(text.lower()):
            np.maximum(row, closeness()[place[found]], out=row)
        rows.append(row)
    return np.stack(rows) if rows else np.zeros((0, len(AXES)), np.float32)


@cache
def _pattern() -> tuple[re.Pattern[str], dict[str, int]]:
    place = {word: AXES.index(axis) for axis, words in SYNONYMS.items() for word in words}
    longest_first = sorted(place, key=len, reverse=True)
    words = "|".join(re.escape(word) for word in longest_first)
    return re.compile(rf"(?<![a-z])({words})(?![a-z])"), place


def _unit(vectors: np.ndarray) -> np.ndarray:
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors / np.maximum(length, 1e-6)).astype(np.float32)
