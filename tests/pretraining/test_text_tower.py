"""The distillation of the text tower."""

import numpy as np
import open_clip
import pytest
import torch
from torch.nn import functional

from veneer.encoders.clip_tokens import clip_tokenizer
from veneer.finetuning.checkpoints import Checkpoints
from veneer.pretraining.options import TowerOptions
from veneer.pretraining.space import WIDTH, TextSpace, mentioned
from veneer.pretraining.text_tower import Lesson, distil, make_tower
from veneer.pretraining.words import ATTRIBUTES, COLOURS, MATERIALS

# All that can be asked of the teacher here: a vector for each word, and for a text their mean.
WORDS = ["a", "photo", "of", "texture", *COLOURS, *MATERIALS, *ATTRIBUTES]


class Interrupted(Exception):
    pass


def options(**given):
    usual = {
        "width": 32,
        "heads": 2,
        "layers": 2,
        "batch": 32,
        "bag_steps": 20,
        "steps": 20,
        "rounded_from": 0.5,
        "prompts_from": 0.75,
        "bag_rate": 0.05,
        "table_rate": 0.003,
        "rate": 0.003,
        "every": 4,
    }
    return TowerOptions(**{**usual, **given})


def lesson(texts):
    rng = np.random.default_rng(0)
    vectors = dict(zip(WORDS, rng.normal(size=(len(WORDS), 384)), strict=True))
    means = [np.mean([vectors.get(word, vectors["a"]) for word in t.split()], 0) for t in texts]
    teacher = np.stack(means).astype(np.float32)
    teacher /= np.linalg.norm(teacher, axis=1, keepdims=True)
    return Lesson(texts, TextSpace.join(teacher, mentioned(texts)))


TEXTS = [f"{colour} {word}" for colour in COLOURS for word in (*ATTRIBUTES, *MATERIALS)]
TEXTS += [f"a photo of a {text} texture" for text in TEXTS]
LEARNT, MEASURED = lesson(TEXTS[::2]), lesson(TEXTS[1::20])
TOKENS = lesson([*WORDS, *["."] * (49406 - len(WORDS))])


def taught(folder, report=lambda step, metrics: None, seed=0, **given):
    checkpoints = Checkpoints(folder / "c.safetensors")
    return distil(
        LEARNT,
        MEASURED,
        TOKENS,
        options(**given),
        seed=seed,
        checkpoints=checkpoints,
        report=report,
    )


@pytest.fixture(scope="module")
def tower(tmp_path_factory):
    return taught(tmp_path_factory.mktemp("tower"))


def same(one, other):
    return (
        one.scale == other.scale
        and one.log == other.log
        and one.weights.keys() == other.weights.keys()
        and all(torch.equal(one.weights[name], other.weights[name]) for name in one.weights)
    )


def test_texts_come_near_their_targets(tower):
    cosines = [entry["cosine"] for entry in tower.log]
    assert [entry["step"] for entry in tower.log] == list(range(4, 41, 4))
    assert cosines[4] > cosines[0] + 0.05  # as a bag
    assert cosines[5] > cosines[4] - 0.05  # the transformer starts where the bag was
    assert cosines[-1] > cosines[4]
    assert tower.log[-1]["loss"] < tower.log[0]["loss"]


def test_the_weights_are_those_of_open_clip(tower):
    module = make_tower(options()).eval()
    module.load_state_dict(tower.weights, strict=True)
    texts = {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2}
    image = {"layers": 1, "width": 32, "head_width": 16, "patch_size": 16, "image_size": 32}
    clip = open_clip.model.CLIP(WIDTH, image, texts).eval()
    clip.load_state_dict({**clip.state_dict(), **tower.weights}, strict=True)
    with torch.inference_mode():
        tokens = torch.from_numpy(clip_tokenizer(77)(MEASURED.texts))
        found = functional.normalize(module(tokens), dim=-1)
        torch.testing.assert_close(clip.encode_text(tokens, normalize=True), found)
    cosine = (found * torch.from_numpy(MEASURED.targets)).sum(dim=1).mean().item()
    assert cosine == pytest.approx(tower.log[-1]["cosine"], abs=2e-3)


def test_the_table_is_whole_numbers_of_one_scale(tower):
    whole = tower.weights["token_embedding.weight"] / tower.scale
    torch.testing.assert_close(whole, whole.round(), rtol=0, atol=1e-3)
    assert whole.abs().max() <= 127.01
    assert whole.abs().max() > 100


def test_places_past_the_longest_text_have_the_mean_of_others(tower):
    places = tower.weights["positional_embedding"]
    assert torch.equal(places[40], places[76])
    assert not torch.equal(places[2], places[3])
    torch.testing.assert_close(places[-1], places[4:9].mean(dim=0), rtol=0.5, atol=0.01)


# In the bag, at its end, in the transformer, and after the table was rounded.
@pytest.mark.parametrize("stop", [8, 20, 24, 36])
def test_an_interrupted_training_ends_with_the_same_bits(tmp_path, tower, stop):
    def interrupt(step, metrics):
        if step == stop + 4:
            raise Interrupted

    with pytest.raises(Interrupted):
        taught(tmp_path, interrupt)
    heard = []
    again = taught(tmp_path, lambda step, metrics: heard.append(step))
    assert same(again, tower)
    assert heard == list(range(4, 41, 4))


def test_what_is_done_is_not_done_again(tmp_path, tower):
    first = taught(tmp_path, steps=8)
    checkpoint = tmp_path / "c.safetensors"
    before = checkpoint.stat().st_mtime_ns
    assert same(taught(tmp_path, steps=8), first)
    assert checkpoint.stat().st_mtime_ns == before
    assert not same(taught(tmp_path, steps=8, seed=1), first)  # of another training


def test_the_generator_of_others_is_left_alone(tmp_path):
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    threads = torch.get_num_threads()
    taught(tmp_path, bag_steps=1, steps=1)
    assert torch.equal(torch.rand(1), expected)
    assert torch.get_num_threads() == threads
