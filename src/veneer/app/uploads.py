"""What a browser has uploaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def uploaded(given: dict[str, Any] | None) -> tuple[bytes | None, str]:
    """Bytes and name of a file as Gradio hands it on, unread: it is ours that reads pictures.

    Gradio has seen to it that the path is one of its uploads, and not too large.
    """
    if not given:
        return None, ""
    return Path(given["path"]).read_bytes(), given.get("orig_name") or "a picture"
