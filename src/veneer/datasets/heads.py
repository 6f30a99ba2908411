"""Fitted heads, each in its own format."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kedro.io import AbstractDataset

from veneer.atomic import require, write_bytes
from veneer.heads.registry import FORMATS, dumps, loads


class HeadsDataset(AbstractDataset[dict[str, Any], dict[str, Any]]):
    """A folder of heads by name: ``svc.skops``, ``mlp.safetensors``.

    Saving replaces all heads of the folder; no heads at all (a collection without labels) leave
    it empty.
    """

    def __init__(self, path: str, metadata: dict | None = None):
        self._path = Path(path)
        self.metadata = metadata

    def load(self) -> dict[str, Any]:
        """Load every head that is there."""
        require(self._exists(), self._path, "modeling")
        return {
            name: loads(name, file.read_bytes())
            for name, suffix in FORMATS.items()
            if (file := self._path / f"{name}{suffix}").is_file()
        }

    def save(self, data: dict[str, Any]) -> None:
        """Write the heads and remove those of an earlier run."""
        self._path.mkdir(parents=True, exist_ok=True)
        for name, suffix in FORMATS.items():
            file = self._path / f"{name}{suffix}"
            if name in data:
                write_bytes(file, dumps(name, data[name]))
            else:
                file.unlink(missing_ok=True)

    def _exists(self) -> bool:
        return self._path.is_dir()

    def _describe(self) -> dict:
        return {"path": str(self._path)}
