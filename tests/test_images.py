"""Reading single image files."""

import io
import struct
import subprocess
import sys
import zlib
from datetime import datetime

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageOps
from support import encode, noise_image

from veneer.images import inspect_image, row_id, sha_of, to_rgb
from veneer.refusals import REASONS, RefusedError


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


def test_a_camera_photo_with_a_preview_is_a_jpeg():
    """Phones write a second picture behind the first; Pillow calls that another format."""
    red, blue = Image.new("RGB", (8, 8), (255, 0, 0)), Image.new("RGB", (8, 8), (0, 0, 255))
    data = encode(red, "MPO", save_all=True, append_images=[blue])
    assert inspect_image(data).format == "JPEG"
    assert to_rgb(data).getpixel((0, 0))[0] > 250


@pytest.mark.parametrize("options", [{"progressive": True}, {"subsampling": 0}, {"optimize": True}])
def test_kinds_of_jpeg(options):
    data = encode(noise_image(1, (333, 251)), "JPEG", quality=90, **options)
    facts = inspect_image(data)
    assert (facts.width, facts.height) == (333, 251) == to_rgb(data).size


def test_animations_in_webp_and_png_give_their_first_frame():
    red, blue = Image.new("RGB", (8, 8), "red"), Image.new("RGB", (8, 8), "blue")
    for format_ in ("WEBP", "PNG", "TIFF"):
        options = {"lossless": True} if format_ == "WEBP" else {}
        data = encode(red, format_, save_all=True, append_images=[blue], **options)
        assert to_rgb(data).getpixel((0, 0)) == (255, 0, 0), format_


def test_signed_and_wide_greys():
    wide = Image.fromarray(np.array([[0, 0x8000, 0xFFFF]], np.int32))
    assert np.asarray(to_rgb(encode(wide, "TIFF"))).tolist() == [[[0] * 3, [128] * 3, [255] * 3]]
    wider = Image.fromarray(np.array([[0, 0x7FFFFFFF]], np.int32))
    with pytest.raises(RefusedError, match="32-bit integer"):
        inspect_image(encode(wider, "TIFF"))


@pytest.mark.parametrize("orientation", range(10))
@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_every_orientation_as_pillow_has_it(orientation, format_):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    data = encode(noise_image(1), format_, exif=exif)
    upright = to_rgb(data)
    facts = inspect_image(data)
    assert (facts.width, facts.height) == upright.size
    expected = ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")
    np.testing.assert_array_equal(np.asarray(upright), np.asarray(expected))


def exif_block(*tags: tuple[int, int, int, int]) -> bytes:
    """EXIF with these tags: number, type, count and value as they stand in the file."""
    entries = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    return b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", len(tags)) + entries + bytes(40)


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize(
    "exif",
    [
        b"Exif\0\0garbage!",
        b"garbage",
        exif_block((0x0112, 3, 1, 6), (0x011B, 2, 4, 0x41414141)),  # upright after a turn
        exif_block((0x0112, 3, 1, 6), (0x8769, 9, 1, 0xFFFFFFF0)),  # details before the file
        exif_block((0x8769, 4, 1, 0x7FFFFFFF)),  # details behind it
        exif_block((0x0112, 2, 1, 6), (0x010E, 7, 4, 0xFFFFFFFF)),  # an orientation in words
        exif_block((0x9003, 5, 1, 20), (0x0132, 12, 1, 20)),
    ],
)
def test_broken_exif_is_as_if_it_were_not_there(format_, exif):
    data = encode(noise_image(1), format_, exif=exif)
    facts = inspect_image(data)
    assert facts.created is None
    assert to_rgb(data).size == (facts.width, facts.height)


def test_random_exif_does_no_harm():
    rng = np.random.default_rng(0)
    for _ in range(1500):
        tags = [
            (
                int(rng.choice([0x0112, 0x010E, 0x0132, 0x8769, 0x8825, 0x011B, 0x9003])),
                int(rng.integers(0, 14)),
                int(rng.choice([0, 1, 2, 4, 100, 2**31])),
                int(rng.integers(0, 2**32)) if rng.random() < 0.5 else int(rng.integers(0, 90)),
            )
            for _ in range(rng.integers(1, 5))
        ]
        data = encode(noise_image(1, (8, 8)), "PNG", exif=exif_block(*tags))
        facts = inspect_image(data)
        assert to_rgb(data).size == (facts.width, facts.height)
        assert (facts.description or "").encode() is not None


