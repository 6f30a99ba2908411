"""The training loop."""

import copy
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import pyarrow as pa
import pytest
import torch
from finetuned import CLASSES, DIMENSION, crowded, options
from PIL import Image
from support import encode
from torch import nn

from veneer.encoders.pixels import pixel_tower
from veneer.encoders.preprocessing import Preprocessing
from veneer.encoders.tuned import TunedEncoder, project
from veneer.errors import VeneerError
from veneer.finetuning.checkpoints import Checkpoints
from veneer.finetuning.inputs import Features, Pictures
from veneer.finetuning.likeness import rankings, shared
from veneer.finetuning.training import Rows, train


class Interrupted(Exception):
    pass


def trained(folder, rows, tower=None, *, digest="d", on_epoch=lambda entry: None, **given):
    checkpoints = Checkpoints(folder / "c.safetensors")
    return train(
        rows,
        nn.Identity() if tower is None else tower,
        options(**given),
        checkpoints,
        digest=digest,
        seed=0,
        on_epoch=on_epoch,
        device="cpu",
    )


def likeness(vectors, labels):
    n = len(vectors)
    return shared(rankings(vectors, labels, np.arange(n), np.arange(n))).mean()


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize(
    "given",
    [
        {"objective": "supcon"},
        {"objective": "supcon", "hidden": 32},
        {"objective": "classifier", "loss": {"temperature": 0.2}},
        {"objective": "contrastive"},
        {"objective": "TripletMarginLoss", "miner": "MultiSimilarityMiner"},
    ],
    ids=lambda given: " ".join(map(str, given.values())),
)
def test_images_of_a_class_come_near_each_other(tmp_path, given):
    rows, unseen = crowded(), crowded(seed=0)
    found = trained(tmp_path, rows, **given)
    vectors = project(unseen.frozen, TunedEncoder({}, found.projection, {}))
    judged = {"label": unseen.labels["label"]}
    assert likeness(vectors, judged) > likeness(unseen.frozen, judged) + 0.1
    assert found.best["likeness@5"] > found.log[0]["likeness@5"] + 0.1
    assert found.log[0]["loss"] is None


def test_what_comes_of_it_is_never_worse_than_before(tmp_path):
    rows = crowded()
    found = trained(tmp_path, rows, learning_rate=30.0, patience=2)
    assert found.best["likeness@5"] >= found.log[0]["likeness@5"]
    assert len(found.log) <= 1 + found.best["epoch"] + 2


def test_the_best_epoch_s_weights_are_kept(tmp_path):
    rows = crowded()
    found = trained(tmp_path, rows)
    vectors = project(rows.frozen, TunedEncoder({}, found.projection, {}))
    queries = np.flatnonzero(rows.stops)
    again = shared(rankings(vectors, rows.labels, queries, rows.copies)).mean()
    assert again == pytest.approx(found.best["likeness@5"], abs=1e-9)


def test_shorter_vectors_begin_with_what_differs_most(tmp_path):
    found = trained(tmp_path, crowded(), dimension=8, epochs=1, learning_rate=1e-9)
    assert found.projection["straight.weight"].shape == (8, DIMENSION)
    assert found.log[0]["likeness@5"] > 1.5 / CLASSES


@pytest.mark.parametrize("given", [{"objective": "classifier", "hidden": 16}, {"dropout": 0.5}])
def test_interrupted_after_any_epoch_it_ends_the_same(tmp_path, given):
    whole = trained(tmp_path, crowded(), digest="whole", epochs=5, patience=9, **given)

    for stop in (1, 3):

        def interrupt(entry, stop=stop):
            if entry["epoch"] == stop:
                raise Interrupted

        with pytest.raises(Interrupted):
            trained(tmp_path, crowded(), epochs=5, patience=9, on_epoch=interrupt, **given)
    heard = []
    found = trained(tmp_path, crowded(), epochs=5, patience=9, on_epoch=heard.append, **given)
    assert [entry["epoch"] for entry in heard] == [0, 1, 2, 3, 4, 5]
    assert found.log == whole.log
    assert same(found.projection, whole.projection)


def test_the_generator_of_others_is_left_alone(tmp_path):
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    trained(tmp_path, crowded(), epochs=1)
    assert torch.equal(torch.rand(1), expected)


@pytest.mark.parametrize("pairs", ["ideal", "by_label"])
def test_by_several_labels(tmp_path, pairs):
    one = crowded()
    rng = np.random.default_rng(1)
    tones = rng.integers(0, 3, 240)
    frozen = one.frozen + 0.3 * rng.normal(size=(3, DIMENSION)).astype(np.float32)[tones]
    frozen /= np.linalg.norm(frozen, axis=1, keepdims=True)
    labels = {"label": one.labels["label"], "tone": tones.astype(str)}
    rows = Rows(Features(frozen), frozen, labels, one.copies, one.stops)
    found = trained(tmp_path, rows, labels=["label", "tone"], pairs=pairs)
    vectors = project(frozen, TunedEncoder({}, found.projection, {}))
    assert likeness(vectors, labels) > likeness(frozen, labels) + 0.05


