"""`kedro run --pipelines download --env minc` against a local server with a small MINC-2500."""

from __future__ import annotations

import hashlib
import io
import logging
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time

import click
import pytest
from support import encode, noise_image
from web import RangedFile, Server

MINC = """
brick carpet ceramic fabric foliage food glass hair leather metal mirror other painted paper
plastic polishedstone skin sky stone tile wallpaper water wood
""".split()  # noqa: SIM905
IMAGES = {
    f"images/{label}/{label}_00000{index}.jpg": encode(noise_image(100 * number + index), "JPEG")
    for number, label in enumerate(MINC)
    for index in range(2)
}
LISTS = {
    "categories.txt": "\n".join(MINC).encode(),
    "labels/train1.txt": "\n".join(name for name in IMAGES if "0.jpg" in name).encode(),
    "labels/test1.txt": "\n".join(name for name in IMAGES if "1.jpg" in name).encode(),
}


def archive_of(files, links=None):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, target in (links or {}).items():
            member = tarfile.TarInfo(name)
            member.type, member.linkname = tarfile.SYMTYPE, target
            tar.addfile(member)
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


ARCHIVE = archive_of({f"minc-2500/{name}": data for name, data in {**IMAGES, **LISTS}.items()})


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with Server() as running:
        yield running


@pytest.fixture
def raw(project):
    """Folder of the raw files, which is not there at first."""
    for folder in ("minc", ".archives"):
        shutil.rmtree(project.path / "data/01_raw" / folder, ignore_errors=True)
    return project.path / "data/01_raw/minc"


def from_here(server, data=ARCHIVE, **options):
    url = server.url("/minc-2500.tar.gz")
    options = {"attempts": 2, "backoff": 0.01, **options}
    return {"url": url, "hash": f"sha1:{hashlib.sha1(data).hexdigest()}", **options}


def files_below(folder):
    return {
        file.relative_to(folder).as_posix(): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file()
    }


def test_a_second_run_asks_for_nothing(project, server, raw, caplog):
    server.routes["/minc-2500.tar.gz"] = ARCHIVE
    project.run("download", env="minc", download=from_here(server))
    assert files_below(raw) == {**IMAGES, **LISTS}
    assert sorted(folder.name for folder in (raw / "images").iterdir()) == sorted(MINC)
    assert len(server.requests) == 1
    changed = {file: file.stat().st_mtime_ns for file in raw.parent.rglob("*")}
    with caplog.at_level(logging.INFO, "veneer"):
        project.run("download", env="minc", download=from_here(server))
    assert f"{raw} holds files: nothing is fetched or unpacked" in caplog.text
    assert len(server.requests) == 1
    assert {file: file.stat().st_mtime_ns for file in raw.parent.rglob("*")} == changed
    # Unpacked again from what was fetched, where only the raw files are gone.
    shutil.rmtree(raw)
    project.run("download", env="minc", download=from_here(server))
    assert files_below(raw) == {**IMAGES, **LISTS}
    assert len(server.requests) == 1


def test_the_raw_files_go_through_data_processing(project, server, raw):
    server.routes["/minc-2500.tar.gz"] = ARCHIVE
    project.run("download", env="minc", download=from_here(server))
    project.run("data_processing", env="minc")
    card = project.load("collection_card", env="minc")
    assert card["images"] == len(IMAGES)
    assert card["labels"] == dict.fromkeys(sorted(MINC), 2)
    assert card["quarantined"] == 0  # the lists are no part of the collection
    project.run("data_processing", env="minc", splits={"method": "official"})
    official = project.load("collection_card", env="minc")
    assert official["splits"] == {"train": len(MINC), "test": len(MINC)}


def test_a_killed_run_is_resumed(project, server, raw):
    half = len(ARCHIVE) // 2
    server.routes["/minc-2500.tar.gz"] = RangedFile(
        ARCHIVE, cuts=[half], then=lambda handler: server.stopped.wait()
    )
    given = ",".join(f"download.{key}={value}" for key, value in from_here(server).items())
    command = ["run", "--pipelines", "download", "--env", "minc", "--params", given]
    part = project.path / "data/01_raw/.archives/minc/minc-2500.tar.gz.part"
    with project.start(*command) as process:
        while process.poll() is None and not (part.exists() and part.stat().st_size == half):
            time.sleep(0.02)  # until the run ends by itself, which it does not before it times out
        process.send_signal(signal.SIGKILL)
        process.stderr.read()
    assert process.returncode == -signal.SIGKILL
    assert not raw.exists()
    assert [file.name for file in part.parent.glob("*")] == [part.name, f"{part.name}.json"]

    done = project.kedro(*command)
    assert done.returncode == 0, done.stderr
    assert [headers.get("Range") for _, headers in server.requests] == [None, f"bytes={half}-"]
    assert files_below(raw) == {**IMAGES, **LISTS}
    assert os.listdir(part.parent) == ["minc-2500.tar.gz", "refused.parquet"]
    assert done.stdout == ""


