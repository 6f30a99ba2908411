"""Pictures that stand in for photographs: every name draws, again the same, in true colours."""

import os
import subprocess
import sys

import numpy as np
import pytest

from veneer.sources.textures import (
    COLOURS,
    KINDS,
    MATERIALS,
    SAMPLE_KINDS,
    VARIANTS,
    draw,
    photograph,
)
from veneer.sources.textures.bodies import BODIES, several, sheet
from veneer.sources.textures.canvas import Canvas, lattice_noise
from veneer.sources.textures.photographs import name_of
from veneer.sources.textures.render import _place_canvas

# Means of the four quarters of one drawing each, as hexadecimal red, green and blue. Means, as
# the last bit of a sine is not the same on every processor.
SAMPLE_FINGERPRINTS = {
    "striped": "928ebc8386b38585b0827fa8",
    "polka-dotted": "684f5f644a58664b595d4351",
    "chequered": "9099a98a92a1818795777f8c",
    "zigzagged": "a97937ad78369968309d6c32",
    "grid": "6dbbc26dbac17abfc576bcc2",
    "marbled": "96addfa8bdeba6b4d26e88c2",
    "woven": "8b54848a5483824f7b804e7a",
    "cracked": "5d3f205b3e1f5f41205d3e1f",
    "bubbly": "f3984ef79e52e7924eea8c43",
    "honeycombed": "7c5a2f805d307f5c307d5b2f",
    "spiralled": "9ddce5a1e6f093d0d7a1e0e9",
    "veined": "8c4f9494539d81488c864c8b",
    "cobwebbed": "62564a6e5a498b7967685645",
    "crystalline": "a9b6d199a8c79eacc89cabc9",
    "scaly": "444042454043413d40423d40",
    "knitted": "714f616f4d626d4c5f6f4f5c",
    "braided": "3e5c453f5b45435c46435c46",
    "wrinkled": "dd95b8b9728edd8cadaf6c86",
    "studded": "70996e6e986d6b8f68658c63",
    "stratified": "9f7a56a57950a3815da58664",
}
ATTRIBUTES = [
    "banded",
    "blotchy",
    "braided",
    "bubbly",
    "bumpy",
    "chequered",
    "cobwebbed",
    "cracked",
    "crosshatched",
    "crystalline",
    "dotted",
    "fibrous",
    "flecked",
    "freckled",
    "frilly",
    "gauzy",
    "grid",
    "grooved",
    "honeycombed",
    "interlaced",
    "knitted",
    "lacelike",
    "lined",
    "marbled",
    "matted",
    "meshed",
    "paisley",
    "perforated",
    "pitted",
    "pleated",
    "polka-dotted",
    "porous",
    "potholed",
    "scaly",
    "smeared",
    "spiralled",
    "sprinkled",
    "stained",
    "stratified",
    "striped",
    "studded",
    "swirly",
    "veined",
    "waffled",
    "woven",
    "wrinkled",
    "zigzagged",
]
PATTERNS = {
    kind.pattern: (name, kind)
    for name, kinds in {**VARIANTS, **MATERIALS}.items()
    for kind in kinds
}


def _quarters(pixels):
    half = pixels.shape[0] // 2
    return pixels.astype(float).reshape(2, half, 2, half, 3).mean(axis=(1, 3)).ravel()


@pytest.mark.parametrize("kind", SAMPLE_KINDS)
def test_drawings_of_the_sample_stay_as_they_were(kind):
    expected = np.frombuffer(bytes.fromhex(SAMPLE_FINGERPRINTS[kind]), np.uint8)
    quarters = _quarters(draw(kind, 7, size=64).pixels)
    np.testing.assert_allclose(quarters, expected.astype(float), atol=1.5)


def test_all_attributes_of_the_data_set_are_kinds_in_several_ways():
    assert set(ATTRIBUTES) == set(KINDS) == set(VARIANTS)
    assert all(kinds[0] is KINDS[name] for name, kinds in VARIANTS.items())
    assert min(map(len, VARIANTS.values())) >= 3


@pytest.mark.parametrize("pattern", PATTERNS, ids=lambda pattern: pattern.__name__)
def test_every_pattern_fills_its_layers_on_flat_and_bent_planes(pattern):
    _, kind = PATTERNS[pattern]
    for bent in (False, True):
        canvas, _ = _place_canvas(kind, np.random.default_rng(3), 64)
        canvas = Canvas(canvas.across, canvas.down, canvas.pixel, canvas.span, canvas.rng, bent)
        layers = pattern(canvas)
        for name in ("blend", "relief", "tone", "accent", "cover"):
            layer = getattr(layers, name)
            if layer is None:
                continue
            assert layer.shape == (64, 64), name
            assert np.isfinite(layer).all(), name
            if name in ("blend", "accent", "cover"):
                assert layer.min() > -0.2
                assert layer.max() < 1.2


