"""Fitted heads, each in its own format, with a card."""

from __future__ import annotations

from pathlib import Path

from kedro.io import AbstractDataset

from veneer.atomic import require, write_bytes
from veneer.errors import VeneerError
from veneer.heads.classifier import Classifier, dumps, loads
from veneer.heads.registry import FORMATS


class HeadsDataset(AbstractDataset[dict[str, Classifier], dict[str, Classifier]]):
    """A folder of heads by name: ``svc.skops`` and ``svc.json``, ``mlp.safetensors``, ….

    Saving replaces all heads of the folder; no heads at all (a collection without labels) leave
    it empty.
    """

    def __init__(self, path: str, metadata: dict | None = None):
        self._path = Path(path)
        self.metadata = metadata

    def load(self) -> dict[str, Classifier]:
        """Load every head that is there."""
        require(self._exists(), self._path, "modeling")
        found = {}
        for name, suffix in FORMATS.items():
            file = self._path / f"{name}{suffix}"
            card = file.with_suffix(".json")
            if file.is_file():
                try:
                    found[name] = loads(file.read_bytes(), card.read_bytes())
                except (ValueError, FileNotFoundError) as error:
                    raise VeneerError(
                        f"Reading the head {file} and its card {card.name}: {error}. Fit it again "
                        "with kedro run --pipelines modeling."
                    ) from error
        return found

    def save(self, data: dict[str, Classifier]) -> None:
        """Write the heads and remove those of an earlier run."""
        self._path.mkdir(parents=True, exist_ok=True)
        for name, suffix in FORMATS.items():
            file = self._path / f"{name}{suffix}"
            card = file.with_suffix(".json")
            if name in data:
                head, description = dumps(data[name])
                write_bytes(file, head)
                write_bytes(card, description)
            else:
                file.unlink(missing_ok=True)
                card.unlink(missing_ok=True)

    def _exists(self) -> bool:
        return self._path.is_dir()

    def _describe(self) -> dict:
        return {"path": str(self._path)}
