"""Pictures that stand in for photographs of textures: any kind, material, body, light and camera.

`photograph` draws a texture as it may turn up in a photograph. All that does not make the texture
what it is called changes from picture to picture: its colours, its scale, what carries it, from
where it is seen and lit, what it is printed on and how bad the camera is.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from PIL import Image

from veneer.sources.textures.bodies import (
    BODIES,
    SPREAD_BODIES,
    Surface,
    ball,
    box,
    draped,
    folded,
    lump,
    plate,
    several,
    sheet,
    slant,
    strip,
    thing,
    turned_body,
)
from veneer.sources.textures.camera import (
    Grading,
    blurred,
    defocus,
    develop,
    random_grading,
    random_lamp,
    shade,
)
from veneer.sources.textures.canvas import Canvas, lattice_noise
from veneer.sources.textures.colours import COLOURS, darker
from veneer.sources.textures.kinds import Kind
from veneer.sources.textures.materials import MATERIALS, smooth
from veneer.sources.textures.patterns import Layers
from veneer.sources.textures.variants import VARIANTS

_LEAST_SIZE = 16
_ATTEMPTS = 20
# A colour is named only if it shows on at least this share of the surface.
_LEAST_SHARE = 0.08
# Pale names hold for little but full brightness: less of it and white is grey, cream is beige.
_PALE = frozenset({"white", "cream", "yellow", "pink", "beige", "orange"})
_PLAIN = (Kind(smooth, (2, 5), either_way=False), Kind(smooth, (2, 5), gloss=0.8))


@dataclass(frozen=True)
class Photograph:
    """A picture that stands in for a photograph of a texture.

    Attributes
    ----------
    pixels : np.ndarray
        Uint8 [H, W, 3], red, green and blue.
    attribute : str or None
        The kind of texture, a key of `KINDS`.
    material : str or None
        What it is made of or printed on, a key of `MATERIALS`.
    colours : tuple[str, ...]
        The named colours that show on the texture, largest first. Never empty.
    """

    pixels: np.ndarray
    attribute: str | None
    material: str | None
    colours: tuple[str, ...]


def photograph(
    seed: int | Sequence[int],
    attribute: str | None = None,
    material: str | None = None,
    size: int = 224,
    colours: Sequence[str] | None = None,
) -> Photograph:
    """Draw a picture that stands in for a photograph of a texture.

    The same arguments always give the same pixels, whatever was drawn before.

    Parameters
    ----------
    seed : int or sequence of int
        Not negative.
    attribute : str, optional
        A key of `KINDS`; None is no texture but the material's own.
    material : str, optional
        A key of `MATERIALS`; None leaves what it is made of open. With neither of the two,
        something plain is drawn.
    size : int
        Side of the square image in pixels, at least 16.
    colours : sequence of str, optional
        Keys of `COLOURS` to draw in: one, for shades of it alone, up to three. None picks them.

    Returns
    -------
    Photograph

    Raises
    ------
    ValueError
        If a name is unknown, the size too small or the seed negative.
    """
    _check("kind of texture", attribute, VARIANTS)
    _check("material", material, MATERIALS)
    for colour in colours or ():
        _check("colour", colour, COLOURS)
    if colours is not None and not 1 <= len(set(colours)) == len(colours) <= 3:
        raise ValueError(f"colours must be one to three different ones, not {list(colours)}")
    if size < _LEAST_SIZE:
        raise ValueError(f"size must be at least {_LEAST_SIZE} pixels, not {size}")
    entropy = [seed] if isinstance(seed, int | np.integer) else list(seed)
    names = f"{attribute} {material}".encode()
    # The names' checksum, unlike their hash(), is the same in every run of Python.
    rng = np.random.default_rng([zlib.crc32(names), *entropy])
    return _photograph(rng, attribute, material, size, colours)


def photograph_in_shades(
    seed: Sequence[int], attribute: str, colour: str, size: int = 224
) -> Photograph:
    """Draw a kind of texture in shades of one colour, in a light in which it keeps its name.

    White becomes grey where it is dark. Of 20 drawings at most the first is taken that shows the
    colour, or the last.

    Parameters
    ----------
    seed : sequence of int
        Not negative.
    attribute, colour, size
        As for :func:`photograph`.

    Raises
    ------
    ValueError
        As there.
    """
    for attempt in range(_ATTEMPTS):
        drawn = photograph([*seed, attempt], attribute, None, size, (colour,))
        if colour in drawn.colours:
            break
    return drawn


def _check(what: str, name: str | None, known: dict) -> None:
    if name is not None and name not in known:
        raise ValueError(f"unknown {what}: {name}; known: {', '.join(sorted(known))}")


def _photograph(
    rng: np.random.Generator,
    attribute: str | None,
    material: str | None,
    size: int,
    colours: Sequence[str] | None,
) -> Photograph:
    kinds = VARIANTS[attribute] if attribute else MATERIALS[material] if material else _PLAIN
    kind = kinds[rng.integers(len(kinds))]
    surface = _pick_body(rng, size, attribute, material)
    canvas = _lay_canvas(kind, surface, rng)
    layers = _as_float32(kind.pattern(canvas))
    gloss = kind.gloss * rng.uniform(0.3, 1.2)
    relief, tone = layers.relief, layers.tone
    coloured_as = kind
    if attribute and material:
        ground = MATERIALS[material][rng.integers(len(MATERIALS[material]))]
        relief, tone = _print_on(ground, layers, surface, canvas)
        gloss = max(gloss, ground.gloss * rng.uniform(0.3, 1.0))
        if rng.random() < 0.45:  # wood cracked or striped is mostly still the colour of wood
            coloured_as = ground
    elif rng.random() < 0.3:
        gloss = max(gloss, rng.uniform(0, 0.8))

    palette = tuple(colours) if colours else _palette(coloured_as, rng, 0.74 if attribute else 0.88)
    shades = _shades(palette, rng, 0.4 if colours is None else 0.15)
    weights = _weights(layers, surface)
    image = _paint(shades, layers, canvas)
    own_level = _level(image, weights)
    if tone is not None:
        image *= np.maximum(1 + tone * np.float32(rng.uniform(0.6, 1.15)), 0.04)
    lamp = random_lamp(rng)
    mirror = _MIRRORS.get(material, 0.0) * rng.uniform(0.3, 1)
    image = shade(image, surface, lamp, relief, canvas.pixel, gloss, mirror)
    image *= lamp.colour[:, None, None]
    board = attribute is None and material in _WARES and rng.random() < 0.55
    backdrop = _board(rng, size) if board else _backdrop(rng, size, palette)
    if material == "glass" and attribute is None and surface.cover is not None:
        image = _seen_through(image, backdrop, surface, shades[0])
    image = _set_before(image, backdrop, layers, surface, rng)
    if surface.bent and rng.random() < 0.45:
        image = defocus(image, surface, rng)
    if lamp.flash or rng.random() < 0.5:
        image = _uneven_light(image, lamp.flash, rng)
    grey = colours is None and rng.random() < 0.08
    grading = random_grading(rng, grey, gentle=colours is not None)
    image = grading(_exposed(image, weights, own_level, rng))
    seen = _seen_colours(image, palette, weights, grading)
    return Photograph(develop(image, rng), attribute, material, seen)


def _pick_body(
    rng: np.random.Generator, size: int, attribute: str | None, material: str | None
) -> Surface:
    """Return what carries the texture: ground and growth lie spread out, wares stand alone."""
    if attribute is None and material in _WARES and rng.random() < 0.6:
        bodies = _WARES[material]
        return bodies[rng.integers(len(bodies))](rng, size)
    if attribute in _SLANTED and rng.random() < 0.5:
        return slant(rng, size)
    spread = attribute in _SPREAD if attribute else material in _SPREAD
    table = SPREAD_BODIES if spread and rng.random() < 0.9 else BODIES
    shares = np.array(list(table.values()))
    return list(table)[rng.choice(len(shares), p=shares / shares.sum())](rng, size)


def _lay_canvas(kind: Kind, surface: Surface, rng: np.random.Generator) -> Canvas:
    """Return the plane of a pattern laid over a surface, at a random scale and turn."""
    fewest, most = kind.repeats
    # Wider than the kind's own range either way: close-ups and far views.
    repeats = fewest * 0.7 * (most / fewest * 2.2) ** rng.random()
    if surface.cover is not None:  # a body that fills half the view shows half the repeats
        repeats *= rng.uniform(1.2, 2)
    # A pattern much finer than this would not outlive the blur and the compression.
    repeats = np.float32(min(repeats, max(most, 26)))
    turn = rng.uniform(-kind.turns, kind.turns)
    if kind.turns > 3 and rng.random() < 0.4:  # what people make and photograph stands straight
        turn = rng.choice([0, np.pi / 2]) + rng.normal(0, 0.03)
    squeeze = np.float32(np.exp(rng.normal(0, 0.1)))
    size = surface.right.shape[0]
    cosine, sine = np.float32(np.cos(turn)), np.float32(np.sin(turn))
    right, below = surface.right * repeats * squeeze, surface.below * repeats / squeeze
    origin = rng.uniform(0, 32, 2).astype(np.float32)
    return Canvas(
        across=(right * cosine + below * sine + origin[0]).astype(np.float32),
        down=(below * cosine - right * sine + origin[1]).astype(np.float32),
        pixel=(surface.stretch * np.float32(repeats / size * 1.2)).astype(np.float32),
        span=float(repeats),
        rng=rng,
        bent=surface.bent,
    )


def _as_float32(layers: Layers) -> Layers:
    """Return the layers in single precision, with shares held to 0..1."""
    values = {}
    for field in fields(Layers):
        layer = getattr(layers, field.name)
        if layer is not None:
            layer = layer.astype(np.float32, copy=False)
            if field.name in ("blend", "accent", "cover"):
                layer = np.clip(layer, 0, 1)
        values[field.name] = layer
    return Layers(**values)


def _print_on(
    ground: Kind, layers: Layers, surface: Surface, canvas: Canvas
) -> tuple[np.ndarray, np.ndarray]:
    """Return relief and tone of a pattern that lies on a material."""
    rng = canvas.rng
    under = _lay_canvas(ground, surface, rng)
    material = _as_float32(ground.pattern(under))
    relief = np.zeros_like(canvas.across)
    if layers.relief is not None:
        relief = layers.relief
    if material.relief is not None:
        # Heights are in units of each pattern's own repeats. Full height would drown the print.
        relief = relief + material.relief * np.float32(0.6 * canvas.span / under.span)
    strength = np.float32(rng.uniform(0.15, 0.4))
    tone = strength * (material.blend - material.blend.mean())
    if material.tone is not None:
        tone = tone + material.tone * np.float32(0.8)
    if layers.tone is not None:
        tone = layers.tone + tone * (1 + layers.tone)
    return relief, tone


def _palette(kind: Kind, rng: np.random.Generator, natural: float) -> tuple[str, ...]:
    """Return the names of colours: with a chance of ``natural`` the kind's own, or else any."""
    chance = rng.random()
    palette = kind.palettes[rng.integers(len(kind.palettes))]
    names = list(COLOURS)
    # What has colours of its own mostly keeps to them; cloth and print come in any.
    if chance < (0.58 if kind.either_way else natural):
        if kind.either_way and rng.random() < 0.5 and len(palette) > 1:
            palette = (palette[1], palette[0], *palette[2:])
        return palette
    if chance < 0.5 + natural / 2:
        return tuple(names[pick] for pick in rng.permutation(len(names))[: 2 + rng.integers(2)])
    return (names[rng.integers(len(names))],)


