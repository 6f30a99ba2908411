"""Fetch one large file over HTTP, going on where an earlier attempt or run was cut off."""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from tqdm import tqdm

from veneer.errors import VeneerError
from veneer.sources.options import ArchiveOptions

if TYPE_CHECKING:
    from requests import Response

logger = logging.getLogger(__name__)

CHUNK_BYTES = 2**18
LEAST_PROGRESS = 2**20
"""Bytes after which earlier attempts are forgotten. With fewer a server could go on for ever."""
LEAST_SPEED = 1024
"""Bytes a second below which a server has stalled."""
LONGEST_WAIT = 60.0
"""Seconds between two attempts, whatever the back-off or the server says."""


@dataclass(frozen=True)
class ArchiveLocation:
    """Where the archive of a collection is kept, and where it is unpacked.

    Attributes
    ----------
    folder : Path
    target : Path
        Folder of the raw files.
    unpacked : bool
        Whether ``target`` holds files.
    """

    folder: Path
    target: Path
    unpacked: bool


def fetch_archive(options: ArchiveOptions, folder: Path) -> Path:
    """Fetch the archive into ``folder``, unless it is there.

    What has come so far is kept as ``<name>.part`` between attempts and between runs. The
    checksum decides: a file that does not have it is fetched once more from its beginning, and
    then given up.

    Parameters
    ----------
    options : ArchiveOptions
        With an address and a hash.
    folder : Path

    Returns
    -------
    Path
        Of the whole file.

    Raises
    ------
    VeneerError
        When it cannot be fetched or written, or what came is another file.
    """
    import pooch

    pooch.get_logger().setLevel("WARNING")  # it writes to stderr past conf/logging.yml
    file = folder / archive_name(options.url)
    part = Part(file)
    found = []
    try:
        while len(found) < 2:
            try:
                pooch.retrieve(
                    options.url,
                    options.hash,
                    fname=file.name,
                    path=folder,
                    downloader=ResumingDownloader(file, options),
                )
            except VeneerError:
                raise
            except ValueError:  # pooch's word for a wrong checksum
                algorithm = pooch.hashes.hash_algorithm(options.hash)
                found.append(f"{algorithm}:{pooch.file_hash(part.path, algorithm)}")
                size = part.size
                part.remove()
                logger.warning("%s: what came has the hash %s", options.url, found[-1])
            else:
                part.remove()
                return file
    except OSError as error:
        raise VeneerError(
            f"Fetching {options.url}: it cannot be written to {file} "
            f"({error.strerror or error}). Make room or give permission there, and run again."
        ) from error
    raise VeneerError(
        f"Fetching {options.url}: expected the hash {options.hash}, found "
        f"{' and then '.join(dict.fromkeys(found))} ({size:,} bytes). The file there is another "
        f"one than download.hash names, or is changed on its way. {_by_hand(file)}"
    )


def archive_name(url: str) -> str:
    """File name of an archive: the last part of its address."""
    name = re.sub(r"[^\w.+-]", "_", unquote(urlsplit(url).path.rpartition("/")[2])).lstrip(".")
    return name or "archive"


@dataclass(frozen=True)
class Remote:
    """What a server said of a file."""

    url: str
    etag: str | None
    modified: str | None
    total: int | None  # bytes

    @property
    def validator(self) -> str | None:
        """What goes into If-Range; a weak ETag may not."""
        return self.modified if (self.etag or "W/").startswith("W/") else self.etag

    def is_same(self, other: Remote) -> bool:
        """Whether nothing speaks against it."""
        pairs = zip(asdict(self).values(), asdict(other).values(), strict=True)
        return all(a == b for a, b in pairs if a is not None and b is not None)


class Part:
    """The beginning of a file, kept beside it, and what the server said of the whole."""

    def __init__(self, file: Path):
        self.path = file.with_name(f"{file.name}.part")
        self._notes = file.with_name(f"{file.name}.part.json")

    @property
    def size(self) -> int:
        """Bytes that are there."""
        return self.path.stat().st_size if self.path.exists() else 0

    def remote(self) -> Remote | None:
        """What was said by the server that the bytes came from, if it is known."""
        try:
            return Remote(**json.loads(self._notes.read_text()))
        except (OSError, ValueError, TypeError):
            return None

    def begin(self, remote: Remote) -> None:
        """Forget the bytes that are there. First of all: they are not of this file."""
        self.path.write_bytes(b"")
        self._notes.write_text(json.dumps(asdict(remote)))

    def remove(self) -> None:
        """Leave nothing behind."""
        self.path.unlink(missing_ok=True)
        self._notes.unlink(missing_ok=True)


