"""Pictures of what is there twice in a collection."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa
from PIL import Image

from veneer.figures.contact_sheet import Tile
from veneer.figures.search_sheet import open_thumbnail
from veneer.figures.twins import similarity_histogram, twins_sheet


def duplicates_histogram(similarities: pa.Table, card: Mapping) -> Image.Image:
    """How near each image's nearest one is, and from where on they count as twins.

    Parameters
    ----------
    similarities, card
        Of :class:`veneer.retrieval.duplicates.Duplicates`.
    """
    return similarity_histogram(
        similarities["cosine"].to_numpy(),
        card["threshold"],
        title="How near the nearest image is",
        subtitle="cosine of each image to its nearest one, byte-identical copies set aside",
    )


def duplicates_sheet(
    twins: pa.Table, thumbnails: Mapping[str, bytes], card: Mapping
) -> Image.Image:
    """Groups of twins, the one to keep first.

    Parameters
    ----------
    twins : Table of schema :data:`veneer.retrieval.twins.TWINS`
        Whole groups, or their beginnings.
    thumbnails : mapping of id to WebP
    card : mapping
        Of :class:`veneer.retrieval.duplicates.Duplicates`.
    """
    groups: dict[int, list[Tile]] = {}
    for row in twins.to_pylist():
        told = "keep" if row["keep"] else row["kind"]
        tile = Tile(
            open_thumbnail(thumbnails.get(row["id"])),
            score=None if row["keep"] else row["cosine"],
            label=f"{told} · {row['width']} × {row['height']}",
            caption=row["path"],
        )
        groups.setdefault(row["group"], []).append(tile)
    left_out = f", the first {len(groups):,} of them" if len(groups) < card["groups"] else ""
    return twins_sheet(
        list(groups.values()),
        title="Images that are there more than once",
        subtitle=f"{card['groups']:,} groups{left_out}; cosine from {card['threshold']:.3f}, or "
        "byte-identical. The first of each is the largest, and suggested to be kept",
    )
