"""Where training goes on after it was interrupted."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from veneer.atomic import write_bytes
from veneer.heads.common import read_tensors

if TYPE_CHECKING:
    import torch

_KEY = "veneer"


@dataclass
class State:
    """All that an epoch leaves to the next.

    Attributes
    ----------
    epoch : int
        The last that is done.
    tensors : dict of str to Tensor
        Of the network, the loss and the optimiser, and the best of the network so far.
    log : list of dict
        One entry an epoch.
    """

    epoch: int = 0
    tensors: dict[str, torch.Tensor] = field(default_factory=dict)
    log: list[dict] = field(default_factory=list)


class Checkpoints:
    """One file, written anew after every epoch, in safetensors: it can carry no code.

    Parameters
    ----------
    path : Path
    """

    def __init__(self, path: Path):
        self._path = path

    def load(self, digest: str) -> State | None:
        """The state of a training with this digest; None where there is none, or a damaged one."""
        import torch

        try:
            tensors, description = read_tensors(self._path.read_bytes(), _KEY, "a checkpoint")
            if description["digest"] != digest:
                return None
            found = {name: torch.from_numpy(each.copy()) for name, each in tensors.items()}
            return State(int(description["epoch"]), found, list(description["log"]))
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None

    def save(self, digest: str, state: State) -> None:
        """Keep a state in the place of the one before it."""
        import safetensors.torch

        description = {"digest": digest, "epoch": state.epoch, "log": state.log}
        tensors = {name: each.detach().cpu().contiguous() for name, each in state.tensors.items()}
        metadata = {_KEY: json.dumps(description)}
        write_bytes(self._path, safetensors.torch.save(tensors, metadata=metadata))

    def clear(self) -> None:
        """Forget what is there: the training is done."""
        self._path.unlink(missing_ok=True)
