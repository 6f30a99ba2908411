"""The embedding stage: image rows in, embedding rows out."""

from __future__ import annotations

import itertools
import os
from collections import deque
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
from tqdm import tqdm

from veneer.encoders.encoder import Encoder
from veneer.images import to_rgb
from veneer.schema import embedding_schema


def embed_batches(
    batches: Iterator[pa.RecordBatch],
    encoder: Encoder,
    *,
    known: Collection[str] = (),
    batch_size: int | None = None,
    progress: tqdm | None = None,
) -> Iterator[pa.RecordBatch]:
    """Embed every ``sha`` once.

    Parameters
    ----------
    batches : iterator of RecordBatch
        Image rows; ``sha`` and ``image`` are used.
    known : collection of str
        The ``sha`` values that have their vector already.
    batch_size : int, optional
        Images that go through the encoder together; by default what suits its device.
    progress : tqdm, optional
        Is advanced by one for each image embedded.

    Yields
    ------
    RecordBatch of schema :func:`veneer.schema.embedding_schema`, at most ``batch_size`` rows
    """
    batch_size = batch_size or encoder.batch_size
    schema = embedding_schema(encoder.dimension, encoder.fingerprint)

    def pixels(row: tuple[str, bytes]):
        return row[0], encoder.pixels(to_rgb(row[1]))

    # Only the encoder may spread over all cores: decoding threads that do so too fight with it
    # for them, at a cost of a third of the speed. The setting holds for each thread alone.
    with ThreadPoolExecutor(os.cpu_count(), initializer=_one_core) as pool:
        # While one batch is in the encoder, the next is being decoded.
        ready = _ahead(pool, pixels, _new_images(batches, set(known)), 2 * batch_size)
        for chunk in _chunks(ready, batch_size):
            shas, tensors = zip(*chunk, strict=True)
            vectors = encoder.embed_pixels(tensors)
            column = pa.FixedSizeListArray.from_arrays(vectors.ravel(), encoder.dimension)
            yield pa.RecordBatch.from_arrays([pa.array(shas, pa.string()), column], schema=schema)
            if progress is not None:
                progress.update(len(shas))


def _one_core() -> None:
    import torch

    torch.set_num_threads(1)


def _new_images(batches: Iterator[pa.RecordBatch], seen: set[str]) -> Iterator[tuple[str, bytes]]:
    for batch in batches:
        data = batch["image"].field("bytes")
        for sha, blob in zip(batch["sha"].to_pylist(), data, strict=True):
            if sha not in seen:
                seen.add(sha)
                yield sha, blob.as_py()


def _ahead(pool: ThreadPoolExecutor, function, items: Iterator, depth: int) -> Iterator:
    """Map in order, with at most ``depth`` results in the making or waiting."""
    waiting: deque = deque()
    for item in items:
        waiting.append(pool.submit(function, item))
        if len(waiting) >= depth:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _chunks(items: Iterator, size: int) -> Iterator[list]:
    while chunk := list(itertools.islice(items, size)):
        yield chunk
