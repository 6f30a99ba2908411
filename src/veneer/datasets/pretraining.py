"""What the pipeline `pretraining` reads and writes."""

from __future__ import annotations

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

    Saving takes its files and writes them as a whole. Another encoder of that name is not replaced:
    vectors of it may lie about. Loading gives its path, by which it is opened.

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
        if not self._exists():
            with making_folder(self._path) as temporary:
                for name, content in data.items():
                    (temporary / name).write_bytes(content)
        elif any(self._differs(name, content) for name, content in data.items()):
            raise VeneerError(
                f"Writing the encoder {self._path}: there is another one of this name. Delete "
                "it, or give this one another name: --params pretrained=... What leads to it is "
                "kept, so that this takes minutes."
            )

    def _differs(self, name: str, content: bytes) -> bool:
        file = self._path / name
        return not file.is_file() or file.read_bytes() != content

    def _exists(self) -> bool:
        return self._path.is_dir()

    def _describe(self) -> dict:
        return {"path": str(self._path)}