def _shades(palette: tuple[str, ...], rng: np.random.Generator, faded: float) -> list[np.ndarray]:
    """Return a shade of each colour, ``faded`` at most, and a second one where there is but one."""
    shades = []
    for name in palette:
        plain = np.asarray(COLOURS[name], np.float32)
        lightest, darkest = (1.06, 0.88) if name in _PALE else (1.3, 0.72)
        colour = plain * rng.uniform(darkest, lightest)
        # On black the same step would make a colour of its own.
        colour = colour + rng.normal(0, 1.5 if name == "black" else 5, 3)
        if name not in ("white", "grey", "black", "cream"):
            colour = colour + (colour.mean() - colour) * rng.uniform(0, faded)
        shades.append(np.clip(colour, 6, 250).astype(np.float32))
    if len(shades) == 1:
        own = shades[0]
        if rng.random() < 0.75 or own.mean() > 190:
            other = own * np.float32(rng.uniform(0.4, 0.72)) if own.mean() > 60 else darker(own)
        else:
            other = own + (250 - own) * np.float32(rng.uniform(0.25, 0.5))
        shades.append(other.astype(np.float32))
    return shades


def _weights(layers: Layers, surface: Surface) -> list[np.ndarray]:
    """Return where each of the palette's colours lies, float32 [H, W] each."""
    there = np.ones_like(layers.blend) if surface.cover is None else surface.cover
    if layers.cover is not None:
        there = there * layers.cover
    accent = np.float32(0) if layers.accent is None else layers.accent
    return [
        there * (1 - layers.blend) * (1 - accent),
        there * layers.blend * (1 - accent),
        there * accent,
    ]


