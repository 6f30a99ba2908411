"""The app in this process, on a port of loopback."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from veneer.app.server import LOCAL_NAMES, create_app
from veneer.app.workspace import Workspace

# Clients keep a connection open; who closes the server does not wait for them.
OPTIONS = {"port": 0, "log_config": None, "access_log": False, "timeout_graceful_shutdown": 1}


@contextmanager
def serving(workspace: Workspace, names: tuple[str, ...] = (), **credentials: str) -> Iterator[str]:
    """The address of the app."""
    app = create_app(workspace, credentials, (*LOCAL_NAMES, *names))
    server = uvicorn.Server(uvicorn.Config(app, **OPTIONS))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.02)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()
