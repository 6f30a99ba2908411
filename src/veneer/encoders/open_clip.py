"""Encoders of the open_clip family (https://github.com/mlfoundations/open_clip)."""

from __future__ import annotations

import copy
import hashlib
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import open_clip
import torch
from torch import nn

from veneer.encoders.clip_tokens import clip_tokenizer
from veneer.encoders.config import EncoderConfig, is_path
from veneer.encoders.families import FOLDER_WEIGHTS, MODEL_FOLDER_CONFIG
from veneer.encoders.lean import lean_image, lean_text
from veneer.encoders.pixels import pixel_tower
from veneer.encoders.preprocessing import Preprocessing
from veneer.encoders.towers import Description, Tokenizer, Tower, Towers
from veneer.encoders.weights import allowed_precisions, file_sha256, model_folder
from veneer.errors import VeneerError

EXAMPLES = [
    "",
    "moss",
    "a photo of a striped texture",
    "Turtle Check Men Navy Blue Shirt, regular fit, 100 % cotton (2012)",
    "木目 béton brut ~#&",
    "one word after another " * 40,
]
"""Texts of all lengths and from all corners of the vocabulary."""


class _Texts(nn.Module):
    """The text tower of a model, as a module; fills its tokens up to the context length."""

    def __init__(self, model: nn.Module, context: int):
        super().__init__()
        self.model = model
        self.context = context

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        tokens = nn.functional.pad(tokens, (0, self.context - tokens.shape[1]))
        return self.model.encode_text(tokens)


def load(name: str, config: EncoderConfig) -> Towers:
    """Load a model folder, a bare weight file or a tag of open_clip, in fp32 on the CPU.

    The activation comes from the folder's own configuration, from ``quick_gelu``, or from what
    open_clip knows of the tag. Left to itself, open_clip runs a tag's weights under the
    architecture's plain GELU and merely warns.
    """
    folder = model_folder(config)
    if folder is not None:
        architecture, activation = _describe(folder)
        weights, options = str(folder / FOLDER_WEIGHTS), {}
    else:
        architecture = config.architecture
        weights, quick_gelu = bare_weights(name, config)
        activation = "quick_gelu" if quick_gelu else "gelu"
        options = {"pretrained": config.pretrained, "force_quick_gelu": quick_gelu}
    with _quiet():
        model = open_clip.create_model(_model_name(config), **options)
    model = model.to(memory_format=torch.channels_last).eval()
    preprocessing = _preprocessing(model.visual.preprocess_cfg)
    examples = tokenizer(config)(EXAMPLES)
    texts = _without_images(model)
    whole = _Texts(texts, examples.shape[1])
    with torch.inference_mode():
        dimension = whole(torch.from_numpy(examples)).shape[-1]
    precise = Path(weights).suffix == ".safetensors"
    return Towers(
        description=Description(
            fingerprint=(
                f"open_clip {architecture}; activation {activation}; "
                f"weights sha256 {file_sha256(weights)}; {preprocessing}"
            ),
            dimension=dimension,
            precisions=allowed_precisions(weights) if precise else ("fp32", "bf16", "fp16"),
            preprocessing=preprocessing,
            has_text=True,
            clip_context=_clip_context(config),
        ),
        image=pixel_tower(preprocessing, model.visual, lean_image(model.visual)),
        text=Tower(whole, lean_text(texts, whole), examples),
        weights=weights,
    )


def tokenizer(config: EncoderConfig) -> Tokenizer:
    """The tokenizer of a text tower."""
    with _quiet():
        tokenize = open_clip.get_tokenizer(_model_name(config))
    return lambda texts: tokenize(texts).numpy()


def _clip_context(config: EncoderConfig) -> int | None:
    """Length of the tokens, where they are CLIP's own."""
    with _quiet():
        theirs = open_clip.get_tokenizer(_model_name(config))
    context = getattr(theirs, "context_length", None)
    same = isinstance(context, int) and np.array_equal(
        clip_tokenizer(context)(EXAMPLES), theirs(EXAMPLES).numpy()
    )
    return context if same and type(theirs) is open_clip.SimpleTokenizer else None


def _without_images(model: nn.Module) -> nn.Module:
    """The same model without its image tower, so that the two can go to different devices."""
    texts = copy.copy(model)  # the weights are shared, the model is left as it is
    texts._modules = {name: each for name, each in model._modules.items() if name != "visual"}
    return texts.eval()


def _model_name(config: EncoderConfig) -> str:
    folder = model_folder(config)
    return config.architecture if folder is None else f"local-dir:{folder}"


def _preprocessing(cfg: dict) -> Preprocessing:
    size = cfg["size"]
    height, width = (size, size) if isinstance(size, int) else size
    fill = cfg.get("fill_color", 0)
    # `random` is for training; otherwise open_clip takes bicubic for it.
    interpolation = {"random": "bicubic"}.get(cfg["interpolation"], cfg["interpolation"])
    # open_clip hands the filter on to all ways of resizing but one.
    keeps_default = cfg["resize_mode"] == "shortest" and height != width
    return Preprocessing(
        height=height,
        width=width,
        resize=(height, width),
        mode=cfg["resize_mode"],
        interpolation="bicubic" if keeps_default else interpolation,
        fill=(fill,) * 3 if isinstance(fill, int) else tuple(fill),
        mean=tuple(cfg["mean"]),
        std=tuple(cfg["std"]),
    )


@contextmanager
def _quiet() -> Iterator[None]:
    # open_clip tells its steps on the root logger; only what it warns of concerns a user.
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.WARNING)
    try:
        yield
    finally:
        root.setLevel(level)


def _describe(folder: Path) -> tuple[str, str]:
    """Architecture and activation of a model folder."""
    model = json.loads((folder / MODEL_FOLDER_CONFIG).read_text())["model_cfg"]
    vision = model["vision_cfg"]
    architecture = vision.get("timm_model_name") or f"{vision.get('layers')}x{vision.get('width')}"
    activation = "quick_gelu" if model.get("quick_gelu") else "as configured"
    # Numbers of heads, poolings and the like change the vectors and leave no trace in the weights.
    digest = hashlib.sha256(json.dumps(model, sort_keys=True).encode()).hexdigest()[:16]
    return f"folder {architecture} {model['embed_dim']}-d of config {digest}", activation


def bare_weights(name: str, config: EncoderConfig) -> tuple[str, bool]:
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
