"""Run `data_processing` again and again, and kill it at random moments.

    python tests/e2e/kill_loop.py RAW OUT KILLS SEED

The pipeline runs in children of one process that has imported everything, so that the moments of
death spread over the work and not over the imports. Between the kills files come, change and go.
Prints how many children were killed and how many came to their end.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import random
import signal
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from kedro.io import DataCatalog, MemoryDataset
from kedro.runner import SequentialRunner
from support import FOLDER, PARQUET, encode, noise_image

from veneer.datasets import shards
from veneer.datasets.documents import JSONDataset
from veneer.datasets.image_rows import ImageRowsDataset, KnownImagesDataset
from veneer.datasets.raw_images import RawImagesDataset
from veneer.datasets.table import TableDataset
from veneer.parameters import SampleOptions, SplitOptions
from veneer.pipelines.data_processing import create_pipeline
from veneer.sources.options import SourceOptions

TABLES = ["quarantine", "official_sides", "splits", "duplicates", "label_conflicts", "split_leaks"]


def catalog_in(raw: Path, out: Path) -> DataCatalog:
    """The catalog of `data_processing`, without Kedro's configuration."""
    csv = {"url": "u", "url_separator": "|", "label": None, "label_separator": None, "text": []}
    csv |= {"separator": ",", "encoding": "utf-8", "url_replace": []}
    download = {"connections": 1, "connections_per_host": 1, "attempts": 1, "backoff": 0}
    source = SourceOptions(
        kind="folder",
        collection="killed",
        attributes={},
        text_from_exif=False,
        max_pixels=10**6,
        max_bytes=10**6,
        max_refused_share=0.9,
        folder=FOLDER,
        parquet=PARQUET,
        csv={**csv, "top_categories": None, "most_per_category": None},
        download={**download, "timeout": 1, "time_limit": 1, "retry_failed": False},
    )
    sample = SampleOptions(collection="other", images_per_kind=1, duplicates=0, damaged=0)
    images = str(out / "images")
    tables = {name: TableDataset(str(out / f"{name}.parquet")) for name in TABLES}
    return DataCatalog(
        {
            "params:source": MemoryDataset(source),
            "params:sample": MemoryDataset(sample),
            "params:splits": MemoryDataset(SplitOptions(method="hash", validation_share=0.2)),
            "params:seed": MemoryDataset(0),
            "raw_images": RawImagesDataset(str(raw)),
            "source": MemoryDataset(copy_mode="assign"),
            "known_images": KnownImagesDataset(images),
            "image_rows": ImageRowsDataset(images),
            "known_quarantine": TableDataset(str(out / "quarantine.parquet"), missing_ok=True),
            "unpack_refusals": TableDataset(str(out / "none.parquet"), missing_ok=True),
            "collection_card": JSONDataset(str(out / "collection.json")),
            **tables,
        }
    )


def run(raw: Path, out: Path) -> None:
    """One run, in shards of a few images."""
    shards.SHARD_BYTES = 100_000
    shards.GROUP_ROWS = 4
    SequentialRunner().run(create_pipeline(), catalog_in(raw, out))


def change(raw: Path, dice: random.Random) -> None:
    """A few files come, change or go; some are no images, some are copies."""
    for _ in range(dice.randint(0, 6)):
        file = raw / dice.choice("abc") / f"{dice.randint(0, 99):03d}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        chance = dice.random()
        if chance < 0.3:
            file.unlink(missing_ok=True)
        elif chance < 0.4:
            file.write_bytes(encode(noise_image(dice.randint(0, 10**6)))[:1000])
        else:
            file.write_bytes(encode(noise_image(dice.randint(0, 200))))


def in_child(raw: Path, out: Path, seconds: float | None) -> bool:
    """Run in a child, killed after ``seconds``; whether it came to its end."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            run(raw, out)
            status = 0
        finally:
            os._exit(status)
    if seconds is not None:
        time.sleep(seconds)
        os.kill(child, signal.SIGKILL)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status not in (0, -signal.SIGKILL):
        raise SystemExit(f"a run failed with status {status}")
    return status == 0


def modules_of_a_run(raw: Path, out: Path) -> list[str]:
    """Run, and name all modules that are imported by then."""
    run(raw, out)
    return sorted(sys.modules)


def import_what_runs_import(raw: Path, out: Path) -> None:
    """Import here, before any fork, what runs import late; else they would be killed in that.

    The run that tells is one of another process: it leaves threads behind, which no fork survives.
    """
    with ProcessPoolExecutor(1, get_context("fork")) as pool:
        names = pool.submit(modules_of_a_run, raw, out).result()
    for name in names:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)


def main(raw: Path, out: Path, kills: int, seed: int) -> None:
    """Kill ``kills`` runs, then let one come to its end."""
    dice = random.Random(seed)
    if kills:
        import_what_runs_import(raw, out.with_name("first"))
        began = time.monotonic()
        in_child(raw, out.with_name("timed"), None)
        whole = time.monotonic() - began
    killed = finished = 0
    while killed < kills:
        change(raw, dice)
        if in_child(raw, out, dice.uniform(0, 1.1 * whole)):
            finished += 1
        else:
            killed += 1
    in_child(raw, out, None)
    print(json.dumps({"killed": killed, "finished": finished}))  # noqa: T201


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
