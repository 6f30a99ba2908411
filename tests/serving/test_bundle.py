"""What a served model carries, and what it says of rows under heads of every kind."""

import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import make_classification
from support import encode, noise_image, seeded_resnet18

from veneer.encoders.config import EncoderConfig
from veneer.encoders.encoder import open_encoder
from veneer.errors import VeneerError
from veneer.heads.classifier import Card, Classifier
from veneer.heads.linear_svc import OneVsRestLinearSVC
from veneer.serving.bundle import embed_rows, open_bundle, predict_rows, write_bundle
from veneer.sources.memory import Sent

MINI = {"mini": EncoderConfig(family="open_clip", pretrained="packaged")}
PICTURES = [encode(noise_image(seed)) for seed in range(3)]
OPTIONS = {
    "decode": "exact",
    "runtime": "auto",
    "text_from_exif": False,
    "max_pixels": 10**6,
    "max_bytes": 10**6,
}


@pytest.fixture(scope="module")
def mini(compiled):
    return open_encoder("mini", MINI, cache=compiled)


@pytest.fixture(scope="module")
def bundle_of(tmp_path_factory, mini):
    """Makes the bundle of a head that was fitted to something, or of the encoder alone."""

    def make(fusion):
        folder = tmp_path_factory.mktemp(f"{fusion}") / "bundle"
        classifier = None
        if fusion is not None:
            width = mini.dimension * (2 if fusion == "concat" else 1)
            rows, labels = make_classification(60, width, n_informative=9, random_state=0)
            names = np.array(["ash", "oak"])[labels]
            head = OneVsRestLinearSVC().fit(rows.astype(np.float32), names)
            classifier = Classifier(head, Card("svc", mini.fingerprint, fusion))
        card = OPTIONS | {"encoder": "mini", "fingerprint": mini.fingerprint}
        write_bundle(folder, encoder="mini", encoders=MINI, card=card, classifier=classifier)
        return folder

    return make


@pytest.fixture(scope="module", params=["image", "text", "concat"])
def judging(request, bundle_of):
    return request.param, open_bundle(bundle_of(request.param))


def test_every_head_answers_what_it_sees_and_refuses_what_it_does_not(judging):
    fusion, bundle = judging
    rows = [
        Sent(data=PICTURES[0]),
        Sent(text="moss"),
        Sent(data=PICTURES[0], text="moss"),
        Sent(),
        Sent(data=b"no picture", text="moss"),
    ]
    found, refused = predict_rows(bundle, rows)
    answered = [number for number in range(len(rows)) if number not in refused]
    assert answered == {"image": [0], "text": [1, 2], "concat": [0, 2]}[fusion]
    assert all(len(found[number]["top"]) == 2 for number in answered)
    assert refused[3] == {"image": "it has no image", "text": "it has no text"}.get(
        fusion, "it has no image"
    )
    if fusion == "image":
        assert (
            refused[1]
            == refused[2]
            == ("it has a text, and the head svc was fitted to images alone")
        )
    else:
        assert "not_an_image" in refused[4]
    if fusion == "text":
        assert found[1]["top"] == found[2]["top"]
    if fusion == "concat":
        assert found[0]["top"] != found[2]["top"]


def test_an_encoder_keeps_the_order_of_its_rows(bundle_of, mini):
    bundle = open_bundle(bundle_of(None))
    assert bundle.classifier is None
    rows = [Sent(text="moss"), Sent(data=PICTURES[1]), Sent(), Sent(data=PICTURES[0])]
    vectors, refused = embed_rows(bundle, [*rows, Sent(data=PICTURES[1])])
    assert list(refused) == [2]
    assert not vectors[2].any()
    np.testing.assert_allclose(vectors[1], vectors[4], atol=1e-5)
    expected = mini.embed_texts(["moss"])[0]
    assert vectors[0] @ expected > 0.999
    assert vectors[1] @ vectors[3] < 0.999
    nothing, none = embed_rows(bundle, [])
    assert nothing.shape == (0, mini.dimension) and none == {}


def test_an_encoder_of_images_refuses_words(tmp_path):
    config = seeded_resnet18(tmp_path)
    fingerprint = open_encoder("r18", {"r18": config}).fingerprint
    card = OPTIONS | {"encoder": "r18", "fingerprint": fingerprint, "runtime": "torch-fp32"}
    write_bundle(tmp_path / "bundle", encoder="r18", encoders={"r18": config}, card=card)
    Path(config.pretrained).unlink()
    vectors, refused = embed_rows(
        open_bundle(tmp_path / "bundle"), [Sent(text="moss"), Sent(data=PICTURES[0])]
    )
    assert refused == {0: "it has a text, and the encoder r18 knows no words"}
    assert np.linalg.norm(vectors[1]) == pytest.approx(1, abs=1e-5)


def change(folder, **values):
    card = json.loads((folder / "bundle.json").read_text())
    (folder / "bundle.json").write_text(json.dumps(card | values))


def test_another_encoder_than_was_registered_is_an_error(bundle_of):
    folder = bundle_of(None)
    change(folder, fingerprint="another")
    with pytest.raises(VeneerError, match=r"it was \[another\] when it was registered.*versions"):
        open_bundle(folder)


def test_other_modules_than_it_was_made_by_are_told_of(bundle_of, caplog):
    folder = bundle_of(None)
    open_bundle(folder)
    assert "other modules" not in caplog.text
    change(folder, code="0" * 64)
    open_bundle(folder)
    assert "made by other modules of veneer" in caplog.text
