"""A CSV table of products with the addresses of their pictures."""

from __future__ import annotations

import codecs
import logging
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from veneer.errors import VeneerError
from veneer.progress import progress
from veneer.sources.columns import require_columns
from veneer.sources.files import moment, reader
from veneer.sources.options import CSVOptions, DownloadOptions
from veneer.sources.source import (
    TEXT_SEPARATOR,
    Read,
    Source,
    cast_attribute,
    listing_schema,
    with_unique_paths,
)
from veneer.sources.urls import Fetched, fetch_first

if TYPE_CHECKING:
    import pandas as pd

logger = logging.getLogger(__name__)

_CHUNK_ROWS = 50_000


@dataclass
class _Product:
    """One row of the table."""

    number: int  # from 1, without the header
    urls: list[str]
    label: str | None
    text: str | None
    attributes: dict[str, str] = field(default_factory=dict)


def csv_source(
    file: Path,
    options: CSVOptions,
    download: DownloadOptions,
    *,
    cache: Path,
    attributes: dict[str, str],
    max_bytes: int,
    max_pixels: int,
) -> Source:
    """The products of a CSV file, each with the first of its pictures that can be had.

    The path of a product is the address of its picture; where there is none, its first address.
    Later products of the same path get ``#2``, ``#3`` and so on behind it. Without an address, or
    without a text where there are columns for it, a product is left out.

    Parameters
    ----------
    file : Path
        With a header.
    options : CSVOptions
    download : DownloadOptions
    cache : Path
        Folder where the pictures are kept; see :mod:`veneer.sources.urls`.
    attributes : dict of name to type
        Columns that become attributes.
    max_bytes, max_pixels : int
        Larger pictures are none.

    Raises
    ------
    VeneerError
        When the file cannot be read, a column is missing, a cell is not of its attribute's type,
        or no product is left.
    """
    products = _choose(file, list(_products(file, options, attributes)), options)
    facts = [_facts(file, product, attributes) for product in products]
    with progress(len(products), "downloading", "rows") as advance:
        pictures = fetch_first(
            [product.urls for product in products],
            cache,
            download,
            max_bytes=max_bytes,
            max_pixels=max_pixels,
            advance=advance,
        )
    rows = [
        {"path": picture.url} | of_product | _file_facts(picture)
        for of_product, picture in zip(facts, pictures, strict=True)
    ]

    def reads(locations: Sequence[bytes]) -> list[Read]:
        return [reader(os.fspath(cache), max_bytes, location) for location in locations]

    listing = pa.Table.from_pylist(rows, schema=listing_schema(attributes))
    return Source(name=os.fspath(file), listing=with_unique_paths(listing), reads=reads)


def _read(file: Path, options: CSVOptions) -> Iterator[pd.DataFrame]:
    """Data frames of nothing but strings; what is empty is an empty string."""
    import pandas as pd

    utf8 = codecs.lookup(options.encoding).name == "utf-8"
    try:
        with pd.read_csv(
            file,
            sep=options.separator,
            dtype=str,
            na_filter=False,
            encoding="utf-8-sig" if utf8 else options.encoding,
            chunksize=_CHUNK_ROWS,
        ) as frames:
            for frame in frames:
                # Where there are more cells than columns, pandas makes an index of the first.
                if not isinstance(frame.index, pd.RangeIndex):
                    raise VeneerError(
                        f"Reading {file}: its rows have more cells than its header has columns. "
                        f"Is there a {options.separator!r} in a cell that stands without quotes?"
                    )
                yield frame
    except OSError as error:
        raise VeneerError(
            f"Reading {file}: it cannot be opened ({error.strerror or error})."
        ) from error
    except UnicodeError as error:
        why = getattr(error, "reason", error)
        name = "UTF-8" if utf8 else options.encoding
        raise VeneerError(
            f"Reading {file}: it is not {name} ({why}). Save it as CSV UTF-8, or name its encoding "
            "as source.csv.encoding."
        ) from error
    except pd.errors.EmptyDataError as error:
        raise VeneerError(f"Reading {file}: it is empty.") from error
    except pd.errors.ParserError as error:
        words = str(error).split("C error: ")[-1].strip()
        raise VeneerError(f"Reading {file}: this is no CSV that can be read ({words}).") from error


