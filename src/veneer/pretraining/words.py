"""The words that have an axis of their own: texture attributes, materials, colours.

The attributes are the 47 words of the Describable Textures Dataset (Cimpoi et al. 2014, Describing
textures in the wild). Materials are those of MINC (Bell et al. 2015, Material recognition in the
wild with the Materials in Context Database) and of household waste. The synonyms are our own.
"""

from __future__ import annotations

import re
from functools import cache

import numpy as np

# Each with words and phrases that mean it; the first is the word itself. A caption takes plurals
# and phrases with "with" behind its noun, everything else before it.
ATTRIBUTES: dict[str, tuple[str, ...]] = {
    "banded": ("banded", "with bands", "horizontal bands", "broad bands", "bands of colour"),
    "blotchy": ("blotchy", "blotched", "blotches", "mottled", "patchy", "splotchy"),
    "braided": ("braided", "plaited", "braids", "braid", "plaits", "pleached"),
    "bubbly": ("bubbly", "bubbles", "foamy", "frothy", "foam", "soap bubbles", "bubble", "suds"),
    "bumpy": ("bumpy", "bumps", "lumpy", "knobbly", "warty", "lumps"),
    "chequered": (
        "chequered",
        "checkered",
        "checked",
        "checkerboard",
        "chequerboard",
        "chessboard",
        "gingham",
        "tartan",
        "plaid",
    ),
    "cobwebbed": (
        "cobwebbed",
        "cobwebs",
        "spider web",
        "cobweb",
        "spider webs",
        "spiderweb",
        "spider's web",
    ),
    "cracked": ("cracked", "cracks", "crackled", "fissured", "crack", "fissures"),
    "crosshatched": (
        "crosshatched",
        "cross-hatched",
        "crosshatching",
        "cross hatched",
        "hatched lines",
    ),
    "crystalline": ("crystalline", "crystals", "crystal", "quartz", "amethyst", "ice crystals"),
    "dotted": ("dotted", "dots", "spotted", "spots"),
    "fibrous": ("fibrous", "fibres", "stringy", "fibers", "strands"),
    "flecked": ("flecked", "flecks", "speckled", "specks", "speckles"),
    "freckled": ("freckled", "freckles", "freckly"),
    "frilly": ("frilly", "frills", "ruffled", "ruffles"),
    "gauzy": ("gauzy", "gauze", "sheer", "translucent", "tulle", "chiffon"),
    "grid": ("grid", "gridded", "square grid", "lattice", "grid lines", "graph paper"),
    "grooved": ("grooved", "grooves", "ridged", "furrowed", "corrugated", "ridges", "furrows"),
    "honeycombed": ("honeycombed", "honeycomb", "hexagonal", "hexagons", "hexagonal cells"),
    "interlaced": ("interlaced", "intertwined", "interlacing", "entwined", "celtic knot"),
    "knitted": ("knitted", "knit", "crocheted", "knitting", "knitwear"),
    "lacelike": ("lacelike", "lace", "lacy", "lace-like"),
    "lined": ("lined", "thin lines", "parallel lines", "ruled", "with lines"),
    "marbled": ("marbled", "marbling", "marbleised", "swirled marble"),
    "matted": ("matted", "tangled", "shaggy", "matted hair", "tangled fur"),
    "meshed": ("meshed", "mesh", "wire mesh", "netting", "net", "chain link"),
    "paisley": ("paisley", "paisleys"),
    "perforated": ("perforated", "perforations", "holes", "punched holes"),
    "pitted": ("pitted", "pits", "dimpled", "pockmarked", "dimples"),
    "pleated": ("pleated", "pleats", "folded fabric"),
    "polka-dotted": ("polka-dotted", "polka dots", "polka dot", "polka dotted", "polka-dot"),
    "porous": ("porous", "pores", "spongy", "sponge"),
    "potholed": ("potholed", "potholes", "pothole"),
    "scaly": ("scaly", "scales", "fish scales", "snakeskin", "reptile skin", "snake skin"),
    "smeared": ("smeared", "smears", "smudged", "smear", "smudges", "brushed paint"),
    "spiralled": ("spiralled", "spiral", "spirals", "spiraled", "coiled"),
    "sprinkled": ("sprinkled", "sprinkles", "scattered", "strewn"),
    "stained": ("stained", "stains", "stain"),
    "stratified": ("stratified", "strata", "layered", "rock layers", "sedimentary layers"),
    "striped": ("striped", "stripes", "stripy", "stripe", "pinstriped", "pinstripes"),
    "studded": ("studded", "studs", "riveted", "rivets"),
    "swirly": ("swirly", "swirls", "swirling", "swirled"),
    "veined": ("veined", "veins", "leaf veins"),
    "waffled": ("waffled", "waffle", "waffles"),
    "woven": ("woven", "weave", "wicker", "basket weave", "wickerwork", "weaving"),
    "wrinkled": ("wrinkled", "wrinkles", "creased", "crumpled", "creases", "crinkled"),
    "zigzagged": ("zigzagged", "zigzags", "zigzag", "chevron", "chevrons", "herringbone"),
}

