"""The embedding stage: image rows in, vectors out.

Decoding, computing and whatever the caller does with the vectors overlap: some batches are being
decoded by as many threads as there are cores while one is in the encoder. What waits is bounded.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Collection, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import pyarrow as pa

from veneer.encoders.encoder import FIRST_ROWS, Encoder
from veneer.encoders.preprocessing import Preprocessing
from veneer.images import Buffer
from veneer.refusals import RefusedError
from veneer.schema import embedded_schema
from veneer.streams import ahead

Item = TypeVar("Item")

AHEAD = 4
"""Batches that are being decoded, wait for the encoder, or are in it."""


def embed_batches(
    batches: Iterator[pa.RecordBatch],
    encoder: Encoder,
    *,
    known: Collection[str] = (),
    fill: bool = True,
) -> Iterator[pa.RecordBatch]:
    """Embed every ``sha`` once, in the order in which they come.

    A vector depends on its image, the encoder and the runtime alone: not on the batch it happens
    to be in, nor on the number of threads.

    Parameters
    ----------
    batches : iterator of RecordBatch
        Image rows; ``sha`` and ``image`` are used.
    encoder : Encoder
    known : collection of str
        The ``sha`` values that have their vector already.
    fill : bool
        As for :class:`veneer.encoders.engine.Engine`. Without it a few images take less time, and
        the last bits of a vector may depend on its batch.

    Yields
    ------
    RecordBatch of schema :func:`veneer.schema.embedded_schema`
        One row for each new ``sha``; ``reason`` is set where the image cannot be decoded.
    """
    rows = _new_rows(batches, set(known))
    initializer = _one_core if encoder.preprocessing.fast else None
    with (
        ThreadPoolExecutor(os.cpu_count(), initializer=initializer) as decoders,
        ThreadPoolExecutor(1) as computing,
    ):

        def decoded(chunk: list[_Row]) -> _Chunk:
            return _Chunk.start(chunk, encoder.preprocessing, decoders)

        def embedded(chunk: _Chunk) -> pa.RecordBatch:
            return _embed(chunk, encoder, fill)

        # The first batch is small: on it the runtime is chosen, which sets the size of the others.
        while encoder.image_tower.batch_size is None:
            first = list(itertools.islice(rows, FIRST_ROWS))
            if not first:
                return
            yield embedded(decoded(first))
        chunks = _chunks(rows, encoder.image_tower.batch_size)
        # Decoding begins when a chunk is put in line for the encoder.
        results = ahead((computing.submit(embedded, decoded(each)) for each in chunks), AHEAD)
        try:
            for result in results:
                yield result.result()
        finally:
            # Also where nobody wants the rest any more.
            decoders.shutdown(wait=False, cancel_futures=True)
            computing.shutdown(wait=False, cancel_futures=True)


@dataclass(frozen=True)
class _Row:
    sha: str
    path: str
    data: pa.BinaryScalar


@dataclass(frozen=True)
class _Chunk:
    """Some images on their way to the encoder."""

    rows: list[_Row]
    pixels: np.ndarray  # uint8 [n, height, width, 3], written by the decoding threads
    refusals: list[Future[RefusedError | None]]

    @classmethod
    def start(
        cls, rows: list[_Row], preprocessing: Preprocessing, decoders: ThreadPoolExecutor
    ) -> _Chunk:
        """Begin to decode."""
        shape = preprocessing.height, preprocessing.width, 3
        pixels = np.empty((len(rows), *shape), np.uint8)
        jobs = [
            decoders.submit(_decode, preprocessing, row.data, target)
            for row, target in zip(rows, pixels, strict=True)
        ]
        return cls(rows, pixels, jobs)


def _decode(
    preprocessing: Preprocessing, data: pa.BinaryScalar, target: np.ndarray
) -> RefusedError | None:
    content: Buffer = memoryview(data.as_buffer())
    try:
        target[:] = preprocessing.decode(content)
    except RefusedError as refusal:
        return refusal
    except (ValueError, OSError, MemoryError) as error:
        return RefusedError("damaged", f"{type(error).__name__}: {error}")
    return None


def _embed(chunk: _Chunk, encoder: Encoder, fill: bool) -> pa.RecordBatch:
    refusals = [job.result() for job in chunk.refusals]
    good = np.array([refusal is None for refusal in refusals])
    vectors = np.zeros((len(good), encoder.dimension), np.float32)
    if good.any():
        pixels = chunk.pixels if good.all() else chunk.pixels[good]
        vectors[good] = encoder.image_tower(pixels, fill=fill)
    schema = embedded_schema(encoder.dimension, encoder.fingerprint, encoder.image_tower.runtime)
    column = pa.FixedSizeListArray.from_arrays(
        vectors.ravel(), encoder.dimension, mask=pa.array(~good)
    )
    columns = {
        "sha": [row.sha for row in chunk.rows],
        "embedding": column,
        "path": [row.path for row in chunk.rows],
        "size": [len(row.data.as_buffer()) for row in chunk.rows],
        "reason": [refusal and refusal.reason for refusal in refusals],
        "detail": [refusal and refusal.detail for refusal in refusals],
    }
    return pa.RecordBatch.from_pydict(columns, schema=schema)


def _one_core() -> None:
    # Only the encoder may spread over all cores: decoding threads that do so too fight with it
    # for them. The setting holds for each thread alone.
    import torch

    torch.set_num_threads(1)


def _new_rows(batches: Iterator[pa.RecordBatch], seen: set[str]) -> Iterator[_Row]:
    for batch in batches:
        data, paths = batch["image"].field("bytes"), batch["image"].field("path")
        for place, sha in enumerate(batch["sha"].to_pylist()):
            if sha not in seen:
                seen.add(sha)
                yield _Row(sha, paths[place].as_py(), data[place])


def _chunks(items: Iterator[Item], size: int) -> Iterator[list[Item]]:
    while chunk := list(itertools.islice(items, size)):
        yield chunk