class _PassingError(Exception):
    """Worth another attempt."""

    def __init__(self, what: str, wait: float = 0.0):
        super().__init__(what)
        self.wait = wait


class ResumingDownloader:
    """A downloader for :func:`pooch.retrieve` that goes on where it was cut off.

    Parameters
    ----------
    file : Path
        Where pooch will put the file; the part lies beside it.
    options : ArchiveOptions
    """

    def __init__(self, file: Path, options: ArchiveOptions):
        self._file, self._options, self._part = file, options, Part(file)

    def __call__(self, url: str, output_file: str, pooch: object) -> None:
        """Fetch ``url`` to ``output_file``; pooch compares the checksum then."""
        if self._file.exists():
            logger.warning("%s has not the hash %s", self._file, self._options.hash)
        Path(output_file).unlink()  # a kill would leave it behind
        self._remove_leftovers()
        logger.info("fetching %s to %s", url, self._file)
        self._complete(url)
        # The part stays until the checksum has been compared, so that a kill costs nothing.
        try:
            os.link(self._part.path, output_file)
        except OSError:  # not every file system has links
            shutil.copyfile(self._part.path, output_file)

    def _remove_leftovers(self) -> None:
        """Remove links to the part, which a kill while pooch read them has left."""
        for leftover in self._file.parent.glob("tmp*"):
            if self._part.path.exists() and leftover.samefile(self._part.path):
                leftover.unlink()

    def _complete(self, url: str) -> None:
        """Make attempts until the part is the whole file."""
        failed, furthest = 0, self._part.size
        while True:
            try:
                return self._attempt(url)
            except _PassingError as error:
                failed += 1
                if self._part.size >= furthest + LEAST_PROGRESS:
                    failed, furthest = 0, self._part.size
                if failed >= self._options.attempts:
                    raise self._given_up(url, failed, error) from error
                wait = self._options.backoff * 2 ** min(max(failed - 1, 0), 10)
                wait = min(max(wait, error.wait), LONGEST_WAIT)
                logger.warning("%s: %s; trying again in %.3g s", url, error, wait)
            time.sleep(wait)

    def _given_up(self, url: str, failed: int, error: _PassingError) -> VeneerError:
        size = self._part.size
        kept = f"{size:,} bytes are kept, and the next run goes on there. " if size else ""
        return VeneerError(
            f"Fetching {url}: given up after {failed} attempts in a row; the last one: {error}. "
            f"{kept}{_by_hand(self._file)}"
        )

    def _attempt(self, url: str) -> None:
        """Ask once for what is missing, and write down what comes."""
        known = self._part.remote()
        if known is None or known.url != url:
            self._part.remove()
            known = None
        size = self._part.size
        if size and size == known.total:
            return
        # The archive itself is wanted, not its content unpacked on the way.
        headers = {"Accept-Encoding": "identity"}
        if size:
            headers["Range"] = f"bytes={size}-"
            if known.validator:
                headers["If-Range"] = known.validator
            logger.info("going on behind the %d bytes that are there", size)
        with self._get(url, headers) as response:
            start, total = _extent(response)
            if response.status_code == 416 and size:
                if total == size:
                    return
                self._part.remove()
                raise _PassingError(f"the server has no byte {size:,}")
            self._require_file(url, response)
            remote = Remote(
                url, response.headers.get("ETag"), response.headers.get("Last-Modified"), total
            )
            if response.status_code == 200:
                if size:
                    logger.warning("%s: the server begins anew", url)
                self._part.begin(remote)
            elif start != size or (known and not known.is_same(remote)):
                self._part.remove()
                raise _PassingError("the server goes on with another file, or at another place")
            elif not size:
                self._part.begin(remote)
            elif total is None:
                total = known.total
            self._write(url, response, total)
        self._compare(total)

    def _get(self, url: str, headers: dict[str, str]) -> Response:
        import requests

        passing = (
            requests.exceptions.ConnectionError,
            requests.exceptions.Timeout,
            requests.exceptions.ChunkedEncodingError,
        )
        try:
            return requests.get(url, headers=headers, stream=True, timeout=self._options.timeout)
        except passing as error:
            raise _PassingError(_in_words(error)) from error
        except (requests.exceptions.RequestException, ValueError) as error:
            raise VeneerError(f"Fetching {url}: {error}. {_by_hand(self._file)}") from error

    def _require_file(self, url: str, response: Response) -> None:
        status = response.status_code
        if status in (200, 206):
            return
        answer = f"the server answered {status} {response.reason or ''}".rstrip()
        if status >= 500 or status in (408, 425, 429):
            wait = response.headers.get("Retry-After", "")
            raise _PassingError(answer, float(wait) if wait.isdecimal() else 0.0)
        raise VeneerError(
            f"Fetching {url}: {answer}. Look whether download.url is still right. "
            f"{_by_hand(self._file)}"
        )

    def _write(self, url: str, response: Response, total: int | None) -> None:
        self._require_size(url, total or 0)
        size = self._part.size
        bar = tqdm(
            total=total,
            initial=size,
            desc=self._file.name,
            unit="B",
            unit_scale=True,
            unit_divisor=1024,
            disable=None,
        )
        # Unbuffered: what has come is in the file when the process is killed.
        with bar, open(self._part.path, "ab", buffering=0) as file:
            for chunk in self._chunks(response):
                size += len(chunk)
                self._require_size(url, size)
                file.write(chunk)
                bar.update(len(chunk))

    def _require_size(self, url: str, size: int) -> None:
        if size > self._options.max_bytes:
            self._part.remove()
            raise VeneerError(
                f"Fetching {url}: it has {size:,} bytes or more, and download.max_bytes is "
                f"{self._options.max_bytes:,}. Set that higher if the file is right."
            )

    def _chunks(self, response: Response) -> Iterator[bytes]:
        from urllib3.exceptions import HTTPError

        timeout = self._options.timeout
        since, came = time.monotonic(), 0
        try:
            # read1 gives what is there; reads of a fixed size would lose it in a time-out.
            while chunk := response.raw.read1(CHUNK_BYTES, decode_content=False):
                yield chunk
                came += len(chunk)
                if time.monotonic() - since > timeout:
                    if came < LEAST_SPEED * timeout:
                        raise _PassingError(f"only {came:,} bytes came in {timeout:g} s")
                    since, came = time.monotonic(), 0
        except HTTPError as error:
            raise _PassingError(_in_words(error)) from error

    def _compare(self, total: int | None) -> None:
        """Compare what is there with what was announced; where nothing was, the hash must do."""
        size = self._part.size
        if total is None or size == total:
            return
        if size > total:
            self._part.remove()
        raise _PassingError(f"the server sent {size:,} bytes of {total:,}")


