"""What a head says of images it is shown."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from veneer.encoders.embed import embed_batches
from veneer.encoders.encoder import Encoder
from veneer.errors import VeneerError
from veneer.heads.classifier import Classifier, most_accurate
from veneer.heads.fusion import fuse
from veneer.ingest import ingest
from veneer.schema import KNOWN_IMAGE, PREDICTED, QUARANTINE
from veneer.sources.options import SourceOptions
from veneer.sources.paths import paths_source
from veneer.sources.source import Source

if TYPE_CHECKING:
    from veneer.retrieval.search import Query

TOP = 5
"""Classes that are named in a prediction."""


def choose_head(heads: dict[str, Classifier], name: str | None) -> Classifier:
    """The head of that name, or the most accurate one.

    Raises
    ------
    VeneerError
        When it is not there.
    """
    chosen = name or most_accurate({n: each.card.held_out_accuracy for n, each in heads.items()})
    if chosen not in heads:
        there = f"there are {', '.join(heads)}" if heads else "there are none"
        wanted = f"no head {chosen}" if chosen else "no head"
        raise VeneerError(
            f"Predicting: {wanted} was fitted to this collection and encoder, {there}. Fit it with "
            "kedro run --pipelines modeling, with the same --env and --params."
        )
    return heads[chosen]


def choose_search_head(heads: dict[str, Classifier], query: Query, name: str | None) -> Classifier:
    """The head that a search is confined by: the named one, or what suits the query.

    For words alone that is ``zero_shot`` where there is one, as it was made of words.

    Raises
    ------
    VeneerError
        When it is not there.
    """
    words_alone = query.image is None and query.row is None and "zero_shot" in heads
    return choose_head(heads, name or ("zero_shot" if words_alone else None))


def predict_batches(
    checked: Iterator[pa.RecordBatch], encoder: Encoder, classifier: Classifier
) -> Iterator[pa.RecordBatch]:
    """Predict the class of images; one row out for each row in, in order.

    Parameters
    ----------
    checked : iterator of RecordBatch of :func:`veneer.schema.checked_schema`
        Refused rows are passed on with their reason. ``text`` is used by heads that see texts.
    encoder : Encoder
    classifier : Classifier

    Yields
    ------
    RecordBatch of schema :data:`veneer.schema.PREDICTED`

    Raises
    ------
    VeneerError
        When the head was fitted to another encoder.
    """
    for batch in checked:
        reasons, details = batch["reason"].to_pylist(), batch["detail"].to_pylist()
        texts = images = None
        if classifier.card.fusion != "text":
            images, refused = embed_images_or_zeros(batch, encoder)
            for place, (reason, detail) in refused.items():
                reasons[place], details[place] = reason, detail
        else:  # such a head misses nothing where there is no image
            for place in (n for n, reason in enumerate(reasons) if reason == "no_image"):
                reasons[place] = details[place] = None
        if classifier.card.fusion != "image":
            texts = embed_texts_or_zeros(encoder, batch["text"].to_pylist())
        features = fuse(images, texts, classifier.card.fusion)
        for place in np.flatnonzero(~features.any(axis=1)):
            reasons[place] = reasons[place] or "no_text"
            details[place] = details[place] or "the head sees texts alone"
        found = classifier.probabilities(features, encoder.fingerprint)
        rows = [
            predicted_row(classifier, each) if reason is None else {}
            for each, reason in zip(found, reasons, strict=True)
        ]
        paths = batch["image"].field("path").to_pylist()
        columns = {"path": paths, "reason": reasons, "detail": details}
        for name in ("label", "confidence", "unsure", "top"):
            columns[name] = [row.get(name) for row in rows]
        yield pa.RecordBatch.from_pydict(columns, schema=PREDICTED)


def predict_paths(
    paths: list[str],
    text: str | None,
    encoder: Encoder,
    classifier: Classifier,
    options: SourceOptions,
) -> list[dict]:
    """Predict the class of files and folders that are named, or of a text alone.

    Parameters
    ----------
    paths : list of str
    text : str, optional
        Of all the images; without paths it is judged by itself.
    encoder : Encoder
    classifier : Classifier
    options : SourceOptions
        What is too large, and whether texts are read from EXIF where none is given.

    Returns
    -------
    list of dict
        Rows of schema :data:`veneer.schema.PREDICTED`.

    Raises
    ------
    VeneerError
        When a text is given to a head that sees none, no image to one that needs it, or no file is
        there at all.
    """
    fusion = classifier.card.fusion
    if text is not None and not text.strip():
        raise VeneerError("Predicting: --text is empty. Leave it out, or say what is known.")
    if text is not None and fusion == "image":
        raise VeneerError(
            f"Predicting: the head {classifier.card.head} was fitted to images alone and cannot "
            "use a text. Fit it with modeling.fusion=concat, or leave the text out."
        )
    if not paths:
        if fusion == "image":
            raise VeneerError("Predicting: name an image, or a folder of images.")
        texts = embed_texts_or_zeros(encoder, [text])
        features = fuse(np.zeros_like(texts), texts, fusion)
        (found,) = classifier.probabilities(features, encoder.fingerprint)
        row = dict.fromkeys(PREDICTED.names) | predicted_row(classifier, found)
        return [row]
    source = paths_source(paths, text=text, max_bytes=options.max_bytes)
    if not len(source.listing):
        raise VeneerError(f"Predicting: there are no files in {', '.join(paths)}.")
    predicted = predict_batches(check_source(source, options), encoder, classifier)
    return [row for batch in predicted for row in batch.to_pylist()]


class CheckOptions(Protocol):
    """What is asked of a file; :class:`veneer.sources.options.SourceOptions` tells, for one."""

    text_from_exif: bool
    max_pixels: int


def check_source(source: Source, options: CheckOptions) -> Iterator[pa.RecordBatch]:
    """Read and check every file of a source, as none of them was seen before.

    Yields
    ------
    RecordBatch of :func:`veneer.schema.checked_schema`
    """
    return ingest(
        source,
        KNOWN_IMAGE.empty_table(),
        QUARANTINE.empty_table(),
        text_from_exif=options.text_from_exif,
        max_pixels=options.max_pixels,
    )


def predicted_row(classifier: Classifier, probabilities: np.ndarray) -> dict:
    """What :data:`veneer.schema.PREDICTED` has of one row of probabilities, float32 [K]."""
    best = np.argsort(-probabilities, kind="stable")[:TOP]
    confidence = float(probabilities[best[0]])
    unsure = bool(classifier.unsure(confidence))
    top = [
        {"label": str(classifier.classes[place]), "confidence": float(probabilities[place])}
        for place in best
    ]
    label = None if unsure else top[0]["label"]
    return {"label": label, "confidence": confidence, "unsure": unsure, "top": top}


def embed_texts_or_zeros(encoder: Encoder, texts: list[str | None]) -> np.ndarray:
    """Vectors of texts, float32 [n, D]; zeros where there is none."""
    found = np.zeros((len(texts), encoder.dimension), np.float32)
    present = [place for place, text in enumerate(texts) if text and text.strip()]
    if present:
        found[present] = encoder.embed_texts([texts[place] for place in present])
    return found


def embed_images_or_zeros(
    batch: pa.RecordBatch, encoder: Encoder
) -> tuple[np.ndarray, dict[int, tuple[str, str]]]:
    """Vectors of checked images, float32 [n, D]; zeros where there is none.

    Returns
    -------
    vectors : float32 array [n, D]
    refused : dict of row to (reason, detail)
        Images that had passed the check and could not be decoded all the same.
    """
    found = np.zeros((batch.num_rows, encoder.dimension), np.float32)
    refused: dict[int, tuple[str, str]] = {}
    places: dict[str, list[int]] = {}
    for place, sha in enumerate(batch["sha"].to_pylist()):
        places.setdefault(sha, []).append(place)
    accepted = batch.filter(pc.is_null(batch["reason"])).select(["sha", "image"])
    for embedded in embed_batches(iter([accepted]), encoder, fill=False):
        made = np.asarray(embedded["embedding"].values).reshape(-1, encoder.dimension)
        for row, (sha, reason, detail) in enumerate(
            zip(*(embedded[name].to_pylist() for name in ("sha", "reason", "detail")), strict=True)
        ):
            found[places[sha]] = made[row]
            if reason is not None:
                refused |= dict.fromkeys(places[sha], (reason, detail))
    return found, refused
