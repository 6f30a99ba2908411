"""What is in the bytes of an image file."""

from __future__ import annotations

import hashlib
import io
import warnings
from dataclasses import dataclass
from datetime import datetime

from PIL import ExifTags, Image, UnidentifiedImageError

from veneer.refusals import RefusedError

Buffer = bytes | memoryview
"""The bytes of a file, or a view of them in Arrow's memory."""

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
"""The formats that are read, by Pillow's names."""

# Cameras put a preview behind the photo; Pillow then has another name for the same format.
_FORMAT_NAMES = {name: name for name in FORMATS} | {"MPO": "JPEG"}

# EXIF's orientations, and what sets each upright.
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SIDEWAYS = {_TURNS[5], _TURNS[6], _TURNS[7], _TURNS[8]}

# Pillow warns of large images, whose size is judged here, and of broken EXIF, without which the
# picture is fine. Once for all: `warnings.catch_warnings` is not safe in threads.
warnings.filterwarnings("ignore", module=r"PIL\.")

MAX_PIXELS = 2 * 178_956_970
"""More pixels than this Pillow itself refuses: a small file can unpack to any amount of memory."""


@dataclass(frozen=True)
class ImageFacts:
    """What an image file tells of itself."""

    width: int  # pixels, after the EXIF orientation is applied
    height: int
    format: str
    created: datetime | None  # as the camera wrote it, without a time zone
    description: str | None  # EXIF ImageDescription


def sha_of(data: Buffer) -> str:
    """SHA-1 of a file's bytes, hexadecimal."""
    return hashlib.sha1(data, usedforsecurity=False).hexdigest()


def row_id(path: str, sha: str) -> str:
    """SHA-1 of source-relative path, NUL, ``sha``: the key of an image row."""
    return hashlib.sha1(f"{path}\0{sha}".encode(), usedforsecurity=False).hexdigest()


def inspect_image(data: Buffer, *, max_pixels: int = MAX_PIXELS) -> ImageFacts:
    """Decode an image wholly and report on it.

    Whatever passes here is decoded by :func:`to_rgb` without an error.

    Raises
    ------
    RefusedError
        Empty, not an image, of a format or pixel type that is not read, of more than
        ``max_pixels`` pixels, truncated or damaged.
    """
    image = _open(data, max_pixels)
    width, height = image.size
    # A JPEG's rows are checked at an eighth of its size, which takes half the time: all of its
    # compressed data is read and decoded, only the arithmetic that cannot fail is left out.
    image.draft(None, (1, 1))
    _load(image, data)
    exif = _exif(image)
    if _turn(exif) in _SIDEWAYS:
        width, height = height, width
    name = _FORMAT_NAMES[image.format]
    return ImageFacts(width, height, name, _created(exif), _description(exif))


def to_rgb(data: Buffer, *, at_least: int | None = None) -> Image.Image:
    """Decode an image to 8-bit RGB, upright.

    The EXIF orientation is applied; alpha is laid over white; 16-bit greys keep their upper
    eight bits; CMYK, palette and grey are converted by Pillow; of an animation the first frame
    is taken. Colour profiles are not applied: encoders are trained without them.

    Parameters
    ----------
    data : bytes-like
        Of the file.
    at_least : int, optional
        Pixels. A JPEG may be decoded at a half, a quarter or an eighth of its size, as long as
        both sides keep so many.

    Raises
    ------
    RefusedError
        As :func:`inspect_image`.
    """
    image = _open(data, MAX_PIXELS)
    if at_least is not None:
        image.draft(None, (at_least, at_least))
    _load(image, data)
    turn = _turn(_exif(image))
    if turn is not None:
        image = image.transpose(turn)
    if image.mode.startswith("I"):
        # Pillow's own conversion clips 16-bit greys at 255, which turns them white.
        image = image.convert("I").point(lambda value: value / 256).convert("L")
    if image.mode in ("LA", "PA", "RGBA", "La", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image).convert("RGB")
    return image.convert("RGB")


