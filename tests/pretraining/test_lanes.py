"""Lanes: what early layers see is led to the last features, and all else is left as it was."""

import numpy as np
import pytest
import torch
from pretrained import needs_the_trunk
from torch.nn.functional import cosine_similarity

from veneer.pretraining.lanes import COLOURS, Moments, _readings, calibrate, lay_lanes
from veneer.pretraining.trunk import as_input, features
from veneer.sources.textures import KINDS, photograph

pytestmark = needs_the_trunk
COUNTS = {3: 5, 4: 3, 5: 4, 6: 2}


@pytest.fixture(scope="module")
def laid(trunk, calibration):
    return lay_lanes(trunk, calibration, COUNTS)


@pytest.fixture(scope="module")
def with_colour(trunk, calibration):
    return lay_lanes(trunk, calibration, {3: 3})


@pytest.fixture(scope="module")
def others():
    """Pictures that nothing was calibrated on."""
    kinds = list(KINDS)
    return np.stack(
        [photograph([9, number], kinds[5 * number % 47]).pixels for number in range(32)]
    )


def in_fp32(trunk, pictures):
    with torch.inference_mode():
        return trunk.forward_head(trunk.forward_features(as_input(pictures)), pre_logits=True)


def by_stage(laid):
    """The places of lanes from each stage, which follow each other in their list."""
    places = iter(laid.lanes)
    return {stage: [next(places) for _ in range(count)] for stage, count in COUNTS.items()}


def correlation(one, other):
    return np.corrcoef(np.asarray(one), np.asarray(other))[0, 1]


def test_without_lanes_turning_changes_nothing(trunk, calibration, others):
    turned = lay_lanes(trunk, calibration, {})
    assert turned.lanes == []
    assert max(turned.lost.values()) == 0
    before, after = in_fp32(trunk, others[:8]), in_fp32(turned.trunk, others[:8])
    assert not torch.equal(
        turned.trunk.blocks[5][0].conv_pwl.weight, trunk.blocks[5][0].conv_pwl.weight
    )
    torch.testing.assert_close(after, before, atol=2e-3, rtol=1e-3)


def test_the_shape_stays_and_so_does_the_trunk_that_was_given(trunk, calibration):
    given = {name: each.clone() for name, each in trunk.state_dict().items()}
    made = lay_lanes(trunk, calibration, {3: 3, 6: 4}).trunk.state_dict()
    assert {name: each.shape for name, each in made.items()} == {
        name: each.shape for name, each in given.items()
    }
    assert all(torch.equal(each, given[name]) for name, each in trunk.state_dict().items())
    assert all(each.isfinite().all() for each in made.values())
    first = next(name for name in given if name.startswith("blocks.4."))
    for name in list(given)[: list(given).index(first)]:
        assert torch.equal(made[name], given[name])


def test_every_stage_has_its_lanes_in_places_of_their_own(laid):
    assert len(set(laid.lanes)) == len(laid.lanes) == sum(COUNTS.values())
    assert set(laid.lost) == {4, 5, 6}
    assert all(0 < lost < 0.02 for lost in laid.lost.values())


def test_a_lane_is_a_linear_reading_of_its_stream_averaged_over_the_picture(
    trunk, calibration, laid, others
):
    found = in_fp32(laid.trunk, others)
    pooled = calibrate(trunk, [others]).pooled
    for stage, arriving in ((3, "4.0.in"), (4, "5.0.in"), (5, "6.0.in"), (6, "head.in")):
        rows, shifts = _readings(calibration, stage, COUNTS[stage], arriving)
        expected = torch.cat(pooled[stage]).double() @ rows.T + shifts
        for number, place in enumerate(by_stage(laid)[stage]):
            assert correlation(found[:, place], expected[:, number]) > 0.98, (stage, number)
        # The reading itself, and not only what goes with it.
        there = found[:, by_stage(laid)[stage]].double()
        assert (there - expected).abs().mean() < 0.1
        assert 1 < there.mean() < 5


def test_colours_of_plain_pictures_are_read_from_three_lanes(with_colour):
    plain = np.stack([photograph([8, number]).pixels for number in range(48)])
    colours = plain.mean((1, 2))
    lanes = in_fp32(with_colour.trunk, plain)[:, with_colour.lanes[:COLOURS]].double().numpy()
    assert all(correlation(lanes[:, each], colours[:, each]) > 0.7 for each in range(3))
    lanes = np.column_stack([lanes, np.ones(len(lanes))])
    learnt, _, _, _ = np.linalg.lstsq(lanes[:24], colours[:24], rcond=None)
    guessed = lanes[24:] @ learnt
    likeness = [correlation(guessed[:, each], colours[24:, each]) for each in range(3)]
    assert np.mean(likeness) > 0.85


def test_the_other_features_stay_near(trunk, with_colour, others):
    before, after = in_fp32(trunk, others), in_fp32(with_colour.trunk, others)
    kept = [place for place in range(before.shape[1]) if place not in with_colour.lanes]
    assert cosine_similarity(before[:, kept], after[:, kept]).min() > 0.98
    with torch.inference_mode():
        said, says = trunk.classifier(before), with_colour.trunk.classifier(after)
    assert cosine_similarity(said, says).min() > 0.97


def test_the_classifier_hears_nothing_of_lanes(laid):
    assert not laid.trunk.classifier.weight[:, laid.lanes].any()


def test_half_precision_carries_lanes_as_well(laid, others):
    exact = in_fp32(laid.trunk, others[:16])
    found = torch.cat(list(features(laid.trunk, [others[:16]])))
    for place in laid.lanes:
        assert correlation(exact[:, place], found[:, place]) > 0.97


def test_moments_are_those_of_all_pixels_at_once():
    maps = torch.rand(7, 5, 3, 2, generator=torch.Generator().manual_seed(0))
    moments = Moments()
    moments.add(maps[:4])
    moments.add(maps[4:])
    rows = maps.permute(0, 2, 3, 1).reshape(-1, 5).double().numpy()
    np.testing.assert_allclose(moments.mean, rows.mean(0))
    np.testing.assert_allclose(moments.covariance, np.cov(rows.T, bias=True), atol=1e-12)


def test_calibration_leaves_no_hooks_and_notes_each_picture(trunk, calibration, drawn):
    assert not any(module._forward_pre_hooks for module in trunk.modules())
    assert torch.cat(calibration.features).shape == (len(drawn), 1280)
    colours = torch.cat(calibration.colours)
    np.testing.assert_allclose(colours, drawn.mean((1, 2)) / 127.5 - 1, atol=1e-4)
    assert {stage: torch.cat(each).shape[0] for stage, each in calibration.pooled.items()} == (
        dict.fromkeys((3, 4, 5, 6), len(drawn))
    )