def test_a_run_that_is_killed_while_it_unpacks_leaves_nothing_half(project, server, raw):
    server.routes["/minc-2500.tar.gz"] = ARCHIVE
    program = f"""
import os, signal
from veneer.datasets.raw_images import RawImagesDataset
from veneer.streams import FileStream
def files():
    yield "images/old.jpg", b"old"
    os.kill(os.getpid(), signal.SIGKILL)
RawImagesDataset({str(raw)!r}).save(FileStream(files))
"""
    done = subprocess.run([sys.executable, "-c", program], check=False)
    assert done.returncode == -signal.SIGKILL
    (unfinished,) = raw.parent.glob(".minc.*")
    assert files_below(unfinished) == {"images/old.jpg": b"old"}
    assert not raw.exists()
    project.run("download", env="minc", download=from_here(server))
    assert files_below(raw) == {**IMAGES, **LISTS}
    assert not unfinished.exists()


def test_what_leads_outside_is_refused_and_told(project, server, raw):
    big = bytes(3000)
    files = {f"minc-2500/{name}": data for name, data in {**IMAGES, **LISTS}.items()}
    evil = archive_of(
        {**files, "minc-2500/../../evil.jpg": b"evil", "minc-2500/big.jpg": big},
        links={"minc-2500/images/brick": "/etc"},
    )
    server.routes["/minc-2500.tar.gz"] = evil
    options = from_here(server, evil, max_member_bytes=2999)
    project.run("download", env="minc", download=options)
    assert files_below(raw) == {**IMAGES, **LISTS}
    assert not list(project.path.rglob("evil.jpg"))
    # What was refused reaches the quarantine of the collection.
    project.run("data_processing", env="minc")
    card = project.load("collection_card", env="minc")
    assert card["quarantine_reasons"] == {"unsafe_archive_member": 2, "too_many_bytes": 1}
    refused = project.load("unpack_refusals", env="minc").to_pylist()
    assert [(row["path"], row["reason"], row["size"]) for row in refused] == [
        ("minc-2500/images/brick", "unsafe_archive_member", 0),
        ("minc-2500/../../evil.jpg", "unsafe_archive_member", 4),
        ("minc-2500/big.jpg", "too_many_bytes", 3000),
    ]
    # A run that does nothing does not forget them.
    project.run("download", env="minc", download=options)
    assert project.load("unpack_refusals", env="minc").to_pylist() == refused


def test_a_wrong_archive_is_told_of_and_leaves_nothing(project, server, raw):
    server.routes["/minc-2500.tar.gz"] = ARCHIVE[:-1] + b"?"
    with pytest.raises(click.ClickException, match=r"expected the hash sha1:.* found sha1:"):
        project.run("download", env="minc", download=from_here(server))
    assert not raw.exists()
    assert not files_below(raw.parent)


def test_a_damaged_archive_is_told_of_and_leaves_no_raw_files(project, server, raw):
    damaged = ARCHIVE[:-30]
    server.routes["/minc-2500.tar.gz"] = damaged
    with pytest.raises(click.ClickException, match="it is damaged, ends too early"):
        project.run("download", env="minc", download=from_here(server, damaged))
    assert [path.name for path in raw.parent.iterdir() if path.is_dir()] == [".archives"]


@pytest.mark.parametrize("pipeline", ["download", "data_processing"])
def test_collections_that_have_no_raw_files(project, raw, pipeline):
    """One that can be downloaded says so; one that cannot says which can be."""
    told = {
        "download": ({}, "'textures': its download.url names no archive; .*--env dtd, --env minc"),
        "data_processing": ({"env": "minc"}, "Or fetch its archive with --pipelines download"),
    }
    options, sentence = told[pipeline]
    with pytest.raises(click.ClickException, match=sentence):
        project.run(pipeline, **options)


def test_an_address_without_a_hash_is_refused(project, server):
    options = {"url": server.url("/a.zip")}
    with pytest.raises(click.ClickException, match=r"'download.hash' is None: an address needs"):
        project.run("download", collection="mine", download=options)


def test_there_is_no_unpacking_to_an_address(project, server):
    with pytest.raises(click.ClickException, match="memory://here is no local folder"):
        project.run("download", env="minc", images="memory://here", download=from_here(server))
    assert not server.requests
