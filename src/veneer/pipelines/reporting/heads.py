"""Nodes of `reporting` that show what the heads can do, and where they fail."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc
from PIL import Image

from veneer.metrics import confusion_counts, coverage_curve, most_confused, reliability_bins
from veneer.parameters import CalibrationOptions
from veneer.pipelines.modeling.evaluation import errors_of
from veneer.pipelines.reporting.nodes import THUMBNAIL, thumbnails
from veneer.retrieval.index import Index

DOUBTFUL = 48  # images on the sheet of doubtful labels, at most
PAIRS, EXAMPLES = 8, 6  # of confused classes, and images of each


def draw_confusion_matrices(predictions: pa.Table, metrics: dict) -> dict[str, Image.Image]:
    """One confusion matrix a head."""
    from veneer.figures.confusion_matrix import confusion_matrix

    pictures = {}
    for head, report in metrics.items():
        rows = _validation(predictions, head).to_pydict()
        classes = sorted(set(rows["label"]) | set(rows["predicted"]))
        low, high = report["accuracy_interval_95"]
        pictures[head] = confusion_matrix(
            confusion_counts(rows["label"], rows["predicted"], classes),
            classes,
            title=f"{head} on {report['n_validation']} validation images",
            subtitle=(
                f"accuracy {report['accuracy']:.3f} (95 % {low:.3f} – {high:.3f}), "
                f"weighted F1 {report['weighted_f1']:.3f}, macro F1 {report['macro_f1']:.3f}"
            ),
        )
    return pictures


def draw_evaluation(
    predictions: pa.Table, metrics: dict, train_log: pa.Table
) -> dict[str, Image.Image]:
    """How sure each head is and may be, what abstaining gains, and how the MLP was trained."""
    from veneer.figures.curves import coverage_curves, training_curve
    from veneer.figures.reliability import reliability_diagram

    pictures, curves, thresholds = {}, {}, {}
    for head, report in metrics.items():
        rows = _validation(predictions, head)
        confidence = rows["confidence"].to_numpy()
        right = pc.equal(rows["label"], rows["predicted"]).to_numpy()
        curves[head] = coverage_curve(confidence, right)
        if report["threshold"] is not None:
            thresholds[head] = report["threshold"]
        pictures[f"reliability-{head}"] = reliability_diagram(
            reliability_bins(confidence, right),
            title=f"{head}: how sure, and how often right",
            subtitle=f"{len(rows)} validation images, temperature {report['temperature']:.3g}",
            before=report["uncalibrated_error"],
            after=report["expected_calibration_error"],
        )
    if curves:
        pictures["coverage"] = coverage_curves(
            curves,
            thresholds,
            title="What is gained by not answering",
            subtitle="validation images; a ring where the head begins to be unsure",
        )
    if len(train_log):
        pictures["training-mlp"] = training_curve(
            train_log.to_pylist(), title="Training of the mlp"
        )
    return pictures


def draw_label_sheets(
    predictions: pa.Table,
    doubtful_labels: pa.Table,
    metrics: dict,
    index: Index,
    calibration: CalibrationOptions,
) -> dict[str, Image.Image]:
    """The labels that are most in doubt, and the classes that are most often confused."""
    from veneer.figures.contact_sheet import Tile, contact_sheet

    doubtful = doubtful_labels.slice(0, DOUBTFUL).to_pylist()
    errors = errors_of(predictions, metrics, calibration.audit_head).sort_by(
        [("confidence", "descending"), ("id", "ascending")]
    )
    pairs = {}
    for label, predicted, count, _ in most_confused(
        errors["label"].to_pylist(), errors["predicted"].to_pylist(), PAIRS
    ):
        both = pc.and_(pc.equal(errors["label"], label), pc.equal(errors["predicted"], predicted))
        pairs[label, predicted, count] = errors.filter(both).slice(0, EXAMPLES).to_pylist()
    shown = {row["id"] for rows in (doubtful, *pairs.values()) for row in rows}
    pictures = thumbnails(index, shown)
    sheets = {}
    if doubtful:
        sheets["doubtful_labels"] = contact_sheet(
            [
                Tile(
                    pictures[row["id"]],
                    rank,
                    row["label_confidence"],
                    row["label"],
                    f"or {row['predicted']}?",
                )
                for rank, row in enumerate(doubtful, start=1)
            ],
            title="Labels in doubt",
            subtitle="the label, and what a head says that has not seen the image; the score is "
            "the probability that it gives to the label. doubtful_labels.parquet has the paths",
            tile_size=THUMBNAIL,
        )
    if pairs:
        widest = max(map(len, pairs.values()))
        in_rows = widest > EXAMPLES // 2
        blank = Image.new("RGB", (1, 1), "white")
        tiles = []
        for (label, predicted, count), rows in pairs.items():
            told = f"→ {predicted} ({count})"
            tiles += [Tile(pictures[row["id"]], label=label, caption=told) for row in rows]
            if in_rows:  # one for each pair
                tiles += [Tile(blank)] * (widest - len(rows))
        sheets["confused_pairs"] = contact_sheet(
            tiles,
            title="Classes most often confused",
            subtitle="the label → the prediction (how often), with the most confident examples; "
            "images of all sides, by heads that were not fitted to them",
            columns=widest if in_rows else EXAMPLES,
            tile_size=THUMBNAIL,
        )
    return sheets


def _validation(predictions: pa.Table, head: str) -> pa.Table:
    own = pc.and_(pc.equal(predictions["head"], head), pc.equal(predictions["split"], "validation"))
    return predictions.filter(own)