def _paint(shades: list[np.ndarray], layers: Layers, canvas: Canvas) -> np.ndarray:
    """Return the surface's own colours, float32 [3, H, W], uneven as all real ones are."""
    rng = canvas.rng
    ground, figure = shades[0], shades[1]
    image = ground[:, None, None] + (figure - ground)[:, None, None] * layers.blend
    if len(shades) > 2 and layers.accent is not None:
        image += (shades[2][:, None, None] - image) * layers.accent
    if rng.random() < 0.7:
        tint = rng.normal(0, 0.1, 3).astype(np.float32) + np.float32(rng.uniform(0.05, 0.4))
        cloud = canvas.noise(rng.uniform(0.8, 4) / canvas.span, 3) - np.float32(0.5)
        image *= 1 + tint[:, None, None] * cloud
    if rng.random() < 0.4:
        size = canvas.across.shape[0]
        grain = canvas.image_noise(size / rng.uniform(1.1, 2)) - np.float32(0.5)
        image *= 1 + np.float32(rng.uniform(0.03, 0.18)) * grain
    return image


def _seen_through(
    image: np.ndarray, backdrop: np.ndarray, surface: Surface, tint: np.ndarray
) -> np.ndarray:
    """Return a clear body: what lies behind shows through its middle, tinted, not at its edges."""
    solid = np.float32(0.25) + np.float32(0.75) * (1 - surface.normal[2]) ** np.float32(1.5)
    through = (
        np.roll(backdrop, backdrop.shape[1] // 9, 1) * (0.45 + 0.55 * tint / 255)[:, None, None]
    )
    return through + (image - through) * solid


def _set_before(
    image: np.ndarray,
    backdrop: np.ndarray,
    layers: Layers,
    surface: Surface,
    rng: np.random.Generator,
) -> np.ndarray:
    """Return the image with a background where neither surface nor pattern covers it."""
    if surface.cover is None and layers.cover is None:
        return image
    cover = np.ones_like(layers.blend) if surface.cover is None else surface.cover
    if layers.cover is not None and surface.cover is not None and rng.random() < 0.5:
        # A net on a body: the body itself shows in the gaps.
        behind = image.mean(axis=(1, 2), keepdims=True) * np.float32(rng.uniform(0.2, 0.6))
        image = behind + (image - behind) * layers.cover
    elif layers.cover is not None:
        cover = cover * layers.cover
    if surface.cover is not None and rng.random() < 0.6:
        backdrop = backdrop * _ground_shadow(surface.cover, rng)
    return backdrop + (image - backdrop) * cover


def _board(rng: np.random.Generator, size: int) -> np.ndarray:
    """Return a pale board or sheet on which one thing was laid to be photographed."""
    side = np.linspace(-1, 1, size, dtype=np.float32)
    level = rng.uniform(165, 245) + rng.normal(0, 5, 3)
    slope = rng.uniform(-0.12, 0.12, 2)
    fall = 1 + slope[0] * side[:, None] + slope[1] * side[None, :]
    return (level[:, None, None] * fall).astype(np.float32)


def _backdrop(rng: np.random.Generator, size: int, palette: tuple[str, ...]) -> np.ndarray:
    """Return what lies behind, drawn at half the size: it is never quite in focus."""
    half = _background(rng, (size + 1) // 2, palette)
    channels = [
        Image.fromarray(np.ascontiguousarray(channel, np.float32)).resize(
            (size, size), Image.Resampling.BILINEAR
        )
        for channel in half
    ]
    return np.stack([np.asarray(channel) for channel in channels])


def _background(rng: np.random.Generator, size: int, palette: tuple[str, ...]) -> np.ndarray:
    """Return what lies behind: a plain wall, a gradient, a table, blurred things or a texture."""
    names = [name for name in COLOURS if name not in palette]
    picks = [np.asarray(COLOURS[names[i]], np.float32) for i in rng.permutation(len(names))[:3]]
    style = rng.random()
    if style < 0.3:  # the sheet or the dark of a studio
        plain = np.float32(rng.choice([rng.uniform(225, 250), rng.uniform(10, 45), 150]))
        tint = rng.normal(0, 4, 3).astype(np.float32)
        fall = np.linspace(1, rng.uniform(0.75, 1), size, dtype=np.float32)[:, None]
        return np.broadcast_to((plain + tint)[:, None, None] * fall, (3, size, size))
    side = np.linspace(-1, 1, size, dtype=np.float32)
    right, below = np.meshgrid(side, side)
    first, second, third = (colour[:, None, None] * np.float32(0.8) for colour in picks)
    if style < 0.45:  # a wall and a table
        edge = np.clip((below - rng.uniform(-0.3, 0.7)) * rng.choice([3, 40]), 0, 1)
        image = first + (second - first) * edge
        return image * (1 - np.float32(0.2) * np.abs(right))
    if style < 0.85:  # things far out of focus
        cells = rng.uniform(1.2, 4)
        one, other = (lattice_noise(rng, right * cells, below * cells, 2) for _ in range(2))
        image = first + (second - first) * np.clip(2.5 * one - 0.75, 0, 1)
        image += (third - image) * np.clip(3 * other - 1.6, 0, 1)
        image *= np.float32(rng.uniform(0.35, 1))
        for _ in range(int(rng.choice([0, 0, 6]))):
            middle = rng.uniform(-1, 1, 2)
            disc = np.hypot(right - middle[0], below - middle[1]) < rng.uniform(0.05, 0.2)
            image += disc * np.float32(rng.uniform(15, 60))
        return image
    kind = _BACKDROPS[rng.integers(len(_BACKDROPS))]
    repeats = np.float32(kind.repeats[0] * rng.uniform(0.8, 2) / 2)
    canvas = Canvas(
        right * repeats,
        below * repeats,
        np.full_like(right, 2 * repeats / size * 1.2),
        float(2 * repeats),
        rng,
    )
    layers = _as_float32(kind.pattern(canvas))
    image = first + (second - first) * layers.blend
    if layers.tone is not None:
        image = image * (1 + layers.tone)
    radius = rng.choice([0, rng.uniform(0.7, 2.5)])
    return blurred(image, radius * size / 112) if radius else image


def _ground_shadow(cover: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the shadow a body throws on what lies behind it."""
    size = cover.shape[0]
    shift = rng.integers(-size // 14, size // 9 + 1, 2)
    moved = np.roll(cover, (int(abs(shift[0])), int(shift[1])), (0, 1)) * 255
    soft = blurred(moved[None].repeat(3, 0), size * rng.uniform(0.02, 0.06))[0] / 255
    return 1 - np.float32(rng.uniform(0.2, 0.65)) * soft


def _uneven_light(image: np.ndarray, flash: float, rng: np.random.Generator) -> np.ndarray:
    """Return the image under light that falls off to one side or outward, or is dappled."""
    size = image.shape[-1]
    side = np.linspace(-1, 1, size, dtype=np.float32)
    if flash:
        out = (side[:, None] - rng.normal(0, 0.2)) ** 2 + (side[None, :] - rng.normal(0, 0.2)) ** 2
        return image * (1.1 - flash * out / 1.6).astype(np.float32)
    if rng.random() < 0.12:  # the shadow of leaves or of a window
        right, below = np.meshgrid(side, side)
        cells = rng.uniform(0.8, 3)
        light = lattice_noise(rng, right * cells, below * cells, 2)
        return image * (1 - np.float32(0.45) * np.clip(6 * light - 2.6, 0, 1))
    bearing = rng.uniform(0, 2 * np.pi)
    fall = side[None, :] * np.cos(bearing) + side[:, None] * np.sin(bearing)
    return image * (1 + rng.uniform(0.05, 0.35) * fall).astype(np.float32)


def _level(image: np.ndarray, weights: list[np.ndarray]) -> float:
    """Return how bright the surface is on average."""
    weight = weights[0] + weights[1] + weights[2]
    return float((image.mean(axis=0) * weight).sum() / max(float(weight.sum()), 1.0))


def _exposed(
    image: np.ndarray, weights: list[np.ndarray], own_level: float, rng: np.random.Generator
) -> np.ndarray:
    """Return the image lightened or darkened where the light left it far off its own colours."""
    level = _level(image, weights)
    if level > 205:
        return image * np.float32(205 / level)
    wanted = own_level * rng.uniform(0.5, 0.8)
    return image * np.float32(min(wanted / max(level, 1.0), 2.5)) if level < wanted else image


def _seen_colours(
    image: np.ndarray, palette: tuple[str, ...], weights: list[np.ndarray], grading: Grading
) -> tuple[str, ...]:
    """Return the names of the colours that show, by how much of the surface each has."""
    shares: dict[str, float] = {}
    whole = max(sum(float(weight.sum()) for weight in weights), 1e-6)
    if len(palette) == 1:
        weights = [weights[0] + weights[1] + weights[2]]
    elif len(palette) == 2:
        weights = [weights[0], weights[1] + weights[2]]
    for name, weight in zip(palette, weights, strict=True):
        total = float(weight.sum())
        if total < 1e-3:
            continue
        # Where two colours meet or mix, neither is to be seen: only what is mostly one counts.
        pure = np.clip(2 * weight - 1, 0, 1)
        if float(pure.sum()) < 0.2 * total:
            pure = weight
        mean = (image * pure).reshape(3, -1).sum(axis=1) / float(pure.sum())
        seen = name_of(mean, None if grading.grey else name)
        shares[seen] = shares.get(seen, 0.0) + total / whole
    ordered = sorted(shares, key=shares.__getitem__, reverse=True)
    return tuple(name for name in ordered if shares[name] >= _LEAST_SHARE) or (ordered[0],)


def name_of(colour: np.ndarray, meant: str | None = None) -> str:
    """Return the name that people would give a colour.

    Parameters
    ----------
    colour : np.ndarray
        [3], red, green and blue in 0..255.
    meant : str, optional
        The colour it was before light and camera, a key of `COLOURS`. It keeps its name unless
        they have changed it beyond what the eye makes allowance for.
    """
    seen = _opponent(np.clip(np.asarray(colour, np.float64), 1, 255))
    plain = {name: _opponent(np.array(value, np.float64)) for name, value in COLOURS.items()}
    # What has no colour at all is never called by one, however near in lightness.
    fit = ("black", "grey", "white") if np.hypot(*seen[1:]) < 0.015 else tuple(plain)
    nearest = min(fit, key=lambda name: float(np.linalg.norm((plain[name] - seen) * _WEIGHTS)))
    if meant is None:
        return nearest
    # The eye allows for shade: more for a strong colour than for a white, which turns grey.
    strong = np.hypot(*plain[meant][1:]) > 0.06
    brighter = np.clip(plain[meant][0] / seen[0], 0.75, 1.7 if strong else 1.2)
    off = float(np.linalg.norm((plain[meant] - seen * brighter) * _WEIGHTS))
    return meant if off < 0.13 else nearest


def _opponent(colour: np.ndarray) -> np.ndarray:
    """Return lightness, redness over greenness and yellowness over blueness (OKLab)."""
    linear = (colour / 255) ** 2.2
    cones = np.cbrt(_TO_CONES @ linear)
    return _TO_OPPONENT @ cones


# Lightness tells names apart less well than hue does.
_WEIGHTS = np.array([0.7, 1.6, 1.6])
_TO_CONES = np.array(
    [
        [0.4122, 0.5363, 0.0514],
        [0.2119, 0.6807, 0.1074],
        [0.0883, 0.2817, 0.6300],
    ]
)
_TO_OPPONENT = np.array(
    [
        [0.2105, 0.7936, -0.0041],
        [1.9780, -2.4286, 0.4506],
        [0.0259, 0.7828, -0.8087],
    ]
)
# Kinds and materials that are seen as ground, wall or growth, and hardly ever on a vase.
_SPREAD = frozenset(
    {
        "asphalt", "brick", "carpet", "concrete", "foliage", "grass", "gravel", "sand", "sky",
        "stone", "tile", "wallpaper", "water", "rust", "polished stone",
        "cobwebbed", "crosshatched", "gauzy", "potholed", "smeared", "stained", "stratified",
    }
)  # fmt: skip
# How much of its surroundings a material mirrors.
_MIRRORS = {"metal": 1.0, "glass": 0.5, "plastic": 0.2, "ceramic": 0.2}
_SLANTED = frozenset({"potholed"})
# What things made of a material mostly look like.
_WARES = {
    "cardboard": (box, sheet, sheet, strip),
    "ceramic": (turned_body, turned_body, plate, ball, thing),
    "fabric": (thing, folded, draped, lump),
    "glass": (turned_body,),
    "leather": (thing, thing, strip),
    "metal": (turned_body, turned_body, plate, lump, several),
    "paper": (sheet, sheet, lump, folded),
    "plastic": (turned_body, turned_body, thing, lump, sheet),
    "trash": (sheet, lump, several, thing),
    "wood": (box, sheet, strip),
}
_BACKDROPS = tuple(
    MATERIALS[name][0]
    for name in ("wood", "fabric", "concrete", "grass", "sand", "stone", "carpet", "tile")
)
