"""The raw image files of a collection."""

from __future__ import annotations

import glob
import os
import shutil
import tempfile
from pathlib import Path

from kedro.io import AbstractDataset

from veneer.atomic import make_folder, telling_of_writing
from veneer.sources.files import kind_of
from veneer.sources.registry import RawLocation
from veneer.streams import FileStream


class RawImagesDataset(AbstractDataset[FileStream | tuple, RawLocation]):
    """A folder of image files, or a file that holds images or names them.

    Loading gives its location, for :mod:`veneer.sources` to open. Saving takes a stream of files
    and writes them once: a folder that has files in it is left as it is. An empty tuple saves
    nothing.
    """

    def __init__(self, path: str, cache: dict | None = None, metadata: dict | None = None):
        # A folder for what has to be fetched; Kedro makes what is called `path` absolute.
        self._location = RawLocation(path, Path(cache["path"]) if cache else None)
        self._path = Path(path)
        self.metadata = metadata

    def load(self) -> RawLocation:
        """Tell where it is."""
        return self._location

    def save(self, data: FileStream | tuple) -> None:
        """Write the files, unless there are some."""
        if data == () or holds_files(self._path):
            return
        folder = self._path.resolve()  # where it is a link to another disk, it stays one
        make_folder(folder.parent)
        prefix, suffix = f".{folder.name}.", ".unfinished"
        for killed in folder.parent.glob(f"{glob.escape(prefix)}*{suffix}"):
            shutil.rmtree(killed)  # what an earlier run could not finish
        # Written under another name and moved as a whole: half a collection is never seen.
        unfinished = Path(tempfile.mkdtemp(prefix=prefix, suffix=suffix, dir=folder.parent))
        try:
            for name, content in data:
                _write_below(unfinished, name, content)
            unfinished.chmod(0o755)
            os.replace(unfinished, folder)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)

    def _exists(self) -> bool:
        return kind_of(self._location.root) is not None

    def _describe(self) -> dict:
        return {"path": self._location.root}


def holds_files(folder: Path) -> bool:
    """Whether there is anything in a folder; not where there is no folder."""
    return folder.is_dir() and any(folder.iterdir())


def _write_below(folder: Path, name: str, content: bytes) -> None:
    file = Path(os.path.normpath(folder / name))
    if file == folder or not file.is_relative_to(folder):
        raise ValueError(f"the file {name!r} does not lie in its folder")
    with telling_of_writing(file):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
