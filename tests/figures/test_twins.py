"""The histogram shows every image and where twins begin; the sheet shows groups as groups."""

import colorsys
import itertools

import numpy as np
import pytest
from PIL import Image, ImageDraw

from veneer.figures.contact_sheet import Tile
from veneer.figures.curves import COLOURS
from veneer.figures.twins import similarity_figure, similarity_histogram, twins_sheet

KEPT = tuple(int(COLOURS[2][i : i + 2], 16) for i in (1, 3, 5))


def _colour(index: int) -> tuple[int, int, int]:
    return tuple(round(255 * c) for c in colorsys.hsv_to_rgb(index / 40, 1, 0.9))


def _groups(*sizes, **fields):
    """Groups of plain squares; no colour comes twice."""
    numbers = itertools.count()
    return [
        [Tile(Image.new("RGB", (9, 9), _colour(next(numbers))), **fields) for _ in range(size)]
        for size in sizes
    ]


def _box(sheet: Image.Image, colour) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of the area of exactly this colour."""
    hit = (np.asarray(sheet) == colour).all(axis=-1)
    rows, columns = np.flatnonzero(hit.any(axis=1)), np.flatnonzero(hit.any(axis=0))
    return columns[0], rows[0], columns[-1] + 1, rows[-1] + 1


@pytest.fixture
def drawn(monkeypatch):
    """What is drawn: frames (boxes) and texts (text, left, right)."""
    found = {"frames": [], "texts": []}
    frame, text = ImageDraw.ImageDraw.rounded_rectangle, ImageDraw.ImageDraw.text

    def spy_frame(self, box, *arguments):
        found["frames"].append(box)
        return frame(self, box, *arguments)

    def spy_text(self, xy, string, fill, font, *, anchor):
        box = self.textbbox(xy, string, font, anchor=anchor)
        found["texts"].append((string, box[0], box[2]))
        return text(self, xy, string, fill, font, anchor=anchor)

    monkeypatch.setattr(ImageDraw.ImageDraw, "rounded_rectangle", spy_frame)
    monkeypatch.setattr(ImageDraw.ImageDraw, "text", spy_text)
    return found


def _bars(figure):
    """(left edge, right edge, count) of the bars that have a height, and the line's place."""
    figure.canvas.draw()
    axes = figure.axes[0]
    bars = [
        (bar.get_x(), bar.get_x() + bar.get_width(), bar.get_height() + bar.get_y(), bar)
        for bar in axes.patches
        if bar.get_height() > 0
    ]
    [line] = axes.lines
    return bars, line.get_xdata()[0]


def _nearest(n=2000, twins=9):
    rng = np.random.default_rng(0)
    different = 1 - np.exp(rng.normal(np.log(0.15), 0.5, n))
    return np.concatenate([different, rng.uniform(0.99, 1, twins)]).astype(np.float32)


def test_no_image_is_lost_and_colours_change_at_the_threshold():
    nearest = np.append(_nearest(), [np.nan, 1, 1.0000001, -0.3])
    figure = similarity_figure(nearest, 0.985, title="t")
    bars, place = _bars(figure)
    assert round(sum(count for *_, count, _ in bars)) == np.isfinite(nearest).sum()
    above = round(sum(count for left, _, count, _ in bars if left >= place))
    assert above == np.sum(nearest >= 0.985)
    colours = {bar.get_facecolor() for left, *_, bar in bars if left >= place}
    assert len(colours) == 1
    assert colours.isdisjoint(bar.get_facecolor() for left, *_, bar in bars if left < place)
    assert not any(left < place < right for left, right, *_ in bars)
    assert f"{above:,} of 2,012 images" in figure.texts[-1].get_text()


def test_one_image_is_a_bar_that_is_seen():
    figure = similarity_figure(np.append(np.full(40_000, 0.8), 0.999), 0.98, title="t")
    bars, _ = _bars(figure)
    heights = [bar.get_window_extent().height for *_, bar in bars]
    assert len(bars) == 2 and min(heights) > 10


@pytest.mark.parametrize(
    ("nearest", "threshold"),
    [
        ([], 0.97),
        ([np.nan], 0.97),
        ([0.5, 0.5], 0.97),
        ([1, 1, 1], 0.985),
        ([1, 0.99999], 1),
        ([0.1, 0.2], 1),
        ([0.999, 0.9991], 0.01),
        (np.linspace(-1, 1, 999), 0.5),
    ],
)
def test_any_distribution_is_drawn_within_the_page(nearest, threshold):
    nearest = np.array(nearest, np.float32)
    figure = similarity_figure(nearest, threshold, title="Title " * 30, subtitle="word " * 60)
    bars, _ = _bars(figure)
    assert round(sum(count for *_, count, _ in bars)) == np.isfinite(nearest).sum()
    axes = figure.axes[0]
    texts = [*figure.texts, *axes.get_xticklabels(), *axes.get_yticklabels()]
    boxes = [text.get_window_extent() for text in texts if text.get_text()]
    for box in boxes:
        assert box.x0 >= 0 and box.y0 >= 0
        assert box.x1 <= figure.bbox.x1 and box.y1 <= figure.bbox.y1
    for a, b in itertools.combinations(boxes, 2):
        assert min(a.x1, b.x1) - max(a.x0, b.x0) <= 0.5 or min(a.y1, b.y1) - max(a.y0, b.y0) <= 0.5


