"""Encoders that were tuned here: another one, some of whose weights have changed, and a projection.

A tuned encoder is a folder, complete in itself: the encoder that it was made of (``base/``), what
has changed of its weights and the projection (``tuned.safetensors``), and a card (``tuned.json``).
Texts go through the same projection as images, so they can still be searched by.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from veneer.atomic import making_folder
from veneer.encoders.config import EncoderConfig
from veneer.encoders.families import BASE, FAMILIES, family_module
from veneer.encoders.towers import Tower, Towers
from veneer.encoders.weights import file_sha256
from veneer.errors import VeneerError
from veneer.schema import TUNED

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class TunedEncoder:
    """What training has made of an encoder.

    Attributes
    ----------
    card : dict
        ``digest`` (of all that it depends on), ``base`` (the encoder's name), ``base_fingerprint``,
        ``train``, ``objective``, ``labels``, and whatever else is worth knowing.
    projection : dict of str to Tensor
        See :func:`veneer.encoders.projection.projection_of`.
    tower : dict of str to Tensor
        Weights of the image tower that have changed, by their names in its reference module.
    """

    card: dict[str, Any]
    projection: dict[str, torch.Tensor]
    tower: dict[str, torch.Tensor]


def load(name: str, config: EncoderConfig) -> Towers:
    """Load a tuned encoder, in fp32.

    Raises
    ------
    VeneerError
        When a file of the folder is missing, or of another encoder.
    """
    from veneer.encoders.projection import Tuned, projection_of

    folder = Path(config.pretrained)
    tuned = read(folder)
    base = base_of(config)
    towers = family_module(base.family).load(name, base)
    present = towers.description.fingerprint
    if present != tuned.card["base_fingerprint"]:
        raise VeneerError(
            f"Opening the encoder {name}: {folder / BASE} is the encoder [{present}], and the "
            f"weights beside it belong to [{tuned.card['base_fingerprint']}]. Copy the whole "
            "folder anew from where it was made, or tune the encoder again."
        )
    _change(towers.image.reference, tuned.tower, folder)
    projection = projection_of(tuned.projection)

    def projected(tower: Tower) -> Tower:
        return Tower(
            Tuned(tower.reference, projection).eval(),
            Tuned(tower.lean, projection).eval(),
            tower.examples,
        )

    weights = folder / FAMILIES["tuned"].folder[1]
    description = replace(
        towers.description,
        fingerprint=f"{TUNED}weights sha256 {file_sha256(weights)}; on {present}",
        dimension=len(tuned.projection["straight.weight"]),
    )
    text = None if towers.text is None else projected(towers.text)
    return Towers(description, projected(towers.image), text, str(weights))


def _change(reference: torch.nn.Module, tower: dict[str, torch.Tensor], folder: Path) -> None:
    """Put changed weights into an image tower; its lean form shares them."""
    import torch

    known = dict(reference.named_parameters())
    with torch.no_grad():
        for name, value in tower.items():
            if name not in known or known[name].shape != value.shape:
                raise VeneerError(
                    f"Opening the encoder {folder.name}: its weights have {name} of shape "
                    f"{tuple(value.shape)}, which the encoder in {folder / BASE} does not have. "
                    "A library may name its layers otherwise in this version; tune it again."
                )
            known[name].copy_(value)


def tokenizer(config: EncoderConfig):
    """The tokenizer of the encoder that it was made of."""
    base = base_of(config)
    return family_module(base.family).tokenizer(base)


def libraries_of(config: EncoderConfig) -> tuple[str, ...]:
    """What has to be installed for an encoder, as pip names it: of a tuned one, for its base."""
    return FAMILIES[config.family].libraries or libraries_of(base_of(config))


def read_card(folder: Path) -> dict[str, Any]:
    """The card of a tuned encoder.

    Raises
    ------
    VeneerError
        When it is missing or damaged.
    """
    file = folder / FAMILIES["tuned"].folder[0]
    try:
        card = json.loads(file.read_text())
        if not {"digest", "base", "base_fingerprint", "config"} <= set(card):
            raise ValueError("it has not all that belongs into it")
        return card
    except (OSError, ValueError, TypeError) as error:
        raise VeneerError(
            f"Opening the tuned encoder {folder}: its card {file.name} cannot be read: {error}. "
            "Copy the whole folder anew from where it was made, or tune the encoder again."
        ) from error


def read(folder: Path) -> TunedEncoder:
    """What :func:`write` wrote.

    Raises
    ------
    VeneerError
        When a file is missing or damaged.
    """
    import safetensors.torch
    from safetensors import SafetensorError

    card, file = read_card(folder), folder / FAMILIES["tuned"].folder[1]
    try:
        tensors = safetensors.torch.load_file(file)
    except (OSError, SafetensorError) as error:
        raise VeneerError(
            f"Opening the tuned encoder {folder}: its weights {file.name} cannot be read: {error}. "
            "Copy the whole folder anew from where it was made, or tune the encoder again."
        ) from error
    parts: dict[str, dict[str, torch.Tensor]] = {"projection": {}, "tower": {}}
    for key, value in tensors.items():
        part, _, name = key.partition(".")
        parts[part][name] = value
    return TunedEncoder(card, parts["projection"], parts["tower"])


def write(
    folder: Path, tuned: TunedEncoder, encoder: str, encoders: dict[str, EncoderConfig]
) -> None:
    """Write a tuned encoder with a copy of the one that it was made of.

    Parameters
    ----------
    folder : Path
        Must not be there yet; it is, when all of it is.
    tuned : TunedEncoder
    encoder, encoders
        The encoder it was made of, as for :func:`veneer.encoders.encoder.open_encoder`.
    """
    import safetensors.torch

    from veneer.encoders.portable import copy_encoder

    card_file, weights_file = FAMILIES["tuned"].folder
    tensors = {f"projection.{name}": each for name, each in tuned.projection.items()}
    tensors |= {f"tower.{name}": each for name, each in tuned.tower.items()}
    with making_folder(folder) as temporary:
        base = temporary / BASE
        base.mkdir()
        config = copy_encoder(encoder, encoders, base)
        inside = Path(config.pretrained).relative_to(temporary)
        config = config.model_copy(update={"pretrained": inside.as_posix()})
        card = tuned.card | {"config": config.model_dump(exclude_none=True)}
        safetensors.torch.save_file(
            {name: each.contiguous() for name, each in tensors.items()}, temporary / weights_file
        )
        (temporary / card_file).write_text(json.dumps(card, indent=1))


def base_of(config: EncoderConfig) -> EncoderConfig:
    """The encoder that a tuned one was made of, in its folder."""
    folder = Path(config.pretrained)
    base = EncoderConfig(**read_card(folder)["config"])
    return base.model_copy(update={"pretrained": str(folder / base.pretrained)})


def project(vectors: np.ndarray, tuned: TunedEncoder) -> np.ndarray:
    """What a tuned encoder makes of images, from what its base has made of them.

    Parameters
    ----------
    vectors : float32 array [n, D], rows of length 1
    tuned : TunedEncoder
        Of whose tower nothing has changed.

    Returns
    -------
    float32 array [n, dimension], rows of length 1
    """
    from veneer.encoders.projection import projected, projection_of

    if tuned.tower:
        raise ValueError("the tower has changed: its images have to be embedded again")
    return projected(vectors, projection_of(tuned.projection))
