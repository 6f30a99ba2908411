"""Every runtime that this machine has, on a small network."""

import logging
import os
import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest
import torch
from torch import nn

from veneer.encoders.pixels import pixel_tower
from veneer.encoders.preprocessing import Preprocessing
from veneer.encoders.runtimes.registry import REFERENCE, RUNTIMES
from veneer.encoders.runtimes.runtime import Source
from veneer.encoders.runtimes.torch import GPU_LEAST, GPU_MOST, reference
from veneer.encoders.towers import Tower

SIZE = 32
PIXELS = Preprocessing(
    SIZE, SIZE, (SIZE, SIZE), "shortest", "bicubic", (0,) * 3, (0.4, 0.5, 0.6), (0.2, 0.25, 0.3)
)
BATCH = np.random.default_rng(1).integers(0, 256, (5, SIZE, SIZE, 3), dtype=np.uint8)

needs_openvino = pytest.mark.skipif(not find_spec("openvino"), reason="openvino is not installed")


def image_tower():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = nn.Sequential(
            nn.Conv2d(3, 16, 3, 2), nn.GELU(), nn.Conv2d(16, 32, 3, 2), nn.Flatten()
        )
        net.append(nn.Linear(32 * 7 * 7, 24))
    return pixel_tower(PIXELS, net, net)


def text_tower():
    class Words(nn.Module):
        def __init__(self):
            super().__init__()
            self.words, self.project = nn.Embedding(50, 16), nn.Linear(16, 8)

        def forward(self, tokens):
            return self.project(self.words(tokens)).mean(dim=1)

    with torch.random.fork_rng():
        torch.manual_seed(0)
        words = Words().eval()
    return Tower(words, words, np.random.default_rng(0).integers(0, 50, (4, 12)))


def never():
    raise AssertionError("the tower was loaded")


def here(name):
    if why := RUNTIMES[name].missing():
        pytest.skip(why)
    return RUNTIMES[name]


def cosines(a, b):
    return np.sum(a * b, axis=1) / (np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1))


def test_the_reference_is_always_there():
    assert RUNTIMES[REFERENCE].missing() is None
    assert RUNTIMES[REFERENCE].precision == "fp32"
    # Nothing behind it would ever be tried.
    assert list(RUNTIMES)[-1] == REFERENCE


@pytest.mark.parametrize("name", RUNTIMES)
def test_a_runtime_is_there_or_says_why_not(name):
    runtime = RUNTIMES[name]
    assert runtime.name == name
    assert name.endswith(runtime.precision)
    why = runtime.missing()
    if why is None:
        assert any(character.isdigit() for character in runtime.versions())
    else:
        assert len(why.split()) > 2


@pytest.mark.parametrize("name", RUNTIMES)
def test_vectors_are_those_of_the_reference(name):
    runtime = here(name)
    tower = image_tower()
    for kind, load, batch in [("image", lambda: tower, BATCH), ("text", text_tower, None)]:
        source = Source(kind, load, None)
        opened = runtime.open(source)
        # Texts of several widths, one after another.
        texts = [np.random.default_rng(2).integers(0, 50, (3, width)) for width in (8, 12, 5)]
        for rows in texts if batch is None else [batch, batch[:1]]:
            expected = reference(Source(kind, load, None), "cpu")(rows)
            vectors = opened.run(rows)
            assert vectors.dtype == np.float32
            assert vectors.shape == expected.shape
            assert cosines(vectors, expected).min() >= 0.999
            if runtime.precision == "fp32":
                np.testing.assert_allclose(vectors, expected, rtol=1e-2, atol=1e-4)
        assert opened.batch_size > 0


@pytest.mark.parametrize("name", [name for name in RUNTIMES if name.startswith("cuda")])
def test_a_gpu_takes_batches_that_fit(name):
    batch_size = here(name).open(Source("image", image_tower, None)).batch_size
    assert GPU_LEAST <= batch_size <= GPU_MOST
    assert batch_size.bit_count() == 1


@needs_openvino
@pytest.mark.parametrize("kind", ["image", "text"])
def test_a_converted_tower_is_kept_and_read_without_torch(tmp_path, kind):
    open_ = here("openvino-fp32").open
    load, batch = (image_tower, BATCH) if kind == "image" else (text_tower, np.ones((3, 7), int))
    first = open_(Source(kind, load, tmp_path)).run(batch)
    (folder,) = tmp_path.iterdir()
    assert sorted(file.name for file in folder.iterdir()) == ["model.bin", "model.xml"]
    written = {file: file.stat().st_mtime_ns for file in folder.iterdir()}
    again = [open_(Source(kind, never, tmp_path)).run(batch) for _ in range(2)]
    np.testing.assert_array_equal(again[0], again[1])
    np.testing.assert_allclose(again[0], first, atol=1e-5)
    assert {file: file.stat().st_mtime_ns for file in folder.iterdir()} == written
    # Both precisions read the same files; another tower has its own.
    with pytest.raises(AssertionError, match="the tower was loaded"):
        open_(Source("other", never, tmp_path))
    here("openvino-bf16").open(Source(kind, never, tmp_path))


@needs_openvino
def test_the_first_run_gives_the_vectors_of_all_later_ones(tmp_path):
    open_ = here("openvino-fp32").open
    runs = [open_(Source("image", image_tower, tmp_path)).run(BATCH) for _ in range(2)]
    np.testing.assert_array_equal(runs[0], runs[1])


@needs_openvino
def test_a_cache_that_cannot_be_written_costs_a_warning(tmp_path, caplog):
    (tmp_path / "file").write_text("in the way")
    run = here("openvino-fp32").open
    opened = run(Source("image", image_tower, tmp_path / "file" / "cache"))
    expected = run(Source("image", image_tower, None)).run(BATCH)
    np.testing.assert_array_equal(opened.run(BATCH), expected)
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.message.startswith("the converted image tower cannot be kept:")
    assert [file.name for file in tmp_path.iterdir()] == ["file"]


QUIETLY = """
import sys, test_runtimes as ours
opened = ours.RUNTIMES["openvino-fp32"].open(ours.Source("image", ours.image_tower, None))
opened.run(ours.BATCH)
loaded = [n for n, m in sys.modules.items() if n.startswith("openvino_telemetry") and m]
print("openvino" in sys.modules, loaded)
"""


@needs_openvino
def test_a_conversion_is_reported_to_nobody(tmp_path):
    paths = [os.path.dirname(__file__), *filter(None, sys.path)]
    env = os.environ | {"HOME": str(tmp_path), "PYTHONPATH": os.pathsep.join(paths)}
    env = {name: value for name, value in env.items() if not name.startswith("XDG_")}
    command = [sys.executable, "-c", QUIETLY]
    options = {"cwd": tmp_path, "capture_output": True, "text": True}
    done = subprocess.run(command, env=env, check=False, **options)
    assert done.stdout.split("\n")[-2] == "True []", done.stderr
    assert list(tmp_path.rglob("*")) == []


def test_a_tower_that_gives_its_patches_too_is_taken_by_its_first_result():
    class Two(torch.nn.Module):
        def forward(self, pixels):
            return pixels.mean(dim=(2, 3)), pixels

    shape = Preprocessing(8, 8, (8, 8), "squash", "bicubic", (0, 0, 0), (0, 0, 0), (1, 1, 1))
    tower = pixel_tower(shape, Two(), Two())
    assert tower.reference(torch.from_numpy(tower.examples)).shape == (8, 3)
