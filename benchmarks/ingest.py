"""How fast files are ingested, and whether memory grows with the collection.

    python benchmarks/ingest.py [--rounds 5]

The same photos go through ingest (list, read, hash, decode, write Parquet and quarantine) and
through two plain loops of Pillow, in turns, in one process: `open` + `verify`, which reads the
header of a JPEG and does not look at its pixels, and `open` + `load`, which decodes and so finds
truncated files, as ingest does. Reported is the ratio of the best rounds. Then ingest runs on 1 x
and on 10 x as many files, each in a process of its own, and their peak memory is compared.

The photos are those beside the project (``VENEER_SHARED``), or else drawn ones.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from veneer.datasets.image_rows import ImageRowsDataset
from veneer.datasets.table import TableDataset
from veneer.ingest import accepted_and_refused, ingest
from veneer.schema import KNOWN_IMAGE, QUARANTINE
from veneer.sources.folder import folder_source
from veneer.sources.options import FolderOptions
from veneer.sources.textures import SAMPLE_KINDS, sample_files

OPTIONS = FolderOptions(label="parent", pattern=None, lists={}, classes={}, exclude=["*.txt"])


def run_ingest(folder: Path, out: Path) -> int:
    """Ingest a folder into Parquet; the number of image rows."""
    source = folder_source(str(folder), OPTIONS, attributes={}, max_bytes=2**30)
    checked = ingest(source, KNOWN_IMAGE.empty_table(), QUARANTINE.empty_table())
    accepted, refused = accepted_and_refused(checked, None, "benchmark")
    dataset = ImageRowsDataset(str(out / "images"))
    dataset.save(accepted)
    TableDataset(str(out / "quarantine.parquet")).save(refused)
    return dataset.load().count_rows()


def open_and_verify(files: list[Path]) -> None:
    """The loop of many cleaning scripts."""
    for file in files:
        with Image.open(file) as image:
            image.verify()


def open_and_load(files: list[Path]) -> None:
    """The loop that finds what cannot be decoded."""
    for file in files:
        with Image.open(file) as image:
            image.load()


def seconds(work: Callable[[], object]) -> float:
    """How long ``work`` takes."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def throughput(folder: Path, rounds: int) -> dict[str, float]:
    """Images a second of each way, the best of ``rounds`` taken in turns."""
    files = sorted(path for path in folder.rglob("*.jpg"))
    best: dict[str, float] = {}
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as out:
            ways = {
                "ingest": lambda out=out: run_ingest(folder, Path(out)),
                "open_verify": lambda: open_and_verify(files),
                "open_load": lambda: open_and_load(files),
            }
            for name, work in ways.items():
                best[name] = max(best.get(name, 0), len(files) / seconds(work))
    return best


def peak_of(process: str) -> int:
    """Peak resident kilobytes of a process.

    What `getrusage` gives begins with the memory of the process that started it.
    """
    status = Path(f"/proc/{process}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1])


def children_of(process: str) -> list[str]:
    """The processes that a process has started."""
    return [
        child
        for task in Path(f"/proc/{process}/task").iterdir()
        for child in (task / "children").read_text().split()
    ]


def peak_memory(folder: Path) -> int:
    """Peak resident kilobytes of a process that ingests ``folder``, and of its workers."""
    with tempfile.TemporaryDirectory() as out:
        command = [sys.executable, __file__, "--ingest", str(folder), "--out", out]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    return int(done.stdout.splitlines()[-1])


def multiply(folder: Path, times: int, target: Path) -> Path:
    """The same files ``times`` times, linked where that is possible."""
    for number in range(times):
        try:
            shutil.copytree(folder, target / str(number), copy_function=os.link)
        except (OSError, shutil.Error):
            shutil.rmtree(target / str(number), ignore_errors=True)
            shutil.copytree(folder, target / str(number))
    return target


def gather(target: Path) -> str:
    """Put the photos below ``target``; what they are."""
    root = Path(__file__).resolve().parents[1]
    shared = Path(os.environ.get("VENEER_SHARED", root.parent / "shared")) / "data"
    if shared.is_dir():
        for name in ("dtd10", "trashnet"):
            shutil.copytree(shared / name / "images", target / name)
        return "dtd10 and trashnet photos"
    for name, content in sample_files(kinds=SAMPLE_KINDS, images_per_kind=60, seed=0, damaged=0):
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        (target / name).write_bytes(content)
    return "drawn textures"


def main() -> None:
    """Measure, print, and end with one line of JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--ingest", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.ingest:
        run_ingest(arguments.ingest, arguments.out)
        print(sum(map(peak_of, ["self", *children_of("self")])))
        return
    with tempfile.TemporaryDirectory() as temporary:
        photos = Path(temporary) / "photos"
        data = gather(photos)
        rates = throughput(photos, arguments.rounds)
        once = peak_memory(multiply(photos, 1, Path(temporary) / "x1"))
        ten = peak_memory(multiply(photos, 10, Path(temporary) / "x10"))
        count = sum(1 for _ in photos.rglob("*.jpg"))
    for name, rate in rates.items():
        print(f"{name:12} {rate:8.0f} images/s")
    print(
        f"peak memory  {once / 1024:.0f} MiB for {count} images, {ten / 1024:.0f} MiB for ten times"
    )
    result = {
        "data": data,
        "images": count,
        "cores": os.cpu_count(),
        "ratio_vs_loop": round(rates["ingest"] / rates["open_verify"], 3),
        "ratio_vs_load_loop": round(rates["ingest"] / rates["open_load"], 3),
        "rss_ratio_10x": round(ten / once, 3),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
