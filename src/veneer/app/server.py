"""The web server around the pages: what may be asked for, by whom, and from where."""

from __future__ import annotations

import asyncio
import errno
import hmac
import logging
import re
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

import fastapi
import gradio as gr
import uvicorn
from gradio import processing_utils
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse, Response
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
    b"content-security-policy": b"default-src 'self'; script-src 'self' 'unsafe-inline' "
    b"'unsafe-eval' blob:; worker-src 'self' blob:; style-src 'self' 'unsafe-inline'; "
    b"img-src 'self' data: blob:; font-src 'self' data:; object-src 'none'; base-uri 'self'; "
    b"form-action 'self'; frame-ancestors 'self'",
    b"cross-origin-resource-policy": b"same-origin",
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"same-origin",
}

LOGIN_PAUSE = 1.0
"""Seconds that a wrong password is thought about; nobody else is let in meanwhile."""


class Guard:
    """Lets in what the app is made of, under the names it is known by, from its own pages.

    Gradio lets pages of any origin ask, wherever it does not listen under the name localhost. Here
    none may: the page of a stranger, open in the same browser, would ask in its user's name.

    Parameters
    ----------
    app : ASGI application
    names : sequence of str, or None
        That the address bar may have; None lets any pass. A server on loopback is known by few: a
        page of the web whose name was turned to 127.0.0.1 must not read from it.
    """

    def __init__(self, app: ASGIApp, names: tuple[str, ...] | None):
        self._app, self._names = app, names

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or hand on."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        elif (refusal := self._refusal(scope)) is not None:
            await refusal(scope, receive, send)
        else:
            await self._app(scope, receive, partial(_send, send))

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        host, origin = headers.get("host", "").lower(), headers.get("origin")
        if self._names is not None and re.sub(r":\d+$", "", host) not in self._names:
            return PlainTextResponse("This server is not known by that name.", 421)
        foreign = origin is not None and urlsplit(origin).netloc.lower() != host
        asked_by = headers.get("sec-fetch-site", "none")
        changing = scope["method"] not in ("GET", "HEAD")
        if foreign or (changing and asked_by not in ("none", "same-origin")):
            return PlainTextResponse("Pages of others may not ask here.", 403)
        if not _ALLOWED.fullmatch(scope["path"]):
            return PlainTextResponse("There is nothing here.", 404)
        return None


async def _send(send: Send, message: Message) -> None:
    """With our headers in the place of Gradio's; its cookie goes to our own pages alone."""
    if message["type"] == "http.response.start":
        given = [
            (name, re.sub(rb"(?i)samesite=none", b"SameSite=Lax", value))
            for name, value in message["headers"]
            if name.lower() not in _HEADERS and not name.lower().startswith(b"access-control-")
        ]
        message = {**message, "headers": [*given, *_HEADERS.items()]}
    await send(message)


def create_app(
    workspace: Workspace, credentials: Mapping[str, str], names: tuple | None
) -> ASGIApp:
    """The whole app.

    Parameters
    ----------
    workspace : Workspace
    credentials : mapping of name to password
        Who may log in; where there is none, nobody has to.
    names : tuple of str, or None
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
    page = build(workspace, logout=bool(credentials))
    # Where it is mounted, Gradio takes itself for not launched yet, and then does not look whether
    # a file that it is told to read was uploaded.
    page.has_launched = page.is_running = True
    gr.mount_gradio_app(
        app,
        page,
        path="/",
        theme=THEME,
        head=HEAD,
        auth=_login(credentials) if credentials else None,
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
    return Guard(app, names)


def _login(credentials: Mapping[str, str]) -> Callable[[str, str], Awaitable[bool]]:
    one_at_a_time = asyncio.Lock()

    async def check(name: str, password: str) -> bool:
        async with one_at_a_time:
            known = credentials.get(name, "")
            right = hmac.compare_digest(password.encode(), known.encode()) and bool(known)
            if not right:
                logger.warning("A login as %r failed", name[:60])
                await asyncio.sleep(LOGIN_PAUSE)
            return right

    return check


def serve(
    project: Project, host: str, port: int, names: Sequence[str], credentials: Mapping[str, str]
) -> None:
    """Listen until Ctrl-C.

    Parameters
    ----------
    project : Project
    host, port
        To listen on.
    names : sequence of str
        By which the app is reached besides; where there are none and ``host`` is not loopback, any
        name will do.
    credentials : mapping of name to password

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
    known = (*LOCAL_NAMES, shown.lower(), *(name.lower() for name in names))
    app = create_app(workspace, credentials, known if local or names else None)
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
    config = uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    # An open page holds a stream for as long as it is open. That it is cut off in the end is no
    # error, as uvicorn thinks.
    logging.getLogger("uvicorn.error").addFilter(lambda record: not server.should_exit)
    with bound, suppress(KeyboardInterrupt):
        server.run(sockets=[bound])


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
