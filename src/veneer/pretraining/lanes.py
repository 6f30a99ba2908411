"""Lanes: what early layers see, led past the later ones to the trunk's last features.

A network that was trained to name objects has all but forgotten colour, and much of fine texture,
by its last layer, while its middle layers still hold them. Stock loaders of models offer the last
layer only. But the streams between an EfficientNet's blocks are linear: what one block writes,
with no activation after it, others read by linear maps. So each stream may be turned to other axes
without changing what is computed. Turned to those along which least is read, the last few axes can
be given up, at a small and known loss, and carry something else: *lanes*, each a linear reading of
an earlier stream, passed on unchanged by one hidden unit of each block that has no shortcut, with
bias so that the ReLU6 on its way never cuts it off, and pooled with the features at the end.

No parameter is added, nothing is trained, and the result is a plain network of the same shape. The
turning follows principal component analysis under the metric of those who read (as weights are
pruned in He et al. 2017, Channel pruning for accelerating very deep neural networks).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import nn

from veneer.pretraining.arithmetic import fast_multiplication
from veneer.pretraining.trunk import as_input

# Stages of blocks, by number, that lanes pass through; those before are left as they are.
_FIRST, _LAST = 4, 6
COLOURS = 3
"""Lanes that carry the average red, green and blue."""
_MIDDLE = 3.0  # of what ReLU6 lets through
# Deviations either way that fit between 0 and 6 around the middle.
_REACH = 3.0


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
class Calibration:
    """What was seen on its way through the trunk.

    Attributes
    ----------
    arriving : dict from module name to Moments
        Of the maps that go into it.
    pooled : dict from stage number to list of float32 tensor [n, C]
        The stream that each stage sends on, averaged over each picture.
    features : list of float32 tensor [n, 1280]
    colours : list of float32 tensor [n, 3]
        Average red, green and blue of each picture.
    """

    arriving: dict[str, Moments] = field(default_factory=dict)
    pooled: dict[int, list[torch.Tensor]] = field(default_factory=dict)
    features: list[torch.Tensor] = field(default_factory=list)
    colours: list[torch.Tensor] = field(default_factory=list)


def calibrate(trunk: nn.Module, batches: Iterable[np.ndarray]) -> Calibration:
    """Send pictures through the trunk and note what arrives where lanes shall pass.

    Parameters
    ----------
    trunk : module
        timm's EfficientNet-Lite.
    batches : iterable of uint8 array [n, 224, 224, 3]
    """
    seen = Calibration()
    hooks = []

    def note(name: str) -> Callable:
        moments = seen.arriving.setdefault(name, Moments())
        return lambda _module, inputs: moments.add(inputs[0].float())

    for stage in range(_FIRST, _LAST + 1):
        for number, block in enumerate(trunk.blocks[stage]):
            hooks.append(block.conv_pw.register_forward_pre_hook(note(f"{stage}.{number}.in")))
            if number == 0:
                inside = note(f"{stage}.{number}.hidden")
                hooks.append(block.conv_pwl.register_forward_pre_hook(inside))
    hooks.append(trunk.conv_head.register_forward_pre_hook(note("head.in")))
    try:
        for pictures in batches:
            with torch.inference_mode(), fast_multiplication():
                given = as_input(pictures)
                maps = trunk.bn1(trunk.conv_stem(given))
                for stage, blocks in enumerate(trunk.blocks):
                    maps = blocks(maps)
                    if stage >= _FIRST - 1:
                        averages = maps.float().mean((2, 3)).clone()
                        seen.pooled.setdefault(stage, []).append(averages)
                last = trunk.bn2(trunk.conv_head(maps))
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
        Of the same shape as before.
    lanes : list of int
        Which of the 1280 features they are, those from earlier stages first.
    lost : dict from stage number to float
        Share of what its readers get from each turned stream that was given up.
    """

    trunk: nn.Module
    lanes: list[int]
    lost: dict[int, float]


@dataclass(frozen=True)
class _Stream:
    """A stream after turning: its first coordinates say most of what it was, its last are lanes.

    What it was is ``decode @ coordinates + rest``, with decode float64 [C, C - lanes], rest [C].
    """

    decode: torch.Tensor
    rest: torch.Tensor
    lanes: int


