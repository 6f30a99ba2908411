"""Words to begin with."""

# fmt: off
DTD_ATTRIBUTES = (
    "banded", "blotchy", "braided", "bubbly", "bumpy", "chequered", "cobwebbed", "cracked",
    "crosshatched", "crystalline", "dotted", "fibrous", "flecked", "freckled", "frilly",
    "gauzy", "grid", "grooved", "honeycombed", "interlaced", "knitted", "lacelike", "lined",
    "marbled", "matted", "meshed", "paisley", "perforated", "pitted", "pleated", "polka-dotted",
    "porous", "potholed", "scaly", "smeared", "spiralled", "sprinkled", "stained",
    "stratified", "striped", "studded", "swirly", "veined", "waffled", "woven", "wrinkled",
    "zigzagged",
)
# fmt: on
"""How people describe textures: the attributes of Cimpoi et al., "Describing Textures in the Wild",
CVPR 2014."""
