"""What all runtimes have in common."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from veneer.encoders.towers import Tower

Run = Callable[[np.ndarray], np.ndarray]
"""A batch of pixels or tokens to float32 [n, dimension], of any length."""


@dataclass(frozen=True)
class Source:
    """A tower, loaded only if somebody asks for it.

    Attributes
    ----------
    kind : {"image", "text"}
    load : callable
        The tower in torch; may take many seconds the first time.
    cache : Path or None
        Folder for what runtimes make of this very encoder; None keeps nothing.
    """

    kind: str
    load: Callable[[], Tower]
    cache: Path | None


@dataclass(frozen=True)
class Opened:
    """A tower ready to run.

    Attributes
    ----------
    run : callable
    batch_size : int
        Rows that go through it together, as suits the device and its memory.
    """

    run: Run
    batch_size: int


@dataclass(frozen=True)
class Runtime:
    """One way to run a tower.

    Attributes
    ----------
    name : str
        As in ``embedding.runtime``.
    precision : {"fp32", "bf16", "fp16"}
        In which it multiplies.
    missing : callable
        Why it cannot be used on this machine, in words; None where it can.
    open : callable
        Makes a tower ready. May raise whatever the library below raises.
    versions : callable
        What its results depend on besides the tower, in words: versions, processor.
    """

    name: str
    precision: str
    missing: Callable[[], str | None]
    open: Callable[[Source], Opened]
    versions: Callable[[], str]
