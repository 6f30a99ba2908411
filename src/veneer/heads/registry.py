"""The heads by name, and how each is written down.

A head has ``classes_`` and ``scores(features) -> float32 [n, K]``, of which softmax makes
probabilities once they are divided by a temperature.
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import Any

FORMATS = {
    "svc": ".skops",
    "mlp": ".safetensors",
    "proker": ".safetensors",
    "zero_shot": ".safetensors",
}
"""File name suffix of each head. Neither format can carry code."""

_MODULES = {"svc": "linear_svc"}


def dumps(name: str, head: Any) -> bytes:
    """Bytes of a fitted head, in the format of :data:`FORMATS`."""
    return _module(name).dumps(head)


def loads(name: str, data: bytes) -> Any:
    """Inverse of :func:`dumps`."""
    return _module(name).loads(data)


def _module(name: str) -> ModuleType:
    if name not in FORMATS:
        raise ValueError(f"there is no head {name!r}; heads are {', '.join(FORMATS)}")
    # Imported here: some are heavy.
    return import_module(f"veneer.heads.{_MODULES.get(name, name)}")
