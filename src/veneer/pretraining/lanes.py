"""Lanes: what early layers see, led past the later ones to the trunk's last features.

A network that was trained to name objects has all but forgotten colour, and much of fine texture,
by its last layer, while its middle layers still hold them. Stock loaders of models offer the last
layer only. But EfficientNets come in sizes, and a smaller one is a larger one whose other channels
say nothing. Put into the larger one, the trunk computes what it did, and the channels that are
spare carry something else: *lanes*. The streams between blocks are linear, so residual blocks leave
a lane alone; where a block has no shortcut, a spare hidden unit passes it on, with a bias so that
the ReLU6 on its way never cuts it off; and it is pooled with the features at the end.

Three lanes read the average colour, linearly, from the stream where it is still plain. Three more
read the same of the middle of the picture, where a thing mostly is: a spare hidden unit reads a
lane at some distance all around, beyond the border of the map as zero, so that what lies near the
border is read less often. The others read hidden units of middle blocks. Those are rectified, so
that their average over a picture says how much of something there is, where that of a linear stream
says no more than its mean: half red and half green is not brown all over. Of the units where lanes
begin, some carry the directions by which names of colours are told apart, where averages do not;
the others, of each stage, the principal directions of what the last features do not say of
pictures: energies of a bank of filters, by which textures have long been told apart (Laws 1980,
Textured image segmentation).

Nothing is trained, and the result is a plain network of the larger size.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
import torch
from torch import nn

from veneer.pretraining.arithmetic import fast_multiplication
from veneer.pretraining.options import CENTRING_STAGE, LANE_ROOM
from veneer.pretraining.trunk import as_input, bare_trunk

FORMAT = 2
"""To be raised when the same pictures give other lanes."""
# Stages of blocks, by number, that lanes pass through; those before are left as they are.
_FIRST, _LAST = min(LANE_ROOM), max(LANE_ROOM)
_MIDDLE = 3.0  # of what ReLU6 lets through
# Deviations either way that fit between 0 and 6 around the middle.
_REACH = 3.0
# Principal directions of the last features whose part is taken out of what lanes shall say.
_SAID = 200
# Of the regression on names of colours, for each picture: units have about a variance of 1 there.
_RIDGE = 0.5


@dataclass
class Moments:
    """Mean and covariance of the values that arrive somewhere, one value a pixel, summed up."""

    count: int = 0
    total: torch.Tensor | float = 0.0
    squares: torch.Tensor | float = 0.0

    def add(self, maps: torch.Tensor) -> None:
        """Count maps of float [N, C, H, W] in."""
        rows = maps.permute(0, 2, 3, 1).reshape(-1, maps.shape[1]).double()
        self.count += len(rows)
        self.total = self.total + rows.sum(0)
        self.squares = self.squares + rows.T @ rows

    @property
    def mean(self) -> torch.Tensor:
        """Float64 [C]."""
        return self.total / self.count

    @property
    def covariance(self) -> torch.Tensor:
        """Float64 [C, C]."""
        return self.squares / self.count - torch.outer(self.mean, self.mean)


@dataclass
class Arriving:
    """What arrives at some layer: of all pixels, and averaged over each picture."""

    pixels: Moments = field(default_factory=Moments)
    averages: list[torch.Tensor] = field(default_factory=list)

    def add(self, maps: torch.Tensor) -> None:
        """Count maps of float [n, C, H, W] in."""
        self.pixels.add(maps)
        self.averages.append(maps.mean((2, 3)).clone())


@dataclass
class Calibration:
    """What was seen on its way through the trunk.

    Attributes
    ----------
    stream : Arriving
        At the first stage that lanes pass through.
    hidden : dict from stage number to Arriving
        At the last layer of the stage's first block: its hidden units.
    features : list of float32 tensor [n, 1280]
    colours : list of float32 tensor [n, 3]
        Average red, green and blue of each picture.
    """

    stream: Arriving = field(default_factory=Arriving)
    hidden: dict[int, Arriving] = field(default_factory=dict)
    features: list[torch.Tensor] = field(default_factory=list)
    colours: list[torch.Tensor] = field(default_factory=list)


def calibrate(trunk: nn.Module, batches: Iterable[np.ndarray]) -> Calibration:
    """Send pictures through the trunk and note what arrives where lanes begin.

    Parameters
    ----------
    trunk : module
        timm's EfficientNet-Lite2.
    batches : iterable of uint8 array [n, 256, 256, 3]
    """
    seen = Calibration()

    def note(module: nn.Module, arriving: Arriving) -> torch.utils.hooks.RemovableHandle:
        return module.register_forward_pre_hook(lambda _, inputs: arriving.add(inputs[0].float()))

    hooks = [note(trunk.blocks[_FIRST][0].conv_pw, seen.stream)]
    for stage in range(_FIRST, _LAST + 1):
        seen.hidden[stage] = Arriving()
        hooks.append(note(trunk.blocks[stage][0].conv_pwl, seen.hidden[stage]))
    try:
        for pictures in batches:
            with torch.inference_mode(), fast_multiplication():
                given = as_input(pictures)
                last = trunk.forward_features(given)
            seen.features.append(last.float().mean((2, 3)).clone())
            seen.colours.append(given.mean((2, 3)).clone())
    finally:
        for hook in hooks:
            hook.remove()
    return seen


@dataclass(frozen=True)
class Laid:
    """A trunk with lanes.

    Attributes
    ----------
    trunk : module
        Of the larger size.
    lanes : list of int
        Which of the 1280 features they are: those of colour, those of colour in the middle, those
        of names of colours, then those of textures, from earlier stages first.
    """

    trunk: nn.Module
    lanes: list[int]


@dataclass(frozen=True)
class _Readings:
    """Linear maps of what arrives somewhere to lanes.

    Attributes
    ----------
    rows : float64 tensor [lanes, C]
    shifts : float64 tensor [lanes]
    """

    rows: torch.Tensor
    shifts: torch.Tensor


@torch.no_grad()
def lay_lanes(
    trunk: nn.Module,
    seen: Calibration,
    shown: torch.Tensor,
    *,
    colours: int = 0,
    centres: int = 0,
    names: int = 0,
    textures: Mapping[int, int] = MappingProxyType({}),
) -> Laid:
    """Put the trunk into one of the next size, and lay lanes in what is spare there.

    Parameters
    ----------
    trunk : module
        As calibrated; it is not changed.
    seen : Calibration
    shown : float tensor [n, K]
        Shares of named colours in the same pictures; rows without any are zero.
    colours : int
        How many of red, green and blue have a lane.
    centres : int
        How many of those have another one, which tells of the middle of the picture.
    names : int
        How many lanes tell names of colours, less than K.
    textures : dict from stage number (4 to 6) to int
        How many lanes begin at the hidden units of each stage's first block.

    Returns
    -------
    Laid

    Raises
    ------
    ValueError
        When there are more lanes than channels to spare.
    """
    large = _enlarged(trunk)
    passed = _colour_readings(seen, colours)
    averages = torch.cat(seen.stream.averages).double() @ passed.rows.T
    named = _name_readings(seen.hidden[_FIRST], averages, shown.double(), names)
    said = [_directions(torch.cat(seen.features).double()), _averages(seen.hidden[_FIRST], named)]
    for stage in range(_FIRST, _LAST + 1):
        told = _texture_readings(seen.hidden[stage], said, textures.get(stage, 0))
        said.append(_averages(seen.hidden[stage], told))
        if stage == _FIRST:
            told = _Readings(
                torch.cat([named.rows, told.rows]), torch.cat([named.shifts, told.shifts])
            )
        passed = _let_in(large.blocks[stage][0], trunk.blocks[stage][0], passed, told)
        if stage == CENTRING_STAGE:
            passed = _centred(
                large.blocks[stage][1], trunk.blocks[stage][1], passed, colours, centres
            )
    return Laid(large, _replace_features(large, seen, passed).tolist())


def _enlarged(trunk: nn.Module) -> nn.Module:
    """A network of the larger size that computes what the trunk does.

    What the trunk has comes first in each tensor. All else is zero, and a residual block that
    writes zeros changes nothing.
    """
    large = bare_trunk()
    given = trunk.state_dict()
    for name, target in large.state_dict().items():
        target.fill_(1 if name.endswith("running_var") else 0)
        if name in given:
            target[tuple(slice(size) for size in given[name].shape)] = given[name]
    return large


def _colour_readings(seen: Calibration, count: int) -> _Readings:
    """What the stream says of average colours, by least squares over the pictures' averages."""
    pooled = torch.cat(seen.stream.averages).double()
    colours = torch.cat(seen.colours).double()
    centred = pooled - pooled.mean(0)
    gram = centred.T @ centred
    ridge = 1e-3 * gram.diagonal().mean() * torch.eye(len(gram)).double()
    rows = torch.linalg.solve(gram + ridge, centred.T @ (colours - colours.mean(0))).T[:count]
    return _fitted(rows, seen.stream.pixels)


