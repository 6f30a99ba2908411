"""The map of a finished run."""

from __future__ import annotations

import pyarrow as pa
import pytest

from veneer.app.mapping import CLUSTER, coloured, colours, projection, selected
from veneer.app.mapping import CLUSTERS as CLUSTERS_HERE
from veneer.errors import VeneerError
from veneer.schema import CLUSTERS


def test_points_are_coloured_by_columns_and_clusters(workspace):
    assert colours(workspace)[-1] == CLUSTER
    assert {"label", "split"} <= set(colours(workspace))
    by_label, by_side = coloured(workspace, "label"), coloured(workspace, "split")
    assert by_label["ids"] == by_side["ids"] and by_label["x"] == by_side["x"]
    assert len(by_label["names"]) == 20 and by_side["names"] == ["train", "validation"]
    by_cluster = coloured(workspace, CLUSTER)
    assert set(by_cluster["names"]) == {f"cluster {number}" for number in range(1, 21)}
    assert f"{workspace.index().rows} images by UMAP" in by_label["note"]
    with pytest.raises(VeneerError, match="no column nope"):
        coloured(workspace, "nope")


def test_what_is_selected_comes_in_its_order(workspace):
    ids = projection(workspace).rows["id"].to_pylist()
    wanted = [ids[7], "no image", ids[2]]
    assert [row["id"] for row in selected(workspace, wanted)] == [ids[7], ids[2]]
    assert selected(workspace, []) == []


def test_tables_are_shown_as_they_are(workspace):
    made = projection(workspace)
    points = workspace.document("map_points")
    assert made.rows["id"].to_pylist() == points["id"].to_pylist()
    assert made.points[:, 0].tolist() == points["x"].to_pylist()
    clusters = workspace.document("clusters").to_pydict()
    known = dict(zip(clusters["id"], clusters["cluster"], strict=True))
    assert made.clusters == [known[id_] for id_ in made.rows["id"].to_pylist()]
    assert projection(workspace) is made


@pytest.mark.parametrize("change", ["older", "missing"])
def test_without_tables_of_these_images_it_is_made_here(workspace, monkeypatch, change):
    if change == "older":
        of_old = pa.table([["an image"], [1], [0.0]], schema=CLUSTERS)
        known = workspace.document
        monkeypatch.setattr(
            workspace, "document", lambda name: of_old if name == "clusters" else known(name)
        )
    else:
        monkeypatch.setattr(workspace, "has", lambda name: name == "index")
    value = coloured(workspace, CLUSTER)
    assert len(value["names"]) == CLUSTERS_HERE and len(value["ids"]) == workspace.index().rows
    assert "principal components" in value["note"]
    assert "kedro run --pipelines reporting" in value["note"]
