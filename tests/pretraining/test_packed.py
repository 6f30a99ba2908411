"""What goes through a tower without padding."""

import numpy as np
import pytest
import torch
from open_clip.transformer import TextTransformer
from torch.nn import functional

from veneer.encoders.clip_tokens import clip_tokenizer
from veneer.pretraining.packed import Packed, bag, transform

TEXTS = [
    "",
    "red",
    "wool",
    "a red striped texture",
    "a photo of a dog",
    "a photo of a cat on a very long and very wrinkled blanket, next to a wall",
]


@pytest.fixture(scope="module")
def tower():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return TextTransformer(77, 49408, width=32, heads=2, layers=3, output_dim=64).eval()


@pytest.fixture(scope="module")
def tokens():
    found = clip_tokenizer(77)(TEXTS)
    return found[np.argsort((found != 0).sum(axis=1), kind="stable")]


def test_texts_stand_behind_each_other(tokens):
    packed = Packed.of(tokens)
    lengths = (tokens != 0).sum(axis=1)
    assert packed.groups[:2] == [(1, 2), (2, 3)]
    assert sum(count * length for count, length in packed.groups) == lengths.sum()
    assert len(packed.tokens) == len(packed.places) == lengths.sum()
    assert (packed.tokens[packed.last] == 49407).all()
    np.testing.assert_array_equal(packed.places[packed.last], lengths - 1)


@torch.inference_mode()
def test_a_packed_transformer_is_the_tower_itself(tower, tokens):
    packed = Packed.of(tokens)
    found = transform(tower, tower.token_embedding(packed.tokens), packed) @ tower.text_projection
    torch.testing.assert_close(found, tower(torch.from_numpy(tokens)), rtol=1e-4, atol=1e-5)


def test_its_gradients_are_those_of_the_tower(tower, tokens):
    packed = Packed.of(tokens)
    found = transform(tower, tower.token_embedding(packed.tokens), packed) @ tower.text_projection
    weights = [each for each in tower.parameters() if each.requires_grad]
    ours = torch.autograd.grad(found.square().sum(), weights)
    theirs = torch.autograd.grad(tower(torch.from_numpy(tokens)).square().sum(), weights)
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)


def test_a_bag_is_a_mean_of_each_text(tokens):
    packed = Packed.of(tokens)
    table = torch.randn(49408, 16, generator=torch.Generator().manual_seed(0))
    found = bag(table[packed.tokens], packed)
    for row, one in zip(found, tokens, strict=True):
        vectors = functional.layer_norm(table[one[one != 0]], (16,))
        expected = functional.layer_norm(vectors.mean(dim=0), (16,))
        torch.testing.assert_close(row, expected, rtol=1e-4, atol=1e-5)
