"""The model card."""

import hashlib
import re

import pytest
from pretrained import needs_photographs, options

from veneer.pretraining.card import digest, write
from veneer.pretraining.folder import WEIGHTS
from veneer.pretraining.pictures import PHOTOGRAPHS
from veneer.pretraining.teacher import WEIGHTS_SHA256

FILES = {WEIGHTS: bytes(1_234_567)}
MEASURED = {"text_cosine": 0.87654, "image_cosine": 0.9991, "megabytes": 1.2}
TRUNK = "ab" * 32


@pytest.fixture
def card(clip_art):
    return write(FILES, options(), 7, TRUNK, clip_art, 98_765, MEASURED)


@needs_photographs
def test_it_tells_what_it_is_and_what_was_measured(card):
    assert card.startswith("# ")
    assert card.endswith(".\n")
    assert hashlib.sha256(FILES[WEIGHTS]).hexdigest() in card
    assert "1 234 567 bytes" in card
    assert "98 765 short texts" in card
    assert "0.877" in card
    assert "Seed 7." in card
    assert "3 of average colours, 3 of those in the middle of the picture, 4 that tell" in card
    assert "4 that tell names of colours, 1 from the hidden units of stage 4, 2 from" in card


@needs_photographs
def test_it_names_all_ingredients_with_their_terms(card, clip_art):
    for name, (_, terms) in PHOTOGRAPHS.items():
        assert f"{name} ({terms})" in card
    assert TRUNK in card
    assert WEIGHTS_SHA256 in card
    assert digest(path.read_bytes() for path in clip_art) in card
    assert f"{len(clip_art)} pieces of clip art" in card
    rows = [line for line in card.splitlines() if line.startswith("|")]
    assert len({row.count("|") for row in rows[-8:]}) == 1


@needs_photographs
def test_it_holds_no_template_and_no_place_of_this_computer(card, clip_art):
    assert not re.search(r"\{\{|\}\}|\{%|%\}|None|Undefined", card)
    assert str(clip_art[0].parent) not in card
    assert "/home" not in card


@needs_photographs
def test_the_same_ingredients_give_the_same_card(card, clip_art):
    assert write(FILES, options(), 7, TRUNK, clip_art, 98_765, MEASURED) == card
    fewer = write(FILES, options(), 7, TRUNK, clip_art[1:], 98_765, MEASURED)
    assert fewer != card


def test_a_digest_of_files_is_that_of_their_contents_in_their_order():
    assert digest([b"a", b"b"]) == digest(iter([b"a", b"b"]))
    assert len({digest([]), digest([b"ab"]), digest([b"a", b"b"]), digest([b"b", b"a"])}) == 4
