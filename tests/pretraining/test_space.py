"""The space of texts."""

import numpy as np
import pytest

from veneer.errors import VeneerError
from veneer.pretraining.space import TEACHER_WIDTH, WIDTH, TextSpace, mentioned
from veneer.pretraining.words import AXES


def vectors(count, seed=0):
    """Unit vectors around a mean, which differ more in some directions than in others."""
    rng = np.random.default_rng(seed)
    found = rng.normal(size=(count, TEACHER_WIDTH)) * np.linspace(1, 0.01, TEACHER_WIDTH)
    found[:, 0] += 3
    return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)


def named(text):
    row = mentioned([text])[0]
    return {axis for axis, value in zip(AXES, row, strict=True) if value >= 0.69}


@pytest.mark.parametrize(
    ("text", "axes"),
    [
        ("A striped, RED shirt", {"striped", "red"}),
        ("a photo of a polka dotted texture", {"polka-dotted"}),
        ("a polka-dot dress", {"polka-dotted"}),
        ("snake skin", {"scaly"}),
        ("corrugated cardboard", {"cardboard"}),
        ("a stained glass window", {"glass"}),
        ("white marble with dark veins", {"white", "polished stone", "veined"}),
        ("knitting needles, starred and unbanded", {"knitted"}),
        ("a dog", set()),
        ("", set()),
    ],
)
def test_what_a_text_names(text, axes):
    assert named(text) == axes


def test_neighbours_get_a_share_and_the_larger_counts():
    row = mentioned(["dotted"])[0]
    assert row[AXES.index("dotted")] == 1
    assert row[AXES.index("polka-dotted")] == pytest.approx(0.6)
    both = mentioned(["dotted and polka-dotted"])[0]
    assert both[AXES.index("polka-dotted")] == 1
    assert mentioned([]).shape == (0, 91)


def test_vectors_are_of_unit_length_and_end_in_zeros():
    given = vectors(300)
    texts = ["a red striped woven fabric with dots"] * 150 + ["a dog"] * 150
    found = TextSpace.fit(given)(given, texts)
    assert found.shape == (300, WIDTH) and found.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    assert not found[:, TEACHER_WIDTH + len(AXES) :].any()
    # Of what names nothing, the teacher is all; of the rest, the axes are 0.7 to its 1.
    assert not found[150:, TEACHER_WIDTH:].any()
    teacher, axes = found[:150, :TEACHER_WIDTH], found[:150, TEACHER_WIDTH:]
    ratio = np.linalg.norm(axes, axis=1) / np.linalg.norm(teacher, axis=1)
    np.testing.assert_allclose(ratio, 0.7, atol=1e-5)


def test_a_weak_mention_stays_weak():
    teacher = np.eye(1, TEACHER_WIDTH, dtype=np.float32)
    axes = np.zeros((1, len(AXES)), np.float32)
    axes[0, 3] = 0.5
    found = TextSpace.join(teacher, axes)[0]
    assert found[TEACHER_WIDTH + 3] / found[0] == pytest.approx(0.35)


def test_whitening_makes_directions_alike_and_leaves_out_the_smallest():
    given = vectors(4000)

    def spread(power, rank):
        space = TextSpace.fit(given, power, rank)
        moved = (given - space.mean) @ space.projection
        assert abs(moved.mean(axis=0)).max() < 1e-4
        variances = np.linalg.eigvalsh(np.cov(moved.T))[::-1]
        assert variances[rank:].max(initial=0) < 1e-6 * variances[0]
        return variances[0] / variances[rank - 1]

    assert spread(1, 40) == pytest.approx(1, rel=0.01)
    assert spread(1, 40) < spread(0.35, 40) < spread(0, 40)
    assert spread(0, 160) > spread(0, 40)


def test_all_directions_unchanged_at_power_zero():
    given = vectors(1000)
    space = TextSpace.fit(given, 0, TEACHER_WIDTH)
    np.testing.assert_allclose(space.projection, np.eye(TEACHER_WIDTH), atol=1e-5)


def test_kept_and_read_again(tmp_path):
    space = TextSpace.fit(vectors(500))
    space.save(tmp_path / "space.safetensors")
    again = TextSpace.load(tmp_path / "space.safetensors")
    np.testing.assert_array_equal(space.mean, again.mean)
    np.testing.assert_array_equal(space.projection, again.projection)
    (tmp_path / "space.safetensors").write_bytes(b"no tensors")
    with pytest.raises(VeneerError, match="no space of texts"):
        TextSpace.load(tmp_path / "space.safetensors")