def _products(file: Path, options: CSVOptions, attributes: dict[str, str]) -> Iterator[_Product]:
    asked = {
        "source.csv.url": [options.url],
        "source.csv.label": [options.label],
        "source.csv.text": options.text,
        "source.attributes": list(attributes),
    }
    used = {name for names in asked.values() for name in names if name is not None}
    number = 0
    for frame in _read(file, options):
        if number == 0:
            require_columns(os.fspath(file), list(frame.columns), asked)
        columns = {name: frame[name].tolist() for name in used}
        for row in range(len(frame)):
            cells = {name: column[row] for name, column in columns.items()}
            number += 1
            yield _Product(
                number,
                _urls(cells[options.url], options),
                _label(cells[options.label], options.label_separator) if options.label else None,
                _text([cells[name] for name in options.text]),
                {name: cells[name] for name in attributes},
            )


def _urls(cell: str, options: CSVOptions) -> list[str]:
    parts = cell.split(options.url_separator) if options.url_separator else [cell]
    return [_replaced(url, options.url_replace) for part in parts if (url := part.strip())]


def _replaced(url: str, replace: list[tuple[str, str]]) -> str:
    for old, new in replace:
        url = url.replace(old, new)
    return url


def _label(cell: str, separator: str | None) -> str | None:
    return (cell.partition(separator)[0] if separator else cell).strip() or None


def _text(cells: list[str]) -> str | None:
    return TEXT_SEPARATOR.join(words for cell in cells if (words := cell.strip())) or None


def _choose(file: Path, products: list[_Product], options: CSVOptions) -> list[_Product]:
    """The products that are kept, in their order; tells how many are not, and why."""
    limited = options.top_categories is not None
    if options.label is None and (limited or options.most_per_category is not None):
        raise VeneerError(
            f"Reading {file}: source.csv.top_categories and most_per_category are about the "
            "labels, and source.csv.label names no column for them."
        )
    reachable = [product for product in products if product.urls]
    described = [product for product in reachable if product.text or not options.text]
    labelled = [product for product in described if product.label or not limited]
    chosen = list(_largest(labelled, options))
    steps = [products, reachable, described, labelled, chosen]
    reasons = ("no address", "no text", "no label", "the limits of categories")
    left_out = ", ".join(
        f"{len(before) - len(after)} for {reason}"
        for before, after, reason in zip(steps, steps[1:], reasons, strict=False)
    )
    if not chosen:
        raise VeneerError(
            f"Reading {file}: none of its {len(products)} rows is left; left out were {left_out}."
        )
    logger.info("%s: %d of %d rows; left out: %s", file, len(chosen), len(products), left_out)
    return chosen


def _largest(products: list[_Product], options: CSVOptions) -> Iterator[_Product]:
    sizes = Counter(product.label for product in products if product.label)
    ranked = sorted(sizes, key=lambda label: (-sizes[label], label))
    kept = set(ranked[: options.top_categories])
    most = options.most_per_category or len(products)
    taken: Counter = Counter()
    for product in products:
        taken[product.label] += 1
        if product.label is None or (product.label in kept and taken[product.label] <= most):
            yield product


def _facts(file: Path, product: _Product, attributes: dict[str, str]) -> dict:
    where = f"{file}, row {product.number} below the header, column"
    cells = product.attributes
    return {
        "label": product.label,
        "text": product.text,
        "attributes": {
            name: cast_attribute(cells[name], kind, f"{where} {name!r}")
            for name, kind in attributes.items()
        },
    }


def _file_facts(picture: Fetched) -> dict:
    if picture.path is None:
        return {"location": b"", "reason": picture.reason, "detail": picture.detail}
    stat = picture.path.stat()
    return {
        "location": os.fsencode(picture.path),
        "size": stat.st_size,
        "modified": moment(stat.st_mtime_ns),
    }
