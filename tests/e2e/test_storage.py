"""Full and read-only disks: a sentence, and what was there before is still there."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import click
import pytest
from support import write_images


@pytest.fixture
def finished(project, tmp_path):
    """A collection that was ingested, and its tables."""
    raw = write_images(tmp_path / "raw", {"a": 20, "b": 20})
    project.run("data_processing", collection="kept", images=str(raw))
    return project, raw


def tables(project) -> dict:
    names = ("quarantine", "splits", "duplicates", "collection_card")
    loaded = {name: project.load(name, collection="kept") for name in names}
    return loaded | {"image_rows": project.load("image_rows", collection="kept").to_table()}


def same(before: dict, after: dict) -> bool:
    return all(
        after[name].equals(table) if hasattr(table, "equals") else after[name] == table
        for name, table in before.items()
    )


@pytest.fixture
def small_disk(tmp_path):
    """A file system of a megabyte, in memory."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount a small file system")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_full_disk(finished, tmp_path, small_disk):
    project, raw = finished
    folder = project.path / "data/02_intermediate/kept"
    for file in (folder / "images", folder / "quarantine.parquet"):
        subprocess.run(["cp", "-r", file, small_disk], check=True)
    subprocess.run(["rm", "-r", folder], check=True)
    folder.symlink_to(small_disk)
    try:
        before = tables(project)
        write_images(raw, {"c": 300}, seed=5000)
        with pytest.raises(click.ClickException) as caught:
            project.run("data_processing", collection="kept", images=str(raw))
        assert "No space left on device. What was there before is unchanged. Free some space" in (
            caught.value.message
        )
        assert str(folder / "images") in caught.value.message
        assert same(before, tables(project))
        assert not list((folder / "images").glob(".*"))  # no rest takes up the little there is
        # With room again the same command completes.
        subprocess.run(["mount", "-o", "remount,size=20m", str(small_disk)], check=True)
        project.run("data_processing", collection="kept", images=str(raw))
        assert tables(project)["collection_card"]["images"] == 340
    finally:
        folder.unlink()


def test_a_read_only_folder(finished, tmp_path):
    """As an ordinary user who may not write: in a process, since root may write everywhere."""
    project, raw = finished
    before = tables(project)
    place = tmp_path / "disk"
    place.mkdir()
    folder = project.path / "data/02_intermediate/kept"
    bind = ["mount", "--bind", str(folder), str(folder)]
    if subprocess.run(bind, capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount a folder read-only")
    try:
        remount = ["mount", "-o", "remount,bind,ro", str(folder)]
        subprocess.run(remount, check=True)
        (raw / "a" / "000.png").unlink()
        with pytest.raises(click.ClickException) as caught:
            project.run("data_processing", collection="kept", images=str(raw))
        assert "Read-only file system. What was there before is unchanged." in caught.value.message
        assert same(before, tables(project))
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


PROGRAM = """
import resource, signal, sys
from pathlib import Path
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
sys.path.insert(0, {tests!r})
sys.argv = ["kill_loop"]
from e2e import kill_loop
kill_loop.run(Path({raw!r}), Path({out!r}))
"""


def test_a_quota_needs_no_mount(tmp_path):
    """What every user can try: files may not grow beyond 50 000 bytes."""
    from veneer.datasets.image_rows import ImageRowsDataset

    tests = Path(__file__).parents[1]
    raw, out = write_images(tmp_path / "raw", {"a": 3}), tmp_path / "out"
    command = [
        os.sys.executable,
        "-c",
        PROGRAM.format(tests=str(tests), raw=str(raw), out=str(out)),
    ]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(os.sys.path),
        # Python would cut what it compiles at the limit, too, without a word.
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    subprocess.run(command, env=environment, check=True)
    before = ImageRowsDataset(str(out / "images")).load().to_table()
    write_images(raw, {"a": 40})
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "VeneerError: Writing" in done.stderr
    assert "File too large. What was there before is unchanged." in done.stderr
    assert ImageRowsDataset(str(out / "images")).load().to_table().equals(before)
