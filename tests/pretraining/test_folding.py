"""Weights in eight bits whose scales are folded away: the same vectors come out."""

import numpy as np
import pytest
import torch
from pretrained import options
from torch.nn.functional import cosine_similarity

from veneer.encoders.clip_tokens import clip_tokenizer
from veneer.pretraining import folding
from veneer.pretraining.folding import (
    as_stored,
    correct_means,
    fold_head,
    fold_text,
    fold_trunk,
    whole_numbers,
)
from veneer.pretraining.image_head import ImageHead
from veneer.pretraining.lanes import _enlarged
from veneer.pretraining.text_tower import make_tower
from veneer.pretraining.trunk import as_input, bare_trunk

TEXTS = ["a photo of a red apple", "striped", "a close-up photo of a bumpy wall, a product"]


def pooled(model, pictures):
    with torch.inference_mode():
        return model.forward_head(model.forward_features(as_input(pictures)), pre_logits=True)


def loaded(model, state):
    """A model of the same shape with the weights that a file would give it."""
    missing, unexpected = model.load_state_dict(
        {name: as_stored(each) for name, each in state.items()}, strict=False
    )
    assert not unexpected
    return missing


def _larger(trunk):
    """The trunk in the size that it is folded in, without lanes."""
    return _enlarged(trunk).state_dict()


def test_a_folded_trunk_sees_the_same(trunk, drawn):
    folded = fold_trunk(_larger(trunk))
    again = bare_trunk()
    assert loaded(again, folded) == ["classifier.weight", "classifier.bias"]
    pictures = drawn[::12]
    # The first layers are few and small channels, and lose most.
    likeness = cosine_similarity(pooled(trunk, pictures), pooled(again, pictures))
    assert likeness.mean() > 0.98
    assert likeness.min() > 0.95


def test_what_rounding_shifts_is_taken_back(trunk, drawn):
    state = _larger(trunk)
    folded = fold_trunk(state)
    corrected = correct_means(state, folded, drawn[1::12])
    changed = {name for name, each in folded.items() if not torch.equal(each, corrected[name])}
    assert changed
    assert all(name.endswith(".bias") for name in changed)
    before, rounded, again = bare_trunk(state), bare_trunk(), bare_trunk()
    loaded(rounded, folded)
    loaded(again, corrected)
    pictures = drawn[::12]  # others than those it was corrected on
    expected = pooled(before, pictures)
    likeness = cosine_similarity(expected, pooled(again, pictures))
    assert likeness.mean() > 0.997
    worse = cosine_similarity(expected, pooled(rounded, pictures))
    assert (1 - likeness).mean() < 0.3 * (1 - worse).mean()


def test_only_the_rounding_is_lost_in_a_trunk(trunk, drawn, monkeypatch):
    monkeypatch.setattr(
        "veneer.pretraining.folding.whole_numbers", lambda each, scale: each / scale
    )
    again = bare_trunk()
    again.load_state_dict(fold_trunk(_larger(trunk)), strict=False)
    before, after = pooled(trunk, drawn[:4]), pooled(again, drawn[:4])
    assert cosine_similarity(before, after).min() > 0.99999


def test_a_folded_trunk_is_whole_numbers_and_norms():
    given = bare_trunk().state_dict()
    before = {name: each.clone() for name, each in given.items()}
    folded = fold_trunk(given)
    assert set(folded) == {name for name in given if "classifier" not in name}
    for name, each in folded.items():
        assert each.shape == given[name].shape
        assert (each.dtype == torch.int8) == (each.ndim == 4)
        if each.ndim == 4:  # every channel has a scale of its own
            assert (each.abs().amax((1, 2, 3)) == 127).all()
    assert all(torch.equal(given[name], each) for name, each in before.items())


def test_a_channel_of_zeros_stays_one():
    given = bare_trunk().state_dict()
    given["conv_stem.weight"][3] = 0
    folded = fold_trunk(given)
    assert not folded["conv_stem.weight"][3].any()
    assert all(each.isfinite().all() for each in folded.values())


def test_a_convolution_without_its_norm_is_refused():
    given = bare_trunk().state_dict()
    unordered = dict(sorted(given.items()))
    with pytest.raises(ValueError, match="which is no BatchNorm's"):
        fold_trunk(unordered)
    without = {name: each for name, each in given.items() if not name.startswith("bn2.")}
    with pytest.raises(ValueError, match=r"conv_head\.weight is followed by"):
        fold_trunk(without)


def test_a_folded_head_says_the_same():
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(0)
        head, features = ImageHead(200, 300, 64), 3 * torch.rand(40, 200)
        head.fc1.bias -= head.fc1(features).mean(0)
    folded = fold_head(head)
    assert folded["fc2.weight"].dtype == torch.int8
    again = ImageHead(200, 300, 64)
    assert loaded(again, folded) == []
    with torch.no_grad():
        assert cosine_similarity(head(features), again(features)).min() > 0.999


@pytest.fixture(scope="module")
def tower():
    """A text tower whose token table is whole numbers times a scale, and that scale."""
    scale = 0.02
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(0)
        tower = make_tower(options().text)
        for name, each in tower.named_parameters():
            if ".ln_" in name or "ln_final" in name:
                each.add_(0.2 * torch.randn_like(each))
        table = tower.token_embedding.weight
        table.copy_(scale * torch.randint(-127, 128, table.shape))
    return tower.eval(), scale


@pytest.mark.parametrize("rounded", [True, False])
def test_a_folded_text_tower_says_the_same(tower, monkeypatch, rounded):
    before, scale = tower
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(600, 512)))[0].T.astype(np.float32)
    if not rounded:
        monkeypatch.setattr(folding, "whole_numbers", lambda each, scale: each / scale)
    folded = fold_text(before.state_dict(), scale, turn)
    after = type(before)(77, 49408, width=64, heads=4, layers=2, output_dim=600, ls_init_value=1.0)
    assert set(loaded(after, folded)) <= {"attn_mask"}
    tokens = torch.from_numpy(clip_tokenizer(77)(TEXTS).astype(np.int64))
    with torch.inference_mode():
        expected, found = before(tokens) @ torch.from_numpy(turn), after.eval()(tokens)
    assert cosine_similarity(expected, found).min() > (0.999 if rounded else 0.99999)
    if rounded:
        whole = {name for name, each in folded.items() if each.dtype == torch.int8}
        assert {"token_embedding.weight", "text_projection"} <= whole
        assert len(whole) == 2 + 2 * 4
        table = folded["token_embedding.weight"].float() * scale
        torch.testing.assert_close(table, before.token_embedding.weight.detach())


def test_whole_numbers_stay_within_a_byte():
    values = torch.tensor([-300.0, -127.4, -0.4, 0.0, 0.6, 127.4, 300.0])
    assert whole_numbers(values, 1).tolist() == [-127, -127, 0, 0, 1, 127, 127]
    assert whole_numbers(values, 100).dtype == torch.int8


def test_large_tensors_of_floats_are_kept_in_half_precision():
    assert as_stored(torch.ones(100, 100)).dtype == torch.float16
    assert as_stored(torch.ones(100)).dtype == torch.float32
    assert as_stored(torch.ones(100).half()).dtype == torch.float32
    assert as_stored(torch.ones(100, 100, dtype=torch.int8)).dtype == torch.int8
    assert as_stored(torch.ones(100, 60).T).is_contiguous()
