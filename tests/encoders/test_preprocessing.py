"""The exact pixels are those of open_clip and timm; the fast ones are near them."""

from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from open_clip.transform import PreprocessCfg, image_transform_v2
from PIL import Image
from support import encode, noise_image
from timm.data import create_transform

from veneer.encoders import open_clip, timm
from veneer.encoders.preprocessing import FAST_MARGIN, middle_of_sliver
from veneer.images import to_rgb

# Smaller, larger, equal, odd, one pixel wide, upright and lying.
SIZES = [(1, 20), (20, 1), (1, 1), (7, 5), (33, 47), (40, 40), (48, 64), (64, 48), (41, 300)]
SIZES += [(300, 41), (201, 150), (161, 160), (57, 400), (640, 27)]
IMAGES = [noise_image(index, size) for index, size in enumerate(SIZES)]
PLAIN, SMALL = (open_clip._preprocessing(asdict(PreprocessCfg(size=n))) for n in (224, 32))


def natural(seed, size):
    """A picture with large forms, soft edges and a little noise, as photos have them."""
    forms = noise_image(seed, (size[0] // 20, size[1] // 20)).resize(size, Image.Resampling.BICUBIC)
    return Image.blend(forms, noise_image(seed + 1, size), 0.05)


def as_tensor(preprocessing, image):
    pixels = preprocessing.pixels(image)
    assert pixels.dtype == np.uint8
    return preprocessing.normalise(torch.from_numpy(pixels.copy())[None])[0]


@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
@pytest.mark.parametrize("mode", ["shortest", "longest", "squash"])
@pytest.mark.parametrize("size", [40, (48, 64), (57, 33)])
def test_open_clips_own_pixels(size, mode, interpolation):
    cfg = PreprocessCfg(size=size, resize_mode=mode, interpolation=interpolation, fill_color=77)
    transform = image_transform_v2(cfg, is_train=False)
    preprocessing = open_clip._preprocessing(asdict(cfg))
    for image in IMAGES:
        assert torch.equal(as_tensor(preprocessing, image), transform(image)), image.size


@pytest.mark.parametrize("crop_pct", [0.875, 1.0, 1.1])
@pytest.mark.parametrize("crop_mode", ["center", "squash", "border"])
@pytest.mark.parametrize("size", [(40, 40), (48, 64)])
def test_timms_own_pixels(size, crop_mode, crop_pct):
    cfg = {
        "input_size": (3, *size),
        "interpolation": "bicubic",
        "mean": (0.485, 0.456, 0.406),
        "std": (0.229, 0.224, 0.225),
        "crop_pct": crop_pct,
        "crop_mode": crop_mode,
    }
    transform = create_transform(**cfg, is_training=False)
    preprocessing = timm._preprocessing(cfg)
    for image in IMAGES:
        assert torch.equal(as_tensor(preprocessing, image), transform(image)), image.size


def test_a_sliver_gives_the_pixels_of_its_middle():
    for size, box in [((5000, 3), (2452, 0, 2548, 3)), ((2, 99), (0, 17, 2, 81))]:
        image = noise_image(0, size)
        middle = image.crop(box)
        assert np.array_equal(middle_of_sliver(image), middle)
        assert np.array_equal(PLAIN.pixels(image), PLAIN.pixels(middle))
    image = noise_image(0, (96, 3))
    assert middle_of_sliver(image) is image


@pytest.mark.parametrize("mode", ["shortest", "longest", "squash"])
def test_fast_pixels_are_near_the_exact_ones(mode):
    exact = replace(PLAIN, mode=mode)
    for seed, size in enumerate([(640, 480), (300, 500), (150, 90), (224, 224)]):
        image = natural(seed, size)
        ours, expected = replace(exact, fast=True).pixels(image), exact.pixels(image)
        assert ours.shape == expected.shape == (224, 224, 3)
        assert ours.dtype == np.uint8
        assert np.abs(ours.astype(int) - expected).max() <= 2


def decoded(monkeypatch, preprocessing, data):
    """Pixels, and the size at which the file was decoded."""
    sizes = []

    def spy(*args, **options):
        image = to_rgb(*args, **options)
        sizes.append(image.size)
        return image

    with monkeypatch.context() as patch:
        patch.setattr("veneer.encoders.preprocessing.to_rgb", spy)
        return preprocessing.decode(data), *sizes


def test_fast_decodes_large_jpegs_at_a_part_of_their_size(monkeypatch):
    fast, least = replace(SMALL, fast=True), FAST_MARGIN * 32
    data = encode(natural(0, (3 * least, 2 * least)), "JPEG", quality=90)
    expected, size = decoded(monkeypatch, SMALL, data)
    assert size == (3 * least, 2 * least)
    pixels, size = decoded(monkeypatch, fast, data)
    assert size == (3 * least // 2, least)
    assert 0 < np.abs(pixels.astype(int) - expected).mean() < 1
    # Never at less than the margin asks for.
    size = 3 * least, 2 * least - 2
    assert decoded(monkeypatch, fast, encode(natural(0, size), "JPEG"))[1] == size
    assert decoded(monkeypatch, replace(fast, resize=(32, 34)), data)[1] == (3 * least, 2 * least)


def test_fast_decodes_other_formats_whole(monkeypatch):
    fast, image = replace(SMALL, fast=True), natural(0, (900, 800))
    pixels, size = decoded(monkeypatch, fast, encode(image))
    assert size == (900, 800)
    assert np.array_equal(pixels, fast.pixels(image))


def test_fast_sets_jpegs_upright():
    fast = replace(SMALL, mode="squash", fast=True)
    upright = natural(0, (900, 1000))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise
    lying = upright.transpose(Image.Transpose.ROTATE_90)
    turned = fast.decode(encode(lying, "JPEG", quality=95, exif=exif))
    expected = fast.decode(encode(upright, "JPEG", quality=95))
    assert np.abs(turned.astype(int) - expected).mean() < 1
    assert np.abs(fast.decode(encode(lying, "JPEG")).astype(int) - expected).mean() > 10
