"""Nodes of `modeling`."""

from __future__ import annotations

import logging
from collections import Counter
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from veneer.errors import VeneerError
from veneer.metrics import classification_report
from veneer.parameters import MLPOptions, ModelingOptions, SVCOptions
from veneer.schema import PREDICTIONS, TRAIN_LOG, fingerprint_of, runtime_of, vectors

logger = logging.getLogger(__name__)


def join_features(
    image_rows: ds.Dataset,
    splits: pa.Table,
    embeddings: ds.Dataset,
    not_embedded: pa.Table,
    modeling: ModelingOptions,
) -> tuple[pa.Table, dict[str, int]]:
    """Labelled rows with their split and vector, and the classes that are too small.

    Images that `embedding` could not decode are left out; it has told of them.

    Returns
    -------
    features : Table with id, sha, label, split, embedding, ordered by id
        Without rows for a collection that has no labels.
    left_out_classes : dict
        Number of images of each class below ``min_class_size``.

    Raises
    ------
    VeneerError
        When labels are there, but fewer than two classes are large enough; or when an image has
        no vector.
    """
    rows = image_rows.to_table(columns=["id", "sha", "label"])
    rows = rows.filter(pc.is_valid(rows["label"])).join(splits, "id")
    rows = rows.filter(pc.invert(pc.is_in(rows["sha"], not_embedded["sha"].combine_chunks())))
    sizes = Counter(rows["label"].to_pylist())
    left_out = {c: n for c, n in sorted(sizes.items()) if n < modeling.min_class_size}
    kept = sorted(set(sizes) - set(left_out))
    if left_out:
        logger.warning(
            "left out of modeling, having fewer than %d images: %s",
            modeling.min_class_size,
            ", ".join(f"{label} ({n})" for label, n in left_out.items()),
        )
    if not sizes:
        logger.warning("the collection has no labels: no heads are fitted, nothing is evaluated")
    elif len(kept) < 2 and modeling.heads:
        raise VeneerError(
            f"Fitting heads: {len(kept)} of the collection's {len(sizes)} classes have at least "
            f"{modeling.min_class_size} images, and a classifier needs two. A class is a folder "
            "of images; for a collection without classes put the files directly into its folder."
        )
    rows = rows.filter(pc.is_in(rows["label"], pa.array(kept, pa.string()))).sort_by("id")
    order = pc.index_in(rows["sha"], _column(embeddings, "sha"))
    if order.null_count:
        raise VeneerError(
            f"Fitting heads: {order.null_count} images have no vector. Run the pipeline embedding "
            "for this collection and encoder first."
        )
    column = _column(embeddings, "embedding").take(order)
    features = rows.append_column(embeddings.schema.field("embedding"), column)
    return features.replace_schema_metadata(_metadata(embeddings)), left_out


def _metadata(embeddings: ds.Dataset) -> dict:
    """Fingerprint, and the runtimes of all shards, which need not be the same."""
    shards = [fragment.physical_schema for fragment in embeddings.get_fragments()]
    runtimes = sorted({runtime_of(schema) or "unknown" for schema in shards})
    return {**embeddings.schema.metadata, b"runtime": ", ".join(runtimes)}


def _column(dataset: ds.Dataset, name: str) -> pa.Array:
    column = dataset.to_table(columns=[name])[name].combine_chunks()
    return column if isinstance(column, pa.Array) else pa.array([], column.type)


def fit_heads(
    features: pa.Table,
    modeling: ModelingOptions,
    svc: SVCOptions,
    mlp: MLPOptions,
    seed: int,
) -> tuple[dict[str, Any], pa.Table]:
    """Fit the heads named in ``modeling`` to the training rows; no rows, no heads."""
    heads: dict[str, Any] = {}
    log: list[dict] = []
    if features.num_rows:
        train = _side(features, "train")
        if modeling.heads and len(set(train["labels"])) < 2:
            raise VeneerError(
                "Fitting heads: fewer than two classes have images on the training side. Lower "
                "splits.validation_share, or use splits.method=stratified, which gives every "
                "class its share."
            )
        for name in modeling.heads:
            if name == "svc":
                heads[name] = _fit_svc(train, svc)
            elif name == "mlp":
                heads[name], log = _fit_mlp(train, _side(features, "validation"), mlp, seed)
    return heads, pa.Table.from_pylist(log, schema=TRAIN_LOG)


