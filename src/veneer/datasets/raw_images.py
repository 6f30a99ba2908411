"""The raw image files of a collection."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from kedro.io import AbstractDataset

from veneer.sources.folder import FolderSource
from veneer.streams import FileStream


class RawImagesDataset(AbstractDataset[FileStream | tuple, FolderSource]):
    """A folder of image files.

    Loading gives a :class:`veneer.sources.folder.FolderSource`. Saving takes a stream of files
    and writes them once: a folder that has files in it is left as it is. An empty tuple saves
    nothing.
    """

    def __init__(self, path: str, metadata: dict | None = None):
        self._path = Path(path)
        self.metadata = metadata

    def load(self) -> FolderSource:
        """List the folder; the files are read when the source is iterated."""
        return FolderSource(self._path)

    def save(self, data: FileStream | tuple) -> None:
        """Write the files, unless there are some."""
        if data == () or (self._path.is_dir() and any(self._path.iterdir())):
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        for killed in self._path.parent.glob(f".{self._path.name}.*"):
            shutil.rmtree(killed)  # what an earlier run could not finish
        # Written under another name and moved as a whole: half a collection is never seen.
        unfinished = Path(tempfile.mkdtemp(prefix=f".{self._path.name}.", dir=self._path.parent))
        try:
            for name, content in data:
                file = unfinished / name
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(content)
            unfinished.chmod(0o755)
            os.replace(unfinished, self._path)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)

    def _exists(self) -> bool:
        return self._path.is_dir()

    def _describe(self) -> dict:
        return {"path": str(self._path)}
