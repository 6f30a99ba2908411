"""Nodes of `finetuning`."""

from __future__ import annotations

import copy
import hashlib
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from PIL import Image

from veneer.encoders.config import Encoders
from veneer.encoders.encoder import FIRST_ROWS, Encoder
from veneer.encoders.tuned import TunedEncoder, project
from veneer.errors import VeneerError
from veneer.finetuning.checkpoints import Checkpoints
from veneer.finetuning.groups import Groups, group_rows, stopping_rows
from veneer.finetuning.likeness import ALL, figures, rankings
from veneer.finetuning.options import FinetuningOptions
from veneer.parameters import EmbeddingOptions
from veneer.pipelines.embedding import nodes as embedding_nodes
from veneer.progress import progress
from veneer.schema import (
    FAST,
    embedding_schema,
    fingerprint_of,
    require_one_fingerprint,
    runtime_of,
    vectors,
)
from veneer.streams import Stream, with_images

if TYPE_CHECKING:
    from veneer.finetuning.inputs import Inputs
    from veneer.finetuning.training import Trained

logger = logging.getLogger(__name__)

FORMAT = 1
"""To be raised when the same rows and options train to something else."""

_SHARD = 4096  # projected vectors in a shard


def choose_rows(
    image_rows: ds.Dataset,
    splits: pa.Table,
    embeddings: ds.Dataset,
    not_embedded: pa.Table,
    finetuning: FinetuningOptions,
    seed: int,
) -> pa.Table:
    """Images that have all of the labels, their sides, and which of them training is stopped by.

    Returns
    -------
    Table with id, sha, split, stops (bool) and ``label.<name>`` (string) each, ordered by id
        ``stops`` is a share of ``train``, whole groups of copies.

    Raises
    ------
    VeneerError
        When a label is unknown, or no two images of the training side are alike.
    """
    rows = _labelled(image_rows, finetuning.labels)
    before = len(rows)
    rows = rows.join(splits, "id", join_type="inner")
    rows = rows.filter(pc.invert(pc.is_in(rows["sha"], not_embedded["sha"].combine_chunks())))
    known = embeddings.to_table(columns=["sha"])["sha"].combine_chunks()
    missing = pc.sum(pc.invert(pc.is_in(rows["sha"], known))).as_py() or 0
    if missing:
        raise VeneerError(
            f"Finetuning: {missing:,} images have no vector. Run the pipeline embedding first, "
            "with the same --env and --params."
        )
    for name in finetuning.labels:
        rows = rows.filter(pc.is_valid(rows[f"label.{name}"]))
    rows = _of_large_groups(rows, finetuning).sort_by("id")
    training = _training(rows)
    labels = np.array([rows[f"label.{name}"].to_pylist() for name in finetuning.labels]).T
    stops = np.zeros(len(rows), bool)
    groups = None
    if training.any():
        copies = np.unique(rows["sha"].to_pylist(), return_inverse=True)[1]
        of_row = group_rows(labels[training]).of_row
        stops[training] = stopping_rows(of_row, copies[training], finetuning.stopping_share, seed)
        groups = group_rows(labels[training & ~stops])
    logger.info(
        "finetuning learns from %s images of %s groups by %s; %s stop it, %s judge it; %s have not "
        "all of the labels, or are too few",
        f"{np.sum(training & ~stops):,}",
        f"{0 if groups is None else len(groups.codes):,}",
        ", ".join(finetuning.labels),
        *(f"{n:,}" for n in (stops.sum(), np.sum(~training), before - len(rows))),
    )
    _require_something_to_learn(groups, stops, finetuning.labels)
    return rows.append_column("stops", pa.array(stops))


def _require_something_to_learn(groups: Groups | None, stops: np.ndarray, names: list[str]) -> None:
    """Two groups with two images each, labels that differ, and images to stop on."""
    if groups is None:
        raise VeneerError(
            "Finetuning: no image of the training side has all of the labels "
            f"{', '.join(names)}. Name other columns as finetuning.labels."
        )
    constant = [n for n, codes in zip(names, groups.codes.T, strict=True) if not codes.any()]
    if constant:
        raise VeneerError(
            f"Finetuning by {', '.join(names)}: all images to train on have the same "
            f"{' and the same '.join(constant)}, so nothing can be told apart by it. Leave it out "
            "of finetuning.labels."
        )
    large = int(np.sum(np.bincount(groups.of_row) >= 2))
    if large < 2 or not stops.any():
        raise VeneerError(
            f"Finetuning by {', '.join(names)}: of {len(groups.codes)} groups to train on {large} "
            f"have two images or more, and {int(stops.sum())} images are there to stop on. It "
            "takes two such groups, and some with three: name other or fewer columns as "
            "finetuning.labels."
        )
    if groups.unlike is not None and not groups.unlike.any():
        raise VeneerError(
            f"Finetuning by {', '.join(names)}: all groups have a label in common with all others, "
            "so there is nothing to push apart. Name fewer columns as finetuning.labels."
        )


