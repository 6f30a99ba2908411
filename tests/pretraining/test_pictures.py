"""The pictures that are learnt from."""

from collections import Counter

import numpy as np
import pytest
from PIL import Image
from pretrained import draw_clip_art, needs_photographs
from support import noise_image

from veneer.errors import VeneerError
from veneer.pretraining import pictures as module
from veneer.pretraining.ingredients import PACKAGES
from veneer.pretraining.pictures import (
    PHOTOGRAPHS,
    clip_art_name,
    draw,
    find_clip_art,
    photograph_bytes,
)
from veneer.pretraining.words import ATTRIBUTES, COLOURS
from veneer.sources.textures import MATERIALS, Photograph, Texture, photograph, photographs
from veneer.sources.textures import draw as draw_flat

CLIP_ART = 21  # the number of the first picture that is one


@pytest.fixture
def quickly(monkeypatch):
    """Textures that are black and photographs that are noise."""
    black, noise = np.zeros((256, 256, 3), np.uint8), noise_image(0, (300, 260))

    def draw_nothing(entropy, attribute, material, size, colours=("red",)):
        return Photograph(black, attribute, material, tuple(colours))

    def fill_nothing(kind, entropy, size):
        return Texture(black, kind, ("blue",), "")

    monkeypatch.setattr(module, "photograph", draw_nothing)
    monkeypatch.setattr(photographs, "photograph", draw_nothing)
    monkeypatch.setattr(module, "draw_flat", fill_nothing)
    monkeypatch.setattr(module, "_opened", lambda name: noise)


@needs_photographs
def test_a_picture_follows_from_the_seed_and_its_number_alone(clip_art):
    row = list(draw(range(11, 25), (0, 2), clip_art))
    for number in (11, 15, 19, 20, 21, 22, 23, 24):
        (alone,) = draw([number], (0, 2), clip_art)
        assert alone.pixels.shape == (256, 256, 3)
        assert alone.pixels.dtype == np.uint8
        np.testing.assert_array_equal(alone.pixels, row[number - 11].pixels)
        assert alone.source == row[number - 11].source
        (other,) = draw([number], (1, 2), clip_art)
        assert not np.array_equal(other.pixels, alone.pixels)


@pytest.mark.parametrize("start", [0, 5, 33])
def test_24_in_a_row_hold_all_sorts_in_their_shares(quickly, clip_art, start):
    found = list(draw(range(start, start + 24), (0, 2), clip_art))
    assert Counter(picture.source for picture in found) == {
        "attribute": 9,
        "shades": 3,
        "pattern": 4,
        "material": 4,
        "plain": 1,
        "clip art": 2,
        "photo": 1,
    }
    for picture in found:
        of_texture = picture.source in ("attribute", "shades", "pattern")
        assert (picture.attribute is not None) == of_texture
        if picture.source == "material":
            assert picture.material in MATERIALS
        if picture.source in ("attribute", "material", "plain"):
            assert picture.colours == ("red",)
        if picture.source == "pattern":
            assert picture.colours == ("blue",) and picture.material is None
        if picture.source == "shades":
            assert len(picture.colours) == 1 and picture.material is None
        assert picture.source == "clip art" or not picture.name


def test_all_attributes_and_materials_take_turns(quickly, clip_art):
    found = list(draw(range(564), (0, 2), clip_art))
    for source in ("pattern", "shades", "attribute"):
        attributes = Counter(each.attribute for each in found if each.source == source)
        assert set(attributes) == set(ATTRIBUTES)
        assert max(attributes.values()) - min(attributes.values()) <= 1
    materials = Counter(each.material for each in found if each.source == "material")
    assert set(materials) == set(MATERIALS)
    assert max(materials.values()) - min(materials.values()) <= 1
    colours = Counter(each.colours for each in found if each.source == "shades")
    assert set(colours) == {(name,) for name in COLOURS}
    on_material = [each for each in found if each.attribute and each.material]
    assert 0.15 < len(on_material) / sum(attributes.values()) < 0.45


def test_drawn_pictures_are_those_of_the_synthesiser(clip_art):
    picture, pattern = draw([3, 12], (5, 2), clip_art)
    again = photograph([5, 2, 3], picture.attribute, picture.material, 256)
    np.testing.assert_array_equal(picture.pixels, again.pixels)
    assert picture.colours == again.colours
    again = draw_flat(pattern.attribute, [5, 2, 12], 256)
    np.testing.assert_array_equal(pattern.pixels, again.pixels)
    assert pattern.colours == again.colours


