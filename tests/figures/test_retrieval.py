"""The figure of a search by class sorts, leaves out the middle and says so."""

import itertools

import pytest

from veneer.figures.retrieval import class_rows, precision_by_class, precision_figure


def _per_class(n: int, name: str = "polishedstone") -> dict[str, dict]:
    return {
        f"{name} {i:03}": {"n_queries": i * 7, "precision@10": (i * 37 % n) / n} for i in range(n)
    }


def _dots(figure) -> list[list[tuple[float, float]]]:
    """What each search's dots say: (value, row)."""
    lines = figure.axes[1].lines
    return [list(zip(*line.get_data(), strict=True)) for line in lines]


def _labels(figure) -> list[str]:
    return [tick.get_text() for tick in figure.axes[1].get_yticklabels()]


def _texts(figure) -> list[str]:
    return [text.get_text() for text in figure.texts]


def _told(value: float | None, n: int = 3) -> dict:
    return {"n_queries": n, "precision@10": value}


def test_rows_are_sorted_by_the_first_search():
    images = {"b": _told(0.5), "a": _told(0.5), "c": _told(0.9, 1200), "d": _told(0.1)}
    texts = {"a": _told(1.0), "d": _told(0.2), "c": _told(None), "x": _told(0.7)}
    figure = precision_figure({"image → image": images, "text → image": texts}, title="t")
    assert _labels(figure) == ["c", "a", "b", "d"]
    assert _dots(figure) == [[(0.9, 0), (0.5, 1), (0.5, 2), (0.1, 3)], [(1.0, 1), (0.2, 3)]]
    assert {"precision@10", "image → image", "text → image", "1,200"} <= set(_texts(figure))


@pytest.mark.parametrize(("most", "best"), [(2, 1), (5, 3), (60, 30)])
def test_only_the_best_and_the_worst_of_many(most, best):
    per_class = _per_class(most + 11)
    names, between = class_rows(per_class, "precision@10", most)
    ordered = sorted(per_class, key=lambda name: -per_class[name]["precision@10"])
    assert names == ordered[:best] + ordered[best + 11 :] and between == 11
    figure = precision_figure({"image → image": per_class}, title="t", most=most)
    assert _labels(figure) == names
    assert "11 classes between the best and the worst left out" in _texts(figure)
    rows = [row for _, row in _dots(figure)[0]]
    assert rows == [row for row in range(most + 1) if row != best]


def test_one_too_many():
    figure = precision_figure({"a": _per_class(61)}, title="t")
    assert "1 class between the best and the worst left out" in _texts(figure)
    assert not any(
        "left out" in text for text in _texts(precision_figure({"a": _per_class(60)}, title="t"))
    )


def test_classes_with_nothing_to_find_are_counted():
    per_class = _per_class(4) | {"alone": _told(None, 1)}
    figure = precision_figure({"image → image": per_class}, title="t")
    assert "alone" not in _labels(figure)
    assert "1 class with nothing else to find left out" in _texts(figure)
    nothing = precision_figure({"image → image": {"alone": _told(None, 1)}}, title="t")
    assert _texts(nothing) == ["t", "No class has anything to find"]
    assert precision_by_class({"image → image": {}}, title="t").mode == "RGB"


def test_another_figure():
    per_class = {"a": {"n_queries": 2, "recall@5": 0.25}}
    figure = precision_figure({"image → image": per_class}, title="t", figure="recall@5")
    assert _dots(figure) == [[(0.25, 0)]]


@pytest.mark.parametrize("n", [1, 3, 25, 47, 141])
@pytest.mark.parametrize("name", ["a", "crosshatched polishedstone $x_1$ and so on " * 5])
def test_texts_stay_on_the_page_and_apart(n, name):
    per_class = _per_class(n, name) | {"alone": _told(None, 1)}
    searches = {
        "image → image " * 9: per_class,
        "text → image": per_class,
        "third " * 20: per_class,
    }
    figure = precision_figure(searches, title="Search " * 30, subtitle="fashion " * 40)
    figure.canvas.draw()
    axes = figure.axes[1]
    texts = [*figure.texts, *axes.get_yticklabels()]
    texts += [
        label
        for tick in axes.xaxis.get_major_ticks()
        for label in (tick.label1, tick.label2)
        if label.get_visible()
    ]
    boxes = [text.get_window_extent() for text in texts if text.get_text()]
    for box in boxes:
        assert box.x0 >= 0 and box.y0 >= 0
        assert box.x1 <= figure.bbox.x1 and box.y1 <= figure.bbox.y1
    for a, b in itertools.combinations(boxes, 2):
        assert min(a.x1, b.x1) - max(a.x0, b.x0) <= 0.5 or min(a.y1, b.y1) - max(a.y0, b.y0) <= 0.5


def test_what_cannot_be_drawn_is_refused():
    with pytest.raises(ValueError, match="0 searches"):
        precision_by_class({}, title="t")
    with pytest.raises(ValueError, match="at most 1 rows"):
        precision_by_class({"a": _per_class(3)}, title="t", most=1)