@torch.no_grad()
def lay_lanes(trunk: nn.Module, seen: Calibration, counts: dict[int, int]) -> Laid:
    """Lay lanes from the streams after stages 3, 4, 5 and 6.

    Parameters
    ----------
    trunk : module
        As calibrated; it is not changed.
    seen : Calibration
    counts : dict from stage number (3 to 6) to int
        How many lanes start from each stream. The first three from stage 3 read the average red,
        green and blue; all others are principal directions over pictures.

    Returns
    -------
    Laid
    """
    trunk = copy.deepcopy(trunk)
    width = trunk.blocks[_FIRST][0].conv_pw.in_channels
    stream = _Stream(torch.eye(width).double(), torch.zeros(width).double(), 0)
    lost: dict[int, float] = {}
    for stage in range(_FIRST, _LAST + 1):
        reading = _readings(seen, stage - 1, counts.get(stage - 1, 0), f"{stage}.0.in")
        incoming = _incoming(stream, *reading)
        stream, lost[stage] = _turn(trunk, seen, stage, *incoming)
    reading = _readings(seen, _LAST, counts.get(_LAST, 0), "head.in")
    places = _replace_features(trunk, seen, *_incoming(stream, *reading))
    return Laid(trunk, places.tolist(), lost)


def _readings(
    seen: Calibration, stage: int, count: int, arriving: str
) -> tuple[torch.Tensor, torch.Tensor]:
    """Linear maps of a stream to lanes: float64 [count, C], and what to add, [count]."""
    pooled = torch.cat(seen.pooled[stage]).double()
    centred = pooled - pooled.mean(0)
    spread = centred.std(0).clamp_min(1e-6)
    rows = torch.zeros(0, pooled.shape[1]).double()
    if stage == _FIRST - 1:
        colours = torch.cat(seen.colours).double()
        gram = centred.T @ centred
        ridge = 1e-3 * gram.diagonal().mean() * torch.eye(len(gram)).double()
        rows = torch.linalg.solve(gram + ridge, centred.T @ (colours - colours.mean(0))).T[:count]
        # Principal directions of what those have not said yet.
        said = centred @ rows.T
        centred = centred - said @ torch.linalg.lstsq(said, centred).solution
    directions = torch.linalg.svd(centred / spread, full_matrices=False).Vh / spread
    rows = torch.cat([rows, directions[: count - len(rows)]])
    here = seen.arriving[arriving]
    deviation = torch.einsum("kc,cd,kd->k", rows, here.covariance, rows).sqrt()
    rows = rows * (_MIDDLE / _REACH / deviation)[:, None]
    return rows, _MIDDLE - rows @ here.mean