MATERIALS: dict[str, tuple[str, ...]] = {
    "brick": ("brick", "brickwork", "bricks", "brick wall"),
    "carpet": ("carpet", "rug", "carpets"),
    "ceramic": ("ceramic", "porcelain", "pottery", "earthenware", "ceramics"),
    "fabric": (
        "fabric",
        "cloth",
        "textile",
        "cotton",
        "linen",
        "wool",
        "woollen",
        "silk",
        "velvet",
        "denim",
        "textiles",
        "fabrics",
    ),
    "foliage": ("foliage", "leafy", "leaves", "leafy plants", "vegetation"),
    "food": ("food", "meal", "foodstuff"),
    "glass": ("glass", "glassy", "stained glass", "broken glass"),
    "hair": ("hair", "hairy", "hairs"),
    "leather": ("leather", "suede", "leathery"),
    "metal": (
        "metal",
        "steel",
        "metallic",
        "aluminium",
        "aluminum",
        "copper",
        "chrome",
        "cast iron",
        "wrought iron",
        "tin can",
    ),
    "mirror": ("mirror", "reflective", "mirrors", "mirrored"),
    "painted": ("painted", "paint", "painted wall"),
    "paper": ("paper", "newspaper", "sheet of paper", "papers"),
    "plastic": ("plastic", "plastics", "vinyl", "nylon"),
    "polished stone": ("polished stone", "marble", "granite", "polished marble", "polishedstone"),
    "skin": ("skin", "human skin"),
    "sky": ("sky", "clouds", "cloudy", "cloudy sky", "skies"),
    "stone": ("stone", "rock", "rocky", "cobblestone", "rocks", "stones", "boulders"),
    "tile": ("tile", "tiled", "tiles", "tiling"),
    "wallpaper": ("wallpaper", "wallpapers"),
    "water": ("water", "rippling water", "ripples", "watery"),
    "wood": ("wood", "wooden", "timber", "planks", "wood grain", "plywood", "lumber"),
    "cardboard": ("cardboard", "corrugated cardboard", "carton", "cardboard box", "cartons"),
    "concrete": ("concrete", "cement", "plaster"),
    "grass": ("grass", "lawn", "grassy", "turf"),
    "sand": ("sand", "sandy", "sands"),
    "gravel": ("gravel", "pebbles", "pebble", "shingle"),
    "rust": ("rust", "rusty", "rusted", "corroded"),
    "fur": ("fur", "furry", "fleece", "pelt"),
    "asphalt": ("asphalt", "tarmac", "road surface"),
    "trash": ("trash", "rubbish", "garbage", "litter", "junk"),
}

COLOURS: dict[str, tuple[str, ...]] = {
    "red": ("red", "crimson", "scarlet", "maroon"),
    "orange": ("orange", "amber"),
    "yellow": ("yellow", "golden", "mustard"),
    "green": ("green", "olive", "lime green"),
    "cyan": ("cyan", "turquoise", "teal", "aqua"),
    "blue": ("blue", "navy", "navy blue", "azure"),
    "purple": ("purple", "violet", "lavender", "mauve"),
    "pink": ("pink", "magenta", "rose pink"),
    "brown": ("brown", "tan", "chestnut brown"),
    "black": ("black", "jet black"),
    "white": ("white", "off-white", "off white"),
    "grey": ("grey", "gray", "silver grey", "greyish", "charcoal grey"),
    "beige": ("beige", "cream", "khaki", "cream-coloured"),
}

SYNONYMS: dict[str, tuple[str, ...]] = ATTRIBUTES | MATERIALS | COLOURS
AXES: tuple[str, ...] = tuple(SYNONYMS)

