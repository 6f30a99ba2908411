"""What may be said of a source, with types."""

from __future__ import annotations

import codecs
import hashlib
import json
import re
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
)

from veneer.images import MAX_PIXELS

READER_VERSION = 1
"""To be raised when the same file gives another row, so that all files are read again."""


def parted(given: Any) -> Any:
    """A list as it can be written on the command line, where commas part parameters."""
    return [each.strip() for each in given.split(";")] if isinstance(given, str) else given


Parted = BeforeValidator(parted)
Positive = Annotated[int, Field(ge=1)]
Side = Literal["train", "validation", "test"]


def _pattern(text: str) -> str:
    try:
        groups = re.compile(text).groupindex
    except re.error as error:
        raise ValueError(f"this is no regular expression: {error}") from None
    if not groups:
        raise ValueError("a pattern names what it finds, as in '(?P<label>[a-z]+)_'")
    return text


def _folder_name(name: str) -> str:
    if not re.fullmatch(r"[^/\\\0]+", name) or name in (".", ".."):
        raise ValueError("a collection's name becomes the name of a folder")
    return name


class Options(BaseModel):
    """Base of all groups: a key that is not known is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class FolderOptions(Options):
    """How the files of a folder get their labels; see :mod:`veneer.sources.folder`.

    Attributes
    ----------
    label : {"parent", "pattern", "lists", "none"}
    pattern : str, optional
        Regular expression that is searched for in the relative path. Its groups ``label`` and
        ``text`` become these columns, others the attributes of their names.
    lists : dict of side to file
        Official lists of paths, a line each, with a label behind the path or without; relative to
        the folder.
    classes : dict
        What the labels in the lists mean, as in ``{1: glass, 2: paper}``.
    exclude : list of str
        Shell patterns of relative paths that are no part of the collection.
    """

    label: Literal["parent", "pattern", "lists", "none"]
    pattern: Annotated[str, AfterValidator(_pattern)] | None
    lists: dict[Side, str]
    classes: dict[str | int, str]
    exclude: list[str]


class ParquetOptions(Options):
    """Which columns of a Parquet file mean what; see :mod:`veneer.sources.parquet`.

    Attributes
    ----------
    image : str
        A binary column, or a struct of ``bytes`` and ``path`` as Hugging Face writes it.
    path, label, split : str, optional
    text : list of str
        Joined with `` || ``.
    """

    image: str
    path: str | None
    label: str | None
    split: str | None
    text: list[str]


def _encoding(name: str) -> str:
    try:
        codecs.lookup(name)
    except LookupError as error:
        raise ValueError("Python knows no such encoding; as utf-8, latin-1, cp1252") from error
    return name


class CSVOptions(Options):
    """A table of products with the addresses of their pictures; see :mod:`veneer.sources.csv`.

    Attributes
    ----------
    separator : str
        Between the cells of a row.
    encoding : str
        Of the file, as Python names it. UTF-8 is read with and without a mark at its beginning.
    url : str
        Column of addresses; several in one cell are parted by ``url_separator``, and the first
        that gives an image is used.
    url_replace : list of (str, str)
        What is replaced in each address, and by what, in this order; where a table has those of
        pages instead of pictures.
    label : str, optional
        Column of categories; of ``a | b | c`` only what stands before ``label_separator`` counts.
    text : list of str
        Columns that are joined with `` || ``; a row without any of them is dropped.
    top_categories, most_per_category : int, optional
        Keep the largest categories, and of each the first rows.
    """

    separator: Annotated[str, Field(min_length=1, max_length=1)]
    encoding: Annotated[str, AfterValidator(_encoding)]
    url: str
    url_separator: str
    url_replace: list[tuple[Annotated[str, Field(min_length=1)], str]]
    label: str | None
    label_separator: str | None
    text: list[str]
    top_categories: Positive | None
    most_per_category: Positive | None


class DownloadOptions(Options):
    """How pictures are fetched from their addresses; see :mod:`veneer.sources.urls`.

    Attributes
    ----------
    connections : int
        At once, over all hosts.
    connections_per_host : int
    attempts : int
        For errors that may pass: no connection, a time-out, a broken transfer, a truncated
        picture, statuses 408, 425, 429 and 5xx.
    backoff : float
        Seconds before the second attempt; twice as many before each further one. A random share of
        up to a half is added or taken away, and more is waited where the server asks for it.
    timeout : float
        Seconds without a byte.
    time_limit : float
        Seconds for one attempt as a whole; what takes longer is not tried again.
    retry_failed : bool
        Ask again for what failed in an earlier run.
    """

    connections: Positive
    connections_per_host: Positive
    attempts: Positive
    backoff: Annotated[float, Field(ge=0)]
    timeout: Annotated[float, Field(gt=0)]
    time_limit: Annotated[float, Field(gt=0)]
    retry_failed: bool


class SourceOptions(Options):
    """Where the raw files of a collection come from, and which of them are refused.

    Attributes
    ----------
    kind : {"folder", "parquet", "csv"}
        Which of the groups below counts.
    collection : str
    images : str, optional
        Path or address of the folder or file; none means ``data/01_raw/<collection>``.
    attributes : dict of name to type
        What the source knows besides: columns of a table, or groups of ``folder.pattern``. One
        type for the whole collection: ``string``, ``int`` or ``double``.
    text_from_exif : bool
        Where a file has no other text, take it from EXIF ImageDescription.
    max_pixels, max_bytes : int
        Larger images are refused unread.
    max_refused_share : float
        When more than this share of a collection is refused, the run stops.
    """

    kind: Literal["folder", "parquet", "csv"]
    collection: Annotated[str, AfterValidator(_folder_name)]
    images: Annotated[str, Field(min_length=1)] | int | None = None
    attributes: dict[str, Literal["string", "int", "double"]]
    text_from_exif: bool
    max_pixels: Annotated[int, Field(ge=1, le=MAX_PIXELS)]
    max_bytes: Annotated[int, Field(ge=1, le=10**9)]  # a batch of files has to stay below 2 GiB
    max_refused_share: Annotated[float, Field(ge=0, le=1)]
    folder: FolderOptions
    parquet: ParquetOptions
    csv: CSVOptions
    download: DownloadOptions

    def reading(self, signature: str) -> str:
        """Digest of all that decides what is read of a file, for :mod:`veneer.ingest`."""
        decides = self.model_dump(exclude={"collection", "images", "max_refused_share", "download"})
        told = json.dumps([READER_VERSION, decides, signature], sort_keys=True)
        return hashlib.sha1(told.encode(), usedforsecurity=False).hexdigest()


def _hash(text: str | None, info: ValidationInfo) -> str | None:
    if text is None:
        if info.data.get("url") is not None:
            raise ValueError("an address needs the hash of its file, as in sha256:…")
        return None
    algorithm, _, digits = text.partition(":")
    count = {"md5": 32, "sha1": 40, "sha256": 64, "sha512": 128}.get(algorithm)
    if count is None or not re.fullmatch(rf"[0-9a-fA-F]{{{count}}}", digits):
        raise ValueError("a hash is md5:, sha1:, sha256: or sha512: and all its hexadecimal digits")
    return text


class ArchiveOptions(Options):
    """A collection's official archive; see :mod:`veneer.sources.download`.

    Attributes
    ----------
    url, hash : str, optional
        The hash is that of the whole archive: ``md5:``, ``sha1:``, ``sha256:`` or ``sha512:`` and
        its hexadecimal digits.
    strip : int
        Leading folders of the archive that are left out; see :mod:`veneer.sources.archives`.
    attempts : int
        In a row, without a mebibyte more between them.
    backoff : float
        Seconds before the second attempt; twice as many before each further one.
    timeout : float
        Seconds without a byte, or with almost none.
    max_bytes : int
        Of the archive.
    max_member_bytes : int
        Of a file in it; larger ones are refused.
    """

    url: Annotated[str, Field(pattern=r"^https?://[^/\s]+/\S+$")] | None
    hash: Annotated[str | None, AfterValidator(_hash)]
    strip: Annotated[int, Field(ge=0)]
    attempts: Positive
    backoff: Annotated[float, Field(ge=0)]
    timeout: Annotated[float, Field(gt=0)]
    max_bytes: Positive
    max_member_bytes: Positive
