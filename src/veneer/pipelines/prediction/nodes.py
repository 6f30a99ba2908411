"""Nodes of `prediction`."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pyarrow as pa

from veneer.encoders.encoder import Encoder
from veneer.errors import VeneerError
from veneer.heads.classifier import Classifier
from veneer.parameters import PredictionOptions
from veneer.predict import check_source, choose_head, predict_batches
from veneer.progress import progress
from veneer.schema import PREDICTED
from veneer.sources.options import SourceOptions
from veneer.sources.registry import RawLocation, open_source, require_files
from veneer.streams import Stream

logger = logging.getLogger(__name__)


def predict(
    heads: dict[str, Classifier],
    encoder: Encoder,
    source: SourceOptions,
    prediction: PredictionOptions,
) -> Stream:
    """Predict the class of every image of a folder, or of whatever the source's kind is.

    Returns
    -------
    Stream of schema :data:`veneer.schema.PREDICTED`
    """
    if prediction.images is None:
        raise VeneerError(
            "Predicting: name the images with --params prediction.images=FOLDER, or in "
            "conf/local/parameters."
        )
    classifier = choose_head(heads, prediction.head)
    location = RawLocation(prediction.images, prediction.downloads)
    require_files(location, "prediction.images")
    opened = open_source(location, without_labels(source))
    total = len(opened.listing)
    logger.info("predicting %d images of %s by %s", total, opened.name, classifier.card.head)
    checked = check_source(opened, source)

    def predicted() -> Iterator[pa.RecordBatch]:
        unsure = refused = 0
        with progress(total, "predicting", "images") as advance:
            for batch in predict_batches(checked, encoder, classifier):
                advance(batch.num_rows)
                refused += batch.num_rows - batch["reason"].null_count
                unsure += batch["unsure"].true_count
                yield batch
        logger.info("of %d images %d are unsure, and %d were refused", total, unsure, refused)

    return Stream(PREDICTED, predicted)


def without_labels(source: SourceOptions) -> SourceOptions:
    """The options for images whose class nobody knows yet."""
    return source.model_copy(
        update={
            "folder": source.folder.model_copy(update={"label": "none", "lists": {}}),
            "parquet": source.parquet.model_copy(update={"label": None, "split": None}),
            "csv": source.csv.model_copy(
                update={"label": None, "top_categories": None, "most_per_category": None}
            ),
        }
    )
