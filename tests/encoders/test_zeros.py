"""What is multiplied by zero is left out, and nothing else."""

import pytest
import timm
import torch
from torch import nn

from veneer.encoders.zeros import without_zeros


def network(name="tf_efficientnet_lite0"):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = timm.create_model(name, num_classes=0).eval()
        for each in model.modules():
            if isinstance(each, nn.BatchNorm2d):
                nn.init.uniform_(each.weight, 0.5, 1.5)
                nn.init.normal_(each.bias, 0, 0.3)
                nn.init.normal_(each.running_mean, 0, 0.1)
    return model


@torch.no_grad()
def silence(model):
    """Zeros as a larger network has them around a smaller one: channels, units and a block."""
    for stage, blocks in enumerate(model.blocks):
        for block in blocks:
            last, norm = (block.conv_pwl, block.bn3) if stage else (block.conv_pw, block.bn2)
            last.weight[-5:] = 0
            norm.bias[-5:] = norm.running_mean[-5:] = 0
            if stage:
                block.conv_pwl.weight[:, 7:11] = 0
    nothing = model.blocks[4][2]
    nothing.conv_pwl.weight.zero_()
    nothing.bn3.bias.zero_()
    nothing.bn3.running_mean.zero_()
    return model


def pictures(side=96):
    return torch.rand(3, 3, side, side, generator=torch.Generator().manual_seed(1))


def size(model):
    return sum(each.numel() for each in model.parameters())


@torch.inference_mode()
def test_without_its_zeros_a_network_gives_the_same():
    model = silence(network())
    before = {name: each.clone() for name, each in model.state_dict().items()}
    whole = nn.Sequential(nn.Identity(), model)
    expected = whole(pictures())
    lean = without_zeros(whole)
    assert expected.std() > 0.01
    torch.testing.assert_close(lean(pictures()), expected, rtol=1e-4, atol=1e-5)
    assert len(lean[1].blocks[4]) == len(model.blocks[4]) - 1
    assert (
        lean[1].blocks[5][1].conv_pwl.out_channels == model.blocks[5][1].conv_pwl.out_channels - 5
    )
    assert lean[1].blocks[5][1].conv_dw.groups == model.blocks[5][1].conv_dw.groups - 4
    assert size(lean) < 0.95 * size(whole)
    assert all(torch.equal(each, before[name]) for name, each in model.state_dict().items())


@torch.inference_mode()
def test_a_channel_that_a_norm_lifts_is_kept():
    model = silence(network())
    model.blocks[5][1].bn3.bias[-2] = 0.7
    lean = without_zeros(model)
    torch.testing.assert_close(lean(pictures()), model(pictures()), rtol=1e-4, atol=1e-5)
    assert lean.blocks[5][0].conv_pwl.out_channels == model.blocks[5][0].conv_pwl.out_channels - 4


@torch.inference_mode()
@pytest.mark.parametrize("lifted", [False, True])
@pytest.mark.parametrize("whole", [False, True])
def test_blocks_that_write_nothing_or_the_same_everywhere(whole, lifted):
    """Every residual block of a stage, or all of its blocks."""
    model = network()
    for block in model.blocks[4][0 if whole else 1 :]:
        block.conv_pwl.weight.zero_()
        block.bn3.running_mean.zero_()
        block.bn3.bias.fill_(0.5 if lifted else 0)
    expected = model(pictures())
    lean = without_zeros(model)
    torch.testing.assert_close(lean(pictures()), expected, rtol=1e-4, atol=1e-5)
    assert size(lean) < size(model)


@torch.inference_mode()
def test_a_stage_of_residual_blocks_that_write_nothing():
    model = network()
    model.blocks = nn.Sequential(
        *model.blocks[:4], model.blocks[4][:1], model.blocks[4][1:], *model.blocks[5:]
    )
    for block in model.blocks[5]:
        block.conv_pwl.weight.zero_()
        block.bn3.running_mean.zero_()
        block.bn3.bias.zero_()
    expected = model(pictures())
    lean = without_zeros(model)
    torch.testing.assert_close(lean(pictures()), expected, rtol=1e-4, atol=1e-5)
    assert size(lean) < size(model)


@pytest.mark.parametrize("model", [network(), network("efficientnet_b0"), nn.Linear(2, 2)])
def test_where_nothing_can_be_left_out_the_module_stays(model):
    assert without_zeros(model) is model


def test_a_network_with_parts_of_another_kind_stays():
    model = network("efficientnet_b0")  # squeeze and excitation
    with torch.no_grad():
        model.blocks[3][1].conv_pwl.weight[:, :9] = 0
    assert without_zeros(model) is model
