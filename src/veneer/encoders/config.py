"""How an encoder is named, and which one a name means."""

from __future__ import annotations

import difflib
from importlib.resources import files
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, RootModel

from veneer.errors import VeneerError

PACKAGED = "packaged"
MODEL_FOLDER_CONFIG = "open_clip_config.json"


class EncoderConfig(BaseModel):
    """One entry of ``conf/base/parameters/encoders.yml``.

    Attributes
    ----------
    family : {"open_clip", "timm"}
        The library that defines the architecture.
    architecture : str, optional
        Its name there, e.g. ``RN50``. Not needed where ``pretrained`` is a model folder.
    pretrained : str, optional
        A tag of open_clip (``openai``), the path of an open_clip model folder, the path of a
        safetensors file, or ``packaged`` for the encoder that veneer carries. For timm: a path,
        or nothing for the weights that timm names itself.
    quick_gelu : bool, optional
        The activation a bare open_clip weight file was trained with. It cannot be read from the
        file, and the wrong one gives wrong vectors without a word; so it must be said.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    family: Literal["open_clip", "timm"]
    architecture: str | None = None
    pretrained: str | None = None
    quick_gelu: bool | None = None


class Encoders(RootModel[dict[str, EncoderConfig]]):
    """All named encoders."""


def is_path(text: str | None) -> bool:
    """Whether ``text`` names a file or folder, rather than an encoder or a tag."""
    return isinstance(text, str) and ("/" in text or "\\" in text or text.endswith(".safetensors"))


def encoder_name(encoder: str) -> str:
    """Name of an encoder given by name or by path: of a path, the name of its last folder."""
    return Path(encoder).name if is_path(encoder) else encoder


def resolve_encoder(encoder: str, encoders: dict[str, EncoderConfig]) -> EncoderConfig:
    """Configuration of the encoder that ``encoder`` names.

    Parameters
    ----------
    encoder : str
        A key of ``encoders``, or the path of an open_clip model folder.

    Raises
    ------
    VeneerError
        When it is neither.
    """
    if encoder in encoders:
        return encoders[encoder]
    if is_path(encoder):
        if (Path(encoder) / MODEL_FOLDER_CONFIG).is_file():
            return EncoderConfig(family="open_clip", pretrained=encoder)
        raise VeneerError(
            f"Opening the encoder {encoder}: this is no open_clip model folder, it holds no "
            f"{MODEL_FOLDER_CONFIG}. Give the folder that open_clip's push_to_hf_hub or "
            "save_pretrained wrote, or name an encoder of conf/base/parameters/encoders.yml."
        )
    close = difflib.get_close_matches(encoder, encoders, n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    raise VeneerError(
        f"The encoder {encoder!r} is unknown.{hint} Known are {', '.join(encoders)} (see "
        "conf/base/parameters/encoders.yml); the path of an open_clip model folder works too."
    )


def packaged_folder() -> str:
    """Folder of the encoder that comes with the package."""
    return str(files("veneer.encoders") / "mini")
