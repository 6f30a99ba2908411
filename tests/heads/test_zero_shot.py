"""Zero-shot heads: prompts, averaging, scores, their file."""

import numpy as np
import pytest
import safetensors.numpy

from veneer.heads.zero_shot import dumps, fit_zero_shot, loads

CLASSES = ["flip_flops", "t-shirt", "wood"]
TEMPLATES = ["{}", "a photo of {}."]


def embed(texts):
    """A unit vector for each text, the same for the same text."""
    rows = [np.random.default_rng(list(text.encode())).normal(size=16) for text in texts]
    return np.stack([row / np.linalg.norm(row) for row in rows]).astype(np.float32)


@pytest.fixture(scope="module")
def head():
    return fit_zero_shot(CLASSES, TEMPLATES, embed)


def test_prompts_are_averaged_on_the_sphere(head):
    mean = embed(["flip flops", "a photo of flip flops."]).mean(axis=0)
    np.testing.assert_allclose(head.vectors[0], mean / np.linalg.norm(mean), rtol=1e-5)
    np.testing.assert_allclose(
        head.vectors[1],
        fit_zero_shot(["t shirt"], TEMPLATES, embed).vectors[0],
    )
    np.testing.assert_allclose(np.linalg.norm(head.vectors, axis=1), 1, rtol=1e-6)


def test_scores_are_a_hundred_cosines(head):
    X = embed(["wood", "t shirt", "flip flops", "a photo of wood."])
    scores = head.scores(X)
    assert scores.dtype == np.float32 and scores.shape == (4, 3)
    np.testing.assert_allclose(scores, 100 * X @ head.vectors.T, rtol=1e-4, atol=1e-4)
    assert head.predict(X).tolist() == ["wood", "t-shirt", "flip_flops", "wood"]
    assert head.scores(X[:0]).shape == (0, 3)
    with pytest.raises(ValueError, match="expects"):
        head.scores(X[:, 1:])


def test_refusals():
    for classes in ([], ["a", "a"]):
        with pytest.raises(ValueError, match="classes that differ"):
            fit_zero_shot(classes, TEMPLATES, embed)
    for templates in ([], ["a photo"]):
        with pytest.raises(ValueError, match="template"):
            fit_zero_shot(CLASSES, templates, embed)


def test_round_trip(head):
    X = embed(["wood", "something else"])
    again = loads(dumps(head))
    np.testing.assert_array_equal(again.scores(X), head.scores(X))
    assert again.classes_.tolist() == CLASSES
    assert dumps(again) == dumps(head)


def test_loads_refuses_foreign_files(head):
    with pytest.raises(ValueError, match="no safetensors"):
        loads(b"something else")
    with pytest.raises(ValueError, match="no safetensors"):
        loads(dumps(head)[:-10])
    with pytest.raises(ValueError, match="no metadata"):
        loads(safetensors.numpy.save({"vectors": np.ones((2, 2), np.float32)}))
    for description, message in (
        ('{"classes": ["a", "b", "c"]}', "expected"),
        ('{"classes": 3}', "classes are missing"),
        ("[]", "classes are missing"),
        ("{", "no JSON"),
    ):
        metadata = {"veneer.zero_shot": description}
        tensors = {"vectors": np.ones((2, 4), np.float32)}
        with pytest.raises(ValueError, match=message):
            loads(safetensors.numpy.save(tensors, metadata=metadata))
