"""The heads by name, and how each is written down.

A head has ``classes_``, ``scores(features) -> float32 [n, K]`` and ``predict(features)``.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

FORMATS = {"svc": ".skops", "mlp": ".safetensors"}
"""File name suffix of each head. Neither format can carry code."""


def dumps(name: str, head: Any) -> bytes:
    """Bytes of a fitted head, in the format of :data:`FORMATS`."""
    return _module(name).dumps(head)


def loads(name: str, data: bytes) -> Any:
    """Inverse of :func:`dumps`."""
    return _module(name).loads(data)


def _module(name: str) -> ModuleType:
    if name == "svc":
        from veneer.heads import linear_svc as module
    elif name == "mlp":
        from veneer.heads import mlp as module
    else:
        raise ValueError(f"there is no head {name!r}; heads are {', '.join(FORMATS)}")
    return module
