"""How many images a second encoders embed, beside each other."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pyarrow as pa

from veneer.encoders.embed import embed_batches
from veneer.encoders.encoder import Encoder


def measure_rates(
    encoders: Mapping[str, Encoder],
    images: Sequence[pa.RecordBatch],
    rounds: int,
    advance: Callable[[int], object] = lambda _: None,
) -> dict[str, list[float]]:
    """Embed the same images with each encoder in turn, several times over.

    The turns alternate, so that whatever else the machine is doing slows all of them alike: the
    rates of one round can be compared with each other. A first round, in which weights are loaded
    and runtimes chosen, does not count.

    Parameters
    ----------
    encoders : mapping of name to Encoder
    images : sequence of RecordBatch
        Image rows, each ``sha`` once.
    rounds : int
    advance : callable
        Is told of each turn.

    Returns
    -------
    dict of name to list of float
        Images a second of each round, from their files' bytes to vectors in memory.
    """
    count = sum(batch.num_rows for batch in images)
    rates: dict[str, list[float]] = {name: [] for name in encoders}
    for counts in [False] + [True] * rounds:
        for name, encoder in encoders.items():
            begin = time.perf_counter()
            for _ in embed_batches(iter(images), encoder, fill=False):
                pass
            if counts:
                rates[name].append(count / (time.perf_counter() - begin))
            advance(1)
    return rates


def machine() -> str:
    """The processor and its cores, in words: on another one rates are others."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next(line.partition(":")[2].strip() for line in lines if "model name" in line)
    except (OSError, StopIteration):  # another system, or a processor that does not say
        name = platform.processor() or platform.machine()
    return f"{name}, {os.cpu_count()} cores"
