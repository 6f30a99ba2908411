"""JSON and HTML files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from kedro.io import AbstractDataset
from kedro_datasets._typing import JSONPreview

from veneer.atomic import require, write_bytes


class JSONDataset(AbstractDataset[Any, Any]):
    """A JSON file, indented, written atomically.

    Parameters
    ----------
    filepath : str
    missing_ok : bool
        Loading a file that is not there, or damaged, gives an empty dictionary.
    """

    def __init__(self, filepath: str, missing_ok: bool = False, metadata: dict | None = None):
        self._filepath = Path(filepath)
        self._missing_ok = missing_ok
        self.metadata = metadata

    def load(self) -> Any:
        """Parse the file."""
        if self._missing_ok:
            try:
                return json.loads(self._filepath.read_text("utf-8"))
            except (OSError, ValueError):
                return {}
        require(self._exists(), self._filepath)
        return json.loads(self._filepath.read_text("utf-8"))

    def save(self, data: Any) -> None:
        """Write the file."""
        text = json.dumps(data, indent=2, ensure_ascii=False)
        write_bytes(self._filepath, (text + "\n").encode())

    def preview(self) -> JSONPreview:
        """Show the whole document."""
        return JSONPreview(json.dumps(self.load()))

    def _exists(self) -> bool:
        return self._filepath.is_file()

    def _describe(self) -> dict:
        return {"filepath": str(self._filepath)}


class TextDataset(AbstractDataset[str, str]):
    """A UTF-8 text file (HTML, Markdown), written atomically."""

    def __init__(self, filepath: str, metadata: dict | None = None):
        self._filepath = Path(filepath)
        self.metadata = metadata

    def load(self) -> str:
        """Read the file."""
        require(self._exists(), self._filepath)
        return self._filepath.read_text("utf-8")

    def save(self, data: str) -> None:
        """Write the file."""
        write_bytes(self._filepath, data.encode())

    def _exists(self) -> bool:
        return self._filepath.is_file()

    def _describe(self) -> dict:
        return {"filepath": str(self._filepath)}
