"""Encoders that were tuned here."""

import json
import shutil

import numpy as np
import pytest
import torch
from support import noise_image, seeded_resnet18

from veneer.encoders.config import EncoderConfig, resolve_encoder
from veneer.encoders.encoder import open_encoder
from veneer.encoders.portable import copy_encoder
from veneer.encoders.projection import Projection
from veneer.encoders.tuned import TunedEncoder, project, write
from veneer.errors import VeneerError

IMAGES = [noise_image(seed) for seed in range(3)]
TEXTS = ["moss", "a photo of red and white stripes"]
MINI = {"mini": EncoderConfig(family="open_clip", pretrained="packaged")}


def weights(dimension, target, seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        projection = Projection(dimension, target, hidden=16)
        for parameter in projection.parameters():
            torch.nn.init.normal_(parameter, std=0.2)
    return projection.state_dict()


def made(folder, name, encoders, target, tower=None, seed=0):
    base = open_encoder(name, encoders, runtime="torch-fp32")
    card = {"digest": "d", "base": name, "base_fingerprint": base.fingerprint}
    tuned = TunedEncoder(card, weights(base.dimension, target, seed), tower or {})
    write(folder, tuned, name, encoders)
    return base, tuned


@pytest.fixture(scope="module")
def mini(tmp_path_factory):
    """A tuned `mini`: its folder, its base, what was written."""
    folder = tmp_path_factory.mktemp("tuned") / "mini-x"
    return folder, *made(folder, "mini", MINI, 48)


def opened(folder, **options):
    return open_encoder(str(folder), {}, runtime="torch-fp32", **options)


def test_images_and_texts_go_through_the_projection(mini):
    folder, base, tuned = mini
    encoder = opened(folder)
    assert (encoder.name, encoder.dimension) == ("mini-x", 48)
    for found, frozen in (
        (encoder.embed_images(IMAGES), base.embed_images(IMAGES)),
        (encoder.embed_texts(TEXTS), base.embed_texts(TEXTS)),
    ):
        np.testing.assert_allclose(found, project(frozen, tuned), atol=2e-5)
        np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)


def test_it_has_a_fingerprint_of_its_own(mini, tmp_path):
    folder, base, _ = mini
    made(tmp_path / "other", "mini", MINI, 48, seed=1)
    made(tmp_path / "same", "mini", MINI, 48)
    other, same = opened(tmp_path / "other"), opened(tmp_path / "same")
    assert base.fingerprint in opened(folder).fingerprint
    assert len({base.fingerprint, opened(folder).fingerprint, other.fingerprint}) == 3
    assert same.fingerprint == opened(folder).fingerprint


def test_a_copy_is_complete_in_itself(mini, tmp_path):
    moved = tmp_path / "moved"
    moved.mkdir()
    config = copy_encoder(str(mini[0]), {}, moved)
    assert config == EncoderConfig(family="tuned", pretrained=str(moved))
    assert opened(moved).fingerprint == opened(mini[0]).fingerprint


def test_a_changed_tower(tmp_path):
    encoders = {"resnet": seeded_resnet18(tmp_path)}
    name = "visual.layer4.0.downsample.0.weight"
    before = open_encoder("resnet", encoders, runtime="torch-fp32")
    changed = dict(before.towers().image.reference.named_parameters())[name].detach().flip(0)
    made(tmp_path / "tuned", "resnet", encoders, 512, {name: changed})
    made(tmp_path / "frozen", "resnet", encoders, 512)
    tuned, frozen = opened(tmp_path / "tuned"), opened(tmp_path / "frozen")
    assert not np.allclose(tuned.embed_images(IMAGES), frozen.embed_images(IMAGES), atol=1e-3)
    assert tuned.text_tower is None
    assert tuned.fingerprint != frozen.fingerprint


def test_a_tuned_encoder_can_be_tuned_again(mini, tmp_path):
    made(tmp_path / "twice", str(mini[0]), {}, 10)
    found = opened(tmp_path / "twice")
    assert found.dimension == 10
    assert opened(mini[0]).fingerprint in found.fingerprint


def test_what_has_a_changed_tower_is_not_projected(mini):
    tuned = TunedEncoder({}, mini[2].projection, {"x": torch.zeros(1)})
    with pytest.raises(ValueError, match="embedded again"):
        project(np.zeros((1, 896), np.float32), tuned)


@pytest.fixture
def damaged(mini, tmp_path):
    shutil.copytree(mini[0], tmp_path / "damaged")
    return tmp_path / "damaged"


def test_another_base(damaged):
    card = json.loads((damaged / "tuned.json").read_text())
    (damaged / "tuned.json").write_text(json.dumps(card | {"base_fingerprint": "another"}))
    with pytest.raises(VeneerError, match=r"belong to \[another\]. Copy the whole folder"):
        opened(damaged)


@pytest.mark.parametrize("file", ["tuned.json", "tuned.safetensors"])
def test_a_file_that_is_cut_off(damaged, file):
    data = (damaged / file).read_bytes()
    (damaged / file).write_bytes(data[: len(data) // 2])
    with pytest.raises(VeneerError, match=rf"{file} cannot be read"):
        opened(damaged)


@pytest.mark.parametrize("file", ["tuned.safetensors", "base/open_clip_model.safetensors"])
def test_a_file_that_is_gone(damaged, file):
    (damaged / file).unlink()
    with pytest.raises(VeneerError, match="Opening the encoder"):
        opened(damaged)


def test_weights_of_another_shape(tmp_path):
    encoders = {"resnet": seeded_resnet18(tmp_path)}
    made(tmp_path / "tuned", "resnet", encoders, 512, {"visual.no.such": torch.zeros(2)})
    with pytest.raises(VeneerError, match=r"visual\.no\.such of shape \(2,\)"):
        opened(tmp_path / "tuned")


def test_no_folder_of_either_kind(tmp_path):
    with pytest.raises(VeneerError, match=r"no open_clip_config\.json and no tuned\.json"):
        resolve_encoder(str(tmp_path), {})