# How much of the one a thing shows that shows the other, so that neighbours are not pushed apart.
NEAR: tuple[tuple[str, str, float], ...] = (
    ("dotted", "polka-dotted", 0.6),
    ("dotted", "freckled", 0.3),
    ("dotted", "flecked", 0.3),
    ("flecked", "freckled", 0.4),
    ("flecked", "sprinkled", 0.4),
    ("striped", "banded", 0.5),
    ("striped", "lined", 0.5),
    ("banded", "lined", 0.3),
    ("banded", "stratified", 0.5),
    ("lined", "grooved", 0.4),
    ("lined", "crosshatched", 0.3),
    ("grid", "crosshatched", 0.3),
    ("grid", "chequered", 0.3),
    ("grid", "meshed", 0.4),
    ("grid", "waffled", 0.3),
    ("meshed", "honeycombed", 0.3),
    ("meshed", "perforated", 0.3),
    ("braided", "interlaced", 0.4),
    ("braided", "knitted", 0.4),
    ("woven", "interlaced", 0.4),
    ("woven", "knitted", 0.3),
    ("woven", "fabric", 0.3),
    ("knitted", "fabric", 0.3),
    ("pleated", "fabric", 0.3),
    ("porous", "pitted", 0.5),
    ("porous", "perforated", 0.3),
    ("potholed", "pitted", 0.3),
    ("potholed", "asphalt", 0.3),
    ("bumpy", "pitted", 0.2),
    ("bumpy", "studded", 0.3),
    ("veined", "marbled", 0.3),
    ("marbled", "swirly", 0.4),
    ("marbled", "polished stone", 0.4),
    ("spiralled", "swirly", 0.4),
    ("blotchy", "stained", 0.5),
    ("stained", "smeared", 0.4),
    ("lacelike", "gauzy", 0.3),
    ("fibrous", "matted", 0.4),
    ("pleated", "wrinkled", 0.3),
    ("stratified", "stone", 0.3),
    ("matted", "fur", 0.3),
    ("fur", "hair", 0.5),
    ("paper", "cardboard", 0.4),
    ("paper", "wallpaper", 0.2),
    ("brick", "tile", 0.3),
    ("stone", "gravel", 0.4),
    ("stone", "concrete", 0.4),
    ("stone", "polished stone", 0.4),
    ("sand", "gravel", 0.3),
    ("concrete", "asphalt", 0.4),
    ("carpet", "fabric", 0.4),
    ("glass", "mirror", 0.4),
    ("glass", "plastic", 0.2),
    ("metal", "rust", 0.4),
    ("foliage", "grass", 0.3),
    ("trash", "plastic", 0.15),
    ("beige", "brown", 0.3),
    ("beige", "white", 0.2),
    ("grey", "white", 0.2),
    ("grey", "black", 0.2),
    ("pink", "red", 0.3),
    ("pink", "purple", 0.2),
    ("orange", "yellow", 0.2),
    ("orange", "red", 0.2),
    ("cyan", "blue", 0.3),
    ("cyan", "green", 0.2),
)


def weight(axis: str) -> float:
    """How much an axis counts: what a surface looks like more than what it is, and colour least."""
    return 1.0 if axis in ATTRIBUTES else 0.9 if axis in MATERIALS else 0.7


@cache
def closeness() -> np.ndarray:
    """What naming each axis says of all of them: float32 [91, 91], rows in the order of AXES.

    A row has the weight of its axis at the axis itself, and a share of it at its neighbours.
    """
    place = {axis: number for number, axis in enumerate(AXES)}
    table = np.eye(len(AXES), dtype=np.float32)
    for one, other, share in NEAR:
        table[place[one], place[other]] = table[place[other], place[one]] = share
    table *= np.array([weight(axis) for axis in AXES], np.float32)[:, None]
    table.flags.writeable = False
    return table


def with_article(noun: str) -> str:
    """A noun with its article; plurals, and what has one, stay as they are.

    >>> [with_article(each) for each in ("apple", "unicycle", "blue jeans", "a man", "abacus")]
    ['an apple', 'a unicycle', 'blue jeans', 'a man', 'an abacus']
    """
    head = re.split(" of | on | in | with ", noun)[0]
    if noun.startswith(("a ", "an ", "the ")) or _is_plural(head):
        return noun
    sounds_like_y = ("uni", "one", "eu", "us", "uku", "ura", "ute")
    vowel = noun[:1].lower() in tuple("aeiou") and not noun.lower().startswith(sounds_like_y)
    return f"{'an' if vowel or noun.lower().startswith(('hour', 'heir')) else 'a'} {noun}"


def _is_plural(noun: str) -> bool:
    singular = ("ss", "us", "is", "as", "os")
    return noun.endswith(("pajamas", "pyjamas")) or (
        noun.endswith("s") and not noun.endswith(singular)
    )
