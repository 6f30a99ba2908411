"""Where the archive of a collection is kept."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

from kedro.io import AbstractDataset

from veneer.datasets.raw_images import holds_files
from veneer.errors import VeneerError
from veneer.sources.download import ArchiveLocation


class ArchivesDataset(AbstractDataset[NoReturn, ArchiveLocation]):
    """A folder for archives as they were downloaded.

    Loading tells where it is, and whether ``raw_images`` holds files already.

    Parameters
    ----------
    path : str
    raw_images : dict
        With the ``path`` that archives are unpacked to.
    """

    def __init__(self, path: str, raw_images: dict, metadata: dict | None = None):
        self._path = Path(path)
        # Kedro makes what is called `path` absolute.
        self._raw_images = raw_images["path"]
        self.metadata = metadata

    def load(self) -> ArchiveLocation:
        """Look what is there."""
        target = Path(self._raw_images)
        if "://" in self._raw_images or target.is_file():
            raise VeneerError(
                f"Unpacking an archive: {self._raw_images} is no local folder. Leave out `images`, "
                "or let it name one."
            )
        return ArchiveLocation(self._path, target, holds_files(target))

    def save(self, data: NoReturn) -> NoReturn:
        """Archives come from where they were fetched."""
        raise NotImplementedError("archives are written while they are fetched")

    def _exists(self) -> bool:
        return self._path.is_dir()

    def _describe(self) -> dict:
        return {"path": str(self._path), "raw_images": self._raw_images}