def test_the_histogram_is_a_picture():
    assert similarity_histogram(_nearest(), 0.97, title="t").mode == "RGB"


def test_groups_stand_in_their_frames_in_the_order_given(drawn):
    groups = _groups(12, 2, 3, 4, 2)
    sheet = twins_sheet(groups, title="t", columns=8, tile_size=60)
    boxes = [_box(sheet, _colour(i)) for i in range(23)]
    assert {(right - left, bottom - top) for left, top, right, bottom in boxes} == {(60, 60)}
    assert len(drawn["frames"]) == 5
    members = iter(boxes)
    for group, frame in zip(groups, drawn["frames"], strict=True):
        inside = [next(members) for _ in group]
        for left, top, right, bottom in inside:
            assert frame[0] < left and frame[1] < top and right <= frame[2] and bottom <= frame[3]
    for a, b in itertools.combinations(drawn["frames"], 2):
        assert a[2] < b[0] or b[2] < a[0] or a[3] < b[1] or b[3] < a[1]
        assert b[2] < sheet.width and b[3] < sheet.height
    # Rows of 8: 12 in two, then 2 + 3, then 4 + 2.
    tops = sorted({box[1] for box in boxes})
    assert [tops.index(boxes[i][1]) for i in (0, 8, 12, 14, 17, 21)] == [0, 1, 2, 2, 3, 3]
    assert len({box[0] for box in boxes}) == 8


def test_the_first_of_each_group_is_marked():
    sheet = twins_sheet(_groups(3, 2), title="t", columns=3, tile_size=60)
    pixels = np.asarray(sheet)
    marked = []
    for i in range(5):
        left, top, right, bottom = _box(sheet, _colour(i))
        around = [pixels[top - 2, left], pixels[bottom + 1, left], pixels[top, right + 1]]
        marked.append(all(tuple(pixel) == KEPT for pixel in around))
    assert marked == [True, False, False, True, False]


def test_a_large_group_tells_how_many_more_there_are(drawn):
    groups = _groups(30, 2)
    twins_sheet(groups, title="t", columns=6, tile_size=100, most=12)
    assert [text for text, *_ in drawn["texts"]] == ["t", "and 19 more"]
    drawn["texts"].clear()
    twins_sheet(_groups(12), title="t", most=12)
    assert [text for text, *_ in drawn["texts"]] == ["t"]


def test_what_is_known_of_a_picture_stands_below_it(drawn):
    group = [
        Tile(Image.new("RGB", (9, 9)), label="keep", caption="a.jpg"),
        Tile(Image.new("RGB", (9, 9)), score=0.98765, label="near", caption="b" * 300),
    ]
    sheet = twins_sheet([group], title="title " * 40, subtitle="subtitle " * 40)
    texts = [text for text, *_ in drawn["texts"]]
    assert texts[-5:-1] == ["keep", "a.jpg", "0.988", "near"] and texts[-1].endswith("…")
    for _, left, right in drawn["texts"]:
        assert left >= 20 and right <= sheet.width - 20


def test_no_groups_say_so(drawn):
    for groups in ([], [[]]):
        drawn["texts"].clear()
        assert twins_sheet(groups, title="t", subtitle="0 groups").width > 300
        assert [text for text, *_ in drawn["texts"]] == ["t", "0 groups", "No twins"]


@pytest.mark.parametrize("sizes", [(1,), (2, 2), (5, 9, 2), (17,), (2,) * 19])
@pytest.mark.parametrize("columns", [1, 3, 8])
def test_every_picture_is_shown_whatever_the_sizes(sizes, columns):
    sheet = twins_sheet(_groups(*sizes), title="t", columns=columns, tile_size=20)
    areas = dict((colour, area) for area, colour in sheet.getcolors(10**6))
    assert [areas.get(_colour(i)) for i in range(sum(sizes))] == [400] * sum(sizes)


@pytest.mark.parametrize("options", [{"columns": 0}, {"tile_size": 0}, {"most": 1}])
def test_impossible_grids_are_refused(options):
    with pytest.raises(ValueError, match="at least 1"):
        twins_sheet([], title="t", **options)
