"""The embedding map: all images of a collection in two dimensions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from veneer.app.map_value import map_value
from veneer.app.workspace import Workspace
from veneer.errors import VeneerError
from veneer.retrieval.projection import clusters, drawn, project

MOST_POINTS = 50_000
CLUSTERS = 12
CLUSTER = "cluster"


@dataclass(frozen=True)
class Projection:
    """Some images of a version of the index, and where they lie.

    Attributes
    ----------
    rows : Table
        The index's metadata of n rows.
    points : float32 array [n, 2]
    clusters : int array [n]
    shares : float32 array [2]
        Of the variance, by axis.
    total : int
        Images there are.
    """

    rows: pa.Table
    points: np.ndarray
    clusters: np.ndarray
    shares: np.ndarray
    total: int


def projection(workspace: Workspace) -> Projection:
    """Made once for a version of the index."""
    index, seed = workspace.index(), workspace.parameters.seed

    def make() -> Projection:
        rows, vectors = index.vectors(index.metadata)
        points, shares = project(vectors)
        some = drawn(len(rows), MOST_POINTS, seed)
        rows, points, vectors = rows.take(some), points[some], vectors[some]
        grouped = clusters(vectors, CLUSTERS, seed) if len(vectors) else np.zeros(0, int)
        return Projection(rows, points, grouped, shares, index.rows)

    return workspace.of_index("projection", index, make)


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
        categories = [f"cluster {number + 1}" for number in made.clusters.tolist()]
    else:
        categories = _column(made.rows, colour)
    labels, paths = made.rows["label"].to_pylist(), made.rows["path"].to_pylist()
    titles = [label or path or "" for label, path in zip(labels, paths, strict=True)]
    among = f"{len(made.rows):,} of " if len(made.rows) < made.total else ""
    first, second = (100 * made.shares).tolist()
    note = (
        f"{among}{made.total:,} images by the two directions in which their vectors differ most, "
        f"which have {first:.0f} % and {second:.0f} % of the variance."
    )
    ids = made.rows["id"].to_pylist()
    return map_value(made.points, ids, titles, categories, colour, note)


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
