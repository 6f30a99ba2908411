"""PyTorch: fp32 as the reference, bf16 on processors that have it, CUDA with autocast."""

from __future__ import annotations

import copy
import ctypes
import sys
from collections.abc import Callable
from contextlib import nullcontext, suppress
from functools import cache, partial
from importlib.metadata import version
from typing import TYPE_CHECKING

import numpy as np

from veneer.encoders.memory import keep_freed_memory
from veneer.encoders.runtimes.runtime import Opened, Run, Runtime, Source

if TYPE_CHECKING:
    import torch

# The activations of 8 images stay in a processor's cache; those of 32 run at half the speed.
CPU_BATCH = 8
# Shares of a GPU's free memory that a batch may take, and bounds of its rows.
GPU_SHARE, GPU_LEAST, GPU_MOST = 0.5, 16, 1024


def reference(source: Source, device: str) -> Run:
    """The tower as its authors wrote it, in fp32."""
    return _runner(source.load().reference, device, "fp32")


def _runner(module: torch.nn.Module, device: str, precision: str) -> Run:
    import torch

    if device != "cpu":
        # A copy: moved, it would no longer be there for whatever is tried next.
        module = copy.deepcopy(module).to(device)
    kind = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}[precision]

    def run(batch: np.ndarray) -> np.ndarray:
        rows = torch.from_numpy(np.require(batch, requirements=["C", "W"]))
        if device == "cuda":
            rows = rows.pin_memory().to(device, non_blocking=True)
        low = nullcontext() if kind is None else torch.autocast(device, kind)
        with torch.inference_mode(), low:
            return module(rows).float().cpu().numpy()

    return run


def _open_cpu(precision: str, source: Source) -> Opened:
    from veneer.encoders.zeros import without_zeros

    keep_freed_memory()
    tower = source.load()
    module = tower.reference if precision == "fp32" else without_zeros(tower.lean)
    return Opened(_runner(module, "cpu", precision), CPU_BATCH)


def _open_cuda(precision: str, source: Source) -> Opened:
    from veneer.encoders.zeros import without_zeros

    tower = source.load()
    run = _runner(without_zeros(tower.lean), "cuda", precision)
    return Opened(run, _rows_that_fit(run, tower.examples))


def _rows_that_fit(run: Run, examples: np.ndarray) -> int:
    """Rows of a batch, as a power of two, by what a small batch takes of the free memory."""
    import torch

    few = np.resize(examples, (GPU_LEAST, *examples.shape[1:]))
    run(few)  # the libraries' own workspaces
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    run(few)
    each = max(torch.cuda.max_memory_allocated() - before, 1) / GPU_LEAST
    free, _ = torch.cuda.mem_get_info()
    rows = int(GPU_SHARE * free / each)
    return 2 ** (min(max(rows, GPU_LEAST), GPU_MOST).bit_length() - 1)


def _cpu_lacks(precision: str) -> str | None:
    return None if precision == "fp32" or _cpu_has_bf16() else "the processor has no bf16"


@cache
def _cpu_has_bf16() -> bool:
    import torch

    # Older releases of torch cannot tell; elsewhere bf16 is emulated, and slower than fp32.
    capabilities = getattr(torch.cpu, "get_capabilities", dict)()
    return any(capabilities.get(name) for name in ("amx_bf16", "avx512_bf16", "arm_bf16", "bf16"))


def cuda_lacks(precision: str) -> str | None:
    """Why CUDA cannot be used in a precision; None where it can."""
    if not _has_driver():
        return "there is no NVIDIA driver"
    import torch

    if not torch.cuda.is_available():
        return "torch finds no GPU"
    if precision == "bf16" and not torch.cuda.is_bf16_supported(including_emulation=False):
        return "the GPU has no bf16"
    return None


@cache
def _has_driver() -> bool:
    """Whether asking torch is worth the seconds that importing it takes."""
    for name in ("nvcuda.dll",) if sys.platform == "win32" else ("libcuda.so.1",):
        with suppress(OSError):
            ctypes.CDLL(name)
            return True
    return False


def _cpu() -> str:
    import torch

    return torch.backends.cpu.get_cpu_capability()


def _gpu() -> str:
    import torch

    return torch.cuda.get_device_name()


def _runtime(
    name: str, precision: str, missing: Callable, open_: Callable, device: Callable[[], str]
) -> Runtime:
    return Runtime(
        name=f"{name}-{precision}",
        precision=precision,
        missing=partial(missing, precision),
        open=partial(open_, precision),
        versions=lambda: f"torch {version('torch')} {device()}",
    )


TORCH_CPU = [_runtime("torch", each, _cpu_lacks, _open_cpu, _cpu) for each in ("bf16", "fp32")]
CUDA = [_runtime("cuda", each, cuda_lacks, _open_cuda, _gpu) for each in ("fp16", "bf16", "fp32")]
