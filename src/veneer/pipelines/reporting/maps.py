"""Nodes of `reporting` that show a collection at a glance: its map, and its clusters."""

from __future__ import annotations

import logging
from collections import Counter
from functools import cache
from importlib import resources

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from PIL import Image

from veneer.encoders.encoder import Encoder
from veneer.images import thumbnail
from veneer.origin import with_origin
from veneer.parameters import ReportingOptions
from veneer.pipelines.reporting.nodes import thumbnails
from veneer.retrieval.clusters import (
    agreement,
    dense_clusters,
    k_means,
    to_middle,
    usual_count,
    usual_least,
)
from veneer.retrieval.index import Index, disk_array
from veneer.retrieval.layout import IN_WORDS, lay_out, map_origin, told_of_map
from veneer.retrieval.projection import drawn, project
from veneer.schema import CLUSTERS, MAP

logger = logging.getLogger(__name__)

ON_SHEET = 128  # pixels of a picture
ON_PAGE = 96
CLUSTERED = {"kmeans": "k-means", "hdbscan": "HDBSCAN on the map"}


def map_collection(
    index: Index, reporting: ReportingOptions, seed: int
) -> tuple[pa.Table, pa.Table, dict]:
    """Lay a collection out on a plane, and find what lies together.

    Returns
    -------
    map_points : Table of schema :data:`veneer.schema.MAP`
        In the order of ``id``; of a large collection, a sample.
    clusters : Table of schema :data:`veneer.schema.CLUSTERS`
        Of all images. Both tables have their origin (see :mod:`veneer.origin`): ``rows``, the ids
        of the index, and ``encoder``.
    map_card : dict
        How both were made, and ``nmi``, how far clusters and labels agree.
    """
    options = reporting.map
    rows, vectors = _by_id(*index.vectors(["id", "label"]))
    principal, shares = project(vectors, options.components)
    some = drawn(len(rows), options.most_points, seed)
    layout = lay_out(
        principal[some],
        options.method,
        neighbours=options.neighbours,
        min_dist=options.min_dist,
        seed=seed,
    )
    if layout.why:
        logger.info("the map is of principal components: %s", layout.why)
    labels = rows["label"].to_pylist()
    numbers, distances = _clusters(principal, some, layout.points, labels, reporting, seed)
    found = pa.array(numbers, pa.int32(), mask=numbers == 0)
    away = pa.array(distances, pa.float32(), mask=numbers == 0)
    origin = map_origin(index)
    x, y = layout.points.T
    points = pa.table([rows["id"].take(some), x, y], schema=MAP)
    clusters = pa.table([rows["id"], found, away], schema=CLUSTERS)
    sizes = np.bincount(numbers, minlength=1)
    card = {
        "images": len(rows),
        "mapped": len(some),
        "method": layout.method,
        "why_not_umap": layout.why,
        "components": options.components,
        "components_share": float(shares.sum()),
        "shares": shares[:2].tolist(),
        "neighbours": options.neighbours,
        "min_dist": options.min_dist,
        "encoder": index.card.fingerprint,
        "clusters": {
            "method": reporting.clusters.method,
            "count": int(numbers.max(initial=0)),
            "in_none": int(sizes[0]),
            "sizes": sizes[1:].tolist(),
            "nmi": agreement(labels, numbers),
        },
    }
    logger.info(
        "map %s, %d clusters; normalised mutual information with the labels: %s",
        IN_WORDS[layout.method],
        card["clusters"]["count"],
        "none" if card["clusters"]["nmi"] is None else f"{card['clusters']['nmi']:.3f}",
    )
    return with_origin(points, origin), with_origin(clusters, origin), card


def _by_id(rows: pa.Table, vectors: np.ndarray) -> tuple[pa.Table, np.ndarray]:
    """In the order of the ids: in the index they stand as they were added."""
    order = pc.sort_indices(rows["id"]).to_numpy()
    ordered = disk_array(vectors.shape)
    for start in range(0, len(order), 4096):
        ordered[start : start + 4096] = vectors[order[start : start + 4096]]
    return rows.take(order), ordered


