"""The texts to learn on."""

import re
from random import Random

import pytest

from veneer.pretraining.corpus import (
    HELD_OUT,
    build_corpus,
    held_out,
    texture_caption,
    token_texts,
)
from veneer.pretraining.space import mentioned
from veneer.pretraining.words import ATTRIBUTES, AXES, MATERIALS, SYNONYMS

SMALL = {
    "glosses": 100,
    "textures": 400,
    "everyday": 300,
    "phrases": 300,
    "products": 300,
    "waste": 200,
}


@pytest.fixture(scope="module")
def corpus():
    return build_corpus(0, **SMALL)


def test_the_same_seed_gives_the_same_texts(corpus):
    assert build_corpus(0, **SMALL) == corpus
    other = build_corpus(1, **SMALL)
    assert other != corpus
    assert len(set(other) & set(corpus)) > 0.6 * len(corpus)  # what is not drawn


def test_texts_are_clean(corpus):
    assert len(set(corpus)) == len(corpus)
    for text in corpus:
        assert text and text == " ".join(text.lower().split())
        assert not re.search(r"[{}\n]| ,|\ba a\b|\ban an\b|with with", text), text
    assert max(map(len, corpus)) <= 160


def test_what_an_encoder_is_asked_is_there(corpus):
    texts = set(corpus)
    for word in ("striped", "wood", "red", "polka dotted", "polishedstone", "wrinkled"):
        assert {word, f"a {word} texture", f"a photo of a {word} texture"} <= texts
    for word in ("shirt", "watch", "bag", "dog", "bottle"):
        assert {word, f"a photo of a {word}", f"a photo of a {word}, a product"} <= texts
    for word in ("glass", "paper", "cardboard", "plastic", "metal", "trash"):
        assert {word, f"a photo of {word}", f"a photo of {word} waste"} <= texts
    assert {"shoes", "a photo of shoes", "a photo of a zebra", "a screenshot"} <= texts


def test_sizes_are_how_many_are_drawn(corpus):
    none = build_corpus(0, **dict.fromkeys(SMALL, 0))
    more = len(corpus) - len(none)
    assert 0.8 * sum(SMALL.values()) < more <= sum(SMALL.values())


def test_held_out_texts_are_fixed_and_apart(corpus):
    learnt, measured = held_out(corpus, 0)
    assert len(measured) == HELD_OUT and len(learnt) == len(corpus) - HELD_OUT
    assert not set(learnt) & set(measured)
    assert held_out(corpus, 0) == (learnt, measured)
    assert held_out(corpus, 1)[1] != measured


def test_captions_name_what_they_are_asked_to():
    for seed, attribute in enumerate([*ATTRIBUTES] * 3):
        rng = Random(seed)
        material = rng.choice([*MATERIALS])
        caption = texture_caption(rng, attribute, material, ["red", "white"])
        row = mentioned([caption])[0]
        for axis in (attribute, material, "red", "white"):
            word_inside = any(word in caption for word in SYNONYMS[axis])
            assert word_inside and row[AXES.index(axis)] > 0.2, (axis, caption)


def test_captions_read_well():
    captions = [texture_caption(Random(seed), "striped", None, ["red"]) for seed in range(200)]
    assert {"a red striped texture", "red striped texture"} & set(captions)
    assert any("with stripes" in caption for caption in captions)
    assert not any("stripes texture" in caption for caption in captions)
    assert len(set(captions)) > 40
    assert texture_caption(Random(0)) == texture_caption(Random(0))


def test_texts_of_tokens():
    texts = token_texts()
    assert len(texts) == 49406
    assert texts[10033] == "fabric" and texts[0] == "!"
    assert all(text.strip() == text and text for text in texts)
