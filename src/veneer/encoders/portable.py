"""An encoder as a folder that can be opened anywhere, without a hub."""

from __future__ import annotations

import shutil
from pathlib import Path

from veneer.encoders.config import EncoderConfig, resolve_encoder
from veneer.encoders.families import BASE, FAMILIES, family_module
from veneer.encoders.weights import fetched_folder
from veneer.errors import VeneerError

WEIGHTS = "weights.safetensors"
# What else a model folder may hold of the same weights.
_OTHER_WEIGHTS = {".bin", ".ckpt", ".h5", ".msgpack", ".onnx", ".pt", ".pth", ".safetensors"}


def copy_encoder(encoder: str, encoders: dict[str, EncoderConfig], target: Path) -> EncoderConfig:
    """Copy all that it takes to open an encoder: weights, configuration, tokens, licences.

    Parameters
    ----------
    encoder, encoders
        As for :func:`veneer.encoders.encoder.open_encoder`.
    target : Path
        An empty folder.

    Returns
    -------
    EncoderConfig
        Whose ``pretrained`` lies in ``target``; opened, it has the fingerprint of the original.

    Raises
    ------
    VeneerError
        When the weights are no safetensors file and could not be made one.
    """
    config = resolve_encoder(encoder, encoders)
    folder = fetched_folder(config)
    if folder is not None:
        _, folder_weights = FAMILIES[config.family].folder
        for file in sorted(folder.iterdir()):
            if file.name == folder_weights or (
                file.is_file() and file.suffix not in _OTHER_WEIGHTS
            ):
                shutil.copyfile(file, target / file.name)
        if config.family == "tuned":
            shutil.copytree(folder / BASE, target / BASE)
        return config.model_copy(update={"pretrained": str(target)})
    weights, quick_gelu = _weights_of(encoder, config)
    if config.family == "torchvision" and weights.suffix != ".safetensors":
        family_module("torchvision").save_weights(encoder, config, target / WEIGHTS)
    elif weights.suffix == ".safetensors":
        shutil.copyfile(weights, target / WEIGHTS)
    else:
        raise VeneerError(
            f"Copying the encoder {encoder}: its weights are {weights.name}, which is no "
            "safetensors file and could carry code. Convert it once, for instance with "
            "safetensors.torch.save_file(torch.load(FILE, weights_only=True), ...), and name the "
            "result as `pretrained` in conf/local/parameters/encoders.yml."
        )
    found = {"pretrained": str(target / WEIGHTS), "quick_gelu": quick_gelu}
    return config.model_copy(update=found)


def _weights_of(name: str, config: EncoderConfig) -> tuple[Path, bool | None]:
    """Weight file on this machine, and the activation where the file needs one to be named."""
    family = family_module(config.family)
    if config.family == "open_clip":
        weights, quick_gelu = family.bare_weights(name, config)
        return Path(weights), quick_gelu
    return Path(family.weight_file(name, config)), None
