"""Nodes of `modeling` on made rows: what is uncommon, and what no run of the sample meets."""

from __future__ import annotations

import json
import logging

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
import pytest
from support import ROOT

from veneer.errors import VeneerError
from veneer.heads.classifier import most_accurate
from veneer.origin import origin_of
from veneer.parameters import (
    CalibrationOptions,
    MLPOptions,
    ModelingOptions,
    ProKeROptions,
    SVCOptions,
    ZeroShotOptions,
)
from veneer.pipelines.modeling.evaluation import evaluate, find_doubtful_labels
from veneer.pipelines.modeling.nodes import (
    fit_heads,
    head_keys,
    join_features,
    labelled_rows,
    modeled_digest,
)
from veneer.schema import class_prompts_schema, embedding_schema
from veneer.text import prompts_of, text_sha

ALL = ["svc", "mlp", "proker", "zero_shot"]
CLASSES = ["ash", "elm", "oak"]
TEMPLATES = ["{}", "a photo of {}"]
D = 12
MLP = {
    "hidden": 8,
    "dropout": 0.0,
    "learning_rate": 0.01,
    "weight_decay": 0.0,
    "batch_size": 16,
    "max_epochs": 3,
    "patience": 2,
    "stop_on": "train",
    "stopping_share": 0.2,
}


def vector(label: str, number: int) -> np.ndarray:
    """A unit vector near that of its class."""
    rng = np.random.default_rng([sum(label.encode()), number])
    found = np.eye(D)[sum(label.encode()) % D] + 0.15 * rng.normal(size=D)
    return (found / np.linalg.norm(found)).astype(np.float32)


def table_of(rows, split_of, text=None, fusion="image"):
    """The outputs of `join_features` for (label, number) rows."""
    shas = [f"{label}{number}" for label, number in rows]
    ids = [f"id {sha}" for sha in shas]
    schema = embedding_schema(D, "encoder 1")
    vectors = pa.array([vector(*row).tolist() for row in rows], schema.field("embedding").type)
    embeddings = ds.dataset(pa.table({"sha": shas, "embedding": vectors}, schema=schema))
    texts = [text(*row) if text else None for row in rows]
    keys = sorted({text_sha(each) for each in texts} - {None})
    known = pa.array([vector(key, 0).tolist() for key in keys], schema.field("embedding").type)
    images = ds.dataset(
        pa.table(
            {
                "id": ids,
                "sha": shas,
                "label": [label for label, _ in rows],
                "text": pa.array(texts, pa.string()),
                "image": [{"path": f"{sha}.jpg"} for sha in shas],
            }
        )
    )
    splits = pa.table({"id": ids, "split": [split_of(*row) for row in rows]})
    nothing = pa.table({"sha": pa.array([], pa.string())})
    modeling = ModelingOptions(heads=ALL, min_class_size=2, fusion=fusion)
    text_embeddings = ds.dataset(pa.table({"sha": keys, "embedding": known}, schema=schema))
    features, left_out = join_features(
        images, splits, embeddings, nothing, text_embeddings, modeling
    )
    return images, features, left_out


def prompts(classes, fingerprint="encoder 1"):
    schema = class_prompts_schema(D, fingerprint)
    pairs = [(label, each) for label in classes for each in prompts_of(label, TEMPLATES)]
    column = [vector(label, -1 % 7).tolist() for label, _ in pairs]
    labels, texts = zip(*pairs, strict=True) if pairs else ((), ())
    return pa.table({"label": labels, "prompt": texts, "embedding": column}, schema=schema)


def fit(features, class_prompts, heads=ALL, classes=None, **mlp):
    return fit_heads(
        features,
        class_prompts,
        ModelingOptions(heads=heads, min_class_size=2, fusion="image"),
        CalibrationOptions(folds=3, accuracy=0.9, audit_head=None),
        SVCOptions(reg_param=0.02, max_iter=200, tol=1e-3, class_weight=None),
        MLPOptions(**MLP | mlp),
        ProKeROptions(landmarks=100),
        ZeroShotOptions(templates=TEMPLATES, names={}, classes=classes),
        0,
    )


def side_of(label, number):
    return "validation" if number % 5 == 0 else "test" if number % 5 == 1 else "train"


@pytest.fixture(scope="module")
def common():
    rows = [(label, number) for label in CLASSES for number in range(20)]
    return table_of(rows, side_of)


def test_predictions_say_what_they_were_made_from(common):
    images, features, left_out = common
    heads, held_out, _ = fit(features, prompts(CLASSES), heads=["svc", "zero_shot"])
    _, predictions = evaluate(features, heads, held_out, left_out)
    origin = origin_of(predictions.schema)
    assert list(origin) == ["encoder", "heads", "rows"] and origin["encoder"] == "encoder 1"
    modeling = ModelingOptions(heads=ALL, min_class_size=2, fusion="image")
    splits = features.select(["id", "split"])
    assert origin["rows"] == modeled_digest(labelled_rows(images, splits), modeling)
    moved = splits.set_column(1, "split", pa.array(["test"] * len(splits)))
    assert origin["rows"] != modeled_digest(labelled_rows(images, moved), modeling)
    # Of the heads alone that were asked for; also of one that could not be had.
    wordless = prompts(CLASSES).slice(0, 0)
    heads, held_out, _ = fit(features, wordless, heads=["zero_shot"])
    assert heads == {} and list(origin_of(held_out.schema)["heads"]) == ["zero_shot"]


