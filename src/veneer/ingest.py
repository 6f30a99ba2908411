"""From raw files to checked rows: every readable image, and a reason for every other file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.compute as pc

from veneer.images import UnreadableImageError, inspect_image, row_id, sha_of
from veneer.schema import CHECKED_FILE, IMAGE, QUARANTINE
from veneer.streams import Stream


def check_files(
    batches: Iterator[pa.RecordBatch], *, text_from_exif: bool = False
) -> Iterator[pa.RecordBatch]:
    """Hash, decode and describe files; one row out for each row in.

    Parameters
    ----------
    batches : iterator of RecordBatch of schema :data:`veneer.schema.RAW_FILE`
    text_from_exif : bool
        Take ``text`` from EXIF ImageDescription. Off by default, because many cameras write
        their own name there.

    Yields
    ------
    RecordBatch of schema :data:`veneer.schema.CHECKED_FILE`
        Where ``reason`` is null the row is a whole image row; else it tells why the file was
        refused, and only ``image.path``, ``sha`` and ``size`` are set.
    """
    # Pillow decodes without holding the interpreter lock, so threads use all cores.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for batch in batches:
            rows = list(pool.map(lambda row: _check(row, text_from_exif), batch.to_pylist()))
            yield pa.RecordBatch.from_pylist(rows, schema=CHECKED_FILE)


def _check(file: dict, text_from_exif: bool) -> dict:
    path, data = file["path"], file["data"]
    if data is None:
        return {"id": "", "sha": "", "image": {"path": path}, "reason": file["error"]}
    sha = sha_of(data)
    row = {"id": row_id(path, sha), "sha": sha, "size": len(data)}
    try:
        facts = inspect_image(data)
    except UnreadableImageError as refusal:
        return row | {"image": {"path": path}, "reason": str(refusal)}
    return row | {
        "image": {"bytes": data, "path": path},
        "label": file["label"],
        "text": facts.description if text_from_exif else None,
        "width": facts.width,
        "height": facts.height,
        "format": facts.format,
        "modified": file["modified"],
        "created": facts.created or _naive(file["created"]),
        "folder": os.path.dirname(path),
    }


def _naive(moment: datetime | None) -> datetime | None:
    """Drop the time zone: ``created`` holds EXIF times too, which have none."""
    return moment.astimezone(UTC).replace(tzinfo=None) if moment else None


def accepted_and_refused(checked: Iterator[pa.RecordBatch]) -> tuple[Stream, Stream]:
    """Part the checked rows into image rows and quarantine rows, in one pass.

    Parameters
    ----------
    checked : iterator of RecordBatch of schema :data:`veneer.schema.CHECKED_FILE`

    Returns
    -------
    accepted : Stream of schema :data:`veneer.schema.IMAGE`
    refused : Stream of schema :data:`veneer.schema.QUARANTINE`
        Fills while ``accepted`` is read, so it has to be read after it. It waits in memory: a
        refusal is a path and a sentence, without the file's bytes.
    """
    waiting: list[pa.RecordBatch] = []
    finished = False

    def accept() -> Iterator[pa.RecordBatch]:
        nonlocal finished
        for batch in checked:
            good = pc.is_null(batch["reason"])
            waiting.append(_quarantine(batch.filter(pc.invert(good))))
            yield batch.filter(good).select(IMAGE.names).cast(IMAGE)
        finished = True

    def refuse() -> Iterator[pa.RecordBatch]:
        if not finished:
            raise RuntimeError("the refused rows were read before the accepted ones")
        yield from waiting

    return Stream(IMAGE, accept), Stream(QUARANTINE, refuse)


def _quarantine(refused: pa.RecordBatch) -> pa.RecordBatch:
    columns = {
        "path": refused["image"].field("path"),
        "reason": refused["reason"],
        "sha": refused["sha"],
        "size": refused["size"],
    }
    return pa.RecordBatch.from_pydict(columns, schema=QUARANTINE)
