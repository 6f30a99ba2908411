"""A fitted head together with what it takes to use it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

import numpy as np

from veneer.errors import VeneerError
from veneer.heads import registry
from veneer.heads.calibration import probabilities
from veneer.heads.fusion import Fusion


class Head(Protocol):
    """Vectors to scores: what every module of :mod:`veneer.heads` fits and reads back."""

    classes_: np.ndarray
    """Str array [K]."""

    def scores(self, X: np.ndarray) -> np.ndarray:
        """Float32 [n, K]; softmax(scores / temperature) are probabilities."""


@dataclass(frozen=True)
class Card:
    """What a head was fitted to, and how far it can be trusted; a JSON file beside its own.

    Attributes
    ----------
    head : str
        Its kind: a key of :data:`veneer.heads.registry.FORMATS`.
    fingerprint : str
        Of the encoder whose vectors it knows.
    fusion : {"image", "text", "concat"}
        What it sees; see :func:`veneer.heads.fusion.fuse`.
    temperature : float
        By which its scores become probabilities; fitted to held-out training rows.
    held_out_accuracy : float or None
        Accuracy on these rows. None where there were none.
    threshold : float or None
        Confidence below which an answer is "unsure"; 0 where it never is. None where no confidence
        was found to be enough: every answer is unsure.
    """

    head: str
    fingerprint: str
    fusion: Fusion = "image"
    temperature: float = 1.0
    held_out_accuracy: float | None = None
    threshold: float | None = 0.0


@dataclass(frozen=True)
class Classifier:
    """A head and its card; ``files`` are those it was read from, where it was."""

    head: Head
    card: Card
    files: tuple[bytes, bytes] | None = field(default=None, repr=False, compare=False)

    @property
    def classes(self) -> np.ndarray:
        """Names of the classes: str array [K]."""
        return self.head.classes_

    def probabilities(self, features: np.ndarray, fingerprint: str) -> np.ndarray:
        """Calibrated probabilities, float32 [n, K].

        Parameters
        ----------
        features : float32 array [n, D]
            As :func:`veneer.heads.fusion.fuse` gives them under the card's ``fusion``.
        fingerprint : str
            Of the encoder that made them.

        Raises
        ------
        VeneerError
            When it is not the encoder that the head was fitted to.
        """
        if fingerprint != self.card.fingerprint:
            raise VeneerError(
                f"Scoring with the head {self.card.head}: it was fitted to vectors of the encoder "
                f"[{self.card.fingerprint}], and these were made by [{fingerprint}]. Use that "
                "encoder, or fit the heads to this one with kedro run --pipelines modeling."
            )
        return probabilities(self.head.scores(features), self.card.temperature)

    def unsure(self, confidence: np.ndarray) -> np.ndarray:
        """Whether a prediction of this confidence had better not be relied on: bool array [n]."""
        threshold = self.card.threshold
        return confidence < (np.inf if threshold is None else threshold)


def most_accurate(held_out_accuracy: Mapping[str, float | None]) -> str | None:
    """The head that was right most often on held-out training rows; None without any head."""
    return max(held_out_accuracy, key=lambda name: held_out_accuracy[name] or 0.0, default=None)


def dumps(classifier: Classifier) -> tuple[bytes, bytes]:
    """The head in its own format, and its card as JSON, which names the digest of the former.

    Of a classifier that was read, the bytes it was read from: skops never gives the same twice.
    """
    if classifier.files is not None:
        return classifier.files
    head = registry.dumps(classifier.card.head, classifier.head)
    card = asdict(classifier.card) | {"sha256": hashlib.sha256(head).hexdigest()}
    return head, (json.dumps(card, indent=2) + "\n").encode()


def loads(head: bytes, card: bytes) -> Classifier:
    """Inverse of :func:`dumps`.

    Raises
    ------
    ValueError
        When either is damaged, or they do not belong to each other.
    """
    given: Any = json.loads(card)
    if not isinstance(given, dict):
        raise ValueError("its card is no JSON object")
    if given.pop("sha256", None) != hashlib.sha256(head).hexdigest():
        raise ValueError("the head is not the one that its card describes")
    try:
        found = Card(**given)
    except TypeError as error:
        raise ValueError(f"its card is not one of this version: {error}") from error
    return Classifier(registry.loads(found.head, head), found, (head, card))
