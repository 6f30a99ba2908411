"""The choice of a runtime, its check, and what comes out of it."""

import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from torch import nn

from veneer.encoders.engine import Engine
from veneer.encoders.runtimes.registry import REFERENCE, RUNTIMES
from veneer.encoders.runtimes.runtime import Opened, Runtime, Source
from veneer.encoders.towers import Tower
from veneer.errors import VeneerError

# Rows of two numbers; the tower multiplies them by three, so that its vectors are of any length.
BATCH = np.array([[1, 0], [0, 2], [-3, 4], [5, 5]])
EXAMPLES = np.array([[7, -1], [1, 9]])
ANGLE = np.arccos(0.995)


class Times(nn.Module):
    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def forward(self, rows):
        return self.factor * rows.float()


def times(factor):
    return Tower(Times(factor), Times(factor), EXAMPLES)


def exact(batch):
    return np.float32(2) * batch.astype(np.float32)


def turned(batch):
    """The last row a little off."""
    vectors = exact(batch)
    sine, cosine = np.sin(ANGLE), np.cos(ANGLE)
    vectors[-1] = vectors[-1] @ np.array([[cosine, sine], [-sine, cosine]])
    return vectors


def spoiled(batch):
    vectors = exact(batch)
    vectors[0, 1] = np.nan
    return vectors


def unit(batch):
    return batch / np.linalg.norm(batch, axis=1, keepdims=True)


class Counted:
    """A runtime that counts how often it is opened."""

    def __init__(self, run=exact, precision="fp32", missing=None, versions="1"):
        self.run, self.opened = run, 0
        self.precision, self.missing, self.versions = precision, missing, versions

    def open(self, source):
        self.opened += 1
        if isinstance(self.run, Exception):
            raise self.run
        return Opened(self.run, 3)


class Loaded:
    """A tower that counts how often it is loaded."""

    def __init__(self, tower):
        self.tower, self.times = tower, 0

    def __call__(self):
        self.times += 1
        return self.tower


@pytest.fixture
def engine(monkeypatch, tmp_path):
    """Make an engine that knows these runtimes and torch-fp32."""

    def make(runtimes, wanted="auto", load=lambda: times(3), precisions=("fp32",), **options):
        known = {
            name: Runtime(
                name, each.precision, lambda e=each: e.missing, each.open, lambda e=each: e.versions
            )
            for name, each in runtimes.items()
        }
        known[REFERENCE] = RUNTIMES[REFERENCE]
        monkeypatch.setattr("veneer.encoders.engine.RUNTIMES", known)
        kind, cache = options.pop("kind", "image"), options.pop("cache", tmp_path)
        source = Source(kind, load, cache)
        return Engine("some", source, precisions, wanted, **options)

    return make


def test_the_first_that_is_there_and_passes_is_taken(engine, caplog):
    caplog.set_level(logging.INFO)
    runtimes = {
        "gone": Counted(missing="it is not here"),
        "low": Counted(precision="bf16"),
        "good": Counted(),
        "later": Counted(),
    }
    some = engine(runtimes)
    assert (some.runtime, some.batch_size) == (None, None)
    vectors = some(BATCH)
    assert (some.runtime, some.batch_size) == ("good", 3)
    np.testing.assert_allclose(vectors, unit(BATCH), rtol=1e-6)
    assert vectors.dtype == np.float32
    some(BATCH)
    assert [each.opened for each in runtimes.values()] == [0, 0, 1, 0]
    assert "some: the image tower runs under good (not gone: it is not here)" in caplog.text


@pytest.mark.parametrize(
    ("run", "why"),
    [
        (turned, "its cosine to fp32 is 0.9950, less than 0.999"),
        (spoiled, "its cosine to fp32 is 0.0000"),
        (RuntimeError("no  kernel\nfor it"), "it fails: no kernel for it"),
        (NotImplementedError("not yet"), "it fails: not yet"),
    ],
)
def test_a_runtime_that_fails_is_passed_over(engine, caplog, run, why):
    caplog.set_level(logging.INFO)
    some = engine({"bad": Counted(run), "good": Counted()})
    np.testing.assert_allclose(some(BATCH), unit(BATCH), rtol=1e-6)
    assert some.runtime == "good"
    assert f"not bad: {why}" in caplog.text
    # With no other left, the reference.
    some = engine({"bad": Counted(run)}, cache=None)
    np.testing.assert_allclose(some(BATCH), unit(BATCH), rtol=1e-6)
    assert some.runtime == REFERENCE


def test_a_runtime_that_is_wrong_on_the_examples_only_is_passed_over(engine):
    some = engine({"bad": Counted(lambda b: turned(b) if 7 in b else exact(b)), "good": Counted()})
    some(BATCH)
    assert some.runtime == "good"


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (Counted(turned), "its cosine to fp32 is 0.9950"),
        (Counted(spoiled), "its cosine to fp32 is 0.0000"),
        (Counted(RuntimeError("no kernel")), "it fails: no kernel"),
        (Counted(missing="there is no NVIDIA driver"), "there is no NVIDIA driver"),
        (Counted(precision="fp16"), "the weights do not allow fp16"),
    ],
)
def test_a_runtime_asked_for_by_name_is_that_one_or_an_error(engine, bad, why):
    runtimes = {"good": Counted(), "bad": bad}
    with pytest.raises(VeneerError, match=f"some: not bad: {why}.*embedding.runtime=auto"):
        engine(runtimes, "bad")(BATCH)
    some = engine(runtimes, "good")
    some(BATCH)
    assert some.runtime == "good"
    some = engine(runtimes, REFERENCE)
    some(BATCH)
    assert some.runtime == REFERENCE


