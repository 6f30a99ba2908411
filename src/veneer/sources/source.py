"""What every source of raw files gives: a listing, and a way to read what is listed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa
import pyarrow.compute as pc

from veneer.errors import VeneerError

LISTING = pa.schema(
    [
        ("path", pa.string()),  # relative to the source, POSIX; unique
        ("label", pa.string()),
        ("text", pa.string()),
        ("split", pa.string()),  # the official side, where there is one
        ("size", pa.int64()),  # bytes; null where it is known only after reading
        ("modified", pa.timestamp("us", tz="UTC")),
        ("created", pa.timestamp("us", tz="UTC")),  # birth time; null where it is not kept
        ("location", pa.binary()),  # what `Source.reads` understands
        ("reason", pa.string()),  # of veneer.refusals, where it is refused already
        ("detail", pa.string()),
    ]
)
"""One file of a source. A struct column ``attributes`` follows where the source has some."""

TEXT_SEPARATOR = " || "
"""Stands between the columns that make up one text."""

Read = Callable[[], bytes]


@dataclass(frozen=True)
class Source:
    """The raw files of a collection, listed and not yet read.

    Attributes
    ----------
    name : str
        Where they are, for messages.
    listing : Table of schema :data:`LISTING`
        One row a file, in the order that the image rows will have.
    reads : function of a sequence of locations
        Gives for each location, in the same order, a function without arguments that reads the
        whole file. These are called in threads. They raise
        :class:`veneer.refusals.RefusedError` for a file that cannot be had.
    signature : str
        What must be the same, besides path, size and modification time of each file, for files
        of an earlier run not to be read again.
    """

    name: str
    listing: pa.Table
    reads: Callable[[Sequence[bytes]], Sequence[Read]]
    signature: str = ""

    @property
    def attributes(self) -> pa.StructType | None:
        """Arrow type of the column ``attributes``; None where there is none."""
        return attributes_of(self.listing.schema)


def with_refusals(source: Source, refused: pa.Table) -> Source:
    """A source with more rows that are refused already.

    Parameters
    ----------
    source : Source
    refused : Table of schema :data:`veneer.schema.QUARANTINE`
        What was refused before there was anything to be listed; it may have no columns.
    """
    if not len(refused):
        return source
    rows = refused.select(["path", "reason", "detail", "size"])
    listing = pa.concat_tables([source.listing, rows], promote_options="default")
    return replace(source, listing=with_unique_paths(listing))


def with_unique_paths(listing: pa.Table) -> pa.Table:
    """Tell files of the same path apart, as ``a``, ``a#2``, ``a#3``: their ids are made of it."""
    if pc.count_distinct(listing["path"]).as_py() == len(listing):
        return listing
    counts: Counter = Counter()
    taken: set[str] = set()
    names = []
    for path in listing["path"].to_pylist():
        name = path
        while name in taken:
            counts[path] += 1
            name = f"{path}#{counts[path] + 1}"
        taken.add(name)
        names.append(name)
    return listing.set_column(0, "path", pa.array(names, pa.string()))


def listing_schema(attributes: dict[str, str] | None = None) -> pa.Schema:
    """Schema of a listing with these attributes, by name: ``string``, ``int`` or ``double``."""
    struct = attributes_type(attributes)
    return LISTING if struct is None else LISTING.append(pa.field("attributes", struct))


def attributes_type(attributes: dict[str, str] | None) -> pa.StructType | None:
    """Arrow type of the column ``attributes``; None where there are none."""
    if not attributes:
        return None
    types = {"string": pa.string(), "int": pa.int64(), "double": pa.float64()}
    return pa.struct([(name, types[kind]) for name, kind in attributes.items()])


def attributes_of(schema: pa.Schema) -> pa.StructType | None:
    """Arrow type of the column ``attributes`` of a schema; None where there is none."""
    return schema.field("attributes").type if "attributes" in schema.names else None


def cast_attribute(value: str | None, kind: str, where: str) -> str | int | float | None:
    """Read an attribute from text; what is empty is null.

    Parameters
    ----------
    value : str, optional
    kind : {"string", "int", "double"}
    where : str
        For the message.

    Raises
    ------
    VeneerError
        Where it is not of its kind.
    """
    text = (value or "").strip()
    if not text:
        return None
    if kind == "string":
        return text
    try:
        if "_" in text:  # Python's way to write numbers, and nobody else's
            raise ValueError
        number = int(text) if kind == "int" else float(text)
        if kind == "int" and not -(2**63) <= number < 2**63:
            raise ValueError
        return number
    except ValueError:
        raise VeneerError(
            f"Reading {where}: {value!r} is not of the kind {kind!r} that source.attributes names."
        ) from None
