"""What the pipeline `pretraining` reads and writes."""

from __future__ import annotations

import shutil
from pathlib import Path

from kedro.io import AbstractDataset

from veneer.atomic import making_folder, require
from veneer.errors import VeneerError
from veneer.pretraining.ingredients import no_clip_art
from veneer.pretraining.work import Work


class WorkDataset(AbstractDataset[None, Work]):
    """The folder where an interrupted run goes on; what is in it is made and read by the nodes.

    Parameters
    ----------
    path : str
    """

    def __init__(self, path: str, metadata: dict | None = None):
        self._path = Path(path)
        self.metadata = metadata

    def load(self) -> Work:
        """The folder, whether there is one or not."""
        return Work(self._path)

    def save(self, data: None) -> None:
        """Not done by anybody."""
        raise VeneerError(f"{self._path} is written by the nodes that it belongs to.")

    def _exists(self) -> bool:
        return True

    def _describe(self) -> dict:
        return {"path": str(self._path)}


class ClipArtDataset(AbstractDataset[None, list[Path]]):
    """A folder of clip art.

    Parameters
    ----------
    path : str
    """

    def __init__(self, path: str, metadata: dict | None = None):
        self._path = Path(path)
        self.metadata = metadata

    def load(self) -> list[Path]:
        """The files that are of use, always in the same order."""
        from veneer.pretraining.pictures import find_clip_art

        return find_clip_art(self._path)

    def save(self, data: None) -> None:
        """Not done by anybody."""
        raise VeneerError(f"{self._path} is only read.")

    def _exists(self) -> bool:
        return any(self._path.rglob("*.png"))

    def require(self) -> None:
        """Raise the VeneerError that tells where clip art comes from, when there is none."""
        if not self._exists():
            raise no_clip_art(self._path)

    def _describe(self) -> dict:
        return {"path": str(self._path)}


class PretrainedEncoderDataset(AbstractDataset[dict[str, bytes], str]):
    """An open_clip model folder.

    Saving takes its files and writes them as a whole, in the place of a folder that was there;
    loading gives its path, by which it is opened.

    Parameters
    ----------
    path : str
    """

    def __init__(self, path: str, metadata: dict | None = None):
        self._path = Path(path)
        self.metadata = metadata

    def load(self) -> str:
        """The folder's path."""
        require(self._exists(), self._path, "pretraining")
        return str(self._path)

    def save(self, data: dict[str, bytes]) -> None:
        """Write all files, then give the folder its name."""
        if self._exists() and all(
            (self._path / name).is_file() and (self._path / name).read_bytes() == content
            for name, content in data.items()
        ):
            return
        with making_folder(self._path) as temporary:
            for name, content in data.items():
                (temporary / name).write_bytes(content)
            if self._path.exists():
                shutil.rmtree(self._path)

    def _exists(self) -> bool:
        return self._path.is_dir()

    def _describe(self) -> dict:
        return {"path": str(self._path)}
