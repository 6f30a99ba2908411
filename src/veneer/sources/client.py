"""GET requests that come to an end: in time, in size, and in the number of connections."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from veneer import __version__

if TYPE_CHECKING:
    import requests

_PASSING_STATUSES = {408, 425, 429}  # and 5xx
_CHUNK = 2**16  # bytes


class RequestError(Exception):
    """A request did not give what was asked for.

    Attributes
    ----------
    passing : bool
        The same request may do better later.
    answered : bool
        The server has said something.
    wait : float, optional
        Seconds that the server wants its clients to wait.
    too_large : bool
        There is more than is allowed.
    """

    def __init__(
        self,
        message: str,
        *,
        passing: bool = False,
        answered: bool = True,
        wait: float | None = None,
        too_large: bool = False,
    ):
        super().__init__(message)
        self.passing, self.answered = passing, answered
        self.wait, self.too_large = wait, too_large


def host_of(url: str) -> str:
    """The host of an address.

    Raises
    ------
    RequestError
        When the address is none of a web server.
    """
    try:
        scheme, host = urlsplit(url).scheme, urlsplit(url).hostname
    except ValueError as error:
        raise RequestError(f"this is no address ({error})") from None
    if scheme not in ("http", "https"):
        raise RequestError(f"only http and https addresses are fetched, not {url!r}")
    if not host:
        raise RequestError("the address names no host")
    return host


class Client:
    """Makes one request at a time in each thread that uses it.

    Parameters
    ----------
    timeout : float
        Seconds without a byte.
    max_bytes : int
        No more than these are read of an answer.
    hosts, connections_per_host : int
        To how many hosts connections are kept open, and how many to each.
    """

    def __init__(self, *, timeout: float, max_bytes: int, hosts: int, connections_per_host: int):
        self._timeout, self._max_bytes = timeout, max_bytes
        self._thread = threading.local()  # `deadline` of its request
        self._stopped = threading.Event()
        self._session = _session(self._seconds_left, hosts, connections_per_host)

    def stop(self) -> None:
        """Cut off the requests that are being made, each at its next byte."""
        self._stopped.set()

    def get(self, url: str, seconds: float) -> bytes | str:
        """The body of the answer; where this is a redirect, the address that it names.

        Parameters
        ----------
        url : str
        seconds : float
            For all of it.

        Raises
        ------
        RequestError
        """
        import requests
        import urllib3

        self._thread.deadline = time.monotonic() + seconds
        answered = False
        try:
            timeout = self._seconds_left()
            with self._session.get(url, stream=True, timeout=timeout) as response:
                answered = True
                return _redirect(response) or self._body(response)
        except (
            requests.RequestException,
            urllib3.exceptions.HTTPError,
            TimeoutError,
            ValueError,  # addresses that only the layers below find fault with
        ) as error:
            message, passing = _meaning(error, self._timeout)
            if time.monotonic() >= self._thread.deadline:
                message = "it took too long"
            raise RequestError(message, passing=passing, answered=answered) from error

    def _body(self, response: requests.Response) -> bytes:
        status = response.status_code
        if not 200 <= status < 300:
            passing = status in _PASSING_STATUSES or status >= 500
            message = f"status {status} {response.reason or ''}".rstrip()
            raise RequestError(message, passing=passing, wait=_wanted_wait(response))
        message = f"too_many_bytes: more than {self._max_bytes:,}"
        announced = response.headers.get("Content-Length", "")
        if announced.isdecimal() and int(announced) > self._max_bytes:
            raise RequestError(message, too_large=True)
        body = bytearray()
        for chunk in response.iter_content(_CHUNK):
            body += chunk
            if len(body) > self._max_bytes:
                raise RequestError(message, too_large=True)
        return bytes(body)

    def _seconds_left(self) -> float:
        """For the next read of this thread."""
        left = self._thread.deadline - time.monotonic()
        if left <= 0 or self._stopped.is_set():
            raise TimeoutError
        return min(left, self._timeout)


def _session(
    seconds_left: Callable[[], float], hosts: int, connections_per_host: int
) -> requests.Session:
    """A session for all threads, in which every read of a socket asks for its time-out.

    The time-outs of `requests` begin anew with every byte: a server that sends one byte a second
    would never come to an end.
    """
    import http.client
    from http.cookiejar import DefaultCookiePolicy

    import requests

    class TimedResponse(http.client.HTTPResponse):
        def __init__(self, sock: Any, *args: Any, **kwargs: Any):
            def makefile(*_: Any) -> io.BufferedReader:
                return io.BufferedReader(_TimedReader(sock, seconds_left))

            super().__init__(SimpleNamespace(makefile=makefile), *args, **kwargs)

    class TimedAdapter(requests.adapters.HTTPAdapter):
        def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> Any:
            pool = super().get_connection_with_tls_context(*args, **kwargs)
            if pool.ConnectionCls.response_class is not TimedResponse:
                members = {"response_class": TimedResponse}
                pool.ConnectionCls = type("TimedConnection", (pool.ConnectionCls,), members)
            return pool

    session = requests.Session()
    session.headers["User-Agent"] = f"veneer/{__version__}"
    session.headers["Accept-Encoding"] = "identity"  # pictures are packed already
    # Cookies are the one part of a session that threads cannot share.
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    # `requests` would read the whole body of a redirect into memory, even of one that it does not
    # follow; and the connections to the host where it leads would not be counted.
    session.get_redirect_target = lambda response: None
    for scheme in ("http://", "https://"):
        session.mount(scheme, TimedAdapter(hosts, connections_per_host))
    return session


class _TimedReader(io.RawIOBase):
    """A socket's bytes; before each read a function tells how long it may take."""

    def __init__(self, sock: Any, seconds_left: Callable[[], float]):
        self._socket, self._seconds_left = sock, seconds_left
        self._raw = sock.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._socket.settimeout(self._seconds_left())
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


def _redirect(response: requests.Response) -> str | None:
    from requests.sessions import SessionRedirectMixin

    target = SessionRedirectMixin().get_redirect_target(response)
    return None if target is None else urljoin(response.url, target)


def _wanted_wait(response: requests.Response) -> float | None:
    from urllib3.exceptions import InvalidHeader
    from urllib3.util import Retry

    wanted = response.headers.get("Retry-After")
    if wanted is not None:
        try:
            return Retry().parse_retry_after(wanted)
        except (InvalidHeader, ValueError, OverflowError):
            pass
    return 0.0 if response.status_code == 429 else None


def _meaning(error: Exception, timeout: float) -> tuple[str, bool]:
    """What an exception says in words, and whether it may pass."""
    import requests
    import urllib3

    causes = [error]
    while cause := causes[-1].__cause__ or causes[-1].__context__:
        causes.append(cause)
    if any(isinstance(cause, TimeoutError | requests.Timeout) for cause in causes):
        return f"not a byte for {timeout:g} seconds", True
    spoken = [words for cause in causes if (words := getattr(cause, "strerror", None))]
    words = spoken[-1] if spoken else " ".join(str(causes[-1]).split())
    if isinstance(error, requests.exceptions.SSLError):
        return f"the connection is not to be trusted: {words}", False
    broken = (
        requests.ConnectionError,
        requests.exceptions.ChunkedEncodingError,
        requests.exceptions.ContentDecodingError,
        urllib3.exceptions.ProtocolError,
    )
    if isinstance(error, broken):
        return f"the connection failed: {words}", True
    return f"it cannot be asked for: {words}", False
