"""What several tests build their data with."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
SHARED = Path(os.environ.get("VENEER_SHARED", ROOT.parent / "shared"))


def encode(image: Image.Image, format_: str = "PNG", **options) -> bytes:
    """Bytes of an image file."""
    buffer = io.BytesIO()
    image.save(buffer, format_, **options)
    return buffer.getvalue()


def noise_image(seed: int, size: tuple[int, int] = (48, 40)) -> Image.Image:
    """A picture that no other seed gives."""
    rng = np.random.default_rng(seed)
    return Image.fromarray(rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8))


def write_images(folder: Path, classes: dict[str, int], seed: int = 0) -> Path:
    """Write ``folder/<label>/<n>.png``, every picture a different one."""
    for number, (label, count) in enumerate(classes.items()):
        (folder / label).mkdir(parents=True, exist_ok=True)
        for index in range(count):
            image = noise_image(seed + 1000 * number + index)
            (folder / label / f"{index:03d}.png").write_bytes(encode(image))
    return folder
