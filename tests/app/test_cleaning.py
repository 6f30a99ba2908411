"""Choices about twins, kept in a table that the command goes by."""

from __future__ import annotations

import pytest
from projects import Project

from veneer.app.cleaning import choose, forget, groups, in_words, twins_at
from veneer.app.workspace import Workspace
from veneer.errors import VeneerError
from veneer.project import open_project


@pytest.fixture(scope="module")
def own(textures, tmp_path_factory) -> tuple[Project, Workspace]:
    """A copy that may be written into."""
    project = Project(tmp_path_factory.mktemp("cleaning"))
    project.draw_small_sample()
    project.take_data(textures)
    return project, Workspace(open_project(project.path))


def test_choices_are_kept_and_counted(own):
    project, workspace = own
    before = twins_at(workspace, 1.0)
    first = [row for row in before.twins.to_pylist() if row["group"] == 1]
    assert [row["keep"] for row in first] == [True, False]
    choose(workspace, first[1]["id"], True)
    choose(workspace, first[0]["id"], True)
    choose(workspace, first[0]["id"], False)
    fresh = Workspace(open_project(project.path))
    after = twins_at(fresh, 1.0)
    assert [row["keep"] for row in after.twins.to_pylist() if row["group"] == 1] == [False, True]
    assert after.card["to_drop"] == before.card["to_drop"]
    assert len(fresh.project.twin_choices()) == 2

    choose(workspace, first[1]["id"], False)
    assert "Of 1 groups nothing would stay" in in_words(twins_at(workspace, 1.0), 2)

    said = project.command("duplicates", "--threshold", "1", "--json")
    assert "2 choices made in the app" in said.stderr
    assert f'"to_drop": {before.card["to_drop"] + 1}' in said.stdout

    forget(workspace)
    assert twins_at(workspace, 1.0).card == before.card
    assert not len(workspace.project.twin_choices())


def test_only_images_of_the_collection_can_be_chosen(own):
    with pytest.raises(VeneerError, match="there is no image"):
        choose(own[1], "../../etc/passwd", True)


def test_groups_are_shown_with_what_is_odd_about_them(own):
    found = twins_at(own[1], 1.0)
    shown = groups(found)
    assert len(shown) == found.card["groups"] == 12
    assert sum("under several labels" in each["warnings"] for each in shown) == 2
    assert sum(len(each["images"]) for each in shown) == found.card["in_groups"]
    assert groups(found, 11)[0]["group"] == 11 and groups(found, 13) == []


def test_too_many_images_for_all_pairs_are_told(textures):
    project = open_project(textures.path, params={"retrieval": {"twins": {"most_rows": 10}}})
    with pytest.raises(VeneerError, match=r"172 images are more than retrieval.twins.most_rows"):
        twins_at(Workspace(project), 1.0)
