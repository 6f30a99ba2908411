"""Dimensions of the image alone, beside those that it shares with texts.

What the image head gives up on its way to words, a linear probe can use: so the embedding also
carries the trunk's feature, as far as its first principal directions reach. Texts are nothing
there. Both parts are then turned together, at random, so that every dimension has a share of each
and about the same spread: a probe that scales each dimension to a deviation of 1, as many do, then
leaves the angles alone, where it would blow up the faint directions of a part-by-part layout.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from veneer.pretraining.folding import LARGEST
from veneer.pretraining.image_head import ImageHead

# GELU passes on what lies this many deviations above zero as it is.
_SHIFT = 8.0
# Hidden units that do not depend on the picture: one for what is large, one for the rest.
_CONSTANTS = 2


@dataclass(frozen=True)
class Widened:
    """An image head of the shape open_clip's ``mlp`` projection has: F to 2E to E.

    Attributes
    ----------
    head : ImageHead
    turn : float32 array [D, E]
        Where the D dimensions shared with texts have gone: a text's vector times this.
    share : float
        Average length of the shared part of an image's vector, of 1.
    """

    head: ImageHead
    turn: np.ndarray
    share: float


def shared_hidden(width: int, shared: int) -> int:
    """How many hidden units are left for the shared part of an embedding ``width`` wide."""
    return 2 * width - (width - shared) - _CONSTANTS


@torch.no_grad()
def widen(
    head: ImageHead,
    features: torch.Tensor,
    lanes: Sequence[int],
    width: int,
    image_weight: float,
    lane_weight: float,
    seed: int,
) -> Widened:
    """Widen a head to ``width`` dimensions.

    A hidden unit passes on a linear value when a constant lifts it to where GELU is the identity;
    two more units, which are constant, take the constants away again. The output layer is already
    rounded to what eight bits of one scale can hold, as the constants are much larger than what
    they lift: they have to cancel to the last bit.

    Parameters
    ----------
    head : ImageHead
        F to ``shared_hidden(width, D)`` to D.
    features : float32 tensor [n, F]
        Of any pictures: what the principal directions are those of.
    lanes : sequence of int
        Features that carry what middle layers see: few beside the others, and worth more.
    width : int
        E, above D.
    image_weight : float
        Length of the image's own part beside the shared one, on average.
    lane_weight : float
        Of a lane, where another feature has 1.
    seed : int

    Returns
    -------
    Widened
    """
    shared, hidden = head.fc2.weight.shape
    own = width - shared
    if hidden != shared_hidden(width, shared) or own < 1:
        raise ValueError(
            f"{shared} dimensions with {hidden} hidden units cannot be widened to {width}: that "
            f"takes {shared_hidden(width, shared)} hidden units"
        )
    rng = np.random.default_rng(seed)
    centre, spread = features.mean(0).double(), features.std(0).double() + 1e-3
    # All features alike but lanes, whose scale means nothing: of the others, those that drawn
    # pictures hardly stir are not to be blown up on photographs, which do.
    others = torch.ones(len(spread), dtype=torch.bool)
    others[list(lanes)] = False
    spread[others] = spread[others].square().mean().sqrt()
    spread[~others] /= lane_weight
    scaled = (features.double() - centre) / spread
    _, directions = torch.linalg.eigh(scaled.T @ scaled / len(scaled))
    directions = directions.flip(1)[:, :own].T  # [own, F]
    seen = torch.from_numpy(_rotation(rng, own)) @ directions / spread
    values = (features.double() - centre) @ seen.T
    lift = _SHIFT * values.std(0).max()

    before = head(features)
    weight = image_weight * before.norm(dim=1).mean() / values.norm(dim=1).mean()
    # Hidden units are scaled so that the weights that read them are as large as the others: all
    # are stored with one scale.
    largest = head.fc2.weight.abs().max().double()
    size = weight / largest

    wide = ImageHead(features.shape[1], 2 * width, width)
    wide.fc1.weight[:hidden] = head.fc1.weight
    wide.fc1.bias[:hidden] = head.fc1.bias
    wide.fc1.weight[hidden:-_CONSTANTS] = (size * seen).float()
    wide.fc1.bias[hidden:-_CONSTANTS] = (size * (lift - seen @ centre)).float()
    wide.fc1.weight[-_CONSTANTS:] = 0
    turn = torch.from_numpy(_rotation(rng, width))
    outputs = torch.zeros(width, 2 * width).double()
    outputs[:, :hidden] = turn[:, :shared] @ head.fc2.weight.double()
    outputs[:, hidden:-_CONSTANTS] = turn[:, shared:] * (weight / size)
    step = outputs.abs().max() / LARGEST
    outputs = (outputs / step).round() * step
    rest = -size * lift * outputs[:, hidden:-_CONSTANTS].sum(1)
    for unit in range(-_CONSTANTS, 0):
        height = rest.abs().max() / (LARGEST * step)
        outputs[:, unit] = (rest / height / step).round() * step
        wide.fc1.bias[unit] = height.float()
        rest = rest - height * outputs[:, unit]
    wide.fc2.weight.copy_(outputs.float())
    length = (before.double().norm(dim=1) ** 2 + (weight * values).norm(dim=1) ** 2).sqrt()
    share = (before.norm(dim=1) / length).mean().item()
    return Widened(wide.eval(), turn[:, :shared].T.float().numpy().copy(), share)


def _rotation(rng: np.random.Generator, size: int) -> np.ndarray:
    """A random orthogonal matrix: float64 [size, size]."""
    turned, signs = np.linalg.qr(rng.normal(size=(size, size)))
    return turned * np.sign(np.diag(signs))
