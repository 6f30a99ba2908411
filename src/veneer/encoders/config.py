"""How an encoder is named, and which one a name means."""

from __future__ import annotations

import difflib
import re
from importlib.resources import files
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, PositiveInt, RootModel, model_validator

from veneer.encoders.families import MODEL_FOLDER_CONFIG, TUNED_CARD
from veneer.errors import VeneerError

PACKAGED = "packaged"
_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*(?<!\.safetensors)")


class EncoderConfig(BaseModel):
    """One entry of ``conf/base/parameters/encoders.yml``.

    Attributes
    ----------
    family : {"open_clip", "timm", "torchvision", "vae", "tuned"}
        The library that defines the architecture; see :data:`veneer.encoders.families.FAMILIES`.
    architecture : str, optional
        Its name there, e.g. ``RN50``. Not needed where ``pretrained`` is a model folder.
    pretrained : str, optional
        A tag of open_clip (``openai``), the path of an open_clip model folder, the path of a
        safetensors file, or ``packaged`` for the encoder that veneer carries. For timm and
        torchvision: a path, or nothing for the weights that they name themselves. For vae: the path
        of a model folder of diffusers, or a repository of the hub (``owner/name``). For tuned: the
        path of the folder that the pipeline `finetuning` wrote.
    quick_gelu : bool, optional
        The activation a bare open_clip weight file was trained with. It cannot be read from the
        file, and the wrong one gives wrong vectors without a word; so it must be said.
    image_size : int, optional
        For vae: pixels of the square that is encoded; by default the model's own ``sample_size``.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    family: Literal["open_clip", "timm", "torchvision", "vae", "tuned"]
    architecture: str | None = None
    pretrained: str | None = None
    quick_gelu: bool | None = None
    image_size: PositiveInt | None = None

    @model_validator(mode="after")
    def _sizes_are_for_vae(self) -> EncoderConfig:
        if self.image_size is not None and self.family != "vae":
            raise ValueError(
                f"`image_size` is for encoders of the family vae; one of {self.family} has the "
                "size that it was trained for. Leave it out"
            )
        return self


class Encoders(RootModel[dict[str, EncoderConfig]]):
    """All named encoders."""


def is_path(text: str | None) -> bool:
    """Whether ``text`` names a file or folder, rather than an encoder or a tag."""
    return isinstance(text, str) and ("/" in text or "\\" in text or text.endswith(".safetensors"))


def names_repository(family: str | None, pretrained: str | None) -> bool:
    """Whether ``pretrained`` is a repository of the hub, ``owner/name``.

    A relative path looks the same: what is there is a path.
    """
    return (
        family == "vae"
        and isinstance(pretrained, str)
        and _REPOSITORY.fullmatch(pretrained) is not None
        and not Path(pretrained).exists()
    )


def encoder_name(encoder: str) -> str:
    """Name of an encoder given by name or by path: of a path, the name of its last folder."""
    return Path(encoder).name if is_path(encoder) else encoder


def resolve_encoder(encoder: str, encoders: dict[str, EncoderConfig]) -> EncoderConfig:
    """Configuration of the encoder that ``encoder`` names.

    Parameters
    ----------
    encoder : str
        A key of ``encoders``, or the path of an open_clip model folder or of a tuned encoder.

    Raises
    ------
    VeneerError
        When it is none of these.
    """
    if encoder in encoders:
        return encoders[encoder]
    if is_path(encoder):
        if (Path(encoder) / MODEL_FOLDER_CONFIG).is_file():
            return EncoderConfig(family="open_clip", pretrained=encoder)
        if (Path(encoder) / TUNED_CARD).is_file():
            return EncoderConfig(family="tuned", pretrained=encoder)
        raise VeneerError(
            f"Opening the encoder {encoder}: this is no open_clip model folder and no tuned "
            f"encoder, it holds no {MODEL_FOLDER_CONFIG} and no {TUNED_CARD}. Give the folder that "
            "open_clip's push_to_hf_hub or save_pretrained wrote, or that kedro run --pipelines "
            "finetuning named, or name an encoder of conf/base/parameters/encoders.yml."
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
