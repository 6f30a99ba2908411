"""Images that are the same, or nearly: groups of twins, and which one of each to keep.

Exact twins have equal bytes, near ones a cosine of at least a threshold. What is a twin of a twin
is of one group with it: groups are the connected components over both kinds of pairs. So in a
group of near twins some may be less like the kept one than the threshold; a chain led to them.
"""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from veneer.retrieval.pairs import Advance, cosines, pairs_above, require_threshold

TWINS = pa.schema(
    [
        ("group", pa.int32()),  # from 1, the largest first
        ("id", pa.string()),
        ("sha", pa.string()),
        ("path", pa.string()),
        ("label", pa.string()),
        ("split", pa.string()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("size", pa.int64()),  # bytes
        ("kind", pa.string()),  # kept; exact: a copy of the kept one; near
        ("cosine", pa.float32()),  # to the kept one; below the threshold where a chain led here
        ("keep", pa.bool_()),  # true for one of each group
    ]
)
"""One image that has a twin, beside its twins, the one to keep first."""

SHARED = pa.schema(
    [
        ("id", pa.string()),
        ("sha", pa.string()),
        ("path", pa.string()),
        ("label", pa.string()),
        ("split", pa.string()),
        ("other_id", pa.string()),
        ("other_path", pa.string()),
        ("other_label", pa.string()),
        ("other_split", pa.string()),
        ("cosine", pa.float32()),
        ("kind", pa.string()),  # exact: of equal bytes; near
    ]
)
"""One image of a collection that has a twin in another one, and the best of these."""

CHOICES = pa.schema([("id", pa.string()), ("path", pa.string()), ("keep", pa.bool_())])
"""What somebody decided of an image that has a twin; ``path`` is for whoever reads the table."""

USUAL_THRESHOLD = 0.97
"""What is suggested where there are too few images to tell."""

LOWEST_THRESHOLD, HIGHEST_THRESHOLD = 0.95, 0.985
"""Between these a suggestion stays."""

_TOO_FEW = 50


def find_twins(
    rows: pa.Table,
    vectors: np.ndarray,
    threshold: float,
    *,
    nearest: np.ndarray | None = None,
    advance: Advance | None = None,
) -> pa.Table:
    """Groups of images that are the same or nearly so.

    The one to keep is the one of the most pixels; of these the largest file; of these the first
    by path. Groups come the largest first, of equal ones the first by the path of the kept one.
    Neither depends on the order of the rows.

    Parameters
    ----------
    rows : Table of image rows
        With ``id``, ``sha``, ``path``, and ``label``, ``split``, ``width``, ``height`` and
        ``size``, which may be null.
    vectors : float32 array [n, D], rows of length 1
        Of the rows, in their order; those of one ``sha`` are equal.
    threshold : float
        Cosine from which two images are near twins; above 0, at most 1.
    nearest : float array [n], optional
        What :func:`veneer.retrieval.pairs.nearest_cosines` gave for these vectors by ``sha``:
        only images that have one as near as the threshold are then compared again.
    advance : callable, optional
        Told of how many pairs of different files have been compared since.

    Returns
    -------
    Table of schema :data:`TWINS`
        Only images that have a twin; by group, the kept one first, then by falling cosine.

    Raises
    ------
    VeneerError
        When the threshold is not one.
    """
    require_threshold(threshold)
    codes, first = _codes(rows["sha"])
    # One of each sha is compared, so that thousands of copies are one row.
    nodes = np.arange(len(first))
    if nearest is not None:
        # Rounded otherwise than the cosines to come; a few rows more do no harm.
        nodes = nodes[nearest[first] >= threshold - 1e-3]
    members = first[nodes]
    compared = vectors if len(members) == len(vectors) else vectors[members]
    parts = np.arange(len(first))
    for i, j, _ in pairs_above(compared, threshold, advance=advance):
        parts = _joined(parts, nodes[i], nodes[j])
    return _table(rows, vectors, parts[codes])


def with_choices(twins: pa.Table, choices: pa.Table) -> pa.Table:
    """Groups of twins with what somebody decided in the place of what was suggested.

    Parameters
    ----------
    twins : Table of schema :data:`TWINS`
    choices : Table of schema :data:`CHOICES`
        Of some of the images, once each; those of images that have no twin do nothing.

    Returns
    -------
    Table of schema :data:`TWINS`
        Of a group, any number of images may now be kept, or none.
    """
    place = pc.index_in(twins["id"], value_set=choices["id"].combine_chunks())
    decided = choices["keep"].take(place)
    keep = pc.coalesce(decided, twins["keep"])
    return twins.set_column(twins.schema.get_field_index("keep"), TWINS.field("keep"), keep)


def leaks(twins: pa.Table) -> pa.Table:
    """Groups on more than one side of a split: all their rows; rows on no side leak nothing."""
    return _differing(twins, "split")


def conflicts(twins: pa.Table) -> pa.Table:
    """Groups under more than one label: all their rows; rows without one contradict nothing."""
    return _differing(twins, "label")


def find_shared(
    rows: pa.Table,
    vectors: np.ndarray,
    other_rows: pa.Table,
    other_vectors: np.ndarray,
    threshold: float,
    *,
    advance: Advance | None = None,
) -> pa.Table:
    """Images of one collection that have a twin in another.

    Parameters
    ----------
    rows, other_rows : Tables with ``id``, ``sha``, ``path``, ``label``, ``split``
    vectors, other_vectors : float32 arrays [n, D] and [m, D], rows of length 1
        Of the rows, by one encoder; those of one ``sha`` are equal.
    threshold : float
        Cosine from which two images are near twins; above 0, at most 1.
    advance : callable, optional
        Told of how many pairs of different files have been compared since.

    Returns
    -------
    Table of schema :data:`SHARED`
        One row for each image of the first collection that has a twin in the other: the copy if
        there is one, else the nearest; of several such the first by path. By falling cosine,
        copies first, then by path.

    Raises
    ------
    VeneerError
        When the threshold is not one.
    """
    require_threshold(threshold)
    other_rows = _with_columns(other_rows, row=np.arange(len(other_rows)))
    other_rows = other_rows.sort_by([("path", "ascending"), ("id", "ascending")])
    codes, first = _codes(rows["sha"])
    # The first of each sha by path: a lower number is then what a tie is broken by.
    _, other_first = _codes(other_rows["sha"])
    others = other_rows.take(other_first)
    a, b = vectors[first], other_vectors[others["row"].to_numpy()]
    best, cosine = _best_matches(a, b, threshold, advance)

    copies = pc.index_in(rows["sha"].take(first), value_set=others["sha"].combine_chunks())
    copies = pc.fill_null(copies, -1).to_numpy()
    exact = copies >= 0
    best[exact] = copies[exact]
    cosine[exact] = cosines(a, b, np.flatnonzero(exact), copies[exact])

    match = best[codes]
    has = np.flatnonzero(match >= 0)
    mine, theirs = rows.take(has), others.take(match[has])
    columns = {name: mine[name] for name in ("id", "sha", "path", "label", "split")}
    columns |= {f"other_{name}": theirs[name] for name in ("id", "path", "label", "split")}
    columns["cosine"] = cosine[codes][has]
    columns["kind"] = np.where(exact[codes][has], "exact", "near").astype(object)
    order = [("cosine", "descending"), ("kind", "ascending")]
    return (
        pa.table(columns).sort_by([*order, ("path", "ascending"), ("id", "ascending")]).cast(SHARED)
    )


def suggest_threshold(nearest: np.ndarray) -> float:
    """A cosine from which images of a collection are likely to be twins.

    It is where fewer than one image of n would have its nearest one, were all different and the
    logarithms of their distances (1 - cosine) normal, of the median that they have and the
    deviation that their nearer half has. Many twins widen that half, and raise the suggestion: it
    stays below a bound above which next to nothing but twins was found in photos (see
    ``benchmarks/twins.py``). Precision counts for more, as what is found may be left out.

    Parameters
    ----------
    nearest : float array [n]
        Each image's cosine to the nearest other one, copies set aside; NaN where there is none.
    """
    nearest = nearest[np.isfinite(nearest)]
    if len(nearest) < _TOO_FEW:
        return USUAL_THRESHOLD
    distance = np.log(np.maximum(1 - nearest.astype(np.float64), 1e-6))
    normal = NormalDist()
    near, middle = np.quantile(distance, [normal.cdf(-1), 0.5])
    least = middle + normal.inv_cdf(1 / len(distance)) * (middle - near)
    return float(np.clip(1 - np.exp(least), LOWEST_THRESHOLD, HIGHEST_THRESHOLD))


def _codes(names: pa.ChunkedArray) -> tuple[np.ndarray, np.ndarray]:
    """Names as numbers from 0, in the order they come in, and where each comes first."""
    codes = pc.index_in(names, value_set=pc.unique(names)).to_numpy()
    return codes, np.unique(codes, return_index=True)[1]


def _joined(parts: np.ndarray, i: np.ndarray, j: np.ndarray) -> np.ndarray:
    """The parts [n] of all nodes once the nodes ``i`` and ``j`` are joined, from 0."""
    from scipy import sparse

    a, b = parts[i], parts[j]
    apart = a != b
    if not apart.any():
        return parts
    a, b = a[apart], b[apart]
    links = sparse.coo_array((np.ones(len(a), bool), (a, b)), shape=(parts.max() + 1,) * 2)
    _, whole = sparse.csgraph.connected_components(links, directed=False)
    return whole[parts]


def _table(rows: pa.Table, vectors: np.ndarray, parts: np.ndarray) -> pa.Table:
    """The rows of parts of two and more, as :func:`find_twins` gives them."""
    pixels = pc.multiply(rows["width"].cast(pa.int64()), rows["height"].cast(pa.int64()))
    rows = rows.select([name for name in TWINS.names if name in rows.column_names])
    rows = rows.append_column("pixels", pixels)
    rows = _with_columns(rows, part=parts, row=np.arange(len(rows)))
    rows = rows.filter(np.bincount(parts, minlength=1)[parts] > 1)
    # From here on the first of each part is the one to keep.
    rows = rows.sort_by(
        [
            ("part", "ascending"),
            ("pixels", "descending"),
            ("size", "descending"),
            ("path", "ascending"),
            ("id", "ascending"),
        ]
    )
    _, first, place, sizes = np.unique(
        rows["part"].to_numpy(), return_index=True, return_inverse=True, return_counts=True
    )
    kept = first[place]
    keep = kept == np.arange(len(rows))
    row, sha = rows["row"].to_numpy(), rows["sha"].to_numpy()
    heads = _with_columns(rows.take(first), count=sizes)
    by_size = [("count", "descending"), ("path", "ascending"), ("id", "ascending")]
    rows = _with_columns(
        rows,
        group=np.argsort(pc.sort_indices(heads, by_size).to_numpy())[place] + 1,
        kind=np.where(keep, "kept", np.where(sha == sha[kept], "exact", "near")).astype(object),
        cosine=cosines(vectors, vectors, row, row[kept]),
        keep=keep,
    )
    rows = rows.sort_by(
        [
            ("group", "ascending"),
            ("keep", "descending"),
            ("cosine", "descending"),
            ("path", "ascending"),
            ("id", "ascending"),
        ]
    )
    return rows.select(TWINS.names).cast(TWINS)


def _with_columns(table: pa.Table, **columns: np.ndarray) -> pa.Table:
    for name, values in columns.items():
        table = table.append_column(name, pa.array(values))
    return table


def _differing(twins: pa.Table, column: str) -> pa.Table:
    """The rows of groups that have more than one value in ``column``."""
    values = twins.group_by("group").aggregate([(column, "count_distinct")])
    differ = values.filter(pc.greater(values[f"{column}_count_distinct"], 1))["group"]
    return twins.filter(pc.is_in(twins["group"], differ.combine_chunks()))


def _best_matches(
    vectors: np.ndarray, others: np.ndarray, threshold: float, advance: Advance | None
) -> tuple[np.ndarray, np.ndarray]:
    """Nearest of ``others`` [n], the first of equal ones, -1 where there is none; its cosine."""
    best = np.full(len(vectors), -1)
    cosine = np.full(len(vectors), -1, np.float32)
    for i, j, rough in pairs_above(vectors, threshold, others, advance=advance):
        # Equal vectors are equal only in double precision; what may be best is worked out again.
        highest = cosine.copy()
        np.maximum.at(highest, i, rough)
        able = rough >= highest[i] - 1e-4
        rows, columns = i[able], j[able]
        exact = cosines(vectors, others, rows, columns)
        order = np.lexsort((columns, -exact, rows))
        order = order[np.diff(rows[order], prepend=-1) > 0]  # the best of each row
        rows, columns, exact = rows[order], columns[order], exact[order]
        ties = (exact == cosine[rows]) & (columns < best[rows])
        wins = (exact > cosine[rows]) | ties
        best[rows[wins]], cosine[rows[wins]] = columns[wins], exact[wins]
    return best, cosine
