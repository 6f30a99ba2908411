"""A real HTTP server on loopback that can misbehave."""

from __future__ import annotations

import re
import ssl
import threading
from collections.abc import Callable, Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Answer = Callable[[BaseHTTPRequestHandler], None]


class _HTTPServer(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128  # with the five that are usual, a burst of clients waits for seconds


class Server:
    """Serve ``routes``, remember ``requests``; used as a context manager.

    A route is the bytes of the answer, or a function of the request handler that writes one
    itself. What has no route is answered with 404. With ``keep_alive`` connections are used again.
    """

    def __init__(
        self,
        routes: dict[str, bytes | Answer] | None = None,
        *,
        keep_alive: bool = False,
        tls: ssl.SSLContext | None = None,
    ):
        self.keep_alive, self.tls = keep_alive, tls
        self.routes: dict[str, bytes | Answer] = dict(routes or {})
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.busiest = 0  # most requests that were being answered at one time
        self.stopped = threading.Event()  # what stalls waits for this, not for ever
        self._busy = 0
        self._lock = threading.Lock()

    def __enter__(self) -> Server:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1" if server.keep_alive else "HTTP/1.0"
            disable_nagle_algorithm = True

            def do_GET(self):
                with server._lock:
                    server.requests.append((self.path, dict(self.headers)))
                    server._busy += 1
                    server.busiest = max(server.busiest, server._busy)
                try:
                    server._answer(self)
                except (BrokenPipeError, ConnectionResetError):
                    pass  # the client has had enough
                finally:
                    with server._lock:
                        server._busy -= 1

            def log_message(self, *_):
                pass

        self._http = _HTTPServer(("127.0.0.1", 0), Handler)
        if self.tls is not None:
            self._http.socket = self.tls.wrap_socket(self._http.socket, server_side=True)
        # Looked at often: leaving the server waits for it.
        threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self.stopped.set()
        self._http.shutdown()
        self._http.server_close()

    def url(self, path: str = "") -> str:
        """Address of a route; ``localhost`` instead of ``127.0.0.1`` makes a second host of it."""
        scheme = "http" if self.tls is None else "https"
        return f"{scheme}://127.0.0.1:{self._http.server_port}{path}"

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        route = self.routes.get(handler.path)
        if callable(route):
            route(handler)
        elif route is None:
            handler.send_error(404)
        else:
            handler.send_response(200)
            handler.send_header("Content-Length", str(len(route)))
            handler.end_headers()
            handler.wfile.write(route)


class RangedFile:
    """A route that gives a file, or the rest of it from some byte on, as real servers do.

    ``cuts`` tells of each answer in turn after how many bytes of its body it breaks off; answers
    after these are whole. What happens then is ``then``, a function of the request handler; the
    connection is closed by itself.
    """

    def __init__(
        self,
        data: bytes,
        *,
        etag: str | None = '"1"',
        cuts: Iterable[int] = (),
        then: Answer = lambda handler: None,
        ranges: bool = True,
    ):
        self.data, self.etag, self.then, self.ranges = data, etag, then, ranges
        self.cuts = list(cuts)

    def __call__(self, handler: BaseHTTPRequestHandler) -> None:
        start = self._start(handler.headers)
        if start is None or start < len(self.data):
            body = self.data[start or 0 :]
            handler.send_response(200 if start is None else 206)
            last = len(self.data) - 1
            extent = f"bytes {start}-{last}/{len(self.data)}" if start is not None else None
        else:
            body, extent = b"", f"bytes */{len(self.data)}"
            handler.send_response(416)
        headers = {"Content-Range": extent, "Content-Length": str(len(body)), "ETag": self.etag}
        for name, value in headers.items():
            if value is not None:
                handler.send_header(name, value)
        handler.end_headers()
        if self.cuts:
            handler.wfile.write(body[: self.cuts.pop(0)])
            self.then(handler)
        else:
            handler.wfile.write(body)

    def _start(self, headers) -> int | None:
        asked = re.fullmatch(r"bytes=(\d+)-", headers.get("Range", ""))
        same = headers.get("If-Range", self.etag) == self.etag
        return int(asked[1]) if asked and same and self.ranges else None


def respond(handler, body=b"", status=200, **headers):
    """Answer with exactly these headers, be they true or not."""
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(body)


def always(*args, **headers):
    """A route that does so each time."""
    return lambda handler: respond(handler, *args, **headers)
