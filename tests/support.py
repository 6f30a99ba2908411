"""What several tests build their data with."""

from __future__ import annotations

import io
import os
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
from PIL import Image

from veneer.encoders.config import EncoderConfig
from veneer.ingest import accepted_and_refused, ingest
from veneer.schema import KNOWN_IMAGE, QUARANTINE
from veneer.sources.folder import folder_source
from veneer.sources.options import FolderOptions
from veneer.sources.source import Source

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


FOLDER = {"label": "parent", "pattern": None, "lists": {}, "classes": {}, "exclude": []}
PARQUET = {"image": "image", "path": None, "label": None, "split": None, "text": []}


def open_folder(root: Path | str, attributes: dict | None = None, **options) -> Source:
    """The source of a folder of images."""
    return folder_source(
        str(root),
        FolderOptions(**FOLDER | options),
        attributes=attributes or {},
        max_bytes=10**7,
    )


def ingest_all(source: Source, known=None, quarantined=None, **options):
    """Image rows and quarantine of a source, as tables."""
    checked = ingest(
        source,
        KNOWN_IMAGE.empty_table() if known is None else known,
        QUARANTINE.empty_table() if quarantined is None else quarantined,
        **options,
    )
    accepted, refused = accepted_and_refused(checked, source.attributes, "test")
    images = pa.Table.from_batches(accepted, schema=accepted.schema)
    return images, pa.Table.from_batches(refused, schema=refused.schema)


def seeded_resnet18(folder: Path) -> EncoderConfig:
    """An encoder of images alone, under weights that are the same each time."""
    import timm
    import torch
    from safetensors.torch import save_file

    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = timm.create_model("resnet18").eval()
    file = folder / "w.safetensors"
    save_file(model.state_dict(), file)
    return EncoderConfig(family="timm", architecture="resnet18", pretrained=str(file))


def reasons(quarantine: pa.Table) -> dict[str, str]:
    """Reason by path."""
    return dict(zip(*quarantine.select(["path", "reason"]).to_pydict().values(), strict=True))


@contextmanager
def without_privileges():
    """Be an ordinary user for a while; root may read and write everything."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)
