"""A folder of PNG pictures."""

# No `from __future__ import annotations` here: kedro-viz reads the return annotation of
# `preview` to know what it is given, and cannot use a string.

import base64
from collections.abc import Mapping
from pathlib import Path

from kedro.io import AbstractDataset
from kedro_datasets._typing import ImagePreview
from PIL import Image

from veneer.atomic import require, write_bytes
from veneer.images import png_bytes
from veneer.text import slugs


class PicturesDataset(AbstractDataset[Mapping[str, Image.Image], dict[str, Image.Image]]):
    """Named pictures, one PNG each.

    Saving replaces all pictures of the folder. A name is turned into a file name that works
    everywhere (``a red & white grid`` becomes ``a-red-white-grid.png``); loading gives the
    pictures by these names.
    """

    def __init__(self, path: str, metadata: dict | None = None):
        self._path = Path(path)
        self.metadata = metadata

    def load(self) -> dict[str, Image.Image]:
        """Read all pictures, in the order of their names."""
        require(self._exists(), self._path, "reporting")
        pictures = {}
        for file in sorted(self._path.glob("*.png")):
            with Image.open(file) as picture:
                pictures[file.stem] = picture.convert("RGB")
        return pictures

    def save(self, data: Mapping[str, Image.Image]) -> None:
        """Write the pictures and remove those of an earlier run."""
        self._path.mkdir(parents=True, exist_ok=True)
        files = {f"{slug}.png": data[name] for name, slug in slugs(list(data)).items()}
        for file, picture in files.items():
            write_bytes(self._path / file, png_bytes(picture))
        for old in self._path.glob("*.png"):
            if old.name not in files:
                old.unlink()

    def preview(self) -> ImagePreview:
        """Show the first picture."""
        first = next(iter(sorted(self._path.glob("*.png"))))
        return ImagePreview(base64.b64encode(first.read_bytes()).decode())

    def _exists(self) -> bool:
        return self._path.is_dir()

    def _describe(self) -> dict:
        return {"path": str(self._path)}
