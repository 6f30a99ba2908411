"""What is kept of an encoder between runs."""

import json
import logging
from dataclasses import replace
from importlib.metadata import PackageNotFoundError

import pytest

from veneer.encoders import cache
from veneer.encoders.cache import (
    compiled_folder,
    keep_check,
    keep_description,
    known_description,
    read_checks,
)
from veneer.encoders.config import EncoderConfig
from veneer.encoders.preprocessing import Preprocessing
from veneer.encoders.towers import Description, Towers

DESCRIPTION = Description(
    fingerprint="of the weights",
    dimension=7,
    precisions=("fp32", "bf16"),
    preprocessing=Preprocessing(
        32, 48, (36, 54), "longest", "bilinear", (1, 2, 3), (0.1, 0.2, 1 / 3), (0.4, 0.5, 0.6)
    ),
    has_text=True,
    clip_context=None,
)


@pytest.fixture
def weights(tmp_path):
    file = tmp_path / "weights.safetensors"
    file.write_bytes(b"some weights")
    return file


@pytest.fixture
def config(weights):
    return EncoderConfig(
        family="open_clip", architecture="RN50", pretrained=str(weights), quick_gelu=True
    )


@pytest.fixture
def kept(tmp_path, config, weights):
    """Cache with a description."""
    cache = tmp_path / "cache"
    keep_description(cache, "some", config, Towers(DESCRIPTION, None, None, str(weights)))
    return cache


def test_what_was_kept_is_known(kept, config):
    found = known_description(kept, "some", config)
    assert found == DESCRIPTION
    assert hash(found) == hash(DESCRIPTION)  # tuples, not the lists of JSON
    assert known_description(kept, "other", config) is None
    assert known_description(kept / "elsewhere", "some", config) is None


def test_another_config_is_not_known(kept, config):
    for change in ({"quick_gelu": False}, {"architecture": "RN101"}):
        assert known_description(kept, "some", config.model_copy(update=change)) is None


def test_other_weights_are_not_known(kept, config, weights):
    weights.write_bytes(b"SOME weights")
    assert known_description(kept, "some", config) is None
    weights.write_bytes(b"some weights")
    assert known_description(kept, "some", config) == DESCRIPTION
    weights.unlink()
    assert known_description(kept, "some", config) is None


def test_under_other_libraries_it_is_not_known(kept, config, monkeypatch):
    monkeypatch.setattr("veneer.encoders.cache.version", lambda name: "0.1")
    assert known_description(kept, "some", config) is None


def test_only_the_libraries_of_its_family_count(tmp_path, kept, config, weights, monkeypatch):
    file = str(weights)
    theirs = {"timm": {}, "torchvision": {}, "vae": {"pretrained": "owner/name"}}
    configs = {
        family: EncoderConfig(**{"family": family, "pretrained": file} | fields)
        for family, fields in theirs.items()
    }
    for family, each in configs.items():
        keep_description(kept, family, each, Towers(DESCRIPTION, None, None, file))

    def version(name):
        if name == "diffusers":
            raise PackageNotFoundError(name)
        return "0.1" if name == "torchvision" else versions(name)

    versions = cache.version
    monkeypatch.setattr(cache, "version", version)
    assert known_description(kept, "some", config) == DESCRIPTION
    assert known_description(kept, "timm", configs["timm"]) == DESCRIPTION
    assert known_description(kept, "torchvision", configs["torchvision"]) is None
    assert known_description(kept, "vae", configs["vae"]) is None


def test_a_damaged_description_is_none(kept, config):
    file = kept / "some" / "description.json"
    whole = file.read_text()
    without = json.loads(whole)
    del without["description"]["dimension"]
    for damaged in (whole[:40], "", "[]", "null", "{}", "\0" * 30, json.dumps(without)):
        file.write_text(damaged)
        assert known_description(kept, "some", config) is None, damaged
    file.write_text(whole)
    assert known_description(kept, "some", config) == DESCRIPTION


def test_another_configuration_in_a_model_folder_is_not_known(tmp_path):
    weights = tmp_path / "model" / "open_clip_model.safetensors"
    weights.parent.mkdir()
    weights.write_bytes(b"some weights")
    settings = weights.parent / "open_clip_config.json"
    settings.write_text("{}")
    config = EncoderConfig(family="open_clip", pretrained=str(weights.parent))
    keep_description(tmp_path, "some", config, Towers(DESCRIPTION, None, None, str(weights)))
    assert known_description(tmp_path, "some", config) == DESCRIPTION
    settings.write_text('{"model_cfg": {}}')
    assert known_description(tmp_path, "some", config) is None


def test_a_cache_that_cannot_be_written_costs_a_warning(tmp_path, config, weights, caplog):
    cache = weights / "cache"  # below a file
    keep_description(cache, "some", config, Towers(DESCRIPTION, None, None, str(weights)))
    keep_check(cache, "image good", 0.5)
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * 2
    assert "not kept for the next run: Writing" in caplog.text
    assert known_description(cache, "some", config) is None
    assert read_checks(cache) == {}
    assert list(tmp_path.iterdir()) == [weights]


def test_checks_are_added_to_each_other(tmp_path):
    keep_check(tmp_path, "image good", 0.9995)
    keep_check(tmp_path, "text good", 0.25)
    keep_check(tmp_path, "image good", 1 / 3)
    assert read_checks(tmp_path) == {"image good": 1 / 3, "text good": 0.25}
    (tmp_path / "checks.json").write_text('{"image good": 0.')
    assert read_checks(tmp_path) == {}
    keep_check(None, "image good", 0.5)
    assert read_checks(None) == {}


def test_compiled_towers_lie_apart(tmp_path, config, monkeypatch):
    other = replace(DESCRIPTION, fingerprint="of others")
    folders = [
        compiled_folder(tmp_path, "some", config, DESCRIPTION),
        compiled_folder(tmp_path, "some", config, other),
        compiled_folder(tmp_path, "another", config, DESCRIPTION),
    ]
    assert compiled_folder(tmp_path, "some", config, replace(DESCRIPTION)) == folders[0]
    monkeypatch.setattr("veneer.encoders.cache.version", lambda name: "0.1")
    folders.append(compiled_folder(tmp_path, "some", config, DESCRIPTION))
    assert len(set(folders)) == 4
