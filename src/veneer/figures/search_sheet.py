"""What a search found, as a contact sheet."""

from __future__ import annotations

import io

import pyarrow as pa
from PIL import Image

from veneer.figures.contact_sheet import Tile, contact_sheet


def search_sheet(results: pa.Table, *, title: str, subtitle: str = "") -> Image.Image:
    """Lay out results by rank, with their cosines and labels.

    Parameters
    ----------
    results : Table
        ``results`` of :class:`veneer.retrieval.search.Found`, with thumbnails.
    title, subtitle : str
    """
    shown = results.select(["rank", "score", "label", "thumbnail"]).to_pylist()
    return contact_sheet(
        [
            Tile(open_thumbnail(row["thumbnail"]), row["rank"], row["score"], row["label"])
            for row in shown
        ],
        title=title,
        subtitle=subtitle,
    )


def open_thumbnail(data: bytes | None) -> Image.Image:
    """A thumbnail of the index; a white picture where there is none."""
    return Image.new("RGB", (1, 1), "white") if data is None else Image.open(io.BytesIO(data))
