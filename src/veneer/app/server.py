"""The web server around the pages: what may be asked for, by whom, and from where."""

from __future__ import annotations

import errno
import logging
import re
import socket
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path

import fastapi
import gradio as gr
import uvicorn
from gradio import processing_utils
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from veneer.app.page import HEAD, THEME, build
from veneer.app.pictures import picture_routes
from veneer.app.searching import warm
from veneer.app.workspace import Workspace
from veneer.errors import VeneerError
from veneer.project import Project

logger = logging.getLogger(__name__)

STATIC = Path(__file__).parent / "static"

LOCAL_NAMES = ("localhost", "127.0.0.1", "[::1]")

# What Gradio's pages and gradio_client ask for. Gradio answers much else, among it requests to
# fetch any address (`file=https://…`, `proxy=…`) or to change its source; none of that is let in.
_ALLOWED = re.compile(
    r"""/ | /(assets|static|veneer)/.+ | /(theme\.css|favicon\.ico|manifest\.json|robots\.txt)
    | /(config|login|logout)/? | /(thumbnails|pictures|results)/[^/]+ | /report
    | /gradio_api/(info|app_id|login_check|startup-events|theme\.css|upload|upload_progress
        |cancel|reset|queue/join|queue/data|run/predict|component_server|user|token)/?
    | /gradio_api/heartbeat/[^/]+ | /gradio_api/call/[^/]+(/[^/]+)?
    | /gradio_api/file=(?!\s*https?:).+""",
    re.VERBOSE | re.IGNORECASE,
)

# Gradio's own scripts are inline, and its templates are compiled in the browser. Everything comes
# from this server: a page that was led astray can load nothing, and tell nobody.
_HEADERS = {
    "content-security-policy": "default-src 'self'; script-src 'self' 'unsafe-inline' "
    "'unsafe-eval' blob:; worker-src 'self' blob:; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; object-src 'none'; base-uri 'self'; "
    "form-action 'self'; frame-ancestors 'self'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
}


class Guard:
    """Lets in what the app is made of, under the names it is known by.

    Parameters
    ----------
    app : ASGI application
    hosts : sequence of str, or None
        Names that the address bar may have; None lets any pass. A server on loopback is known by
        few names: a page of the web whose name was turned to 127.0.0.1 must not read from it.
    """

    def __init__(self, app: ASGIApp, hosts: tuple[str, ...] | None):
        self._app, self._hosts = app, hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or hand on."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        host = Headers(scope=scope).get("host", "")
        if self._hosts is not None and re.sub(r":\d+$", "", host).lower() not in self._hosts:
            answer = PlainTextResponse("This server is not known by that name.", 421)
            await answer(scope, receive, send)
            return
        if not _ALLOWED.fullmatch(scope["path"]):
            await PlainTextResponse("There is nothing here.", 404)(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = [(name.encode(), value.encode()) for name, value in _HEADERS.items()]
                given = [
                    (k, v) for k, v in message["headers"] if k.decode().lower() not in _HEADERS
                ]
                message = {**message, "headers": [*given, *own]}
            await send(message)

        await self._app(scope, receive, send_with_headers)


def create_app(
    workspace: Workspace, credentials: Mapping[str, str], hosts: tuple | None
) -> ASGIApp:
    """The whole app.

    Parameters
    ----------
    workspace : Workspace
    credentials : mapping of name to password
        Who may log in; where there is none, nobody has to.
    hosts : tuple of str, or None
        See :class:`Guard`.
    """
    _keep_gradio_from_fetching()
    app = fastapi.FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.mount("/veneer", StaticFiles(directory=STATIC))
    limit = workspace.parameters.source.max_bytes

    def logged_in(request: fastapi.Request) -> None:
        """As Gradio's own check, for what Gradio does not answer."""
        cookies, key = request.cookies, inner.cookie_id
        token = cookies.get(f"access-token-{key}") or cookies.get(f"access-token-unsecure-{key}")
        if inner.auth is not None and inner.tokens.get(token) is None:
            raise fastapi.HTTPException(401, "Log in first.")

    app.include_router(picture_routes(workspace), dependencies=[fastapi.Depends(logged_in)])
    gr.mount_gradio_app(
        app,
        build(workspace),
        path="/",
        theme=THEME,
        head=HEAD,
        auth=list(credentials.items()) or None,
        footer_links=[],
        run_history=False,
        ssr_mode=False,
        mcp_server=False,
        enable_monitoring=False,
        show_error=False,
        max_file_size=limit,
        allowed_paths=[],
    )
    inner = next(
        route.app for route in app.routes if isinstance(getattr(route, "app", None), gr.routes.App)
    )
    return Guard(app, hosts)


def serve(project: Project, host: str, port: int, credentials: Mapping[str, str]) -> None:
    """Listen until Ctrl-C.

    Raises
    ------
    VeneerError
        When the address cannot be listened on.
    """
    workspace = Workspace(project)
    bound = _listen(host, port)
    where = bound.getsockname()
    shown = f"[{host}]" if ":" in host else host
    local = ip_address(where[0].split("%")[0]).is_loopback
    hosts = (*LOCAL_NAMES, shown.lower()) if local else None
    app = create_app(workspace, credentials, hosts)
    who = f"for {', '.join(credentials)}" if credentials else "without login"
    logger.info(
        "The app shows %s, %s: http://%s:%d (Ctrl-C ends it)",
        workspace.collection,
        who,
        shown,
        where[1],
    )
    if not local and not credentials:
        logger.warning(
            "Whoever reaches this machine can use the app: %s is not loopback, and there is no "
            "`app` in credentials.yml",
            host,
        )
    warm(workspace)
    config = uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=3)
    with bound:
        uvicorn.Server(config).run(sockets=[bound])


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        bound = socket.socket(family, kind, protocol)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
        bound.listen(128)
    except OSError as error:
        advice = "Check --host."
        if error.errno == errno.EADDRINUSE:
            advice = "Another program listens there. Name another --port; 0 takes a free one."
        raise VeneerError(
            f"Opening the app on {host}, port {port}: {error.strerror}. {advice}"
        ) from error
    return bound


def _keep_gradio_from_fetching() -> None:
    """Gradio fetches an upload that is given as an address by itself, without a limit of size.

    Addresses are fetched by :mod:`veneer.sources.public` alone.
    """

    async def refuse(url: str) -> None:
        raise ValueError("addresses are not fetched here")

    processing_utils.async_ssrf_protected_get = refuse
