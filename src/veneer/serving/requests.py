"""What is asked of a served model: rows with an image, a text, or both."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from veneer.errors import VeneerError
from veneer.refusals import RefusedError
from veneer.sources.memory import Sent

IMAGE, TEXT = "image", "text"
MOST_CHARACTERS = 100_000
"""Of a text. Encoders read its first few hundred."""
MOST_NAMED = 5


def read_rows(frame: pd.DataFrame, max_bytes: int) -> list[Sent]:
    """The rows of a request, which may hold anything.

    Parameters
    ----------
    frame : DataFrame
        ``image``: the bytes of an image file, or the same as base64, also as a data address
        (``data:image/png;base64,…``). ``text``. Both may be missing, as null, NaN or by not being
        there; a blank text is none. Other columns are ignored. One row of lists is columns.
    max_bytes : int
        Larger images are refused.

    Returns
    -------
    list of Sent
        One a row; what cannot be read has ``refused``.

    Raises
    ------
    VeneerError
        When the frame has neither column.
    """
    if not {IMAGE, TEXT} & set(frame.columns):
        raise VeneerError(
            f"Reading the request: there is no row with an {IMAGE!r} or a {TEXT!r}. Send them as "
            f'{{"dataframe_records": [{{"{IMAGE}": "<base64 of an image file>"}}]}}.'
        )
    columns = {name: frame[name].tolist() for name in (IMAGE, TEXT) if name in frame.columns}
    # {"inputs": {"image": [...]}} comes as one row that holds the columns.
    if len(frame) == 1 and all(isinstance(value, list) for (value,) in columns.values()):
        columns = {name: value for name, (value,) in columns.items()}
    count = max(map(len, columns.values()))
    images, texts = (columns.get(name) or [None] * count for name in (IMAGE, TEXT))
    if len(images) != len(texts):
        raise VeneerError(
            f"Reading the request: there are {len(images)} values in {IMAGE!r} and {len(texts)} in "
            f"{TEXT!r}; both need one a row."
        )
    return [_read(image, text, max_bytes) for image, text in zip(images, texts, strict=True)]


def _read(image: Any, text: Any, max_bytes: int) -> Sent:
    try:
        return Sent(_image(image, max_bytes), _text(text))
    except RefusedError as refusal:
        return Sent(refused=refusal)


def _missing(value: Any) -> bool:
    return pd.api.types.is_scalar(value) and pd.isna(value)


def _image(value: Any, max_bytes: int) -> bytes | None:
    if _missing(value):
        return None
    if isinstance(value, str):
        if len(value) > 2 * max_bytes:  # base64 takes a third more; line breaks are allowed
            raise RefusedError("too_many_bytes", f"its image is more than {max_bytes:,} bytes")
        head, comma, rest = value.partition(",")
        address = head.lower()
        given = bool(comma) and address.startswith("data:") and address.endswith(";base64")
        encoded = rest if given else value
        try:
            value = base64.b64decode("".join(encoded.split()), validate=True)
        except (binascii.Error, ValueError) as error:
            raise RefusedError("unreadable", f"its image is no base64: {error}") from None
    if not isinstance(value, bytes | bytearray | memoryview):
        found = f"{type(value).__name__}, which is neither bytes nor base64"
        raise RefusedError("unreadable", f"its image is of the type {found}")
    if len(value) > max_bytes:
        found = f"its image has {len(value):,} bytes, more than {max_bytes:,}"
        raise RefusedError("too_many_bytes", found)
    return bytes(value)


def _text(value: Any) -> str | None:
    if _missing(value):
        return None
    if not isinstance(value, str):
        found = f"its text is of the type {type(value).__name__}, which is no text"
        raise RefusedError("unreadable", found)
    if len(value) > MOST_CHARACTERS:
        found = f"its text has {len(value):,} characters, more than {MOST_CHARACTERS:,}"
        raise RefusedError("unreadable", found)
    return value if value.strip() else None


def complaint(refused: Mapping[int, str], rows: Sequence[Sent]) -> str:
    """A sentence that names the rows which cannot be answered, counted from 0."""
    first = list(refused.items())[:MOST_NAMED]
    named = "; ".join(f"row {number}: {why}" for number, why in first)
    more = f"; and {len(refused) - len(first)} more" * (len(refused) > len(first))
    return (
        f"{len(refused)} of {len(rows)} rows cannot be answered, counted from 0: {named}{more}. "
        'Put them right, or have the others answered with {"params": {"errors": "skip"}}.'
    )