def _of_large_groups(rows: pa.Table, finetuning: FinetuningOptions) -> pa.Table:
    keys = [f"label.{name}" for name in finetuning.labels]
    sizes = rows.group_by(keys).aggregate([([], "count_all")])
    large = sizes.filter(pc.greater_equal(sizes["count_all"], finetuning.min_group_size))
    return rows.join(large.select(keys), keys, join_type="inner")


def _labelled(image_rows: ds.Dataset, names: list[str]) -> pa.Table:
    """Id, sha and the labels, as texts."""
    schema = image_rows.schema
    known = [each for each in ("label", "folder", "format") if each in schema.names]
    attributes = []
    if "attributes" in schema.names:
        kind = schema.field("attributes").type
        attributes = [kind.field(place).name for place in range(kind.num_fields)]
    columns: dict[str, ds.Expression] = {"id": ds.field("id"), "sha": ds.field("sha")}
    for name in names:
        if name in known:
            field = ds.field(name)
        elif name in attributes:
            field = ds.field("attributes", name)
        else:
            raise VeneerError(
                f"Finetuning by {name!r}: the images have no such label. finetuning.labels are of "
                f"{', '.join([*known, *attributes])}."
            )
        columns[f"label.{name}"] = field.cast(pa.string())
    return image_rows.to_table(columns=columns)


def tune(
    finetuning_rows: pa.Table,
    image_rows: ds.Dataset,
    embeddings: ds.Dataset,
    encoder: Encoder,
    known_tuned_encoder: tuple[TunedEncoder, str] | None,
    known_tuned_embeddings: ds.Dataset,
    checkpoints: Checkpoints,
    finetuning: FinetuningOptions,
    embedding: EmbeddingOptions,
    encoders: Encoders,
    seed: int,
) -> tuple:
    """Train; nothing is done where the same has been trained before.

    Returns
    -------
    (TunedEncoder, str, dict), or an empty tuple where it is there
        What was trained, the encoder it was made of, and all that are known.

    Raises
    ------
    VeneerError
        When there is a tuned encoder of this name, made otherwise; or another encoder of it.
    """
    present = fingerprint_of(embeddings.schema)
    require_one_fingerprint(encoder.name, present, encoder.fingerprint)
    digest = _digest(finetuning_rows, present, finetuning, seed)
    if known_tuned_encoder is not None:
        known, path = known_tuned_encoder
        if known.card["digest"] != digest:
            raise VeneerError(
                f"Finetuning {encoder.name}: there is a tuned encoder {finetuning.name}, and it "
                "was made from other images, labels or options. Give this one another name "
                f"(--params tuned=...), or delete {path} and its vectors below data/04_feature."
            )
        logger.info("%s has been tuned in the same way before", finetuning.name)
        return ()
    if finetuning.name in encoders.root or finetuning.name == encoder.name:
        raise VeneerError(
            f"Finetuning {encoder.name}: there is another encoder of the name {finetuning.name}. "
            "Give this one a name of its own: --params tuned=..."
        )
    other = fingerprint_of(known_tuned_embeddings.schema)
    if other is not None:
        raise VeneerError(
            f"Finetuning {encoder.name}: the collection has vectors of an encoder of the name "
            f"{finetuning.name} already, [{other}]. Give this one another name (--params "
            "tuned=...), or delete their folder below data/04_feature if they are of no use."
        )
    trained = _train(
        finetuning_rows, image_rows, embeddings, encoder, checkpoints, finetuning, digest, seed
    )
    best = trained.best
    logger.info(
        "finetuning: likeness@5 of the images that stop it %.4f, before %.4f; weights of epoch %d",
        best["likeness@5"],
        trained.log[0]["likeness@5"],
        best["epoch"],
    )
    if best["epoch"] == 0:
        logger.warning(
            "training has made the nearest images no more alike than they were: the tuned encoder "
            "is the frozen one. Try another objective or finetuning.learning_rate."
        )
    card = {
        "digest": digest,
        "name": finetuning.name,
        "base": encoder.name,
        "base_fingerprint": encoder.fingerprint.removesuffix(FAST),
        "options": finetuning.model_dump(),
        "seed": seed,
        "images": int(np.sum(~_bools(finetuning_rows["stops"]) & _training(finetuning_rows))),
        "log": trained.log,
        "kept_epoch": best["epoch"],
    }
    made = TunedEncoder(card, trained.projection, trained.tower)
    return made, embedding.encoder, encoders.root


