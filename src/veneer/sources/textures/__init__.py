"""A synthesiser of textures: seeded drawings of DTD's attributes in named colours, with captions.

`draw` makes one texture. `sample_files` makes a whole collection of image files, copies and
damaged files included, for trying every part of the project where no photographs are at hand.
"""

from veneer.sources.textures.colours import COLOURS
from veneer.sources.textures.files import sample_files
from veneer.sources.textures.kinds import KINDS, SAMPLE_KINDS, Kind
from veneer.sources.textures.render import Texture, draw

__all__ = [
    "COLOURS",
    "KINDS",
    "SAMPLE_KINDS",
    "Kind",
    "Texture",
    "draw",
    "sample_files",
]
