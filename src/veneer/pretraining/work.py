"""What the making of an encoder has done so far, so that an interrupted run goes on there."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from veneer.atomic import write_bytes
from veneer.finetuning.checkpoints import Checkpoints

if TYPE_CHECKING:
    import torch

Tensors = dict[str, "torch.Tensor"]


class Work:
    """A folder of tensors by name, each with the digest of all that it was made from.

    Parameters
    ----------
    folder : Path
    """

    def __init__(self, folder: Path):
        self.folder = folder

    def kept(self, name: str, made_from: Any, make: Callable[[], Tensors]) -> Tensors:
        """Tensors that were kept, or are made now and kept; see :meth:`find`."""
        found = self.find(name, made_from)
        if found is None:
            self.keep(name, made_from, make())
            found = self.find(name, made_from)
        return found

    def find(self, name: str, made_from: Any) -> Tensors | None:
        """Tensors that were kept under a name, if they were made from the same.

        Parameters
        ----------
        name : str
            Of the file, without its ending; may have folders.
        made_from : JSON value
            All that they follow from.
        """
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(self.folder / f"{name}.safetensors", "pt") as file:
                if (file.metadata() or {}).get("digest") != digest_of(made_from):
                    return None
                return {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        except (FileNotFoundError, SafetensorError):
            return None

    def keep(self, name: str, made_from: Any, tensors: Tensors) -> None:
        """Keep tensors in the place of those before."""
        import safetensors.torch

        path = self.folder / f"{name}.safetensors"
        whole = {key: value.detach().contiguous() for key, value in tensors.items()}
        metadata = {"digest": digest_of(made_from)}
        write_bytes(path, safetensors.torch.save(whole, metadata=metadata))

    def checkpoints(self, name: str) -> Checkpoints:
        """Where a training goes on."""
        return Checkpoints(self.folder / f"{name}.checkpoint.safetensors")


def digest_of(made_from: Any) -> str:
    """A digest of JSON values."""
    return hashlib.sha256(json.dumps(made_from, sort_keys=True).encode()).hexdigest()


def digest_of_tensors(tensors: Tensors) -> str:
    """A digest of tensors and their names, whatever the order."""
    digest = hashlib.sha256()
    for name, value in sorted(tensors.items()):
        digest.update(name.encode())
        digest.update(value.detach().contiguous().numpy().tobytes())
    return digest.hexdigest()