def _incoming(
    stream: _Stream, rows: torch.Tensor, shifts: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Old lanes as they are, then new ones: as maps of a turned stream's coordinates."""
    old, main = stream.lanes, stream.decode.shape[1]
    found = torch.zeros(old + len(rows), main + old).double()
    found[:old, main:] = torch.eye(old)
    found[old:, :main] = rows @ stream.decode
    return found, torch.cat([torch.zeros(old).double(), shifts + rows @ stream.rest])


def _turn(
    trunk: nn.Module, seen: Calibration, stage: int, rows: torch.Tensor, shifts: torch.Tensor
) -> tuple[_Stream, float]:
    """Turn a stage's stream, give up its last axes, and let lanes in through its first block."""
    count = len(rows)
    blocks = list(trunk.blocks[stage])
    readers = [(b.conv_pw, b.bn1, f"{stage}.{n}.in") for n, b in enumerate(blocks) if n]
    if stage < _LAST:
        after = trunk.blocks[stage + 1][0]
        readers.append((after.conv_pw, after.bn1, f"{stage + 1}.0.in"))
    else:
        readers.append((trunk.conv_head, trunk.bn2, "head.in"))
    encode, decode, lost = _axes(readers, seen, count)

    first = blocks[0]
    hidden = seen.arriving[f"{stage}.0.hidden"]
    written = _scale(first.bn3)[:, None] * _matrix(first.conv_pwl)
    heard = sum(
        (_scale(norm)[:, None] * _matrix(conv) @ written).square().sum(0)
        for conv, norm, _ in readers
    )
    units = (hidden.covariance.diagonal() * heard).argsort()[:count]
    rest_of_units = written[:, units] @ hidden.mean[units]

    for number, block in enumerate(blocks):
        matrix = _scale(block.bn3)[:, None] * _matrix(block.conv_pwl)
        shift = _shift(block.bn3)
        if number == 0:
            matrix[:, units] = 0
            shift = shift + rest_of_units
        new = torch.zeros_like(matrix)
        new[: len(encode)] = encode @ matrix
        new_shift = torch.zeros_like(shift)
        new_shift[: len(encode)] = encode @ shift
        if number == 0:
            new[len(encode) :, units] = torch.eye(count).double()
        block.conv_pwl.weight[:, :, 0, 0] = new.float()
        _set_norm(block.bn3, torch.ones_like(shift), new_shift)

    _pass_through(first, units, rows, shifts)
    kept = decode @ encode
    for conv, norm, name in readers:
        matrix = _matrix(conv)
        rest = seen.arriving[name].mean - kept @ seen.arriving[name].mean
        scale, shift = _scale(norm), _shift(norm)
        conv.weight.zero_()
        conv.weight[:, : len(encode), 0, 0] = (matrix @ decode).float()
        _set_norm(norm, scale, shift + scale * (matrix @ rest))
    last = seen.arriving[readers[-1][2]].mean
    return _Stream(decode, last - kept @ last, count), lost


def _axes(
    readers: list[tuple[nn.Module, nn.Module, str]], seen: Calibration, given_up: int
) -> tuple[torch.Tensor, torch.Tensor, float]:
    """The axes of a stream along which its readers read most.

    Returns
    -------
    encode : float64 tensor [C - given_up, C]
    decode : float64 tensor [C, C - given_up]
        ``decode @ encode`` is the projection that changes what all readers get least, squared
        and averaged over the pictures.
    lost : float
        That change, as a share.
    """
    maps = [_scale(norm)[:, None] * _matrix(conv) for conv, norm, _ in readers]
    metric = sum(each.T @ each for each in maps)
    metric += 1e-6 * metric.diagonal().mean() * torch.eye(len(metric)).double()
    strengths, turned = torch.linalg.eigh(metric)
    root = turned * strengths.sqrt() @ turned.T
    inverse = turned * strengths.rsqrt() @ turned.T
    covariance = sum(seen.arriving[name].covariance for _, _, name in readers) / len(readers)
    variances, axes = torch.linalg.eigh(root @ covariance @ root)
    lost = (variances[:given_up].sum() / variances.sum()).item()
    axes = axes[:, given_up:]
    return axes.T @ root, inverse @ axes, lost


def _pass_through(
    block: nn.Module, units: torch.Tensor, rows: torch.Tensor, shifts: torch.Tensor
) -> None:
    """Let hidden units of a block carry lanes, averaged where it halves the map."""
    block.conv_pw.weight[units] = 0
    block.conv_pw.weight[units, :, 0, 0] = rows.float()
    scale, shift = _scale(block.bn1), _shift(block.bn1)
    scale[units], shift[units] = 1.0, shifts
    _set_norm(block.bn1, scale, shift)
    kernel = block.conv_dw.weight
    kernel[units] = 0
    middle = kernel.shape[-1] // 2
    if block.conv_dw.stride[0] == 2:
        # TensorFlow's padding adds one pixel fewer before an even map than after it: output i
        # begins at pixel 2i - (middle - 1), and its own four are these.
        kernel[units, 0, middle - 1 : middle + 1, middle - 1 : middle + 1] = 0.25
    else:
        kernel[units, 0, middle, middle] = 1.0
    scale, shift = _scale(block.bn2), _shift(block.bn2)
    scale[units], shift[units] = 1.0, 0.0
    _set_norm(block.bn2, scale, shift)


def _replace_features(
    trunk: nn.Module, seen: Calibration, rows: torch.Tensor, shifts: torch.Tensor
) -> torch.Tensor:
    """Let those of the last features carry lanes that the classifier hears least of.

    What the classifier heard of them it is told by those that are most like them, by least squares.
    """
    features = torch.cat(seen.features).double()
    centred = features - features.mean(0)
    classifier = trunk.classifier
    weights = classifier.weight.double()
    heard = centred.square().mean(0) * weights.square().sum(0)
    units = heard.argsort()[: len(rows)]
    kept = heard.argsort()[len(rows) :]
    gram = centred[:, kept].T @ centred[:, kept]
    ridge = 1e-2 * gram.diagonal().mean() * torch.eye(len(gram)).double()
    likeness = torch.linalg.solve(gram + ridge, centred[:, kept].T @ centred[:, units])
    weights[:, kept] += weights[:, units] @ likeness.T
    constant = features[:, units].mean(0) - features[:, kept].mean(0) @ likeness
    classifier.bias += (weights[:, units] @ constant).float()
    weights[:, units] = 0
    classifier.weight.copy_(weights.float())

    trunk.conv_head.weight[units] = 0
    trunk.conv_head.weight[units, :, 0, 0] = rows.float()
    scale, shift = _scale(trunk.bn2), _shift(trunk.bn2)
    scale[units], shift[units] = 1.0, shifts
    _set_norm(trunk.bn2, scale, shift)
    return units


def _matrix(conv: nn.Module) -> torch.Tensor:
    return conv.weight[:, :, 0, 0].double()


def _scale(norm: nn.Module) -> torch.Tensor:
    return (norm.weight / torch.sqrt(norm.running_var + norm.eps)).double()


def _shift(norm: nn.Module) -> torch.Tensor:
    return norm.bias.double() - _scale(norm) * norm.running_mean.double()


def _set_norm(norm: nn.Module, scale: torch.Tensor, shift: torch.Tensor) -> None:
    """Make a BatchNorm multiply and add just so."""
    norm.running_mean.zero_()
    norm.running_var.fill_(1.0)
    norm.weight.copy_(scale * np.sqrt(1 + norm.eps))
    norm.bias.copy_(shift)
