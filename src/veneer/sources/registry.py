"""Opening the source of a collection, of whichever kind."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from veneer.errors import VeneerError
from veneer.sources.files import is_local, kind_of, walk
from veneer.sources.folder import folder_source
from veneer.sources.options import SourceOptions
from veneer.sources.parquet import parquet_source
from veneer.sources.source import Source


@dataclass(frozen=True)
class RawLocation:
    """Where the raw files of a collection are.

    Attributes
    ----------
    root : str
        Path or address of a folder or file.
    cache : Path
        Folder for what has to be fetched first.
    """

    root: str
    cache: Path


def require_files(location: RawLocation, parameter: str = "images") -> None:
    """Raise a :class:`VeneerError` where there is nothing to be read; ``parameter`` named it."""
    kind = kind_of(location.root)
    if kind is None or (kind == "folder" and next(walk(location.root), None) is None):
        state = "does not exist" if kind is None else "holds no files"
        raise VeneerError(
            f"Reading images: no images found, the folder {location.root} {state}. Put image "
            f"files there, or name another folder with --params {parameter}=FOLDER."
        )


def open_source(location: RawLocation, options: SourceOptions) -> Source:
    """List the raw files of a collection; pictures behind addresses are fetched for that.

    Raises
    ------
    VeneerError
        When there is nothing to be read, or it is not what ``options`` says of it.
    """
    if kind_of(location.root) is not None:
        source = _open(location, options)
        if len(source.listing):
            return source
    require_files(location)  # only now: it begins to list the folder anew
    raise VeneerError(
        f"Reading images: {location.root} holds nothing that is part of the collection. Look at "
        f"what is there, and at source.{options.kind} in the parameters."
    )


def _open(location: RawLocation, options: SourceOptions) -> Source:
    common = {"attributes": options.attributes, "max_bytes": options.max_bytes}
    if options.kind == "parquet":
        return parquet_source(location.root, options.parquet, **common)
    if options.kind == "csv":
        from veneer.sources.csv import csv_source

        return csv_source(
            _csv_file(location.root),
            options.csv,
            options.download,
            cache=location.cache,
            max_pixels=options.max_pixels,
            **common,
        )
    if kind_of(location.root) == "file":
        raise VeneerError(
            f"Reading images: {location.root} is a file, and source.kind is folder. For a Parquet "
            "file set source.kind=parquet, for a table of addresses source.kind=csv."
        )
    return folder_source(location.root, options.folder, **common)


def _csv_file(root: str) -> Path:
    if not is_local(root):
        raise VeneerError(f"Reading {root}: a CSV file has to be local. Copy it first.")
    if kind_of(root) == "file":
        return Path(root)
    files = sorted(Path(root).glob("*.csv"))
    if len(files) != 1:
        raise VeneerError(
            f"Reading {root}: it holds {len(files)} CSV files, and one is needed. Name the file "
            "with --params images=FILE."
        )
    return files[0]
