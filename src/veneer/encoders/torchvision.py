"""Image encoders of the torchvision family (https://github.com/pytorch/vision)."""

from __future__ import annotations

import difflib
import hashlib
import re
from pathlib import Path
from urllib.parse import urlparse

import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torchvision import models

from veneer.encoders.config import EncoderConfig, is_path
from veneer.encoders.pixels import pixel_tower
from veneer.encoders.preprocessing import Preprocessing
from veneer.encoders.towers import Description, Towers
from veneer.encoders.weights import allowed_precisions
from veneer.errors import VeneerError


def load(name: str, config: EncoderConfig) -> Towers:
    """Load a classifier of torchvision without its last layer, in fp32.

    What that layer would see is the embedding: of most architectures the pooled feature. The pixels
    are those of torchvision's own weights, also under a file of others.
    """
    model, dimension, weights = _model(name, config)
    digest = _digest(model)
    preprocessing = _preprocessing(default_weights(name, config).transforms())
    model = model.to(memory_format=torch.channels_last)
    precise = weights.suffix == ".safetensors"
    description = Description(
        fingerprint=f"torchvision {config.architecture}; weights sha256 {digest}; {preprocessing}",
        dimension=dimension,
        precisions=allowed_precisions(weights) if precise else ("fp32", "bf16", "fp16"),
        preprocessing=preprocessing,
        has_text=False,
        clip_context=None,
    )
    return Towers(description, pixel_tower(preprocessing, model, model), None, str(weights))


def default_weights(name: str, config: EncoderConfig) -> models.WeightsEnum:
    """The weights that torchvision itself names for an architecture: address and preprocessing.

    Raises
    ------
    VeneerError
        When torchvision knows no such classifier of images.
    """
    known = models.list_models(module=models)  # no detection, segmentation, video, quantization
    if config.architecture not in known:
        close = difflib.get_close_matches(config.architecture or "", known, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        raise VeneerError(
            f"Opening the encoder {name}: torchvision knows no architecture "
            f"{config.architecture!r} that classifies images.{hint} See "
            "torchvision.models.list_models(module=torchvision.models)."
        )
    return models.get_model_weights(config.architecture).DEFAULT


def cached_file(url: str) -> Path:
    """Where torch keeps what it has fetched from an address."""
    return Path(torch.hub.get_dir(), "checkpoints", Path(urlparse(url).path).name)


def weight_file(name: str, config: EncoderConfig) -> Path:
    """Path of the weights, which are fetched where torchvision's own are not in torch's cache."""
    if is_path(config.pretrained):
        return Path(config.pretrained)
    url = default_weights(name, config).url
    file = cached_file(url)
    if not file.is_file():
        file.parent.mkdir(parents=True, exist_ok=True)
        # The name ends in the first digits of the content's SHA-256.
        digits = re.search(r"-([0-9a-f]{8,})\.", file.name)
        torch.hub.download_url_to_file(url, str(file), digits and digits[1], progress=False)
    return file


def save_weights(name: str, config: EncoderConfig, file: Path) -> None:
    """Write the weights of an encoder as safetensors; opened from them, it is the same."""
    model, _, _ = _model(name, config)
    save_file({key: tensor.contiguous() for key, tensor in model.state_dict().items()}, file)


def _model(name: str, config: EncoderConfig) -> tuple[nn.Module, int, Path]:
    """The model under its weights without its last layer, length of its vectors, weight file."""
    default_weights(name, config)  # which knows the architecture, or tells
    with torch.random.fork_rng(devices=[]):  # weights are drawn, and thrown away
        model = models.get_model(config.architecture)
    last, dimension = _take_off_classifier(name, config, model)
    weights = weight_file(name, config)
    if weights.suffix == ".safetensors":
        state = load_file(weights)
    else:
        state = torch.load(weights, map_location="cpu", weights_only=True)
    # A file may have any number of classes, or none.
    state = {key: tensor for key, tensor in state.items() if not key.startswith(f"{last}.")}
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        if is_path(config.pretrained):
            raise
        # As of DenseNet: torchvision changes names while it reads them.
        raise VeneerError(
            f"Opening the encoder {name}: torchvision's own weights {weights} do not go into its "
            f"{config.architecture} as they are. Save them once, with safetensors.torch.save_file("
            f"torchvision.models.get_model({config.architecture!r}, weights='DEFAULT')"
            ".state_dict(), FILE), and give FILE as `pretrained` in encoders.yml."
        ) from error
    return model.eval(), dimension, weights


def _take_off_classifier(name: str, config: EncoderConfig, model: nn.Module) -> tuple[str, int]:
    """Replace a model's last layer in place; where it was, and how many numbers it saw.

    That is a linear one, alone (``fc``, ``head``, ``classifier``) or at the end of a sequence
    (``classifier``, ``heads``).
    """
    place, head = list(model.named_children())[-1]
    parent, child = model, place
    if isinstance(head, nn.Sequential):
        parent, (child, head) = head, list(head.named_children())[-1]
        place = f"{place}.{child}"
    why = None
    if hasattr(model, "aux_logits"):
        # Inception and GoogLeNet, which under torchvision's own weights take other inputs, too.
        why = "it has side outputs"
    elif not isinstance(head, nn.Linear):
        why = f"its last layer is not linear, but {type(head).__name__}"
    if why:
        raise VeneerError(
            f"Opening the encoder {name}: of torchvision's {config.architecture} it is not clear "
            f"what comes before the classes: {why}. Take another architecture, or another "
            "library's (`family: timm`)."
        )
    setattr(parent, child, nn.Identity())
    return place, head.in_features


def _digest(model: nn.Module) -> str:
    """SHA-256 over the tensors that make the vectors: their names, types, shapes and bytes.

    Not over the file: torchvision's own is a .pth, its copy in a served model is a safetensors
    file, and both are the same encoder.
    """
    digest = hashlib.sha256()
    for key, tensor in sorted(model.state_dict().items()):
        digest.update(f"{key} {tensor.dtype} {tuple(tensor.shape)}\0".encode())
        digest.update(tensor.numpy().tobytes())
    return digest.hexdigest()


def _preprocessing(transform: nn.Module) -> Preprocessing:
    """The geometry of torchvision's ``ImageClassification``."""
    (size,), (resize,) = transform.crop_size, transform.resize_size
    return Preprocessing(
        height=size,
        width=size,
        resize=(resize, resize),
        mode="shortest",
        interpolation=transform.interpolation.value,
        fill=(0, 0, 0),
        mean=tuple(transform.mean),
        std=tuple(transform.std),
    )