@pytest.mark.parametrize(
    ("data", "reason", "detail"),
    [
        (b"", "empty", "no bytes"),
        (b"<html>404</html>", "not_an_image", "<html>404"),
        (encode(noise_image(1), "JPEG")[:900], "truncated", "truncated"),
        (encode(noise_image(1), "PNG")[:900], "truncated", "truncated"),
        (encode(noise_image(1), "WEBP")[:900], "truncated", "."),
        (encode(noise_image(1), "PPM"), "unsupported_format", "PPM is not read, only JPEG, PNG"),
        (encode(noise_image(1).convert("F"), "TIFF"), "unsupported_format", "no white point"),
    ],
)
def test_refusals_name_their_reason(data, reason, detail):
    for read in (inspect_image, to_rgb):
        with pytest.raises(RefusedError, match=detail) as caught:
            read(data)
        assert caught.value.reason == reason


def test_a_reason_that_is_not_known_is_an_error():
    with pytest.raises(ValueError, match="there is no reason 'broken'; reasons are empty"):
        RefusedError("broken", "")
    assert all(REASONS.values())


def bomb(side: int, format_: str) -> bytes:
    """A small file whose header claims ``side`` x ``side`` pixels."""
    data = bytearray(encode(Image.new("1" if format_ == "PNG" else "RGB", (8, 8)), format_))
    if format_ == "PNG":
        data[16:24] = side.to_bytes(4, "big") * 2
        data[29:33] = zlib.crc32(bytes(data[12:29])).to_bytes(4, "big")
    elif format_ == "JPEG":
        frame = data.index(b"\xff\xc0\x00\x11")
        data[frame + 5 : frame + 9] = side.to_bytes(2, "big") * 2
    elif format_ == "GIF":
        frame = data.index(b",\0\0\0\0")
        data[6:10] = data[frame + 5 : frame + 9] = side.to_bytes(2, "little") * 2
    elif format_ == "BMP":
        data[18:26] = side.to_bytes(4, "little") * 2
    elif format_ == "WEBP":  # lossy: 14 bits each
        frame = data.index(b"\x9d\x01\x2a")
        data[frame + 3 : frame + 7] = min(side, 16383).to_bytes(2, "little") * 2
    return bytes(data)


@pytest.mark.parametrize("side", [13_000, 60_000])
@pytest.mark.parametrize("format_", ["PNG", "JPEG", "GIF", "BMP", "WEBP"])
def test_a_bomb_is_refused_and_never_allocated(format_, side):
    """A header that claims far more pixels than a photo has, also past Pillow's own limit."""
    with pytest.raises(RefusedError) as caught:
        inspect_image(bomb(side, format_), max_pixels=150_000_000)
    assert caught.value.reason == "too_many_pixels"


def test_bombs_do_not_raise_the_memory_of_a_process(tmp_path):
    """All bombs in one process of its own: its peak stays below what one of them would take."""
    for format_ in ("PNG", "JPEG", "GIF", "BMP", "WEBP"):
        (tmp_path / format_).write_bytes(bomb(60_000, format_))
    program = f"""
import resource, pathlib
from veneer.images import inspect_image
from veneer.refusals import RefusedError
inspect_image({encode(noise_image(1), "PNG")!r})
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for file in pathlib.Path({str(tmp_path)!r}).iterdir():
    try:
        inspect_image(file.read_bytes(), max_pixels=150_000_000)
    except RefusedError as refusal:
        assert refusal.reason == "too_many_pixels", (file, refusal)
    else:
        raise SystemExit(f"{{file}} was accepted")
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 20_000  # kilobytes; 16 383 squared pixels take 800 000


def test_identifiers():
    assert sha_of(b"abc") == "a9993e364706816aba3e25717850c26c9cd0d89d"
    assert row_id("a/b.jpg", "0" * 40) != row_id("a/c.jpg", "0" * 40)
    assert row_id("a/b.jpg", "0" * 40) == sha_of(b"a/b.jpg\0" + b"0" * 40)


def test_pillow_decodes_as_given():
    data = encode(noise_image(3), "JPEG", quality=80)
    np.testing.assert_array_equal(
        np.asarray(to_rgb(data)), np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    )
