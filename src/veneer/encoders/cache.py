"""What is kept of an encoder between runs, so that it need not be loaded to be known.

Below the cache's folder an encoder has one of its name, with ``description.json`` and, for each
state of its weights and of the libraries, a folder with what the runtimes made of it. All of it is
made anew when it is not there: it may be deleted at any time.
"""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

from veneer.atomic import write_bytes
from veneer.encoders.config import MODEL_FOLDER_CONFIG, EncoderConfig, is_path
from veneer.encoders.preprocessing import Preprocessing
from veneer.encoders.towers import Description, Towers
from veneer.encoders.weights import FOLDER_WEIGHTS, file_sha256, model_folder
from veneer.errors import VeneerError

logger = logging.getLogger(__name__)

FORMAT = 1
"""To be raised when the towers, or what is said of them, change for the same weights."""


def known_description(cache: Path, name: str, config: EncoderConfig) -> Description | None:
    """Description of an encoder that was opened before and has not changed since."""
    try:
        kept = json.loads((cache / name / "description.json").read_text())
        if kept["key"] != _key(config, _local_weights(config) or kept["weights"]):
            return None
        found = kept["description"]
        shape = found.pop("preprocessing")
        shape = {key: tuple(v) if isinstance(v, list) else v for key, v in shape.items()}
        found["precisions"] = tuple(found["precisions"])
        return Description(**found, preprocessing=Preprocessing(**shape))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None  # not there, damaged, or of another release


def keep_description(cache: Path, name: str, config: EncoderConfig, towers: Towers) -> None:
    """Keep what is known of an encoder."""
    content = {
        "key": _key(config, towers.weights),
        "weights": towers.weights,
        "description": asdict(towers.description),
    }
    _write(cache / name / "description.json", content)


def compiled_folder(cache: Path, name: str, description: Description) -> Path:
    """Folder for what the runtimes make of an encoder."""
    state = f"{FORMAT} {description.fingerprint} {_versions()}"
    return cache / name / hashlib.sha256(state.encode()).hexdigest()[:16]


def read_checks(folder: Path | None) -> dict[str, float]:
    """Least cosine to the reference that each runtime has reached, by its name and versions."""
    try:
        checks = {} if folder is None else json.loads((folder / "checks.json").read_text())
    except (OSError, ValueError):
        return {}
    return checks if isinstance(checks, dict) else {}


def keep_check(folder: Path | None, name: str, cosine: float) -> None:
    """Keep what came out of a runtime's check."""
    if folder is not None:
        _write(folder / "checks.json", read_checks(folder) | {name: cosine})


def _local_weights(config: EncoderConfig) -> str | None:
    """The weight file, where the configuration names it; a tag of open_clip or timm does not."""
    folder = model_folder(config)
    if folder is not None:
        return str(folder / FOLDER_WEIGHTS)
    return config.pretrained if is_path(config.pretrained) else None


def _key(config: EncoderConfig, weights: str) -> str:
    """Digest of all that a description depends on; not of where the files lie."""
    folder = model_folder(config)
    if _local_weights(config) is not None:
        config = config.model_copy(
            update={"pretrained": "a file" if folder is None else "a folder"}
        )
    parts = [str(FORMAT), config.model_dump_json(), file_sha256(weights), _versions()]
    if folder is not None:
        parts.append((folder / MODEL_FOLDER_CONFIG).read_text())
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _versions() -> str:
    libraries = ("open_clip_torch", "timm")
    return " ".join(f"{name} {version(name)}" for name in libraries)


def _write(path: Path, content: dict) -> None:
    try:
        write_bytes(path, json.dumps(content, indent=1).encode())
    except VeneerError as error:
        # It costs some seconds at the next start, and nothing else.
        logger.warning("not kept for the next run: %s", error)