def test_a_loss_that_is_not_finite_is_told(tmp_path):
    rows = crowded()
    rows.frozen[5] = np.nan
    with pytest.raises((VeneerError, ValueError)):
        trained(tmp_path, rows)


# A tower of its own

SHAPE = Preprocessing(
    height=12,
    width=12,
    resize=(12, 12),
    mode="squash",
    interpolation="bicubic",
    fill=(0, 0, 0),
    mean=(0.5, 0.5, 0.5),
    std=(0.5, 0.5, 0.5),
)


class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer1 = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2), nn.BatchNorm2d(8), nn.ReLU())
        self.layer2 = nn.Sequential(nn.Conv2d(8, 12, 3), nn.BatchNorm2d(12), nn.ReLU())
        self.layer3 = nn.Sequential(nn.Conv2d(12, 16, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())

    def forward(self, x):
        return self.layer3(self.layer2(self.layer1(x)))


@contextmanager
def striped(n=36):
    """Pictures of three classes: stripes across, stripes down, chequers; and a tower for them."""
    rng = np.random.default_rng(0)
    files, labels = [], []
    for number in range(n):
        kind = number % 3
        grid = np.indices((24, 24)) // 3 % 2
        lines = (grid[0], grid[1], grid[0] ^ grid[1])[kind]
        colours = rng.integers(0, 256, (2, 3))
        files.append(encode(Image.fromarray(colours[lines].astype(np.uint8))))
        labels.append("abc"[kind])
    with torch.random.fork_rng(), ThreadPoolExecutor(2) as pool:
        torch.manual_seed(0)
        tower = pixel_tower(SHAPE, visual := Small(), visual).reference
        given = options().augmentation
        inputs = Pictures(pa.chunked_array([pa.array(files)]), SHAPE, given, pool)
        with torch.inference_mode():
            frozen = nn.functional.normalize(tower(inputs(np.arange(n)))).numpy()
        yield (
            Rows(inputs, frozen, {"label": np.array(labels)}, np.arange(n), np.arange(n) % 4 == 0),
            tower,
        )


@pytest.mark.parametrize(("part", "first"), [("last_stage", "layer3"), ("all", "layer1")])
def test_a_tower_is_trained(tmp_path, part, first):
    with striped() as (rows, tower):
        before = copy.deepcopy(tower.state_dict())
        given = {"train": part, "epochs": 2, "groups": 3, "backbone_learning_rate": 0.01}
        found = trained(tmp_path, rows, tower, **given)
    assert next(iter(found.tower)).startswith(f"visual.{first}")
    changed = {
        name for name, each in tower.state_dict().items() if not torch.equal(each, before[name])
    }
    assert changed
    assert changed <= set(found.tower)  # neither frozen weights nor statistics
    assert [entry["epoch"] for entry in found.log] == [0, 1, 2]


def test_in_parts_a_batch_has_the_same_gradient(tmp_path, monkeypatch):
    found = []
    for at_once in (4, 1000):
        monkeypatch.setattr("veneer.finetuning.training._AT_ONCE", {"cpu": at_once})
        with striped() as (rows, tower):
            given = {"train": "all", "epochs": 1, "groups": 3, "dropout": 0.0}
            trained(tmp_path, rows, tower, digest=str(at_once), **given)
            found.append(tower.state_dict())
    for name, value in found[0].items():
        np.testing.assert_allclose(value.numpy(), found[1][name].numpy(), atol=1e-5)


def test_a_tower_goes_on_where_it_was_interrupted(tmp_path):
    def interrupt(entry):
        if entry["epoch"] == 1:
            raise Interrupted

    given = {"train": "all", "epochs": 3, "groups": 3, "patience": 9}
    with striped() as (rows, tower):
        whole = trained(tmp_path, rows, tower, digest="whole", **given)
    with striped() as (rows, tower), pytest.raises(Interrupted):
        trained(tmp_path, rows, tower, on_epoch=interrupt, **given)
    with striped() as (rows, tower):
        found = trained(tmp_path, rows, tower, **given)
    assert found.log == whole.log
    assert same(found.tower, whole.tower)


def test_in_a_format_with_fewer_digits(tmp_path):
    with striped() as (rows, tower):
        given = {"train": "all", "epochs": 1, "groups": 3, "precision": "bf16"}
        found = trained(tmp_path, rows, tower, **given)
    assert all(each.dtype == torch.float32 for each in found.tower.values())
    assert np.isfinite(found.log[1]["loss"])
