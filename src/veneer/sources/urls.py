"""Pictures by their addresses, fetched side by side into a folder that is kept.

A picture lies in the cache under the SHA-1 of its address. What failed is remembered beside it, as
``<sha1>.json``: a second run asks for nothing that was asked before.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import os
import random
import ssl
import textwrap
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from veneer import __version__
from veneer.errors import VeneerError
from veneer.refusals import RefusedError
from veneer.sources.options import DownloadOptions
from veneer.workers import inspect_apart

if TYPE_CHECKING:
    import aiohttp

logger = logging.getLogger(__name__)

LONGEST_WAIT = 120.0
"""Seconds: the most that a ``Retry-After`` or the back-off can put an address off."""

SILENT_LIMIT = 20
"""Requests in a row without any answer, after which a host is not asked again in this run."""

_ROWS_A_CONNECTION = 50  # so many are begun: beside a slow host there is work for others
_INSPECTING = 4  # at one time: an unpacked picture takes far more memory than its file


@dataclass(frozen=True)
class Fetched:
    """What came of one row of addresses.

    Attributes
    ----------
    url : str
        The address of the picture; where there is none, the row's first address.
    path : Path, optional
        The picture's file in the cache.
    reason, detail : str, optional
        Of :mod:`veneer.refusals`, where there is no picture.
    """

    url: str
    path: Path | None = None
    reason: str | None = None
    detail: str | None = None


def fetch_first(
    rows: Sequence[Sequence[str]],
    cache: Path,
    options: DownloadOptions,
    *,
    max_bytes: int,
    max_pixels: int,
    advance: Callable[[int], object] | None = None,
) -> list[Fetched]:
    """Fetch of each row the first address that gives a picture.

    An address that stands in several rows is asked once. Of answers no more than one a
    connection is held in memory, none larger than ``max_bytes``.

    Parameters
    ----------
    rows : sequence of sequences of addresses
    cache : Path
        Folder; made where it is missing.
    options : DownloadOptions
    max_bytes, max_pixels : int
        Larger pictures are none.
    advance : callable, optional
        Is called with 1 once a row, in another thread.

    Raises
    ------
    VeneerError
        When the cache cannot be written.
    """
    found: list[Fetched | None] = [None] * len(rows)
    rows_left = iter(enumerate(rows))  # the workers share it

    async def work(pictures: _Pictures) -> None:
        for number, urls in rows_left:
            found[number] = await pictures.first(urls)
            if advance is not None:
                advance(1)
            await asyncio.sleep(0)  # among cached pictures Ctrl-C would not be heard without it

    async def fetch_all() -> int:
        async with _session(options) as session, asyncio.TaskGroup() as workers:
            pictures = _Pictures(session, cache, options, max_bytes, max_pixels)
            for _ in range(min(len(rows), options.connections * _ROWS_A_CONNECTION)):
                workers.create_task(work(pictures))
        return pictures.asked

    asked = _run(fetch_all())
    failed = sum(result.path is None for result in found)
    again = " (source.download.retry_failed=true asks for these again)" if failed else ""
    logger.info(
        "Pictures of %d rows: %d addresses asked, %d rows without a picture%s",
        *(len(rows), asked, failed, again),
    )
    return found


def place(cache: Path, url: str) -> Path:
    """Where the picture of an address lies in the cache, once it is there."""
    digest = hashlib.sha1(url.encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest()
    return cache / digest[:2] / digest


def _run(work: Coroutine) -> Any:
    """Run it in a loop and a thread of its own: in a notebook, this thread has a running loop."""
    loop = asyncio.new_event_loop()
    task = loop.create_task(work)
    with closing(loop), ThreadPoolExecutor(1) as thread:
        try:
            return thread.submit(loop.run_until_complete, task).result()
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None
        finally:
            loop.call_soon_threadsafe(task.cancel)  # for Ctrl-C, which comes to this thread only


def _session(options: DownloadOptions) -> aiohttp.ClientSession:
    import aiohttp
    from requests.certs import where

    trusted = ssl.create_default_context()
    trusted.load_verify_locations(where())  # some systems have no certificates of their own
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(
            limit=options.connections, limit_per_host=options.connections_per_host, ssl=trusted
        ),
        timeout=aiohttp.ClientTimeout(sock_connect=options.timeout, sock_read=options.timeout),
        headers={"User-Agent": f"veneer/{__version__}", "Accept-Encoding": "identity"},
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=True,  # proxies
    )


def _write(cache: Path, path: Path, data: bytes) -> None:
    """Write a file that is either whole or not there."""
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink()
        raise VeneerError(
            f"Downloading pictures into {cache}: {error.strerror or error}. What was fetched is "
            "kept: run it again when this is put right."
        ) from error


def _host_of(url: str) -> str:
    with suppress(ValueError):
        parts = urlsplit(url)
        if parts.scheme in ("http", "https") and parts.hostname:
            return parts.hostname
    raise _FetchError("this is no http or https address")


def _wanted_wait(response: aiohttp.ClientResponse) -> float:
    """Seconds of a ``Retry-After``, which may also be a date."""
    wanted = response.headers.get("Retry-After", "")
    if wanted.isdecimal():
        return float(wanted)
    with suppress(ValueError, OverflowError):
        return parsedate_to_datetime(wanted).timestamp() - time.time()
    return 0


def _explained(error: Exception) -> _FetchError:
    """What aiohttp has raised, and whether it may pass."""
    import aiohttp

    if type(error) is TimeoutError:  # aiohttp's own ones are of other classes
        return _FetchError("it took too long")
    words = textwrap.shorten(f"{type(error).__name__}: {error}", 300)
    not_http = (ValueError, aiohttp.NonHttpUrlClientError)  # InvalidURL is a ValueError
    lasting = (*not_http, aiohttp.TooManyRedirects, aiohttp.ClientSSLError)
    return _FetchError(words, passing=not isinstance(error, lasting))


class _FetchError(Exception):
    """An address did not give a picture; if this is ``passing``, it may do so later."""

    def __init__(self, message: str, *, passing: bool = False, wait: float = 0):
        super().__init__(message)
        self.passing, self.wait = passing, wait


class _Pictures:
    """The pictures behind addresses, from the cache or from the web."""

    def __init__(
        self, session: aiohttp.ClientSession, cache: Path, options: DownloadOptions, *limits: int
    ):
        self._session, self._cache, self._options = session, cache, options
        self._limits = list(limits)  # of bytes and of pixels
        self._errors: dict[str, asyncio.Future[str]] = {}  # of each address; see `_error`
        self._silent: Counter[str] = Counter()  # requests in a row without an answer, by host
        # First a host is waited for, then a connection: so a slow host keeps no other from being
        # asked. The session has the same limits, for where redirects lead to; but the time that is
        # waited there is not free, and an answer that has been read does not count there any more.
        self._hosts = defaultdict(lambda: asyncio.Semaphore(options.connections_per_host))
        self._connections = asyncio.Semaphore(options.connections)
        self._inspecting = asyncio.Semaphore(_INSPECTING)
        self.asked = 0

    async def first(self, urls: Sequence[str]) -> Fetched:
        """The first of these that gives a picture."""
        detail = "the row has no address"
        for url in urls:
            error = await self._error(url)
            if not error:
                return Fetched(url, place(self._cache, url))
            detail = f"{url}: {error}"
        return Fetched(urls[0] if urls else "", reason="download_failed", detail=detail)

    async def _error(self, url: str) -> str:
        """Why there is no picture; where it is in the cache now, an empty text."""
        if url not in self._errors:
            self._errors[url] = asyncio.get_running_loop().create_future()
            known = self._recall(url)
            self._errors[url].set_result(await self._fetch(url) if known is None else known)
        return await self._errors[url]

    def _recall(self, url: str) -> str | None:
        """The outcome of an earlier run, where there is one."""
        path = place(self._cache, url)
        with suppress(OSError):
            if path.stat().st_size:
                return ""
        if self._options.retry_failed:
            return None
        try:
            record = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
            # What was too large under other limits may not be so now.
            return record["error"] if record["limits"] in (None, self._limits) else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    async def _fetch(self, url: str) -> str:
        """As `_error`, from the web."""
        self.asked += 1
        for attempt in range(1, self._options.attempts + 1):
            try:
                host = _host_of(url)
                async with self._hosts[host], self._connections:
                    body = await self._get(url, host)
                    async with self._inspecting:
                        await asyncio.to_thread(self._keep, url, body)
                return ""
            except _FetchError as failure:
                error, wait = str(failure), failure.wait
                if not failure.passing or attempt == self._options.attempts:
                    break
            # After equal waits, all that failed together would come back together.
            delay = self._options.backoff * 2 ** (attempt - 1) * random.uniform(0.5, 1.5)
            await asyncio.sleep(min(max(delay, wait), LONGEST_WAIT))
        limits = self._limits if error.startswith("too_many") else None
        record = json.dumps({"url": url, "error": error, "limits": limits}, indent=1).encode()
        path = place(self._cache, url).with_suffix(".json")
        await asyncio.to_thread(_write, self._cache, path, record)
        return error

    async def _get(self, url: str, host: str) -> bytes:
        import aiohttp

        if self._silent[host] >= SILENT_LIMIT:
            raise _FetchError(f"not asked: {host} did not answer {SILENT_LIMIT} times in a row")
        try:
            async with (
                asyncio.timeout(self._options.time_limit),
                self._session.get(url, max_redirects=10) as response,
            ):
                self._silent[host] = 0
                return await self._body(response)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            self._silent[host] += 1
            raise _explained(error) from None

    async def _body(self, response: aiohttp.ClientResponse) -> bytes:
        status, max_bytes = response.status, self._limits[0]
        if not 200 <= status < 300:
            passing = status in (408, 425, 429) or status >= 500
            message = f"status {status} {response.reason}"
            raise _FetchError(message, passing=passing, wait=_wanted_wait(response))
        too_large = _FetchError(f"too_many_bytes: more than {max_bytes:,}")
        if (response.content_length or 0) > max_bytes:
            raise too_large
        body = bytearray()
        async for chunk in response.content.iter_any():
            body += chunk
            if len(body) > max_bytes:
                raise too_large
        return bytes(body)

    def _keep(self, url: str, body: bytes) -> None:
        """Write it into the cache if it is a picture."""
        path = place(self._cache, url)
        try:
            inspect_apart(body, self._limits[1])
        except RefusedError as refused:
            # A server may cut an answer short without a word.
            raise _FetchError(str(refused), passing=refused.reason == "truncated") from None
        _write(self._cache, path, body)
        path.with_suffix(".json").unlink(missing_ok=True)
