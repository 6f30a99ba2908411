"""The contact sheet shows the pictures in order, whole and undistorted."""

import colorsys

import numpy as np
import pytest
from PIL import Image, ImageDraw

from veneer.figures.canvas import shorten, text_width
from veneer.figures.contact_sheet import Tile, contact_sheet


def _colour(index: int) -> tuple[int, int, int]:
    """Saturated colours, which type and paper do not have."""
    return tuple(round(255 * c) for c in colorsys.hsv_to_rgb(index / 14, 1, 0.9))


def _tiles(sizes, **fields) -> list[Tile]:
    return [
        Tile(Image.new("RGB", size, _colour(i)), i + 1, 0.5 - i / 100, **fields)
        for i, size in enumerate(sizes)
    ]


def _box(sheet: Image.Image, colour) -> tuple[int, int, int, int]:
    """Left, top, width and height of the area of exactly this colour, which must be full."""
    hit = (np.asarray(sheet) == colour).all(axis=-1)
    rows, columns = np.flatnonzero(hit.any(axis=1)), np.flatnonzero(hit.any(axis=0))
    left, top, right, bottom = columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
    assert hit[top:bottom, left:right].all()
    return left, top, right - left, bottom - top


@pytest.fixture
def written(monkeypatch):
    """What is drawn as text: (text, left, right, colour)."""
    texts = []
    draw = ImageDraw.ImageDraw.text

    def spy(self, xy, text, fill, font, *, anchor):
        box = self.textbbox(xy, text, font, anchor=anchor)
        texts.append((text, box[0], box[2], fill))
        return draw(self, xy, text, fill, font, anchor=anchor)

    monkeypatch.setattr(ImageDraw.ImageDraw, "text", spy)
    return texts


def test_tiles_lie_row_by_row_in_the_order_given():
    sheet = contact_sheet(_tiles([(50, 50)] * 11), title="Query", columns=4, tile_size=90)
    assert sheet.mode == "RGB"
    boxes = [_box(sheet, _colour(i)) for i in range(11)]
    assert {box[2:] for box in boxes} == {(90, 90)}
    lefts, tops = sorted({box[0] for box in boxes}), sorted({box[1] for box in boxes})
    assert len(lefts) == 4 and len(tops) == 3
    assert len(set(np.diff(lefts))) == 1 and len(set(np.diff(tops))) == 1
    places = [(tops.index(box[1]), lefts.index(box[0])) for box in boxes]
    assert places == [divmod(i, 4) for i in range(11)]


def test_pictures_are_fitted_whole_into_the_middle_of_their_square():
    sizes = [(400, 200), (30, 60), (77, 77), (3000, 10)]
    sheet = contact_sheet(_tiles(sizes), title="", columns=4, tile_size=120)
    boxes = [_box(sheet, _colour(i)) for i in range(4)]
    assert [box[2:] for box in boxes] == [(120, 60), (60, 120), (120, 120), (120, 1)]
    centres = [(left + width / 2, top + height / 2) for left, top, width, height in boxes]
    assert np.ptp([y for _, y in centres]) <= 0.5
    assert np.ptp(np.diff([x for x, _ in centres])) <= 0.5


def test_pictures_are_not_cropped():
    image = Image.new("RGB", (200, 100), "black")
    image.paste((255, 0, 0), (0, 0, 20, 100))
    image.paste((0, 255, 0), (180, 0, 200, 100))
    sheet = contact_sheet([Tile(image, 1, 0.5)], title="", tile_size=200)
    red, green = _box(sheet, (255, 0, 0)), _box(sheet, (0, 255, 0))
    assert green[0] + green[2] - red[0] == 200


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "CMYK", "1"])
def test_any_mode_is_taken_and_left_as_it_was(mode):
    image = Image.new(mode, (20, 10))
    before = image.tobytes()
    contact_sheet([Tile(image, 1, 0.5)], title="")
    assert image.mode == mode and image.size == (20, 10) and image.tobytes() == before


def test_rank_score_label_and_caption_stand_below(written):
    tile = Tile(Image.new("RGB", (9, 9)), 1, 0.31249, "braided", "a/b.jpg")
    contact_sheet([tile], title="wet stone", subtitle="12 of 400")
    assert [text for text, *_ in written] == [
        "wet stone",
        "12 of 400",
        "1 · 0.312",
        "braided",
        "a/b.jpg",
    ]
    colours = [colour for *_, colour in written]
    assert colours[3] == colours[4] != colours[2]


def test_lines_nobody_uses_take_no_room():
    bare, labelled, captioned = (
        contact_sheet(_tiles([(9, 9)] * 3, **fields), title="t").height
        for fields in ({}, {"label": "x"}, {"label": "x", "caption": "y"})
    )
    assert bare < labelled < captioned


def test_long_text_ends_in_an_ellipsis_within_its_tile(written):
    long = "polishedstone and crosshatched polka dots " * 20
    tiles = _tiles([(9, 9)] * 4, label=long, caption="x" * 500)
    sheet = contact_sheet(tiles, title=long, subtitle=long, columns=3, tile_size=150)
    below = [entry for entry in written if entry[0].startswith(("polished", "x"))][-8:]
    assert len(below) == 8
    for text, left, right, _ in below:
        assert text.endswith("…") and 130 < right - left <= 151
    for _, left, right, _ in written:
        assert left >= 20 and right <= sheet.width - 20


@pytest.mark.parametrize("text", ["", "short", "a" * 400, "word " * 90, "é" * 200, "石" * 99])
@pytest.mark.parametrize("width", [0, 30, 150])
def test_shortened_text_is_the_longest_that_fits(text, width):
    short = shorten(text, width, 14)
    whole = " ".join(text.split())
    if short == whole:
        assert text_width(whole, 14) <= width
        return
    kept = short.removesuffix("…")
    assert whole.startswith(kept)
    assert not kept or text_width(short, 14) <= width
    assert text_width(whole[: len(kept) + 2] + "…", 14) > width


@pytest.mark.parametrize(
    "text",
    ["石畳 夜", "🪨👩‍🎨", "مبلل", "line\nbreak\ttab\0nul", "lone \ud800 surrogate", "e\u0301" * 90],
)
def test_any_unicode_is_drawn(text):
    tile = Tile(Image.new("RGB", (9, 9)), 1, 0.5, text, text)
    assert contact_sheet([tile], title=text, subtitle=text).mode == "RGB"


def test_no_tiles_say_so(written):
    sheet = contact_sheet([], title="Query", subtitle="0 of 400")
    assert [text for text, *_ in written] == ["Query", "0 of 400", "No results"]
    _, left, right, _ = written[-1]
    assert abs((left + right) / 2 - sheet.width / 2) <= 1
    assert sheet.width > 300 and sheet.height > 200


def test_a_sheet_of_one_has_no_empty_columns_but_room_for_its_title(written):
    one = contact_sheet(_tiles([(9, 9)]), title="a title of some length, in full", columns=6)
    six = contact_sheet(_tiles([(9, 9)] * 6), title="t", columns=6)
    assert one.width < six.width
    assert written[0][0] == "a title of some length, in full"


@pytest.mark.parametrize("options", [{"columns": 0}, {"tile_size": 0}])
def test_impossible_grids_are_refused(options):
    with pytest.raises(ValueError, match="at least 1"):
        contact_sheet([], title="t", **options)
