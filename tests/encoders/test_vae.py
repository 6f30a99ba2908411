"""The vae family under seeded weights."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL
from huggingface_hub import constants
from safetensors.torch import load_file, save_file
from support import noise_image
from torchvision import transforms

from veneer.encoders import vae
from veneer.encoders.config import EncoderConfig
from veneer.encoders.encoder import open_encoder
from veneer.encoders.portable import copy_encoder
from veneer.encoders.weights import require_weights
from veneer.errors import VeneerError

CONFIG, WEIGHTS = "config.json", "diffusion_pytorch_model.safetensors"
# The size and the work of a few layers: 4 channels of a half of the square.
SIZE, DIMENSION = 32, 4 * 16 * 16
IMAGES = [noise_image(seed, size) for seed, size in enumerate([(32, 32), (60, 41), (17, 90)] * 3)]


def seeded(**options):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return AutoencoderKL(
            block_out_channels=(32, 64),
            down_block_types=("DownEncoderBlock2D",) * 2,
            up_block_types=("UpDecoderBlock2D",) * 2,
            sample_size=SIZE,
            **options,
        ).eval()


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A model folder of diffusers."""
    folder = tmp_path_factory.mktemp("models") / "autoencoder"
    seeded().save_pretrained(folder)
    assert {file.name for file in folder.iterdir()} == {CONFIG, WEIGHTS}
    return folder


@pytest.fixture
def folder(saved, tmp_path):
    """A copy, to be changed."""
    return Path(shutil.copytree(saved, tmp_path / "autoencoder"))


def config_of(folder, **fields):
    return EncoderConfig(family="vae", pretrained=str(folder), **fields)


def opened(config, runtime="torch-fp32", **options):
    return open_encoder("latents", {"latents": config}, runtime=runtime, **options)


def their_vectors(folder, size=SIZE):
    """Vectors by diffusers and torchvision."""
    transform = transforms.Compose(
        [
            transforms.Resize(size, transforms.InterpolationMode.BICUBIC),
            transforms.CenterCrop(size),
            transforms.ToTensor(),
            transforms.Normalize([0.5] * 3, [0.5] * 3),
        ]
    )
    model = AutoencoderKL.from_pretrained(folder)
    with torch.inference_mode():
        means = model.encode(torch.stack([transform(each) for each in IMAGES])).latent_dist.mean
    return torch.nn.functional.normalize(means.flatten(1), dim=-1).numpy()


@pytest.mark.parametrize("runtime", ["torch-fp32", "openvino-fp32"])
def test_the_embedding_is_the_mean_of_the_latents(saved, runtime):
    encoder = opened(config_of(saved), runtime)
    np.testing.assert_allclose(encoder.embed_images(IMAGES), their_vectors(saved), atol=1e-5)
    assert encoder.image_tower.runtime == runtime
    assert encoder.dimension == DIMENSION
    assert encoder.text_tower is None


def test_another_size_is_another_encoder(saved):
    encoder = opened(config_of(saved, image_size=48))
    assert encoder.dimension == 4 * 24 * 24
    assert encoder.fingerprint != opened(config_of(saved)).fingerprint
    np.testing.assert_allclose(encoder.embed_images(IMAGES), their_vectors(saved, 48), atol=1e-5)
    explicit = opened(config_of(saved, image_size=SIZE))
    assert explicit.fingerprint == opened(config_of(saved)).fingerprint


def test_names_of_older_files_are_read(folder):
    expected = their_vectors(folder)
    older = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    state = load_file(folder / WEIGHTS)
    for new, old in older.items():
        state = {key.replace(f".{new}.", f".{old}."): tensor for key, tensor in state.items()}
    assert "encoder.mid_block.attentions.0.proj_attn.weight" in state
    save_file(state, folder / WEIGHTS)
    np.testing.assert_allclose(their_vectors(folder), expected, atol=1e-6)
    np.testing.assert_allclose(opened(config_of(folder)).embed_images(IMAGES), expected, atol=1e-5)


