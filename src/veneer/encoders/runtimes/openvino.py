"""OpenVINO on the CPU (https://docs.openvino.ai): fp32, and bf16 on processors that have it.

A tower is converted once; the result is kept as files, from which it is ready in a fraction of a
second and without torch. Nothing in these files depends on the processor.
"""

from __future__ import annotations

import errno
import logging
import os
import shutil
import sys
import tempfile
import warnings
from functools import cache, partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from veneer.encoders.runtimes.runtime import Opened, Runtime, Source

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
    compiled = None
    if folder is not None and folder.is_dir():
        try:
            compiled = _compile(folder, precision)
        except RuntimeError as error:
            logger.warning("%s is damaged, and made anew: %s", folder, str(error).split("\n")[0])
            shutil.rmtree(folder, ignore_errors=True)
    if compiled is None:
        compiled = _make(source, folder, precision)

    def run(batch: np.ndarray) -> np.ndarray:
        return compiled([batch], share_inputs=True)[0].astype(np.float32)

    return Opened(run, BATCH)


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
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as elsewhere:
        try:
            if folder is not None:
                _keep(model, folder)
        except OSError as error:
            # It costs some seconds at the next start, and nothing else.
            logger.warning("the converted %s tower cannot be kept: %s", source.kind, error)
        if folder is None or not folder.is_dir():
            folder = Path(elsewhere)
            _save(model, folder)
        return _compile(folder, precision)


def _keep(model: Any, folder: Path) -> None:
    """Save a model, so that the folder is there as a whole or not at all."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=".", suffix=".tmp", dir=folder.parent))
    try:
        _save(model, temporary)
        os.rename(temporary, folder)
    except OSError as error:
        if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):  # another process was faster
            raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _save(model: Any, folder: Path) -> None:
    try:
        _library().save_model(model, folder / "model.xml", compress_to_fp16=False)
    except RuntimeError as error:
        raise OSError(str(error)) from error
    for file in folder.iterdir():
        # The check of these weights is kept too, and must not outlive them.
        with open(file, "rb") as written:
            os.fsync(written.fileno())


def _convert(source: Source) -> Any:
    import torch

    tower = source.load()
    with warnings.catch_warnings(), torch.no_grad():
        # Of tracing, which its own successor does not do as well here.
        warnings.simplefilter("ignore")
        example = torch.from_numpy(tower.examples)
        model = _library().convert_model(tower.lean, example_input=example)
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