def test_a_colour_is_drawn_until_its_shades_keep_its_name(monkeypatch, clip_art):
    asked = []

    def darken(entropy, attribute, material, size, colours):
        asked.append(entropy)
        seen = colours if len(asked) % 20 == fit else ("black",)
        return Photograph(np.full((256, 256, 3), len(asked)), attribute, material, seen)

    monkeypatch.setattr(photographs, "photograph", darken)
    fit = 3
    (picture,) = draw([9], (0, 2), clip_art)
    assert asked == [[0, 2, 9, attempt] for attempt in range(3)]
    assert (picture.source, picture.pixels.max()) == ("shades", 3)
    assert picture.colours != ("black",)
    asked.clear()
    fit = -1
    (picture,) = draw([9], (0, 2), clip_art)
    assert len(asked) == 20
    assert picture.colours == ("black",)


def test_clip_art_is_cut_out_and_its_ground_shows(quickly, clip_art):
    red = [path for path in clip_art if path.stem == "red_apple"]
    numbers = [24 * number + CLIP_ART for number in range(12)]
    grounds = set()
    for picture in draw(numbers, (0, 2), red):
        assert (picture.source, picture.name) == ("clip art", "red apple")
        is_red = (picture.pixels == (255, 0, 0)).all(2).mean()
        assert 0.1 < is_red < 0.7
        corner = tuple(picture.pixels[0, 0].tolist())
        assert corner != (255, 0, 0)
        grounds.add("white" if corner == (255,) * 3 else "drawn" if not any(corner) else "plain")
    assert grounds == {"white", "plain", "drawn"}


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("animals/flying_duck_02.png", "flying duck"),
        ("Red-Apple.png", "red apple"),
        ("cat_cat_01.png", "cat"),
        ("07.png", ""),
    ],
)
def test_clip_art_is_called_what_its_file_says(tmp_path, name, said):
    assert clip_art_name(tmp_path / name) == said


def test_clip_art_as_large_as_posters_is_left_out(tmp_path):
    draw_clip_art(tmp_path / "b")
    Image.new("RGBA", (2001, 1000)).save(tmp_path / "poster.png")
    Image.new("RGBA", (2000, 1000)).save(tmp_path / "a.png")
    (tmp_path / "notes.txt").write_text("no picture")
    found = [path.relative_to(tmp_path).as_posix() for path in find_clip_art(tmp_path)]
    assert found == ["a.png", "b/07.png", "b/duck_01.png", "b/red_apple.png", "b/tree.png"]


@pytest.mark.parametrize("huge", [0, 1])
def test_no_clip_art_is_told(tmp_path, huge):
    for _ in range(huge):
        Image.new("1", (2001, 1000)).save(tmp_path / "poster.png")
    with pytest.raises(VeneerError, match="apt-get download openclipart-png"):
        find_clip_art(tmp_path)


@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n\x1a\n", b"GIF89a" + bytes(30)])
def test_a_file_that_is_no_png_is_named(tmp_path, content):
    (tmp_path / "broken.png").write_bytes(content)
    with pytest.raises(VeneerError, match=r"broken\.png: it is no PNG"):
        find_clip_art(tmp_path)


@pytest.mark.parametrize("place", [60, 200])
def test_a_damaged_png_is_named(tmp_path, place):
    noise_image(0, (40, 40)).save(tmp_path / "broken.png")
    content = bytearray((tmp_path / "broken.png").read_bytes())
    (tmp_path / "broken.png").write_bytes(content[:place])
    with pytest.raises(VeneerError, match=r"Reading the clip art .*broken\.png: .*Unpack"):
        next(draw([CLIP_ART], (0, 2), find_clip_art(tmp_path)))


@needs_photographs
def test_the_photographs_are_there_and_parts_of_them_are_shown(clip_art):
    for name in PHOTOGRAPHS:
        assert len(photograph_bytes(name)) > 1000
    shown = list(draw(range(23, 480, 24), (0, 2), clip_art))
    assert {each.source for each in shown} == {"photo"}
    assert {each.material for each in shown} <= {None, "brick", "fur", "grass", "gravel"}
    assert len({each.pixels.tobytes() for each in shown}) == len(shown)


def test_photographs_that_are_not_there_are_told(monkeypatch):
    monkeypatch.setattr("veneer.pretraining.ingredients.find_spec", lambda name: None)
    with pytest.raises(VeneerError, match=PACKAGES["skimage"]):
        photograph_bytes("brick.png")
