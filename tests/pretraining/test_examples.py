"""What the image head is told of pictures."""

import numpy as np
import pytest
import torch

from veneer.pretraining.examples import colour_shares, examples_of, prompts_of, surface_shares
from veneer.pretraining.looking import Seen
from veneer.pretraining.pictures import Picture
from veneer.pretraining.targets import COLOUR_PROMPTS, SURFACE_PROMPTS, SURFACES
from veneer.pretraining.words import COLOURS


class Place:
    """Remembers what it was asked, and answers with the number of each text."""

    def __init__(self):
        self.texts = []

    def __call__(self, texts):
        rows = np.zeros((len(texts), 4), np.float32)
        rows[:, 0] = range(len(self.texts), len(self.texts) + len(texts))
        self.texts += texts
        return rows


PICTURES = [
    Picture(None, "attribute", "striped", "fabric", ("red", "white")),
    Picture(None, "attribute", "dotted", None, ("blue",)),
    Picture(None, "material", None, "wood", ("brown", "mauve")),
    Picture(None, "plain", None, None, ("green",)),
    Picture(None, "clip art", name="flying duck"),
    Picture(None, "clip art"),
    Picture(None, "photo", material="fur"),
    Picture(None, "photo"),
]


def test_shares_of_surfaces_and_colours():
    shares = surface_shares([(each.attribute, each.material) for each in PICTURES])
    shown = [
        {SURFACES[place]: round(float(row[place]), 3) for place in np.flatnonzero(row)}
        for row in shares
    ]
    assert shown[:4] == [{"striped": 0.8, "fabric": 0.2}, {"dotted": 1.0}, {"wood": 1.0}, {}]
    assert shown[4:] == [{}, {}, {"fur": 1.0}, {}]
    shares = colour_shares([each.colours for each in PICTURES])
    keys = list(COLOURS)
    assert shares.shape == (len(PICTURES), len(COLOURS))
    assert shares[0, keys.index("red")] == shares[0, keys.index("white")] == 0.5
    assert shares[2, keys.index("brown")] == 1  # what has no name of ours is left out
    np.testing.assert_array_equal(shares.sum(1), [1, 1, 1, 1, 0, 0, 0, 0])


def test_captions_say_what_is_known_and_weigh_as_much():
    place = Place()
    seen = Seen(torch.rand(len(PICTURES), 6), PICTURES)
    examples = examples_of(seen, place, (0, 3))
    assert examples.features is seen.features
    assert examples.captions[:, 0].tolist() == list(range(len(PICTURES)))
    assert any(word in place.texts[0] for word in ("strip", "cloth", "textile", "fabric"))
    assert "dot" in place.texts[1] or "spot" in place.texts[1]
    assert any(word in place.texts[3] for word in COLOURS["green"][:2])
    assert place.texts[4:] == [
        "clip art of flying duck",
        "clip art of ",
        "a photo of fur",
        "a photo",
    ]
    assert examples.caption_weights.tolist() == pytest.approx([1, 1, 1, 1, 0.3, 0, 1, 0])
    assert examples.real.tolist() == [False] * 4 + [True] * 4


def test_the_same_seed_says_the_same():
    asked = [Place(), Place(), Place()]
    many = [Picture(None, "attribute", "striped", "wood", ("red", "white"))] * 50
    for place, seed in zip(asked, [(0, 3), (0, 3), (1, 3)], strict=True):
        examples_of(Seen(torch.rand(50, 6), many), place, seed)
    assert asked[0].texts == asked[1].texts != asked[2].texts
    assert 0 < sum("red" in text or "crimson" in text for text in asked[0].texts) < 50


def test_every_surface_and_colour_has_all_its_prompts():
    place = Place()
    prompts = prompts_of(place)
    assert prompts.surfaces.shape == (len(SURFACES), len(SURFACE_PROMPTS), 4)
    assert prompts.colours.shape == (len(COLOURS), len(COLOUR_PROMPTS), 4)
    for tensor, keys in ((prompts.surfaces, SURFACES), (prompts.colours, COLOURS)):
        for row, key in zip(tensor[:, :, 0].long().tolist(), keys, strict=True):
            assert all(key in place.texts[number] for number in row)
