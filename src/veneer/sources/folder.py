"""A folder of image files, at any depth."""

from __future__ import annotations

import fnmatch
import logging
import os
import re
from collections.abc import Callable, Iterable, Sequence

import pyarrow as pa

from veneer.errors import VeneerError
from veneer.sources.files import is_local, kind_of, read_text, reader, row_of, walk
from veneer.sources.options import FolderOptions
from veneer.sources.source import (
    Read,
    Source,
    cast_attribute,
    listing_schema,
    with_unique_paths,
)

logger = logging.getLogger(__name__)

PART_ROWS = 1024


def folder_source(
    root: str,
    options: FolderOptions,
    *,
    attributes: dict[str, str],
    max_bytes: int,
) -> Source:
    """All files below a folder, in the order of their relative paths.

    Labels come from the folder a file lies in (files directly in ``root`` have none), from a
    pattern of its path, or from official lists. Where there are lists, they tell the official
    sides too, whatever the labels come from.

    Parameters
    ----------
    root : str
        A local path, or an address that fsspec knows.
    options : FolderOptions
    attributes : dict of name to type
        Names of groups of ``options.pattern`` and what they hold.
    max_bytes : int
        Larger files are refused unread.

    Raises
    ------
    VeneerError
        When a pattern or list that labels are to come from cannot be used.
    """
    facts = _facts_reader(root, options, attributes)
    own_lists = {_list_address(root, name) for name in options.lists.values()}
    schema = listing_schema(attributes)
    parts, rows = [schema.empty_table()], []
    escaped = False  # only names that are no text can become equal
    for file in walk(root):
        own = own_lists and f"{root.rstrip('/')}/{file.path}" in own_lists
        if own or _excluded(file.path, options.exclude):
            continue
        rows.append(row_of(file) | facts(file.path))
        escaped |= "\\x" in file.path
        if len(rows) == PART_ROWS:
            parts.append(pa.Table.from_pylist(rows, schema=schema))
            rows = []
    listing = pa.concat_tables([*parts, pa.Table.from_pylist(rows, schema=schema)])
    if escaped:
        listing = with_unique_paths(listing)
    _tell_what_was_found(root, listing, options)

    def reads(locations: Sequence[bytes]) -> list[Read]:
        return [reader(root, max_bytes, location) for location in locations]

    return Source(name=root, listing=listing, reads=reads)


def _tell_what_was_found(root: str, listing: pa.Table, options: FolderOptions) -> None:
    """Warn where nothing at all has come of a pattern or of lists."""
    unlabelled = listing["label"].null_count == len(listing)
    if len(listing) and unlabelled and options.label == "pattern":
        logger.warning("%s: source.folder.pattern gives no file a label", root)
    sides = len(listing) - listing["split"].null_count
    if options.lists:
        logger.info("%s: the official lists name %d of %d files", root, sides, len(listing))
    if len(listing) and not sides and options.label == "lists":
        raise VeneerError(
            f"Reading labels from lists: none of the {len(listing):,} files in {root} stands in "
            f"{', '.join(options.lists.values())}. A line is a path below that folder, or its last "
            "parts, with a label behind it or without."
        )


def _excluded(path: str, patterns: Iterable[str]) -> bool:
    return any(fnmatch.fnmatchcase(path, pattern) for pattern in patterns)


def _facts_reader(
    root: str, options: FolderOptions, attributes: dict[str, str]
) -> Callable[[str], dict]:
    """A function of a path that gives what its name, its folder and the lists tell of it."""
    of_pattern = _pattern_reader(options, attributes)
    of_lists = _lists_reader(root, options)

    def facts(path: str) -> dict:
        found = of_pattern(path) | of_lists(path)
        if options.label == "parent":
            found["label"] = os.path.basename(os.path.dirname(path)) or None
        return found

    return facts


