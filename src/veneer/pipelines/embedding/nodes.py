"""Nodes of `embedding`."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from veneer.encoders.config import Encoders
from veneer.encoders.embed import embed_batches
from veneer.encoders.encoder import FIRST_ROWS, Encoder
from veneer.encoders.encoder import open_encoder as open_by_name
from veneer.errors import VeneerError
from veneer.parameters import (
    EmbeddingOptions,
    ModelingOptions,
    RetrievalOptions,
    ZeroShotOptions,
)
from veneer.progress import progress
from veneer.schema import (
    QUARANTINE,
    class_prompts_schema,
    embedding_schema,
    fingerprint_of,
    require_one_fingerprint,
)
from veneer.streams import Stream, columns_of, parted, regrouped, with_images
from veneer.text import prompts_of, text_sha

logger = logging.getLogger(__name__)


def open_encoder(embedding: EmbeddingOptions, encoders: Encoders) -> Encoder:
    """Open the encoder of this run."""
    encoder = open_by_name(
        embedding.encoder,
        encoders.root,
        runtime=embedding.runtime,
        batch_size=embedding.batch_size,
        fast=embedding.decode == "fast",
        cache=embedding.cache,
    )
    logger.info("encoder %s: %s", encoder.name, encoder.fingerprint)
    return encoder


def embed(
    image_rows: ds.Dataset,
    known_embeddings: ds.Dataset,
    encoder: Encoder,
    embedding: EmbeddingOptions,
) -> tuple[Stream, Stream]:
    """Embed the images that have no vector yet.

    Returns
    -------
    embeddings : Stream of embedding rows
        In batches of ``embedding.shard_rows``.
    not_embedded : Stream of schema QUARANTINE
        Images that could be decoded when they were ingested, and cannot now.
    """
    if fingerprint_of(known_embeddings.schema) is not None:
        require_one_fingerprint(
            encoder.name, fingerprint_of(known_embeddings.schema), encoder.fingerprint
        )
    known = set(known_embeddings.to_table(columns=["sha"])["sha"].to_pylist())
    present = set(image_rows.to_table(columns=["sha"])["sha"].to_pylist())
    missing = len(present - known)
    logger.info(
        "%s images have their vectors, %s are to be embedded",
        f"{len(present) - missing:,}",
        f"{missing:,}",
    )

    def embedded() -> Iterator[pa.RecordBatch]:
        if not missing:
            return
        rows = with_images(image_rows, ["sha", "image"], FIRST_ROWS)
        refused: Counter = Counter()
        first, begin = 0, 0.0
        with progress(missing, "embedding", "images") as advance:
            for batch in embed_batches(rows, encoder, known=known):
                refused.update(batch["reason"].drop_null().to_pylist())
                advance(batch.num_rows)
                if not begin:  # the first batch has waited for the encoder to be made ready
                    first, begin = batch.num_rows, time.monotonic()
                yield batch
        rate = (missing - first) / max(time.monotonic() - begin, 1e-9)
        embedded = f"{missing - refused.total():,}"
        logger.info("embedded %s images%s", embedded, f", {rate:.3g} a second" * (missing > first))
        if refused:
            _tell_of(refused, nothing_else=refused.total() == missing and not known)

    schema = embedding_schema(encoder.dimension, encoder.fingerprint)
    vectors, not_embedded = parted(
        embedded(), (schema, _embedding_rows), (QUARANTINE, _quarantine_rows)
    )
    return Stream(schema, lambda: regrouped(iter(vectors), embedding.shard_rows)), not_embedded


def embed_texts(
    image_rows: ds.Dataset,
    known_text_embeddings: ds.Dataset,
    encoder: Encoder,
    embedding: EmbeddingOptions,
    modeling: ModelingOptions,
) -> Stream | tuple:
    """Embed the texts of the images that have no vector yet.

    Returns
    -------
    Stream of embedding rows
        Their ``sha`` is that of the text; see :func:`veneer.text.text_sha`. An empty tuple where
        heads are not to see texts.

    Raises
    ------
    VeneerError
        When they are to see them, and the encoder has no text tower.
    """
    if modeling.fusion == "image":
        return ()
    if encoder.text_tower is None:
        raise VeneerError(
            f"Embedding texts for modeling.fusion={modeling.fusion}: the encoder {encoder.name} "
            "has no text tower. Use one that has, or modeling.fusion=image."
        )
    if fingerprint_of(known_text_embeddings.schema) is not None:
        require_one_fingerprint(
            encoder.name, fingerprint_of(known_text_embeddings.schema), encoder.fingerprint
        )
    known = set(known_text_embeddings.to_table(columns=["sha"])["sha"].to_pylist())
    texts = pc.unique(image_rows.to_table(columns=["text"])["text"]).to_pylist()
    missing = {text_sha(text): text for text in texts}
    missing = {sha: text for sha, text in missing.items() if sha and sha not in known}
    logger.info("%s texts are to be embedded", f"{len(missing):,}")

    def embedded() -> Iterator[pa.RecordBatch]:
        # Texts of about one length go through the tower together.
        shas = sorted(missing, key=lambda sha: (len(missing[sha]), sha))
        with progress(len(shas), "embedding", "texts") as advance:
            for start in range(0, len(shas), embedding.shard_rows):
                some = shas[start : start + embedding.shard_rows]
                found = encoder.embed_texts([missing[sha] for sha in some])
                advance(len(some))
                column = pa.FixedSizeListArray.from_arrays(found.ravel(), encoder.dimension)
                made = embedding_schema(
                    encoder.dimension, encoder.fingerprint, encoder.text_tower.runtime
                )
                yield pa.RecordBatch.from_arrays([pa.array(some, pa.string()), column], schema=made)

    return Stream(embedding_schema(encoder.dimension, encoder.fingerprint), embedded)


def embed_class_prompts(
    image_rows: ds.Dataset,
    known_class_prompts: pa.Table,
    encoder: Encoder,
    zero_shot: ZeroShotOptions,
    retrieval: RetrievalOptions,
) -> pa.Table:
    """Embed what the classes are called; nothing where the encoder has no text tower.

    Returns
    -------
    Table of :func:`veneer.schema.class_prompts_schema`
        For every label of the collection, every class of ``zero_shot.classes``, and every value of
        the attribute by which searching is evaluated.
    """
    schema = class_prompts_schema(encoder.dimension, encoder.fingerprint)
    if encoder.text_tower is None:
        return schema.empty_table()
    classes = set(zero_shot.classes or ())
    for name in {"label", retrieval.evaluation.relevance}:
        column = ds.field("label") if name == "label" else ds.field("attributes", name)
        values = image_rows.to_table(columns={"class": column.cast(pa.string())})["class"]
        classes.update(pc.unique(values).drop_null().to_pylist())
    pairs = [
        (label, prompt)
        for label in sorted(classes)
        for prompt in prompts_of(zero_shot.names.get(label, label), zero_shot.templates)
    ]
    if fingerprint_of(known_class_prompts.schema) == encoder.fingerprint:
        columns = known_class_prompts.to_pydict()
        if list(zip(columns["label"], columns["prompt"], strict=True)) == pairs:
            return known_class_prompts
    found = encoder.embed_texts([prompt for _, prompt in pairs])
    column = pa.FixedSizeListArray.from_arrays(found.ravel(), encoder.dimension)
    return pa.table(
        [[label for label, _ in pairs], [prompt for _, prompt in pairs], column], schema=schema
    )


def _tell_of(refused: Counter, *, nothing_else: bool) -> None:
    reasons = ", ".join(f"{count:,} {reason}" for reason, count in refused.most_common())
    if nothing_else:
        raise VeneerError(
            f"Embedding: none of the collection's images can be decoded any more ({reasons}). "
            "Delete its folder below data/02_intermediate and run data_processing again."
        )
    logger.warning(
        "%s images cannot be decoded any more and have no vector: %s",
        f"{refused.total():,}",
        reasons,
    )


def _embedding_rows(batch: pa.RecordBatch) -> pa.RecordBatch:
    schema = pa.schema([batch.schema.field(name) for name in ("sha", "embedding")])
    return columns_of(batch, schema.with_metadata(batch.schema.metadata))


def _quarantine_rows(batch: pa.RecordBatch) -> pa.RecordBatch:
    modified = pa.nulls(batch.num_rows, QUARANTINE.field("modified").type)
    return columns_of(batch.append_column("modified", modified), QUARANTINE)
