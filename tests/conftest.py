"""Fixtures for all tests, and the rules they run under."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support import SHARED

if TYPE_CHECKING:
    from projects import Project

# Nothing that is loaded may carry code, and no hub may be asked.
os.environ["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] = "false"
os.environ["HF_HUB_OFFLINE"] = "1"
# A test that needs tracking sets its own.
os.environ.pop("MLFLOW_TRACKING_URI", None)


@pytest.fixture(scope="session", autouse=True)
def _compiled(tmp_path_factory):
    """Served models keep compiled encoders where the projects of the tests do."""
    os.environ["VENEER_CACHE"] = str(tmp_path_factory.getbasetemp() / "compiled")


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder of real photos and weights, which lies beside the project and is no part of it."""
    if not (SHARED / "data").is_dir():
        pytest.skip(f"needs the real photos and weights in {SHARED} (or VENEER_SHARED)")
    return SHARED


@pytest.fixture(scope="session")
def textures(tmp_path_factory) -> Project:
    """A project in which `kedro run` has come to its end on the sample, made once a session.

    Who changes anything in it works on a copy: ``Project.take_data``.
    """
    from projects import Project  # with Kedro and MLflow, which most tests do without

    project = Project(tmp_path_factory.mktemp("textures"))
    project.share_compiled(tmp_path_factory.getbasetemp() / "compiled")
    project.draw_small_sample()
    project.run()
    return project
