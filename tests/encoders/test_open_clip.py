"""Bare weight files: RN50 under seeded weights."""

import json
import shutil
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from safetensors.torch import save_file
from support import noise_image

from veneer.encoders.config import EncoderConfig, packaged_folder
from veneer.encoders.encoder import open_encoder
from veneer.errors import VeneerError

IMAGES = [noise_image(i, size) for i, size in enumerate([(300, 200), (224, 224), (90, 400)])]


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = open_clip.create_model("RN50")
    file = tmp_path_factory.mktemp("weights") / "rn50.safetensors"
    save_file({k: v.contiguous() for k, v in model.state_dict().items()}, file)
    return str(file)


def rn50(weights, quick_gelu, runtime="auto"):
    config = EncoderConfig(
        family="open_clip", architecture="RN50", pretrained=weights, quick_gelu=quick_gelu
    )
    return open_encoder("rn50", {"rn50": config}, runtime=runtime)


@pytest.mark.parametrize("runtime", ["torch-fp32", "openvino-fp32"])
def test_vectors_equal_open_clips_own(weights, runtime):
    encoder = rn50(weights, True, runtime)
    model, _, preprocess = open_clip.create_model_and_transforms(
        "RN50", pretrained=weights, force_quick_gelu=True
    )
    model.eval()
    for image in IMAGES:
        pixels = torch.from_numpy(encoder.preprocessing.pixels(image).copy())
        assert torch.equal(encoder.preprocessing.normalise(pixels[None])[0], preprocess(image))
    with torch.inference_mode():
        expected = model.encode_image(torch.stack([preprocess(image) for image in IMAGES]))
        words = model.encode_text(open_clip.get_tokenizer("RN50")(["moss", "a red brick wall"]))
    for ours, theirs in [
        (encoder.embed_images(IMAGES), expected),
        (encoder.embed_texts(["moss", "a red brick wall"]), words),
    ]:
        assert ours.shape[1] == 1024
        assert ours.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(ours, axis=1), 1, atol=1e-6)
        reference = torch.nn.functional.normalize(theirs, dim=-1).numpy()
        np.testing.assert_allclose((ours * reference).sum(axis=1), 1, atol=1e-5)


def test_the_activation_matters_and_is_part_of_the_fingerprint(weights):
    quick, plain = (rn50(weights, quick, "torch-fp32") for quick in (True, False))
    assert "activation quick_gelu" in quick.fingerprint
    assert "activation gelu" in plain.fingerprint
    # RN50's own trunk has ReLU; the text tower has the activation.
    text = ["a photo of moss"]
    assert np.sum(quick.embed_texts(text) * plain.embed_texts(text)) < 0.99999
    with pytest.raises(VeneerError, match="QuickGELU built in"):
        config = EncoderConfig(
            family="open_clip",
            architecture="RN50-quickgelu",
            pretrained=weights,
            quick_gelu=False,
        )
        open_encoder("rn50", {"rn50": config})


def test_precisions_of_float_weights(weights):
    assert rn50(weights, True).precisions == ("fp32", "bf16", "fp16")


def test_unknown_architecture(weights):
    config = EncoderConfig(
        family="open_clip", architecture="RN5000", pretrained=weights, quick_gelu=True
    )
    with pytest.raises(VeneerError, match="knows no architecture 'RN5000'"):
        open_encoder("x", {"x": config})


def test_damaged_files_are_told_in_a_sentence(weights, tmp_path):
    content = Path(weights).read_bytes()
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes(content[: len(content) // 2])
    with pytest.raises(VeneerError, match=r"Opening the encoder rn50 .*cut\.safetensors.*cut off"):
        rn50(str(cut), True)
    folder = tmp_path / "folder"
    shutil.copytree(packaged_folder(), folder)
    (folder / "open_clip_config.json").write_text('{"model_cfg": {}}')
    with pytest.raises(VeneerError, match=r"Opening the encoder folder .*KeyError"):
        open_encoder(str(folder), {})


def test_another_configuration_is_another_encoder(tmp_path):
    """Heads, pools and the like leave no trace in the weights."""
    folder, cache = tmp_path / "folder", tmp_path / "cache"
    shutil.copytree(packaged_folder(), folder)
    file = folder / "open_clip_config.json"
    before = open_encoder(str(folder), {}, runtime="torch-fp32", cache=cache)
    vectors = before.embed_texts(["moss"])
    config = json.loads(file.read_text())
    config["model_cfg"]["text_cfg"]["heads"] *= 2
    file.write_text(json.dumps(config))
    after = open_encoder(str(folder), {}, runtime="torch-fp32", cache=cache)
    assert after.fingerprint != before.fingerprint
    assert np.sum(after.embed_texts(["moss"]) * vectors) < 0.999
