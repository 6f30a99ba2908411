"""Image encoders of the vae family: AutoencoderKL of diffusers.

(https://github.com/huggingface/diffusers, Kingma and Welling 2014, Rombach et al. 2022.)
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import torch
from diffusers import AutoencoderKL
from safetensors import safe_open
from torch import nn

from veneer.encoders.config import EncoderConfig
from veneer.encoders.families import FAMILIES
from veneer.encoders.pixels import pixel_tower
from veneer.encoders.preprocessing import Preprocessing
from veneer.encoders.towers import Description, Towers
from veneer.encoders.weights import allowed_precisions, fetched_folder, file_sha256
from veneer.errors import VeneerError

_USED = ("encoder.", "quant_conv.")
# Names in older files, which diffusers reads in this way, too.
_NEW_NAMES = {
    ".query.": ".to_q.",
    ".key.": ".to_k.",
    ".value.": ".to_v.",
    ".proj_attn.": ".to_out.0.",
}


class _Latents(nn.Module):
    """The half of an autoencoder that the vectors come from; the other is neither made nor read."""

    def __init__(self, model: AutoencoderKL):
        super().__init__()
        self.encoder = model.encoder
        self.quant_conv = model.quant_conv  # None in some

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Mean of the latent distribution, [n, channels * h * w]."""
        moments = self.encoder(images)
        if self.quant_conv is not None:
            moments = self.quant_conv(moments)
        mean, _ = moments.chunk(2, dim=1)
        return mean.flatten(1)


def load(name: str, config: EncoderConfig) -> Towers:
    """Load the encoding half of an AutoencoderKL, in fp32.

    The embedding is the mean of the latent distribution, neither scaled nor shifted, flattened:
    an eighth of ``image_size`` to the square, times four channels, in the usual models. It has a
    place for each part of the image, and so tells where something is as well as what it is.
    """
    folder = fetched_folder(config)
    settings_file, weights = (folder / each for each in FAMILIES["vae"].folder)
    settings = json.loads(settings_file.read_text())
    if settings.get("_class_name") != AutoencoderKL.__name__:
        raise VeneerError(
            f"Opening the encoder {name}: {settings_file} is of the class "
            f"{settings.get('_class_name')}, and only an AutoencoderKL can be opened. Give the "
            "folder or the repository of one, such as stabilityai/sd-vae-ft-mse."
        )
    with torch.device("meta"):  # without memory: the weights come from the file
        model = AutoencoderKL.from_config(settings)
        latents = _Latents(model).eval()
        preprocessing = _preprocessing(config.image_size or model.config.sample_size)
        size = (1, 3, preprocessing.height, preprocessing.width)
        dimension = latents(torch.zeros(size)).shape[1]
    latents.load_state_dict(_read(weights), assign=True)
    latents = latents.to(memory_format=torch.channels_last)
    precisions = allowed_precisions(weights)
    if model.config.force_upcast:
        # Their authors' word for activations beyond what fp16 can hold.
        precisions = tuple(each for each in precisions if each != "fp16")
    description = Description(
        fingerprint=(
            f"vae of config {_digest(settings)}; weights sha256 {file_sha256(weights)}; "
            f"{preprocessing}"
        ),
        dimension=dimension,
        precisions=precisions,
        preprocessing=preprocessing,
        has_text=False,
        clip_context=None,
    )
    return Towers(description, pixel_tower(preprocessing, latents, latents), None, str(weights))


def _read(weights: Path) -> dict[str, torch.Tensor]:
    with safe_open(weights, framework="pt") as file:
        names = [each for each in file.keys() if each.startswith(_USED)]  # noqa: SIM118
        return {_new_name(each): file.get_tensor(each).float() for each in names}


def _new_name(name: str) -> str:
    for old, new in _NEW_NAMES.items():
        name = name.replace(old, new)
    return name


def _digest(settings: dict) -> str:
    """Of what makes the model; names that begin with ``_`` tell who wrote it, and when."""
    own = {key: value for key, value in settings.items() if not key.startswith("_")}
    return hashlib.sha256(json.dumps(own, sort_keys=True).encode()).hexdigest()[:16]


def _preprocessing(size: int | list[int]) -> Preprocessing:
    """The middle of an image, its pixels from -1 to 1, as these models were trained.

    diffusers leaves the geometry to the caller; this is that of CLIP, bicubic.
    """
    height, width = (size, size) if isinstance(size, int) else size
    return Preprocessing(
        height=height,
        width=width,
        resize=(height, width),
        mode="shortest",
        interpolation="bicubic",
        fill=(0, 0, 0),
        mean=(0.5, 0.5, 0.5),
        std=(0.5, 0.5, 0.5),
    )
