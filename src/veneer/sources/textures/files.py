"""A collection of texture files: captioned JPEGs, copies of some, and a few damaged ones.

Collections that people gather hold the same picture twice and files that will not open. The
sample has both on purpose, so that whatever cleans a collection has something to find.
"""

from __future__ import annotations

import io
import os
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from PIL import Image

from veneer.sources.textures.kinds import check_kinds
from veneer.sources.textures.render import Texture, draw

# The EXIF tag of an image's description in words.
IMAGE_DESCRIPTION = 0x010E
_QUALITY = 90
# One copy in this many lies in the folder of another kind, where its label is wrong.
_MISPLACED_EVERY = 6


def sample_files(
    *,
    kinds: Sequence[str],
    images_per_kind: int,
    seed: int,
    size: int = 224,
    duplicates: int = 12,
    damaged: int = 6,
) -> Iterator[tuple[str, bytes]]:
    """Yield the files of a sample collection, the same for the same arguments.

    First come the images, kind by kind, as ``<kind>/<kind>_0001.jpg`` and so on, each with its
    caption in the EXIF tag ImageDescription. Byte-identical copies of some of them follow, most
    of them beside the original, and last the damaged files, named after what is wrong with them.

    Parameters
    ----------
    kinds : sequence of str
        Keys of `KINDS`, without repeats.
    images_per_kind : int
        How many images of each kind, at least 1.
    seed : int
        Not negative.
    size : int
        Side of the square images in pixels.
    duplicates : int
        How many copies, at most as many as there are images.
    damaged : int
        How many damaged files. There are six sorts of damage, used in turn.

    Yields
    ------
    path : str
        Relative, with forward slashes.
    content : bytes
        The whole file.

    Raises
    ------
    ValueError
        If a kind is unknown or named twice, or a count is out of its range. Raised by the call
        itself, not only once the first file is asked for.
    """
    kinds = list(kinds)
    check_kinds(kinds)
    if not kinds or len(set(kinds)) != len(kinds):
        raise ValueError(f"kinds must be named, and each only once: {kinds}")
    if images_per_kind < 1:
        raise ValueError(f"images_per_kind must be at least 1, not {images_per_kind}")
    if not 0 <= duplicates <= len(kinds) * images_per_kind:
        raise ValueError(f"duplicates must lie between 0 and the number of images: {duplicates}")
    if damaged < 0:
        raise ValueError(f"damaged must not be negative: {damaged}")
    return _files(kinds, images_per_kind, seed, size, duplicates, damaged)


def _files(
    kinds: list[str],
    images_per_kind: int,
    seed: int,
    size: int,
    duplicates: int,
    damaged: int,
) -> Iterator[tuple[str, bytes]]:
    copies = _plan_copies(kinds, images_per_kind, seed, duplicates)
    copied: dict[str, bytes] = {}
    drawings = [(kind, number) for kind in kinds for number in range(1, images_per_kind + 1)]

    def jpeg(drawing: tuple[str, int]) -> bytes:
        kind, number = drawing
        return encode_jpeg(draw(kind, [seed, number], size))

    # NumPy and Pillow work without the interpreter lock most of the time.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for (kind, number), content in zip(drawings, pool.map(jpeg, drawings), strict=True):
            path = _path(kind, number)
            if path in copies:
                copied[path] = content
            yield path, content
    for original, copy in copies.items():
        yield copy, copied[original]
    yield from _damaged_files(kinds, seed, size, damaged)


def encode_jpeg(texture: Texture) -> bytes:
    """Return a texture as a JPEG file with its caption in the EXIF tag ImageDescription."""
    exif = Image.Exif()
    exif[IMAGE_DESCRIPTION] = texture.caption
    buffer = io.BytesIO()
    Image.fromarray(texture.pixels).save(buffer, "JPEG", quality=_QUALITY, exif=exif)
    return buffer.getvalue()


