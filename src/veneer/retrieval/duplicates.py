"""What is there twice in a collection, or in two of them, by their indexes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from veneer.errors import VeneerError
from veneer.progress import progress
from veneer.retrieval.index import Index, table_folder
from veneer.retrieval.pairs import Advance, count_pairs, nearest_cosines
from veneer.retrieval.twins import (
    TWINS,
    conflicts,
    find_shared,
    find_twins,
    leaks,
    suggest_threshold,
    with_choices,
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


@dataclass(frozen=True)
class Comparison:
    """All images of a collection compared; twins by any threshold follow from it quickly.

    Attributes
    ----------
    rows : Table of the columns :data:`COLUMNS`
    vectors : float32 array [n, D]
        Of the rows; on disk.
    nearest : float array [n]
        Cosine of each to the nearest one that is not byte-identical to it; NaN where there is none.
    """

    rows: pa.Table
    vectors: np.ndarray
    nearest: np.ndarray

    def at(self, threshold: float | None = None, choices: pa.Table | None = None) -> Duplicates:
        """The twins by a threshold.

        Parameters
        ----------
        threshold : float, optional
            Cosine from which two images are near-duplicates; by default what the distribution of
            the nearest cosines suggests (see :func:`veneer.retrieval.twins.suggest_threshold`).
        choices : Table of schema :data:`veneer.retrieval.twins.CHOICES`, optional
            What somebody decided to keep and to drop.
        """
        suggested = suggest_threshold(self.nearest)
        chosen = suggested if threshold is None else threshold
        twins = find_twins(self.rows, self.vectors, chosen, nearest=self.nearest)
        if choices is not None:
            twins = with_choices(twins, choices)
        similarities = pa.table(
            [self.rows["id"], self.nearest.astype(np.float32)], schema=SIMILARITIES
        )
        dropped = twins.filter(pc.invert(twins["keep"]))
        card = {
            "threshold": float(chosen),
            "suggested": float(suggested),
            "images": len(self.rows),
            "groups": pc.count_distinct(twins["group"]).as_py(),
            "in_groups": len(twins),
            "to_drop": len(dropped),
            "exact": pc.sum(pc.equal(dropped["kind"], "exact")).as_py() or 0,
            "near": pc.sum(pc.equal(dropped["kind"], "near")).as_py() or 0,
            "split_leaks": pc.count_distinct(leaks(twins)["group"]).as_py(),
            "label_conflicts": pc.count_distinct(conflicts(twins)["group"]).as_py(),
        }
        return Duplicates(twins, similarities, card)


def compare_all(index: Index, advance: Advance | None = None) -> Comparison:
    """Compare all images of a collection with each other.

    Parameters
    ----------
    index : Index
    advance : callable, optional
        Told of how many pairs have been compared since; see
        :func:`veneer.retrieval.pairs.count_pairs`.
    """
    rows, matrix = index.vectors(COLUMNS)
    copies = rows["sha"].combine_chunks().dictionary_encode().indices.to_numpy()
    return Comparison(rows, matrix, nearest_cosines(matrix, copies, advance=advance))


def find_duplicates(
    index: Index, threshold: float | None = None, choices: pa.Table | None = None
) -> Duplicates:
    """Find the images of a collection that are the same, byte for byte or nearly.

    Parameters
    ----------
    index : Index
    threshold, choices
        See :meth:`Comparison.at`.
    """
    with progress(count_pairs(index.rows), "comparing", "pairs of images") as advance:
        compared = compare_all(index, advance)
    return compared.at(threshold, choices)


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
