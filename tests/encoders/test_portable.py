"""Encoders that are taken elsewhere, and are the same there."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from support import noise_image, seeded_resnet18

from veneer.encoders.config import EncoderConfig, packaged_folder
from veneer.encoders.encoder import open_encoder
from veneer.encoders.portable import copy_encoder
from veneer.errors import VeneerError


def moved(encoder, config, tmp_path):
    """The encoder as it is opened from a copy, after the folder was moved once more."""
    (tmp_path / "copy").mkdir()
    copied = copy_encoder(encoder, {encoder: config}, tmp_path / "copy")
    shutil.move(tmp_path / "copy", tmp_path / "elsewhere")
    place = Path(copied.pretrained).relative_to(tmp_path / "copy")
    return copied.model_copy(update={"pretrained": str(tmp_path / "elsewhere" / place)})


def test_the_packaged_encoder_is_the_same_elsewhere(tmp_path):
    config = EncoderConfig(family="open_clip", pretrained="packaged")
    copied, original = (
        open_encoder("mini", {"mini": each}, runtime="torch-fp32")
        for each in (moved("mini", config, tmp_path), config)
    )
    assert copied.fingerprint == original.fingerprint
    assert np.array_equal(copied.embed_texts(["moss"]), original.embed_texts(["moss"]))
    there = {file.name for file in (tmp_path / "elsewhere").iterdir()}
    assert {"open_clip_config.json", "open_clip_model.safetensors", "README.md"} <= there


def test_a_folder_is_copied_without_other_forms_of_its_weights(tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(packaged_folder(), folder)
    for name in ("open_clip_pytorch_model.bin", "model.safetensors", "weights.pt"):
        (folder / name).write_bytes(b"much")
    (folder / "tokenizer.json").write_text("{}")
    (tmp_path / "copy").mkdir()
    config = copy_encoder(str(folder), {}, tmp_path / "copy")
    assert config == EncoderConfig(family="open_clip", pretrained=str(tmp_path / "copy"))
    there = {file.name for file in (tmp_path / "copy").iterdir()}
    assert there == {
        file.name for file in folder.iterdir() if file.name not in
        ("open_clip_pytorch_model.bin", "model.safetensors", "weights.pt")
    }  # fmt: skip
    json.loads((tmp_path / "copy/open_clip_config.json").read_text())


def test_a_bare_file_is_the_same_elsewhere(tmp_path):
    config = seeded_resnet18(tmp_path)
    copied, original = (
        open_encoder("r18", {"r18": each}, runtime="torch-fp32")
        for each in (moved("r18", config, tmp_path), config)
    )
    assert copied.fingerprint == original.fingerprint
    images = [noise_image(3)]
    assert np.array_equal(copied.embed_images(images), original.embed_images(images))


def test_weights_that_could_carry_code_are_not_copied(tmp_path, monkeypatch):
    config = EncoderConfig(family="open_clip", architecture="RN50", pretrained="openai")
    monkeypatch.setattr(
        "open_clip.download_pretrained", lambda known: str(tmp_path / "open_clip_model.bin")
    )
    with pytest.raises(VeneerError, match=r"Copying the encoder rn50.*no safetensors file"):
        copy_encoder("rn50", {"rn50": config}, tmp_path)


def test_the_activation_of_a_tag_is_written_down(tmp_path, monkeypatch):
    (tmp_path / "cached.safetensors").write_bytes(b"weights")
    (tmp_path / "copy").mkdir()
    monkeypatch.setattr(
        "open_clip.download_pretrained", lambda known: str(tmp_path / "cached.safetensors")
    )
    config = EncoderConfig(family="open_clip", architecture="RN50", pretrained="openai")
    copied = copy_encoder("rn50", {"rn50": config}, tmp_path / "copy")
    assert copied.quick_gelu is True
    assert copied.architecture == "RN50"
    assert Path(copied.pretrained).read_bytes() == b"weights"