def _path(kind: str, number: int) -> str:
    return f"{kind}/{kind}_{number:04d}.jpg"


def _plan_copies(kinds: list[str], images_per_kind: int, seed: int, count: int) -> dict[str, str]:
    """Return which files are copied, and the path of each one's copy."""
    rng = np.random.default_rng([zlib.crc32(b"copies"), seed])
    chosen = rng.choice(len(kinds) * images_per_kind, count, replace=False)
    copies = {}
    for turn, place in enumerate(chosen.tolist(), start=1):
        kind_number, number = divmod(place, images_per_kind)
        kind = kinds[kind_number]
        folder = kind
        if turn % _MISPLACED_EVERY == 0 and len(kinds) > 1:
            folder = kinds[(kind_number + int(rng.integers(1, len(kinds)))) % len(kinds)]
        copies[_path(kind, number + 1)] = f"{folder}/{kind}_{number + 1:04d}_copy.jpg"
    return copies


def _damaged_files(
    kinds: list[str], seed: int, size: int, count: int
) -> Iterator[tuple[str, bytes]]:
    rng = np.random.default_rng([zlib.crc32(b"damage"), seed])
    sorts = list(_DAMAGES.items())
    for turn in range(count):
        name, damage = sorts[turn % len(sorts)]
        kind = kinds[int(rng.integers(len(kinds)))]
        stem, _, suffix = name.partition(".")
        again = f"_{turn // len(sorts) + 1}" if turn >= len(sorts) else ""
        # Numbers of whole images start at one; number zero is free for what is to be broken.
        yield (
            f"{kind}/damaged_{stem}{again}.{suffix}",
            damage(draw(kind, [seed, 0, turn], size)),
        )


def _truncated(texture: Texture) -> bytes:
    """Return a JPEG that ends a third of the way in, as after a broken download."""
    content = encode_jpeg(texture)
    return content[: len(content) // 3]


def _empty(texture: Texture) -> bytes:
    """Return a file of no bytes, as left by a full disk."""
    return b""


def _text(texture: Texture) -> bytes:
    """Return words where an image should be, as when an error page is saved under its name."""
    return f"404 Not Found: {texture.caption}\n".encode()


def _corrupted_png(texture: Texture) -> bytes:
    """Return a PNG with zeros over the middle of its compressed pixels."""
    buffer = io.BytesIO()
    Image.fromarray(texture.pixels).save(buffer, "PNG")
    content = bytearray(buffer.getvalue())
    start, stop = len(content) * 2 // 5, len(content) * 3 // 5
    content[start:stop] = bytes(stop - start)
    return bytes(content)


def _garbage_gif(texture: Texture) -> bytes:
    """Return the header of a GIF with noise behind it."""
    height, width = texture.pixels.shape[:2]
    screen = width.to_bytes(2, "little") + height.to_bytes(2, "little") + bytes(3)
    # Bytes from 128 up: none of them can pass for the start of a block of a GIF.
    rng = np.random.default_rng(zlib.crc32(texture.caption.encode()))
    return b"GIF89a" + screen + rng.integers(128, 256, 2048, dtype=np.uint8).tobytes()


def _nonsense_jpeg(texture: Texture) -> bytes:
    """Return a JPEG whose frame header says it is no pixel high and no pixel wide."""
    content = bytearray(encode_jpeg(texture))
    # SOF0: marker (2 bytes), length (2), bits a sample (1), then height (2) and width (2).
    frame = content.index(b"\xff\xc0\x00\x11")
    content[frame + 5 : frame + 9] = bytes(4)
    return bytes(content)


_DAMAGES: dict[str, Callable[[Texture], bytes]] = {
    "truncated.jpg": _truncated,
    "empty.jpg": _empty,
    "text.jpg": _text,
    "corrupted_data.png": _corrupted_png,
    "garbage.gif": _garbage_gif,
    "nonsense_header.jpg": _nonsense_jpeg,
}
