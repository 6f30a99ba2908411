"""What the families of encoders differ in. How each is loaded stands in the module of its name."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from types import ModuleType

MODEL_FOLDER_CONFIG = "open_clip_config.json"
FOLDER_WEIGHTS = "open_clip_model.safetensors"
TUNED_CARD = "tuned.json"
BASE = "base"
"""Folder of the encoder that a tuned one was made of, within its own."""


@dataclass(frozen=True)
class Family:
    """A library, or a part of one, that defines architectures.

    Attributes
    ----------
    libraries : tuple of str
        What has to be installed besides torch, as pip names it. Their versions decide whether what
        is kept of an encoder still holds.
    folder : (str, str) or None
        Names of the configuration and of the weights in a model folder; None where there are no
        such folders.
    extra : str or None
        The extra of veneer that installs the libraries; None where a plain installation does.
    """

    libraries: tuple[str, ...]
    folder: tuple[str, str] | None = None
    extra: str | None = None


FAMILIES = {
    "open_clip": Family(
        libraries=("open_clip_torch", "timm"),
        folder=(MODEL_FOLDER_CONFIG, FOLDER_WEIGHTS),
    ),
    "timm": Family(libraries=("timm",)),
    "torchvision": Family(libraries=("torchvision",)),
    "vae": Family(
        libraries=("diffusers",),
        folder=("config.json", "diffusion_pytorch_model.safetensors"),
        extra="vae",
    ),
    # Its libraries are those of the encoder inside: veneer.encoders.tuned.libraries_of.
    "tuned": Family(
        libraries=(),
        folder=(TUNED_CARD, "tuned.safetensors"),
    ),
}


def family_module(family: str) -> ModuleType:
    """The module whose ``load`` opens the encoders of a family; imports the family's library."""
    return import_module(f"veneer.encoders.{family}")