def test_a_heads_key_changes_with_its_own_settings_alone():
    svc = SVCOptions(reg_param=0.02, max_iter=200, tol=1e-3, class_weight=None)
    other_svc = svc.model_copy(update={"reg_param": 0.1})
    words = ZeroShotOptions(templates=TEMPLATES, names={}, classes=None)
    other_words = words.model_copy(update={"names": {"oak": "a tree"}})
    modeling = ModelingOptions(heads=ALL, min_class_size=2, fusion="image")

    def keys(svc, words, seed=0, modeling=modeling):
        return head_keys(modeling, svc, MLPOptions(**MLP), ProKeROptions(landmarks=9), words, seed)

    def changed(*others, **more):
        before, after = keys(svc, words), keys(*others, **more)
        return [name for name in ALL if before[name] != after[name]]

    assert changed(svc, words) == []
    assert changed(other_svc, words) == ["svc"]
    assert changed(svc, other_words) == ["proker", "zero_shot"]
    assert changed(svc, words, seed=1) == ["mlp", "proker"]
    larger = modeling.model_copy(update={"min_class_size": 9})
    assert changed(svc, words, modeling=larger) == ALL


def test_validation_and_test_are_reported_and_every_row_is_predicted(common):
    images, features, left_out = common
    heads, held_out, log = fit(features, prompts(CLASSES))
    metrics, predictions = evaluate(features, heads, held_out, left_out)
    assert list(heads) == list(metrics) == ALL
    assert [metrics[name]["n_validation"] for name in ALL] == [12] * 4
    assert [metrics[name]["test"]["n_validation"] for name in ALL] == [12] * 4
    json.dumps(metrics, allow_nan=False)
    assert predictions.num_rows == 4 * 60
    assert len(log) >= 1
    doubtful = find_doubtful_labels(
        predictions, images, metrics, CalibrationOptions(folds=3, accuracy=0.9, audit_head="mlp")
    )
    assert all(row["label"] != row["predicted"] for row in doubtful.to_pylist())
    assert most_accurate({n: m["held_out_accuracy"] for n, m in metrics.items()}) in ALL


def test_zero_shot_may_know_other_classes_than_the_labels(common):
    _, features, left_out = common
    classes = ["ash", "yew"]
    heads, held_out, _ = fit(features, prompts([*CLASSES, "yew"]), classes=classes)
    assert heads["zero_shot"].classes.tolist() == classes
    metrics, _ = evaluate(features, heads, held_out, left_out)
    assert metrics["zero_shot"]["accuracy"] <= 1 / 3
    assert metrics["svc"]["accuracy"] == 1


def test_classes_without_labels_make_one_head_that_is_never_sure(common, caplog):
    _, features, left_out = common
    with caplog.at_level(logging.WARNING):
        heads, held_out, _ = fit(
            features.slice(0, 0), prompts(["ash", "yew"]), classes=["ash", "yew"]
        )
    assert list(heads) == ["zero_shot"]
    assert "always unsure" in caplog.text
    found = heads["zero_shot"].probabilities(vector("ash", 3)[None], "encoder 1")
    assert heads["zero_shot"].classes[found.argmax()] == "ash"
    assert heads["zero_shot"].unsure(found.max(axis=1)).all()
    assert evaluate(features.slice(0, 0), heads, held_out, left_out)[0] == {}


def test_an_encoder_without_words_has_no_zero_shot(common, caplog):
    _, features, _ = common
    with caplog.at_level(logging.WARNING):
        heads, _, _ = fit(features, class_prompts_schema(D, "encoder 1").empty_table())
    assert list(heads) == ["svc", "mlp", "proker"]
    assert "zero_shot is not there: the encoder has no text tower" in caplog.text
    assert "proker learns from examples alone" in caplog.text


def test_prompts_of_another_encoder_or_other_templates_are_told(common):
    _, features, _ = common
    with pytest.raises(VeneerError, match=r"\[encoder 2\], the images by \[encoder 1\]"):
        fit(features, prompts(CLASSES, "encoder 2"))
    with pytest.raises(VeneerError, match="2 prompts have no vector, as 'oak'"):
        fit(features, prompts(CLASSES[:2]))


def test_classes_without_training_images_are_told_and_wrong(caplog):
    rows = [(label, number) for label in CLASSES for number in range(12)]
    images, features, left_out = table_of(
        rows, lambda label, number: "validation" if label == "oak" else side_of(label, number)
    )
    heads, held_out, _ = fit(features, prompts(CLASSES), stop_on="validation")
    with caplog.at_level(logging.WARNING):
        metrics, predictions = evaluate(features, heads, held_out, left_out)
    options = CalibrationOptions(folds=3, accuracy=0.9, audit_head="svc")
    doubtful = find_doubtful_labels(predictions, images, metrics, options)
    assert "oak" not in doubtful["label"].to_pylist()
    assert (
        "12 images are of classes without training images, and count as wrong: oak" in caplog.text
    )
    assert metrics["svc"]["per_class"]["oak"]["recall"] == 0


@pytest.mark.parametrize("fusion", ["text", "concat"])
def test_rows_without_a_text(fusion, caplog):
    rows = [(label, number) for label in CLASSES for number in range(6)]
    told = lambda label, number: f"{label} wood" if number else None  # noqa: E731
    with caplog.at_level(logging.WARNING):
        _, features, _ = table_of(rows, side_of, told, fusion)
    assert "3 images have no text" in caplog.text
    assert features.num_rows == (15 if fusion == "text" else 18)
    width = features.schema.field("embedding").type.list_size
    assert width == (D if fusion == "text" else 2 * D)
    with pytest.raises(VeneerError, match="no image of the collection has a text"):
        table_of(rows, side_of, lambda *_: " ", fusion)


def test_the_defaults_are_those_of_the_configuration():
    text = (ROOT / "conf/base/parameters/modeling.yml").read_text()
    assert f"heads: [{', '.join(ALL)}]" in text
