"""Pictures by their addresses, fetched side by side into a folder that is kept.

A picture lies in the cache under the SHA-1 of its address. What failed is remembered beside it, as
``<sha1>.json``: a second run asks for nothing that was asked before.
"""

from __future__ import annotations

import hashlib
import heapq
import itertools
import json
import logging
import os
import random
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from veneer.errors import VeneerError
from veneer.images import inspect_image
from veneer.refusals import RefusedError
from veneer.sources.client import Client, RequestError, host_of
from veneer.sources.options import DownloadOptions

logger = logging.getLogger(__name__)

LONGEST_WAIT = 120.0
"""Seconds: the most that a ``Retry-After`` or the back-off can put an address off."""

MOST_REDIRECTS = 10

SILENT_LIMIT = 20
"""Requests in a row without any answer, after which a host is not asked again in this run."""

_STALE = 3600  # seconds; a temporary file of this age is not being written by anybody
_NEVER = float("inf")
# An unpacked picture takes far more memory than its file, so few are unpacked at one time.
_inspecting = threading.BoundedSemaphore(4)


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
    progress: Any = None,
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
    progress : tqdm, optional
        Its ``update(1)`` is called once a row.

    Raises
    ------
    VeneerError
        When the cache cannot be written.
    """
    _sweep(cache)
    work = _Work(cache, options, max_bytes, max_pixels)
    errors: dict[str, str] = {}  # of each address; empty where its picture is in the cache
    waiting: dict[str, list[int]] = {}  # which rows wait for an address
    found: list[Fetched | None] = [None] * len(rows)

    def begin(url: str) -> None:
        """Have an address asked, unless the answer is known."""
        known = work.recall(url)
        if known is not None:
            errors[url] = known
            return
        try:
            work.queue.put(_Job(url, url))
            waiting[url] = []
        except RequestError as error:
            errors[url] = str(error)

    def settle(row: int) -> None:
        """Give the row its picture, or let it wait for its next address."""
        for url in rows[row]:
            if url not in errors and url not in waiting:
                begin(url)
            if url in waiting:
                waiting[url].append(row)
                return
            if not errors[url]:
                found[row] = Fetched(url, place(cache, url))
                break
        else:
            found[row] = _failed(rows[row], errors)
        if progress is not None:
            progress.update(1)

    asked = 0
    try:
        for row in range(len(rows)):
            settle(row)
        work.start(min(options.connections, len(rows)) if waiting else 0)
        while waiting:
            url, errors[url] = work.outcome()
            asked += 1
            for row in waiting.pop(url):
                settle(row)
    finally:
        work.stop()
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


def _failed(urls: Sequence[str], errors: dict[str, str]) -> Fetched:
    if not urls:
        return Fetched("", reason="download_failed", detail="the row has no address")
    detail = f"{urls[-1]}: {errors[urls[-1]]}"
    return Fetched(urls[0], reason="download_failed", detail=detail)


def _record(path: Path) -> Path:
    return path.with_name(f"{path.name}.json")


def _write(path: Path, data: bytes) -> None:
    """Write a file that is either whole or not there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}.tmp")
    try:
        with open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _sweep(cache: Path) -> None:
    """Remove what killed runs have left. Another run may be writing: only what is old."""
    for temporary in cache.glob("??/.*.tmp"):
        try:
            if time.time() - temporary.stat().st_mtime > _STALE:
                temporary.unlink()
        except OSError:
            continue


@dataclass
class _Job:
    """One address and what has been tried."""

    url: str
    target: str  # what is asked next: the address, or where it was redirected
    attempts: int = 0
    redirects: int = 0
    spent: float = 0.0  # seconds in requests


@dataclass
class _Host:
    name: str
    jobs: list[tuple[float, int, _Job]] = field(default_factory=list)  # a heap, by time
    active: int = 0
    not_before: float = 0.0
    offered: float = _NEVER  # time of its entry in the queue's heap
    silent: int = 0  # requests in a row without an answer


class _Queue:
    """Jobs by their hosts.

    Whoever asks is given a job of a host that has a connection to spare. A job that must wait,
    for its host or for its next attempt, waits in here and keeps nobody from working.
    """

    def __init__(self, connections_per_host: int):
        self.stopped = False
        self._limit = connections_per_host
        self._hosts: dict[str, _Host] = {}
        self._ready: list[tuple[float, int, _Host]] = []  # a heap, by time
        self._numbers = itertools.count()  # of the same time, first come, first served
        self._changed = threading.Condition()

    def put(self, job: _Job, due: float = 0.0) -> None:
        """Add a job that is to be done from the time ``due`` on."""
        name = host_of(job.target)
        with self._changed:
            host = self._hosts.setdefault(name, _Host(name))
            heapq.heappush(host.jobs, (due, next(self._numbers), job))
            self._offer(host)

    def take(self) -> tuple[_Job, _Host] | None:
        """Wait for a job; None when it is all over. The host must be released."""
        with self._changed:
            while not self.stopped:
                due, _, host = self._ready[0] if self._ready else (_NEVER, 0, None)
                now = time.monotonic()
                if due > now:
                    self._changed.wait(None if due == _NEVER else due - now)
                    continue
                heapq.heappop(self._ready)
                if due != host.offered:  # an earlier entry has been used
                    continue
                host.offered = _NEVER
                job = heapq.heappop(host.jobs)[2] if self._due(host) <= now else None
                host.active += job is not None
                self._offer(host)
                if job is not None:
                    return job, host
            return None

    def release(self, host: _Host) -> None:
        """Give back the connection of a job that was taken."""
        with self._changed:
            host.active -= 1
            self._offer(host)

    def pause(self, host: _Host, until: float) -> None:
        """Ask the host for nothing before a time."""
        with self._changed:
            host.not_before = max(host.not_before, until)

    def stop(self) -> None:
        """Let everybody go who waits."""
        with self._changed:
            self.stopped = True
            self._changed.notify_all()

    def _due(self, host: _Host) -> float:
        if not host.jobs or host.active >= self._limit:
            return _NEVER
        return max(host.jobs[0][0], host.not_before)

    def _offer(self, host: _Host) -> None:
        due = self._due(host)
        if due < host.offered:
            host.offered = due
            heapq.heappush(self._ready, (due, next(self._numbers), host))
            self._changed.notify()


