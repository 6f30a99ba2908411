"""Dimensions of the image alone, beside those that it shares with texts."""

import numpy as np
import pytest
import torch

from veneer.pretraining.image_head import ImageHead
from veneer.pretraining.widening import shared_hidden, widen

FEATURES, SHARED, WIDTH = 96, 24, 80
OWN = WIDTH - SHARED
LANES = [5, 40]


@pytest.fixture(scope="module")
def features():
    """Numbers from 0 to 6 that go together, as those of a trunk do."""
    generator = torch.Generator().manual_seed(0)
    causes = torch.randn(400, 60, generator=generator)
    seen = causes @ torch.randn(60, FEATURES, generator=generator) / 8
    return (1 + seen).clamp(0, 6)


@pytest.fixture(scope="module")
def head():
    with torch.random.fork_rng():
        torch.manual_seed(1)
        head = ImageHead(FEATURES, shared_hidden(WIDTH, SHARED), SHARED)
        torch.nn.init.normal_(head.fc2.weight)
    return head.requires_grad_(False)


@pytest.fixture(scope="module")
def wide(head, features):
    return widen(head, features, LANES, WIDTH, 1.0, 2.0, 3)


def own_part(wide, features):
    """What of an image's vector is not in the dimensions that texts have."""
    turn = torch.from_numpy(wide.turn)
    with torch.no_grad():
        found = wide.head(features)
    return found - (found @ turn.T) @ turn


def texts(count=50):
    rows = torch.randn(count, SHARED, generator=torch.Generator().manual_seed(4))
    return torch.nn.functional.normalize(rows, dim=1)


def test_texts_keep_their_angles(wide):
    assert wide.turn.shape == (SHARED, WIDTH)
    assert wide.turn.dtype == np.float32
    np.testing.assert_allclose(wide.turn @ wide.turn.T, np.eye(SHARED), atol=1e-5)


def test_images_and_texts_stand_to_each_other_as_before(wide, head, features):
    asked = texts()
    with torch.no_grad():
        before = head(features) @ asked.T
        vectors = wide.head(features)
    after = vectors @ (asked @ torch.from_numpy(wide.turn)).T
    assert np.corrcoef(before.flatten(), after.flatten())[0, 1] > 0.999
    cosines = after / vectors.norm(dim=1, keepdim=True)
    ordered = before.topk(2, dim=1).values
    clear = (ordered[:, 0] - ordered[:, 1]) > 0.05 * before.std()
    assert clear.float().mean() > 0.8
    assert torch.equal(cosines.argmax(1)[clear], before.argmax(1)[clear])


def test_the_part_of_its_own_is_linear_in_the_feature(wide, features):
    one, other = features[:100], features[100:200]
    between = own_part(wide, 0.3 * one + 0.7 * other)
    expected = 0.3 * own_part(wide, one) + 0.7 * own_part(wide, other)
    assert (between - expected).norm(dim=1).max() < 0.02 * expected.norm(dim=1).mean()


def test_its_constants_cancel(wide, features):
    usual = own_part(wide, features).norm(dim=1).mean()
    centre = own_part(wide, features.mean(0, keepdim=True)).norm()
    assert centre < 0.02 * usual


def test_it_is_as_long_as_is_asked_for(head, features):
    shared, shares = head(features).norm(dim=1), []
    for weight in (0.5, 1.0, 2.0):
        wide = widen(head, features, LANES, WIDTH, weight, 1.0, 3)
        own = own_part(wide, features).norm(dim=1).mean()
        assert (own / shared.mean()).item() == pytest.approx(weight, rel=0.05)
        whole = wide.head(features).detach().norm(dim=1)
        assert wide.share == pytest.approx((shared / whole).mean().item(), rel=0.05)
        shares.append(wide.share)
    assert 1 > shares[0] > shares[1] > shares[2] > 0


def test_every_dimension_has_about_the_same_spread(wide, features):
    spread = wide.head(features).detach().std(0)
    assert spread.max() / spread.min() < 4


def test_lanes_weigh_more_in_the_part_of_their_own(head, features):
    moved = features.clone()
    moved[:, LANES[0]] += 1

    def heard(lane_weight):
        wide = widen(head, features, LANES, WIDTH, 1.0, lane_weight, 3)
        return (own_part(wide, moved) - own_part(wide, features)).norm(dim=1).mean()

    assert heard(3.0) > 1.5 * heard(1.0)


def test_a_head_follows_from_its_seed(head, features, wide):
    again = widen(head, features, LANES, WIDTH, 1.0, 2.0, 3)
    np.testing.assert_array_equal(again.turn, wide.turn)
    for name, each in wide.head.state_dict().items():
        assert torch.equal(again.head.state_dict()[name], each)
    assert not np.array_equal(widen(head, features, LANES, WIDTH, 1.0, 2.0, 4).turn, wide.turn)


def test_what_eight_bits_can_hold_is_all_there_is(wide):
    outputs = wide.head.fc2.weight.detach()
    whole = outputs / (outputs.abs().max() / 127)
    torch.testing.assert_close(whole, whole.round(), atol=1e-3, rtol=0)
    assert wide.head.fc1.weight.shape == (2 * WIDTH, FEATURES)
    assert outputs.shape == (WIDTH, 2 * WIDTH)


@pytest.mark.parametrize("hidden", [0, 1])
def test_a_head_of_another_size_is_refused(features, hidden):
    head = ImageHead(FEATURES, shared_hidden(WIDTH, SHARED) + hidden, SHARED)
    with pytest.raises(ValueError, match="cannot be widened"):
        widen(head, features, LANES, WIDTH + 1 - hidden, 1.0, 1.0, 0)
