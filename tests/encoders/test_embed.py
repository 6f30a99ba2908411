"""The embedding stage."""

import threading
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
from support import encode, noise_image

from veneer.encoders.embed import AHEAD, embed_batches
from veneer.encoders.encoder import FIRST_ROWS, Encoder
from veneer.encoders.preprocessing import Preprocessing
from veneer.images import sha_of
from veneer.schema import IMAGE_STRUCT, fingerprint_of, runtime_of, vectors

SHAPE = Preprocessing(
    height=40,
    width=48,
    resize=(40, 48),
    mode="squash",
    interpolation="bicubic",
    fill=(0, 0, 0),
    mean=(0, 0, 0),
    std=(1, 1, 1),
)


class MeanColour:
    """An engine whose vector is an image's mean colour."""

    def __init__(self, batch_size=4):
        self.batch_size = self.runtime = None
        self.later = batch_size
        self.calls = []

    def __call__(self, batch, fill=False):
        assert fill
        self.batch_size, self.runtime = self.later, "by hand"
        self.calls.append(len(batch))
        means = batch.mean(axis=(1, 2), dtype=np.float64)
        return (means / np.linalg.norm(means, axis=1, keepdims=True)).astype(np.float32)


def encoder(**options):
    return Encoder("mean", "mean colour", 3, ("fp32",), SHAPE, MeanColour(**options))


def rows(seeds, size=4, damaged=()):
    files = [b"no image" + bytes([s]) if s in damaged else encode(noise_image(s)) for s in seeds]
    for first in range(0, len(files), size):
        block = files[first : first + size]
        images = pa.array([{"bytes": f, "path": f"{len(f)}.png"} for f in block], IMAGE_STRUCT)
        yield pa.RecordBatch.from_arrays(
            [pa.array([sha_of(f) for f in block]), images], ["sha", "image"]
        )


def expected(seed):
    mean = np.asarray(noise_image(seed), np.float32).mean(axis=(0, 1))
    return mean / np.linalg.norm(mean)


def shas(seeds):
    return [sha_of(encode(noise_image(seed))) for seed in seeds]


def test_each_distinct_image_is_embedded_once_and_in_order():
    mean = encoder()
    seeds = [1, 2, 1, 3, 2, 4, 5, 5, *range(6, 16)]
    batches = list(embed_batches(rows(seeds), mean))
    table = pa.Table.from_batches(batches)
    assert table["sha"].to_pylist() == shas(range(1, 16))
    np.testing.assert_allclose(
        vectors(table["embedding"]), [expected(s) for s in range(1, 16)], rtol=1e-5
    )
    assert mean.image_tower.calls == [FIRST_ROWS, 4, 3]
    assert table["reason"].null_count == len(table)
    assert {fingerprint_of(each.schema) for each in batches} == {"mean colour"}
    assert {runtime_of(each.schema) for each in batches} == {"by hand"}


def test_known_images_are_left_out():
    known = set(shas([1, 3]))
    table = pa.Table.from_batches(embed_batches(rows([1, 2, 3]), encoder(), known=known))
    assert table["sha"].to_pylist() == shas([2])
    assert not list(embed_batches(rows([1, 3]), encoder(), known=known))


@pytest.mark.parametrize("damaged", [(2, 7, 13), tuple(range(12)), tuple(range(20))])
def test_what_cannot_be_decoded_is_told_and_does_not_move_the_others(damaged):
    table = pa.Table.from_batches(embed_batches(rows(range(20), damaged=damaged), encoder()))
    good = [seed for seed in range(20) if seed not in damaged]
    accepted = table.filter(table["reason"].is_null())
    refused = table.filter(table["reason"].is_valid())
    assert accepted["sha"].to_pylist() == shas(good)
    if good:
        found = vectors(accepted["embedding"])
        np.testing.assert_allclose(found, [expected(s) for s in good], rtol=1e-5)
    assert refused["reason"].to_pylist() == ["not_an_image"] * len(damaged)
    assert refused["path"].to_pylist() == ["9.png"] * len(damaged)
    assert refused["size"].to_pylist() == [9] * len(damaged)
    assert refused["embedding"].null_count == len(damaged)


def test_no_more_is_read_than_is_needed():
    """Memory is bounded by a few batches, however many images there are."""
    read = SimpleNamespace(count=0)

    def counted():
        for batch in rows(range(250), size=2):
            read.count += batch.num_rows
            yield batch

    stream = embed_batches(counted(), encoder())
    next(stream)
    assert read.count <= FIRST_ROWS + 2
    next(stream)
    assert read.count <= FIRST_ROWS + AHEAD * 4 + 2
    before = threading.active_count()
    stream.close()
    assert threading.active_count() < before


def test_an_error_of_the_encoder_reaches_the_caller():
    class Broken(MeanColour):
        def __call__(self, batch, fill=False):
            if self.calls:
                raise RuntimeError("out of memory")
            return super().__call__(batch, fill)

    mean = Encoder("mean", "mean colour", 3, ("fp32",), SHAPE, Broken())
    stream = embed_batches(rows(range(60)), mean)
    next(stream)
    with pytest.raises(RuntimeError, match="out of memory"):
        list(stream)
