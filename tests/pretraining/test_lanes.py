"""Lanes: what early layers see is led to the last features, and all else is left as it was."""

import numpy as np
import pytest
import torch
from torch.nn.functional import cosine_similarity

from veneer.pretraining.lanes import Arriving, Moments, _name_readings, calibrate, lay_lanes
from veneer.pretraining.options import LANE_ROOM
from veneer.pretraining.trunk import LARGER, as_input, features
from veneer.sources.textures import KINDS, photograph

COLOURS, CENTRES, NAMES, TEXTURES = 3, 3, 4, {4: 4, 5: 6, 6: 2}
SIDE = 256


@pytest.fixture(scope="module")
def laid(trunk, calibration, shown):
    counts = {"colours": COLOURS, "centres": CENTRES, "names": NAMES, "textures": TEXTURES}
    return lay_lanes(trunk, calibration, shown, **counts)


@pytest.fixture(scope="module")
def others():
    """Pictures that nothing was calibrated on."""
    kinds = list(KINDS)
    return np.stack(
        [photograph([9, number], kinds[5 * number % 47], None, SIDE).pixels for number in range(32)]
    )


def in_fp32(trunk, pictures):
    with torch.inference_mode():
        return trunk.forward_head(trunk.forward_features(as_input(pictures)), pre_logits=True)


def correlation(one, other):
    return np.corrcoef(np.asarray(one), np.asarray(other))[0, 1]


def test_the_other_features_are_the_same_to_the_last_bits(trunk, laid, others):
    before, after = in_fp32(trunk, others[:12]), in_fp32(laid.trunk, others[:12])
    kept = [place for place in range(before.shape[1]) if place not in laid.lanes]
    torch.testing.assert_close(after[:, kept], before[:, kept], atol=1e-4, rtol=1e-4)


def test_without_lanes_the_larger_network_says_the_same(trunk, calibration, shown, others):
    made = lay_lanes(trunk, calibration, shown)
    assert made.lanes == []
    with torch.inference_mode():
        before, after = trunk(as_input(others[:4])), made.trunk(as_input(others[:4]))
    torch.testing.assert_close(after, before, atol=1e-3, rtol=1e-3)


def test_the_result_is_a_plain_network_and_what_was_given_stays(trunk, calibration, shown):
    import timm

    given = {name: each.clone() for name, each in trunk.state_dict().items()}
    made = lay_lanes(trunk, calibration, shown, colours=3, centres=2, textures={6: 4})
    made = made.trunk.state_dict()
    plain = timm.create_model(LARGER).state_dict()
    assert {name: each.shape for name, each in made.items()} == {
        name: each.shape for name, each in plain.items()
    }
    assert all(torch.equal(each, given[name]) for name, each in trunk.state_dict().items())
    assert all(each.isfinite().all() for each in made.values())


def test_every_lane_has_a_place_of_its_own(laid):
    count = COLOURS + CENTRES + NAMES + sum(TEXTURES.values())
    assert len(set(laid.lanes)) == len(laid.lanes) == count


def test_there_is_room_for_as_many_as_the_options_allow(trunk, calibration, shown):
    most = {4: LANE_ROOM[4], 5: LANE_ROOM[5] - LANE_ROOM[4], 6: LANE_ROOM[6] - LANE_ROOM[5]}
    assert len(lay_lanes(trunk, calibration, shown, textures=most).lanes) == LANE_ROOM[6]
    with pytest.raises(ValueError, match="17 lanes cannot go where 16 channels are spare"):
        lay_lanes(trunk, calibration, shown, colours=1, textures=most)
    some = {4: most[4] - 2, 5: most[5]}
    with pytest.raises(ValueError, match="25 lanes cannot go where 24 channels are spare"):
        lay_lanes(trunk, calibration, shown, colours=1, centres=1, names=1, textures=some)


def test_a_lane_of_names_or_textures_is_a_reading_of_hidden_units_averaged_over_the_picture(
    trunk, laid, others
):
    found = in_fp32(laid.trunk, others).double()
    hidden = calibrate(trunk, [others]).hidden
    places = iter(laid.lanes[COLOURS + CENTRES :])
    read = TEXTURES | {4: NAMES + TEXTURES[4]}
    for stage, count in read.items():
        pooled = torch.cat(hidden[stage].averages).double()
        lanes = found[:, [next(places) for _ in range(count)]]
        # The reading itself stands in the larger network.
        small = trunk.blocks[stage][0].conv_pwl
        others_before = COLOURS + (CENTRES if stage == 6 else 0)
        begin = small.out_channels + others_before + sum(read[each] for each in range(4, stage))
        rows = laid.trunk.blocks[stage][0].conv_pwl.weight.detach()[begin : begin + count, :, 0, 0]
        expected = pooled @ rows[:, : pooled.shape[1]].double().T
        for number in range(count):
            assert correlation(lanes[:, number], expected[:, number]) > 0.97, (stage, number)
        assert 1.5 < lanes.mean() < 4.5  # within what ReLU6 lets through


