"""Searches as they stand in an address, and what is answered."""

from __future__ import annotations

import pytest
from PIL import Image
from support import encode

from veneer.app.searching import LOW, Asked, advice, answer, browse, labels
from veneer.errors import VeneerError


@pytest.mark.parametrize(
    "asked",
    [
        Asked(),
        Asked(q="red & white? stripes=ä", k=5),
        Asked(like="a" * 40, weight=0.0, head="svc", where="label = 'it''s' and size >= 3"),
        Asked(image="https://example.com/x.png?a=1&b=2", min=0.25, copies=True, head="auto"),
    ],
)
def test_an_address_says_all_of_a_search(asked):
    from urllib.parse import parse_qsl

    query = dict(
        parse_qsl(asked.address().removeprefix("?"), strict_parsing=len(asked.address()) > 1)
    )
    assert Asked.from_address(query) == asked


def test_what_is_usual_is_left_out_of_an_address():
    assert Asked().address() == "?"
    assert Asked(q="a b", k=5).address() == "?q=a+b&k=5"
    assert Asked.from_address({"q": "a", "__theme": "dark", "k": ""}) == Asked(q="a")


@pytest.mark.parametrize("query", [{"k": "abc"}, {"min": "x"}, {"weight": "1,5"}, {"k": "1e3"}])
def test_a_broken_address_is_told(query):
    with pytest.raises(VeneerError, match=r"Reading the address.*is no number"):
        Asked.from_address(query)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (Asked(q="x", k=0), "Ask for 1 to 200"),
        (Asked(q="x", k=201), "Ask for 1 to 200"),
        (Asked(q="x", weight=1.5), "Take 0 to 1"),
        (Asked(q="x", weight=float("nan")), "Take 0 to 1"),
        (Asked(q="x", min=float("inf")), "Take -1 to 1"),
        (Asked(q="x", min="0.5"), "Take -1 to 1"),
        (Asked(q="x", k=True), "Ask for 1 to 200"),
        (Asked(q="x", k=2.5), "Ask for 1 to 200"),
        (Asked(q=["x"]), "give a text"),
        (Asked(q="x", where=None), "give a text"),
        (Asked(), "say what for"),
        (Asked(q="x", head="nope"), "no head nope"),
        (Asked(like="nope"), "no image of the index"),
        (Asked(image="http://127.0.0.1:1/x.png"), "no public server"),
        (Asked(image="file:///etc/passwd"), "http"),
    ],
)
def test_what_cannot_be_asked_is_told(workspace, asked, words):
    with pytest.raises(VeneerError, match=words):
        answer(workspace, asked)


def test_pictures_are_read_within_the_limits_of_the_source(workspace):
    big = encode(Image.new("1", (13_000, 12_000)))
    assert len(big) < 100_000
    for data, words in (
        (big, "13000 x 12000 is more than 150,000,000 pixels"),
        (b"", "refused"),
        (b"I am no picture", "refused"),
        (encode(Image.new("RGB", (60, 60), "red"), "JPEG")[:300], "refused"),
    ):
        with pytest.raises(VeneerError, match=f"Searching by a picture.*{words}"):
            answer(workspace, Asked(), data)


def test_the_same_search_from_words_a_picture_and_an_image(workspace):
    row = workspace.index().table(["id", "sha", "label"], "label = 'knitted'").to_pylist()[0]
    data = workspace.picture(row["id"])
    by_picture = answer(workspace, Asked(k=3), data).results
    assert by_picture["sha"][0].as_py() == row["sha"]
    assert by_picture["score"][0].as_py() > 0.999
    by_image = answer(workspace, Asked(like=row["id"], k=2)).results
    assert by_image["id"].to_pylist() == by_picture["id"].to_pylist()[1:]
    both = Asked(q="a spider web", k=1, weight=0.0)
    words_alone = answer(workspace, Asked(q="a spider web", k=1)).results
    assert answer(workspace, both, data).results["id"] == words_alone["id"]
    inside = answer(workspace, Asked(q="a spider web", k=8, head="auto"))
    assert set(inside.results["label"].to_pylist()) == {inside.label}


def test_thumbnails_of_results_are_at_hand(workspace):
    found = answer(workspace, Asked(q="bubbles", k=4)).results
    ids = found["id"].to_pylist()
    assert set(ids) == set(workspace._thumbnails.get(ids))


def test_advice_where_nothing_fits(workspace):
    def told(asked: Asked, data: bytes | None = None) -> str | None:
        return advice(workspace, asked, answer(workspace, asked, data), data is not None)

    assert told(Asked(q="red and white stripes")) is None
    assert told(Asked(q="quarterly tax report")).startswith(LOW.partition("{")[0])
    some = workspace.index().table(["id"])["id"][3].as_py()
    assert told(Asked(like=some)) is None
    assert told(Asked(q="quarterly tax report", where="label = 'none'")) is None


def test_browsing_and_labels(workspace):
    rows, count = browse(workspace, Asked())
    assert (len(rows), count) == (24, workspace.index().rows)
    assert rows.equals(browse(workspace, Asked())[0])
    rows, count = browse(workspace, Asked(k=3, where="label = 'knitted'"))
    assert len(rows) == 3 and set(rows["label"].to_pylist()) == {"knitted"} and 8 <= count < 12
    assert browse(workspace, Asked(where="label = 'none'"))[1] == 0
    with pytest.raises(VeneerError, match="no column"):
        browse(workspace, Asked(where="labl = 'x'"))
    assert len(labels(workspace)) == 20 and "knitted" in labels(workspace)
