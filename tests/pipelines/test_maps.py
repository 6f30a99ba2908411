"""Nodes of `reporting` that make the map, on a small index."""

from __future__ import annotations

import json

import pytest
import yaml
from indexed import Collection
from support import ROOT

from veneer.origin import origin_of
from veneer.parameters import ReportingOptions
from veneer.pipelines.reporting.maps import draw_clusters, draw_map, map_collection
from veneer.retrieval.layout import map_origin
from veneer.schema import CLUSTERS, MAP


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    return Collection(
        tmp_path_factory.mktemp("collection"), {"ash": 12, "elm": 9, "oak": 9}
    ).build()


def options(map_=None, clusters=None) -> ReportingOptions:
    """The defaults but for what is given; by principal components, which is quick."""
    text = (ROOT / "conf/base/parameters/reporting.yml").read_text()
    given = yaml.safe_load(text)["reporting"]
    given["map"] |= {"method": "pca"} | (map_ or {})
    given["clusters"] |= clusters or {}
    return ReportingOptions(**given)


def test_every_image_has_a_place_and_a_cluster(index):
    points, clusters, card = map_collection(index, options(), 0)
    assert points.schema.equals(MAP) and clusters.schema.equals(CLUSTERS)
    ids = sorted(index.table(["id"])["id"].to_pylist())
    assert points["id"].to_pylist() == clusters["id"].to_pylist() == ids
    assert origin_of(points.schema) == origin_of(clusters.schema) == map_origin(index)
    assert (card["images"], card["mapped"], card["method"]) == (30, 30, "pca")
    assert card["clusters"]["count"] == 3  # as many as classes
    assert sum(card["clusters"]["sizes"]) == 30
    assert 0 <= card["clusters"]["nmi"] <= 1
    assert set(clusters["cluster"].to_pylist()) == {1, 2, 3}
    assert json.loads(json.dumps(card)) == card


def test_it_does_not_depend_on_the_order_of_the_index(index, tmp_path):
    rows = Collection(tmp_path, {"ash": 12, "elm": 9, "oak": 9})
    ordered = rows.rows()
    rows.build(ordered.slice(0, 5))
    other = rows.build(ordered)  # the first five come last
    assert map_collection(other, options(), 0)[0].equals(map_collection(index, options(), 0)[0])


def test_a_sample_is_mapped_and_all_are_in_clusters(index):
    points, clusters, card = map_collection(index, options({"most_points": 10}), 0)
    assert (len(points), len(clusters), card["mapped"]) == (10, 30, 10)
    assert set(points["id"].to_pylist()) < set(clusters["id"].to_pylist())
    pictures = draw_map(points, clusters, card, index)
    assert set(pictures) == {"by_label", "by_cluster"}


def test_images_may_be_in_no_cluster(index):
    by_density = {"method": "hdbscan", "least": 25}
    points, clusters, card = map_collection(index, options(clusters=by_density), 0)
    about = card["clusters"]
    assert about["in_none"] == clusters["cluster"].null_count == clusters["distance"].null_count
    assert about["in_none"] > 0
    assert draw_map(points, clusters, card, index)["by_cluster"].size[0] > 600


def test_the_largest_clusters_have_sheets(index):
    given = options(clusters={"count": 5, "sheets": 2, "sheet_results": 4})
    _, clusters, card = map_collection(index, given, 0)
    assert card["clusters"]["count"] == 5
    sheets = draw_clusters(clusters, index, given)
    assert list(sheets) == ["cluster-01", "cluster-02"]
    assert draw_clusters(clusters, index, options(clusters={"sheets": 0})) == {}


@pytest.mark.parametrize("n", [0, 1, 2])
def test_small_collections_without_labels(tmp_path, n):
    collection = Collection(tmp_path, {"ash": 3})
    rows = collection.rows(label="none")
    collection.build(rows)
    index = collection.build(rows.slice(0, n))
    for method in ("kmeans", "hdbscan"):
        given = options({"method": "auto"}, {"method": method})
        points, clusters, card = map_collection(index, given, 0)
        assert len(points) == len(clusters) == n
        assert card["method"] == "pca" and card["clusters"]["nmi"] is None
        assert set(draw_map(points, clusters, card, index)) == {"by_cluster"}
        assert len(draw_clusters(clusters, index, given)) <= n
