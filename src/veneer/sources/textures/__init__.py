"""A synthesiser of textures: seeded drawings of DTD's attributes in named colours, with captions.

`draw` makes one texture. `sample_files` makes a whole collection of image files, copies and
damaged files included, for trying every part of the project where no photographs are at hand.
`photograph` draws a texture as a photograph may show it, for training where none are labelled.
"""

from veneer.sources.textures.colours import COLOURS
from veneer.sources.textures.files import sample_files
from veneer.sources.textures.kinds import KINDS, SAMPLE_KINDS, Kind
from veneer.sources.textures.materials import MATERIALS
from veneer.sources.textures.photographs import (
    Photograph,
    photograph,
    photograph_in_shades,
)
from veneer.sources.textures.render import Texture, draw
from veneer.sources.textures.variants import VARIANTS

__all__ = [
    "COLOURS",
    "KINDS",
    "MATERIALS",
    "SAMPLE_KINDS",
    "VARIANTS",
    "Kind",
    "Photograph",
    "Texture",
    "draw",
    "photograph",
    "photograph_in_shades",
    "sample_files",
]
