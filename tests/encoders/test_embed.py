"""The embedding stage."""

from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import torch
from support import encode, noise_image

from veneer.encoders.embed import embed_batches
from veneer.encoders.encoder import Encoder
from veneer.images import sha_of
from veneer.schema import IMAGE_STRUCT, fingerprint_of, vectors

CALLS = []


def tower(batch):
    CALLS.append(len(batch))
    return batch.mean(dim=(2, 3))


ENCODER = Encoder(
    name="mean",
    fingerprint="mean colour",
    dimension=3,
    precisions=("fp32",),
    preprocess=lambda image: torch.from_numpy(np.array(image)).permute(2, 0, 1).float(),
    image_tower=tower,
    text_tower=None,
    device="cpu",
)


def rows(seeds, size=4):
    files = [encode(noise_image(seed)) for seed in seeds]
    for first in range(0, len(files), size):
        block = files[first : first + size]
        images = pa.array([{"bytes": f, "path": "x"} for f in block], IMAGE_STRUCT)
        yield pa.RecordBatch.from_arrays(
            [pa.array([sha_of(f) for f in block]), images], ["sha", "image"]
        )


def expected(seed):
    mean = np.asarray(noise_image(seed), np.float32).mean(axis=(0, 1))
    return mean / np.linalg.norm(mean)


def test_each_distinct_image_is_embedded_once_and_in_order():
    CALLS.clear()
    seeds = [1, 2, 1, 3, 2, 4, 5, 5, 6]
    batches = list(embed_batches(rows(seeds), ENCODER, batch_size=4))
    table = pa.Table.from_batches(batches)
    assert table["sha"].to_pylist() == [sha_of(encode(noise_image(s))) for s in range(1, 7)]
    np.testing.assert_allclose(
        vectors(table["embedding"]), [expected(s) for s in range(1, 7)], rtol=1e-5
    )
    assert CALLS == [4, 2]
    assert fingerprint_of(batches[0].schema) == "mean colour"


def test_known_images_are_left_out():
    known = {sha_of(encode(noise_image(s))) for s in (1, 3)}
    table = pa.Table.from_batches(embed_batches(rows([1, 2, 3]), ENCODER, known=known))
    assert table["sha"].to_pylist() == [sha_of(encode(noise_image(2)))]
    assert not list(embed_batches(rows([1, 3]), ENCODER, known=known))


def test_no_more_is_read_than_is_needed():
    """Memory is bounded by a few batches, however many images there are."""
    read = SimpleNamespace(count=0)

    def counted():
        for batch in rows(range(200), size=2):
            read.count += batch.num_rows
            yield batch

    stream = embed_batches(counted(), ENCODER, batch_size=4)
    next(stream)
    assert read.count <= 4 + 2 * 4 + 2
    stream.close()