class _Work:
    """Threads that do the jobs of a queue, and the outcome of each address.

    An outcome is an error; where the picture is in the cache, it is empty.
    """

    def __init__(self, cache: Path, options: DownloadOptions, max_bytes: int, max_pixels: int):
        self.queue = _Queue(options.connections_per_host)
        self._cache, self._options, self._max_pixels = cache, options, max_pixels
        self._limits = [max_bytes, max_pixels]
        self._outcomes: SimpleQueue[tuple[str, str | Exception]] = SimpleQueue()
        self._client = Client(
            timeout=options.timeout,
            max_bytes=max_bytes,
            hosts=options.connections,
            connections_per_host=options.connections_per_host,
        )

    def start(self, threads: int) -> None:
        for number in range(threads):
            # Daemons: a process that is interrupted does not wait for the slowest server.
            threading.Thread(target=self._run, name=f"download-{number}", daemon=True).start()

    def stop(self) -> None:
        self.queue.stop()
        self._client.stop()

    def outcome(self) -> tuple[str, str]:
        """Wait for the next address that is done, and its outcome."""
        url, outcome = self._outcomes.get()
        if isinstance(outcome, OSError):
            raise VeneerError(
                f"Downloading pictures into {self._cache}: {outcome.strerror or outcome}. What "
                "was fetched is kept: run it again when this is put right."
            ) from outcome
        if isinstance(outcome, Exception):
            raise outcome
        return url, outcome

    def recall(self, url: str) -> str | None:
        """The outcome of an earlier run, where there is one."""
        path = place(self._cache, url)
        try:
            if path.stat().st_size:
                return ""
        except OSError:
            pass
        if self._options.retry_failed:
            return None
        try:
            record = json.loads(_record(path).read_text(encoding="utf-8"))
            # What was too large under other limits may not be so now.
            return record["error"] if record["limits"] in (None, self._limits) else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _run(self) -> None:
        while (taken := self.queue.take()) is not None:
            job, host = taken
            try:
                outcome = self._do(job, host)
            except Exception as error:  # no fault of the address: a full disk, a mistake in here
                outcome = error
            self.queue.release(host)
            if outcome is not None:
                self._outcomes.put((job.url, outcome))

    def _do(self, job: _Job, host: _Host) -> str | None:
        """Make one request. Gives the outcome; None where it is not the last one."""
        path = place(self._cache, job.url)
        try:
            body = self._ask(job, host)
            if body is None:
                self.queue.put(job)
                return None
            _inspect(body, self._max_pixels)
        except RequestError as error:
            # What was cut off tells nothing of the address.
            if self.queue.stopped or (error.passing and self._try_later(job, host, error)):
                return None
            facts = {
                "url": job.url,
                "error": str(error),
                "permanent": not error.passing,
                "limits": self._limits if error.too_large else None,
            }
            _write(_record(path), json.dumps(facts, indent=1).encode())
            return str(error)
        _write(path, body)
        _record(path).unlink(missing_ok=True)
        return ""

    def _ask(self, job: _Job, host: _Host) -> bytes | None:
        """The body of the answer; None where the job is to go on at another address."""
        if host.silent >= SILENT_LIMIT:
            job.attempts = self._options.attempts
            message = f"not asked: {host.name} did not answer {SILENT_LIMIT} times in a row"
            raise RequestError(message, passing=True)
        job.attempts += not job.redirects
        start = time.monotonic()
        try:
            answer = self._client.get(job.target, self._options.time_limit - job.spent)
            host.silent = 0
        except RequestError as error:
            if error.answered:
                host.silent = 0
            elif error.passing:
                host.silent += 1
            raise
        finally:
            job.spent += time.monotonic() - start
        if isinstance(answer, bytes):
            return answer
        job.target = answer
        job.redirects += 1
        if job.redirects > MOST_REDIRECTS:
            raise RequestError(f"more than {MOST_REDIRECTS} redirects")
        return None

    def _try_later(self, job: _Job, host: _Host, error: RequestError) -> bool:
        """Put the job back, unless it has had its attempts and its time."""
        # After equal waits, all that failed together would come back together.
        delay = self._options.backoff * 2 ** (job.attempts - 1) * random.uniform(0.5, 1.5)
        until = time.monotonic() + min(max(delay, error.wait or 0), LONGEST_WAIT)
        if error.wait is not None:
            self.queue.pause(host, until)
        if job.attempts >= self._options.attempts or job.spent >= self._options.time_limit:
            return False
        job.target, job.redirects = job.url, 0
        self.queue.put(job, until)
        return True


def _inspect(data: bytes, max_pixels: int) -> None:
    try:
        with _inspecting:
            inspect_image(data, max_pixels=max_pixels)
    except RefusedError as refused:
        raise RequestError(
            str(refused),
            passing=refused.reason == "truncated",  # a server may cut it short without a word
            too_large=refused.reason == "too_many_pixels",
        ) from None