def _train(
    rows: pa.Table,
    image_rows: ds.Dataset,
    embeddings: ds.Dataset,
    encoder: Encoder,
    checkpoints: Checkpoints,
    options: FinetuningOptions,
    digest: str,
    seed: int,
) -> Trained:
    from veneer.finetuning.training import Rows, train
    from veneer.pipelines import tracking

    rows = rows.filter(pc.equal(rows["split"], "train"))
    labels = {name: np.array(rows[f"label.{name}"].to_pylist()) for name in options.labels}
    frozen = _vectors_of(rows["sha"], embeddings)
    copies = np.unique(rows["sha"].to_pylist(), return_inverse=True)[1]
    with (
        _inputs(rows, image_rows, frozen, encoder, options) as (inputs, tower),
        progress(options.epochs, "finetuning", "epochs") as advance,
    ):

        def on_epoch(entry: dict) -> None:
            if entry["epoch"]:
                advance(1)
            tracking.log_finetuning_epoch(entry)

        return train(
            Rows(inputs, frozen, labels, copies, _bools(rows["stops"])),
            tower,
            options,
            checkpoints,
            digest=digest,
            seed=seed,
            on_epoch=on_epoch,
        )


@contextmanager
def _inputs(
    rows: pa.Table,
    image_rows: ds.Dataset,
    frozen: np.ndarray,
    encoder: Encoder,
    options: FinetuningOptions,
) -> Iterator[tuple[Inputs, object]]:
    """What is trained on, and the tower that it goes through."""
    from torch import nn

    from veneer.finetuning.inputs import Features, pictures

    if options.train == "projection":
        yield Features(frozen), nn.Identity()
        return
    tower = copy.deepcopy(encoder.towers().image.reference)
    shas = rows["sha"].to_pylist()
    batches = with_images(image_rows, ["sha", "image"], FIRST_ROWS)
    with pictures(batches, shas, encoder.preprocessing, options.augmentation) as inputs:
        yield inputs, tower


def embed_tuned(
    image_rows: ds.Dataset,
    embeddings: ds.Dataset,
    known_tuned_embeddings: ds.Dataset,
    tuned_encoder: tuple[TunedEncoder, str],
    checkpoints: Checkpoints,
    embedding: EmbeddingOptions,
    encoders: Encoders,
) -> Stream:
    """Vectors of the tuned encoder, for images that have none.

    Where nothing but a projection was trained they are made from the vectors of the frozen encoder,
    which takes no time; else the images are embedded again.

    Returns
    -------
    Stream of embedding rows
    """
    checkpoints.clear()  # what they led to is safe on disk
    tuned, path = tuned_encoder
    options = embedding.model_copy(update={"encoder": path})
    opened = embedding_nodes.open_encoder(options, encoders)
    if tuned.tower:
        rows, _ = embedding_nodes.embed(image_rows, known_tuned_embeddings, opened, options)
        return rows
    present = fingerprint_of(known_tuned_embeddings.schema)
    if present is not None:
        require_one_fingerprint(opened.name, present, opened.fingerprint)
    known = set(known_tuned_embeddings.to_table(columns=["sha"])["sha"].to_pylist())
    runtime = runtime_of(embeddings.schema)
    schema = embedding_schema(opened.dimension, opened.fingerprint, runtime)

    def projected() -> Iterator[pa.RecordBatch]:
        table = embeddings.to_table(columns=["sha", "embedding"])
        new = [place for place, sha in enumerate(table["sha"].to_pylist()) if sha not in known]
        for start in range(0, len(new), _SHARD):
            some = table.take(pa.array(new[start : start + _SHARD]))
            found = project(vectors(some["embedding"]), tuned)
            column = pa.FixedSizeListArray.from_arrays(found.ravel(), opened.dimension)
            yield pa.RecordBatch.from_arrays([some["sha"].combine_chunks(), column], schema=schema)

    return Stream(schema, projected)


