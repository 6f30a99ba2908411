"""All runtimes, best first."""

from __future__ import annotations

from veneer.encoders.runtimes.openvino import OPENVINO
from veneer.encoders.runtimes.torch import CUDA, TORCH_CPU

RUNTIMES = {runtime.name: runtime for runtime in (*CUDA, *OPENVINO, *TORCH_CPU)}
"""By name, in the order in which ``auto`` tries them."""

REFERENCE = "torch-fp32"
"""What the others are compared with. It is always there."""
