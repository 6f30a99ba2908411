"""How long the map of 44,072 images takes, and what it and the clusters keep of the labels.

    python benchmarks/map.py --vectors FASHION.npz [--sample 10000] [--out PICTURE]

- The whole: seconds of principal components, map and clusters, each alone, on all vectors.
- The ratio: seconds of the map of a sample as veneer makes it (50 principal components, exact
  neighbours, a start by principal components) to those of ``umap.UMAP(random_state=0)`` on the
  vectors themselves. Both have compiled before, and each runs twice, in turn, since others may use
  the machine; the smaller time counts. Veneer's two maps have to be equal.
- The quality: of the five nearest images on the plane, the share of the same label; on veneer's
  map, on UMAP's own, by two principal components, and, for comparison, in all dimensions.
- The clusters: normalised mutual information with ``subCategory`` and ``articleType`` of k-means
  on the principal components (20, and as many as there are classes), k-means on the vectors
  themselves (20), and HDBSCAN on the map.

``--vectors`` is an NPZ file of X [n, D], rows of length 1, and sha [n], of the photos beside the
project (``VENEER_SHARED``). Tables go to stderr; the last line of stdout is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from veneer.figures.embedding_map import embedding_map
from veneer.images import sha_of
from veneer.retrieval.clusters import agreement, dense_clusters, k_means, usual_count, usual_least
from veneer.retrieval.layout import has_umap, umap_points
from veneer.retrieval.projection import drawn, project

ROOT = Path(__file__).resolve().parents[1]
SHARED = Path(os.environ.get("VENEER_SHARED", ROOT.parent / "shared"))
FASHION = SHARED / "data/fashion/fashion-product-images-small.parquet"
LABELS = ("subCategory", "articleType")
OPTIONS = {"neighbours": 15, "min_dist": 0.1, "seed": 0}
COMPONENTS = 50
GOAL = 180  # seconds, on two cores


def main() -> None:
    """Measure, print, and end with one line of JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--vectors", type=Path, help="fashion's vectors: NPZ with X and sha")
    parser.add_argument("--sample", type=int, default=10_000, help="images that UMAP alone maps")
    parser.add_argument("--out", type=Path, help="picture of the map (PNG)")
    options = parser.parse_args()
    reason = _missing(options.vectors)
    if reason:
        print(json.dumps({"skipped": reason}))
        return
    with np.load(options.vectors) as kept:
        X, sha = kept["X"], kept["sha"]
    labels = labels_of(sha)
    compiled_in, _ = timed(lambda: [way(X[:5000]) for way in (veneer_map, umap_alone)])
    say(f"both have compiled in {compiled_in:.0f} s")
    result: dict[str, Any] = {"images": len(X), "dimension": X.shape[1], "cores": os.cpu_count()}
    result["seconds"], points, principal = whole(X)
    result["within_goal"] = result["seconds"]["all"] <= GOAL
    result["clusters"] = clusters(X, principal, points, labels)
    some = drawn(len(X), options.sample, 0)
    result |= ratio(X[some], {name: values[some] for name, values in labels.items()})
    result["same_label_near"]["all_images"] = {
        name: near(points, values) for name, values in labels.items()
    }
    if options.out:
        title = f"fashion: {len(X):,} images by UMAP"
        names = labels["subCategory"].tolist()
        embedding_map(points, names, title=title, subtitle="by subCategory").save(options.out)
    print(json.dumps(result))


def _missing(vectors: Path | None) -> str | None:
    if vectors is None:
        return "--vectors names no file of fashion's vectors"
    if not FASHION.is_file():
        return f"there is no {FASHION}, which has the labels"
    return None if has_umap() else "umap-learn is not installed: pip install 'veneer[map]'"


def labels_of(sha: np.ndarray) -> dict[str, np.ndarray]:
    """Labels of the photos, in the order of the vectors."""
    table = pq.read_table(FASHION, columns=["image", *LABELS])
    contents = table["image"].combine_chunks().field("bytes").to_pylist()
    row_of = {sha_of(data): row for row, data in enumerate(contents)}
    order = [row_of[each] for each in sha.tolist()]
    return {name: np.array(table[name].to_pylist())[order] for name in LABELS}


