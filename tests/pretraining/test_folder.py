"""The folder that open_clip opens."""

import json
import math
from dataclasses import replace

import numpy as np
import open_clip
import pytest
import safetensors.torch
import torch
from PIL import Image
from pretrained import options
from support import noise_image

from veneer.pretraining import folder
from veneer.pretraining.image_head import SCALE, ImageHead
from veneer.pretraining.text_tower import Lesson, TextTower, make_tower
from veneer.pretraining.trunk import WIDTH, bare_trunk
from veneer.pretraining.widening import shared_hidden, widen
from veneer.pretraining.work import Work

OPTIONS = options(width=802, shared=200)
TEXTS = ["a striped texture", "a red apple", "wood", "a photo of a dog on the beach"]


@pytest.fixture(scope="module")
def parts():
    """A trunk, a widened head, a text tower and the basis of its space, all of chance."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        trunk = {name: each.clone() for name, each in bare_trunk().state_dict().items()}
        head = ImageHead(WIDTH, shared_hidden(802, 200), 200)
        wide = widen(head, 3 * torch.rand(100, WIDTH), [1, 2, 3], 802, 1.0, 2.0, 0)
        tower = make_tower(OPTIONS.text)
        table, scale = tower.token_embedding.weight.detach(), 0.01
        table.copy_(scale * torch.randint(-127, 128, table.shape))
    basis = np.linalg.qr(np.random.default_rng(0).normal(size=(512, 200)))[0].astype(np.float32)
    pictures = np.stack([np.asarray(noise_image(each, (256, 256))) for each in range(4)])
    return trunk, wide, TextTower(tower.state_dict(), scale, []), basis, pictures


@pytest.fixture(scope="module")
def made(parts):
    return folder.files(folder.tensors(*parts), OPTIONS)


@pytest.fixture(scope="module")
def there(made, tmp_path_factory):
    """Where the files lie."""
    there = tmp_path_factory.mktemp("encoder")
    for name, content in made.items():
        (there / name).write_bytes(content)
    return there


@pytest.fixture(scope="module")
def model(there):
    return open_clip.create_model(f"local-dir:{there}").eval()


def test_open_clip_finds_all_it_wants_and_nothing_more(there, model):
    tensors = safetensors.torch.load_file(there / folder.WEIGHTS)
    missing, unexpected = model.load_state_dict(tensors, strict=False)
    assert set(missing) <= {"attn_mask"}
    assert unexpected == []
    assert model.visual.trunk.num_features == WIDTH
    assert math.exp(model.logit_scale.item()) > SCALE


def test_open_clip_treats_pictures_as_the_trunk_wants_them(there):
    _, _, preprocess = open_clip.create_model_and_transforms(f"local-dir:{there}")
    red = Image.new("RGB", (448, 300), (255, 0, 0))
    given = preprocess(red)
    assert given.shape == (3, 256, 256)
    torch.testing.assert_close(given.mean((1, 2)), torch.tensor([1.0, -1.0, -1.0]))
    stripe = Image.new("RGB", (512, 256), "black")
    stripe.paste("white", (0, 0, 128, 256))
    assert preprocess(stripe).max() < 0  # what is beside the middle is cut off


def test_texts_and_pictures_come_out_as_the_parts_have_them(parts, made, model):
    trunk, wide, tower, basis, _ = parts
    targets = np.random.default_rng(1).normal(size=(len(TEXTS), 512)).astype(np.float32)
    pictures = np.stack([np.asarray(noise_image(each, (256, 256))) for each in range(3)])
    found = folder.check(made, trunk, wide, basis, Lesson(TEXTS, targets), pictures)
    assert set(found) == {"text_cosine", "image_cosine", "megabytes"}
    assert found["image_cosine"] > 0.99
    assert found["megabytes"] == len(made[folder.WEIGHTS]) / 1e6
    # The tower's own vectors, in the place of the targets.
    own = make_tower(OPTIONS.text)
    own.load_state_dict(tower.weights)
    tokens = open_clip.get_tokenizer("RN50")(TEXTS)
    with torch.inference_mode():
        said = own.eval()(tokens).numpy()
    found = folder.check(made, trunk, wide, basis, Lesson(TEXTS, said), pictures)
    assert found["text_cosine"] > 0.999


def test_the_order_of_the_trunk_in_a_file_plays_no_part(parts, made, tmp_path):
    trunk, *others = parts
    kept = Work(tmp_path).kept("trunk", None, lambda: trunk)
    assert folder.files(folder.tensors(kept, *others), OPTIONS) == made


def test_the_same_parts_give_the_same_bytes(parts, made):
    assert folder.files(folder.tensors(*parts), OPTIONS) == made
    trunk, wide, *others = parts
    other = folder.tensors(trunk, replace(wide, share=0.5), *others)
    assert other["logit_scale"].item() == pytest.approx(math.log(2 * SCALE))
    assert folder.files(other, OPTIONS) != made


def test_the_description_is_open_clips(made):
    described = json.loads(made[folder.CONFIG])
    assert described["model_cfg"]["embed_dim"] == 802
    assert described["model_cfg"]["text_cfg"] == {
        "context_length": 77,
        "vocab_size": 49408,
        "width": 64,
        "heads": 4,
        "layers": 2,
        "ls_init_value": 1.0,
    }
    assert described["preprocess_cfg"]["interpolation"] == "bicubic"


def test_most_of_the_file_is_whole_numbers(there):
    tensors = safetensors.torch.load_file(there / folder.WEIGHTS)
    sizes: dict[torch.dtype, int] = {}
    for each in tensors.values():
        sizes[each.dtype] = sizes.get(each.dtype, 0) + each.numel()
    whole = sizes.pop(torch.int8)
    assert whole > 3 * sum(sizes.values())
    assert set(sizes) == {torch.float16, torch.float32, torch.int64}