def _pattern_reader(options: FolderOptions, attributes: dict[str, str]) -> Callable[[str], dict]:
    pattern = re.compile(options.pattern or "")
    unknown = set(pattern.groupindex) - {"label", "text"} - set(attributes)
    if unknown or (options.label == "pattern" and "label" not in pattern.groupindex):
        wanted = f"the groups {sorted(unknown)} stand" if unknown else "no group 'label' stands"
        raise VeneerError(
            f"Reading labels by source.folder.pattern {options.pattern!r}: {wanted} in it. A "
            "group is 'label', 'text', or one of source.attributes."
        )

    def facts(path: str) -> dict:
        match = pattern.search(path)
        groups = match.groupdict() if match else {}
        found = {"text": groups.get("text") or None}
        if options.label == "pattern":
            found["label"] = groups.get("label") or None
        if attributes:
            found["attributes"] = {
                name: cast_attribute(groups.get(name), kind, f"{path}, attribute {name}")
                for name, kind in attributes.items()
            }
        return found

    return facts


def _list_address(root: str, name: str) -> str:
    if not is_local(name) or os.path.isabs(name):
        return name
    return os.path.normpath(f"{root}/{name}") if is_local(root) else f"{root.rstrip('/')}/{name}"


def _lists_reader(root: str, options: FolderOptions) -> Callable[[str], dict]:
    """Official sides, and labels where they come from the lists."""
    labelled = options.label == "lists"
    if labelled and not options.lists:
        raise VeneerError(
            "Reading labels from lists: source.folder.lists names none, as in "
            "--params source.folder.lists.train=train1.txt,source.folder.lists.test=test1.txt."
        )
    listed: dict[str, tuple] = {}
    twice = []
    classes = {str(key): value for key, value in options.classes.items()}
    for side, name in options.lists.items():
        address = _list_address(root, name)
        if not labelled and kind_of(address) is None:
            continue  # the folder may have come without its lists; `split` says so if it needs them
        for line in read_text(address).splitlines():
            if line.strip():
                path, label = _list_entry(line, classes)
                if listed.setdefault(path, (side, label))[0] != side:
                    twice.append(path)
    if twice:
        logger.warning(
            "%d files are on two of the official lists and stay on the first one's side, "
            "as %s on that of %s",
            *(len(twice), twice[0], listed[twice[0]][0]),
        )
    _add_inner_paths(listed)

    def facts(path: str) -> dict:
        side, label = _find_listed(listed, path)
        return {"split": side} | ({"label": label} if labelled else {})

    return facts


# A path ends with the suffix of an image; a label may follow. Both may hold spaces.
_LINE = re.compile(
    r"""["']?(?P<path>.+\.(?:jpe?g|png|webp|gif|bmp|tiff?))["']?(?:[\s,]+(?P<label>.+))?""",
    re.IGNORECASE,
)


def _list_entry(line: str, classes: dict[str, str]) -> tuple[str, str | None]:
    """Path and label of a line: ``images/brick/brick_000.jpg``, or ``paper70.jpg 2``."""
    found = _LINE.fullmatch(line.strip())
    if found:
        path, label = found.groups()
    else:  # without a suffix the first word is the path
        path, *rest = re.split(r"[\s,]+", line.strip(), maxsplit=1)
        label = rest[0] if rest else None
    path = path.replace("\\", "/").removeprefix("./").lstrip("/")
    label = (label or "").strip("\"'") or os.path.basename(os.path.dirname(path)) or None
    return path, classes.get(label, label)


def _add_inner_paths(listed: dict[str, tuple]) -> None:
    """Let the files of an inner folder be found too: ``brick/1.jpg`` for ``images/brick/1.jpg``."""
    inner: dict[str, list[tuple]] = {}
    for path, facts in listed.items():
        tail = path.partition("/")[2]
        if "/" in tail:
            inner.setdefault(tail, []).append(facts)
    # What two entries could mean, neither does.
    for tail, facts in inner.items():
        if len(facts) == 1:
            listed.setdefault(tail, facts[0])


def _find_listed(listed: dict[str, tuple], path: str) -> tuple[str | None, str | None]:
    """Side and label of a file; a list may name it by the last parts of its path only."""
    while path not in listed:
        _, slash, path = path.partition("/")
        if not slash:
            return None, None
    return listed[path]
