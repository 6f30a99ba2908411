"""The tables that flow between the stages, as Arrow schemas."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa

from veneer.errors import VeneerError

IMAGE_STRUCT = pa.struct([("bytes", pa.binary()), ("path", pa.string())])

# Hugging Face `datasets` reads this key and decodes the column it names as pictures. It may name
# no other column: `datasets` takes the listed features for the whole table otherwise.
_HUGGINGFACE = json.dumps({"info": {"features": {"image": {"_type": "Image"}}}})

RAW_FILE = pa.schema(
    [
        ("path", pa.string()),  # relative to the source, POSIX
        ("data", pa.binary()),  # the whole file; null where it could not be read
        ("label", pa.string()),
        ("modified", pa.timestamp("us", tz="UTC")),
        ("created", pa.timestamp("us", tz="UTC")),  # file birth time; null where not kept
        ("error", pa.string()),  # why `data` is null
    ]
)
"""One file of a source, as it came."""

IMAGE = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("sha", pa.string(), nullable=False),
        ("image", IMAGE_STRUCT),
        ("label", pa.string()),
        ("text", pa.string()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("format", pa.string()),
        ("size", pa.int64()),  # bytes
        ("modified", pa.timestamp("us", tz="UTC")),
        # EXIF knows no time zone, so neither does this column.
        ("created", pa.timestamp("us")),
        ("folder", pa.string()),
    ],
    metadata={"huggingface": _HUGGINGFACE},
)
"""One accepted image. ``id`` is unique, ``sha`` is shared by byte-identical files."""

CHECKED_FILE = pa.schema([*IMAGE, ("reason", pa.string())])
"""One file after the check: an image row, or a refusal where ``reason`` is not null."""

QUARANTINE = pa.schema(
    [
        ("path", pa.string()),
        ("reason", pa.string()),
        ("sha", pa.string()),
        ("size", pa.int64()),
    ]
)
"""One refused file and why."""

SPLITS = pa.schema([("id", pa.string()), ("split", pa.string())])
"""The side of every image row: ``train``, ``validation`` or ``test``."""

PREDICTIONS = pa.schema(
    [
        ("id", pa.string()),
        ("head", pa.string()),
        ("label", pa.string()),
        ("predicted", pa.string()),
        ("score", pa.float32()),  # of the predicted class: a margin (svc) or probability (mlp)
    ]
)
"""One validation row under one head."""

TRAIN_LOG = pa.schema(
    [
        ("epoch", pa.int32()),
        ("train_loss", pa.float64()),
        ("stopping_loss", pa.float64()),
        ("stopping_accuracy", pa.float64()),
    ]
)
"""One epoch of the MLP head."""

SEARCH_RESULTS = pa.schema(
    [
        ("prompt", pa.string()),
        ("rank", pa.int32()),
        ("score", pa.float32()),  # cosine
        ("id", pa.string()),
        ("sha", pa.string()),
        ("label", pa.string()),
        ("path", pa.string()),
    ]
)
"""One hit of one prompt."""


def embedding_schema(dimension: int, fingerprint: str) -> pa.Schema:
    """Schema of embedding rows: ``sha`` and a unit vector of ``dimension`` float32.

    The encoder's fingerprint stands in the metadata, so that vectors of two encoders can never
    be taken for each other.
    """
    return pa.schema(
        [
            pa.field("sha", pa.string(), nullable=False),
            pa.field("embedding", pa.list_(pa.float32(), dimension), nullable=False),
        ],
        metadata={"fingerprint": fingerprint},
    )


def fingerprint_of(schema: pa.Schema) -> str | None:
    """Fingerprint of the encoder that made the vectors of a table, or None if it has none."""
    found = (schema.metadata or {}).get(b"fingerprint")
    return found.decode() if found else None


def require_one_fingerprint(place: object, present: str, new: str) -> None:
    """Raise a :class:`VeneerError` that names both fingerprints if they differ."""
    if present != new:
        raise VeneerError(
            f"Embedding into {place}: its vectors were made by the encoder [{present}], this "
            f"run's encoder of the same name is [{new}]. Vectors of two encoders must not be "
            "mixed: give the new encoder another name, or delete the folder of the old vectors "
            "below data/04_feature."
        )


def vectors(column: pa.ChunkedArray | pa.Array) -> np.ndarray:
    """Column of fixed-size lists as a float32 array [n, D]."""
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    if isinstance(column, pa.ChunkedArray):  # what combining gives where there is no chunk
        return np.empty((0, column.type.list_size), np.float32)
    return column.flatten().to_numpy(zero_copy_only=False).reshape(-1, column.type.list_size)
