"""The timm family, under seeded weights and under real ones."""

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file
from support import noise_image

from veneer.encoders.config import EncoderConfig
from veneer.encoders.encoder import open_encoder
from veneer.images import to_rgb


def test_the_embedding_is_the_pooled_feature(tmp_path):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = timm.create_model("resnet18").eval()
    save_file(model.state_dict(), tmp_path / "w.safetensors")
    config = EncoderConfig(
        family="timm", architecture="resnet18", pretrained=str(tmp_path / "w.safetensors")
    )
    encoder = open_encoder("r18", {"r18": config}, runtime="openvino-fp32")
    transform = timm.data.create_transform(
        **timm.data.resolve_data_config({}, model=model), is_training=False
    )
    images = [noise_image(i, (260, 300)) for i in range(3)]
    with torch.inference_mode():
        features = model.forward_features(torch.stack([transform(i) for i in images]))
        pooled = model.forward_head(features, pre_logits=True)
    expected = torch.nn.functional.normalize(pooled, dim=-1).numpy()
    np.testing.assert_allclose(encoder.embed_images(images), expected, atol=1e-5)
    assert encoder.dimension == 512
    assert encoder.text_tower is None
    with pytest.raises(TypeError, match="r18 has no text tower"):
        encoder.embed_texts(["moss"])


def test_real_weights_tell_materials_apart(shared):
    config = EncoderConfig(
        family="timm",
        architecture="tf_efficientnet_lite2",
        pretrained=str(shared / "models/tf_efficientnet_lite2/model.safetensors"),
    )
    encoder = open_encoder("lite2", {"lite2": config})
    photos, labels = [], []
    for label in ("banded", "bubbly", "cobwebbed"):
        for file in sorted((shared / "data/dtd10/images" / label).glob("*.jpg"))[:8]:
            photos.append(to_rgb(file.read_bytes()))
            labels.append(label)
    rows = encoder.embed_images(photos)
    cosines = rows @ rows.T
    np.fill_diagonal(cosines, -1)
    nearest = np.asarray(labels)[cosines.argmax(axis=1)]
    assert np.mean(nearest == labels) > 0.7  # chance is a third
