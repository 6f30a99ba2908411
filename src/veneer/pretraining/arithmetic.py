"""In which numbers a processor multiplies fastest."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


def fast_multiplication() -> torch.autocast:
    """Multiply in bf16 where the processor is fast at it, else in fp32."""
    # Without AVX-512, bf16 is computed by way of fp32 and in no haste.
    capability = torch.backends.cpu.get_cpu_capability()
    return torch.autocast("cpu", torch.bfloat16, enabled=capability.startswith(("AVX512", "AMX")))


@contextmanager
def reproducible(seed: int, threads: int) -> Iterator[None]:
    """Seeded, on so many threads, without touching the generator of others.

    The same number of threads gives the same bits, another one other last bits.
    """
    before = torch.get_num_threads()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        try:
            torch.set_num_threads(threads)
            yield
        finally:
            torch.set_num_threads(before)
