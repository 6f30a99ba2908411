"""What goes into the network."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa
import torch
from PIL import Image
from support import encode, noise_image

from veneer.encoders.preprocessing import Preprocessing
from veneer.finetuning.inputs import Features, augmented, pictures
from veneer.finetuning.options import AugmentationOptions
from veneer.images import sha_of
from veneer.schema import IMAGE_STRUCT

SHAPE = Preprocessing(
    height=16,
    width=16,
    resize=(16, 16),
    mode="shortest",
    interpolation="bicubic",
    fill=(0, 0, 0),
    mean=(0, 0, 0),
    std=(1, 1, 1),
)
NONE = AugmentationOptions(crop=1, flip=False, colour=0)
SOME = AugmentationOptions(crop=0.5, flip=True, colour=0.2)


def batches(files):
    for start in range(0, len(files), 2):
        some = files[start : start + 2]
        images = pa.array([{"bytes": each, "path": "x.png"} for each in some], IMAGE_STRUCT)
        yield pa.RecordBatch.from_arrays([pa.array(map(sha_of, some)), images], ["sha", "image"])


def test_pictures_in_another_order_with_copies_and_some_left_out():
    files = [encode(noise_image(seed)) for seed in range(5)]
    shas = [sha_of(files[place]) for place in (4, 0, 2, 0)]
    with pictures(batches(files), shas, SHAPE, NONE) as found:
        pixels = found(np.array([3, 0, 2]))
    assert pixels.dtype == torch.uint8
    expected = [SHAPE.decode(files[place]) for place in (0, 4, 2)]
    assert np.array_equal(pixels.numpy(), np.stack(expected))


def test_a_draw_is_of_its_numbers_alone():
    files = [encode(noise_image(seed)) for seed in range(6)]
    with pictures(batches(files), [sha_of(each) for each in files], SHAPE, SOME) as found:
        whole, part = found(np.arange(6), (0, 1)), found(np.array([4, 2]), (0, 1))
        assert torch.equal(part, whole[[4, 2]])
        assert not torch.equal(found(np.arange(6), (0, 2)), whole)
        assert not torch.equal(found(np.arange(6)), whole)


def test_without_augmentation_a_picture_stays_as_it_is():
    image = noise_image(3)
    assert augmented(image, NONE, np.random.default_rng(0)).tobytes() == image.tobytes()


def test_what_is_kept_of_a_picture():
    image = Image.new("RGB", (200, 100))
    options = AugmentationOptions(crop=0.5, flip=True, colour=0.2)
    sizes = [augmented(image, options, np.random.default_rng(seed)).size for seed in range(60)]
    shares = [width * height / 20_000 for width, height in sizes]
    assert 0.4 < min(shares) < 0.6
    assert max(shares) > 0.85
    assert len(set(sizes)) > 50
    thin = augmented(Image.new("RGB", (1, 300)), options, np.random.default_rng(0))
    assert thin.size[0] == 1


def test_half_of_them_are_mirrored():
    image = Image.fromarray(np.tile(np.arange(64, dtype=np.uint8)[None, :, None], (64, 1, 3)))
    options = AugmentationOptions(crop=1, flip=True, colour=0)
    first = [
        augmented(image, options, np.random.default_rng(seed)).getpixel((0, 0))[0]
        for seed in range(80)
    ]
    assert 20 < sum(each > 0 for each in first) < 60


def test_features_are_rows():
    vectors = np.arange(12, dtype=np.float32).reshape(4, 3)
    found = Features(vectors)(np.array([2, 0]), (1, 1))
    assert found.tolist() == [[6, 7, 8], [0, 1, 2]]
    with ThreadPoolExecutor(2) as pool:
        assert all(torch.equal(each, found) for each in pool.map(Features(vectors), [[2, 0]] * 4))
