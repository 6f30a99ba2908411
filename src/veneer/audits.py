"""What is doubtful in a collection: copies, copies under different labels, copies on two sides."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from veneer.schema import DUPLICATES


def find_duplicates(rows: pa.Table, sides: pa.Table) -> pa.Table:
    """Byte-identical images, each with its copies.

    Parameters
    ----------
    rows : Table with ``id``, ``sha``, ``path``, ``label``
        Image rows.
    sides : Table with ``id``, ``split``
        The official side of each image that has one.

    Returns
    -------
    Table of schema :data:`veneer.schema.DUPLICATES`
        One row for each image that has a copy, copies beside each other.
    """
    copies = rows.group_by("sha").aggregate([("id", "count")]).rename_columns(["sha", "copies"])
    copies = copies.filter(pc.greater(copies["copies"], 1))
    found = rows.join(copies, "sha", join_type="inner").join(sides, "id")
    return (
        found.sort_by([("sha", "ascending"), ("path", "ascending")])
        .select(DUPLICATES.names)
        .cast(DUPLICATES)
    )


def find_contradictions(duplicates: pa.Table, column: str) -> pa.Table:
    """Copies of one image that differ in ``column``: in ``label`` or in ``split``.

    An image without a label, or on no side, contradicts nothing.
    """
    values = duplicates.group_by("sha").aggregate([(column, "count_distinct")])
    differ = values.filter(pc.greater(values[f"{column}_count_distinct"], 1))["sha"]
    return duplicates.filter(pc.is_in(duplicates["sha"], differ.combine_chunks()))