def veneer_map(X: np.ndarray) -> np.ndarray:
    """As the pipeline `reporting` makes it."""
    return umap_points(project(X, COMPONENTS)[0], **OPTIONS)


def umap_alone(X: np.ndarray) -> np.ndarray:
    """As UMAP makes it when it is only told the seed."""
    from umap import UMAP

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"umap\b")
        return UMAP(random_state=0).fit_transform(X)


def whole(X: np.ndarray) -> tuple[dict[str, float], np.ndarray, np.ndarray]:
    """Seconds of all steps on all vectors, the map, and the principal components."""
    components, (principal, shares) = timed(lambda: project(X, COMPONENTS))
    layout, points = timed(lambda: umap_points(principal, **OPTIONS))
    grouping, _ = timed(lambda: k_means(principal, usual_count(len(X), 45), 0))
    seconds = {"components": components, "map": layout, "clusters": grouping}
    seconds["all"] = sum(seconds.values())
    seconds = {name: round(value, 1) for name, value in seconds.items()}
    say(f"all {len(X):,} images, {shares.sum():.0%} of the variance: {seconds}")
    return seconds, points, principal


def clusters(
    X: np.ndarray, principal: np.ndarray, points: np.ndarray, labels: dict[str, np.ndarray]
) -> dict[str, dict]:
    """Seconds, and normalised mutual information with the labels, of several ways."""
    classes = len(np.unique(labels["subCategory"]))
    ways = {
        "kmeans_20": lambda: k_means(principal, 20, 0),
        f"kmeans_{classes}": lambda: k_means(principal, classes, 0),
        "kmeans_20_on_vectors": lambda: k_means(X, 20, 0),
        "hdbscan_on_map": lambda: dense_clusters(points, usual_least(len(points))),
    }
    found = {}
    for name, way in ways.items():
        seconds, numbers = timed(way)
        agreed = {each: agreement(values.tolist(), numbers) for each, values in labels.items()}
        found[name] = {
            "clusters": int(numbers.max()),
            "in_none": round(float(np.mean(numbers == 0)), 3),
            **{f"nmi_{each}": round(value, 3) for each, value in agreed.items()},
            "seconds": round(seconds, 1),
        }
        say(f"{name:22} {found[name]}")
    return found


def ratio(X: np.ndarray, labels: dict[str, np.ndarray]) -> dict[str, Any]:
    """Both ways on a sample: times, and how many of the nearest five have the same label."""
    ways: dict[str, Callable] = {"veneer": veneer_map, "umap_alone": umap_alone}
    runs = {name: [] for name in ways}
    for _ in range(2):
        for name, way in ways.items():
            runs[name].append(timed(lambda way=way: way(X)))
    seconds = {name: min(spent for spent, _ in each) for name, each in runs.items()}
    first, second = (points for _, points in runs["veneer"])
    if not np.array_equal(first, second):
        sys.exit("two maps of the same vectors under the same seed differ")
    principal = project(X, COMPONENTS)[0]
    planes = {
        "veneer": first,
        "umap_alone": runs["umap_alone"][0][1],
        "two_components": principal[:, :2],
        "fifty_components": principal,
        "vectors": X,
    }
    quality = {
        place: {name: near(points, values) for name, values in labels.items()}
        for place, points in planes.items()
    }
    for place, each in quality.items():
        say(f"same label among the nearest five, {place:16} {each}")
    return {
        "sample": len(X),
        "sample_seconds": {name: round(each, 1) for name, each in seconds.items()},
        "ratio_to_umap_alone": round(seconds["veneer"] / seconds["umap_alone"], 3),
        "same_label_near": quality,
    }


def near(points: np.ndarray, labels: np.ndarray) -> float:
    """Share of the same label among the five nearest of each."""
    from sklearn.neighbors import NearestNeighbors

    rows = NearestNeighbors(n_neighbors=5).fit(points).kneighbors(return_distance=False)
    return round(float((labels[rows] == labels[:, None]).mean()), 4)


def timed(make: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds, and what was made."""
    begin = time.perf_counter()
    made = make()
    return time.perf_counter() - begin, made


def say(text: str) -> None:
    """Tell stderr."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
