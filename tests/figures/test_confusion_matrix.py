"""The confusion matrix stays readable and tells the truth at every number of classes."""

import itertools
from functools import lru_cache

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure

from veneer.figures.canvas import INK, PAPER, to_image
from veneer.figures.confusion_matrix import COLOURS, confusion_figure, confusion_matrix


def _labels(k: int) -> list[str]:
    stems = ["polishedstone", "polka-dotted", "crosshatched", "honeycombed", "wood"]
    return [f"{stems[i % len(stems)]} {i}" for i in range(k)]


def _matrix(k: int, most: int = 40, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    errors = rng.integers(1, 4, (k, k)) * (rng.random((k, k)) < 0.3)
    return errors + np.diag(rng.integers(most // 2, most + 1, k))


@lru_cache  # no test changes the figure
def _figure(k: int, most: int = 40) -> Figure:
    figure = confusion_figure(_matrix(k, most), _labels(k), title="Title", subtitle="Sub")
    figure.canvas.draw()
    return figure


def _cells(image, figure: Figure) -> np.ndarray:
    """The most frequent colour of each cell: uint8 [K, K, 3]."""
    pixels = np.asarray(image)
    axes = figure.axes[0]
    k = int(axes.get_xlim()[1])
    out = np.zeros((k, k, 3), np.uint8)
    for row, column in itertools.product(range(k), repeat=2):
        (x0, y0), (x1, y1) = axes.transData.transform([(column, row + 1), (column + 1, row)])
        top, bottom = pixels.shape[0] - y1, pixels.shape[0] - y0
        patch = pixels[round(top) + 2 : round(bottom) - 2, round(x0) + 2 : round(x1) - 2]
        colours, counts = np.unique(patch.reshape(-1, 3), axis=0, return_counts=True)
        out[row, column] = colours[counts.argmax()]
    return out


def _all_texts(figure: Figure) -> list:
    texts = [text for text in figure.texts if text.get_text()]
    for axes in figure.axes:
        texts += [*axes.get_xticklabels(), *axes.get_yticklabels(), *axes.texts]
        texts += [axes.yaxis.label]
    return [text for text in texts if text.get_text()]


def _overlapping(texts: list) -> list[tuple[str, str]]:
    """Pairs of texts whose extents share an area of more than rounding."""
    boxes = np.array([text.get_window_extent().extents for text in texts])
    width = np.minimum(boxes[:, None, 2], boxes[:, 2]) - np.maximum(boxes[:, None, 0], boxes[:, 0])
    height = np.minimum(boxes[:, None, 3], boxes[:, 3]) - np.maximum(boxes[:, None, 1], boxes[:, 1])
    pairs = np.argwhere(np.triu((width > 0.5) & (height > 0.5), 1))
    return [(texts[a].get_text(), texts[b].get_text()) for a, b in pairs]


def test_size_and_type_grow_with_the_classes():
    for smaller, larger in itertools.pairwise([2, 6, 10, 23, 47]):
        assert (_figure(larger).bbox.size > _figure(smaller).bbox.size).all()
    small, large = (_figure(k).axes[0].get_yticklabels()[0].get_size() for k in (2, 47))
    assert large > small >= 9


@pytest.mark.parametrize("k", [1, 2, 6, 10, 23, 47])
def test_every_label_is_shown_apart_from_all_others(k):
    figure = _figure(k)
    axes = figure.axes[0]
    for ticks in (axes.get_xticklabels(), axes.get_yticklabels()):
        assert [tick.get_text() for tick in ticks] == _labels(k)
    # The axis-parallel boxes of slanted text overlap where the text does not.
    slanted = {t for t in axes.get_xticklabels() if t.get_rotation() == 45}
    assert _overlapping([t for t in _all_texts(figure) if t not in slanted]) == []
    if slanted:
        pitch = figure.dpi / 72 * axes.get_xticklabels()[0].get_size()
        x = [axes.transData.transform((tick.get_position()[0], 0))[0] for tick in slanted]
        assert np.diff(sorted(x)).min() * np.sin(np.pi / 4) > 1.2 * pitch


@pytest.mark.parametrize("k", [1, 2, 6, 10, 23, 47])
def test_nothing_is_cut_off(k):
    figure = _figure(k)
    for text in _all_texts(figure):
        box = text.get_window_extent()
        assert box.x0 >= 0 and box.y0 >= 0, text
        assert box.x1 <= figure.bbox.x1 and box.y1 <= figure.bbox.y1, text
    pixels = np.asarray(to_image(figure))
    paper = tuple(int(PAPER[i : i + 2], 16) for i in (1, 3, 5))
    for edge in (pixels[:20], pixels[-20:], pixels[:, :20], pixels[:, -20:]):
        assert (edge == paper).all()


@pytest.mark.parametrize(("k", "most"), [(2, 9), (6, 12345), (23, 2500), (47, 40), (47, 123456)])
def test_counts_stand_inside_their_cells_and_zeros_stay_empty(k, most):
    matrix = _matrix(k, most)
    figure = _figure(k, most)
    axes = figure.axes[0]
    written = np.zeros_like(matrix)
    for text in axes.texts:
        x, y = text.get_position()
        written[int(y), int(x)] = int(text.get_text())
        assert text.get_size() >= 6
        box = text.get_window_extent()
        (x0, y0), (x1, y1) = axes.transData.transform([(int(x), int(y) + 1), (int(x) + 1, int(y))])
        assert x0 < box.x0 and box.x1 < x1 and y0 < box.y0 and box.y1 < y1
    np.testing.assert_array_equal(written, matrix)
    assert len(axes.texts) == np.count_nonzero(matrix)


def test_colour_is_the_share_of_the_row():
    # Counts differ by row, so that colours by count would be told from colours by share.
    matrix = np.array([[1000, 0, 0], [5, 5, 0], [0, 1, 3]])
    figure = confusion_figure(matrix, list("abc"), title="t")
    cells = _cells(to_image(figure), figure)
    shares = matrix / matrix.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(cells, COLOURS(shares)[..., :3] * 255, atol=2)
    luminance = cells @ np.array([0.2126, 0.7152, 0.0722])
    assert luminance[0, 0] < 80 < 230 < luminance[0, 1]
    assert luminance[0, 0] < luminance[2, 2] < luminance[1, 0] < luminance[2, 1] < luminance[2, 0]


def test_colours_darken_steadily():
    luminance = COLOURS(np.linspace(0, 1, 256))[:, :3] @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(luminance) < 0).all()


def test_type_is_white_on_dark_and_dark_on_light():
    figure = confusion_figure(np.array([[99, 1], [40, 60]]), ["a", "b"], title="t")
    colours = {text.get_text(): text.get_color() for text in figure.axes[0].texts}
    assert colours["99"] == "white"
    assert colours["1"] == INK


def test_rows_without_images_have_no_recall():
    matrix = np.array([[3, 1, 0], [0, 0, 0], [0, 0, 8]])
    with np.errstate(all="raise"):
        figure = confusion_figure(matrix, list("abc"), title="t")
        to_image(figure)
    texts = [text.get_text() for text in figure.texts]
    assert texts[texts.index("recall") :] == ["recall", "75%", "–", "100%", "total", "4", "0", "8"]


def test_the_image_is_the_figure_in_rgb():
    image = confusion_matrix(_matrix(6), _labels(6), title="Title", subtitle="Sub")
    assert image.mode == "RGB"
    assert image.size == tuple(_figure(6).bbox.size)


def test_an_empty_matrix_is_drawn():
    assert confusion_matrix(np.zeros((2, 2), int), ["a", "b"], title="t").mode == "RGB"


def test_labels_are_taken_literally():
    labels = ["$x^2$", "a_b", "two\nlines", "x" * 300]
    figure = confusion_figure(_matrix(4), labels, title="$broken", subtitle="100 % $")
    figure.canvas.draw()
    names = [tick.get_text() for tick in figure.axes[0].get_yticklabels()]
    assert names[:3] == ["$x^2$", "a_b", "two lines"]
    assert names[3].endswith("…") and len(names[3]) < 60


def test_hundreds_of_classes_give_a_picture_of_bounded_size():
    k = 250
    figure = confusion_figure(np.eye(k, dtype=int), [f"class {i}" for i in range(k)], title="t")
    figure.canvas.draw()
    assert max(figure.bbox.size) < 8000
    assert _overlapping(figure.axes[0].get_yticklabels()) == []


@pytest.mark.parametrize(("shape", "labels"), [((2, 3), "ab"), ((2, 2), "abc"), ((0, 0), "")])
def test_shapes_must_agree(shape, labels):
    with pytest.raises(ValueError, match="matrix"):
        confusion_matrix(np.zeros(shape, int), list(labels), title="t")


def test_drawing_is_pure_and_heeds_no_global_style():
    matrix = _matrix(5)
    before, settings = matrix.copy(), dict(mpl.rcParams)
    plain = confusion_matrix(matrix, _labels(5), title="t")
    assert dict(mpl.rcParams) == settings
    np.testing.assert_array_equal(matrix, before)
    with mpl.rc_context({"figure.facecolor": "black", "font.size": 30, "text.color": "red"}):
        styled = confusion_matrix(matrix, _labels(5), title="t")
    assert plain.tobytes() == styled.tobytes()
