"""What a browser has uploaded."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

from gradio.utils import get_upload_folder

from veneer.errors import VeneerError


def uploaded(given: Any, max_bytes: int) -> tuple[Path, str]:
    """Path and name of a file that was uploaded; it has not been read yet.

    Parameters
    ----------
    given : dict
        As Gradio hands it on from the browser, where anything can have been put into it.
    max_bytes : int
        Larger files are refused.

    Raises
    ------
    VeneerError
        When it is no file, none that was uploaded, or too large.
    """
    folder = Path(get_upload_folder()).resolve()
    try:
        path = Path(os.path.realpath(given["path"], strict=True))
        status = path.stat()
        name = str(given.get("orig_name") or path.name)[:200]
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        path = None
    if path is None or folder not in path.parents or not stat.S_ISREG(status.st_mode):
        raise VeneerError("Reading the picture: it is no file that was uploaded. Choose it anew.")
    if status.st_size > max_bytes:
        raise VeneerError(
            f"Reading {name}: {status.st_size:,} bytes are more than {max_bytes:,} "
            "(source.max_bytes). Choose a smaller file."
        )
    return path, name
