"""What may stand under ``finetuning`` in the parameters."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from veneer.sources.options import Options, Parted, Positive


def _folder_name(name: str) -> str:
    if not re.fullmatch(r"[^/\\\0.][^/\\\0]*", name):
        raise ValueError(
            "a tuned encoder's name becomes that of a folder: give --params tuned=..., without "
            "slashes and without a dot at its beginning"
        )
    return name


def _distinct(labels: list[str]) -> list[str]:
    if len(set(labels)) < len(labels):
        raise ValueError("each label is named once")
    return labels


class AugmentationOptions(Options):
    """See :func:`veneer.finetuning.inputs.augmented`."""

    crop: Annotated[float, Field(gt=0, le=1)]
    flip: bool
    colour: Annotated[float, Field(ge=0, lt=1)]


class FinetuningOptions(Options):
    """What is trained, towards what, and for how long; see ``finetuning.yml``."""

    name: Annotated[str, AfterValidator(_folder_name)]
    train: Literal["projection", "last_stage", "all"]
    labels: Annotated[list[str], Parted, Field(min_length=1), AfterValidator(_distinct)]
    pairs: Literal["ideal", "by_label"]
    min_group_size: Positive
    objective: str
    loss: dict[str, Any]
    miner: str | None
    miner_options: dict[str, Any]
    distance: str | None
    distance_options: dict[str, Any]
    dimension: Positive | None
    hidden: Positive | None
    dropout: Annotated[float, Field(ge=0, lt=1)]
    groups: Annotated[int, Field(ge=2)]
    images_per_group: Annotated[int, Field(ge=2)]
    epochs: Positive
    patience: Positive
    stopping_share: Annotated[float, Field(gt=0, lt=1)]
    stopping_candidates: Positive
    learning_rate: Annotated[float, Field(gt=0)]
    backbone_learning_rate: Annotated[float, Field(gt=0)]
    weight_decay: Annotated[float, Field(ge=0)]
    precision: Literal["auto", "fp32", "bf16", "fp16"]
    augmentation: AugmentationOptions

    @model_validator(mode="after")
    def _options_are_of_something(self) -> FinetuningOptions:
        for what in ("miner", "distance"):
            if getattr(self, what) is None and getattr(self, f"{what}_options"):
                raise ValueError(f"`{what}_options` are given, and `{what}` names none")
        return self
