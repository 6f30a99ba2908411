"""The same vectors without what is multiplied by zero.

The encoder that comes with veneer lies in a network of the next size, most of whose other channels
are zero (see :mod:`veneer.pretraining.lanes`): stock loaders need its shape, but nobody has to
compute them.
"""

from __future__ import annotations

import copy
import sys
from typing import Any

import torch
from torch import nn


def without_zeros(module: nn.Module) -> nn.Module:
    """A module in which timm's EfficientNets lack the channels and blocks that say nothing.

    Left out are residual blocks that add nothing, hidden units that nobody reads, and channels of
    the streams between blocks that nobody writes. What remains is computed as before.

    Parameters
    ----------
    module : Module
        Not training; it is not changed.

    Returns
    -------
    Module
        ``module`` itself where nothing can be left out, else a copy: weights that are changed in
        the one later are not changed in the other.
    """
    library = sys.modules.get("timm.models.efficientnet")
    if library is None:  # so there is none of its networks
        return module
    places = [
        name
        for name, each in module.named_modules()
        if isinstance(each, library.EfficientNet) and _has_zeros(each)
    ]
    if not places:
        return module
    found = copy.deepcopy(module)
    for name in places:
        _leave_out(found.get_submodule(name))
    return found


def _has_zeros(trunk: Any) -> bool:
    """Whether there is anything to leave out of a network that is understood."""
    blocks = [block for stage in trunk.blocks for block in stage]
    if not all(_is_plain(block) for block in blocks):
        return False
    return not all(_written(block).all() and _read(block).all() for block in blocks)


def _is_plain(block: Any) -> bool:
    """Whether a block is made of nothing but convolutions, norms and activations."""
    kinds = ("DepthwiseSeparableConv", "InvertedResidual")
    usual = {"conv_pw", "bn1", "conv_dw", "bn2", "conv_pwl", "bn3", "se", "aa", "drop_path"}
    others = [getattr(block, name) for name in ("se", "aa") if hasattr(block, name)]
    return (
        type(block).__name__ in kinds
        and set(dict(block.named_children())) <= usual
        and all(isinstance(each, nn.Identity) for each in others)
    )


def _last(block: Any) -> tuple[nn.Conv2d, nn.BatchNorm2d]:
    """The convolution that a block writes with, and its norm."""
    if hasattr(block, "conv_pwl"):
        return block.conv_pwl, block.bn3
    return block.conv_pw, block.bn2


def _written(block: Any) -> torch.Tensor:
    """Which channels a block ever writes anything but zero to: bool [out]."""
    conv, norm = _last(block)
    scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
    shift = norm.bias - scale * norm.running_mean
    return ((conv.weight != 0).flatten(1).any(1) & (scale != 0)) | (shift != 0)


def _read(block: Any) -> torch.Tensor:
    """Which of its hidden units a block's last convolution reads: bool [hidden]."""
    conv, _ = _last(block)
    return _at_least_one((conv.weight != 0).any(0).flatten())


def _at_least_one(channels: torch.Tensor) -> torch.Tensor:
    """The same, and the first where there are none: no convolution has none."""
    channels[0] |= not channels.any()
    return channels


@torch.no_grad()
def _leave_out(trunk: Any) -> None:
    arriving = torch.ones(trunk.conv_stem.out_channels, dtype=torch.bool)
    for number, stage in enumerate(trunk.blocks):
        kept = [each for each in stage if not (each.has_skip and not _written(each).any())]
        kept = kept or [stage[0]]
        leaving = torch.stack([_written(each) for each in kept]).any(0)
        if kept[0].has_skip:
            leaving |= arriving
        _at_least_one(leaving)
        for block in kept:
            _narrow(block, arriving, leaving)
            arriving = leaving
        trunk.blocks[number] = nn.Sequential(*kept)
    _choose(trunk.conv_head, inputs=arriving)


def _narrow(block: Any, arriving: torch.Tensor, leaving: torch.Tensor) -> None:
    """Let a block read and write only some channels, and have only the units that are read."""
    last, last_norm = _last(block)
    if last is block.conv_pw:  # its units are the channels that arrive
        units = arriving
        _choose_each(block.conv_dw, block.bn1, units)
    else:
        units = _read(block)
        _choose(block.conv_pw, outputs=units, inputs=arriving)
        _choose_norm(block.bn1, units)
        _choose_each(block.conv_dw, block.bn2, units)
    _choose(last, outputs=leaving, inputs=units)
    _choose_norm(last_norm, leaving)


def _choose(conv: nn.Conv2d, inputs: torch.Tensor, outputs: torch.Tensor | None = None) -> None:
    weight = conv.weight[:, inputs]
    conv.weight = nn.Parameter(weight if outputs is None else weight[outputs])
    conv.out_channels, conv.in_channels = conv.weight.shape[:2]


def _choose_each(conv: nn.Conv2d, norm: nn.BatchNorm2d, channels: torch.Tensor) -> None:
    """Keep some channels of a convolution that has one kernel for each."""
    conv.weight = nn.Parameter(conv.weight[channels])
    conv.in_channels = conv.out_channels = conv.groups = len(conv.weight)
    _choose_norm(norm, channels)


def _choose_norm(norm: nn.BatchNorm2d, channels: torch.Tensor) -> None:
    for name in ("weight", "bias"):
        setattr(norm, name, nn.Parameter(getattr(norm, name)[channels]))
    for name in ("running_mean", "running_var"):
        setattr(norm, name, getattr(norm, name)[channels])
    norm.num_features = len(norm.weight)
