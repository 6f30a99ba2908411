"""Twins by a threshold, and what somebody decided to keep and to drop."""

from __future__ import annotations

import threading

import pyarrow as pa
import pyarrow.compute as pc

from veneer.app.workspace import Workspace
from veneer.errors import VeneerError
from veneer.retrieval.duplicates import Duplicates
from veneer.retrieval.pairs import Advance
from veneer.retrieval.twins import CHOICES, conflicts, leaks

SHOWN_GROUPS = 40
_writing = threading.Lock()


def twins_at(
    workspace: Workspace, threshold: float | None, advance: Advance | None = None
) -> Duplicates:
    """The twins by a threshold, decisions included; by default that of parameters or images.

    Raises
    ------
    VeneerError
        When there are too many images for it.
    """
    options, rows = workspace.parameters.retrieval.twins, workspace.index().rows
    if rows > options.most_rows:
        raise VeneerError(
            f"Looking for twins: {rows:,} images are more than retrieval.twins.most_rows "
            f"({options.most_rows:,}), and all pairs of them take long. Use kedro duplicates, or "
            "begin the app with a larger number in --params."
        )
    if threshold is None:
        threshold = options.threshold
    choices = workspace.project.twin_choices()
    return workspace.comparison(advance).at(threshold, choices)


def choose(workspace: Workspace, id_: str, keep: bool) -> None:
    """Write down that an image is to be kept or dropped.

    Raises
    ------
    VeneerError
        When there is no such image, or the table cannot be written.
    """
    rows = workspace.comparison().rows
    place = pc.index(rows["id"], id_).as_py()
    if place < 0:
        raise VeneerError(f"Choosing what to keep: there is no image {id_}. Reload the page.")
    one = pa.table([[id_], [rows["path"][place].as_py()], [bool(keep)]], schema=CHOICES)
    with _writing:
        known = workspace.project.twin_choices()
        others = known.filter(pc.not_equal(known["id"], id_))
        workspace.project.catalog.save("twin_choices", pa.concat_tables([others, one]))


def forget(workspace: Workspace) -> None:
    """Go back to what is suggested."""
    with _writing:
        workspace.project.catalog.save("twin_choices", CHOICES.empty_table())


def in_words(found: Duplicates, choices: int) -> str:
    """What was found, and what becomes of it."""
    card, twins = found.card, found.twins
    if not card["groups"]:
        return f"None of {card['images']:,} images is there more than once at this threshold."
    kept = twins.group_by("group").aggregate([("keep", "any")])
    lost = pc.sum(pc.invert(kept["keep_any"])).as_py() or 0
    told = (
        f"{card['groups']:,} groups of {card['in_groups']:,} images, of {card['images']:,}. "
        f"{card['to_drop']:,} would go, {card['in_groups'] - card['to_drop']:,} would stay."
    )
    if card["split_leaks"]:
        told += f" {card['split_leaks']:,} groups are on more than one side of the split."
    if card["label_conflicts"]:
        told += f" {card['label_conflicts']:,} are under more than one label."
    if choices:
        told += f" {choices:,} by your choice."
    if lost:
        told += f" Of {lost:,} groups nothing would stay."
    return told


def groups(found: Duplicates, first: int = 1) -> list[dict]:
    """Some groups for ``static/twins.js``, from a number on."""
    last = first + SHOWN_GROUPS
    number = found.twins["group"]
    some = found.twins.filter(pc.and_(pc.greater_equal(number, first), pc.less(number, last)))
    leaking = set(leaks(some)["group"].to_pylist())
    disputed = set(conflicts(some)["group"].to_pylist())
    made: dict[int, dict] = {}
    for row in some.to_pylist():
        group = row["group"]
        warnings = ["on several sides of the split"] * (group in leaking)
        warnings += ["under several labels"] * (group in disputed)
        entry = made.setdefault(group, {"group": group, "warnings": warnings, "images": []})
        told = f"{row['width']} × {row['height']} px, {(row['size'] or 0) / 1000:,.0f} kB"
        entry["images"].append(
            {
                "id": row["id"],
                "label": row["label"] or "",
                "path": row["path"] or "",
                "told": told + (f", {row['split']}" if row["split"] else ""),
                "kind": row["kind"],
                "cosine": round(row["cosine"], 4),
                "keep": row["keep"],
            }
        )
    return list(made.values())
