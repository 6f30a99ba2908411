"""What a head sees: an image's vector, that of its text, or both."""

from __future__ import annotations

from typing import Literal

import numpy as np

Fusion = Literal["image", "text", "concat"]


def fuse(
    images: np.ndarray | None, texts: np.ndarray | None, fusion: Fusion = "concat"
) -> np.ndarray:
    """Unit vectors of images and of their texts to the features of a head.

    Parameters
    ----------
    images, texts : float32 arrays [n, D]
        Rows of length 1, or of zeros where an image has no text, or a text no image. What
        ``fusion`` does not name may be None.
    fusion : {"image", "text", "concat"}
        ``concat`` puts both beside each other, so that either part weighs the same.

    Returns
    -------
    float32 array [n, D], or [n, 2 D] for ``concat``
        Rows of length 1; of zeros where there is nothing to be seen.

    Examples
    --------
    >>> fuse(np.array([[0.6, 0.8]], np.float32), np.array([[1, 0]], np.float32)).round(2)
    array([[0.42, 0.57, 0.71, 0.  ]], dtype=float32)
    """
    if fusion != "concat":
        return images if fusion == "image" else texts
    features = np.concatenate([images, texts], axis=1, dtype=np.float32)
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    return np.divide(features, lengths, out=np.zeros_like(features), where=lengths > 0)
