"""The embedding map: all images of a collection in two dimensions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from veneer.app.workspace import Workspace
from veneer.errors import VeneerError
from veneer.figures.map_value import map_value
from veneer.origin import origin_of
from veneer.retrieval.clusters import k_means
from veneer.retrieval.index import Index
from veneer.retrieval.layout import map_origin, told_of_map
from veneer.retrieval.projection import drawn, project

MOST_POINTS = 50_000
CLUSTERS = 12
CLUSTER = "cluster"
TABLES = ("map_points", "clusters", "map_card")


@dataclass(frozen=True)
class Projection:
    """Some images of a version of the index, and where they lie.

    Attributes
    ----------
    rows : Table
        The index's metadata of n rows.
    points : float32 array [n, 2]
    clusters : sequence of int or None [n]
        Numbers of clusters, from 1; None for what is in none.
    note : str
        What is to be seen, in a sentence or two.
    """

    rows: pa.Table
    points: np.ndarray
    clusters: Sequence[int | None]
    note: str


def projection(workspace: Workspace) -> Projection:
    """As the pipeline `reporting` made it of this version of the index, or else made here, once."""
    index = workspace.index()
    tables = [workspace.document(name) for name in TABLES] if _has_tables(workspace) else []
    return workspace.of_index(
        "projection",
        index,
        lambda: _reported(index, *tables) or _projected(index, workspace.parameters.seed),
        *tables,
    )


def _has_tables(workspace: Workspace) -> bool:
    return all(workspace.has(name) for name in TABLES)


def _reported(
    index: Index,
    map_points: pa.Table | None = None,
    clusters: pa.Table | None = None,
    card: dict | None = None,
) -> Projection | None:
    """What the tables have; None where there are none, or of other images."""
    if card is None:
        return None
    origin = map_origin(index)
    if any(origin_of(each.schema) != origin for each in (map_points, clusters)):
        return None
    rows = index.table(index.metadata)
    ids = map_points["id"].combine_chunks()
    rows = rows.take(pc.index_in(ids, value_set=rows["id"].combine_chunks()))
    numbers = clusters["cluster"].take(pc.index_in(ids, value_set=clusters["id"].combine_chunks()))
    points = np.column_stack([map_points["x"].to_numpy(), map_points["y"].to_numpy()])
    return Projection(rows, points, numbers.to_pylist(), f"{told_of_map(card)}.")


def _projected(index: Index, seed: int) -> Projection:
    """By principal components, which takes seconds."""
    rows, vectors = index.vectors(index.metadata)
    points, shares = project(vectors)
    some = drawn(len(rows), MOST_POINTS, seed)
    rows, points, vectors = rows.take(some), points[some], vectors[some]
    card = {"images": index.rows, "mapped": len(rows), "method": "pca", "shares": shares.tolist()}
    note = f"{told_of_map(card)}. kedro run --pipelines reporting lays them out anew, by UMAP."
    return Projection(rows, points, k_means(vectors, CLUSTERS, seed).tolist(), note)


def colours(workspace: Workspace) -> list[str]:
    """What the points can be coloured by."""
    names = [each.name for each in workspace.columns() if each.kind == "category"]
    return [*names, CLUSTER]


def coloured(workspace: Workspace, colour: str) -> dict:
    """The map, for ``static/map.js``.

    Raises
    ------
    VeneerError
        When there is no such column.
    """
    made = projection(workspace)
    if colour == CLUSTER:
        categories = [None if each is None else f"cluster {each}" for each in made.clusters]
    else:
        categories = _column(made.rows, colour)
    labels, paths = made.rows["label"].to_pylist(), made.rows["path"].to_pylist()
    titles = [label or path or "" for label, path in zip(labels, paths, strict=True)]
    ids = made.rows["id"].to_pylist()
    return map_value(made.points, ids, titles, categories, colour, made.note)


def selected(workspace: Workspace, ids: Sequence[str]) -> list[dict]:
    """Rows of the index by id, in the order given."""
    rows = projection(workspace).rows
    places = pc.index_in(pa.array(ids, pa.string()), value_set=rows["id"].combine_chunks())
    return rows.take(places.drop_null()).to_pylist()


def _column(rows: pa.Table, name: str) -> list[str | None]:
    flat = rows.flatten()  # attributes by the names `attributes.…`
    for known in (name, f"attributes.{name}"):
        if known in flat.column_names:
            return flat[known].to_pylist()
    raise VeneerError(f"Colouring the map: there is no column {name}. Reload the page.")
