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
        ("text", pa.string()),
        ("size", pa.int64()),  # as it was listed; null where it was not known
        ("modified", pa.timestamp("us", tz="UTC")),
        ("created", pa.timestamp("us", tz="UTC")),  # file birth time; null where not kept
        ("reason", pa.string()),  # why `data` is null; see veneer.refusals
        ("detail", pa.string()),
    ]
)
"""One file of a source, as it came. A struct column ``attributes`` may follow."""

FAST = "; decoded fast"
TUNED = "tuned, "
"""How the fingerprint of an encoder begins that was tuned here."""
"""What an encoder's fingerprint ends in where ``embedding.decode`` is ``fast``."""

READING = b"reading"
"""Key in the metadata of image rows and quarantine: how the files were read, as a digest."""

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

KNOWN_IMAGE = pa.schema(
    [
        ("path", pa.string()),
        *(field for field in IMAGE if field.name not in ("image", "label", "folder")),
    ]
)
"""What an earlier run found out about an image, without its bytes."""

QUARANTINE = pa.schema(
    [
        ("path", pa.string()),
        ("reason", pa.string()),  # a key of veneer.refusals.REASONS
        ("detail", pa.string()),  # what was found, in words
        ("size", pa.int64()),  # bytes; null where not known
        ("sha", pa.string()),  # null where the file was not read
        ("modified", pa.timestamp("us", tz="UTC")),
    ]
)
"""One refused file and why."""

DUPLICATES = pa.schema(
    [
        ("sha", pa.string()),
        ("copies", pa.int64()),  # rows that have this sha
        ("id", pa.string()),
        ("path", pa.string()),
        ("label", pa.string()),
        ("split", pa.string()),  # the official side; null where there is none
    ]
)
"""One image that is byte-identical to another."""

SPLITS = pa.schema([("id", pa.string()), ("split", pa.string())])
"""The side of every image row: ``train``, ``validation`` or ``test``."""

PREDICTIONS = pa.schema(
    [
        ("id", pa.string()),
        ("head", pa.string()),
        ("split", pa.string()),
        ("label", pa.string()),
        ("predicted", pa.string()),
        ("confidence", pa.float32()),  # calibrated probability of `predicted`
        ("label_confidence", pa.float32()),  # of `label`; null where the head does not know it
    ]
)
"""One labelled row under one head, which was not fitted to it: for rows of the side ``train``
under heads that were fitted to the other folds."""

RETRIEVAL_QUERIES = pa.schema(
    [
        ("id", pa.string()),
        ("precision@5", pa.float64()),
        ("recall@5", pa.float64()),
        ("accuracy@5", pa.float64()),  # 0 or 1
        ("average_precision", pa.float64()),  # over the whole ranking
    ]
)
"""One image that searched for its like, itself and its copies left out, and had some to find."""

DOUBTFUL_LABELS = pa.schema(
    [
        ("id", pa.string()),
        ("path", pa.string()),
        ("split", pa.string()),
        ("label", pa.string()),
        ("predicted", pa.string()),
        ("confidence", pa.float32()),
        ("label_confidence", pa.float32()),
    ]
)
"""One row whose label a prediction contradicts, the most doubtful first."""

PREDICTED = pa.schema(
    [
        ("path", pa.string()),
        ("label", pa.string()),  # null where the head is unsure, or the image was refused
        ("confidence", pa.float32()),  # of the most probable class, calibrated
        ("unsure", pa.bool_()),
        ("top", pa.list_(pa.struct([("label", pa.string()), ("confidence", pa.float32())]))),
        ("reason", pa.string()),  # why there is no prediction; see veneer.refusals
        ("detail", pa.string()),
    ]
)
"""One image that was shown to a head."""

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

MAP = pa.schema([("id", pa.string()), ("x", pa.float32()), ("y", pa.float32())])
"""Where an image lies on the map of its collection."""

CLUSTERS = pa.schema(
    [
        ("id", pa.string()),
        ("cluster", pa.int32()),  # from 1, the largest first; null for what is in none
        ("distance", pa.float32()),  # to the middle of the cluster; null for what is in none
    ]
)
"""One image and the cluster it lies in."""


