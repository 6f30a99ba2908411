"""Tuned encoders, and where their training goes on."""

from __future__ import annotations

from pathlib import Path

from kedro.io import AbstractDataset

from veneer.atomic import require
from veneer.encoders.config import EncoderConfig
from veneer.encoders.tuned import TunedEncoder, read, write
from veneer.errors import VeneerError
from veneer.finetuning.checkpoints import Checkpoints


class TunedEncoderDataset(
    AbstractDataset[
        tuple[TunedEncoder, str, dict[str, EncoderConfig]] | tuple, tuple[TunedEncoder, str] | None
    ]
):
    """A folder that is an encoder; see :mod:`veneer.encoders.tuned`.

    Loading gives what was trained, and the folder's path, by which the encoder is opened. Saving
    takes what was trained and the encoder it was made of (its name, and all that are known); an
    empty tuple saves nothing.

    Parameters
    ----------
    path : str
    missing_ok : bool
        Loading gives None where there is none yet.
    """

    def __init__(self, path: str, missing_ok: bool = False, metadata: dict | None = None):
        self._path = Path(path)
        self._missing_ok = missing_ok
        self.metadata = metadata

    def load(self) -> tuple[TunedEncoder, str] | None:
        """Read the card and the weights that have changed."""
        if self._missing_ok and not self._path.exists():
            return None
        require(self._exists(), self._path, "finetuning")
        return read(self._path), str(self._path)

    def save(self, data: tuple[TunedEncoder, str, dict[str, EncoderConfig]] | tuple) -> None:
        """Write the folder as a whole; one that is there is never replaced."""
        if not data:
            return
        if self._path.exists():
            raise VeneerError(
                f"Writing the tuned encoder {self._path}: there is one of this name, which was "
                "made meanwhile. Give this one another name: --params tuned=..."
            )
        write(self._path, *data)

    def _exists(self) -> bool:
        return self._path.is_dir()

    def _describe(self) -> dict:
        return {"path": str(self._path)}


class CheckpointsDataset(AbstractDataset[None, Checkpoints]):
    """Where an interrupted training goes on: a file that training itself writes and removes."""

    def __init__(self, filepath: str, metadata: dict | None = None):
        self._filepath = Path(filepath)
        self.metadata = metadata

    def load(self) -> Checkpoints:
        """The checkpoints, whether there are any or not."""
        return Checkpoints(self._filepath)

    def save(self, data: None) -> None:
        """Not done by anybody."""
        raise VeneerError(f"{self._filepath} is written by the training that it belongs to.")

    def _exists(self) -> bool:
        return True

    def _describe(self) -> dict:
        return {"filepath": str(self._filepath)}
