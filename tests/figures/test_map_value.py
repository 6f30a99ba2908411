"""What the embedding map is given."""

import base64
import json

import numpy as np
import pytest

from veneer.figures.map_value import map_value


def unpacked(text):
    return np.frombuffer(base64.b64decode(text), "<u2")


def value_of(points, categories=None, **more):
    n = len(points)
    given = {
        "ids": [f"{i:040x}" for i in range(n)],
        "titles": [f"{i}.jpg" for i in range(n)],
        "categories": ["a"] * n if categories is None else categories,
        "colour": "label",
        "note": "",
    }
    return map_value(np.array(points, np.float32).reshape(-1, 2), **{**given, **more})


def test_the_wider_axis_fills_the_square_and_both_have_one_scale():
    value = value_of([(-2, 1), (2, 1), (0, 2)])
    assert unpacked(value["x"]).tolist() == [0, 65535, 32768]
    y = unpacked(value["y"]).astype(int)
    assert y[2] - y[0] == pytest.approx(65535 / 4, abs=1)
    assert y[0] + y[2] == pytest.approx(65535, abs=1)


def test_names_are_ordered_by_falling_count_and_then_by_name():
    categories = ["wood", None, "brick", None, "wood", None, "anise"]
    value = value_of(np.random.default_rng(0).random((7, 2)), categories)
    assert value["names"] == ["–", "wood", "anise", "brick"]
    assert [value["names"][code] for code in unpacked(value["codes"])] == [
        "–" if category is None else category for category in categories
    ]


def test_numbers_in_names_are_in_their_order():
    names = [f"cluster {number}" for number in (10, 9, 11, 1)]
    value = value_of(np.zeros((4, 2)), names)
    assert value["names"] == ["cluster 1", "cluster 9", "cluster 10", "cluster 11"]


def test_it_is_json_with_everything_in_the_order_given():
    value = value_of([(0, 0), (1, 1)], ids=["f" * 40, "0" * 40], titles=["<b>", "é"], note="So.")
    assert json.loads(json.dumps(value)) == value
    assert value["ids"] == ["f" * 40, "0" * 40]
    assert value["titles"] == ["<b>", "é"]
    assert (value["colour"], value["note"]) == ("label", "So.")


def test_equal_points_are_in_the_middle():
    value = value_of([(3, 3), (3, 3)])
    assert unpacked(value["x"]).tolist() == unpacked(value["y"]).tolist() == [32768, 32768]


def test_nothing():
    value = value_of([])
    assert (value["x"], value["codes"], value["ids"], value["names"]) == ("", "", [], [])


def test_wrong_input_is_refused():
    with pytest.raises(ValueError, match="one length"):
        value_of([(0, 0)], ids=[])
    with pytest.raises(ValueError, match="finite"):
        value_of([(0, np.nan)])
    with pytest.raises(ValueError, match="65537 names"):
        value_of(np.zeros((65537, 2)), [str(i) for i in range(65537)])