def test_lanes_of_textures_say_what_features_do_not(calibration, laid):
    features = torch.cat(calibration.features).double()
    features = (features - features.mean(0)) / features.std(0).clamp_min(1e-3)
    said = torch.linalg.svd(features, full_matrices=False).U[:, : len(features) // 4]
    pooled = torch.cat(calibration.hidden[4].averages).double()
    begin = 120 + COLOURS + NAMES
    rows = laid.trunk.blocks[4][0].conv_pwl.weight.detach()[
        begin : begin + 4, : pooled.shape[1], 0, 0
    ]
    lanes = pooled @ rows.double().T
    lanes = lanes - lanes.mean(0)
    left = lanes - said @ (said.T @ lanes)
    chance = len(features) // 4 / len(features)
    assert (left.square().sum(0) / lanes.square().sum(0)).mean() > chance


def test_colours_of_plain_pictures_are_read_from_three_lanes(laid):
    plain = np.stack([photograph([8, number], None, None, SIDE).pixels for number in range(48)])
    colours = plain.mean((1, 2))
    lanes = in_fp32(laid.trunk, plain)[:, laid.lanes[:COLOURS]].double().numpy()
    assert all(correlation(lanes[:, each], colours[:, each]) > 0.8 for each in range(3))
    lanes = np.column_stack([lanes, np.ones(len(lanes))])
    learnt, _, _, _ = np.linalg.lstsq(lanes[:24], colours[:24], rcond=None)
    guessed = lanes[24:] @ learnt
    likeness = [correlation(guessed[:, each], colours[24:, each]) for each in range(3)]
    assert np.mean(likeness) > 0.9


def test_lanes_of_names_read_what_tells_them_apart_beyond_averages():
    """Of 40 units the first goes with the average, the second and third with names."""
    generator = torch.Generator().manual_seed(0)
    units = torch.randn(400, 40, generator=generator).double()
    averages = units[:, :1] + 0.1 * torch.randn(400, 1, generator=generator).double()
    names = torch.stack([units[:, 1] > units[:, 0], units[:, 2] > 0, units[:, 2] <= 0], 1).double()
    names[::3] = 0  # nothing is known of these
    names /= names.sum(1, keepdim=True).clamp_min(1)
    units[::3, 5] += 100  # and nothing is learnt from them
    hidden = Arriving(averages=[units[:150], units[150:]])
    hidden.pixels.add(units[:, :, None, None])
    told = _name_readings(hidden, averages, names, 2)
    read = (units @ told.rows.T)[names.any(1)]
    told_apart = units[names.any(1)][:, [1, 2]]
    likeness = np.corrcoef(torch.cat([read, told_apart], 1).numpy().T)[:2, 2:]
    assert np.square(likeness).sum(0).min() > 0.8
    assert abs(correlation(read[:, 0], averages[names.any(1)][:, 0])) < 0.2
    middles = (units @ told.rows.T + told.shifts).mean(0)
    torch.testing.assert_close(middles, torch.full((2,), 3.0).double())


def test_lanes_of_the_middle_tell_things_from_their_ground(laid):
    """Averages of their colours are the same: the middle half of the side is a quarter of all."""
    ground = np.full((SIDE, SIDE, 3), 128, np.uint8)
    thing, frame = ground.copy(), ground.copy()
    middle = slice(SIDE // 4, 3 * SIDE // 4)
    thing[middle, middle] = 128 + np.array([90, -60, -60])
    frame[: SIDE // 8] = frame[-SIDE // 8 :] = 128 + np.array([90, -60, -60])
    found = in_fp32(laid.trunk, np.stack([ground, thing, frame]))
    average, centre = found[:, laid.lanes[:3]], found[:, laid.lanes[3:6]]
    redness = np.array([1, -0.5, -0.5])
    average, centre = ((each - each[0]).numpy() @ redness for each in (average, centre))
    assert average[1] == pytest.approx(average[2], rel=0.25)
    assert centre[1] > 1.5 * centre[2] > 0


def test_lanes_of_the_middle_are_the_same_average_with_other_weights(laid, others):
    """By taking the map itself, before it is pooled."""
    stage = laid.trunk.blocks[5]
    maps = []
    hooks = [
        stage[0].register_forward_hook(lambda *given: maps.append(given[-1])),
        stage[1].register_forward_hook(lambda *given: maps.append(given[-1])),
    ]
    with torch.inference_mode():
        laid.trunk(as_input(others[:4]))
    for hook in hooks:
        hook.remove()
    before, after = maps
    begin = 208
    read = before[:, begin : begin + CENTRES].mean((2, 3))
    free = begin + COLOURS + NAMES + TEXTURES[4] + TEXTURES[5]
    edge = torch.tensor([0.5, 0.5, 1, 1, 1, 1, 0.5, 0.5])
    weights = torch.outer(edge, edge)
    expected = (before[:, begin : begin + CENTRES] * weights).mean((2, 3))
    found = after[:, free : free + CENTRES].mean((2, 3))
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)
    assert not torch.allclose(found, read, atol=0.1)


def test_the_classifier_hears_nothing_of_lanes_and_says_nearly_the_same(trunk, laid, others):
    assert not laid.trunk.classifier.weight[:, laid.lanes].any()
    with torch.inference_mode():
        said = trunk(as_input(others[:12])), laid.trunk(as_input(others[:12]))
    assert cosine_similarity(*said).min() > 0.99


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
    arriving = [calibration.stream, *calibration.hidden.values()]
    widths = [torch.cat(each.averages).shape for each in arriving]
    assert widths == [(len(drawn), width) for width in (88, 528, 720, 1248)]
