"""Nodes of `retrieval`."""

from __future__ import annotations

import logging

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from veneer.errors import VeneerError
from veneer.origin import rows_digest, with_origin
from veneer.parameters import RetrievalOptions
from veneer.progress import progress
from veneer.retrieval.build import Update, plan_update
from veneer.retrieval.duplicates import find_duplicates, no_duplicates
from veneer.retrieval.evaluation import Rankings, evaluate_retrieval, searches, values_of
from veneer.retrieval.index import Index
from veneer.schema import RETRIEVAL_QUERIES, fingerprint_of, vectors

logger = logging.getLogger(__name__)


def build_index(
    image_rows: ds.Dataset,
    splits: pa.Table,
    embeddings: ds.Dataset,
    known_index: Index | None,
    retrieval: RetrievalOptions,
) -> Update:
    """What turns the index into that of these rows; the dataset does it."""
    update = plan_update(
        image_rows,
        splits,
        embeddings,
        known_index,
        retrieval.thumbnail,
        retrieval.approximate,
    )
    logger.info(
        "index: %s rows to be added, %s changed, %s removed",
        *(f"{count:,}" for count in (update.rows, len(update.changed), len(update.removed))),
    )
    return update


def evaluate(
    index: Index, class_prompts: pa.Table, retrieval: RetrievalOptions, seed: int
) -> tuple[dict, pa.Table]:
    """Search for every labelled image, and for every class by its name.

    Returns
    -------
    retrieval_metrics : dict
        Of :func:`veneer.retrieval.evaluation.evaluate_retrieval`, with ``relevance``, ``n_images``
        and ``n_classes`` beside it. Empty where no image has a label.
    retrieval_queries : Table of schema :data:`veneer.schema.RETRIEVAL_QUERIES`
        What each query found, with its origin (see :mod:`veneer.origin`): ``rows``, what the
        images were by which it was searched; ``encoder``; ``options``.
    """
    relevance = retrieval.evaluation.relevance
    column = relevance if relevance == "label" else "attributes"
    rows, matrix = index.vectors(["id", "sha", column])
    labels = rows[column] if column == relevance else pc.struct_field(rows[column], relevance)
    labelled = np.flatnonzero(pc.is_valid(labels).to_numpy())
    if len(labelled) < len(rows):
        rows, labels, matrix = rows.take(labelled), labels.take(labelled), matrix[labelled]
    labels = labels.cast(pa.string())
    origin = {
        "rows": rows_digest(pa.table({"id": rows["id"], "label": labels})),
        "encoder": index.card.fingerprint,
        "options": retrieval.evaluation.key(seed),
    }
    if not len(labelled):
        logger.info("no image has a %s: searching is not evaluated", relevance)
        return {}, with_origin(RETRIEVAL_QUERIES.empty_table(), origin)
    ids, rows = rows["id"], pa.table({"sha": rows["sha"], "label": labels})
    kept = []

    def keep(places: np.ndarray, rankings: Rankings) -> None:
        found = {name: each[rankings.relevant > 0] for name, each in values_of(rankings).items()}
        found["average_precision"] = found["mean_average_precision"]
        found["id"] = ids.take(places[rankings.relevant > 0])
        columns = {name: found[name] for name in RETRIEVAL_QUERIES.names}
        kept.append(pa.table(columns, schema=RETRIEVAL_QUERIES))

    in_words = _class_vectors(class_prompts, pc.unique(labels).to_pylist(), index)
    queries = min(len(rows), retrieval.evaluation.most_queries)
    with progress(queries + len(in_words), "evaluating", "searches") as advance:
        found = evaluate_retrieval(
            rows,
            matrix,
            in_words,
            most_queries=retrieval.evaluation.most_queries,
            seed=seed,
            advance=advance,
            keep=keep,
        )
    classes = len(found["image_to_image"]["with_copies"]["per_class"])
    for name, figures in searches(found).items():
        logger.info(
            "searching %s: precision@5 %.4f, recall@5 %.4f, accuracy@5 %.4f",
            name,
            *(figures[f"{kind}@5"] for kind in ("precision", "recall", "accuracy")),
        )
    metrics = {"relevance": relevance, "n_images": len(rows), "n_classes": classes, **found}
    return metrics, with_origin(kept[0], origin)


def _class_vectors(
    class_prompts: pa.Table, classes: list[str], index: Index
) -> dict[str, np.ndarray]:
    """A vector for each class: the mean of its prompts; none without a text tower."""
    if not len(class_prompts):
        return {}
    given = fingerprint_of(class_prompts.schema)
    if given != index.card.fingerprint:
        raise VeneerError(
            f"Evaluating the search: the prompts of the classes were embedded by [{given}], the "
            f"images by [{index.card.fingerprint}]. Run the pipeline embedding again."
        )
    matrix, prompted = vectors(class_prompts["embedding"]), class_prompts["label"].to_numpy()
    found = {}
    for name in classes:
        own = matrix[prompted == name]
        if not len(own):
            raise VeneerError(
                f"Evaluating the search: the class {name!r} has no prompts. Run the pipeline "
                "embedding first, with the same --env and --params."
            )
        mean = own.mean(axis=0, dtype=np.float64)
        found[name] = (mean / np.linalg.norm(mean)).astype(np.float32)
    return found


def find_twins(index: Index, retrieval: RetrievalOptions) -> tuple[pa.Table, pa.Table, dict]:
    """Images that are the same, byte for byte or nearly.

    Returns
    -------
    twins, similarities, twins_card
        See :class:`veneer.retrieval.duplicates.Duplicates`; empty where there are more images than
        ``retrieval.twins.most_rows``.
    """
    options = retrieval.twins
    if index.rows > options.most_rows:
        logger.warning(
            "%s images are more than retrieval.twins.most_rows: run kedro duplicates to compare "
            "all of them with each other",
            f"{index.rows:,}",
        )
        found = no_duplicates()
    else:
        found = find_duplicates(index, options.threshold)
    return found.twins, found.similarities, found.card


def track_retrieval(retrieval_metrics: dict, twins_card: dict) -> None:
    """Log the figures to the active MLflow run, if there is one."""
    from veneer.pipelines import tracking

    tracking.log_retrieval(retrieval_metrics, twins_card)
