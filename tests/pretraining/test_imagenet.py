"""ImageNet's classes in words."""

import numpy as np
import pytest

from veneer.pretraining import imagenet
from veneer.pretraining.imagenet import (
    class_attributes,
    class_names,
    class_texts,
    everyday_texts,
    numbers_of,
    wordnet,
)
from veneer.pretraining.words import AXES


def test_every_class_has_one_name_of_its_own():
    names = class_names()
    assert len(names) == len(set(names)) == 1000
    assert names[0] == "tench" and names[999] == "toilet paper"


@pytest.mark.parametrize(
    ("number", "name"),
    [(21, "kite bird"), (134, "crane bird"), (517, "construction crane"), (264, "Cardigan Welsh")],
)
def test_words_that_mean_something_else_as_well_have_clearer_names(number, name):
    assert class_names()[number].startswith(name)


def test_no_name_repeats_what_the_class_is_called_anyway():
    words = imagenet.class_words()
    assert [name for number, name in imagenet._NAMES.items() if words[number][0][0] == name] == []


def test_texts_of_a_class():
    texts = class_texts()
    assert len(texts) == 1000
    assert texts[340][:3] == ["a photo of a zebra", "zebra", "a picture of a zebra"]
    assert all(text and text == text.lower() and len(text) < 160 for row in texts for text in row)
    assert max(map(len, texts)) <= 6


def test_everyday_words():
    texts = everyday_texts()
    assert texts[207] == ["a photo of a dog"]
    assert "a photo of a shirt" in texts[610]
    assert "a photo of trash" in texts[412]
    assert len(texts) == 1000 and sum(map(bool, texts)) > 650


def test_attributes_of_classes():
    shown = class_attributes()
    assert shown.shape == (1000, 91) and shown.dtype == np.float32
    assert shown.min() == 0 and shown.max() == 1
    striped = shown[:, AXES.index("striped")]
    assert striped[numbers_of(["zebra", "tiger"])].min() == 1
    # A neighbour of what is listed, and what is not.
    assert striped[numbers_of(["banded gecko"])[0]] == pytest.approx(0.5)
    assert striped[numbers_of(["broccoli"])[0]] == 0
    # Faces with freckles are of no class; colours depend on the photo.
    assert [AXES[place] for place in np.flatnonzero(shown[:, :78].max(axis=0) < 0.9)] == [
        "freckled"
    ]
    assert not shown[:, 78:].any()
    assert (shown.max(axis=1) > 0).sum() > 500


def test_names_that_no_class_has_are_told():
    with pytest.raises(ValueError, match="is called bread, colander"):
        numbers_of(["zebra", "bread", "tench", "colander"])


def test_a_first_word_comes_before_the_others_and_capitals_count():
    assert numbers_of(["cardigan"]) == [474]
    assert numbers_of(["Cardigan"]) == [264]
    assert numbers_of(["maillot"]) == [638, 639]
    assert numbers_of(["mop"]) == [840]


def test_words_of_wordnet():
    entries = wordnet()
    assert len(entries) == 21841
    assert all(words and all(words) and gloss for words, gloss in entries)
    assert max(len(gloss) for _, gloss in entries) <= 140