def _fit_svc(train: dict, options: SVCOptions) -> Any:
    from veneer.heads.linear_svc import OneVsRestLinearSVC

    head = OneVsRestLinearSVC(**options.model_dump()).fit(train["features"], train["labels"])
    logger.info("svc: largest relative duality gap %.2g", float(np.max(head.duality_gap_)))
    return head


def _fit_mlp(train: dict, validation: dict, options: MLPOptions, seed: int) -> tuple[Any, list]:
    from veneer.heads.mlp import fit_mlp

    given = options.model_dump()
    on_validation = given.pop("stop_on") == "validation"
    stopping_set = (validation["features"], validation["labels"]) if on_validation else None
    head, log = fit_mlp(
        train["features"],
        train["labels"],
        train["shas"],
        seed=seed,
        device=None,
        stopping_set=stopping_set,
        **given,
    )
    logger.info("mlp: stopped after %d epochs", len(log))
    return head, log


def evaluate(
    features: pa.Table, heads: dict[str, Any], left_out_classes: dict[str, int]
) -> tuple[dict, pa.Table]:
    """Judge every head on the validation rows.

    Returns
    -------
    metrics : dict
        One :func:`veneer.metrics.classification_report` a head, with ``left_out_classes``.
    predictions : Table of schema :data:`veneer.schema.PREDICTIONS`
    """
    metrics: dict[str, dict] = {}
    tables = []
    rows = _side(features, "validation")
    if heads and not len(rows["labels"]):
        raise VeneerError(
            "Evaluating heads: no image is on the validation side. Raise splits.validation_share, "
            "use splits.method=stratified, or, where every class consists of copies of one "
            "picture, add different ones."
        )
    for name, head in heads.items():
        scores = head.scores(rows["features"])
        best = scores.argmax(axis=1)
        predicted = head.classes_[best]
        metrics[name] = classification_report(rows["labels"], predicted, head.classes_) | {
            "left_out_classes": left_out_classes
        }
        tables.append(
            pa.table(
                {
                    "id": rows["ids"],
                    "head": [name] * len(best),
                    "label": rows["labels"],
                    "predicted": predicted.tolist(),
                    "score": scores[np.arange(len(best)), best],
                },
                schema=PREDICTIONS,
            )
        )
        logger.info(
            "%s: accuracy %.4f, weighted F1 %.4f on %d validation images",
            name,
            metrics[name]["accuracy"],
            metrics[name]["weighted_f1"],
            len(best),
        )
    return metrics, pa.concat_tables([PREDICTIONS.empty_table(), *tables])


def track_heads(
    features: pa.Table,
    heads: dict[str, Any],
    metrics: dict,
    train_log: pa.Table,
    collection_card: dict,
) -> None:
    """Log metrics, heads and what they were made from to the active MLflow run, if there is one."""
    from veneer.pipelines import tracking

    tracking.tag_collection(collection_card)
    tracking.log_encoder(fingerprint_of(features.schema), runtime_of(features.schema))
    tracking.log_metrics(metrics)
    tracking.log_train_log(train_log.to_pylist())
    for name, head in heads.items():
        tracking.log_head(name, head, vectors(features["embedding"].slice(0, 4)))


def _side(features: pa.Table, split: str) -> dict[str, Any]:
    """The rows of one side: float32 [n, D], labels, shas, ids."""
    rows = features.filter(pc.equal(features["split"], split))
    return {
        "features": vectors(rows["embedding"]),
        "labels": np.asarray(rows["label"].to_pylist(), dtype=str),
        "shas": np.asarray(rows["sha"].to_pylist(), dtype=str),
        "ids": rows["id"].to_pylist(),
    }
