"""Fixtures for all tests, and the rules they run under."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from filelock import FileLock
from support import SHARED

if TYPE_CHECKING:
    from projects import Project

# Nothing that is loaded may carry code, and no hub may be asked.
os.environ["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] = "false"
os.environ["HF_HUB_OFFLINE"] = "1"
# A test that needs tracking sets its own.
os.environ.pop("MLFLOW_TRACKING_URI", None)


@pytest.fixture(scope="session")
def session_folder(tmp_path_factory) -> Path:
    """Folder of all processes that the tests are run by."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


@pytest.fixture(scope="session", autouse=True)
def compiled(session_folder) -> Path:
    """Folder of compiled encoders, for projects, served models and single encoders."""
    folder = session_folder / "compiled"
    os.environ["VENEER_CACHE"] = str(folder)
    return folder


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder of real photos and weights, which lies beside the project and is no part of it."""
    if not (SHARED / "data").is_dir():
        pytest.skip(f"needs the real photos and weights in {SHARED} (or VENEER_SHARED)")
    return SHARED


@pytest.fixture(scope="session")
def textures(session_folder, compiled) -> Project:
    """A project in which `kedro run` has come to its end on the sample, made once for all tests.

    Who changes anything in it works on a copy: ``Project.take_data``.
    """
    from projects import Project  # with Kedro and MLflow, which most tests do without

    folder = session_folder / "textures"
    with FileLock(session_folder / "textures.lock"):
        if (folder / "finished").exists():
            return Project(folder, copied=True)
        project = Project(folder)
        project.share_compiled(compiled)
        project.draw_small_sample()
        project.run()
        (folder / "finished").touch()
        return project


@pytest.fixture
def spark():
    """A local Spark; only for tests of the marker `spark`."""
    pytest.importorskip("pyspark", reason="needs pyspark, which is not among the requirements")
    java = shutil.which("java")
    if java is None:
        pytest.skip("needs Java 17")
    said = subprocess.run([java, "-version"], capture_output=True, text=True, check=True).stderr
    version = re.search(r'version "(\d+)', said)
    if not version or int(version[1]) != 17:
        pytest.skip("needs Java 17")
    os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"
    os.environ["PYSPARK_PYTHON"] = sys.executable
    from pyspark.sql import SparkSession

    session = (
        SparkSession.builder.master("local[2]")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.shuffle.partitions", "2")
        .getOrCreate()
    )
    yield session
    session.stop()