def raw_schema(attributes: pa.StructType | None = None) -> pa.Schema:
    """Schema of raw files: :data:`RAW_FILE`, and ``attributes`` where the source has some."""
    return RAW_FILE if attributes is None else RAW_FILE.append(pa.field("attributes", attributes))


def image_schema(attributes: pa.StructType | None = None, reading: str | None = None) -> pa.Schema:
    """Schema of image rows: :data:`IMAGE`, and ``attributes`` where the source has some.

    ``reading`` names in the metadata how the files were read; see :class:`KNOWN_IMAGE`.
    """
    schema = IMAGE if attributes is None else IMAGE.append(pa.field("attributes", attributes))
    return (
        schema
        if reading is None
        else schema.with_metadata({**IMAGE.metadata, READING: reading.encode()})
    )


def checked_schema(attributes: pa.StructType | None = None) -> pa.Schema:
    """Schema of files after the check: image rows, or refusals where ``reason`` is not null."""
    return pa.schema([*image_schema(attributes), ("reason", pa.string()), ("detail", pa.string())])


def embedding_schema(dimension: int, fingerprint: str, runtime: str | None = None) -> pa.Schema:
    """Schema of embedding rows: ``sha`` and a unit vector of ``dimension`` float32.

    The encoder's fingerprint stands in the metadata, so that vectors of two encoders can never
    be taken for each other. So does the runtime that computed them, for the record: vectors of
    two runtimes differ by rounding only and may be mixed.
    """
    metadata = {"fingerprint": fingerprint}
    return pa.schema(
        [
            pa.field("sha", pa.string(), nullable=False),
            pa.field("embedding", pa.list_(pa.float32(), dimension), nullable=False),
        ],
        metadata=metadata if runtime is None else metadata | {"runtime": runtime},
    )


def embedded_schema(dimension: int, fingerprint: str, runtime: str | None = None) -> pa.Schema:
    """Schema of images after embedding: a vector, or ``reason`` and ``detail`` where there is none.

    The metadata are those of :func:`embedding_schema`.
    """
    return pa.schema(
        [
            ("sha", pa.string()),
            ("embedding", pa.list_(pa.float32(), dimension)),
            ("path", pa.string()),
            ("size", pa.int64()),
            ("reason", pa.string()),
            ("detail", pa.string()),
        ],
        metadata=embedding_schema(dimension, fingerprint, runtime).metadata,
    )


def class_prompts_schema(dimension: int, fingerprint: str) -> pa.Schema:
    """Schema of classes in words: ``label``, ``prompt`` and its unit vector; as embedding rows."""
    return pa.schema(
        [
            ("label", pa.string()),
            ("prompt", pa.string()),
            ("embedding", pa.list_(pa.float32(), dimension)),
        ],
        metadata={"fingerprint": fingerprint},
    )


def fingerprint_of(schema: pa.Schema) -> str | None:
    """Fingerprint of the encoder that made the vectors of a table, or None if it has none."""
    found = (schema.metadata or {}).get(b"fingerprint")
    return found.decode() if found else None


def runtime_of(schema: pa.Schema) -> str | None:
    """Runtime that computed the vectors of a table, or None if it is not known."""
    found = (schema.metadata or {}).get(b"runtime")
    return found.decode() if found else None


def fusion_of(schema: pa.Schema) -> str:
    """What the features of a table were made of; see :func:`veneer.heads.fusion.fuse`."""
    return (schema.metadata or {}).get(b"fusion", b"image").decode()


def require_one_fingerprint(place: object, present: str, new: str) -> None:
    """Raise a :class:`VeneerError` that names both fingerprints if they differ."""
    if present.removesuffix(FAST) == new.removesuffix(FAST) and present != new:
        before, now = ("fast", "exact") if present.endswith(FAST) else ("exact", "fast")
        raise VeneerError(
            f"Embedding into {place}: its vectors are of {before} decoding, and this run has "
            f"embedding.decode={now}. They must not be mixed: run with embedding.decode={before}, "
            f"or delete the folder of the old vectors below data/04_feature. [{present}] [{new}]"
        )
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
