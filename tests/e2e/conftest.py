"""A copy of the project for each module."""

from __future__ import annotations

import pytest
from projects import Project

# Modules whose tests are about making an encoder ready.
OWN_CACHE = {"test_command_line", "test_embedding"}


@pytest.fixture(scope="module")
def project(request, tmp_path_factory, compiled) -> Project:
    """One copy for all tests of a module; compiled encoders are shared by all modules."""
    project = Project(tmp_path_factory.mktemp("project"))
    if request.module.__name__.rpartition(".")[2] not in OWN_CACHE:
        project.share_compiled(compiled)
    return project
