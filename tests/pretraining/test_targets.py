"""Where pictures ought to lie."""

import numpy as np
import pytest
from pretrained import Teacher

from veneer.pretraining.imagenet import class_names
from veneer.pretraining.space import TEACHER_WIDTH, WIDTH, TextSpace
from veneer.pretraining.targets import (
    COLOUR_PROMPTS,
    SURFACE_PROMPTS,
    SURFACES,
    captions,
    class_targets,
    prompts,
    used_dimensions,
)
from veneer.pretraining.words import AXES, COLOURS


@pytest.fixture(scope="module")
def teacher():
    return Teacher()


@pytest.fixture(scope="module")
def space(teacher):
    return TextSpace.fit(teacher.embed([f"a photo of a {name}" for name in class_names()]))


@pytest.fixture(scope="module")
def meant(teacher, space):
    """The targets of all classes in all dimensions of the space, and how often was asked."""
    asked = []

    def embed(texts):
        asked.append(texts)
        return teacher.embed(texts)

    return class_targets(embed, space, np.eye(WIDTH, dtype=np.float32)), asked


def test_every_class_has_a_place_and_no_text_is_asked_for_twice(meant):
    targets, (texts,) = meant
    assert targets.images.shape == targets.texts.shape == (1000, WIDTH)
    assert len(set(texts)) == len(texts)
    np.testing.assert_allclose(np.linalg.norm(targets.images, axis=1), 1, atol=1e-5)
    assert np.linalg.norm(targets.texts, axis=1).min() > 0.5


def test_photographs_of_a_class_belong_where_its_words_are(meant):
    targets, _ = meant
    found = (targets.images @ targets.texts.T).argmax(1)
    assert (found == np.arange(1000)).mean() > 0.8
    assert np.sum(targets.images * targets.texts, axis=1).mean() > 0.6


def test_photographs_show_what_their_class_is_known_to_show(meant):
    targets, _ = meant
    axes = targets.images[:, TEACHER_WIDTH : TEACHER_WIDTH + len(AXES)]
    zebra, honeycomb = (class_names().index(name) for name in ("zebra", "honeycomb"))
    assert AXES[axes[zebra].argmax()] == "striped"
    assert AXES[axes[honeycomb].argmax()] == "honeycombed"


def test_fewer_dimensions_turn_all_alike(teacher, space, meant):
    basis = np.linalg.qr(np.random.default_rng(0).normal(size=(WIDTH, 40)))[0].astype(np.float32)
    turned = class_targets(teacher.embed, space, basis)
    np.testing.assert_allclose(turned.images, meant[0].images @ basis, atol=1e-5)


def test_used_dimensions_keep_the_angles():
    rng = np.random.default_rng(0)
    targets = np.zeros((200, WIDTH), np.float32)
    targets[:, 30:50] = rng.normal(size=(200, 20))
    basis = used_dimensions(targets, 20)
    assert basis.shape == (WIDTH, 20)
    assert basis.dtype == np.float32
    np.testing.assert_allclose(basis.T @ basis, np.eye(20), atol=1e-5)
    np.testing.assert_allclose(
        (targets @ basis) @ (targets @ basis).T, targets @ targets.T, atol=1e-3
    )
    half = np.square(targets @ used_dimensions(targets, 10)).sum()
    assert 0.5 < half / np.square(targets).sum() < 1


def test_prompts_name_each_key_in_each_template():
    found = prompts(SURFACES, SURFACE_PROMPTS)
    assert len(found) == len(SURFACES) == 78
    assert {len(row) for row in found} == {len(SURFACE_PROMPTS)}
    assert found[SURFACES.index("striped")][0] == "a striped texture"
    assert prompts(["red"], COLOUR_PROMPTS)[0][-1] == "red"


def test_captions_name_what_shows_and_leave_colours_out_at_times():
    shown = [("striped", "wood", ("red", "white"))] * 200
    found = captions(shown, (0, 3))
    assert found == captions(shown, (0, 3)) != captions(shown, (1, 3))
    assert all("strip" in caption or "pinstripe" in caption for caption in found)
    coloured = [caption for caption in found if "red" in caption or "crimson" in caption]
    assert 80 < len(coloured) < 160


def test_without_attribute_and_material_the_colour_is_always_named():
    names = COLOURS["blue"][:2]
    found = captions([(None, None, ("blue", "no colour of ours"))] * 50, (0, 3))
    assert all(any(name in caption for name in names) for caption in found)
