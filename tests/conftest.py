"""Fixtures for all tests, and the rules they run under."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

# Nothing that is loaded may carry code, and no hub may be asked.
os.environ["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] = "false"
os.environ["HF_HUB_OFFLINE"] = "1"
# A test that needs tracking sets its own.
os.environ.pop("MLFLOW_TRACKING_URI", None)

ROOT = Path(__file__).resolve().parents[1]
SHARED = Path(os.environ.get("VENEER_SHARED", ROOT.parent / "shared"))


@pytest.fixture
def shared() -> Path:
    """Folder of real photos and weights, which lies beside the project and is no part of it."""
    if not (SHARED / "data").is_dir():
        pytest.skip(f"needs the real photos and weights in {SHARED} (or VENEER_SHARED)")
    return SHARED


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