def test_the_verdict_is_kept(engine):
    load, bad, good = Loaded(times(3)), Counted(turned), Counted()
    runtimes = {"bad": bad, "good": good}
    first = engine(runtimes, load=load)(BATCH)
    assert load.times > 0
    load.times = bad.opened = good.opened = 0
    some = engine(runtimes, load=load)
    np.testing.assert_array_equal(some(BATCH), first)
    assert (some.runtime, load.times, bad.opened, good.opened) == ("good", 0, 0, 1)
    with pytest.raises(VeneerError, match="not bad: its cosine"):
        engine(runtimes, "bad", load=load)(BATCH)
    # Where nothing is kept, or for another tower, it is checked anew.
    engine(runtimes, load=load, cache=None)(BATCH)
    assert (bad.opened, load.times > 0) == (1, True)
    engine(runtimes, load=load, kind="text")(BATCH)
    assert bad.opened == 2


def test_other_versions_are_checked_anew(engine):
    bad, good = Counted(turned), Counted()
    engine({"bad": bad, "good": good})(BATCH)
    bad.run, bad.versions, good.run, good.versions = exact, "2", turned, "2"
    some = engine({"bad": bad, "good": good})
    some(BATCH)
    assert some.runtime == "bad"
    with pytest.raises(VeneerError, match="not good: its cosine"):
        engine({"good": good}, "good")(BATCH)


@pytest.mark.parametrize("wanted", ["torch-fp32", "openvino-fp32"])
def test_a_vector_does_not_depend_on_its_batch(wanted):
    if RUNTIMES[wanted].missing():
        pytest.skip(RUNTIMES[wanted].missing())
    with torch.random.fork_rng():
        torch.manual_seed(0)
        # As large as it takes for the size of a batch to change the last bits.
        module = nn.Sequential(Times(0.1), nn.Linear(300, 500), nn.GELU(), nn.Linear(500, 64))
    rows = np.random.default_rng(0).integers(-9, 9, (8, 300))
    source = Source("text", lambda: Tower(module.eval(), module.eval(), rows), None)
    some = Engine("some", source, ("fp32",), wanted, batch_size=8)
    whole = some(rows, fill=True)
    assert some.batch_size == 8
    for count in range(1, 8):
        np.testing.assert_array_equal(some(rows[:count], fill=True), whole[:count])
        np.testing.assert_array_equal(some(rows[count:], fill=True), whole[count:])


@pytest.mark.parametrize(
    "factor",
    [
        0.0,
        float("nan"),
        float("inf"),
    ],
)
def test_vectors_that_are_none_are_an_error(engine, factor):
    batch = np.ones((4, 2), np.int64)
    with pytest.raises(VeneerError, match=f"some under {REFERENCE}: 4 of 4 vectors are zero or"):
        engine({}, load=lambda: times(factor))(batch)


def test_an_error_of_the_reference_is_not_hidden(engine):
    def load():
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        engine({}, load=load)(BATCH)


def test_threads_take_turns_at_one_tower(engine):
    turn = threading.Lock()

    def run(batch):
        assert turn.acquire(blocking=False)
        time.sleep(0.001)
        turn.release()
        return exact(batch)

    good = Counted(run)
    some = engine({"good": good})
    batches = [BATCH + number for number in range(1, 40)]
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(some, batches))
    for batch, vectors in zip(batches, found, strict=True):
        np.testing.assert_allclose(vectors, unit(batch), rtol=1e-6)
    assert good.opened == 1


def test_threads_that_wait_are_put_together(engine):
    sizes, begun, go_on = [], threading.Event(), threading.Event()

    def run(batch):
        sizes.append(len(batch))
        begun.set()
        assert go_on.wait(60)
        return exact(batch)

    some = engine({"good": Counted(run)}, batch_size=8)
    go_on.set()
    some(BATCH)  # chooses the runtime
    sizes.clear(), begun.clear(), go_on.clear()
    shorter = BATCH[:, :1] + 7  # as texts of another length
    with ThreadPoolExecutor(8) as threads:
        first = threads.submit(some, BATCH[:1])
        assert begun.wait(60)
        others = [threads.submit(some, BATCH + number) for number in range(3)]
        alone = threads.submit(some, shorter)
        while some._waiting.qsize() < 4:
            time.sleep(0.001)
        go_on.set()
        np.testing.assert_allclose(first.result(), unit(BATCH[:1]), rtol=1e-6)
        for number, each in enumerate(others):
            np.testing.assert_allclose(each.result(), unit(BATCH + number), rtol=1e-6)
        np.testing.assert_allclose(alone.result(), unit(shorter), rtol=1e-6)
    assert sizes[0] == 1
    assert sorted(sizes[1:]) == [4, 4, 8]  # twelve rows in parts of eight, and the shorter ones


def test_an_error_reaches_all_that_waited_for_it(engine):
    broken = threading.Event()

    def run(batch):
        time.sleep(0.01)
        if broken.is_set():
            raise RuntimeError("the device is gone")
        return exact(batch)

    some = engine({"good": Counted(run)})
    some(BATCH)
    broken.set()
    with ThreadPoolExecutor(4) as threads:
        asked = [threads.submit(some, BATCH) for _ in range(8)]
        for each in asked:
            with pytest.raises(RuntimeError, match="the device is gone"):
                each.result()
    broken.clear()
    np.testing.assert_allclose(some(BATCH), unit(BATCH), rtol=1e-6)
