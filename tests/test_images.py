"""Reading single image files."""

import io
from datetime import datetime

import numpy as np
import pytest
from PIL import ExifTags, Image
from support import encode, noise_image

from veneer.images import UnreadableImageError, inspect_image, row_id, sha_of, to_rgb


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"])
def test_formats_are_read(format_):
    facts = inspect_image(encode(noise_image(1), format_))
    assert (facts.width, facts.height, facts.format) == (48, 40, format_)


def test_exif_orientation_turns_size_and_pixels():
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6  # the camera stood on its side
    exif[ExifTags.Base.ImageDescription] = "a  red\nbrick wall"
    exif[ExifTags.Base.DateTime] = "2021:03:04 05:06:07"
    data = encode(noise_image(1), "PNG", exif=exif)
    facts = inspect_image(data)
    assert (facts.width, facts.height) == (40, 48)
    assert facts.description == "a red brick wall"
    assert facts.created == datetime(2021, 3, 4, 5, 6, 7)
    turned = noise_image(1).transpose(Image.Transpose.ROTATE_270)
    np.testing.assert_array_equal(np.asarray(to_rgb(data)), np.asarray(turned))


def test_transparency_is_laid_over_white():
    image = Image.new("RGBA", (2, 1), (255, 0, 0, 255))
    image.putpixel((1, 0), (0, 0, 0, 0))
    assert np.asarray(to_rgb(encode(image))).tolist() == [[[255, 0, 0], [255, 255, 255]]]


def test_palette_transparency_is_laid_over_white():
    image = Image.new("P", (1, 1), 0)
    image.putpalette([10, 20, 30])
    assert to_rgb(encode(image, "PNG", transparency=0)).getpixel((0, 0)) == (255, 255, 255)


def test_sixteen_bit_grey_keeps_its_upper_bits():
    image = Image.fromarray(np.array([[0, 0x8000, 0xFFFF]], np.uint16))
    assert np.asarray(to_rgb(encode(image))).tolist() == [[[0] * 3, [128] * 3, [255] * 3]]


def test_cmyk_grey_and_first_frame():
    assert to_rgb(encode(Image.new("CMYK", (4, 4), (0, 0, 0, 0)), "JPEG")).getpixel((0, 0)) == (
        255,
        255,
        255,
    )
    assert to_rgb(encode(Image.new("L", (4, 4), 7))).getpixel((0, 0)) == (7, 7, 7)
    red, blue = Image.new("RGB", (4, 4), "red"), Image.new("RGB", (4, 4), "blue")
    animated = encode(red, "GIF", save_all=True, append_images=[blue])
    assert to_rgb(animated).getpixel((0, 0)) == (255, 0, 0)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty file"),
        (b"<html>404</html>", "not an image"),
        (encode(noise_image(1), "JPEG")[:900], "truncated or damaged"),
        (encode(noise_image(1), "PPM"), "format PPM is not read"),
        (encode(noise_image(1).convert("F"), "TIFF"), "floating-point pixels are not read"),
    ],
)
def test_refusals_name_their_reason(data, reason):
    with pytest.raises(UnreadableImageError, match=reason):
        inspect_image(data)
    with pytest.raises(UnreadableImageError, match=reason):
        to_rgb(data)


@pytest.mark.parametrize("side", [13_000, 60_000])
def test_a_bomb_is_refused_unread(side):
    """A header that claims far more pixels than a photo has, also past Pillow's own limit."""
    data = bytearray(encode(Image.new("1", (8, 8)), "PNG"))
    import zlib

    data[16:24] = side.to_bytes(4, "big") * 2
    data[29:33] = zlib.crc32(bytes(data[12:29])).to_bytes(4, "big")
    with pytest.raises(UnreadableImageError, match="more than 150,000,000 pixels"):
        inspect_image(bytes(data))


def test_identifiers():
    assert sha_of(b"abc") == "a9993e364706816aba3e25717850c26c9cd0d89d"
    assert row_id("a/b.jpg", "0" * 40) != row_id("a/c.jpg", "0" * 40)
    assert row_id("a/b.jpg", "0" * 40) == sha_of(b"a/b.jpg\0" + b"0" * 40)


def test_pillow_decodes_as_given():
    data = encode(noise_image(3), "JPEG", quality=80)
    np.testing.assert_array_equal(
        np.asarray(to_rgb(data)), np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    )