def evaluate(
    finetuning_rows: pa.Table,
    embeddings: ds.Dataset,
    tuned_embeddings: ds.Dataset,
    tuned_encoder: tuple[TunedEncoder, str],
) -> dict:
    """Search for the like of each image that was not trained on, under both encoders.

    Queries are the validation rows (the test rows, where there are no others); candidates are all
    images, the query and its copies left out.

    Returns
    -------
    dict
        See :func:`veneer.finetuning.likeness.figures`; with the number of candidates.
    """
    tuned, path = tuned_encoder
    split = np.array(finetuning_rows["split"].to_pylist())
    side = "validation" if np.any(split == "validation") else "test"
    copies = np.unique(finetuning_rows["sha"].to_pylist(), return_inverse=True)[1]
    # Official sides may have copies of one image on both.
    learnt = np.isin(copies, copies[split == "train"])
    queries = np.flatnonzero((split == side) & ~learnt)
    names = tuned.card["options"]["labels"]
    result = {
        "name": tuned.card["name"],
        "encoder": path,
        "base": tuned.card["base"],
        "queries": side,
        "n_candidates": len(finetuning_rows),
        "kept_epoch": tuned.card["kept_epoch"],
    }
    if not len(queries):
        logger.warning("no side but train: the tuned encoder is not judged")
        return result | {"figures": {}}
    labels = {name: np.array(finetuning_rows[f"label.{name}"].to_pylist()) for name in names}
    before, after = (
        rankings(_vectors_of(finetuning_rows["sha"], each), labels, queries, copies)
        for each in (embeddings, tuned_embeddings)
    )
    found = figures(before, after)
    for name in [*names, *([ALL] if ALL in found else [])]:
        figure = found[name]["precision@5"]
        if figure["after"] is None:
            continue
        logger.info("%s: precision@5 %.4f, before %.4f", name, figure["after"], figure["before"])
    logger.info("the tuned encoder is used as any other: --params encoder=%s", _shown(path))
    return result | {"figures": found}


def draw(
    tuned_encoder: tuple[TunedEncoder, str], finetuning_metrics: dict
) -> dict[str, Image.Image]:
    """How training went, and what was gained."""
    from veneer.figures.finetuning import gain_chart, tuning_curve

    tuned, _ = tuned_encoder
    card, options = tuned.card, tuned.card["options"]
    subtitle = (
        f"{card['base']}, {options['train'].replace('_', ' ')}, {options['objective']}, "
        f"by {', '.join(options['labels'])}; {card['images']:,} images"
    )
    pictures = {
        "tuning_curve": tuning_curve(
            card["log"], title=f"Tuning of {card['name']}", subtitle=subtitle
        )
    }
    if finetuning_metrics["figures"]:
        pictures["gain"] = gain_chart(
            finetuning_metrics["figures"],
            title=f"What {card['name']} finds",
            subtitle=f"precision@5 of {finetuning_metrics['queries']} images, which were not "
            "trained on, among all; before and after",
        )
    return pictures


def track(
    tuned_encoder: tuple[TunedEncoder, str],
    finetuning_metrics: dict,
    finetuning_figures: dict[str, Image.Image],
) -> None:
    """Log figures, pictures and the card to the active MLflow run, if there is one."""
    from veneer.pipelines import tracking

    tracking.log_finetuning(tuned_encoder[0].card, finetuning_metrics)
    tracking.log_pictures("finetuning", finetuning_figures)


def _digest(rows: pa.Table, fingerprint: str, options: FinetuningOptions, seed: int) -> str:
    """Of all that the tuned encoder depends on, but for the versions of the libraries."""
    digest = hashlib.sha256(f"{FORMAT} {fingerprint} {seed}".encode())
    digest.update(json.dumps(options.model_dump(exclude={"name"}), sort_keys=True).encode())
    for name in sorted(rows.column_names):
        digest.update(json.dumps([name, *rows[name].to_pylist()]).encode())
    return digest.hexdigest()


def _training(rows: pa.Table) -> np.ndarray:
    return pc.equal(rows["split"], "train").to_numpy()


def _bools(column: pa.ChunkedArray) -> np.ndarray:
    return column.to_numpy().astype(bool)


def _vectors_of(shas: pa.ChunkedArray, embeddings: ds.Dataset) -> np.ndarray:
    """Vectors in the order of ``shas``: float32 array [n, D]."""
    table = embeddings.to_table(columns=["sha", "embedding"])
    places = pc.index_in(shas.combine_chunks(), value_set=table["sha"].combine_chunks())
    return vectors(table["embedding"])[places.to_numpy()]


def _shown(path: str) -> str:
    """A path as it may be given on the command line, from the root of the project."""
    try:
        return Path(path).relative_to(Path.cwd()).as_posix()
    except ValueError:
        return path
