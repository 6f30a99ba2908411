"""``kedro duplicates --apply``: what is to be kept, as a collection of its own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from veneer.datasets.collections import write_collection
from veneer.errors import VeneerError
from veneer.project import Project
from veneer.streams import Stream


def require_new(target: Project) -> None:
    """Raise a :class:`VeneerError` if a collection of this name cannot be written.

    Nothing of it may be there, and ``--params`` has to be able to name it.
    """
    name = target.parameters.source.collection
    if not re.fullmatch(r"[\w.+ -]+", name) or name.lower() in ("null", "~"):
        raise VeneerError(
            f"Writing the collection {name!r}: --params could not name it. Use letters, digits, "
            "spaces, and any of . _ + - in its name."
        )
    for name in ("raw_images", "image_rows", "embeddings"):
        if target.catalog[name].exists():
            raise VeneerError(
                f"Writing the collection {target.parameters.source.collection}: there is one of "
                f"this name already, in {target.catalog[name]._describe()['path']}. Choose another "
                "name."
            )


def write_kept(
    twins: pa.Table, project: Project, target: Project, env: str | None, params: dict[str, Any]
) -> str:
    """Write all images but those to be dropped, and their vectors; say how to go on.

    Parameters
    ----------
    twins : Table of schema :data:`veneer.retrieval.twins.TWINS`
    project, target : Project
        The collection they are of, and the one to be written.
    env, params
        As they were given to the command.
    """
    dropped = twins.filter(pc.invert(twins["keep"]))["id"]
    image_rows = project.catalog.load("image_rows")
    ids = image_rows.to_table(columns=["id", "sha"])
    kept = ids.filter(pc.invert(pc.is_in(ids["id"], dropped.combine_chunks())))
    folder = Path(target.catalog["raw_images"]._describe()["path"])
    written = write_collection(folder, image_rows, kept["id"], project.catalog.load("splits"))
    embeddings = project.catalog.load("embeddings")
    target.catalog["embeddings"].save(
        Stream(embeddings.schema, lambda: _vectors(embeddings, pc.unique(kept["sha"])))
    )
    name = target.parameters.source.collection
    return (
        f"{written:,} images are in {folder}, with their vectors. Go on with: kedro run"
        f'{f" --env {env}" if env else ""} --params "{_params(params, project, name)}"'
    )


def _vectors(embeddings: ds.Dataset, shas: pa.Array) -> Iterator[pa.RecordBatch]:
    for batch in embeddings.to_batches(filter=ds.field("sha").isin(shas)):
        if batch.num_rows:
            yield batch


def _params(given: dict[str, Any], project: Project, name: str) -> str:
    """What ``--params`` has to say, so that the collection is read as it was written."""
    wanted = {"source.kind": "parquet", "source.parquet.path": None}
    wanted |= {f"source.parquet.{column}": column for column in ("image", "label")}
    # The sides stay as they are, so that figures can be compared.
    wanted |= {"source.parquet.text": ["text"], "source.parquet.split": "split"}
    wanted["splits.method"] = "official"
    parameters = project.parameters.model_dump(include={"source", "splits"})
    present = _flat(parameters)
    elsewhere = tuple(f"source.{each}" for each in ("kind", "folder", "parquet", "csv", "download"))
    again = {
        key: value
        for key, value in _flat(given).items()
        if key not in ("collection", "images") and not key.startswith(elsewhere)
    }
    again = {key: value for key, value in again.items() if key not in wanted}
    differing = {key: value for key, value in wanted.items() if present[key] != value}
    return ",".join(
        f"{key}={_written(value)}"
        for key, value in {"collection": name, **again, **differing}.items()
    )


def _flat(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in tree.items():
        name = f"{prefix}{key}"
        found |= _flat(value, f"{name}.") if isinstance(value, dict) else {name: value}
    return found


def _written(value: Any) -> str:
    if isinstance(value, list):
        return f"[{','.join(map(_written, value))}]"
    return "null" if value is None else str(value)