def _extent(response: Response) -> tuple[int | None, int | None]:
    """Where the bytes begin that are coming, and how many the whole file has."""
    found = re.fullmatch(
        r"\s*bytes\s+(?:(\d+)-\d+|\*)/(\d+|\*)\s*", response.headers.get("Content-Range", "")
    )
    if response.status_code != 200:
        start, total = found.groups() if found else (None, None)
        return start and int(start), int(total) if total not in (None, "*") else None
    length = response.headers.get("Content-Length", "")
    chunked = "Transfer-Encoding" in response.headers
    return 0, int(length) if length.isdecimal() and not chunked else None


def _in_words(error: Exception) -> str:
    """What a library's error means, without its wrapping."""
    from requests.exceptions import Timeout
    from urllib3.exceptions import IncompleteRead, ReadTimeoutError

    cause = error.args[0] if error.args and isinstance(error.args[0], Exception) else error
    cause = getattr(cause, "reason", cause)
    if isinstance(cause, ReadTimeoutError) or isinstance(error, Timeout):
        return "no answer, or no byte more, within download.timeout"
    if len(cause.args) > 1 and isinstance(cause.args[1], IncompleteRead | OSError):
        return "the connection was cut off"
    return str(cause)


def _by_hand(file: Path) -> str:
    return f"Run again later, or download the file by hand and put it at {file}."
