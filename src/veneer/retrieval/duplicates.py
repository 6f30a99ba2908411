"""What is there twice in a collection, or in two of them, by their indexes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from veneer.errors import VeneerError
from veneer.progress import progress
from veneer.retrieval.index import Index, table_folder
from veneer.retrieval.pairs import count_pairs, nearest_cosines
from veneer.retrieval.twins import (
    TWINS,
    conflicts,
    find_shared,
    find_twins,
    leaks,
    suggest_threshold,
)

COLUMNS = ["id", "sha", "path", "label", "split", "width", "height", "size"]

SIMILARITIES = pa.schema([("id", pa.string()), ("cosine", pa.float32())])
"""How near an image is to the nearest one that is not byte-identical to it."""


@dataclass(frozen=True)
class Duplicates:
    """The twins of a collection.

    Attributes
    ----------
    twins : Table of schema :data:`veneer.retrieval.twins.TWINS`
    similarities : Table of schema :data:`SIMILARITIES`
    card : dict
        ``threshold``, the one that was ``suggested``, and what was counted: ``images``, ``groups``,
        ``in_groups`` images, of which ``to_drop`` leave the rest without twins, ``exact`` and
        ``near`` ones of these; groups on several sides (``split_leaks``) and of several labels
        (``label_conflicts``).
    """

    twins: pa.Table
    similarities: pa.Table
    card: dict


def find_duplicates(index: Index, threshold: float | None = None) -> Duplicates:
    """Find the images of a collection that are the same, byte for byte or nearly.

    Parameters
    ----------
    index : Index
    threshold : float, optional
        Cosine from which two images are near-duplicates; by default what the distribution of the
        nearest cosines suggests (see :func:`veneer.retrieval.twins.suggest_threshold`).
    """
    rows, matrix = index.vectors(COLUMNS)
    copies = rows["sha"].combine_chunks().dictionary_encode().indices.to_numpy()
    with progress(count_pairs(len(rows)), "comparing", "pairs of images") as advance:
        nearest = nearest_cosines(matrix, copies, advance=advance)
    suggested = suggest_threshold(nearest)
    chosen = suggested if threshold is None else threshold
    twins = find_twins(rows, matrix, chosen, nearest=nearest)
    similarities = pa.table([rows["id"], nearest.astype(np.float32)], schema=SIMILARITIES)
    dropped = twins.filter(pc.invert(twins["keep"]))
    card = {
        "threshold": float(chosen),
        "suggested": float(suggested),
        "images": len(rows),
        "groups": pc.count_distinct(twins["group"]).as_py(),
        "in_groups": len(twins),
        "to_drop": len(dropped),
        "exact": pc.sum(pc.equal(dropped["kind"], "exact")).as_py() or 0,
        "near": pc.sum(pc.equal(dropped["kind"], "near")).as_py() or 0,
        "split_leaks": pc.count_distinct(leaks(twins)["group"]).as_py(),
        "label_conflicts": pc.count_distinct(conflicts(twins)["group"]).as_py(),
    }
    return Duplicates(twins, similarities, card)


def no_duplicates() -> Duplicates:
    """What is known of a collection that was not looked through."""
    return Duplicates(TWINS.empty_table(), SIMILARITIES.empty_table(), {})


def find_shared_images(index: Index, other: Index, threshold: float) -> pa.Table:
    """The images of one collection that another one has, too.

    Returns
    -------
    Table of schema :data:`veneer.retrieval.twins.SHARED`

    Raises
    ------
    VeneerError
        When the indexes are of different encoders.
    """
    if index.card.fingerprint != other.card.fingerprint:
        raise VeneerError(
            f"Comparing {table_folder(index.folder)} with {table_folder(other.folder)}: the "
            f"vectors are of different encoders, [{index.card.fingerprint}] and "
            f"[{other.card.fingerprint}]."
        )
    rows, matrix = index.vectors(COLUMNS)
    other_rows, other_matrix = other.vectors(COLUMNS)
    total = count_pairs(len(rows), len(other_rows))
    with progress(total, "comparing", "pairs of images") as advance:
        return find_shared(rows, matrix, other_rows, other_matrix, threshold, advance=advance)
