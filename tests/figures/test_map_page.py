"""The page of the map holds all it needs, and texts stay texts."""

import json
import re

import numpy as np

from veneer.figures.map_page import map_page


def page_of(n, pictures=None, **given):
    options = {
        "titles": [f"{i}.jpg" for i in range(n)],
        "colours": {"label": ["a"] * n, "cluster": [None] * n},
        "title": "t",
        "subtitle": "s",
        "script": "draw();",
        "style": ".map {}",
    }
    return map_page(
        np.random.default_rng(0).random((n, 2)), pictures=pictures or {}, **options | given
    )


def given_in(page):
    return json.loads(re.search(r'id="given">(.*?)</script>', page, re.DOTALL)[1])


def test_it_has_points_colours_and_pictures():
    given = given_in(page_of(3, {2: b"webp"}))
    assert given["map"]["titles"] == ["0.jpg", "1.jpg", "2.jpg"]
    assert given["map"]["ids"] == ["0", "1", "2"]
    assert [(each["colour"], each["names"]) for each in given["colours"]] == [
        ("label", ["a"]),
        ("cluster", ["–"]),
    ]
    assert given["pictures"] == {"2": "d2VicA=="}


def test_texts_cannot_become_elements():
    wild = "</script><script>alert(1)</script><!--"
    page = page_of(1, titles=[wild], colours={"label": [wild]}, title=wild, subtitle=wild)
    assert "<script>alert" not in page and "<!--" not in page
    assert given_in(page)["map"]["titles"] == [wild]
    assert "&lt;/script&gt;" in page


def test_it_asks_nobody():
    page = page_of(1)
    assert "default-src 'none'" in page
    assert "draw();" in page and ".map {}" in page
    assert not re.search(r"https?://|(src|href)=", page)


def test_nothing():
    assert given_in(page_of(0))["map"]["ids"] == []
