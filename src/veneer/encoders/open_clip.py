"""Encoders of the open_clip family (https://github.com/mlfoundations/open_clip)."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import open_clip
import torch
from open_clip.transform import PreprocessCfg, image_transform_v2

from veneer.encoders.config import MODEL_FOLDER_CONFIG, EncoderConfig, is_path
from veneer.encoders.encoder import Encoder
from veneer.encoders.weights import (
    FOLDER_WEIGHTS,
    allowed_precisions,
    file_sha256,
    model_folder,
)
from veneer.errors import VeneerError


def load_open_clip(name: str, config: EncoderConfig, device: str) -> Encoder:
    """Load a model folder, a bare weight file or a tag of open_clip, in fp32.

    The activation comes from the folder's own configuration, from ``quick_gelu``, or from what
    open_clip knows of the tag. Left to itself, open_clip runs a tag's weights under the
    architecture's plain GELU and merely warns.
    """
    folder = model_folder(config)
    if folder is not None:
        architecture, activation = _describe(folder)
        weights = folder / FOLDER_WEIGHTS
        model_name, options = f"local-dir:{folder}", {}
    else:
        architecture = model_name = config.architecture
        weights, quick_gelu = _bare_weights(name, config)
        activation = "quick_gelu" if quick_gelu else "gelu"
        options = {"pretrained": config.pretrained, "force_quick_gelu": quick_gelu}
    model = _create(model_name, options).to(device, memory_format=torch.channels_last).eval()
    preprocess = image_transform_v2(PreprocessCfg(**model.visual.preprocess_cfg), is_train=False)
    tokenizer = open_clip.get_tokenizer(model_name)
    shape = model.visual.preprocess_cfg
    fingerprint = (
        f"open_clip {architecture}; activation {activation}; "
        f"weights sha256 {file_sha256(weights)}; "
        f"{shape['size']} px {shape['interpolation']} {shape['resize_mode']} "
        f"mean {tuple(shape['mean'])} std {tuple(shape['std'])}"
    )
    with torch.inference_mode():
        dimension = model.encode_text(tokenizer(["a"]).to(device)).shape[-1]
    precise = Path(weights).suffix == ".safetensors"
    return Encoder(
        name=name,
        fingerprint=fingerprint,
        dimension=dimension,
        precisions=allowed_precisions(weights) if precise else ("fp32", "bf16", "fp16"),
        preprocess=preprocess,
        image_tower=model.encode_image,
        text_tower=lambda texts: model.encode_text(tokenizer(texts).to(device)),
        device=device,
    )


def _create(model_name: str, options: dict) -> torch.nn.Module:
    # open_clip tells its steps on the root logger; only what it warns of concerns a user.
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.WARNING)
    try:
        return open_clip.create_model(model_name, **options)
    finally:
        root.setLevel(level)


def _describe(folder: Path) -> tuple[str, str]:
    """Architecture and activation of a model folder."""
    model = json.loads((folder / MODEL_FOLDER_CONFIG).read_text())["model_cfg"]
    vision = model["vision_cfg"]
    architecture = vision.get("timm_model_name") or f"{vision.get('layers')}x{vision.get('width')}"
    activation = "quick_gelu" if model.get("quick_gelu") else "as configured"
    return f"folder {architecture} {model['embed_dim']}-d", activation


def _bare_weights(name: str, config: EncoderConfig) -> tuple[str, bool]:
    """Weight file and activation of an architecture with a file or a tag."""
    built_in = open_clip.get_model_config(config.architecture)
    if built_in is None:
        raise VeneerError(
            f"Opening the encoder {name}: open_clip knows no architecture "
            f"{config.architecture!r}; see open_clip.list_models()."
        )
    if is_path(config.pretrained):
        if built_in.get("quick_gelu") and not config.quick_gelu:
            raise VeneerError(
                f"Opening the encoder {name}: {config.architecture} has QuickGELU built in, but "
                "its entry says `quick_gelu: false`. Name the plain architecture, or say true."
            )
        return config.pretrained, bool(config.quick_gelu)
    known = open_clip.get_pretrained_cfg(config.architecture, config.pretrained)
    quick_gelu = bool(known.get("quick_gelu") or built_in.get("quick_gelu"))
    return open_clip.download_pretrained(known), quick_gelu
