"""What a collection can be filtered by, and filters from values that were chosen."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from numbers import Integral, Real
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc

from veneer.errors import VeneerError
from veneer.retrieval.filters import compile_filter, quoted
from veneer.retrieval.index import NOT_SHOWN, Index

TELLING_APART = ("id", "sha", "path", "text")
"""Columns that tell one image from another; they are no categories however few images there are."""

_PLAIN = re.compile(r"(?!(or|and|not|in|between|i?like|is|null)\b)[a-z][a-z0-9_.]*", re.I | re.A)


@dataclass(frozen=True)
class Column:
    """A column that can be filtered by.

    Attributes
    ----------
    name : str
        That filters know it by; of an attribute, the shortest one.
    kind : str
        ``category`` (texts), ``number`` or ``date``.
    values : tuple of str
        Of a category: the most frequent first, then by name.
    low, high : int, float or datetime, or None
        Of numbers and dates: the smallest and the largest. Those of ``modified`` are in UTC.
    nulls : int
        Rows without a value; NaN is none.
    """

    name: str
    kind: Literal["category", "number", "date"]
    values: tuple[str, ...] = ()
    low: float | datetime | None = None
    high: float | datetime | None = None
    nulls: int = 0


@dataclass(frozen=True)
class AnyOf:
    """Values of a category, of which a row has to have one; None is for rows without any.

    Where there are none, all rows will do.
    """

    values: Iterable[str | None]


@dataclass(frozen=True)
class Between:
    """A range of numbers or dates, both ends in it; None is for an open end.

    Dates are a ``date``, which is all of that day in UTC, a ``datetime``, which is that very
    moment, or a text as filters know it. A range that is open at both ends has all rows in it, any
    other only those that have a value.
    """

    low: float | date | str | None = None
    high: float | date | str | None = None


Choice = AnyOf | Between


@dataclass
class _Tally:
    """What was seen of a column so far.

    ``place`` is its name in the table, and that of an attribute behind it.
    """

    name: str
    place: tuple[str, ...]
    kind: Literal["category", "number", "date"]
    counts: dict[str, int] | None = field(default_factory=dict)
    low: float | datetime | None = None
    high: float | datetime | None = None
    nulls: int = 0

    def add(self, values: pa.Array, most: int) -> None:
        """Count a batch; ``counts`` is None where there were more than ``most`` texts."""
        if pa.types.is_floating(values.type):
            values = pc.if_else(pc.is_nan(values), None, values)
        self.nulls += values.null_count
        if self.kind != "category":
            ends = pc.min_max(values).as_py()
            if ends["min"] is not None:
                self.low = ends["min"] if self.low is None else min(self.low, ends["min"])
                self.high = ends["max"] if self.high is None else max(self.high, ends["max"])
        elif self.counts is not None:
            for each in pc.value_counts(values.drop_null()):
                value = each["values"].as_py()
                self.counts[value] = self.counts.get(value, 0) + each["counts"].as_py()
                if len(self.counts) > most:
                    self.counts = None
                    break

    def tells_apart(self) -> bool:
        """Whether a filter could pass some rows and not others."""
        if self.kind == "category":
            different = 0 if self.counts is None else len(self.counts)
        else:
            different = 0 if self.low is None else 1 + (self.low != self.high)
        return different > 1 or (different == 1 and self.nulls > 0)

    def column(self) -> Column:
        """The result."""
        counts = self.counts or {}
        values = tuple(sorted(counts, key=lambda value: (-counts[value], value)))
        return Column(self.name, self.kind, values, self.low, self.high, self.nulls)


def filterable(index: Index, most_values: int = 200) -> list[Column]:
    """The columns of an index that can be filtered by, and what is in them.

    Parameters
    ----------
    index : Index
    most_values : int
        Texts of more different values are left out.

    Returns
    -------
    list of Column
        In the order of the table. Left out is what no filter could tell rows apart by: columns
        whose rows are all of one value, or all null. So are those of :data:`TELLING_APART`.

    Notes
    -----
    The table is read once, a batch at a time. No more than ``most_values`` values of a column are
    kept.
    """
    tallies = _tallies(index.schema)
    if not tallies:
        return []
    for batch in index.batches(list(dict.fromkeys(each.place[0] for each in tallies))):
        for tally in tallies:
            tally.add(_values(batch, tally.place), most_values)
    return [each.column() for each in tallies if each.tells_apart()]


def where_of(choices: Mapping[str, Choice]) -> str | None:
    """A filter from chosen values, in the language of :mod:`veneer.retrieval.filters`.

    Parameters
    ----------
    choices : mapping of str to AnyOf or Between
        By the name of :class:`Column`. What restricts nothing, ``AnyOf([])`` or
        ``Between(None, None)``, may be among them.

    Returns
    -------
    str or None
        Rows that are of all choices; None where all rows are.

    Raises
    ------
    VeneerError
        When an end of a range is no number and no date.

    Examples
    --------
    >>> where_of({"label": AnyOf(["it's", None]), "year": Between(1990, None)})
    "(label = 'it''s' or label is null) and year >= 1990"
    """
    conditions = []
    for name, choice in choices.items():
        column = name if _PLAIN.fullmatch(name) else quoted(name, "`")
        if isinstance(choice, AnyOf):
            conditions += _of_values(column, choice.values)
        else:
            conditions += _of_range(column, choice)
    return " and ".join(conditions) or None


def _tallies(schema: pa.Schema) -> list[_Tally]:
    """One for each column that filters know, but for those that tell apart."""
    found = []
    for each in schema:
        if each.name == "attributes" and pa.types.is_struct(each.type):
            places = [((each.name, inner.name), inner.type) for inner in each.type]
        else:
            places = [((each.name,), each.type)]
        for place, dtype in places:
            name, kind = _name(place, schema), _kind(dtype)
            if name and kind and each.name not in (*NOT_SHOWN, *TELLING_APART):
                found.append(_Tally(name, place, kind))
    return found


def _name(place: tuple[str, ...], schema: pa.Schema) -> str | None:
    """The shortest name by which filters find a column; None where they do not."""
    wanted = ".".join(quoted(part, "`") for part in place)
    for name in dict.fromkeys((place[-1], ".".join(place))):
        try:
            if wanted in compile_filter(f"{quoted(name, '`')} is null", schema):
                return name
        except VeneerError:
            continue
    return None


def _kind(dtype: pa.DataType) -> Literal["category", "number", "date"] | None:
    if pa.types.is_string(dtype) or pa.types.is_large_string(dtype):
        return "category"
    if pa.types.is_integer(dtype) or pa.types.is_floating(dtype):
        return "number"
    return "date" if pa.types.is_timestamp(dtype) else None


def _values(batch: pa.RecordBatch, place: tuple[str, ...]) -> pa.Array:
    values = batch[place[0]]
    if len(place) == 1:
        return values
    # By number: in a name, a dot would lead further inside. Null where all attributes are.
    return pc.struct_field(values, [values.type.get_field_index(place[1])])


def _of_values(column: str, values: Iterable[str | None]) -> list[str]:
    values = list(dict.fromkeys(values))
    texts = [quoted(value) for value in values if value is not None]
    parts = []
    if texts:
        parts = [
            f"{column} = {texts[0]}" if len(texts) == 1 else f"{column} in ({', '.join(texts)})"
        ]
    if None in values:
        parts.append(f"{column} is null")
    return [f"({' or '.join(parts)})"] if len(parts) > 1 else parts


def _of_range(column: str, choice: Between) -> list[str]:
    parts = []
    for sign, end, endless in ((">=", choice.low, -math.inf), ("<=", choice.high, math.inf)):
        if end == endless:  # which cannot be written, and which all numbers are within
            parts.append(f"{column} is not null")
        elif end is not None:
            parts.append(f"{column} {sign} {_end(column, end)}")
    return parts


def _end(column: str, value: float | date | str) -> str:
    """A number or a date, as filters read it."""
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, datetime):
        if value.tzinfo:  # without a zone a time is UTC, also for columns that know no zones
            value = value.astimezone(UTC).replace(tzinfo=None)
        return quoted(value.isoformat(" ", "microseconds"))
    if isinstance(value, date):
        return quoted(value.isoformat())
    if isinstance(value, Integral):
        return str(int(value))
    if isinstance(value, Real) and math.isfinite(value):
        return repr(float(value))
    raise VeneerError(f"Searching by a range of {column}: {value!r} is no number and no date.")
