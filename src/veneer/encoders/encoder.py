"""An opened encoder, whichever family it is of."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from veneer.encoders.cache import compiled_folder, keep_description, known_description
from veneer.encoders.clip_tokens import clip_tokenizer
from veneer.encoders.config import EncoderConfig, encoder_name, resolve_encoder
from veneer.encoders.engine import Engine
from veneer.encoders.families import family_module
from veneer.encoders.preprocessing import Preprocessing
from veneer.encoders.runtimes.runtime import Source
from veneer.encoders.towers import Description, Tokenizer, Towers
from veneer.encoders.weights import require_weights
from veneer.errors import VeneerError
from veneer.schema import FAST

if TYPE_CHECKING:
    from PIL import Image

Made = TypeVar("Made")

FIRST_ROWS = 8
"""Rows of a tower's first batch, on which its runtime is chosen."""


@dataclass(frozen=True)
class Encoder:
    """Image and, where there is a text tower, text to unit vectors.

    Nothing is loaded before the first batch.

    Attributes
    ----------
    name : str
    fingerprint : str
        Architecture, activation, weights (SHA-256) and preprocessing. Vectors of two encoders
        can be compared only if these are equal.
    dimension : int
    precisions : tuple of str
        Number formats the weights allow, of ``fp32``, ``bf16``, ``fp16``.
    preprocessing : Preprocessing
    image_tower : Engine, uint8 array [n, height, width, 3] -> float32 array [n, dimension]
    text_tower : Engine, int64 array [n, context] -> float32 array [n, dimension]; None without one
    tokenize : callable, list of n str -> int64 array [n, context]; None without a text tower
    towers : callable
        Gives both in torch, to be trained further; loads them the first time.
    """

    name: str
    fingerprint: str
    dimension: int
    precisions: tuple[str, ...]
    preprocessing: Preprocessing
    image_tower: Engine
    text_tower: Engine | None = None
    tokenize: Tokenizer | None = None
    towers: Callable[[], Towers] | None = None

    def embed_images(self, images: Sequence[Image.Image]) -> np.ndarray:
        """Embed PIL RGB images: float32 array [n, dimension], rows of length 1."""
        if not images:
            return np.empty((0, self.dimension), np.float32)
        return self.image_tower(np.stack([self.preprocessing.pixels(each) for each in images]))

    def embed_texts(self, texts: Sequence[str]) -> np.ndarray:
        """Embed texts: float32 array [n, dimension], rows of length 1.

        Each different text is embedded once, with others of about its length.

        Raises
        ------
        TypeError
            When the encoder has no text tower.
        """
        if self.text_tower is None or self.tokenize is None:
            raise TypeError(f"the encoder {self.name} has no text tower")
        distinct = sorted(set(texts))
        vectors = np.empty((len(distinct), self.dimension), np.float32)
        if distinct:
            tokens = self.tokenize(distinct)
            # The width is the text's own, not its neighbours': so that its vector is, too.
            widths = _widths(tokens)
            for width in np.unique(widths):
                rows = np.flatnonzero(widths == width)
                batch = np.ascontiguousarray(tokens[rows, :width])
                vectors[rows] = self.text_tower(batch, fill=True)
        places = {text: place for place, text in enumerate(distinct)}
        return vectors[[places[text] for text in texts]]


def _widths(tokens: np.ndarray) -> np.ndarray:
    """Columns up to the last that is not zero, of each row; in steps of eight."""
    used = tokens.shape[1] - (tokens[:, ::-1] != 0).argmax(axis=1)
    return np.minimum(-(-used // 8) * 8, tokens.shape[1])


def open_encoder(
    encoder: str,
    encoders: dict[str, EncoderConfig],
    *,
    runtime: str = "auto",
    batch_size: int | None = None,
    fast: bool = False,
    cache: Path | None = None,
) -> Encoder:
    """Open an encoder by name or path.

    Parameters
    ----------
    encoder : str
        A key of ``encoders``, or the path of an open_clip model folder or of a tuned encoder.
    runtime : str
        ``auto`` for the best that this machine has and that gives the right vectors, or a key of
        :data:`veneer.encoders.runtimes.registry.RUNTIMES`.
    batch_size : int, optional
        Rows that go through a tower together; by default what suits the runtime.
    fast : bool
        See :class:`veneer.encoders.preprocessing.Preprocessing`.
    cache : Path, optional
        Folder for descriptions and compiled towers. An encoder that was opened with it before is
        ready without its weights being loaded.

    Raises
    ------
    VeneerError
        When it is unknown or its weights cannot be had.

    Examples
    --------
    >>> encoders = {"mini": EncoderConfig(family="open_clip", pretrained="packaged")}
    >>> open_encoder("mini", encoders).embed_texts(["a striped texture"]).shape
    (1, 896)
    """
    name, config = encoder_name(encoder), resolve_encoder(encoder, encoders)
    description = None if cache is None else known_description(cache, name, config)
    load = _once(lambda: _load(name, config))
    if description is None:
        require_weights(name, config)
        towers = load()
        description = towers.description
        if cache is not None:
            keep_description(cache, name, config, towers)
    folder = None if cache is None else compiled_folder(cache, name, config, description)

    def engine(kind: str) -> Engine:
        source = Source(kind, lambda: getattr(load(), kind), folder)
        return Engine(name, source, description.precisions, runtime, batch_size)

    shape = replace(description.preprocessing, fast=fast)
    return Encoder(
        name=name,
        fingerprint=description.fingerprint + FAST * fast,
        dimension=description.dimension,
        precisions=description.precisions,
        preprocessing=shape,
        image_tower=engine("image"),
        text_tower=engine("text") if description.has_text else None,
        tokenize=_tokenizer(config, description) if description.has_text else None,
        towers=load,
    )


def _load(name: str, config: EncoderConfig) -> Towers:
    try:
        return family_module(config.family).load(name, config)
    except VeneerError:
        raise
    except Exception as error:  # whatever the library says of weights and configurations
        what = " ".join(str(error).split())[:300] or type(error).__name__
        raise VeneerError(
            f"Opening the encoder {name} (family {config.family}, architecture "
            f"{config.architecture}, pretrained {config.pretrained}): {type(error).__name__}: "
            f"{what}. Its files may be cut off or belong to another architecture; or a package is "
            "missing that this architecture needs."
        ) from error


def _tokenizer(config: EncoderConfig, description: Description) -> Tokenizer:
    """A tokenizer that is made when it is first called."""
    if description.clip_context is not None:
        return clip_tokenizer(description.clip_context)

    def make() -> Tokenizer:
        return family_module(config.family).tokenizer(config)

    made = _once(make)

    def tokenize(texts: list[str]) -> np.ndarray:
        return made()(texts)

    return tokenize


def _once(make: Callable[[], Made]) -> Callable[[], Made]:
    """A function that makes something when it is first called, in whichever thread that is."""
    lock = threading.Lock()
    made: list[Made] = []

    def get() -> Made:
        with lock:
            if not made:
                made.append(make())
        return made[0]

    return get
