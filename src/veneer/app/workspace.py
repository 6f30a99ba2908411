"""What the app works on: one collection under one encoder, as it is on disk at the moment."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds

from veneer.app.kept import Recent
from veneer.encoders.config import encoder_name
from veneer.encoders.encoder import Encoder
from veneer.heads.classifier import Classifier
from veneer.project import Project
from veneer.retrieval.columns import Column, filterable
from veneer.retrieval.duplicates import Comparison, compare_all
from veneer.retrieval.index import Index
from veneer.retrieval.pairs import Advance
from veneer.streams import find_image


class Workspace:
    """Opens what is asked for when it is asked for, and again when it has changed.

    May be used from several threads.

    Parameters
    ----------
    project : Project
    """

    def __init__(self, project: Project):
        self.project = project
        self.parameters = project.parameters
        self.collection = project.parameters.source.collection
        self.encoder_name = encoder_name(project.parameters.embedding.encoder)
        self._index: Index | None = None
        self._kept: dict[str, tuple[Any, Any]] = {}
        self._locks: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()
        self._thumbnails = Recent[bytes](4096)  # some 40 MB
        self.results = Recent[Any](512)
        """What was found of late, by a word that only who searched is told."""

    def index(self) -> Index:
        """The newest version of the index."""
        with self._lock_of("index"):
            there = self._index is not None and self.has("index")
            self._index = self._index.refreshed() if there else self.project.catalog.load("index")
            return self._index

    def encoder(self) -> Encoder:
        """The encoder; its towers are loaded by the first search."""
        return self._keep("encoder", lambda: None, self.project.open_encoder)

    def heads(self) -> dict[str, Classifier]:
        """The heads by name; none where the collection has no labels."""
        return self._load("heads")

    def image_rows(self) -> ds.Dataset:
        """The rows with the files' bytes."""
        return self._load("image_rows")

    def document(self, name: str) -> Any:
        """What a dataset of the catalog holds."""
        return self._load(name)

    def has(self, name: str) -> bool:
        """Whether a dataset of the catalog is there."""
        return self.project.catalog[name].exists()

    def columns(self) -> list[Column]:
        """What can be filtered by."""
        index = self.index()
        return self.of_index("columns", index, lambda: filterable(index))

    def comparison(self, advance: Advance | None = None) -> Comparison:
        """All images compared with each other; takes a while, once for a version of the index."""
        index = self.index()
        return self.of_index("comparison", index, lambda: compare_all(index, advance))

    def of_index(self, name: str, index: Index, make: Callable[[], Any], *also: Any) -> Any:
        """Something that follows from a version of the index, and what else is named, made once."""
        return self._keep(name, lambda: (str(index.folder), index.version, *also), make)

    def thumbnails(self, ids: list[str]) -> Mapping[str, bytes]:
        """Thumbnails (WebP) by id; none for what is no image of the collection."""
        found = self._thumbnails.get(ids)
        missing = [id_ for id_ in ids if id_ not in found]
        if missing:
            read = self.index().thumbnails(missing)
            self._thumbnails.keep(read)
            found |= read
        return found

    def keep_thumbnails(self, results: pa.Table) -> pa.Table:
        """Search results without their thumbnails, which are at hand now for the browser."""
        pairs = zip(results["id"].to_pylist(), results["thumbnail"].to_pylist(), strict=True)
        self._thumbnails.keep({id_: data for id_, data in pairs if data is not None})
        return results.drop_columns(["thumbnail"])

    def picture(self, id_: str) -> bytes | None:
        """The bytes of an image's file; None for what is no image of the collection."""
        return find_image(self.image_rows(), id_)

    def _load(self, name: str) -> Any:
        dataset = self.project.catalog[name]
        place = dataset._describe()
        path = Path(place.get("path") or place["filepath"])
        return self._keep(name, lambda: _stamp(path), lambda: self.project.catalog.load(name))

    def _keep(self, name: str, stamp: Callable[[], Any], make: Callable[[], Any]) -> Any:
        """What was made under this name, as long as its stamp stays the same."""
        with self._lock_of(name):
            now = stamp()
            known = self._kept.get(name)
            if known is None or known[0] != now:
                known = self._kept[name] = now, make()
            return known[1]

    def _lock_of(self, name: str) -> threading.Lock:
        """Threads that ask for the same thing at the same time wait for the first one's."""
        with self._lock:
            return self._locks.setdefault(name, threading.Lock())


def _stamp(path: Path) -> tuple:
    """Changes when a file, or any file of a folder, does."""
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    facts = []
    for file in files:
        try:
            status = file.stat()
        except OSError:  # gone, or not there at all: loading tells
            continue
        facts.append((file.name, status.st_mtime_ns, status.st_size, status.st_ino))
    return tuple(facts)
