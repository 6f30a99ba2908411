"""Logging a bundle as a model of MLflow, and making a version of it in the registry."""

from __future__ import annotations

import base64
import hashlib
import logging
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import mlflow
import numpy as np
import pandas as pd
import pyarrow as pa
from mlflow import MlflowClient
from mlflow.models import ModelSignature
from PIL import Image

import veneer
from veneer.encoders.tuned import libraries_of
from veneer.encoders.weights import file_sha256
from veneer.errors import VeneerError
from veneer.heads.fusion import Fusion
from veneer.images import png_bytes
from veneer.requirements import pinned
from veneer.serving import registry
from veneer.serving.bundle import CARD, Card
from veneer.serving.signatures import BUNDLE
from veneer.sources.textures.render import draw

logger = logging.getLogger(__name__)

REQUIREMENTS = (
    "mlflow",
    "numpy",
    "open_clip_torch",
    "openvino",
    "pandas",
    "pillow",
    "platformdirs",
    "pyarrow",
    "pydantic",
    "safetensors",
    "scikit-learn",
    "scipy",
    "skops",
    "timm",
    "torch",
)
"""What it takes to answer, besides the libraries of the encoder's family.

The code of veneer itself lies in the model.
"""


def publish(
    name: str,
    kind: Literal["encoder", "classifier"],
    bundle: Path,
    judged: pa.Table,
    signature: ModelSignature,
    rows: pd.DataFrame,
    tags: Mapping[str, str],
    *,
    force: bool,
) -> dict:
    """Log a model, make sure that it answers, register it, and see whether it is the champion.

    Parameters
    ----------
    name : str
        In the registry.
    kind : {"encoder", "classifier"}
    bundle : Path
        A folder that :func:`veneer.serving.bundle.write_bundle` wrote.
    judged : Table of schema :data:`veneer.serving.registry.JUDGED`
        What the model says of the validation rows.
    signature : ModelSignature
    rows : DataFrame
        An example; see :func:`example`.
    tags : mapping of str to str
        ``collection`` among them.
    force : bool
        See :func:`veneer.serving.registry.promote`.

    Returns
    -------
    dict
        ``version``, ``new`` (whether it was made now), ``champion`` and ``why``.
    """
    client = MlflowClient()
    digest = _digest(bundle)
    found = known = registry.with_digest(client, name, digest)
    if known is None:
        with tempfile.TemporaryDirectory() as temporary:
            parts = model_parts(kind, bundle, copy_code(Path(temporary)), signature, rows)
            info = mlflow.pyfunc.log_model(name=kind, **parts)
        _require_answer(info.model_uri, rows)
        found = mlflow.register_model(info.model_uri, name)
    version = str(found.version)
    # Also of a version that is there: it may have been judged on another collection meanwhile.
    for key, value in {**tags, registry.DIGEST: digest}.items():
        client.set_model_version_tag(name, version, key, value)
    registry.keep_judgement(client, name, version, tags["collection"], judged)
    what = "is registered" if known is None else "is this very model"
    logger.info("%s: version %s %s", name, version, what)
    decision = registry.promote(client, name, version, force=force)
    is_ = "is" if decision.champion else "is not"
    logger.info("%s: version %s %s the champion: %s", name, version, is_, decision.why)
    return {
        "version": int(version),
        "new": known is None,
        "champion": decision.champion,
        "why": decision.why,
    }


def model_parts(
    kind: Literal["encoder", "classifier"],
    bundle: Path,
    code: Path,
    signature: ModelSignature,
    rows: pd.DataFrame,
) -> dict[str, Any]:
    """What ``mlflow.pyfunc.log_model`` and ``save_model`` make a model of."""
    return {
        "python_model": str(Path(__file__).with_name(f"{kind}_model.py")),
        "artifacts": {BUNDLE: str(bundle)},
        "code_paths": [str(code)],
        "signature": signature,
        "input_example": rows,
        "pip_requirements": _requirements(bundle),
    }


def copy_code(target: Path) -> Path:
    """Copy veneer's modules without its data: a model runs the code that it was made by."""
    source = Path(veneer.__file__).parent
    for file in source.rglob("*.py"):
        copy = target / source.name / file.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, copy)
    return target / source.name


def example(fusion: Fusion | None) -> pd.DataFrame:
    """Rows for a head that sees this: a drawn picture, a word; for None one row of each."""
    picture = Image.fromarray(draw("chequered", seed=0, size=96).pixels)
    image, text = base64.b64encode(png_bytes(picture)).decode(), "moss"
    if fusion is None:
        return pd.DataFrame({"image": [image, None], "text": [None, text]})
    columns = {"image": [image], "text": [text]}
    return pd.DataFrame({name: columns[name] for name in columns if fusion in (name, "concat")})


def git_commit() -> str | None:
    """Commit of the code that runs, with ``-dirty`` where it was changed; None outside of git."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude", "*"]
    folder = Path(veneer.__file__).parent
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def _digest(bundle: Path) -> str:
    """SHA-256 over a bundle, whose card has the digest of the code, and the requirements."""
    files = sorted(file for file in bundle.rglob("*") if file.is_file())
    listed = [f"{file_sha256(file)} {file.relative_to(bundle).as_posix()}" for file in files]
    return hashlib.sha256("\n".join([*listed, *_requirements(bundle)]).encode()).hexdigest()


def _requirements(bundle: Path) -> list[str]:
    card = Card.model_validate_json((bundle / CARD).read_bytes())
    place = {"pretrained": str(bundle / card.config.pretrained)}
    return pinned(*sorted({*REQUIREMENTS, *libraries_of(card.config.model_copy(update=place))}))


def _require_answer(uri: str, rows: pd.DataFrame) -> None:
    """Load a model as a server would, and ask it; what does not answer is not registered."""
    answer = mlflow.pyfunc.load_model(uri).predict(rows)
    if len(answer) != len(rows) or not np.all(np.isfinite(_numbers(answer))):
        raise VeneerError(f"Registering the model {uri}: it does not answer its own example.")


def _numbers(answer: np.ndarray | pd.DataFrame) -> np.ndarray:
    column = answer if isinstance(answer, np.ndarray) else answer["confidence"]
    return np.asarray(column, np.float64)
