"""Which encoder a name means."""

import pytest
from pydantic import ValidationError

from veneer.encoders.config import (
    EncoderConfig,
    encoder_name,
    is_path,
    names_repository,
    resolve_encoder,
)
from veneer.errors import VeneerError

ENCODERS = {"mini": EncoderConfig(family="open_clip", pretrained="packaged")}


def test_a_name_is_looked_up():
    assert resolve_encoder("mini", ENCODERS) is ENCODERS["mini"]
    with pytest.raises(VeneerError, match="Did you mean 'mini'"):
        resolve_encoder("mimi", ENCODERS)


def test_a_path_is_a_model_folder_and_named_after_it(tmp_path):
    folder = tmp_path / "my encoder"
    folder.mkdir()
    with pytest.raises(VeneerError, match=r"holds no open_clip_config\.json"):
        resolve_encoder(str(folder), ENCODERS)
    (folder / "open_clip_config.json").write_text("{}")
    assert resolve_encoder(str(folder), ENCODERS) == EncoderConfig(
        family="open_clip", pretrained=str(folder)
    )
    assert encoder_name(str(folder)) == encoder_name(f"{folder}/") == "my encoder"


def test_only_vae_takes_repositories_and_sizes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert names_repository("vae", "stabilityai/sd-vae-ft-mse")
    assert not names_repository("timm", "stabilityai/sd-vae-ft-mse")
    for other in ("/a/b", "./b", "../b", "a/b/c", "b", "a/b.safetensors", "", None):
        assert not names_repository("vae", other), other
    (tmp_path / "a/b").mkdir(parents=True)
    assert not names_repository("vae", "a/b")
    assert EncoderConfig(family="vae", image_size=64).image_size == 64
    for fields in ({"family": "timm", "image_size": 64}, {"family": "vae", "image_size": 0}):
        with pytest.raises(ValidationError, match="image_size"):
            EncoderConfig(**fields)


def test_what_is_a_path():
    assert is_path("a/b")
    assert is_path("w.safetensors")
    assert not is_path("openai")
    assert not is_path(None)
