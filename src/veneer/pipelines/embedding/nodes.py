"""Nodes of `embedding`."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.dataset as ds
from tqdm import tqdm

from veneer.encoders.config import Encoders
from veneer.encoders.embed import embed_batches
from veneer.encoders.encoder import Encoder
from veneer.encoders.encoder import open_encoder as open_by_name
from veneer.parameters import EmbeddingOptions
from veneer.schema import embedding_schema, fingerprint_of, require_one_fingerprint
from veneer.streams import Stream

logger = logging.getLogger(__name__)


def open_encoder(embedding: EmbeddingOptions, encoders: Encoders) -> Encoder:
    """Open the encoder of this run."""
    encoder = open_by_name(embedding.encoder, encoders.root)
    logger.info("encoder %s on %s: %s", encoder.name, encoder.device, encoder.fingerprint)
    return encoder


def embed(
    image_rows: ds.Dataset,
    known_embeddings: ds.Dataset,
    encoder: Encoder,
    embedding: EmbeddingOptions,
) -> Stream:
    """Embed the images that have no vector yet."""
    if fingerprint_of(known_embeddings.schema) is not None:
        require_one_fingerprint(
            encoder.name, fingerprint_of(known_embeddings.schema), encoder.fingerprint
        )
    known = set(known_embeddings.to_table(columns=["sha"])["sha"].to_pylist())
    present = set(image_rows.to_table(columns=["sha"])["sha"].to_pylist())
    missing = len(present - known)
    logger.info(
        "%d images have their vectors, %d are to be embedded", len(present) - missing, missing
    )

    def batches() -> Iterator[pa.RecordBatch]:
        if not missing:
            return
        rows = image_rows.to_batches(
            columns=["sha", "image"],
            batch_size=embedding.batch_size or encoder.batch_size,
            # Rows carry whole files: reading far ahead would fill the memory.
            batch_readahead=4,
            fragment_readahead=1,
        )
        with tqdm(total=missing, desc="embedding", unit=" images", disable=None) as bar:
            yield from embed_batches(
                rows, encoder, known=known, batch_size=embedding.batch_size, progress=bar
            )

    return Stream(embedding_schema(encoder.dimension, encoder.fingerprint), batches)
