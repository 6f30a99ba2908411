"""Image encoders of the timm family (https://github.com/huggingface/pytorch-image-models)."""

from __future__ import annotations

import math

import timm
import torch
from huggingface_hub import hf_hub_download
from timm.data import resolve_data_config

from veneer.encoders.config import EncoderConfig, is_path
from veneer.encoders.pixels import pixel_tower
from veneer.encoders.preprocessing import Preprocessing
from veneer.encoders.towers import Description, Towers
from veneer.encoders.weights import allowed_precisions, file_sha256, hub_files

_MODES = {"center": "shortest", "squash": "squash", "border": "longest"}


def load(name: str, config: EncoderConfig) -> Towers:
    """Load a timm model without its classifier, in fp32; its pooled feature is the embedding."""
    weights = weight_file(name, config)
    model = timm.create_model(
        config.architecture,
        pretrained=True,
        pretrained_cfg_overlay={"file": str(weights)},
        num_classes=0,
    )
    model = model.to(memory_format=torch.channels_last).eval()
    preprocessing = _preprocessing(resolve_data_config({}, model=model))
    description = Description(
        fingerprint=(
            f"timm {config.architecture}; weights sha256 {file_sha256(weights)}; {preprocessing}"
        ),
        dimension=model.num_features,
        precisions=allowed_precisions(weights),
        preprocessing=preprocessing,
        has_text=False,
        clip_context=None,
    )
    return Towers(description, pixel_tower(preprocessing, model, model), None, str(weights))


def weight_file(name: str, config: EncoderConfig) -> str:
    """Path of the weights, which are fetched from the hub where that is where they are."""
    if is_path(config.pretrained):
        return config.pretrained
    repository, file = hub_files(name, config)[0]
    return hf_hub_download(repository, file)


def _preprocessing(cfg: dict) -> Preprocessing:
    _, height, width = cfg["input_size"]
    return Preprocessing(
        height=height,
        width=width,
        resize=(math.floor(height / cfg["crop_pct"]), math.floor(width / cfg["crop_pct"])),
        mode=_MODES[cfg["crop_mode"]],
        interpolation=cfg["interpolation"],
        fill=tuple(round(255 * value) for value in cfg["mean"]),
        mean=tuple(cfg["mean"]),
        std=tuple(cfg["std"]),
    )