def _name_readings(
    hidden: Arriving, averages: torch.Tensor, shown: torch.Tensor, count: int
) -> _Readings:
    """Directions of hidden units by which names of colours are told apart, where averages do not.

    By reduced-rank regression with a ridge (Izenman 1975, Reduced-rank regression for the
    multivariate linear model), over the averages of those pictures whose colours have names.

    Parameters
    ----------
    hidden : Arriving
    averages : float64 tensor [n, k]
        What lanes of colours say of the same pictures.
    shown : float64 tensor [n, K]
    count : int
    """
    if not count:
        return _Readings(torch.zeros(0, hidden.averages[0].shape[1]).double(), torch.zeros(0))
    some = shown.any(1)
    pooled = torch.cat(hidden.averages).double()[some]
    spread = pooled.std(0).clamp_min(1e-3)
    units, names = pooled / spread, shown[some]
    units = _beyond(units - units.mean(0), averages[some])
    names = _beyond(names - names.mean(0), averages[some])
    ridge = _RIDGE * len(units) * torch.eye(units.shape[1]).double()
    fit = torch.linalg.solve(units.T @ units + ridge, units.T @ names)
    directions = torch.linalg.svd(units @ fit, full_matrices=False).Vh[:count]
    return _fitted(directions @ fit.T / spread, hidden.pixels)


