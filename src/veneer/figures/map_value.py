"""What the embedding map is given: points and names, packed for ``static/map.js``."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from veneer.text import natural

NO_CATEGORY = "–"
_MOST = np.iinfo(np.uint16).max


def map_value(
    points: np.ndarray,
    ids: Sequence[str],
    titles: Sequence[str],
    categories: Sequence[str | None],
    colour: str,
    note: str,
) -> dict[str, Any]:
    """The value of the map's ``gr.HTML``: better as ``json.dumps`` of it, where there are many.

    Gradio watches and copies every item of an object at each event, which takes a browser seconds
    for 50,000 points; the one string of the JSON costs nothing.

    Parameters
    ----------
    points : float array [n, 2]
        One scale serves both axes; the second one points up.
    ids : sequence of str [n]
        Of image rows: what thumbnails are asked for by, and what a selection is told in.
    titles : sequence of str [n]
        What is shown beside a picture.
    categories : sequence of str or None [n]
        What points are coloured by; None becomes :data:`NO_CATEGORY`.
    colour : str
        What the categories are: ``label``, ``split`` or ``cluster``.
    note : str
        A sentence below the map.

    Returns
    -------
    dict
        Of what JSON has: ``x``, ``y`` and ``codes`` are little-endian uint16 [n] in base64;
        codes are positions in ``names``, the most frequent first.

    Raises
    ------
    ValueError
        When the lengths differ, a point is not finite, or there are more than 65,536 names.
    """
    if not len(points) == len(ids) == len(titles) == len(categories):
        raise ValueError("points, ids, titles and categories are not of one length")
    named = [NO_CATEGORY if category is None else category for category in categories]
    counts = Counter(named)
    names = sorted(counts, key=lambda name: (-counts[name], natural(name)))
    if len(names) > _MOST + 1:
        raise ValueError(f"{len(names)} names are more than a map can tell apart")
    code_of = {name: code for code, name in enumerate(names)}
    x, y = _scaled(points).T
    return {
        "x": _packed(x),
        "y": _packed(y),
        "ids": list(ids),
        "titles": list(titles),
        "codes": _packed(np.array([code_of[name] for name in named])),
        "names": names,
        "colour": colour,
        "note": note,
    }


def _scaled(points: np.ndarray) -> np.ndarray:
    """Points in a square of 0 to 65,535: the wider axis fills it, the other stays in the middle."""
    points = np.asarray(points, np.float64).reshape(-1, 2)
    if not len(points):
        return points
    if not np.isfinite(points).all():
        raise ValueError("a point of the map is not finite")
    low, high = points.min(axis=0), points.max(axis=0)
    span = (high - low).max() or 1
    return ((points - (low + high) / 2) / span + 0.5) * _MOST


def _packed(numbers: np.ndarray) -> str:
    return base64.b64encode(np.rint(numbers).astype("<u2").tobytes()).decode("ascii")