def thumbnail(data: Buffer, side: int) -> bytes:
    """A small WebP of an image; ``side`` pixels at most either way.

    Raises
    ------
    RefusedError
        As :func:`inspect_image`.
    """
    picture = to_rgb(data, at_least=side)
    picture.thumbnail((side, side))
    buffer = io.BytesIO()
    picture.save(buffer, "WEBP", quality=75, method=2)  # slower methods save a few per cent
    return buffer.getvalue()


def png_bytes(picture: Image.Image) -> bytes:
    """Encode a picture as PNG."""
    buffer = io.BytesIO()
    # Twice as fast as Pillow's default for a few per cent of size.
    picture.save(buffer, "PNG", compress_level=3)
    return buffer.getvalue()


def _open(data: Buffer, max_pixels: int) -> Image.Image:
    if not data:
        raise RefusedError("empty", "a file of no bytes")
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError:
        raise RefusedError(*_unidentified(data)) from None
    except Image.DecompressionBombError:
        raise RefusedError("too_many_pixels", f"more than {MAX_PIXELS:,} pixels") from None
    except Exception as error:  # Pillow's parsers raise whatever a broken header leads them to
        raise _undecodable(data, error) from error
    if image.mode == "F":
        raise RefusedError("unsupported_format", "floating-point pixels have no white point")
    if image.width * image.height > max_pixels:
        raise RefusedError(
            "too_many_pixels", f"{image.width} x {image.height} is more than {max_pixels:,} pixels"
        )
    return image


def _unidentified(data: Buffer) -> tuple[str, str]:
    """Reason and detail for bytes that none of the formats claims."""
    try:
        other = Image.open(io.BytesIO(data)).format
    except Exception:
        return "not_an_image", f"it begins with {bytes(data[:12])!r}"
    return "unsupported_format", f"{other} is not read, only {', '.join(FORMATS)}"


def _load(image: Image.Image, data: Buffer) -> None:
    try:
        image.load()
    except Exception as error:
        raise _undecodable(data, error) from error
    if image.mode == "I" and image.getextrema()[1] > 0xFFFF:
        raise RefusedError("unsupported_format", "32-bit integer pixels have no white point")


def _undecodable(data: Buffer, error: Exception) -> RefusedError:
    sentence = _sentence(error)
    # libwebp does not tell a file that ends too early from one that is damaged.
    head = bytes(data[:8])
    cut_webp = head[:4] == b"RIFF" and int.from_bytes(head[4:], "little") + 8 > len(data)
    short = cut_webp or isinstance(error, EOFError) or "truncated" in sentence.lower()
    return RefusedError("truncated" if short else "damaged", sentence)


def _sentence(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


# Cameras write whatever they like into EXIF, and so do those who damage files. What cannot be read
# there is as if it were not there: the picture is fine without.


def _exif(image: Image.Image) -> Image.Exif | dict:
    try:
        return image.getexif()
    except Exception:
        return {}


def _turn(exif: Image.Exif | dict) -> Image.Transpose | None:
    """How the picture has to be turned to stand upright."""
    # By the one tag alone: Pillow's own function would write all of EXIF anew.
    try:
        return _TURNS.get(exif.get(ExifTags.Base.Orientation))
    except Exception:
        return None


def _created(exif: Image.Exif | dict) -> datetime | None:
    try:
        details = exif.get_ifd(ExifTags.IFD.Exif) if exif else {}
        found = (details.get(ExifTags.Base.DateTimeOriginal), exif.get(ExifTags.Base.DateTime))
    except Exception:
        return None
    for value in found:
        if value is None:
            continue
        try:
            return datetime.strptime(str(value).strip("\0 "), "%Y:%m:%d %H:%M:%S")
        except ValueError:
            continue
    return None


def _description(exif: Image.Exif | dict) -> str | None:
    try:
        value = exif.get(ExifTags.Base.ImageDescription)
    except Exception:
        return None
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    # Text from a file may hold what UTF-8 cannot say.
    text = str(value or "").encode("utf-8", "replace").decode()
    return " ".join(text.replace("\0", " ").split()) or None
