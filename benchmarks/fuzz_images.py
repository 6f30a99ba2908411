"""Thousands of damaged images: each is embedded or in the quarantine, and nothing crashes or hangs.

    python benchmarks/fuzz_images.py [--inputs 10000] [--seed 0]

Real photos (those beside the project, or else drawn textures) are saved in every format that is
read, in several variants each, and then mutated: flipped bits, cut ends, overwritten, repeated and
removed stretches, the head of one file on the body of another, a suffix that is not theirs. They
go through ingest and the packaged encoder as any collection does, a thousand files a process. A
process that dies or does not end is a crash or a hang; its files are then tried one by one.

For every JPEG it is also checked that ingest, which decodes at an eighth of the size, judges as a
full decoding does (``disagreements``).
"""

from __future__ import annotations

import argparse
import io
import json
import os
import random
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from veneer.encoders.config import EncoderConfig
from veneer.encoders.embed import embed_batches
from veneer.encoders.encoder import open_encoder
from veneer.images import inspect_image, to_rgb
from veneer.ingest import ingest
from veneer.refusals import RefusedError
from veneer.schema import KNOWN_IMAGE, QUARANTINE, vectors
from veneer.serving.bundle import CACHE
from veneer.sources.folder import folder_source
from veneer.sources.options import FolderOptions
from veneer.sources.textures import SAMPLE_KINDS, sample_files

CHUNK = 1000
PATIENCE = 600  # seconds for a chunk, which takes about half a minute
OPTIONS = FolderOptions(label="parent", pattern=None, lists={}, classes={}, exclude=[])


