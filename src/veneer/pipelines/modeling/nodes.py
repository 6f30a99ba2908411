"""Nodes of `modeling`."""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from veneer.errors import VeneerError
from veneer.heads.calibration import (
    abstention_threshold,
    fit_temperature,
    out_of_fold_scores,
    probabilities,
)
from veneer.heads.classifier import Card, Classifier, Head
from veneer.heads.fusion import fuse
from veneer.origin import digest, origin_of, rows_digest, with_origin
from veneer.parameters import (
    CalibrationOptions,
    MLPOptions,
    ModelingOptions,
    ProKeROptions,
    SVCOptions,
    ZeroShotOptions,
)
from veneer.pipelines.modeling.evaluation import predictions_of, rows_of
from veneer.progress import progress
from veneer.schema import (
    PREDICTIONS,
    TRAIN_LOG,
    TUNED,
    fingerprint_of,
    fusion_of,
    runtime_of,
    vectors,
)
from veneer.text import text_sha

if TYPE_CHECKING:
    from veneer.heads.zero_shot import ZeroShotHead

logger = logging.getLogger(__name__)

Fit = Callable[[np.ndarray, np.ndarray, np.ndarray], Head]
"""Features, labels and the ``sha`` of each row to a head."""


def join_features(
    image_rows: ds.Dataset,
    splits: pa.Table,
    embeddings: ds.Dataset,
    not_embedded: pa.Table,
    text_embeddings: ds.Dataset,
    modeling: ModelingOptions,
) -> tuple[pa.Table, dict[str, int]]:
    """Labelled rows with their split and features, and the classes that are too small.

    Images that `embedding` could not decode are left out; it has told of them. So are rows
    without a text, where a head is to see nothing else.

    Returns
    -------
    features : Table with id, sha, label, split, embedding, ordered by id
        Without rows for a collection that has no labels.
    left_out_classes : dict
        Number of images of each class below ``min_class_size``.

    Raises
    ------
    VeneerError
        When labels are there, but fewer than two classes are large enough; or when an image or a
        text has no vector.
    """
    rows = labelled_rows(image_rows, splits)
    origin = {"rows": modeled_digest(rows, modeling)}
    rows = rows.filter(pc.invert(pc.is_in(rows["sha"], not_embedded["sha"].combine_chunks())))
    rows = _with_texts(rows, modeling)
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
        logger.warning("the collection has no labels: nothing is learnt from, nothing is evaluated")
    elif len(kept) < 2 and modeling.heads:
        raise VeneerError(
            f"Fitting heads: {len(kept)} of the collection's {len(sizes)} classes have at least "
            f"{modeling.min_class_size} images, and a classifier needs two. A class is a folder "
            "of images; for a collection without classes put the files directly into its folder."
        )
    rows = rows.filter(pc.is_in(rows["label"], pa.array(kept, pa.string()))).sort_by("id")
    images = texts = None
    if modeling.fusion != "text":
        images = _vectors_of(rows["sha"].combine_chunks(), embeddings, "images")
    if modeling.fusion != "image":
        shas = [text_sha(text) for text in rows["text"].to_pylist()]
        texts = _vectors_of(pa.array(shas, pa.string()), text_embeddings, "texts")
    if (fingerprint_of(embeddings.schema) or "").startswith(TUNED):
        logger.warning(
            "the encoder is a tuned one: where that was by this collection, what heads say of "
            "held-out training images (calibration, doubtful labels, the choice of a head) "
            "flatters, and so does searching for them; figures of the validation side do not"
        )
    fused = fuse(images, texts, modeling.fusion)
    column = pa.FixedSizeListArray.from_arrays(fused.ravel(), fused.shape[1])
    features = rows.drop_columns(["text"]).append_column("embedding", column)
    metadata = _metadata(embeddings) | {b"fusion": modeling.fusion.encode()}
    return with_origin(features.replace_schema_metadata(metadata), origin), left_out


def labelled_rows(image_rows: ds.Dataset, splits: pa.Table) -> pa.Table:
    """Image rows that have a label: id, sha, label, text and split."""
    rows = image_rows.to_table(columns=["id", "sha", "label", "text"])
    return rows.filter(pc.is_valid(rows["label"])).join(splits, "id")


def modeled_digest(rows: pa.Table, modeling: ModelingOptions) -> str:
    """Digest of all that heads see of :func:`labelled_rows`, vectors aside."""
    seen = ["id", "label", "split"] + ["text"] * (modeling.fusion != "image")
    return rows_digest(rows.select(seen))


def head_keys(
    modeling: ModelingOptions,
    svc: SVCOptions,
    mlp: MLPOptions,
    proker: ProKeROptions,
    zero_shot: ZeroShotOptions,
    seed: int,
) -> dict[str, str]:
    """Of each head, a digest of the settings on which it depends what it says of a row.

    Temperature and threshold are not among them: they change how sure it is, not what it says.
    """
    words = zero_shot.model_dump()
    own = {
        "svc": [svc.model_dump()],
        "mlp": [mlp.model_dump(), seed],
        "proker": [proker.model_dump(), words, seed],
        "zero_shot": [words],
    }
    return {
        name: digest(modeling.min_class_size, modeling.fusion, own[name]) for name in modeling.heads
    }


