"""Zero-shot classification: the class whose name, put into words, lies nearest to the image."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import safetensors.numpy

from veneer.heads.common import read_tensors
from veneer.text import prompts_of

LOGIT_SCALE = 100.0
"""What CLIP's own logit scale reached in training, and was clipped at."""

_METADATA_KEY = "veneer.zero_shot"


class ZeroShotHead:
    """One unit vector a class, made from text; no image has been learned from.

    Parameters
    ----------
    classes : sequence of str, length K
    vectors : float32 array [K, D], rows of length 1

    Attributes
    ----------
    classes_ : str array [K]
    vectors : float32 array [K, D]
    """

    def __init__(self, classes: Sequence[str], vectors: np.ndarray):
        self.classes_ = np.asarray(classes, dtype=str)
        self.vectors = np.ascontiguousarray(vectors, dtype=np.float32)

    def scores(self, X: np.ndarray) -> np.ndarray:
        """Cosines of unit vectors X, array [n, D], times ``LOGIT_SCALE``: float32 [n, K]."""
        X = np.asarray(X, dtype=np.float32)
        if X.ndim != 2 or X.shape[1] != self.vectors.shape[1]:
            raise ValueError(
                f"X has shape {X.shape}; the head expects [n, {self.vectors.shape[1]}]"
            )
        return np.float32(LOGIT_SCALE) * (X @ self.vectors.T)

    def predict(self, X: np.ndarray) -> np.ndarray:
        """The nearest class of each row: str array [n]."""
        return self.classes_[self.scores(X).argmax(axis=1)]


def fit_zero_shot(
    classes: Sequence[str],
    templates: Sequence[str],
    embed: Callable[[list[str]], np.ndarray],
    names: Mapping[str, str] | None = None,
) -> ZeroShotHead:
    """Make a head of class names, by CLIP's recipe.

    Each class is put into every template (see :func:`veneer.text.prompts_of`); the vectors of
    these prompts are averaged, and the mean is brought back to length 1.

    Parameters
    ----------
    classes : sequence of str, length K
    templates : sequence of str
        Each holds ``{}`` where the name belongs.
    embed : callable, list of n str -> float32 array [n, D]
        Rows of length 1, as ``Encoder.embed_texts`` gives them.
    names : mapping of class to words, optional
        What is put into the templates for a class whose label is no word.

    Raises
    ------
    ValueError
        Without a class, with a class given twice, without a template, or on a template without
        ``{}``.

    References
    ----------
    A. Radford et al. Learning transferable visual models from natural language supervision.
    ICML 2021, section 3.1.4.
    """
    classes = [str(name) for name in classes]
    if not classes or len(set(classes)) < len(classes):
        raise ValueError(f"a head needs classes that differ; got {classes}")
    if not templates or any("{}" not in template for template in templates):
        raise ValueError(f"every prompt template must hold {{}}; got {list(templates)}")
    names = names or {}
    prompts = [p for name in classes for p in prompts_of(names.get(name, name), templates)]
    vectors = np.asarray(embed(prompts), dtype=np.float64)
    means = vectors.reshape(len(classes), len(templates), -1).mean(axis=1)
    return ZeroShotHead(classes, means / np.linalg.norm(means, axis=1, keepdims=True))


def dumps(head: ZeroShotHead) -> bytes:
    """A head as a safetensors file, with its classes in the metadata (JSON)."""
    metadata = {_METADATA_KEY: json.dumps({"classes": head.classes_.tolist()})}
    return safetensors.numpy.save({"vectors": head.vectors}, metadata=metadata)


def loads(data: bytes) -> ZeroShotHead:
    """Read back what :func:`dumps` wrote.

    Raises
    ------
    ValueError
        If the bytes are no safetensors file, or one that holds something other than such a head.
    """
    tensors, description = read_tensors(data, _METADATA_KEY, "a zero-shot head")
    try:
        classes = [str(name) for name in description["classes"]]
    except (KeyError, TypeError) as error:
        raise ValueError("not a zero-shot head: its classes are missing") from error
    found = {name: tensor.shape for name, tensor in tensors.items()}
    if (
        set(found) != {"vectors"}
        or len(found["vectors"]) != 2
        or len(classes) != found["vectors"][0]
    ):
        raise ValueError(
            f"not a zero-shot head: tensors {found} with {len(classes)} classes; expected "
            f"vectors ({len(classes)}, D)"
        )
    return ZeroShotHead(classes, tensors["vectors"])
