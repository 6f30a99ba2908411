"""Image encoders of the timm family (https://github.com/huggingface/pytorch-image-models)."""

from __future__ import annotations

import timm
import torch
from huggingface_hub import hf_hub_download
from timm.data import create_transform, resolve_data_config

from veneer.encoders.config import EncoderConfig, is_path
from veneer.encoders.encoder import Encoder
from veneer.encoders.weights import allowed_precisions, file_sha256, hub_files


def load_timm(name: str, config: EncoderConfig, device: str) -> Encoder:
    """Load a timm model without its classifier, in fp32; its pooled feature is the embedding."""
    if is_path(config.pretrained):
        weights = config.pretrained
    else:
        repository, file = hub_files(name, config)[0]
        weights = hf_hub_download(repository, file)
    model = timm.create_model(
        config.architecture,
        pretrained=True,
        pretrained_cfg_overlay={"file": str(weights)},
        num_classes=0,
    )
    model = model.to(device, memory_format=torch.channels_last).eval()
    shape = resolve_data_config({}, model=model)
    fingerprint = (
        f"timm {config.architecture}; weights sha256 {file_sha256(weights)}; "
        f"{shape['input_size'][-1]} px {shape['interpolation']} crop {shape['crop_pct']} "
        f"{shape['crop_mode']} mean {tuple(shape['mean'])} std {tuple(shape['std'])}"
    )
    return Encoder(
        name=name,
        fingerprint=fingerprint,
        dimension=model.num_features,
        precisions=allowed_precisions(weights),
        preprocess=create_transform(**shape, is_training=False),
        image_tower=model,
        text_tower=None,
        device=device,
    )