def _with_texts(rows: pa.Table, modeling: ModelingOptions) -> pa.Table:
    if modeling.fusion == "image":
        return rows
    present = pc.not_equal(pc.utf8_trim_whitespace(pc.coalesce(rows["text"], "")), "")
    without = len(rows) - pc.sum(present).as_py() if len(rows) else 0
    if len(rows) and without == len(rows):
        raise VeneerError(
            f"Fitting heads with modeling.fusion={modeling.fusion}: no image of the collection has "
            "a text. Name where texts come from (source.parquet.text, source.csv.text, a pattern), "
            "or use modeling.fusion=image."
        )
    if without and modeling.fusion == "text":
        logger.warning("%d images have no text and are left out of modeling", without)
        return rows.filter(present)
    if without:
        logger.warning("%d images have no text; heads see the image alone there", without)
    return rows


def _vectors_of(shas: pa.Array, embeddings: ds.Dataset, what: str) -> np.ndarray:
    """The vector of each row, float32 [n, D]; zeros for null."""
    table = embeddings.to_table()
    places = pc.index_in(shas, table["sha"].combine_chunks(), skip_nulls=True)
    missing = pc.sum(pc.and_(pc.is_valid(shas), pc.is_null(places))).as_py()
    if missing:
        raise VeneerError(
            f"Fitting heads: {missing} {what} have no vector. Run the pipeline embedding for this "
            "collection and encoder first, with the same --env and --params."
        )
    places = pc.fill_null(places, -1).to_numpy(zero_copy_only=False)
    found = vectors(table["embedding"])[places]
    found[places < 0] = 0
    return found


def _metadata(embeddings: ds.Dataset) -> dict:
    """Fingerprint, and the runtimes of all shards, which need not be the same."""
    shards = [fragment.physical_schema for fragment in embeddings.get_fragments()]
    runtimes = sorted({runtime_of(schema) or "unknown" for schema in shards})
    return {**embeddings.schema.metadata, b"runtime": ", ".join(runtimes)}


def fit_heads(
    features: pa.Table,
    class_prompts: pa.Table,
    modeling: ModelingOptions,
    calibration: CalibrationOptions,
    svc: SVCOptions,
    mlp: MLPOptions,
    proker: ProKeROptions,
    zero_shot: ZeroShotOptions,
    seed: int,
) -> tuple[dict[str, Classifier], pa.Table, pa.Table]:
    """Fit the heads named in ``modeling`` to the training rows; no rows, no heads.

    Each is fitted to all of them, and besides without each of some folds: from what it then says
    of the rows it has not seen come its temperature, its threshold, and doubts about labels.

    Returns
    -------
    heads : dict of Classifier
    held_out : Table of schema :data:`veneer.schema.PREDICTIONS`
        Every training row under every head, which was fitted to the other folds. Its origin (see
        :mod:`veneer.origin`) has ``rows``, ``encoder`` and, by head, ``heads``.
    train_log : Table of schema :data:`veneer.schema.TRAIN_LOG`
    """
    train = rows_of(features, "train")
    classes = np.unique(train["labels"])
    if features.num_rows and modeling.heads and len(classes) < 2:
        raise VeneerError(
            "Fitting heads: fewer than two classes have images on the training side. Lower "
            "splits.validation_share, or use splits.method=stratified, which gives every "
            "class its share."
        )
    prior = asked = None
    named = zero_shot.classes or classes.tolist()
    if {"proker", "zero_shot"} & set(modeling.heads):
        prior = _in_words(classes, class_prompts, zero_shot, features.schema)
        asked = _in_words(named, class_prompts, zero_shot, features.schema)
    fits: dict[str, Fit] = {
        "svc": partial(_fit_svc, svc),
        "mlp": partial(_fit_mlp, mlp, seed, None),
        "proker": partial(_fit_proker, proker, prior, seed),
        "zero_shot": lambda *_: asked,
    }
    final = dict(fits)
    if mlp.stop_on == "validation":
        final["mlp"] = partial(_fit_mlp, mlp, seed, rows_of(features, "validation"))
    heads: dict[str, Classifier] = {}
    held_out = [PREDICTIONS.empty_table()]
    for name in modeling.heads:
        if name == "zero_shot" and asked is None:
            reason = "the encoder has no text tower" if named else "there are no classes"
            logger.warning("zero_shot is not there: %s", reason)
            continue
        if name == "proker" and prior is None and len(classes):
            logger.warning("proker learns from examples alone: the encoder has no text tower")
        if len(classes) or name == "zero_shot":
            head = final[name](train["features"], train["labels"], train["shas"])
            card = Card(
                name, fingerprint_of(features.schema), fusion_of(features.schema), threshold=None
            )
            heads[name] = Classifier(head, card)
            if not len(classes):
                logger.warning("without labels zero_shot cannot be calibrated: it is always unsure")
            else:
                heads[name], rows = _calibrated(heads[name], fits[name], train, calibration, seed)
                held_out.append(rows)
    log = heads["mlp"].head.log if "mlp" in heads else []
    origin = origin_of(features.schema) | {
        "encoder": fingerprint_of(features.schema),
        "heads": head_keys(modeling, svc, mlp, proker, zero_shot, seed),
    }
    held = with_origin(pa.concat_tables(held_out), origin)
    return heads, held, pa.Table.from_pylist(log, schema=TRAIN_LOG)


