"""A run may be killed at any moment: the next one completes, and its tables tell nothing of it."""

import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

from support import encode, noise_image, write_images

from veneer.datasets.image_rows import ImageRowsDataset
from veneer.datasets.table import TableDataset

PROGRAM = Path(__file__).with_name("kill_loop.py")
TABLES = ["quarantine", "official_sides", "splits", "duplicates", "label_conflicts", "split_leaks"]


def tables(out: Path) -> dict:
    loaded = {name: TableDataset(str(out / f"{name}.parquet")).load() for name in TABLES}
    return loaded | {"images": ImageRowsDataset(str(out / "images")).load().to_table()}


def kill_loop(raw: Path, out: Path, kills: int) -> dict:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, str(PROGRAM), str(raw), str(out), str(kills), "0"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_twenty_kills_at_random_moments(tmp_path):
    raw, out = write_images(tmp_path / "raw", {"a": 40, "b": 40, "c": 40}), tmp_path / "out"
    counted = kill_loop(raw, out, 20)
    assert counted["killed"] == 20
    kill_loop(raw, tmp_path / "fresh", 0)
    interrupted, fresh = tables(out), tables(tmp_path / "fresh")
    for name, table in fresh.items():
        assert interrupted[name].equals(table), name
    card, fresh_card = (
        json.loads((folder / "collection.json").read_text()) for folder in (out, tmp_path / "fresh")
    )
    assert card == fresh_card
    assert fresh["quarantine"].num_rows > 0
    assert fresh["duplicates"].num_rows > 0
    left = [p for p in out.rglob(".*") if p.is_file()]
    assert not left


def test_the_command_itself_killed(project, tmp_path):
    """`kedro run` with all that belongs to it, killed twice in the middle of its work."""
    raw = write_images(tmp_path / "raw", {"a": 150, "b": 150})
    (raw / "a" / "cut.png").write_bytes(encode(noise_image(5))[:700])
    arguments = ["run", "--pipelines", "data_processing", "--params"]
    dice = random.Random(0)
    for _ in range(2):
        process = project.start(*arguments, f"collection=killed,images={raw}")
        for line in process.stderr:
            if "scan" in line:
                break
        try:
            process.wait(dice.uniform(0, 0.5))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
        process.wait()
        process.stderr.close()
    for collection in ("killed", "fresh"):
        project.run("data_processing", collection=collection, images=str(raw))
    killed, fresh = (
        {
            name: project.load(name, collection=collection)
            for name in ("quarantine", "splits", "duplicates")
        }
        | {"image_rows": project.load("image_rows", collection=collection).to_table()}
        for collection in ("killed", "fresh")
    )
    assert all(killed[name].equals(table) for name, table in fresh.items())
    assert fresh["image_rows"].num_rows == 300


def test_a_folder_of_rubbish_is_no_hindrance(tmp_path):
    """What a killed run may have left behind: cut shards, empty files, no manifest."""
    raw, out = write_images(tmp_path / "raw", {"a": 30}), tmp_path / "out"
    kill_loop(raw, out, 0)
    before = tables(out)
    images = out / "images"
    (images / "part-00000-000000000000.parquet").write_bytes(b"")
    (images / "part-00009-ffffffffffff.parquet").write_bytes(b"PAR1" + bytes(100))
    (images / ".part.1-x.tmp").write_bytes(b"another process is writing this")
    (images / "_manifest.json").unlink()
    kill_loop(raw, out, 0)
    assert all(tables(out)[name].equals(table) for name, table in before.items())
    assert sorted(p.name for p in images.glob(".*")) == [".part.1-x.tmp"]
