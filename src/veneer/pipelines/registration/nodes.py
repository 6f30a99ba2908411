"""Nodes of `registration`."""

from __future__ import annotations

import json
import logging
import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

import veneer
from veneer.encoders.config import Encoders
from veneer.encoders.encoder import Encoder
from veneer.errors import VeneerError
from veneer.heads.classifier import Classifier
from veneer.parameters import EmbeddingOptions, RegistrationOptions
from veneer.predict import choose_head
from veneer.sources.options import SourceOptions

logger = logging.getLogger(__name__)


def register(
    encoder: Encoder,
    heads: dict[str, Classifier],
    predictions: pa.Table,
    metrics: dict,
    retrieval_metrics: dict,
    collection_card: dict,
    embedding: EmbeddingOptions,
    encoders: Encoders,
    source: SourceOptions,
    registration: RegistrationOptions,
) -> dict[str, dict]:
    """Register the encoder and, where there are heads, a classifier.

    A classifier is judged by what it says of the validation rows; an encoder by what the svc says
    that was fitted to its vectors, or the classifier, where there is no svc.

    Returns
    -------
    dict of dict
        By name of the model; see :func:`veneer.serving.publish.publish`.

    Raises
    ------
    VeneerError
        When tracking is switched off, or when a head is asked for that is not there.
    """
    import mlflow

    from veneer.pipelines import tracking
    from veneer.serving.bundle import write_bundle
    from veneer.serving.publish import example, git_commit, publish
    from veneer.serving.signatures import classifier_signature, encoder_signature

    if mlflow.active_run() is None:
        raise VeneerError(
            "Registering models: there is no MLflow run, of which they are part. Do not switch "
            "tracking off in mlflow.yml for the pipeline registration."
        )
    classifier = choose_head(heads, registration.head) if heads or registration.head else None
    tracking.tag_collection(collection_card)
    tracking.log_encoder(encoder.fingerprint, None)
    tags = {
        "collection": collection_card["collection"],
        "collection_fingerprint": collection_card["fingerprint"],
        "encoder": encoder.name,
        "encoder_fingerprint": encoder.fingerprint,
        "veneer_version": veneer.__version__,
    }
    if (commit := git_commit()) is not None:
        tags["git_commit"] = commit
    card = {
        "encoder": encoder.name,
        "fingerprint": encoder.fingerprint,
        "decode": embedding.decode,
        "runtime": embedding.runtime,
        "max_pixels": registration.max_pixels,
        "max_bytes": registration.max_bytes,
    }
    probe = heads.get("svc", classifier)
    found = {}
    with tempfile.TemporaryDirectory() as temporary:

        def bundle(name: str, *, text_from_exif: bool, head: Classifier | None) -> Path:
            folder = Path(temporary) / name / "bundle"
            write_bundle(
                folder,
                encoder=embedding.encoder,
                encoders=encoders.root,
                card=card | {"text_from_exif": text_from_exif},
                classifier=head,
            )
            return folder

        found[registration.encoder] = publish(
            registration.encoder,
            "encoder",
            bundle("encoder", text_from_exif=False, head=None),
            _judged(predictions, probe),
            encoder_signature(encoder.dimension),
            example(None if encoder.text_tower else "image"),
            tags | _metric_tags(metrics, probe) | _retrieval_tags(retrieval_metrics),
            force=registration.force,
        )
        if classifier is None:
            logger.warning("there are no heads: no classifier is registered")
            return found
        found[registration.classifier] = publish(
            registration.classifier,
            "classifier",
            bundle("classifier", text_from_exif=source.text_from_exif, head=classifier),
            _judged(predictions, classifier),
            classifier_signature(),
            example(classifier.card.fusion),
            tags | _metric_tags(metrics, classifier),
            force=registration.force,
        )
    return found


def _judged(predictions: pa.Table, classifier: Classifier | None) -> pa.Table:
    """The validation rows under the head; none without a head."""
    head = "" if classifier is None else classifier.card.head
    of_head = pc.and_(
        pc.equal(predictions["head"], head), pc.equal(predictions["split"], "validation")
    )
    return predictions.filter(of_head).select(["id", "label", "predicted"])


def _metric_tags(metrics: dict, classifier: Classifier | None) -> dict[str, str]:
    if classifier is None:
        return {}
    card, found = classifier.card, metrics.get(classifier.card.head, {})
    tags = {"head": card.head, "fusion": card.fusion}
    names = ("accuracy", "accuracy_interval_95", "weighted_f1", "macro_f1", "n_validation")
    return tags | {name: json.dumps(found[name]) for name in names if name in found}


def _retrieval_tags(metrics: dict) -> dict[str, str]:
    found = metrics.get("image_to_image", {}).get("without_copies", {})
    names = ("precision@5", "precision@5_interval_95")
    return {n.replace("@", "_at_"): json.dumps(found[n]) for n in names if n in found}
