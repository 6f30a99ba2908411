"""The two halves of an encoder, as torch modules and as what is known of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from veneer.encoders.preprocessing import Preprocessing

if TYPE_CHECKING:
    import numpy as np
    import torch


@dataclass(frozen=True)
class Description:
    """What is known of an encoder without its weights being loaded.

    Attributes
    ----------
    fingerprint : str
        Architecture, activation, weights (SHA-256) and preprocessing. Vectors of two encoders
        can be compared only if these are equal.
    dimension : int
    precisions : tuple of str
        Number formats the weights allow, of ``fp32``, ``bf16``, ``fp16``.
    preprocessing : Preprocessing
    has_text : bool
        Whether there is a text tower.
    clip_context : int or None
        Length of its tokens, where they are those of :mod:`veneer.encoders.clip_tokens`.
    """

    fingerprint: str
    dimension: int
    precisions: tuple[str, ...]
    preprocessing: Preprocessing
    has_text: bool
    clip_context: int | None


@dataclass(frozen=True)
class Tower:
    """One half of an encoder in torch, in fp32, on the CPU.

    Attributes
    ----------
    reference : Module
        As its authors wrote it: batch to float32 [n, dimension], of any length. The batch is uint8
        [n, height, width, 3] (images) or int64 [n, length] (tokens; columns of zeros behind all
        that is not zero may be left out).
    lean : Module
        The same function with what does not reach the result left out.
    examples : array
        A batch on which a runtime can go wrong.
    """

    reference: torch.nn.Module
    lean: torch.nn.Module
    examples: np.ndarray


@dataclass(frozen=True)
class Towers:
    """A loaded encoder.

    Attributes
    ----------
    description : Description
    image : Tower
    text : Tower, or None without a text tower
    weights : str
        Path of the weight file.
    """

    description: Description
    image: Tower
    text: Tower | None
    weights: str


Tokenizer = Callable[[list[str]], "np.ndarray"]
"""Texts to tokens: int64 [n, context], with zeros behind the end."""
