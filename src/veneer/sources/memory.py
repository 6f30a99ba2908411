"""Images that somebody has sent, which lie in no file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import pyarrow as pa

from veneer.refusals import RefusedError
from veneer.sources.source import LISTING, Read, Source


@dataclass(frozen=True)
class Sent:
    """One image and its text; either may be missing.

    Attributes
    ----------
    data : bytes, optional
        Of an image file.
    text : str, optional
    refused : RefusedError, optional
        Why it cannot be read, where that is known already.
    """

    data: bytes | None = None
    text: str | None = None
    refused: RefusedError | None = None


def memory_source(rows: Sequence[Sent], name: str = "what was sent") -> Source:
    """A source of rows at hand, one each, named by their numbers: ``0``, ``1``, …."""
    listing = {
        "path": [str(number) for number in range(len(rows))],
        "text": [row.text for row in rows],
        "size": [None if row.data is None else len(row.data) for row in rows],
        "location": [str(number).encode() for number in range(len(rows))],
    }
    columns = [
        pa.array(listing[field.name], field.type)
        if field.name in listing
        else pa.nulls(len(rows), field.type)
        for field in LISTING
    ]

    def read(row: Sent) -> bytes:
        if row.refused is not None:
            raise row.refused
        if row.data is None:
            raise RefusedError("no_image", "the row has none")
        return row.data

    def reads(locations: Sequence[bytes]) -> list[Read]:
        return [partial(read, rows[int(location)]) for location in locations]

    return Source(name, pa.table(columns, schema=LISTING), reads)
