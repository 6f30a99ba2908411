"""The map of a finished run."""

from __future__ import annotations

import pytest

from veneer.app.mapping import CLUSTER, coloured, colours, projection, selected
from veneer.errors import VeneerError


def test_points_are_coloured_by_columns_and_clusters(workspace):
    assert colours(workspace)[-1] == CLUSTER
    assert {"label", "split"} <= set(colours(workspace))
    by_label, by_side = coloured(workspace, "label"), coloured(workspace, "split")
    assert by_label["ids"] == by_side["ids"] and by_label["x"] == by_side["x"]
    assert len(by_label["names"]) == 20 and by_side["names"] == ["train", "validation"]
    assert coloured(workspace, CLUSTER)["names"][0] == "cluster 1"
    assert f"{workspace.index().rows} images" in by_label["note"]
    with pytest.raises(VeneerError, match="no column nope"):
        coloured(workspace, "nope")


def test_what_is_selected_comes_in_its_order(workspace):
    ids = projection(workspace).rows["id"].to_pylist()
    wanted = [ids[7], "no image", ids[2]]
    assert [row["id"] for row in selected(workspace, wanted)] == [ids[7], ids[2]]
    assert selected(workspace, []) == []
