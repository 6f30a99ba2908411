"""What training is to reach: losses, miners and distances of pytorch-metric-learning, by name.

https://kevinmusgrave.github.io/pytorch-metric-learning
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from pytorch_metric_learning import distances, losses, miners
from torch import nn

from veneer.errors import VeneerError
from veneer.finetuning.groups import ideal_pairs
from veneer.finetuning.options import FinetuningOptions

# classifier: Zhai and Wu (2019), Classification is a strong baseline for deep metric learning.
# contrastive: Hadsell, Chopra and LeCun (2006), the loss of Siamese networks.
# supcon: Khosla et al. (2020), Supervised contrastive learning.
_SHORT = {
    "classifier": "NormalizedSoftmaxLoss",
    "contrastive": "ContrastiveLoss",
    "supcon": "SupConLoss",
}


# Of a pair that shares some of its labels they make a negative of its own accord.
_ONE_LABEL_ONLY = ("AngularLoss", "NCALoss")


def check_objective(options: FinetuningOptions) -> None:
    """Make sure that loss, miner and distance are there and take what they are given.

    Raises
    ------
    VeneerError
    """
    make_objective(options, 8, [2] * len(options.labels))


def make_objective(options: FinetuningOptions, dimension: int, classes: list[int]) -> Objective:
    """The objective that the options name; see :class:`Objective`."""
    return Objective(
        options.objective,
        dimension,
        classes,
        options.loss,
        None if options.miner is None else (options.miner, options.miner_options),
        None if options.distance is None else (options.distance, options.distance_options),
        options.pairs,
    )


class Objective(nn.Module):
    """The loss of a batch, by one label or several.

    With several, and ``pairs="ideal"``, pairs are near that share all labels and far that share
    none (see :func:`veneer.finetuning.groups.ideal_pairs`); with ``"by_label"`` the loss is the
    mean of one a label, for which the others do not count. So is always a loss that has a vector
    for each class.

    Parameters
    ----------
    name : str
        ``classifier``, ``contrastive``, ``supcon``, or a loss of pytorch-metric-learning.
    dimension : int
        Of the vectors.
    classes : sequence of int
        Number of classes of each label.
    options : mapping
        The loss's own arguments.
    miner, distance : (str, mapping), optional
        Name and arguments of either.
    pairs : {"ideal", "by_label"}

    Raises
    ------
    VeneerError
        When a name is unknown, or an argument does not fit.
    """

    def __init__(
        self,
        name: str,
        dimension: int,
        classes: list[int],
        options: Mapping[str, Any] | None = None,
        miner: tuple[str, Mapping[str, Any]] | None = None,
        distance: tuple[str, Mapping[str, Any]] | None = None,
        pairs: str = "ideal",
    ):
        super().__init__()
        given = dict(options or {})
        made = None if distance is None else _make(distances, "distance", *distance)
        beside = {} if made is None else {"distance": made}
        loss = _SHORT.get(name, name)
        takes = _arguments(losses, "finetuning.objective", loss)
        self.name, self.by_class = loss, "num_classes" in takes
        if self.by_class and miner is not None:
            raise VeneerError(
                f"Making the objective {loss}: it compares images with classes, and a miner "
                "chooses pairs of images. Leave out finetuning.miner, or take a loss of pairs."
            )
        self.several, self.ideal = len(classes) > 1, pairs == "ideal"
        if loss in _ONE_LABEL_ONLY and self.several and self.ideal:
            raise VeneerError(
                f"Making the objective {loss}: it makes pairs of its own, also of images "
                "that share some of their labels. Take finetuning.pairs=by_label, or another "
                "loss, as supcon or MultiSimilarityLoss."
            )
        shapes = [
            {k: v for k, v in (("num_classes", n), ("embedding_size", dimension)) if k in takes}
            for n in classes
        ]
        self.losses = nn.ModuleList(
            _make(losses, "objective", loss, given | beside | shape)
            for shape in (shapes if self.by_class else [{}])
        )
        self.miner = None if miner is None else _make(miners, "miner", miner[0], miner[1] | beside)

    @torch.no_grad()
    def start_from(self, vectors: torch.Tensor, codes: np.ndarray) -> None:
        """Let the vector of each class be the mean of its images.

        From a random one the first steps would undo what the encoder knows.

        Parameters
        ----------
        vectors : float tensor [n, dimension]
        codes : int64 array [n, L]
        """
        if not self.by_class:
            return
        for loss, column in zip(self.losses, torch.from_numpy(codes).T, strict=True):
            sums = torch.zeros(int(column.max()) + 1, vectors.shape[1])
            means = nn.functional.normalize(sums.index_add_(0, column, vectors))
            for name, start in (("W", means.T), ("proxies", means)):
                parameter = getattr(loss, name, None)
                if parameter is not None and parameter.shape == start.shape:
                    parameter.copy_(start)

    def forward(
        self, vectors: torch.Tensor, groups: torch.Tensor, codes: np.ndarray
    ) -> torch.Tensor:
        """Loss of a batch.

        Parameters
        ----------
        vectors : float tensor [n, dimension]
        groups : int64 tensor [n]
            See :class:`veneer.finetuning.groups.Groups`.
        codes : int64 array [n, L]
            The labels as numbers.

        Raises
        ------
        VeneerError
            With what the library says, when the loss cannot be computed of such a batch.
        """
        try:
            return self._of(vectors, groups, codes)
        except Exception as error:
            raise VeneerError(
                f"Computing the objective {self.name} of {len(vectors)} images: "
                f"{type(error).__name__}: {error}. Its arguments (finetuning.loss) may be of the "
                "wrong type, or it is not made for such batches; take another one."
            ) from error

    def _of(self, vectors: torch.Tensor, groups: torch.Tensor, codes: np.ndarray) -> torch.Tensor:
        if self.by_class:
            labels = torch.from_numpy(codes).to(vectors.device)
            each = [
                loss(vectors, column) for loss, column in zip(self.losses, labels.T, strict=True)
            ]
            return torch.stack(each).mean()
        if not (self.several and self.ideal):
            columns = torch.from_numpy(codes).to(vectors.device).T
            return torch.stack([self._by(vectors, column) for column in columns]).mean()
        near, far = (torch.from_numpy(each).to(vectors.device) for each in ideal_pairs(codes))
        if self.miner is None:
            pairs = (*torch.where(near), *torch.where(far))
        else:
            pairs = _ideal(self.miner(vectors, groups), near, far)
        return self.losses[0](vectors, groups, pairs)

    def _by(self, vectors: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        mined = None if self.miner is None else self.miner(vectors, labels)
        return self.losses[0](vectors, labels, mined)


def _ideal(mined: tuple, near: torch.Tensor, far: torch.Tensor) -> tuple:
    """What was mined by groups, without pairs that share some of their labels."""
    if len(mined) == 3:
        anchor, positive, negative = mined
        kept = near[anchor, positive] & far[anchor, negative]
        return anchor[kept], positive[kept], negative[kept]
    first, positive, second, negative = mined
    kept, apart = near[first, positive], far[second, negative]
    return first[kept], positive[kept], second[apart], negative[apart]


def _make(library: Any, what: str, name: str, options: Mapping[str, Any]) -> nn.Module:
    known = _arguments(library, f"finetuning.{what}", name)
    unknown = sorted(set(options) - set(known))
    if unknown:
        raise VeneerError(
            f"Making the {what} {name}: it takes no {', '.join(unknown)}. It takes "
            f"{', '.join(known) or 'nothing'}."
        )
    try:
        return getattr(library, name)(**options)
    except Exception as error:  # whatever the library says of its arguments
        raise VeneerError(
            f"Making the {what} {name} with {dict(options)}: {type(error).__name__}: {error}."
        ) from error


def _usable(made: Any) -> bool:
    """Whether something is a loss, miner or distance, and not a wrapper around another one."""
    if not (inspect.isclass(made) and issubclass(made, nn.Module)):
        return False
    own = made.__name__
    wraps = own in ("CrossBatchMemory", "MultipleLosses", "SelfSupervisedLoss", "GenericPairLoss")
    return not (wraps or own.startswith("Base") or own.endswith("Mixin"))


def _arguments(library: Any, parameter: str, name: str) -> list[str]:
    """Names of the arguments of a class and of its bases."""
    made = getattr(library, name, None)
    if not _usable(made):
        names = [key for key, each in vars(library).items() if _usable(each)]
        names += list(_SHORT) if library is losses else []
        close = difflib.get_close_matches(name, names, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        raise VeneerError(
            f"The parameter {parameter!r} is {name!r}, which pytorch-metric-learning does not "
            f"have.{hint} There are {', '.join(sorted(names))}."
        )
    found: dict[str, None] = {}
    for base in made.__mro__:
        if issubclass(base, nn.Module) and base is not nn.Module and "__init__" in vars(base):
            parameters = inspect.signature(base.__init__).parameters.values()
            found |= {p.name: None for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD}
    found.pop("self", None)
    return list(found)
