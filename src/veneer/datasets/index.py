"""The index of a collection under one encoder."""

from __future__ import annotations

from pathlib import Path

from kedro.io import AbstractDataset

from veneer.retrieval.build import Update, write_index
from veneer.retrieval.index import Index, open_known, table_folder


class IndexDataset(AbstractDataset[Update, Index | None]):
    """A LanceDB table; see :mod:`veneer.retrieval.index`.

    Parameters
    ----------
    path : str
        Folder of the database.
    missing_ok : bool
        Loading gives None where there is no index yet.
    """

    def __init__(self, path: str, missing_ok: bool = False, metadata: dict | None = None):
        self._path = Path(path)
        self._missing_ok = missing_ok
        self.metadata = metadata

    def load(self) -> Index | None:
        """Open the version that was finished last."""
        return open_known(self._path) if self._missing_ok else Index(self._path)

    def save(self, data: Update) -> None:
        """Bring the index up to date; readers see the old version until all is done."""
        write_index(self._path, data)

    def _exists(self) -> bool:
        return table_folder(self._path).is_dir()

    def _describe(self) -> dict:
        return {"path": str(self._path)}
