"""What of an encoder is changed by training: a projection on top of its image tower.

:mod:`veneer.finetuning` trains it; :mod:`veneer.encoders.tuned` is the encoder with it.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn
from torch.nn import functional

_BATCH = 4096  # vectors that are projected together


class Projection(nn.Module):
    """Unit vectors to vectors of another likeness: a linear map, and a bent one beside it.

    It starts as what keeps most: the identity, or the directions in which the vectors differ most
    where the result is to be shorter; the bent part starts at zero. So training never begins below
    the frozen encoder, and vectors of texts, which it has not seen, stay near those of images.

    Parameters
    ----------
    dimension : int
        Of what comes in.
    target : int
        Of what goes out, at most ``dimension``.
    hidden : int, optional
        Width of the bent part; none without it.
    dropout : float
        Of its hidden layer, while training.
    """

    def __init__(
        self, dimension: int, target: int, hidden: int | None = None, dropout: float = 0.0
    ):
        super().__init__()
        self.scale = dimension**0.5  # numbers of a unit vector are small; the layers like them at 1
        self.straight = nn.Linear(dimension, target)
        with torch.no_grad():
            self.straight.weight.copy_(torch.eye(target, dimension))
            self.straight.bias.zero_()
        self.bent: nn.Module | None = None
        if hidden:
            last = nn.Linear(hidden, target, bias=False)
            nn.init.zeros_(last.weight)
            self.bent = nn.Sequential(
                nn.Linear(dimension, hidden), nn.GELU(), nn.Dropout(dropout), last
            )

    def start_from(self, vectors: np.ndarray) -> None:
        """Keep the directions in which ``vectors`` [n, dimension] differ most, where some go."""
        target, dimension = self.straight.weight.shape
        if target < dimension:
            # Not around the mean: cosines to the origin are what is compared.
            _, axes = np.linalg.eigh(vectors.T.astype(np.float64) @ vectors)
            with torch.no_grad():
                self.straight.weight.copy_(torch.from_numpy(axes[:, ::-1][:, :target].T.copy()))

    def forward(self, vectors: torch.Tensor) -> torch.Tensor:
        """Float [n, dimension] to float [n, target], of any length."""
        scaled = self.scale * functional.normalize(vectors, dim=1)
        out = self.straight(scaled)
        return out if self.bent is None else out + self.bent(scaled)


def projection_of(tensors: dict[str, torch.Tensor]) -> Projection:
    """A projection with the weights of another one's ``state_dict``, ready to be used."""
    target, dimension = tensors["straight.weight"].shape
    first = tensors.get("bent.0.weight")
    made = Projection(dimension, target, None if first is None else len(first))
    made.load_state_dict(tensors)
    return made.eval()


def projected(vectors: np.ndarray, projection: Projection) -> np.ndarray:
    """Unit vectors [n, D] under a projection: unit vectors, float32 array [n, target]."""
    was = projection.training
    projection.eval()
    found = [np.empty((0, len(projection.straight.bias)), np.float32)]
    with torch.inference_mode():
        for start in range(0, len(vectors), _BATCH):
            batch = torch.from_numpy(vectors[start : start + _BATCH].copy())  # may be read-only
            found.append(functional.normalize(projection(batch), dim=1).numpy())
    projection.train(was)
    return np.concatenate(found)


class Tuned(nn.Module):
    """An image tower and a projection: what comes in as in the tower, out as unit vectors."""

    def __init__(self, tower: nn.Module, projection: Projection):
        super().__init__()
        self.tower = tower
        self.projection = projection

    def train(self, mode: bool = True) -> Tuned:
        """As of any module, but the tower stays as it is when it embeds.

        The statistics of its normalisations are those of what it was pretrained on; a few images
        a batch give worse ones. Its weights are trained all the same.
        """
        super().train(mode)
        self.tower.eval()
        return self

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        """Images to unit vectors, float [n, target]."""
        return self.on_top(self.tower(batch))

    def on_top(self, features: torch.Tensor) -> torch.Tensor:
        """What the tower has given to unit vectors, float [n, target]."""
        return functional.normalize(self.projection(features), dim=1)
