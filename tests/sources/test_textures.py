"""The texture synthesiser: same seed, same file, and every kind worth looking at."""

import io
from pathlib import PurePosixPath

import numpy as np
import pytest
from PIL import Image

from veneer.sources.textures import COLOURS, KINDS, SAMPLE_KINDS, draw, sample_files

IMAGE_DESCRIPTION = 0x010E


@pytest.fixture(scope="module")
def sample() -> list[tuple[str, bytes]]:
    return list(
        sample_files(
            kinds=["striped", "woven", "cracked"],
            images_per_kind=8,
            seed=5,
            size=64,
            duplicates=12,
            damaged=12,
        )
    )


def _is_damaged(path: str) -> bool:
    return "damaged" in path


def _is_copy(path: str) -> bool:
    return "_copy" in path


@pytest.mark.parametrize("kind", KINDS)
def test_same_seed_same_pixels_whatever_was_drawn_between(kind):
    first = draw(kind, [3, 1], size=64)
    other = draw(kind, [3, 2], size=64)
    draw("striped", 9, size=48)
    again = draw(kind, [3, 1], size=64)
    np.testing.assert_array_equal(first.pixels, again.pixels)
    assert first.caption == again.caption
    assert not np.array_equal(first.pixels, other.pixels)


def test_global_random_state_plays_no_part():
    np.random.seed(0)
    before = np.random.get_state()[1].copy()
    first = draw("marbled", 4, size=64)
    np.testing.assert_array_equal(before, np.random.get_state()[1])
    np.random.seed(1)
    np.testing.assert_array_equal(first.pixels, draw("marbled", 4, size=64).pixels)


def test_a_number_and_a_sequence_of_it_are_the_same_seed():
    np.testing.assert_array_equal(
        draw("grid", 7, size=64).pixels, draw("grid", np.array([7]), size=64).pixels
    )


@pytest.mark.parametrize("size", [16, 65, 224])
def test_shape_and_dtype(size):
    pixels = draw("scaly", 0, size=size).pixels
    assert pixels.shape == (size, size, 3)
    assert pixels.dtype == np.uint8


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_contrast_and_is_not_burnt_out(kind):
    for seed in range(5):
        pixels = draw(kind, seed, size=112).pixels.astype(float)
        # Two colours of like lightness still differ in one of the channels.
        assert pixels.std(axis=(0, 1)).max() > 10, f"{kind} of seed {seed} is nearly flat"
        assert (pixels.min(axis=-1) > 253).mean() < 0.6
        assert (pixels.max(axis=-1) < 3).mean() < 0.6


@pytest.mark.parametrize("kind", KINDS)
def test_captions_name_kind_colours_and_grade(kind):
    for seed in range(4):
        texture = draw(kind, seed, size=32)
        assert texture.kind == kind
        assert f" {kind} texture" in texture.caption
        assert texture.caption.rsplit(", ")[-1] in {"coarse", "medium", "fine"}
        assert texture.caption.split()[0] in {"a", "an"}
        assert 1 <= len(texture.colours) <= 3
        for colour in texture.colours:
            assert colour in COLOURS
            assert colour in texture.caption


def test_palettes_use_known_colours_each_once():
    for kind in KINDS.values():
        for palette in kind.palettes:
            assert set(palette) <= set(COLOURS)
            assert len(set(palette)) == len(palette)


def test_sample_kinds_are_twenty_known_ones():
    assert len(set(SAMPLE_KINDS)) == len(SAMPLE_KINDS) == 20
    assert set(SAMPLE_KINDS) <= set(KINDS)


def test_unknown_kind_is_named_and_the_known_ones_listed():
    with pytest.raises(ValueError, match=r"fluffy.*striped.*zigzagged"):
        draw("fluffy", 0)
    with pytest.raises(ValueError, match=r"fluffy.*striped.*zigzagged"):
        sample_files(kinds=["striped", "fluffy"], images_per_kind=1, seed=0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"kinds": []},
        {"kinds": ["grid", "grid"]},
        {"images_per_kind": 0},
        {"duplicates": 3},
        {"damaged": -1},
    ],
)
def test_impossible_requests_are_refused_at_the_call(wrong):
    request = {
        "kinds": ["grid"],
        "images_per_kind": 2,
        "seed": 0,
        "duplicates": 0,
    } | wrong
    with pytest.raises(ValueError):
        sample_files(**request)


def test_too_small_a_size_is_refused():
    with pytest.raises(ValueError, match="at least 16"):
        draw("grid", 0, size=8)


def test_sample_has_the_files_asked_for(sample):
    paths = [path for path, _ in sample]
    assert len(set(paths)) == len(paths) == 3 * 8 + 12 + 12
    assert {PurePosixPath(path).parts[0] for path in paths} == {
        "striped",
        "woven",
        "cracked",
    }
    assert "woven/woven_0008.jpg" in paths
    assert sum(map(_is_copy, paths)) == 12
    assert sum(map(_is_damaged, paths)) == 12


def test_sample_is_the_same_again_and_another_with_another_seed(sample):
    request = {
        "kinds": ["striped", "woven", "cracked"],
        "images_per_kind": 8,
        "size": 64,
        "damaged": 12,
    }
    assert list(sample_files(seed=5, **request)) == sample
    assert list(sample_files(seed=6, **request)) != sample


def test_whole_images_open_and_carry_their_captions(sample):
    for path, content in sample:
        if _is_damaged(path) or _is_copy(path):
            continue
        with Image.open(io.BytesIO(content)) as image:
            image.load()
            assert image.format == "JPEG"
            assert image.size == (64, 64)
            assert f" {PurePosixPath(path).parts[0]} texture" in image.getexif()[IMAGE_DESCRIPTION]


def test_images_do_not_depend_on_how_many_are_asked_for(sample):
    few = dict(sample_files(kinds=["woven"], images_per_kind=2, seed=5, size=64, duplicates=0))
    assert few["woven/woven_0002.jpg"] == dict(sample)["woven/woven_0002.jpg"]


def test_copies_are_byte_identical_and_mostly_beside_the_original(sample):
    files = dict(sample)
    copies = [path for path in files if _is_copy(path)]
    misplaced = 0
    for copy in copies:
        folder, name = PurePosixPath(copy).parts
        kind = name.split("_")[0]
        assert files[copy] == files[f"{kind}/{name.replace('_copy', '')}"]
        misplaced += folder != kind
    assert misplaced == 2


def test_originals_differ_from_each_other(sample):
    originals = [c for path, c in sample if not _is_copy(path) and not _is_damaged(path)]
    assert len(set(originals)) == len(originals)


def test_every_damaged_file_is_refused_on_a_full_load(sample):
    damaged = [(path, content) for path, content in sample if _is_damaged(path)]
    for path, content in damaged:
        try:
            Image.open(io.BytesIO(content)).load()
        except OSError:
            continue
        pytest.fail(f"{path} opened as if whole")
    assert len({PurePosixPath(path).name for path, _ in damaged}) == 12
