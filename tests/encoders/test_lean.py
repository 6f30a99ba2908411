"""The cheaper forms give what open_clip's own give."""

import pytest
import torch
from open_clip.model import CLIP
from open_clip.modified_resnet import AttentionPool2d
from torch import nn

from veneer.encoders.lean import OneTokenPool, ShortText, lean_image, lean_text

CONTEXT, END = 12, 49
RESNET = {"layers": (1, 1, 1, 1), "width": 8, "image_size": 64}
VIT = {"layers": 1, "width": 64, "patch_size": 32, "image_size": 64}


def clip(vision=VIT, **text):
    sizes = {"context_length": CONTEXT, "vocab_size": 50, "width": 32, "heads": 2, "layers": 2}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return CLIP(16, vision, sizes | text).eval()


def tokens(*lengths):
    """Texts of so many tokens, the last of which is the end, and zeros behind it."""
    rng = torch.Generator().manual_seed(0)
    rows = torch.randint(1, END, (len(lengths), CONTEXT), generator=rng)
    for row, length in zip(rows, lengths, strict=True):
        row[length - 1], row[length:] = END, 0
    return rows


@torch.inference_mode()
def test_the_pool_for_one_token_equals_the_pool():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        pool = AttentionPool2d(spacial_dim=3, embed_dim=24, num_heads=4, output_dim=10)
        nn.init.normal_(pool.positional_embedding)
        features = 3 * torch.randn(5, 24, 3, 3, dtype=torch.float64)
    pool = pool.double().eval()
    torch.testing.assert_close(OneTokenPool(pool)(features), pool(features), rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    "options",
    [{}, {"pool_type": "eos", "eos_id": END}, {"proj_bias": True}, {"proj_type": "none"}],
    ids=str,
)
@pytest.mark.parametrize("lengths", [(3,), (2, 7, 5), (4, CONTEXT), (CONTEXT,)], ids=str)
@torch.inference_mode()
def test_texts_without_their_filling_have_the_same_vectors(lengths, options):
    model, batch = clip(**options), tokens(*lengths)
    lean = lean_text(model, nn.Identity())
    assert isinstance(lean, ShortText)
    expected = model.encode_text(batch)
    assert expected.std() > 0.01
    for width in {max(lengths), CONTEXT}:
        torch.testing.assert_close(lean(batch[:, :width]), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("options", [{"pool_type": "last"}, {"no_causal_mask": True}], ids=str)
def test_texts_that_need_their_filling_keep_it(options):
    whole = nn.Identity()
    assert lean_text(clip(**options), whole) is whole
    assert lean_text(nn.Linear(2, 2), whole) is whole


@torch.inference_mode()
def test_a_resnet_gets_the_pool_and_stays_as_it_was():
    visual = clip(RESNET).visual
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    expected = visual(images)
    lean = lean_image(visual)
    assert isinstance(lean.attnpool, OneTokenPool)
    assert type(visual.attnpool) is AttentionPool2d
    assert lean.attnpool.pool.q_proj.weight is visual.attnpool.q_proj.weight
    torch.testing.assert_close(lean(images), expected, rtol=1e-5, atol=1e-5)
    assert torch.equal(visual(images), expected)


def test_other_image_towers_are_left_alone():
    for visual in (clip().visual, nn.Linear(2, 2)):
        assert lean_image(visual) is visual
