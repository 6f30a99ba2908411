"""What goes to MLflow besides the parameters, which kedro-mlflow logs.

Everything here does nothing when no run is active, as with tracking switched off in mlflow.yml.
"""

from __future__ import annotations

import functools
import logging
import math
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
from mlflow.models import infer_signature
from PIL import Image

from veneer.datasets.heads import HeadsDataset
from veneer.heads.classifier import Classifier
from veneer.images import png_bytes
from veneer.requirements import pinned

logger = logging.getLogger(__name__)


def _when_tracked(function: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(function)
    def wrapped(*args: Any) -> None:
        if mlflow.active_run() is None:
            logger.info("%s: no MLflow run is active, nothing is logged", function.__name__)
        else:
            function(*args)

    return wrapped


@_when_tracked
def tag_collection(card: dict) -> None:
    """The collection's name and fingerprint."""
    mlflow.set_tags(
        {"collection": card["collection"], "collection_fingerprint": card["fingerprint"]}
    )


@_when_tracked
def log_collection(card: dict) -> None:
    """What was counted in the collection: images, refusals by reason, audits."""
    tag_collection(card)
    mlflow.log_dict(card, "collection.json")
    counts = {key: card[key] for key in ("images", "distinct_images", "quarantined", "audits")}
    mlflow.log_metrics(_numbers(counts, "collection."))
    mlflow.log_metrics(_numbers(card["quarantine_reasons"], "collection.refused."))


@_when_tracked
def log_encoder(fingerprint: str, runtime: str | None) -> None:
    """The fingerprint of the encoder that made the vectors, and the runtime that computed them."""
    tags = {"encoder_fingerprint": fingerprint, "embedding_runtime": runtime}
    mlflow.set_tags({key: value for key, value in tags.items() if value is not None})


@_when_tracked
def log_metrics(metrics: dict[str, dict]) -> None:
    """Every number of ``metrics.json``, as in ``svc.accuracy``, ``svc.per_class.bubbly.recall``."""
    mlflow.log_dict(metrics, "metrics.json")
    mlflow.log_metrics({_metric_name(k): v for k, v in _numbers(metrics).items()})


def _numbers(tree: Mapping, prefix: str = "") -> dict[str, float]:
    found: dict[str, float] = {}
    for key, value in tree.items():
        if isinstance(value, Mapping):
            found |= _numbers(value, f"{prefix}{key}.")
        elif isinstance(value, int | float) and math.isfinite(value):
            found[f"{prefix}{key}"] = value
    return found


def _metric_name(name: str) -> str:
    """Replace what MLflow does not allow in the name of a metric; labels can be anything."""
    return "".join(c if c.isascii() and (c.isalnum() or c in "_-. /") else "_" for c in name)[:250]


@_when_tracked
def log_retrieval(metrics: dict, twins: dict) -> None:
    """How good the search is, per class in precision@5 alone; and how many twins there are."""
    mlflow.log_dict(metrics, "retrieval_metrics.json")
    named = _numbers(metrics, "retrieval.") | _numbers(twins, "twins.")
    # A dozen figures for each of a hundred classes would take MLflow longer than to find them.
    shown = {k: v for k, v in named.items() if ".per_class." not in k or k.endswith("precision@5")}
    mlflow.log_metrics({_metric_name(k.replace("@", "_at_")): v for k, v in shown.items()})


@_when_tracked
def log_map(card: dict) -> None:
    """How a collection was laid out, and how far its clusters agree with the labels."""
    mlflow.log_dict(card, "map.json")
    shown = ("images", "mapped", "components_share", "clusters")
    mlflow.log_metrics(_numbers({key: card[key] for key in shown}, "map."))


@_when_tracked
def log_train_log(epochs: list[dict]) -> None:
    """The MLP's losses, one step an epoch."""
    for row in epochs:
        values = {
            f"mlp.{key}": value
            for key, value in row.items()
            if key != "epoch" and value is not None and math.isfinite(value)
        }
        mlflow.log_metrics(values, step=row["epoch"])


@_when_tracked
def log_finetuning_epoch(entry: dict) -> None:
    """Loss, likeness and learning rate of an epoch of finetuning, one step an epoch."""
    values = {
        f"finetuning.{key.replace('@', '_at_')}": value
        for key, value in entry.items()
        if key != "epoch" and value is not None and math.isfinite(value)
    }
    mlflow.log_metrics(values, step=entry["epoch"])


@_when_tracked
def log_finetuning(card: dict, metrics: dict) -> None:
    """The tuned encoder's card, and its figures beside those of the frozen one."""
    mlflow.log_dict(card, "tuned.json")
    mlflow.log_dict(metrics, "finetuning.json")
    mlflow.set_tags({"tuned_encoder": card["name"], "base_fingerprint": card["base_fingerprint"]})
    found = _numbers(metrics["figures"], "finetuning.")
    mlflow.log_metrics({_metric_name(k.replace("@", "_at_")): v for k, v in found.items()})


@_when_tracked
def log_pretraining(part: str, step: int, metrics: dict[str, float]) -> None:
    """Losses and measures of a part of an encoder that is being made."""
    mlflow.log_metrics(
        {f"{part}.{key}": value for key, value in metrics.items() if key != "step"}, step=step
    )


@_when_tracked
def log_pretrained(path: str, metrics: dict[str, float]) -> None:
    """What was measured of an encoder that was made, and its card; not its weights."""
    mlflow.log_metrics({f"pretrained.{key}": value for key, value in metrics.items()})
    mlflow.log_artifact(str(Path(path) / "README.md"))


@_when_tracked
def log_head(name: str, classifier: Classifier, example: np.ndarray) -> None:
    """A head's own files, and, where MLflow has a flavour for it, a model with its signature.

    Parameters
    ----------
    example : float32 array [n, D]
        A few rows of features.
    """
    with tempfile.TemporaryDirectory() as temporary:
        HeadsDataset(temporary).save({name: classifier})
        mlflow.log_artifacts(temporary, "heads")
    head = classifier.head
    example = example.copy()  # a view of Arrow's memory, which torch may not write to
    # Requirements are given: MLflow would find them by loading the model in a new process.
    common = {"name": name, "input_example": example}
    if name == "svc":
        from veneer.heads.linear_svc import TRUSTED_TYPES

        mlflow.sklearn.log_model(
            head,
            signature=infer_signature(example, head.predict(example)),
            serialization_format="skops",
            skops_trusted_types=TRUSTED_TYPES,
            pip_requirements=pinned("veneer", "scikit-learn", "skops", "numpy"),
            **common,
        )
    elif name == "mlp":
        mlflow.pytorch.log_model(
            head,
            signature=infer_signature(example, head.scores(example)),
            serialization_format="pt2",
            pip_requirements=pinned("veneer", "torch", "numpy"),
            **common,
        )


@_when_tracked
def log_pictures(folder: str, pictures: Mapping[str, Image.Image]) -> None:
    """Pictures by file name stem, as PNG below ``folder`` of the run's artifacts."""
    with tempfile.TemporaryDirectory() as temporary:
        for stem, picture in pictures.items():
            (Path(temporary) / f"{stem}.png").write_bytes(png_bytes(picture))
        mlflow.log_artifacts(temporary, folder)


@_when_tracked
def log_page(file: str, html: str) -> None:
    """An HTML page."""
    mlflow.log_text(html, file)


@_when_tracked
def log_comparison(comparison: dict) -> None:
    """Every figure and cost by ``<collection>.<encoder>.<figure>``, and the winners as tags."""
    mlflow.log_dict(comparison, "comparison/comparison.json")
    found, tags = {}, {"comparison": comparison["name"]}
    if comparison["winner"]:
        tags["winner"] = comparison["winner"]["encoder"]
    for collection, each in comparison["collections"].items():
        if each["winner"]:
            tags[_metric_name(f"winner.{collection}")] = each["winner"]["encoder"]
        for encoder, entry in each["encoders"].items():
            figures = {name: told["value"] for name, told in entry.get("figures", {}).items()}
            found |= _numbers({**entry, **figures, "figures": {}}, f"{collection}.{encoder}.")
    mlflow.set_tags(tags)
    mlflow.log_metrics({_metric_name(k.replace("@", "_at_")): v for k, v in found.items()})
