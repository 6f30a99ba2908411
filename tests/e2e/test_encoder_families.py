"""An encoder of the family vae through a project, and what its entry may say there."""

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from click import ClickException
from diffusers import AutoencoderKL
from support import write_images

from veneer.encoders.config import EncoderConfig
from veneer.encoders.encoder import open_encoder
from veneer.images import to_rgb
from veneer.schema import vectors

ENTRY = {"family": "vae", "pretrained": "weights/autoencoder", "image_size": 24}


@pytest.fixture(scope="module")
def given(project, tmp_path_factory):
    """Parameters of a collection under a small autoencoder in the project's folder."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = AutoencoderKL(block_out_channels=(32,), norm_num_groups=8)
    model.save_pretrained(project.path / "weights/autoencoder")
    raw = write_images(tmp_path_factory.mktemp("raw"), {"a": 5, "b": 4})
    encoders = {"latents": ENTRY, "hub": ENTRY | {"pretrained": "owner/name"}}
    return {
        "collection": "noise",
        "images": str(raw),
        "encoder": "latents",
        "encoders": encoders,
        "embedding": {"runtime": "torch-fp32"},
    }


def test_an_autoencoder_embeds_a_collection(project, given):
    project.run("data_processing", "embedding", **given)
    folder = project.path / "data/04_feature/noise/latents"
    table = pq.read_table(sorted(folder.glob("part-*.parquet")))
    config = EncoderConfig(**ENTRY | {"pretrained": str(project.path / ENTRY["pretrained"])})
    encoder = open_encoder("latents", {"latents": config}, runtime="torch-fp32")
    assert encoder.dimension == 4 * 24 * 24
    rows = pq.read_table(sorted(project.path.glob("data/02_intermediate/noise/images/*.parquet")))
    files = [each["bytes"].as_py() for each in rows["image"]]
    data = dict(zip(rows["sha"].to_pylist(), files, strict=True))
    assert set(table["sha"].to_pylist()) == set(data)
    expected = encoder.embed_images([to_rgb(data[sha]) for sha in table["sha"].to_pylist()])
    np.testing.assert_allclose(vectors(table["embedding"]), expected, atol=1e-5)


def test_a_repository_is_no_path(project, given):
    encoders = project.load("parameters", **given)["encoders"].root
    assert encoders["latents"].pretrained == str(project.path / "weights/autoencoder")
    assert encoders["hub"].pretrained == "owner/name"
    assert encoders["sd_vae"].pretrained == "stabilityai/sd-vae-ft-mse"


def test_a_size_for_another_family(project, given):
    encoders = {"latents": ENTRY | {"family": "timm", "architecture": "resnet18"}}
    with pytest.raises(ClickException, match="is for encoders of the family vae"):
        project.run("embedding", **given | {"encoders": encoders})