def _texture_readings(hidden: Arriving, said: list[torch.Tensor], count: int) -> _Readings:
    """Principal directions of hidden units that nothing else says.

    Over the pictures' averages, units taken alike, once what goes with ``said`` is taken out.

    Parameters
    ----------
    hidden : Arriving
    said : list of float64 tensor [n, k]
        Of the same pictures.
    count : int
    """
    pooled = torch.cat(hidden.averages).double()
    spread = pooled.std(0).clamp_min(1e-3)
    scaled = (pooled - pooled.mean(0)) / spread
    scaled = _beyond(scaled, torch.cat(said, dim=1))
    rows = torch.linalg.svd(scaled, full_matrices=False).Vh[:count] / spread
    return _fitted(rows, hidden.pixels)


def _beyond(values: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
    """Values of mean 0, without what goes with others that are known: float64 [n, k] each."""
    known = torch.linalg.qr(known - known.mean(0)).Q
    return values - known @ (known.T @ values)


def _averages(hidden: Arriving, readings: _Readings) -> torch.Tensor:
    """What is read of each picture, but for a constant: float64 [n, lanes]."""
    return torch.cat(hidden.averages).double() @ readings.rows.T


def _directions(features: torch.Tensor) -> torch.Tensor:
    """The pictures along the first principal directions of their features: [n, at most 200]."""
    scaled = (features - features.mean(0)) / features.std(0).clamp_min(1e-3)
    # No more of them than these pictures tell from chance.
    most = min(_SAID, len(scaled) // 4)
    return torch.linalg.svd(scaled, full_matrices=False).U[:, :most]


def _fitted(rows: torch.Tensor, arriving: Moments) -> _Readings:
    """Readings that vary about the middle of what ReLU6 lets through, and hardly beyond it."""
    deviation = torch.einsum("kc,cd,kd->k", rows, arriving.covariance, rows).sqrt()
    rows = rows * (_MIDDLE / _REACH / deviation)[:, None]
    return _Readings(rows, _MIDDLE - rows @ arriving.mean)


def _let_in(block: nn.Module, small: nn.Module, passed: _Readings, told: _Readings) -> _Readings:
    """Lead lanes through a stage's first block into channels that are spare behind it.

    Parameters
    ----------
    block : module
        Of the larger network, with the weights of ``small``.
    small : module
        The same block of the trunk.
    passed : _Readings
        Lanes that read what arrives at the block, and take a hidden unit each.
    told : _Readings
        Lanes that read the trunk's own hidden units.

    Returns
    -------
    _Readings
        Where those behind the block find all lanes.

    Raises
    ------
    ValueError
        When there are more of them than spare channels.
    """
    units, begin = small.conv_pwl.in_channels, small.conv_pwl.out_channels
    old, count = len(passed.rows), len(passed.rows) + len(told.rows)
    room = _room(block, small, count)
    carrying = slice(units, units + old)
    block.conv_pw.weight[carrying, : passed.rows.shape[1], 0, 0] = passed.rows.float()
    _add(block.bn1, carrying, passed.shifts)
    kernel = block.conv_dw.weight
    middle = kernel.shape[-1] // 2
    if block.conv_dw.stride[0] == 2:
        # TensorFlow's padding adds one pixel fewer before an even map than after it: output i
        # begins at pixel 2i - (middle - 1), and its own four are these.
        kernel[carrying, 0, middle - 1 : middle + 1, middle - 1 : middle + 1] = 0.25
    else:
        kernel[carrying, 0, middle, middle] = 1.0
    _add(block.bn2, carrying, torch.zeros(old))
    written = block.conv_pwl.weight[:, :, 0, 0]
    written[begin : begin + old, carrying] = torch.eye(old)
    written[begin + old : begin + count, :units] = told.rows.float()
    _add(block.bn3, slice(begin, begin + count), torch.cat([torch.zeros(old), told.shifts]))
    found = torch.zeros(count, begin + room).double()
    found[:, begin : begin + count] = torch.eye(count)
    return _Readings(found, torch.zeros(count).double())


def _centred(
    block: nn.Module, small: nn.Module, passed: _Readings, colours: int, count: int
) -> _Readings:
    """Lead the first ``count`` of the lanes of colour into spare channels, read about the middle.

    Averaged over a map of 8 x 8, what is read two pixels off in each of the four directions between
    the axes has weights of 1/4 in the corners, 1/2 along the edges and 1 in the middle.

    Parameters
    ----------
    block : module
        One with a shortcut, of the larger network, with the weights of ``small``.
    small : module
        The same block of the trunk.
    passed : _Readings
        Lanes of what arrives, the first of which are ``colours`` of colour.
    colours, count : int

    Returns
    -------
    _Readings
        With those in the middle behind those of colour.

    Raises
    ------
    ValueError
        When there are more lanes than spare channels.
    """
    _room(block, small, len(passed.rows) + count)
    begin = small.conv_pwl.out_channels + len(passed.rows)
    width = block.conv_pwl.out_channels
    units = small.conv_pwl.in_channels
    reading = slice(units, units + count)
    block.conv_pw.weight[reading, :, 0, 0] = passed.rows[:count].float()
    _add(block.bn1, reading, passed.shifts[:count])
    block.conv_dw.weight[reading, 0, ::4, ::4] = 0.25
    _add(block.bn2, reading, torch.zeros(count))
    block.conv_pwl.weight[begin : begin + count, reading, 0, 0] = torch.eye(count)
    _add(block.bn3, slice(begin, begin + count), torch.zeros(count))
    found = torch.eye(width).double()[begin : begin + count]
    rows = torch.cat([passed.rows[:colours], found, passed.rows[colours:]])
    return _Readings(rows, torch.zeros(len(rows)).double())


def _room(block: nn.Module, small: nn.Module, count: int) -> int:
    """How many channels are spare behind a block: ``count`` at least, or that is told."""
    room = block.conv_pwl.out_channels - small.conv_pwl.out_channels
    if count > room:
        raise ValueError(f"{count} lanes cannot go where {room} channels are spare")
    return room


def _replace_features(trunk: nn.Module, seen: Calibration, lanes: _Readings) -> torch.Tensor:
    """Let those of the last features carry lanes that the classifier hears least of.

    What the classifier heard of them it is told by those that are most like them, by least squares.
    """
    features = torch.cat(seen.features).double()
    centred = features - features.mean(0)
    classifier = trunk.classifier
    weights = classifier.weight.double()
    heard = centred.square().mean(0) * weights.square().sum(0)
    units, kept = heard.argsort().tensor_split([len(lanes.rows)])
    gram = centred[:, kept].T @ centred[:, kept]
    ridge = 1e-2 * gram.diagonal().mean() * torch.eye(len(gram)).double()
    likeness = torch.linalg.solve(gram + ridge, centred[:, kept].T @ centred[:, units])
    weights[:, kept] += weights[:, units] @ likeness.T
    constant = features[:, units].mean(0) - features[:, kept].mean(0) @ likeness
    classifier.bias += (weights[:, units] @ constant).float()
    weights[:, units] = 0
    classifier.weight.copy_(weights.float())

    trunk.conv_head.weight[units] = 0
    trunk.conv_head.weight[units, :, 0, 0] = lanes.rows.float()
    _add(trunk.bn2, units, lanes.shifts)
    return units


def _add(norm: nn.Module, channels: slice | torch.Tensor, shifts: torch.Tensor) -> None:
    """Let a BatchNorm do nothing to channels but add to them."""
    norm.running_mean[channels] = 0
    norm.running_var[channels] = 1
    norm.weight[channels] = np.sqrt(1 + norm.eps)
    norm.bias[channels] = shifts.float()
