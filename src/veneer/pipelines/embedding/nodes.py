"""Nodes of `embedding`."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.dataset as ds

from veneer.encoders.config import Encoders
from veneer.encoders.embed import embed_batches
from veneer.encoders.encoder import FIRST_ROWS, Encoder
from veneer.encoders.encoder import open_encoder as open_by_name
from veneer.errors import VeneerError
from veneer.parameters import EmbeddingOptions
from veneer.progress import progress
from veneer.schema import (
    QUARANTINE,
    embedding_schema,
    fingerprint_of,
    require_one_fingerprint,
)
from veneer.streams import Stream, columns_of, parted, regrouped

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
        rows = image_rows.to_batches(
            columns=["sha", "image"],
            batch_size=FIRST_ROWS,
            # Rows carry whole files: reading far ahead would fill the memory.
            batch_readahead=4,
            fragment_readahead=1,
        )
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
