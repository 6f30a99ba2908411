"""Decoding in other processes: the same answers, and no harm when one of them dies."""

import os
import subprocess
import sys
from queue import SimpleQueue

import pyarrow as pa
import pytest
from support import encode, ingest_all, noise_image, open_folder, reasons, write_images

from veneer import workers
from veneer.refusals import RefusedError
from veneer.workers import FACTS, FILES, describe, describe_apart, inspect_apart


def files(contents: list[bytes | None], max_pixels: int = 10**6) -> pa.RecordBatch:
    rows = [
        {"path": str(i), "data": content, "max_pixels": max_pixels}
        for i, content in enumerate(contents)
    ]
    return pa.RecordBatch.from_pylist(rows, schema=FILES)


@pytest.fixture
def own_workers(monkeypatch):
    """Workers that no other test uses."""
    mine = SimpleQueue()
    monkeypatch.setattr(workers, "_idle", mine)
    yield mine
    while not mine.empty():
        mine.get().end()


@pytest.fixture
def evil(tmp_path, monkeypatch, own_workers):
    """Workers whose decoder dies of one file, and never comes back from another."""
    (tmp_path / "sitecustomize.py").write_text(
        """
import os, time
import veneer.images
inspect_image = veneer.images.inspect_image
def evil(data, **options):
    if bytes(data[:4]) == b"KILL":
        os.abort()
    if bytes(data[:4]) == b"HANG":
        time.sleep(10**6)
    return inspect_image(data, **options)
veneer.images.inspect_image = evil
"""
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(workers, "PATIENCE", 3)
    monkeypatch.setattr(workers, "PATIENCE_PER_FILE", 0)


def test_the_answers_are_those_of_this_process():
    batch = files([encode(noise_image(1)), None, b"", b"no image", encode(noise_image(2), "JPEG")])
    facts = describe_apart(batch)
    assert facts.schema.equals(FACTS)
    assert facts.equals(describe(batch))
    assert facts["reason"].to_pylist() == [None, None, "empty", "not_an_image", None]
    tight = describe_apart(files([encode(noise_image(1))], max_pixels=10))
    assert tight["reason"].to_pylist() == ["too_many_pixels"]


def test_a_large_batch_goes_through_the_pipes():
    contents = [os.urandom(2**20) for _ in range(40)]
    facts = describe_apart(files(contents))
    assert facts["size"].to_pylist() == [2**20] * 40


def test_a_worker_is_used_again(own_workers):
    for seed in range(5):
        describe_apart(files([encode(noise_image(seed))]))
    assert own_workers.qsize() == 1


def test_a_decoder_that_crashes_or_hangs_costs_one_file(evil):
    good = [encode(noise_image(seed)) for seed in range(3)]
    facts = describe_apart(files([good[0], b"KILL me", good[1], b"HANG on", good[2]]))
    assert facts["reason"].to_pylist() == [None, "damaged", None, "damaged", None]
    assert facts["detail"][1].as_py() == "the decoder crashed"
    assert facts["detail"][3].as_py() == "the decoder did not come to an end within 3 s"
    assert facts["width"].to_pylist() == [48, None, 48, None, 48]
    assert None not in facts["sha"].to_pylist()


def test_a_single_image_is_inspected_apart(evil):
    inspect_apart(encode(noise_image(1)), 10**6)
    for data, reason in ((b"", "empty"), (b"KILL", "damaged"), (b"x", "not_an_image")):
        with pytest.raises(RefusedError) as caught:
            inspect_apart(data, 10**6)
        assert caught.value.reason == reason


def test_a_run_goes_on_without_them(evil, tmp_path):
    raw = write_images(tmp_path / "raw", {"a": 100})
    (raw / "a" / "killer.jpg").write_bytes(b"KILL")
    images, quarantine = ingest_all(open_folder(raw))
    assert len(images) == 100
    assert reasons(quarantine) == {"a/killer.jpg": "damaged"}


def test_a_worker_that_was_killed_while_idle_is_replaced(own_workers):
    describe_apart(files([encode(noise_image(1))]))
    worker = own_workers.get()
    worker._process.kill()
    worker._process.wait()
    own_workers.put(worker)
    facts = describe_apart(files([encode(noise_image(1)), encode(noise_image(2))]))
    assert facts["reason"].null_count == 2


def test_a_worker_that_cannot_start_is_no_fault_of_the_file(tmp_path, monkeypatch, own_workers):
    (tmp_path / "sitecustomize.py").write_text("raise SystemExit(3)")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(RuntimeError, match="crashed at its start"):
        describe_apart(files([encode(noise_image(1))]))


def test_workers_end_with_the_process_that_started_them(tmp_path):
    """Also when that is killed."""
    program = """
import os, signal, sys
sys.path[:0] = {path!r}
from test_workers import describe_apart, encode, files, noise_image, workers
describe_apart(files([encode(noise_image(1))]))
worker = workers._idle.get()
print(worker._process.pid, flush=True)
{end}
"""
    path = [os.path.dirname(__file__), *sys.path]
    for end in ("", "os.kill(os.getpid(), signal.SIGKILL)"):
        source = program.format(path=path, end=end)
        done = subprocess.run([sys.executable, "-c", source], stdout=subprocess.PIPE, check=False)
        process = int(done.stdout)
        with pytest.raises(ProcessLookupError):
            while True:  # until it has seen the end of its input
                os.kill(process, 0)
                os.sched_yield()
