"""What may stand in ``conf/base/parameters``, with types.

Kedro hands the parts of it to the nodes as these classes; the whole of it is checked before a
run starts.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from veneer.comparison import RETRIEVAL as RETRIEVAL_FIGURES
from veneer.encoders.config import EncoderConfig, encoder_name
from veneer.encoders.runtimes.registry import RUNTIMES
from veneer.finetuning.options import FinetuningOptions
from veneer.heads.fusion import Fusion
from veneer.heads.registry import FORMATS
from veneer.images import MAX_PIXELS
from veneer.pretraining.options import PretrainingOptions
from veneer.retrieval.options import RetrievalOptions
from veneer.sources.options import ArchiveOptions, Options, Parted, Positive, SourceOptions

Share = Annotated[float, Field(gt=0, lt=1)]


def _head(name: str) -> str:
    if name not in FORMATS:
        raise ValueError(f"there is no such head; heads are {', '.join(FORMATS)}")
    return name


def _runtime(name: str) -> str:
    if name not in ("auto", *RUNTIMES):
        raise ValueError(f"there is no such runtime; there are auto, {', '.join(RUNTIMES)}")
    return name


def _model_name(name: str) -> str:
    if not re.fullmatch(r"[\w][\w. -]*", name):
        raise ValueError("a model's name has letters, digits, dots, hyphens and spaces only")
    return name


def _class_names(names: list[str]) -> list[str]:
    if len(set(names)) < 2 or len(set(names)) < len(names) or not all(map(str.strip, names)):
        raise ValueError("at least two classes are needed, all different, none of them empty")
    return names


def _template(text: str) -> str:
    if text.count("{}") != 1 or set(text.replace("{}", "")) & set("{}"):
        raise ValueError("a template has {} once, in the place of the label, and no other braces")
    return text


class SampleOptions(Options):
    """The sample collection that veneer draws itself."""

    collection: str
    images_per_kind: Positive
    duplicates: Annotated[int, Field(ge=0)]
    damaged: Annotated[int, Field(ge=0)]


class SplitOptions(Options):
    """See :func:`veneer.splits.split_rows`."""

    method: Literal["stratified", "hash", "official"]
    validation_share: Share


class EmbeddingOptions(Options):
    """Which encoder, and how it is run; see :func:`veneer.encoders.encoder.open_encoder`."""

    encoder: str
    runtime: Annotated[str, AfterValidator(_runtime)]
    decode: Literal["exact", "fast"]
    batch_size: Annotated[int, Field(gt=0, le=4096)] | None
    shard_rows: Positive
    cache: Path


class ModelingOptions(Options):
    """Which heads are fitted, to which classes, and what they see of an image and its text."""

    heads: list[Annotated[str, AfterValidator(_head)]]
    min_class_size: Positive
    fusion: Fusion


class CalibrationOptions(Options):
    """What is learnt from training rows that a head was not fitted to."""

    folds: Annotated[int, Field(ge=2, le=20)]
    accuracy: Share
    audit_head: Annotated[str, AfterValidator(_head)] | None


class SVCOptions(Options):
    """See :class:`veneer.heads.linear_svc.OneVsRestLinearSVC`."""

    reg_param: Annotated[float, Field(gt=0)]
    max_iter: Positive
    tol: Annotated[float, Field(gt=0)]
    class_weight: Literal["balanced"] | None


class ProKeROptions(Options):
    """See :func:`veneer.heads.proker.fit_proker`."""

    landmarks: Annotated[int, Field(ge=2)]


class MLPOptions(Options):
    """See :func:`veneer.heads.mlp.fit_mlp`."""

    hidden: Positive
    dropout: Annotated[float, Field(ge=0, lt=1)]
    learning_rate: Annotated[float, Field(gt=0)]
    weight_decay: Annotated[float, Field(ge=0)]
    batch_size: Positive
    max_epochs: Positive
    patience: Positive
    stop_on: Literal["train", "validation"]
    stopping_share: Share


class ZeroShotOptions(Options):
    """Classes in words; see :func:`veneer.heads.zero_shot.fit_zero_shot`."""

    templates: Annotated[list[Annotated[str, AfterValidator(_template)]], Field(min_length=1)]
    names: dict[str, str]
    classes: Annotated[list[str], AfterValidator(_class_names)] | None


class PredictionOptions(Options):
    """What is predicted, and by which head."""

    images: str | None
    head: Annotated[str, AfterValidator(_head)] | None
    downloads: Path


class RegistrationOptions(Options):
    """Which models are registered, under what names, and what they refuse when they are served."""

    encoder: Annotated[str, AfterValidator(_model_name)]
    classifier: Annotated[str, AfterValidator(_model_name)]
    head: Annotated[str, AfterValidator(_head)] | None
    force: bool
    max_pixels: Annotated[int, Field(ge=1, le=MAX_PIXELS)]
    max_bytes: Positive


class ComparedCollection(Options):
    """A collection by name, under another environment or in another place where these are given."""

    name: Annotated[str, Field(min_length=1)]
    env: str | None = None
    images: str | None = None


def _named(given: Any) -> Any:
    return {"name": given} if isinstance(given, str) else given


def _different(names: list[str]) -> list[str]:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"{twice[0]!r} is there twice, and their results lie in one folder")
    return names


def _compared_encoders(encoders: list[str]) -> list[str]:
    _different([encoder_name(each) for each in encoders])
    return encoders


def _compared_collections(collections: list[ComparedCollection]) -> list[ComparedCollection]:
    _different([each.name for each in collections])
    return collections


class RateOptions(Options):
    """See :func:`veneer.encoders.rates.measure_rates`."""

    images: Positive
    rounds: Positive


class ComparisonOptions(Options):
    """What is compared, and by what the winner is decided."""

    name: Annotated[str, AfterValidator(_model_name)]
    encoders: (
        Annotated[list[str], Parted, Field(min_length=1), AfterValidator(_compared_encoders)] | None
    )
    collections: (
        Annotated[
            list[Annotated[ComparedCollection, BeforeValidator(_named)]],
            Parted,
            Field(min_length=1),
            AfterValidator(_compared_collections),
        ]
        | None
    )
    heads: Annotated[list[Annotated[str, AfterValidator(_head)]], Parted]
    decide_by: str
    rates: RateOptions

    @model_validator(mode="after")
    def _can_be_decided(self) -> ComparisonOptions:
        known = (*RETRIEVAL_FIGURES, *self.heads)
        if self.decide_by not in known:
            raise ValueError(f"decide_by is one of {', '.join(known)}, not {self.decide_by!r}")
        return self


class MapOptions(Options):
    """How a collection is laid out on a map; see :func:`veneer.retrieval.layout.lay_out`.

    Attributes
    ----------
    components : int
        Principal components that the map and the clusters are made of.
    most_points : int
        Of more images a sample is laid out.
    thumbnails : int
        Pictures in the interactive page, at most.
    """

    method: Literal["auto", "umap", "pca"]
    components: Annotated[int, Field(ge=2, le=1024)]
    neighbours: Annotated[int, Field(ge=2, le=200)]
    min_dist: Annotated[float, Field(ge=0, lt=1)]
    most_points: Positive
    thumbnails: Annotated[int, Field(ge=0)]


class ClusterOptions(Options):
    """How clusters are found; see :mod:`veneer.retrieval.clusters`.

    Attributes
    ----------
    count : int, optional
        Of clusters, by k-means; null means :func:`veneer.retrieval.clusters.usual_count`.
    least : int, optional
        Images of the smallest cluster, by HDBSCAN; null means
        :func:`veneer.retrieval.clusters.usual_least`.
    sheets : int
        Clusters that have a contact sheet, the largest ones.
    sheet_results : int
        Images on such a sheet.
    """

    method: Literal["kmeans", "hdbscan"]
    count: Annotated[int, Field(ge=2, le=1000)] | None
    least: Annotated[int, Field(ge=2)] | None
    sheets: Annotated[int, Field(ge=0)]
    sheet_results: Positive


class ReportingOptions(Options):
    """What is searched for, and how the results are shown."""

    prompts: dict[str, list[str]]
    template: Annotated[str, AfterValidator(_template)]
    most_labels: Positive
    sheet_results: Positive
    sheet_columns: Positive
    histogram_results: Positive
    map: MapOptions
    clusters: ClusterOptions


class Parameters(Options):
    """All parameters of a run."""

    # The keys of --params; what they mean is read through globals and the resolvers.
    collection: Any = None
    images: Any = None
    encoder: Any = None
    comparison_name: Any = None
    tuned: Any = None
    pretrained: Any = None
    clip_art: Any = None

    encoders: dict[str, EncoderConfig]
    seed: Annotated[int, Field(ge=0)]
    download: ArchiveOptions
    source: SourceOptions
    sample: SampleOptions
    splits: SplitOptions
    embedding: EmbeddingOptions
    modeling: ModelingOptions
    calibration: CalibrationOptions
    svc: SVCOptions
    mlp: MLPOptions
    proker: ProKeROptions
    zero_shot: ZeroShotOptions
    prediction: PredictionOptions
    retrieval: RetrievalOptions
    registration: RegistrationOptions
    comparison: ComparisonOptions
    finetuning: FinetuningOptions
    pretraining: PretrainingOptions
    reporting: ReportingOptions