def test_the_decoder_is_neither_made_nor_read(folder):
    towers = vae.load("latents", config_of(folder))
    kinds = {name.split(".")[1] for name, _ in towers.image.lean.named_parameters()}
    assert kinds == {"encoder", "quant_conv"}
    state = load_file(folder / WEIGHTS)
    halved = {k: v.half() for k, v in state.items() if k.startswith(("encoder.", "quant_conv."))}
    assert len(halved) < len(state) / 2
    expected = opened(config_of(folder)).embed_images(IMAGES)
    save_file(halved, folder / WEIGHTS)
    np.testing.assert_allclose(opened(config_of(folder)).embed_images(IMAGES), expected, atol=1e-3)
    # But what is used has to be there.
    save_file({k: v for k, v in halved.items() if "attentions" not in k}, folder / WEIGHTS)
    with pytest.raises(VeneerError, match=r"Opening the encoder latents .*Missing key"):
        opened(config_of(folder))


def test_a_model_without_quant_conv_that_fp16_can_hold(tmp_path):
    seeded(use_quant_conv=False, force_upcast=False).save_pretrained(tmp_path)
    encoder = opened(config_of(tmp_path))
    np.testing.assert_allclose(encoder.embed_images(IMAGES), their_vectors(tmp_path), atol=1e-5)
    assert encoder.precisions == ("fp32", "bf16", "fp16")


def test_a_model_that_says_it_overflows_is_not_run_in_fp16(saved):
    assert opened(config_of(saved)).precisions == ("fp32", "bf16")


def test_the_fingerprint_is_that_of_weights_and_configuration(folder):
    fingerprint = opened(config_of(folder)).fingerprint
    assert fingerprint.startswith("vae of config ")
    settings = json.loads((folder / CONFIG).read_text())
    (folder / CONFIG).write_text(json.dumps(settings | {"_diffusers_version": "0.4.2"}))
    assert opened(config_of(folder)).fingerprint == fingerprint
    (folder / CONFIG).write_text(json.dumps(settings | {"act_fn": "relu"}))
    assert opened(config_of(folder)).fingerprint != fingerprint
    (folder / CONFIG).write_text(json.dumps(settings))
    state = load_file(folder / WEIGHTS)
    state["quant_conv.bias"][0] += 1e-3
    save_file(state, folder / WEIGHTS)
    assert opened(config_of(folder)).fingerprint != fingerprint


def test_a_description_is_kept_for_these_weights_and_this_configuration(
    folder, tmp_path, monkeypatch
):
    cache = tmp_path / "cache"
    first = opened(config_of(folder), cache=cache)
    with monkeypatch.context() as patch:
        patch.setattr(vae, "load", None)
        assert opened(config_of(folder), cache=cache).fingerprint == first.fingerprint
    settings = json.loads((folder / CONFIG).read_text())
    (folder / CONFIG).write_text(json.dumps(settings | {"act_fn": "relu"}))
    assert opened(config_of(folder), cache=cache).fingerprint != first.fingerprint


def test_a_folder_is_the_same_elsewhere(folder, tmp_path):
    (folder / "LICENSE").write_text("may be copied")
    (folder / "diffusion_pytorch_model.bin").write_bytes(b"much")
    (tmp_path / "copy").mkdir()
    config = config_of(folder, image_size=48)
    copied = copy_encoder("latents", {"latents": config}, tmp_path / "copy")
    assert copied == config_of(tmp_path / "copy", image_size=48)
    there = {file.name for file in (tmp_path / "copy").iterdir()}
    assert there == {CONFIG, WEIGHTS, "LICENSE"}
    there, original = opened(copied), opened(config)
    assert there.fingerprint == original.fingerprint
    assert np.array_equal(there.embed_images(IMAGES), original.embed_images(IMAGES))