def photos(count: int) -> list[Image.Image]:
    """Pictures to begin with, no side longer than 200 pixels."""
    root = Path(__file__).resolve().parents[1]
    shared = Path(os.environ.get("VENEER_SHARED", root.parent / "shared")) / "data"
    if shared.is_dir():
        files = sorted(shared.glob("*/images/*/*.jpg"))
        contents = [file.read_bytes() for file in files[:: max(1, len(files) // count)]]
    else:
        drawn = sample_files(kinds=SAMPLE_KINDS, images_per_kind=2, seed=0, damaged=0)
        contents = [content for _, content in drawn]
    pictures = [to_rgb(content) for content in contents[:count]]
    for picture in pictures:
        picture.thumbnail((200, 200))
    return pictures


def saved(picture: Image.Image) -> Iterator[tuple[str, bytes]]:
    """A picture in every format and variant: suffix and content."""
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "a photo"
    wide = Image.fromarray(np.asarray(picture.convert("L")).astype(np.uint16) * 257)
    frames = {"save_all": True, "append_images": [picture.rotate(90)]}
    variants = [
        ("JPEG", picture, {"quality": 85, "exif": exif}),
        ("JPEG", picture, {"quality": 70, "progressive": True}),
        ("JPEG", picture.convert("L"), {}),
        ("JPEG", picture.convert("CMYK"), {}),
        ("MPO", picture, frames),
        ("PNG", picture, {"exif": exif}),
        ("PNG", picture.convert("P"), {"transparency": 3}),
        ("PNG", picture.convert("RGBA"), {}),
        ("PNG", wide, {}),
        ("PNG", picture, frames),
        ("WEBP", picture, {"quality": 80}),
        ("WEBP", picture, {"lossless": True}),
        ("WEBP", picture, frames),
        ("GIF", picture, {}),
        ("GIF", picture, frames),
        ("BMP", picture, {}),
        ("BMP", picture.convert("P"), {}),
        ("TIFF", picture, {}),
        ("TIFF", picture, {"compression": "tiff_lzw"}),
        ("TIFF", picture, {"compression": "jpeg"}),
        ("TIFF", wide, {}),
    ]
    for format_, image, options in variants:
        buffer = io.BytesIO()
        image.save(buffer, format_, **options)
        yield format_.lower(), buffer.getvalue()


def mutate(content: bytes, other: bytes, dice: random.Random) -> bytes:
    """One way of damaging a file, chosen by the dice."""
    data = bytearray(content)
    size = len(data)
    start = dice.randrange(size)
    # Half of all damage in the head, where the structure is.
    start = start if dice.random() < 0.5 else start % min(size, 700)
    length = dice.randint(1, max(1, size // 8))
    way = dice.choice(["bits", "bits", "cut", "zeros", "noise", "repeat", "remove", "splice"])
    if way == "bits":
        for _ in range(dice.choice([1, 2, 8, 64])):
            place = (start + dice.randrange(700)) % size
            data[place] ^= 1 << dice.randrange(8)
    elif way == "cut":
        del data[start:]
    elif way == "zeros":
        data[start : start + length] = bytes(len(data[start : start + length]))
    elif way == "noise":
        data[start : start + length] = dice.randbytes(len(data[start : start + length]))
    elif way == "repeat":
        data[start:start] = data[start : start + length]
    elif way == "remove":
        del data[start : start + length]
    else:
        data = bytearray(other[:start]) + data[start:]
    return bytes(data)


def write_inputs(folder: Path, count: int, seed: int) -> None:
    """Write ``count`` mutants, :data:`CHUNK` to a folder."""
    dice = random.Random(seed)
    originals = [each for picture in photos(40) for each in saved(picture)]
    suffixes = sorted({suffix for suffix, _ in originals} | {"jpg", "tif", "txt", "raw"})
    for number in range(count):
        suffix, content = dice.choice(originals)
        mutant = mutate(content, dice.choice(originals)[1], dice)
        name = suffix if dice.random() < 0.8 else dice.choice(suffixes)
        file = folder / f"{number // CHUNK:04d}" / f"{number:06d}.{name}"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(mutant)


def process(folder: Path) -> dict[str, int]:
    """Ingest and embed a folder; how many of its files ended where."""
    source = folder_source(str(folder), OPTIONS, attributes={}, max_bytes=2**30)
    config, cache = EncoderConfig(family="open_clip", pretrained="packaged"), os.environ.get(CACHE)
    encoder = open_encoder("mini", {"mini": config}, cache=Path(cache) if cache else None)
    counts: Counter[str] = Counter(inputs=len(source.listing))
    accepted = []
    for batch in ingest(source, KNOWN_IMAGE.empty_table(), QUARANTINE.empty_table()):
        for row in batch.to_pylist():
            if row["reason"] is not None:
                counts.update(["quarantined", f"reason {row['reason']}"])
        accepted.append(batch.filter(batch["reason"].is_null()).select(["sha", "image"]))
    shas = [sha for batch in accepted for sha in batch["sha"].to_pylist()]
    embedded = set()
    for batch in embed_batches(iter(accepted), encoder, known=set()):
        with_vector = batch.filter(batch["reason"].is_null())
        lengths = np.linalg.norm(vectors(with_vector["embedding"]), axis=1)
        good = np.abs(lengths - 1) < 1e-3
        embedded.update(np.asarray(with_vector["sha"].to_pylist())[good])
    counts["embedded"] = sum(sha in embedded for sha in shas)
    counts["disagreements"] = sum(disagrees(file) for file in folder.iterdir())
    return dict(counts)


def disagrees(file: Path) -> bool:
    """Whether the check of ingest and a full decoding judge a file differently."""
    content = file.read_bytes()
    verdicts = []
    for read in (inspect_image, to_rgb):
        try:
            read(content)
            verdicts.append(True)
        except RefusedError:
            verdicts.append(False)
    return verdicts[0] != verdicts[1]


def in_process(folder: Path) -> dict[str, int]:
    """:func:`process` in a process of its own, which may die or hang."""
    command = [sys.executable, __file__, "--process", str(folder)]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=PATIENCE, check=False
        )
    except subprocess.TimeoutExpired:
        return {"hangs": 1}
    if done.returncode:
        print(done.stderr[-2000:], file=sys.stderr)
        return {"crashes": 1}
    return json.loads(done.stdout.splitlines()[-1])


def one_by_one(folder: Path) -> Counter[str]:
    """Find the files of a folder that crash or hang."""
    counts: Counter[str] = Counter()
    for file in tqdm(sorted(folder.iterdir()), desc="one by one"):
        with tempfile.TemporaryDirectory() as alone:
            (Path(alone) / file.name).write_bytes(file.read_bytes())
            found = in_process(Path(alone))
            if found.keys() & {"crashes", "hangs"}:
                print(f"{file.name}: {found}", file=sys.stderr)
            counts.update({"inputs": 1, **found})
    return counts


def main() -> None:
    """Mutate, process, count, and end with one line of JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--inputs", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--process", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.process:
        print(json.dumps(process(arguments.process)))
        return
    counts: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as temporary:
        write_inputs(Path(temporary), arguments.inputs, arguments.seed)
        for folder in tqdm(sorted(Path(temporary).iterdir()), desc="fuzzing", unit=" chunks"):
            found = in_process(folder)
            broken = found.keys() & {"crashes", "hangs"}
            counts.update(one_by_one(folder) if broken else found)
    for name, count in sorted(counts.items()):
        print(f"{name:28} {count}", file=sys.stderr)
    keys = ["inputs", "crashes", "hangs", "embedded", "quarantined", "disagreements"]
    print(json.dumps({key: counts[key] for key in keys}))


if __name__ == "__main__":
    main()
