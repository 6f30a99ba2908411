"""Fixtures for all tests, and the rules they run under."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support import SHARED

# Nothing that is loaded may carry code, and no hub may be asked.
os.environ["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] = "false"
os.environ["HF_HUB_OFFLINE"] = "1"
# A test that needs tracking sets its own.
os.environ.pop("MLFLOW_TRACKING_URI", None)


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder of real photos and weights, which lies beside the project and is no part of it."""
    if not (SHARED / "data").is_dir():
        pytest.skip(f"needs the real photos and weights in {SHARED} (or VENEER_SHARED)")
    return SHARED
