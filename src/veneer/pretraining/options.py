"""What may stand under ``pretraining`` in the parameters."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from veneer.sources.options import Options, Positive

# Of the space of texts, and of what the trunk sees.
_TEXT_WIDTH, _IMAGE_WIDTH = 512, 1280
# Widening leaves `width + shared - 2` hidden units to what is shared, of which 1000 are classes.
_LEAST = 1002

LANE_ROOM = {4: 16, 5: 24, 6: 32}
"""Channels by which EfficientNet-Lite3's streams are wider than Lite2's, after each stage."""
CENTRING_STAGE = 5
"""The one behind whose first block a kernel reaches far across the map."""

Share = Annotated[float, Field(ge=0, le=1)]
Above = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=0)]


class CorpusOptions(Options):
    """How many texts are drawn of each sort; see :func:`veneer.pretraining.corpus.build_corpus`."""

    glosses: Count
    textures: Count
    everyday: Count
    phrases: Count
    products: Count
    waste: Count


class TowerOptions(Options):
    """What a text tower is, and how long it learns; see ``pretraining.yml``."""

    width: Positive
    heads: Positive
    layers: Positive
    batch: Positive
    bag_steps: Positive
    steps: Positive
    rounded_from: Share
    prompts_from: Share
    bag_rate: Above
    table_rate: Above
    rate: Above
    every: Positive

    @model_validator(mode="after")
    def _heads_part_the_width(self) -> TowerOptions:
        if self.width % self.heads:
            raise ValueError(f"{self.heads} heads cannot share a width of {self.width}")
        return self


class LaneOptions(Options):
    """How many lanes begin where; see :func:`veneer.pretraining.lanes.lay_lanes`."""

    colours: Annotated[int, Field(ge=0, le=3)]
    centres: Annotated[int, Field(ge=0, le=3)]
    names: Annotated[int, Field(ge=0, le=12)]
    textures: dict[Literal[4, 5, 6], Count]
    pictures: Positive

    @model_validator(mode="after")
    def _lanes_have_room(self) -> LaneOptions:
        if self.centres > self.colours:
            raise ValueError(f"{self.centres} centres of {self.colours} colours")
        count = self.colours + self.names
        for stage, room in LANE_ROOM.items():
            count += self.textures.get(stage, 0)
            if stage == CENTRING_STAGE:
                count += self.centres
            if count > room:
                raise ValueError(f"{count} lanes after stage {stage}, where {room} have room")
        return self


class HeadOptions(Options):
    """How an image head is trained; see ``pretraining.yml``."""

    steps: Positive
    batch: Positive
    rate: Above
    hidden_rate: Above
    textures: Share | Above
    mixing: Share
    dropout: Annotated[float, Field(ge=0, lt=1)]
    colours: Annotated[float, Field(ge=0)]


class PretrainingOptions(Options):
    """From what, how large and for how long; see ``pretraining.yml``."""

    pictures: Positive
    width: Annotated[int, Field(ge=2)]
    shared: Positive
    whitening: Share
    corpus: CorpusOptions
    text: TowerOptions
    lanes: LaneOptions
    heads: Annotated[list[HeadOptions], Field(min_length=1)]
    average: list[Annotated[float, Field(ge=0)]]
    image_weight: Above
    lane_weight: Above
    threads: Positive

    @model_validator(mode="after")
    def _sizes_fit(self) -> PretrainingOptions:
        if len(self.average) != len(self.heads) + 1 or abs(sum(self.average) - 1) > 1e-6:
            raise ValueError(
                "average has one share for each of the heads, and one for the start; "
                "together they are 1"
            )
        if not self.shared < self.width:
            raise ValueError("width is larger than shared")
        if self.shared > _TEXT_WIDTH:
            raise ValueError(f"shared is {_TEXT_WIDTH} at most: texts have no more dimensions")
        if self.width - self.shared > _IMAGE_WIDTH:
            raise ValueError(f"width is {_IMAGE_WIDTH} above shared at most: images have no more")
        if self.width + self.shared < _LEAST:
            raise ValueError(
                f"width and shared are {_LEAST} together at least, so that the image head has a "
                "hidden unit for each of ImageNet's classes"
            )
        return self
