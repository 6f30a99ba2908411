"""What is told of unknown pictures."""

from __future__ import annotations

from pathlib import Path

import pytest

from veneer.app.recognising import MOST_PICTURES, classifier_of, own_classes, recognise
from veneer.errors import VeneerError


@pytest.fixture(scope="module")
def picture(workspace, tmp_path_factory) -> tuple[Path, str]:
    """A knitted one of the collection that all heads call so, as it was uploaded."""
    (id_,) = workspace.index().table(["id"], "path = 'knitted/knitted_0002.jpg'")["id"].to_pylist()
    file = tmp_path_factory.mktemp("uploads") / "wool.jpg"
    file.write_bytes(workspace.picture(id_))
    return file, "my wool.jpg"


def test_a_picture_is_named_with_its_evidence(workspace, picture):
    (told,) = recognise(workspace, [picture], None, classifier_of(workspace, None, None))
    assert (told.name, told.prediction["label"]) == ("my wool.jpg", "knitted")
    assert len(told.prediction["top"]) == 5 and told.thumbnail[:4] == b"RIFF"
    assert told.evidence[0]["score"] > 0.9
    assert {row["split"] for row in told.evidence} == {"train"}
    assert told.votes == {}  # the sample has no attributes


def test_classes_of_ones_own(workspace, picture):
    chosen = own_classes(workspace, "a knitted fabric,\n a spider web,,soap bubbles, a spider web")
    assert list(chosen.classes) == ["a knitted fabric", "a spider web", "soap bubbles"]
    (told,) = recognise(workspace, [picture], None, chosen)
    assert told.prediction["label"] == "a knitted fabric"
    for few in ("", "wool", " wool ,\n", "wool, wool"):
        with pytest.raises(VeneerError, match="at least two"):
            own_classes(workspace, few)


def test_what_is_no_picture_is_told_beside_the_others(workspace, picture, tmp_path):
    files = [picture]
    for name, data in (
        ("text.jpg", b"I am no picture"),
        ("empty.png", b""),
        ("cut.jpg", picture[0].read_bytes()[:4000]),
    ):
        (tmp_path / name).write_bytes(data)
        files.append((tmp_path / name, name))
    good, *bad = recognise(workspace, files, None, classifier_of(workspace, "svc", None))
    assert good.reason is None and good.prediction["label"] == "knitted"
    assert [each.name for each in bad] == ["text.jpg", "empty.png", "cut.jpg"]
    assert all(each.reason and each.prediction["label"] is None for each in bad)


def test_what_cannot_be_recognised_is_told(workspace, picture):
    head = classifier_of(workspace, None, None)
    with pytest.raises(VeneerError, match="more than 100 at once"):
        list(recognise(workspace, [picture] * (MOST_PICTURES + 1), None, head))
    with pytest.raises(VeneerError, match="no head nope"):
        classifier_of(workspace, "nope", None)
