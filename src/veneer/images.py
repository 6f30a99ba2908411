"""What is in the bytes of an image file."""

from __future__ import annotations

import hashlib
import io
import warnings
from dataclasses import dataclass
from datetime import datetime

from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
"""The formats that are read, by Pillow's names."""

MAX_PIXELS = 150_000_000
"""More pixels than this are refused unread: a small file can unpack to any amount of memory."""


class UnreadableImageError(ValueError):
    """The bytes are no image that can be used; the message is the reason."""


@dataclass(frozen=True)
class ImageFacts:
    """What an image file tells of itself."""

    width: int  # pixels, after the EXIF orientation is applied
    height: int
    format: str
    created: datetime | None  # as the camera wrote it, without a time zone
    description: str | None  # EXIF ImageDescription


def sha_of(data: bytes) -> str:
    """SHA-1 of a file's bytes, hexadecimal."""
    return hashlib.sha1(data, usedforsecurity=False).hexdigest()


def row_id(path: str, sha: str) -> str:
    """SHA-1 of source-relative path, NUL, ``sha``: the key of an image row."""
    return hashlib.sha1(f"{path}\0{sha}".encode(), usedforsecurity=False).hexdigest()


def inspect_image(data: bytes) -> ImageFacts:
    """Decode an image wholly and report on it.

    Raises
    ------
    UnreadableImageError
        Empty, not an image, of a format that is not in :data:`FORMATS`, of floating-point or of
        more than :data:`MAX_PIXELS` pixels, truncated or damaged.
    """
    image = _open(data)
    _load(image)
    exif = _exif(image)
    width, height = image.size
    if exif.get(ExifTags.Base.Orientation, 1) in (5, 6, 7, 8):  # lies on its side
        width, height = height, width
    return ImageFacts(width, height, image.format, _created(exif), _description(exif))


def to_rgb(data: bytes) -> Image.Image:
    """Decode an image to 8-bit RGB, upright.

    The EXIF orientation is applied; alpha is laid over white; 16-bit greys keep their upper
    eight bits; CMYK, palette and grey are converted; of an animation the first frame is taken.

    Raises
    ------
    UnreadableImageError
        As :func:`inspect_image`.
    """
    image = _open(data)
    _load(image)
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I;16") or image.mode == "I":
        # Pillow's own conversion clips 16-bit greys at 255, which turns them white.
        image = image.convert("I").point(lambda value: value / 256).convert("L")
    if image.mode in ("LA", "PA", "RGBA", "La", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image).convert("RGB")
    return image.convert("RGB")


def png_bytes(picture: Image.Image) -> bytes:
    """Encode a picture as PNG."""
    buffer = io.BytesIO()
    # Twice as fast as Pillow's default for a few per cent of size.
    picture.save(buffer, "PNG", compress_level=3)
    return buffer.getvalue()


def _open(data: bytes) -> Image.Image:
    if not data:
        raise UnreadableImageError("empty file")
    try:
        with warnings.catch_warnings():
            # Pillow warns of large images; their size is judged below.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = Image.open(io.BytesIO(data))
    except UnidentifiedImageError:
        raise UnreadableImageError("not an image") from None
    except Image.DecompressionBombError:
        raise UnreadableImageError(f"more than {MAX_PIXELS:,} pixels") from None
    except Exception as error:  # Pillow's parsers raise whatever a broken header leads them to
        raise UnreadableImageError(f"damaged header: {_sentence(error)}") from error
    if image.format not in FORMATS:
        raise UnreadableImageError(f"format {image.format} is not read")
    if image.mode == "F":
        raise UnreadableImageError("floating-point pixels are not read: they have no white point")
    if image.width * image.height > MAX_PIXELS:
        raise UnreadableImageError(
            f"{image.width} x {image.height} is more than {MAX_PIXELS:,} pixels"
        )
    return image


def _load(image: Image.Image) -> None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # e.g. corrupt EXIF: the picture is fine without
            image.load()
    except Exception as error:
        raise UnreadableImageError(f"truncated or damaged: {_sentence(error)}") from error


def _sentence(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _exif(image: Image.Image) -> Image.Exif | dict:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return image.getexif()
    except Exception:  # a broken EXIF block says nothing about the pixels
        return {}


def _created(exif: Image.Exif | dict) -> datetime | None:
    details = exif.get_ifd(ExifTags.IFD.Exif) if hasattr(exif, "get_ifd") else {}
    for value in (details.get(ExifTags.Base.DateTimeOriginal), exif.get(ExifTags.Base.DateTime)):
        try:
            return datetime.strptime(str(value).strip("\0 "), "%Y:%m:%d %H:%M:%S")
        except ValueError:
            continue
    return None


def _description(exif: Image.Exif | dict) -> str | None:
    value = exif.get(ExifTags.Base.ImageDescription)
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    return " ".join(str(value).replace("\0", " ").split()) or None if value else None
