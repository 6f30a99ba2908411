"""The teacher of language."""

from importlib.util import find_spec

import numpy as np
import pytest

from veneer.errors import VeneerError
from veneer.pretraining import teacher
from veneer.pretraining.teacher import Teacher

needs_the_package = pytest.mark.skipif(
    find_spec("all_minilm_l6_v2") is None, reason="needs veneer[pretraining]"
)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("teacher")


@pytest.fixture(scope="module")
def opened(cache):
    return Teacher(cache)


@needs_the_package
def test_vectors_are_those_of_its_authors(opened):
    # As their model card shows them.
    found = opened.embed(["This is an example sentence", "Each sentence is converted"])
    np.testing.assert_allclose(found[0, :3], [0.0676569, 0.0634959, 0.0487131], atol=2e-3)
    np.testing.assert_allclose(found[1, :3], [0.0864386, 0.1027626, 0.0053946], atol=2e-3)


@needs_the_package
def test_the_order_of_the_texts_is_kept(opened):
    texts = [f"{'very ' * (number * 7 % 12)}small thing {number}" for number in range(150)]
    found = opened.embed(texts)
    assert found.shape == (150, 384) and found.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    again = opened.embed(texts[::-1])[::-1]
    assert (found * again).sum(axis=1).min() > 0.999
    assert ((found @ again.T).argmax(axis=1) == np.arange(150)).mean() > 0.95


@needs_the_package
def test_texts_of_any_length(opened):
    assert opened.embed([]).shape == (0, 384)
    found = opened.embed(["", "a", "word " * 500])
    assert np.isfinite(found).all()


@needs_the_package
def test_near_is_what_means_the_same(opened):
    one, same, other = opened.embed(["a photo of a taxi", "a picture of a cab", "wrinkled skin"])
    assert one @ same > one @ other + 0.2


@needs_the_package
def test_the_package_is_unpacked_once(opened, cache):
    weights = cache / "all-MiniLM-L6-v2/model.safetensors"
    before = weights.stat().st_mtime_ns
    Teacher(cache)
    assert weights.stat().st_mtime_ns == before
    assert [each.name for each in cache.iterdir()] == ["all-MiniLM-L6-v2"]


@needs_the_package
def test_other_weights_are_refused(opened, cache, monkeypatch):
    monkeypatch.setattr(teacher, "WEIGHTS_SHA256", "0" * 64)
    with pytest.raises(VeneerError, match="SHA-256"):
        Teacher(cache)


def test_a_missing_package_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(teacher, "find_spec", lambda name: None)
    with pytest.raises(VeneerError, match=r"pip install \"veneer\[pretraining\]\""):
        Teacher(tmp_path)
    assert not list(tmp_path.iterdir())
