"""From trained parts to the small file: whole numbers of eight bits whose scales are folded away.

open_clip copies what a file holds into its own float32 weights, so whole numbers load as they are;
what they must be multiplied by has to be elsewhere in the network. Behind a convolution that is the
BatchNorm; before a linear layer, the LayerNorm; behind one that is added to a stream, a LayerScale;
for an embedding of unit length, nowhere; and for the token table, all that is added to the same
stream. (Jacob et al. 2018, Quantization and training
of neural networks for efficient integer-arithmetic-only inference, fold in the same way.) The
rest is kept in fp16, small tensors in fp32.
"""

from __future__ import annotations

import numpy as np
import torch

from veneer.pretraining.image_head import ImageHead
from veneer.pretraining.trunk import as_input, bare_trunk

LARGEST = 127
"""Whole number that a stored weight may be, to either side."""
# Tensors of fewer numbers are kept in fp32: norms and biases.
_SMALL = 5000


def whole_numbers(values: torch.Tensor, scale: torch.Tensor | float) -> torch.Tensor:
    """Int8 of ``values / scale``."""
    return (values / scale).round().clamp(-LARGEST, LARGEST).to(torch.int8)


def fold_trunk(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """A trunk with int8 convolutions, one scale for each output channel, without its classifier.

    Parameters
    ----------
    state : dict of str to tensor
        timm's state dict of an EfficientNet-Lite: every convolution is followed by its BatchNorm.

    Returns
    -------
    dict of str to tensor
    """
    state = {name: value.clone() for name, value in state.items() if "classifier" not in name}
    names = list(state)
    for name, follower in zip(names, [*names[1:], ""], strict=True):
        weight = state[name]
        if weight.ndim != 4:
            continue
        norm = follower.rpartition(".")[0]
        if ".bn" not in f".{norm}":
            raise ValueError(f"{name} is followed by {follower!r}, which is no BatchNorm's")
        scale = weight.abs().amax((1, 2, 3)).clamp_min(1e-8) / LARGEST
        state[name] = whole_numbers(weight, scale[:, None, None, None])
        state[f"{norm}.weight"] = state[f"{norm}.weight"] * scale
        state[f"{norm}.running_mean"] = state[f"{norm}.running_mean"] / scale
    return state


@torch.inference_mode()
def correct_means(
    state: dict[str, torch.Tensor], folded: dict[str, torch.Tensor], pictures: np.ndarray
) -> dict[str, torch.Tensor]:
    """A folded trunk whose layers give on average what they gave before.

    What is rounded in a convolution's weights adds up where all that arrives is above zero, as
    behind ReLU6; the BatchNorm behind it can take it back. (Nagel et al. 2019, Data-free
    quantization through weight equalization and bias correction, section 4.2; here from pictures.)

    Parameters
    ----------
    state : dict of str to tensor
        As :func:`fold_trunk` was given it.
    folded : dict of str to tensor
        Of :func:`fold_trunk`.
    pictures : uint8 array [n, 256, 256, 3]
    """
    given = as_input(pictures)
    before, after = bare_trunk(state), bare_trunk({**state, **folded})
    wanted: list[torch.Tensor] = []
    for _, norm in _norms(before):
        norm.register_forward_pre_hook(lambda *given: wanted.append(_mean_output(*given)))
    before.forward_features(given)
    left = iter(wanted)

    def correct(norm: torch.nn.Module, inputs: tuple[torch.Tensor]) -> None:
        norm.bias += next(left) - _mean_output(norm, inputs)

    for _, norm in _norms(after):
        norm.register_forward_pre_hook(correct)
    after.forward_features(given)
    return folded | {f"{name}.bias": norm.bias.detach() for name, norm in _norms(after)}


def _mean_output(norm: torch.nn.Module, inputs: tuple[torch.Tensor]) -> torch.Tensor:
    """What a BatchNorm gives on average, before its activation."""
    scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
    return norm.bias + scale * (inputs[0].mean((0, 2, 3)) - norm.running_mean)


def _norms(trunk: torch.nn.Module) -> list[tuple[str, torch.nn.Module]]:
    return [
        (n, each) for n, each in trunk.named_modules() if isinstance(each, torch.nn.BatchNorm2d)
    ]


def fold_head(head: ImageHead) -> dict[str, torch.Tensor]:
    """A head with an int8 output layer of one scale, which the unit length takes away."""
    outputs = head.fc2.weight.detach()
    return {
        "fc1.weight": head.fc1.weight.detach(),
        "fc1.bias": head.fc1.bias.detach(),
        "fc2.weight": whole_numbers(outputs, outputs.abs().max() / LARGEST),
    }


def fold_text(
    state: dict[str, torch.Tensor], scale: float, turn: np.ndarray
) -> dict[str, torch.Tensor]:
    """A text tower with int8 tokens and layers.

    Its shape is that of a tower with LayerScale, whose factors are what layers behind which no
    LayerNorm stands are multiplied by.

    Parameters
    ----------
    state : dict of str to tensor
        open_clip's TextTransformer, its token table whole numbers times ``scale``.
    scale : float
    turn : float32 array [W, E]
        What the tower's vectors are multiplied by: from its dimensions to the embedding's.
    """
    state = {name: value.clone() for name, value in state.items() if name != "attn_mask"}
    projection = state["text_projection"] @ torch.from_numpy(turn)
    for name in list(state):
        if name == "token_embedding.weight":
            state[name] = whole_numbers(state[name], scale)
        elif name == "positional_embedding":
            state[name] = state[name] / scale
    for layer in {name.split(".")[2] for name in state if name.startswith("transformer.")}:
        block = f"transformer.resblocks.{layer}"
        _fold_into_norm(state, f"{block}.attn.in_proj_weight", f"{block}.ln_1")
        _fold_into_norm(state, f"{block}.mlp.c_fc.weight", f"{block}.ln_2")
        _fold_into_scale(state, f"{block}.attn.out_proj", f"{block}.ls_1", scale)
        _fold_into_scale(state, f"{block}.mlp.c_proj", f"{block}.ls_2", scale)
    state["text_projection"] = whole_numbers(projection, projection.abs().max() / LARGEST)
    return state


def _fold_into_norm(state: dict[str, torch.Tensor], layer: str, norm: str) -> None:
    """Int8 with one scale for each input of a linear layer, which its LayerNorm takes over."""
    scale = state[layer].abs().amax(0).clamp_min(1e-8) / LARGEST
    state[layer] = whole_numbers(state[layer], scale)
    state[f"{norm}.weight"] = state[f"{norm}.weight"] * scale
    state[f"{norm}.bias"] = state[f"{norm}.bias"] * scale


def _fold_into_scale(
    state: dict[str, torch.Tensor], layer: str, factors: str, stream: float
) -> None:
    """Int8 with one scale for each output of a linear layer, which a LayerScale takes over.

    ``stream`` is what all of the stream that it is added to has been divided by.
    """
    weight = state[f"{layer}.weight"]
    scale = weight.abs().amax(1).clamp_min(1e-8) / LARGEST
    state[f"{layer}.weight"] = whole_numbers(weight, scale[:, None])
    state[f"{layer}.bias"] = state[f"{layer}.bias"] / scale
    state[f"{factors}.gamma"] = scale / stream


def as_stored(value: torch.Tensor) -> torch.Tensor:
    """Large tensors of floats in fp16."""
    if value.is_floating_point():
        value = value.half() if value.numel() > _SMALL else value.float()
    return value.contiguous()
