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
from veneer.encoders.config import EncoderConfig, is_path, names_repository
from veneer.encoders.families import FAMILIES
from veneer.encoders.preprocessing import Preprocessing
from veneer.encoders.towers import Description, Towers
from veneer.encoders.tuned import libraries_of
from veneer.encoders.weights import file_sha256, model_folder
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
    except (OSError, ValueError, KeyError, TypeError, AttributeError, ImportError):
        return None  # not there, damaged, of another release, or of a library that is gone


def keep_description(cache: Path, name: str, config: EncoderConfig, towers: Towers) -> None:
    """Keep what is known of an encoder."""
    content = {
        "key": _key(config, towers.weights),
        "weights": towers.weights,
        "description": asdict(towers.description),
    }
    _write(cache / name / "description.json", content)


def compiled_folder(
    cache: Path, name: str, config: EncoderConfig, description: Description
) -> Path:
    """Folder for what the runtimes make of an encoder."""
    state = f"{FORMAT} {description.fingerprint} {_versions(config)}"
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
    """The weight file, where the configuration names it; tags and repositories do not."""
    folder = model_folder(config)
    if folder is not None:
        return str(folder / FAMILIES[config.family].folder[1])
    if names_repository(config.family, config.pretrained):
        return None
    return config.pretrained if is_path(config.pretrained) else None


def _key(config: EncoderConfig, weights: str) -> str:
    """Digest of all that a description depends on; not of where the files lie."""
    folder, versions = model_folder(config), _versions(config)
    if _local_weights(config) is not None:
        config = config.model_copy(
            update={"pretrained": "a file" if folder is None else "a folder"}
        )
    # What an entry leaves out is left out here, so that a field more is no other encoder.
    entry = config.model_dump_json(exclude_none=True)
    parts = [str(FORMAT), entry, file_sha256(weights), versions]
    if folder is not None:
        parts.append((folder / FAMILIES[config.family].folder[0]).read_text())
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _versions(config: EncoderConfig) -> str:
    return " ".join(f"{name} {version(name)}" for name in libraries_of(config))


def _write(path: Path, content: dict) -> None:
    try:
        write_bytes(path, json.dumps(content, indent=1).encode())
    except VeneerError as error:
        # It costs some seconds at the next start, and nothing else.
        logger.warning("not kept for the next run: %s", error)
