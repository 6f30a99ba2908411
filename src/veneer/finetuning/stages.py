"""Which parts of a tower are trained."""

from __future__ import annotations

import re

from torch import nn

_STAGE = re.compile(r"^(layer|stage|block)s?_?\d+$")


def trained_parameters(tower: nn.Module, train: str) -> dict[str, nn.Parameter]:
    """The parameters of a tower that are to be trained, by name; the others are frozen.

    Parameters
    ----------
    tower : Module
    train : {"projection", "last_stage", "all"}
        ``last_stage``: the last of the blocks that the network is made of (the last of `layer4`,
        `blocks.6`, `resblocks.11`, …), and all that is declared after it; of a network without
        blocks, the last layer.
    """
    named = dict(tower.named_parameters())
    if train == "projection":
        chosen: dict[str, nn.Parameter] = {}
    elif train == "all":
        chosen = named
    else:
        stages = _stages(tower)
        names = list(named)
        first = next(i for i, name in enumerate(names) if name.startswith(f"{stages[-1]}."))
        chosen = {name: named[name] for name in names[first:]}
    for name, parameter in named.items():
        parameter.requires_grad_(name in chosen)
    return chosen


def _stages(tower: nn.Module) -> list[str]:
    """Names of the parts that follow each other and have most of the parameters together."""
    best: tuple[int, list[str]] = (0, [])
    for name, module in tower.named_modules():
        if isinstance(module, nn.Sequential | nn.ModuleList):
            # Blocks, not the single layers that a sequence may also be made of.
            parts = {key: each for key, each in module.named_children() if list(each.children())}
        else:
            parts = {key: each for key, each in module.named_children() if _STAGE.match(key)}
        sizes = {key: sum(p.numel() for p in each.parameters()) for key, each in parts.items()}
        names = [f"{name}.{key}" if name else key for key, size in sizes.items() if size]
        if len(names) >= 2 and sum(sizes.values()) > best[0]:
            best = sum(sizes.values()), names
    return best[1] or [list(dict(tower.named_parameters()))[-1].rsplit(".", 1)[0]]