def _in_words(
    classes: Sequence[str],
    class_prompts: pa.Table,
    options: ZeroShotOptions,
    features: pa.Schema,
) -> ZeroShotHead | None:
    """The classes as the vectors of their prompts; None where the encoder has no text tower."""
    given, expected = fingerprint_of(class_prompts.schema), fingerprint_of(features)
    if given != expected:
        raise VeneerError(
            f"Fitting heads: the prompts of the classes were embedded by [{given}], the images by "
            f"[{expected}]. Run the pipeline embedding again."
        )
    if not len(classes) or not len(class_prompts):
        return None
    from veneer.heads.zero_shot import ZeroShotHead, fit_zero_shot

    known = vectors(class_prompts["embedding"])
    places = {prompt: place for place, prompt in enumerate(class_prompts["prompt"].to_pylist())}

    def embed(prompts: list[str]) -> np.ndarray:
        missing = [prompt for prompt in prompts if prompt not in places]
        if missing:
            raise VeneerError(
                f"Fitting heads: {len(missing)} prompts have no vector, as {missing[0]!r}. Run the "
                "pipeline embedding first, with the same --env and --params."
            )
        return known[[places[prompt] for prompt in prompts]]

    head = fit_zero_shot(classes, options.templates, embed, names=options.names)
    # A prompt stands for the image and for its text alike.
    return ZeroShotHead(head.classes_, fuse(head.vectors, head.vectors, fusion_of(features)))


def _fit_svc(options: SVCOptions, features: np.ndarray, labels: np.ndarray, _: np.ndarray) -> Head:
    from veneer.heads.linear_svc import OneVsRestLinearSVC

    return OneVsRestLinearSVC(**options.model_dump()).fit(features, labels)


def _fit_mlp(
    options: MLPOptions,
    seed: int,
    stop_on: dict | None,
    features: np.ndarray,
    labels: np.ndarray,
    shas: np.ndarray,
) -> Head:
    from veneer.heads.mlp import fit_mlp

    stopping_set = None
    if stop_on is not None:
        known = np.isin(stop_on["labels"], labels)
        stopping_set = stop_on["features"][known], stop_on["labels"][known]
    given = options.model_dump(exclude={"stop_on"})
    return fit_mlp(
        features, labels, shas, seed=seed, device=None, stopping_set=stopping_set, **given
    )


def _fit_proker(
    options: ProKeROptions,
    prior: ZeroShotHead | None,
    seed: int,
    features: np.ndarray,
    labels: np.ndarray,
    shas: np.ndarray,
) -> Head:
    from veneer.heads.proker import fit_proker

    return fit_proker(features, labels, shas, prior=prior, seed=seed, **options.model_dump())


def _calibrated(
    classifier: Classifier, fit: Fit, train: dict, options: CalibrationOptions, seed: int
) -> tuple[Classifier, pa.Table]:
    """The classifier with what held-out training rows tell of it, and these rows' predictions."""
    name, classes = classifier.card.head, classifier.classes
    labels, shas = train["labels"], train["shas"]
    if name == "zero_shot":  # which has seen none of them
        scores, valid = classifier.head.scores(train["features"]), np.isin(labels, classes)
    else:
        with progress(options.folds, f"calibrating {name}", "folds") as advance:

            def fit_fold(*rows: np.ndarray) -> Head:
                head = fit(*rows)
                advance(1)
                return head

            scores, valid = out_of_fold_scores(
                fit_fold, train["features"], labels, shas, classes, options.folds, seed
            )
    temperature = fit_temperature(scores[valid], labels[valid], classes)
    found = probabilities(scores, temperature)
    rows = predictions_of(name, classes, found, train).filter(pa.array(valid))
    right = pc.equal(rows["label"], rows["predicted"]).to_numpy()
    threshold = abstention_threshold(rows["confidence"].to_numpy(), right, options.accuracy)
    accuracy = float(right.mean()) if len(right) else None
    if accuracy is not None:
        logger.info("%s: accuracy %.4f on training rows that were held out", name, accuracy)
    card = replace(
        classifier.card,
        temperature=temperature,
        held_out_accuracy=accuracy,
        threshold=threshold if math.isfinite(threshold) else None,
    )
    return Classifier(classifier.head, card), rows


def track_heads(
    features: pa.Table,
    heads: dict[str, Classifier],
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
    for name, classifier in heads.items():
        tracking.log_head(name, classifier, vectors(features["embedding"].slice(0, 4)))