@pytest.fixture
def hub(saved, tmp_path, monkeypatch):
    """The hub's cache, with the repository owner/autoencoder; the hub itself is switched off."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    repository = tmp_path / "hub/models--owner--autoencoder"
    revision = "0123456789abcdef0123456789abcdef01234567"
    shutil.copytree(saved, repository / "snapshots" / revision)
    (repository / "refs").mkdir()
    (repository / "refs/main").write_text(revision)
    return repository / "snapshots" / revision


def test_a_repository_of_the_hub(hub, saved, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = config_of("owner/autoencoder")
    cache = tmp_path / "cache"
    encoder = opened(config, cache=cache)
    assert encoder.fingerprint == opened(config_of(saved)).fingerprint
    with monkeypatch.context() as patch:
        patch.setattr(vae, "load", None)
        assert opened(config, cache=cache).fingerprint == encoder.fingerprint
    (tmp_path / "copy").mkdir()
    copied = copy_encoder("latents", {"latents": config}, tmp_path / "copy")
    assert copied == config_of(tmp_path / "copy")
    assert {file.name for file in (tmp_path / "copy").iterdir()} == {CONFIG, WEIGHTS}
    assert not [file for file in (tmp_path / "copy").iterdir() if file.is_symlink()]
    assert opened(copied).fingerprint == encoder.fingerprint


def test_a_folder_that_is_there_goes_before_a_repository(hub, folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "owner").mkdir()
    (folder / WEIGHTS).unlink()
    folder.rename(tmp_path / "owner/autoencoder")
    with pytest.raises(VeneerError, match=f"the folder owner/autoencoder holds no {WEIGHTS}"):
        require_weights("latents", config_of("owner/autoencoder"))


def test_a_repository_that_cannot_be_had(hub):
    with pytest.raises(VeneerError, match=r"owner/another/.* cannot be had: .*OFFLINE") as told:
        require_weights("latents", config_of("owner/another"))
    assert "there is no folder owner/another, its weights are not in the cache" in str(told.value)
    (hub / WEIGHTS).unlink()
    with pytest.raises(VeneerError, match="HF_HUB_OFFLINE"):
        require_weights("latents", config_of("owner/autoencoder"))


def test_folders_that_are_none(folder, tmp_path):
    for missing in (tmp_path / "missing", folder / WEIGHTS, "weights/autoencoder.safetensors"):
        with pytest.raises(VeneerError, match=r"there is no folder .* such as stabilityai/"):
            require_weights("latents", config_of(missing))
    for pretrained in (None, "openai", "packaged"):
        config = EncoderConfig(family="vae", pretrained=pretrained)
        with pytest.raises(VeneerError, match="needs `pretrained`: a model folder of diffusers"):
            require_weights("latents", config)
    (folder / CONFIG).rename(folder / "else.json")
    with pytest.raises(VeneerError, match=r"holds no config\.json"):
        require_weights("latents", config_of(folder))


def test_models_of_another_kind_and_damaged_ones(folder):
    settings = json.loads((folder / CONFIG).read_text())
    (folder / CONFIG).write_text(json.dumps(settings | {"_class_name": "AutoencoderTiny"}))
    with pytest.raises(VeneerError, match="is of the class AutoencoderTiny, and only an"):
        opened(config_of(folder))
    (folder / CONFIG).write_text(json.dumps(settings | {"in_channels": 1}))
    with pytest.raises(VeneerError, match=r"Opening the encoder latents .*channel"):
        opened(config_of(folder))
    (folder / CONFIG).write_text(json.dumps(settings))
    data = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(data[: len(data) // 2])
    with pytest.raises(VeneerError, match="Its files may be cut off"):
        opened(config_of(folder))


def test_without_diffusers_the_way_to_it_is_told(saved, tmp_path, monkeypatch):
    monkeypatch.setattr("veneer.encoders.weights.find_spec", lambda name: None)
    with pytest.raises(VeneerError, match=r"diffusers.* is not installed.*-e \"\.\[vae\]\""):
        opened(config_of(saved), cache=tmp_path)
    open_encoder("mini", {"mini": EncoderConfig(family="open_clip", pretrained="packaged")})
