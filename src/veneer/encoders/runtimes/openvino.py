"""OpenVINO on the CPU (https://docs.openvino.ai): fp32, and bf16 on processors that have it.

A tower is converted once; the result is kept as files, from which it is ready in a fraction of a
second and without torch. Nothing in these files depends on the processor.
"""

from __future__ import annotations

import errno
import logging
import shutil
import sys
import tempfile
import warnings
from functools import cache, partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from veneer.atomic import making_folder
from veneer.encoders.runtimes.runtime import Opened, Runtime, Source
from veneer.errors import VeneerError

logger = logging.getLogger(__name__)

BATCH = 16


@cache
def _library() -> Any:
    # Its converter reports every use to Google Analytics, unless a file in the home folder forbids
    # it; there is no variable. Where the reporter is not there, it uses a stub of its own.
    sys.modules.setdefault("openvino_telemetry", None)
    import openvino

    return openvino


@cache
def _core() -> Any:
    return _library().Core()


def _open(precision: str, source: Source) -> Opened:
    folder = None
    if source.cache is not None:
        folder = source.cache / f"openvino-{version('openvino')}-{source.kind}"
    compiled = _known(folder, precision) if folder is not None and folder.is_dir() else None
    if compiled is None:
        compiled = _make(source, folder, precision)

    def run(batch: np.ndarray) -> np.ndarray:
        return compiled([batch], share_inputs=True)[0].astype(np.float32)

    return Opened(run, BATCH)


def _known(folder: Path, precision: str) -> Any:
    """What was kept in a folder, compiled; None, and the folder is gone, where it is damaged."""
    try:
        return _compile(folder, precision)
    except RuntimeError as error:
        reason = next(line for line in reversed(str(error).split("\n")) if line.strip())
        logger.warning("%s cannot be read, and is made anew: %s", folder, reason)
        shutil.rmtree(folder, ignore_errors=True)
        return None


def _compile(folder: Path, precision: str) -> Any:
    options = {
        "INFERENCE_PRECISION_HINT": {"fp32": "f32"}.get(precision, precision),
        # One batch at a time on all cores. Not pinned to them: decoding needs them too.
        "NUM_STREAMS": "1",
        "ENABLE_CPU_PINNING": False,
    }
    return _core().compile_model(_core().read_model(folder / "model.xml"), "CPU", options)


def _make(source: Source, folder: Path | None, precision: str) -> Any:
    """Convert a tower, keep it in ``folder`` if that can be, and compile what was kept.

    Always by way of files: a model that has not been written differs from one that has been read
    in the last bits of its results.
    """
    model = _convert(source)
    if folder is not None:
        try:
            with making_folder(folder) as temporary:
                _save(model, temporary)
            return _compile(folder, precision)
        except (VeneerError, RuntimeError) as error:
            # It costs some seconds at the next start, and nothing else.
            logger.warning("the converted %s tower cannot be kept: %s", source.kind, error)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as elsewhere:
        _save(model, Path(elsewhere))
        return _compile(Path(elsewhere), precision)


def _save(model: Any, folder: Path) -> None:
    try:
        _library().save_model(model, folder / "model.xml", compress_to_fp16=False)
    except RuntimeError as error:  # which does not tell of the disk
        full = shutil.disk_usage(folder).free < 2**20
        raise OSError(errno.ENOSPC if full else errno.EIO, str(error)) from error


def _convert(source: Source) -> Any:
    import torch

    from veneer.encoders.zeros import without_zeros

    tower = source.load()
    with warnings.catch_warnings(), torch.no_grad():
        # Of tracing, which its own successor does not do as well here.
        warnings.simplefilter("ignore")
        example = torch.from_numpy(tower.examples)
        model = _library().convert_model(without_zeros(tower.lean), example_input=example)
    images = source.kind == "image"
    model.reshape([-1, *tower.examples.shape[1:]] if images else [-1, -1])
    return model


def _missing(precision: str) -> str | None:
    try:
        version("openvino")
    except PackageNotFoundError:
        return "openvino is not installed"
    if precision == "bf16" and "BF16" not in _core().get_property(
        "CPU", "OPTIMIZATION_CAPABILITIES"
    ):
        return "the processor has no bf16"
    return None


def _versions() -> str:
    capabilities = sorted(_core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"))
    return f"openvino {version('openvino')} {' '.join(capabilities)}"


OPENVINO = [
    Runtime(
        name=f"openvino-{precision}",
        precision=precision,
        missing=partial(_missing, precision),
        open=partial(_open, precision),
        versions=_versions,
    )
    for precision in ("bf16", "fp32")
]
