"""The label histogram sorts, sums the rest and stays readable."""

import itertools

import pytest

from veneer.figures.histogram import histogram_figure, label_histogram


def _drawn(figure) -> list[tuple[str, float, str]]:
    """The bars from the top down: (name, length, number at the end)."""
    figure.canvas.draw()
    axes = figure.axes[0]
    names = [tick.get_text() for tick in axes.get_yticklabels()]
    lengths = [bar.get_width() for bar in axes.patches]
    numbers = [text.get_text() for text in axes.texts]
    tops = [bar.get_window_extent().y1 for bar in axes.patches]
    assert tops == sorted(tops, reverse=True)
    return list(zip(names, lengths, numbers, strict=True))


def _counts(n: int) -> dict[str, int]:
    return {f"crosshatched polishedstone {i}": 3 + i * i for i in range(n)}


def test_bars_are_sorted_and_the_rest_is_summed():
    counts = {"a": 5, "b": 1200, "c": 7, "d": 5, "e": 1}
    figure = histogram_figure(counts, title="t", most=2)
    assert _drawn(figure) == [("b", 1200, "1,200"), ("c", 7, "7"), ("other (3 labels)", 11, "11")]
    *own, rest = (bar.get_facecolor() for bar in figure.axes[0].patches)
    assert len(set(own)) == 1 and rest not in own


@pytest.mark.parametrize(("n", "bars"), [(1, 1), (19, 19), (20, 20), (21, 21), (50, 21)])
def test_no_image_is_lost(n, bars):
    drawn = _drawn(histogram_figure(_counts(n), title="t"))
    assert len(drawn) == bars
    assert sum(length for _, length, _ in drawn) == sum(_counts(n).values())
    assert (f"other ({n - 20} label{'s' if n > 21 else ''})" == drawn[-1][0]) == (n > 20)


def test_ties_are_alphabetical_whatever_the_order_given():
    pictures = {
        label_histogram(dict(items), title="t").tobytes()
        for items in itertools.permutations([("b", 2), ("a", 2), ("c", 2)])
    }
    assert len(pictures) == 1
    drawn = _drawn(histogram_figure({"b": 2, "c": 2, "a": 2}, title="t", most=2))
    assert [name for name, *_ in drawn] == ["a", "b", "other (1 label)"]


def test_height_grows_with_the_bars():
    heights = [label_histogram(_counts(n), title="t", most=50).height for n in (1, 5, 20, 50)]
    assert heights == sorted(set(heights))
    assert label_histogram(_counts(50), title="t").height < heights[-1]


@pytest.mark.parametrize(
    "counts",
    [
        _counts(1),
        _counts(50),
        {"x" * 200: 10**9, "$y$": 0, "two\nlines": 3},
        {"a": 0},
    ],
)
def test_texts_stay_on_the_page_and_apart(counts):
    figure = histogram_figure(counts, title="Labels " * 30, subtitle="train " * 40, most=50)
    drawn = _drawn(figure)
    axes = figure.axes[0]
    texts = [*figure.texts, *axes.get_yticklabels(), *axes.texts]
    boxes = [text.get_window_extent() for text in texts]
    for box in boxes:
        assert box.x0 >= 0 and box.y0 >= 0
        assert box.x1 <= figure.bbox.x1 and box.y1 <= figure.bbox.y1
    for a, b in itertools.combinations(boxes, 2):
        assert min(a.x1, b.x1) - max(a.x0, b.x0) <= 0.5 or min(a.y1, b.y1) - max(a.y0, b.y0) <= 0.5
    assert len(drawn) == len(counts)


def test_no_labels_say_so():
    figure = histogram_figure({}, title="t")
    assert [text.get_text() for text in figure.texts] == ["t", "No labels"]
    assert label_histogram({}, title="t").mode == "RGB"


def test_no_bar_of_its_own_for_anyone_is_refused():
    with pytest.raises(ValueError, match="most"):
        label_histogram({"a": 1}, title="t", most=0)