def _clusters(
    principal: np.ndarray,
    some: np.ndarray,
    points: np.ndarray,
    labels: list[str | None],
    reporting: ReportingOptions,
    seed: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Number of each image's cluster (0: in none), and its distance to the middle of that."""
    options, n = reporting.clusters, len(principal)
    if options.method == "kmeans":
        count = options.count or usual_count(n, len(set(labels) - {None}))
        numbers = k_means(principal, count, seed)
    else:
        numbers = np.zeros(n, np.int64)
        numbers[some] = dense_clusters(points, options.least or usual_least(len(some)))
    return numbers, to_middle(principal, numbers)


def draw_map(
    map_points: pa.Table, clusters: pa.Table, map_card: dict, index: Index
) -> dict[str, Image.Image]:
    """The map, coloured by label and by cluster."""
    from veneer.figures.embedding_map import embedding_map

    rows = _rows_of(map_points, clusters, index)
    points = _points(map_points)
    told = told_of_map(map_card)
    pictures = {}
    if any(rows["label"].to_pylist()):
        pictures["by_label"] = embedding_map(
            points, rows["label"].to_pylist(), title="The collection by label", subtitle=told
        )
    names = _names(rows)
    marks = {name: name.removeprefix("cluster ") for name in set(names) - {None}}
    about = map_card["clusters"]
    agreed = "" if about["nmi"] is None else f"; they agree with these to {about['nmi']:.2f} (NMI)"
    pictures["by_cluster"] = embedding_map(
        points,
        names,
        title="The collection by cluster",
        subtitle=f"{told}. {about['count']} clusters by {CLUSTERED[about['method']]}, made without "
        f"the labels{agreed}",
        marks=marks,
    )
    return pictures


def draw_clusters(
    clusters: pa.Table, index: Index, reporting: ReportingOptions
) -> dict[str, Image.Image]:
    """A contact sheet a cluster, the images nearest to its middle first."""
    from veneer.figures.contact_sheet import Tile, contact_sheet

    options = reporting.clusters
    rows = _joined(clusters, index.table(["id", "sha", "label", "path"]))
    rows = rows.filter(pc.less_equal(rows["cluster"], options.sheets))
    members: dict[int, list[dict]] = {}
    for row in rows.sort_by([("cluster", "ascending"), ("distance", "ascending")]).to_pylist():
        members.setdefault(row["cluster"], []).append(row)
    shown = {
        # Byte-identical images once.
        number: list({row["sha"]: row for row in reversed(own)}.values())[::-1]
        for number, own in members.items()
    }
    shown = {number: own[: options.sheet_results] for number, own in shown.items()}
    pictures = thumbnails(index, {row["id"] for own in shown.values() for row in own})
    sheets = {}
    for number, own in members.items():
        sheets[f"cluster-{number:02d}"] = contact_sheet(
            [Tile(pictures[row["id"]], label=row["label"] or row["path"]) for row in shown[number]],
            title=f"Cluster {number}",
            subtitle=f"{_told_of(own)}; the nearest to its middle first",
            columns=reporting.sheet_columns,
            tile_size=ON_SHEET,
        )
    return sheets


def _told_of(rows: list[dict]) -> str:
    """How large a cluster is, and what its commonest labels are."""
    told = f"{len(rows):,} image{'s' if len(rows) > 1 else ''}"
    common = Counter(row["label"] for row in rows if row["label"] is not None).most_common(3)
    shares = [f"{count / len(rows):.0%} {label}" for label, count in common]
    return ": ".join([told, ", ".join(shares)] if shares else [told])


def write_map_page(
    map_points: pa.Table,
    clusters: pa.Table,
    map_card: dict,
    index: Index,
    collection_card: dict,
    encoder: Encoder,
    reporting: ReportingOptions,
    seed: int,
) -> str:
    """The map as a page: to be moved and zoomed, with the pictures of a sample of the images."""
    from veneer.figures.map_page import map_page

    rows = _rows_of(map_points, clusters, index)
    labels, paths = rows["label"].to_pylist(), rows["path"].to_pylist()
    some = drawn(len(rows), reporting.map.thumbnails, seed).tolist()
    ids = rows["id"].to_pylist()
    found = index.thumbnails([ids[place] for place in some])
    pictures = {
        place: thumbnail(found[ids[place]], ON_PAGE) for place in some if ids[place] in found
    }
    without = "" if len(pictures) == len(rows) else f" {len(pictures):,} of them have a picture."
    colours = {"label": labels} if any(labels) else {}
    return map_page(
        _points(map_points),
        [_title(*each) for each in zip(labels, paths, strict=True)],
        {**colours, "cluster": _names(rows), "split": rows["split"].to_pylist()},
        pictures,
        title=f"{collection_card['collection']} under {encoder.name}",
        subtitle=f"{told_of_map(map_card)}.{without}",
        script=_static("map.js"),
        style=_static("map.css"),
    )


def track_map(
    map_figures: dict[str, Image.Image],
    cluster_sheets: dict[str, Image.Image],
    map_page: str,
    map_card: dict,
) -> None:
    """Log map and clusters to the active MLflow run, if there is one."""
    from veneer.pipelines import tracking

    tracking.log_map(map_card)
    tracking.log_pictures("map", map_figures)
    tracking.log_pictures("clusters", cluster_sheets)
    tracking.log_page("map.html", map_page)


def _rows_of(map_points: pa.Table, clusters: pa.Table, index: Index) -> pa.Table:
    """What is known of the images on the map, in its order."""
    rows = _joined(map_points.select(["id"]), index.table(["id", "label", "path", "split"]))
    return _joined(rows, clusters)


def _joined(rows: pa.Table, others: pa.Table) -> pa.Table:
    """With the columns of the others beside, in the order of the first; matched by id."""
    places = pc.index_in(rows["id"].combine_chunks(), value_set=others["id"].combine_chunks())
    for name in others.column_names:
        if name != "id":
            rows = rows.append_column(others.schema.field(name), others[name].take(places))
    return rows


def _title(label: str | None, path: str) -> str:
    """Label and path; often the one is a folder of the other."""
    return path if label is None or label in path.split("/") else f"{label} · {path}"


def _points(map_points: pa.Table) -> np.ndarray:
    return np.column_stack([map_points["x"].to_numpy(), map_points["y"].to_numpy()])


def _names(rows: pa.Table) -> list[str | None]:
    return [None if each is None else f"cluster {each}" for each in rows["cluster"].to_pylist()]


@cache
def _static(name: str) -> str:
    """A file of the app, which draws the map in the browser."""
    return (resources.files("veneer.app") / "static" / name).read_text("utf-8")