@pytest.mark.parametrize("name", [*VARIANTS, *MATERIALS])
def test_same_arguments_same_photograph(name):
    request = {"attribute": name} if name in VARIANTS else {"material": name}
    first = photograph([1, 2], **request, size=64)
    photograph(9, "striped", size=32)
    again = photograph([1, 2], **request, size=64)
    np.testing.assert_array_equal(first.pixels, again.pixels)
    assert first.colours == again.colours
    assert first.pixels.shape == (64, 64, 3)
    assert first.pixels.dtype == np.uint8
    assert (first.attribute, first.material) == (
        request.get("attribute"),
        request.get("material"),
    )
    others = [photograph(seed, **request, size=64).pixels for seed in range(3)]
    assert not np.array_equal(others[0], others[1])
    assert max(pixels.std() for pixels in others) > 8


@pytest.mark.parametrize("name", VARIANTS)
def test_variants_of_a_kind_differ(name):
    kinds = VARIANTS[name]
    assert len({kind.pattern for kind in kinds}) >= 2
    assert len({(kind.pattern, kind.repeats, kind.palettes) for kind in kinds}) == len(kinds)


def test_threads_and_global_state_play_no_part():
    code = (
        "import numpy as np, zlib; np.random.seed(5);"
        "from veneer.sources.textures import photograph;"
        "print(zlib.crc32(photograph(4, 'scaly', 'metal', size=64).pixels.tobytes()))"
    )
    sums = {
        subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | {"OMP_NUM_THREADS": threads, "PYTHONHASHSEED": threads},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for threads in ("1", "3")
    }
    assert len(sums) == 1


def test_materials_carry_patterns():
    plain = photograph(3, "striped", size=64)
    on_wood = photograph(3, "striped", "wood", size=64)
    assert on_wood.material == "wood"
    assert not np.array_equal(plain.pixels, on_wood.pixels)


@pytest.mark.parametrize("colour", COLOURS)
def test_colours_asked_for_show(colour):
    named = [
        photograph([seed], kind, size=64, colours=(colour,)).colours
        for kind in (None, "striped", "wrinkled")
        for seed in range(4)
    ]
    assert named.count((colour,)) >= 9


def test_two_colours_asked_for_are_both_named():
    named = [photograph(seed, "chequered", size=64, colours=("red", "blue")) for seed in range(8)]
    assert sum(set(picture.colours) == {"red", "blue"} for picture in named) >= 6


def test_named_colours_are_those_in_the_pixels():
    for seed in range(40):
        picture = photograph(seed, "polka-dotted", size=64)
        assert 1 <= len(picture.colours) <= 3
        assert len(set(picture.colours)) == len(picture.colours)
        assert set(picture.colours) <= set(COLOURS)
        spread = np.ptp(picture.pixels.reshape(-1, 3).astype(int), axis=1)
        if np.quantile(spread, 0.9) < 6:  # a black and white photograph
            assert set(picture.colours) <= {"black", "grey", "white"}


@pytest.mark.parametrize("name", COLOURS)
def test_named_colours_keep_their_names_in_a_little_shade(name):
    plain = np.array(COLOURS[name], float)
    assert name_of(plain) == name
    assert name_of(plain * 0.9, name) == name


def test_a_colour_turned_grey_loses_its_name():
    assert name_of(np.array([120, 120, 120]), "red") == "grey"
    assert name_of(np.array([30, 80, 180]), "red") == "blue"


@pytest.mark.parametrize("body", [*BODIES, sheet, several], ids=lambda body: body.__name__)
@pytest.mark.parametrize("size", [16, 65])
def test_bodies_are_whole(body, size):
    for seed in range(4):
        surface = body(np.random.default_rng(seed), size)
        for values in (surface.right, surface.below, surface.stretch, surface.depth):
            assert values.shape == (size, size)
            assert np.isfinite(values).all()
        assert surface.stretch.min() > 0
        np.testing.assert_allclose(np.linalg.norm(surface.normal, axis=0), 1, atol=2e-2)
        if surface.cover is not None:
            assert 0 <= surface.cover.min() <= surface.cover.max() <= 1
            assert surface.cover.max() > 0.9


def test_noise_follows_its_coordinates_and_meets_itself_at_the_seam():
    place = np.linspace(0, 200, 500, dtype=np.float32)
    across, down = np.meshgrid(place, place[:40])
    noise = lattice_noise(np.random.default_rng(0), across, down, 2)
    assert 0 <= noise.min() < 0.2
    assert 0.8 < noise.max() <= 1
    moved = lattice_noise(np.random.default_rng(0), across + 64, down, 2)
    np.testing.assert_allclose(noise, moved, atol=2e-3)
    assert np.abs(np.diff(noise, axis=1)).max() < 0.6


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"attribute": "fluffy"}, r"unknown kind of texture: fluffy.*striped.*zigzagged"),
        ({"material": "cheese"}, r"unknown material: cheese.*brick.*wood"),
        ({"attribute": "grid", "colours": ("mauve",)}, r"unknown colour: mauve.*red"),
        ({"attribute": "grid", "colours": ()}, "one to three"),
        ({"attribute": "grid", "colours": ("red", "red")}, "one to three"),
        ({"attribute": "grid", "size": 8}, "at least 16"),
    ],
)
def test_impossible_requests_are_refused_with_what_is_known(request_, message):
    with pytest.raises(ValueError, match=message):
        photograph(0, **request_)
