"""Nodes of `download`."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
from tqdm import tqdm

from veneer.errors import VeneerError
from veneer.schema import QUARANTINE
from veneer.sources.archives import read_archive
from veneer.sources.download import ArchiveLocation, fetch_archive
from veneer.sources.options import ArchiveOptions
from veneer.streams import FileStream, Stream

logger = logging.getLogger(__name__)


def download(
    archives: ArchiveLocation, options: ArchiveOptions
) -> tuple[FileStream | tuple, Stream | tuple]:
    """Fetch and unpack the archive: raw files, and what was refused; nothing if there are files."""
    if archives.unpacked:
        logger.info("%s holds files: nothing is fetched or unpacked", archives.target)
        return (), ()
    archive = fetch_archive(options, archives.folder)
    refused: list[dict[str, Any]] = []

    def files() -> Iterator[tuple[str, bytes]]:
        members = read_archive(
            archive, refused, strip=options.strip, max_bytes=options.max_member_bytes
        )
        count = 0
        for member in tqdm(members, desc="unpacking", unit=" files", disable=None):
            yield member
            count += 1
        if not count:
            raise VeneerError(
                f"Unpacking {archive}: it has no file that can be unpacked ({len(refused)} were "
                "refused). Look whether download.url names the right archive."
            )
        logger.info("%d files unpacked to %s, %d refused", count, archives.target, len(refused))

    def rows() -> Iterator[pa.RecordBatch]:
        yield pa.RecordBatch.from_pylist(refused, schema=QUARANTINE)

    # The rows fill while the files are read; Kedro saves in this order.
    return FileStream(files), Stream(QUARANTINE, rows)
