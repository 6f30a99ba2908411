"""Models of encoders of every family: what they carry and what they ask to be installed."""

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL
from safetensors.torch import save_file
from support import encode, noise_image, seeded_resnet18
from torchvision import models

from veneer.encoders.config import EncoderConfig
from veneer.encoders.encoder import open_encoder
from veneer.serving.bundle import embed_rows, open_bundle, write_bundle
from veneer.serving.publish import REQUIREMENTS, _requirements
from veneer.sources.memory import Sent


def shufflenet(folder):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = models.get_model("shufflenet_v2_x0_5")
    save_file(model.state_dict(), folder / "w.safetensors")
    return EncoderConfig(
        family="torchvision",
        architecture="shufflenet_v2_x0_5",
        pretrained=str(folder / "w.safetensors"),
    )


def autoencoder(folder):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = AutoencoderKL(block_out_channels=(32,), norm_num_groups=8)
    model.save_pretrained(folder)
    return EncoderConfig(family="vae", pretrained=str(folder), image_size=24)


@pytest.mark.parametrize(
    ("make", "needs"),
    [
        (lambda folder: EncoderConfig(family="open_clip", pretrained="packaged"), set()),
        (seeded_resnet18, set()),
        (shufflenet, {"torchvision"}),
        (autoencoder, {"diffusers"}),
    ],
    ids=["open_clip", "timm", "torchvision", "vae"],
)
def test_a_bundle_answers_as_its_encoder_and_names_its_libraries(tmp_path, make, needs):
    (tmp_path / "weights").mkdir()
    encoders = {"some": make(tmp_path / "weights")}
    encoder = open_encoder("some", encoders, runtime="torch-fp32")
    card = {
        "encoder": "some",
        "fingerprint": encoder.fingerprint,
        "decode": "exact",
        "runtime": "torch-fp32",
        "text_from_exif": False,
        "max_pixels": 10**6,
        "max_bytes": 10**6,
    }
    write_bundle(tmp_path / "bundle", encoder="some", encoders=encoders, card=card)
    (tmp_path / "weights").rename(tmp_path / "gone")
    picture = noise_image(0, (90, 70))
    found, refused = embed_rows(open_bundle(tmp_path / "bundle"), [Sent(data=encode(picture))])
    assert not refused
    np.testing.assert_allclose(found, encoder.embed_images([picture]), atol=1e-6)
    asked = {each.partition("==")[0] for each in _requirements(tmp_path / "bundle")}
    assert asked == {*REQUIREMENTS, *needs}
