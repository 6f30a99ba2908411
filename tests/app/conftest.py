"""The app over a finished run, in this process, listening on loopback."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from serving import serving

from veneer.app.workspace import Workspace
from veneer.project import open_project


@pytest.fixture(scope="session")
def workspace(textures) -> Workspace:
    """The finished run; nobody writes into it."""
    return Workspace(open_project(textures.path))


@pytest.fixture(scope="session")
def address(workspace) -> Iterator[str]:
    """Of the app without login."""
    with serving(workspace) as address:
        yield address
