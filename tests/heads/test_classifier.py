"""A head and its card: whose vectors it takes, and what a file keeps of it."""

import json
import subprocess
import sys

import numpy as np
import pytest

from veneer.errors import VeneerError
from veneer.heads.classifier import Card, Classifier, dumps, loads, most_accurate
from veneer.heads.linear_svc import OneVsRestLinearSVC
from veneer.heads.mlp import fit_mlp
from veneer.heads.proker import fit_proker
from veneer.heads.registry import FORMATS
from veneer.heads.zero_shot import ZeroShotHead


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    labels = np.repeat(["ash", "oak", "elm"], 20)
    features = rng.normal(size=(60, 16)) + 2 * np.repeat(np.eye(3, 16), 20, axis=0)
    features = (features / np.linalg.norm(features, axis=1, keepdims=True)).astype(np.float32)
    return features, labels, np.array([f"sha{i}" for i in range(60)])


@pytest.fixture(scope="module")
def heads(data):
    features, labels, shas = data
    text = ZeroShotHead(["ash", "elm", "oak"], np.eye(3, 16, dtype=np.float32))
    return {
        "svc": OneVsRestLinearSVC().fit(features, labels),
        "mlp": fit_mlp(features, labels, shas, hidden=8, max_epochs=2),
        "proker": fit_proker(features, labels, shas, prior=text),
        "zero_shot": text,
    }


def test_every_head_gives_the_same_in_a_new_process(data, heads, tmp_path):
    features, _, _ = data
    assert set(heads) == set(FORMATS)
    np.save(tmp_path / "features.npy", features)
    for name, head in heads.items():
        given = Classifier(head, Card(name, "encoder 1", "image", 0.7, 0.9, None))
        for suffix, part in zip(("head", "card"), dumps(given), strict=True):
            (tmp_path / f"{name}.{suffix}").write_bytes(part)
    program = (
        "import sys, numpy as np; from pathlib import Path\n"
        "from veneer.heads.classifier import loads\n"
        "here = Path(sys.argv[1]); X = np.load(here / 'features.npy')\n"
        "for name in sys.argv[2:]:\n"
        "    found = loads(*((here / f'{name}.{s}').read_bytes() for s in ('head', 'card')))\n"
        "    np.save(here / f'{name}.npy', found.head.scores(X))\n"
        "    assert found.card.threshold is None and found.unsure(np.array([1.0])).all()\n"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path), *heads], check=True)
    for name, head in heads.items():
        scores = head.scores(features)
        assert scores.dtype == np.float32 and scores.shape == (60, 3)
        np.testing.assert_array_equal(np.load(tmp_path / f"{name}.npy"), scores)


def test_vectors_of_another_encoder_are_refused_and_both_are_named(data, heads):
    classifier = Classifier(heads["svc"], Card("svc", "RN50 weights 1"))
    with pytest.raises(VeneerError, match=r"the head svc.*\[RN50 weights 1\].*\[mini weights 2\]"):
        classifier.probabilities(data[0], "mini weights 2")


def test_probabilities_follow_the_temperature(data, heads):
    cold = Classifier(heads["mlp"], Card("mlp", "e", temperature=0.2))
    warm = Classifier(heads["mlp"], Card("mlp", "e", temperature=5.0))
    for classifier in (cold, warm):
        found = classifier.probabilities(data[0], "e")
        assert found.dtype == np.float32
        np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-5)
    best = [c.probabilities(data[0], "e").max(axis=1) for c in (cold, warm)]
    assert (best[0] > best[1]).all()


def test_unsure_is_below_the_threshold():
    confidence = np.array([0.3, 0.5, 0.9])
    unsure = {
        t: Classifier(None, Card("svc", "e", threshold=t)).unsure(confidence).tolist()
        for t in (0.0, 0.5, None)
    }
    assert unsure == {0.0: [False] * 3, 0.5: [True, False, False], None: [True] * 3}


def test_what_does_not_belong_together_is_not_read(heads):
    head, card = dumps(Classifier(heads["svc"], Card("svc", "e")))
    with pytest.raises(ValueError, match="not the one that its card describes"):
        loads(head + b" ", card)
    with pytest.raises(ValueError, match="not one of this version"):
        loads(head, json.dumps(json.loads(card) | {"colour": "red"}).encode())


def test_the_most_accurate_head_on_held_out_rows():
    assert most_accurate({"svc": 0.8, "mlp": 0.9, "zero_shot": None}) == "mlp"
    assert most_accurate({}) is None


def test_what_was_read_is_written_back_byte_for_byte(heads):
    for name, head in heads.items():
        files = dumps(Classifier(head, Card(name, "e")))
        assert dumps(loads(*files)) == files
