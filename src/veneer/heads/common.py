"""What heads share: the check of the rows they are fitted to, and reading their files."""

from __future__ import annotations

import json

import numpy as np
import safetensors.numpy
from safetensors import SafetensorError


def checked_rows(features, labels, groups) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Training rows as float32 [n, D] and two str arrays [n].

    Raises
    ------
    ValueError
        On shapes that do not fit, or features that are not finite.
    """
    features = np.asarray(features, dtype=np.float32)
    labels, groups = np.asarray(labels, dtype=str), np.asarray(groups, dtype=str)
    if features.ndim != 2 or labels.shape != (len(features),) or groups.shape != labels.shape:
        raise ValueError(
            "expected features [n, D] with as many labels and groups; got "
            f"{features.shape}, {labels.shape}, {groups.shape}"
        )
    if not np.isfinite(features).all():
        raise ValueError("the features hold values that are not finite")
    return features, labels, groups


def read_tensors(data: bytes, key: str, what: str) -> tuple[dict[str, np.ndarray], object]:
    """Tensors of a safetensors file, and the JSON under one key of its metadata.

    Raises
    ------
    ValueError
        If the bytes are no such file; ``what`` says what they were to be.
    """
    try:
        tensors = safetensors.numpy.load(data)
        # The metadata is handed out for files on disk only; the header is the JSON after eight
        # bytes that hold its length.
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    except (SafetensorError, ValueError, KeyError) as error:
        raise ValueError(f"not {what}: no safetensors file ({error})") from error
    metadata = header.get("__metadata__", {})
    if key not in metadata:
        raise ValueError(f"not {what}: the file has no metadata {key!r}")
    try:
        return tensors, json.loads(metadata[key])
    except ValueError as error:
        raise ValueError(f"not {what}: its metadata are no JSON") from error
