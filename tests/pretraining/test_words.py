"""The words that have an axis of their own."""

from collections import Counter

import numpy as np
import pytest

from veneer.pretraining.words import (
    ATTRIBUTES,
    AXES,
    COLOURS,
    MATERIALS,
    NEAR,
    SYNONYMS,
    closeness,
    with_article,
)
from veneer.sources import textures


def test_each_word_means_one_axis_and_begins_with_the_axis():
    counts = Counter(word for words in SYNONYMS.values() for word in words)
    assert [word for word, count in counts.items() if count > 1] == []
    assert all(words[0] == axis for axis, words in SYNONYMS.items())
    assert all(word == word.lower().strip() for word in counts)


def test_there_are_as_many_axes_as_the_space_has_room_for():
    assert (len(ATTRIBUTES), len(MATERIALS), len(COLOURS)) == (47, 31, 13)
    assert (*ATTRIBUTES, *MATERIALS, *COLOURS) == AXES


def test_the_textures_that_are_drawn_have_axes():
    assert set(textures.KINDS) <= set(ATTRIBUTES)
    words = {word for synonyms in COLOURS.values() for word in synonyms}
    assert set(textures.COLOURS) <= words


def test_closeness_is_full_at_home_and_shared_with_neighbours():
    table = closeness()
    assert table.shape == (91, 91) and table.dtype == np.float32
    weights = np.diag(table)
    assert sorted(set(weights.tolist())) == pytest.approx([0.7, 0.9, 1.0])
    assert weights[AXES.index("striped")] == 1.0
    assert weights[AXES.index("red")] == pytest.approx(0.7)
    shares = table / weights[:, None]
    np.testing.assert_allclose(shares, shares.T)
    assert shares[AXES.index("dotted"), AXES.index("polka-dotted")] == pytest.approx(0.6)


def test_neighbours_are_named_once_and_are_less_than_the_same():
    pairs = [frozenset((one, other)) for one, other, _ in NEAR]
    assert len(set(pairs)) == len(pairs) and all(len(pair) == 2 for pair in pairs)
    assert {axis for pair in pairs for axis in pair} <= set(AXES)
    assert all(0 < share < 1 for _, _, share in NEAR)


@pytest.mark.parametrize(
    ("noun", "with_it"),
    [
        ("striped shirt", "a striped shirt"),
        ("orange", "an orange"),
        ("unicycle", "a unicycle"),
        ("hourglass", "an hourglass"),
        ("one-piece swimsuit", "a one-piece swimsuit"),
        ("blue jeans", "blue jeans"),
        ("elephant with tusks", "an elephant with tusks"),
        ("sunglasses on a table", "sunglasses on a table"),
        ("a man", "a man"),
        ("abacus", "an abacus"),
    ],
)
def test_articles(noun, with_it):
    assert with_article(noun) == with_it
