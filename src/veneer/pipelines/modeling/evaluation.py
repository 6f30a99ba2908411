"""Nodes of `modeling` that judge what was fitted."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from veneer.errors import VeneerError
from veneer.heads.calibration import probabilities
from veneer.heads.classifier import Classifier, most_accurate
from veneer.metrics import calibration_error, classification_report
from veneer.parameters import CalibrationOptions
from veneer.schema import DOUBTFUL_LABELS, PREDICTIONS, fingerprint_of, vectors
from veneer.statistics import paired_test

logger = logging.getLogger(__name__)


def evaluate(
    features: pa.Table,
    heads: dict[str, Classifier],
    held_out: pa.Table,
    left_out_classes: dict[str, int],
) -> tuple[dict, pa.Table]:
    """Judge every head on the validation rows, and on the test rows where there are some.

    Returns
    -------
    metrics : dict
        One :func:`veneer.metrics.classification_report` a head, with what it was compared with
        under ``against``, the same of the test side under ``test``, and ``left_out_classes``.
    predictions : Table of schema :data:`veneer.schema.PREDICTIONS`
        ``held_out`` with its origin, and after it the validation and test rows.
    """
    metrics: dict[str, dict] = {}
    tables = [held_out]
    fingerprint = fingerprint_of(features.schema)
    validation, test = rows_of(features, "validation"), rows_of(features, "test")
    if heads and features.num_rows and not len(validation["labels"]):
        raise VeneerError(
            "Evaluating heads: no image is on the validation side. Raise splits.validation_share, "
            "use splits.method=stratified, or, where every class consists of copies of one "
            "picture, add different ones."
        )
    _tell_of_unknown(features)
    for name, classifier in heads.items() if features.num_rows else ():
        for side in (validation, test):
            if len(side["labels"]):
                found = classifier.probabilities(side["features"], fingerprint)
                rows = predictions_of(name, classifier.classes, found, side)
                tables.append(rows)
                report = _report(classifier, side, rows, found)
                if side is validation:
                    metrics[name] = report | {"left_out_classes": left_out_classes}
                else:
                    metrics[name]["test"] = report
        logger.info(
            "%s: accuracy %.4f, weighted F1 %.4f on %d validation images",
            name,
            metrics[name]["accuracy"],
            metrics[name]["weighted_f1"],
            len(validation["labels"]),
        )
    predictions = pa.concat_tables(tables)
    _compare(metrics, predictions)
    return metrics, predictions


def _tell_of_unknown(features: pa.Table) -> None:
    """Classes without training images, as an official split may have them."""
    known = pc.unique(features.filter(pc.equal(features["split"], "train"))["label"])
    unknown = features.filter(pc.invert(pc.is_in(features["label"], known)))
    if len(unknown):
        logger.warning(
            "%d images are of classes without training images, and count as wrong: %s",
            len(unknown),
            ", ".join(sorted(set(unknown["label"].to_pylist()))),
        )


def _report(classifier: Classifier, side: dict, rows: pa.Table, found: np.ndarray) -> dict:
    card = classifier.card
    right = pc.equal(rows["label"], rows["predicted"]).to_numpy()
    sure = ~classifier.unsure(rows["confidence"].to_numpy())
    as_scored = probabilities(classifier.head.scores(side["features"])).max(axis=1)
    report = classification_report(
        rows["label"].to_pylist(), rows["predicted"].to_pylist(), classifier.classes, found
    )
    return report | {
        "uncalibrated_error": calibration_error(as_scored, right),
        "temperature": card.temperature,
        "held_out_accuracy": card.held_out_accuracy,
        "threshold": card.threshold,
        "coverage": float(sure.mean()),
        "covered_accuracy": float(right[sure].mean()) if sure.any() else None,
    }


def _compare(metrics: dict[str, dict], predictions: pa.Table) -> None:
    """Each head against every other on the validation rows, into ``metrics``."""
    rows = predictions.filter(pc.equal(predictions["split"], "validation"))
    sides = {name: rows.filter(pc.equal(rows["head"], name)) for name in metrics}
    for name, own in sides.items():
        metrics[name]["against"] = {
            other: paired_test(
                own["label"].to_numpy(), own["predicted"].to_numpy(), theirs["predicted"].to_numpy()
            )
            for other, theirs in sides.items()
            if other != name
        }


def find_doubtful_labels(
    predictions: pa.Table,
    image_rows: ds.Dataset,
    metrics: dict[str, dict],
    calibration: CalibrationOptions,
) -> pa.Table:
    """Rows whose label a head contradicts that was not fitted to them, the most doubtful first.

    Labels that the head does not know are nothing it could doubt. The others are ranked by the
    probability of the label ("self-confidence" in Northcutt et al., Confident learning, 2021):
    margins and per-class thresholds find fewer of the wrong ones.

    Returns
    -------
    Table of schema :data:`veneer.schema.DOUBTFUL_LABELS`
    """
    columns = {"id": ds.field("id"), "path": ds.field("image", "path")}
    rows = errors_of(predictions, metrics, calibration.audit_head)
    rows = rows.filter(pc.is_valid(rows["label_confidence"]))
    rows = rows.join(image_rows.scanner(columns=columns).to_table(), "id")
    rows = rows.sort_by([("label_confidence", "ascending"), ("id", "ascending")])
    return rows.select(DOUBTFUL_LABELS.names).cast(DOUBTFUL_LABELS)


def errors_of(predictions: pa.Table, metrics: dict[str, dict], head: str | None) -> pa.Table:
    """The predictions that contradict the label: by a head, or else by the most accurate one."""
    name = head or most_accurate({n: each["held_out_accuracy"] for n, each in metrics.items()})
    wrong = pc.not_equal(predictions["label"], predictions["predicted"])
    return predictions.filter(pc.and_(wrong, pc.equal(predictions["head"], name or "")))


def predictions_of(
    head: str, classes: np.ndarray, found: np.ndarray, rows: dict[str, Any]
) -> pa.Table:
    """Rows of schema PREDICTIONS for probabilities [n, K]."""
    best = found.argmax(axis=1)
    column = {label: place for place, label in enumerate(classes)}
    places = np.array([column.get(label, -1) for label in rows["labels"]], np.int64)
    every = np.arange(len(best))
    return pa.table(
        {
            "id": rows["ids"],
            "head": [head] * len(best),
            "split": rows["splits"],
            "label": rows["labels"],
            "predicted": classes[best].tolist(),
            "confidence": found[every, best],
            "label_confidence": pa.array(found[every, places], mask=places < 0),
        },
        schema=PREDICTIONS,
    )


def rows_of(features: pa.Table, split: str) -> dict[str, Any]:
    """The rows of one side: float32 [n, D], labels, shas, ids, and the side of each."""
    rows = features.filter(pc.equal(features["split"], split))
    return {
        "features": vectors(rows["embedding"]),
        "labels": np.asarray(rows["label"].to_pylist(), dtype=str),
        "shas": np.asarray(rows["sha"].to_pylist(), dtype=str),
        "ids": rows["id"].to_pylist(),
        "splits": rows["split"].to_pylist(),
    }
