"""The map has a dot an image, a colour a name, and a legend that counts them."""

import re

import numpy as np
import pytest
from matplotlib.colors import to_hex
from support import ROOT

from veneer.figures.embedding_map import COLOURS, GREY, embedding_map, map_figure


def drawn(figure):
    """Places and colours of the dots, and all texts of the figure."""
    figure.canvas.draw()
    dots = figure.axes[0].collections[0]
    colours = [to_hex(each) for each in dots.get_facecolors()]
    return np.asarray(dots.get_offsets()), colours, [text.get_text() for text in figure.texts]


def test_every_image_has_a_dot_in_the_colour_of_its_name():
    points = np.random.default_rng(0).random((60, 2))
    names = ["oak"] * 30 + ["elm"] * 20 + [None] * 10
    places, colours, texts = drawn(map_figure(points, names, title="Trees"))
    order = np.lexsort(places.T)
    np.testing.assert_allclose(places[order], points[np.lexsort(points.T)])
    assert colours[:10] == [GREY] * 10  # below the others
    assert (colours.count(COLOURS[0]), colours.count(COLOURS[1])) == (30, 20)
    assert texts[0] == "Trees"
    assert [text for text in texts[1:] if text != "●"] == ["oak", "30", "elm", "20", "–", "10"]


def test_names_beyond_the_colours_are_one_grey_entry():
    names = [f"class {i}" for i in range(25) for _ in range(i + 1)]
    points = np.random.default_rng(0).random((len(names), 2))
    _, colours, texts = drawn(map_figure(points, names, title="t"))
    assert len(set(colours) - {GREY}) == 20
    assert "other (5)" in texts and "class 24" in texts


def test_marks_stand_where_most_of_their_dots_are():
    points = np.array([[0.0, 0]] * 30 + [[1, 1]] * 10 + [[0.5, 0.1]] * 3)
    names = ["a"] * 30 + ["b"] * 10 + ["a"] * 3
    figure = map_figure(points, names, title="t", marks={"a": "1", "b": "2", "c": "3"})
    marks = {text.get_text(): tuple(text.xy) for text in figure.axes[0].texts}
    assert marks == {"1": (0, 0), "2": (1, 1)}


@pytest.mark.parametrize("n", [0, 1, 2])
def test_few_or_equal_points_are_drawn(n):
    for points in (np.zeros((n, 2)), np.arange(2.0 * n).reshape(n, 2)):
        picture = embedding_map(points, [None] * n, title="t")
        assert picture.mode == "RGB" and min(picture.size) > 100


def test_one_scale_serves_both_axes():
    figure = map_figure(np.array([[0, 0], [10, 2.0]]), ["a", "b"], title="t")
    figure.canvas.draw()
    axes = figure.axes[0]
    box = axes.get_window_extent()
    across, up = np.ptp(axes.get_xlim()), np.ptp(axes.get_ylim())
    assert box.width / across == pytest.approx(box.height / up, rel=0.01)
    assert across > 10 and up > 2


def test_colours_are_those_of_the_app():
    script = (ROOT / "src/veneer/app/static/map.js").read_text()
    light = re.search(r"const LIGHT = \[(.*?)\]", script, re.DOTALL)[1]
    assert tuple(re.findall(r"#\w{6}", light)) == COLOURS
