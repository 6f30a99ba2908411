"""The small functions that configuration files call as ``${name:argument}``."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from veneer.encoders.config import encoder_name
from veneer.errors import VeneerError


def resolvers(project: Path) -> dict[str, Callable]:
    """All resolvers, for the project at ``project``."""

    def from_root(path: str) -> str:
        return str(project / path)

    def images_folder(images: str | None, collection: str) -> str:
        if "://" in str(images):
            return str(images)
        folder = from_root(f"data/01_raw/{collection}" if images is None else str(images))
        return os.path.normpath(folder)

    def tracking_uri(default: str) -> str:
        chosen = f"sqlite:///{from_root(default)}"
        _chosen_here.add(chosen)
        return _given_uri() or chosen

    def artifact_location(default: str) -> str | None:
        """Folder of a local database's artifacts; a server has its own."""
        server = not (_given_uri() or "sqlite:").startswith("sqlite:")
        return None if server else Path(from_root(default)).as_uri()

    def tuned_name(given: str | None, encoder: str, collection: str) -> str:
        return f"{encoder}-{collection}" if given is None else as_text("tuned", given)

    return {
        "text": as_text,
        "tuned_name": tuned_name,
        "encoder_name": encoder_name,
        "images_folder": images_folder,
        "tracking_uri": tracking_uri,
        "artifact_location": artifact_location,
    }


# MLflow writes the address that it is told into MLFLOW_TRACKING_URI, for its child processes. A
# later session of the same process must not take that for the user's wish.
_chosen_here: set[str] = set()


def _given_uri() -> str | None:
    """The tracking address that the user put into the environment, if any."""
    given = os.environ.get("MLFLOW_TRACKING_URI")
    return None if given in _chosen_here else given


def as_text(key: str, value: Any) -> str:
    """Read a name as it was written.

    YAML reads ``2024`` as a number and ``no`` as false, and so does Kedro with ``--params``. On
    the command line the words as typed are still at hand; a file has to quote them.

    Raises
    ------
    VeneerError
        When ``value`` is no text and what was written cannot be told any more.
    """
    if isinstance(value, str):
        return value
    typed = _typed(key, sys.argv)
    if typed is not None:
        return typed
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise VeneerError(
        f"Reading the configuration: {key} is {value!r}, which is no text. Write it in quotation "
        f'marks, as in `{key}: "no"`.'
    )


def _typed(key: str, arguments: list[str]) -> str | None:
    """What stands behind ``key=`` in ``--params`` of a command line."""
    for flag, option in zip(arguments, [*arguments[1:], ""], strict=True):
        text = option if flag == "--params" else flag.removeprefix("--params=")
        if (flag == "--params" or text != flag) and (
            found := re.search(rf"(?:^|,)\s*{re.escape(key)}\s*=([^,]*)", text)
        ):
            return found[1].strip()
    return None
