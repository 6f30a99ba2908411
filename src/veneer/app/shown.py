"""Rows of tables as the page's own components and templates take them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import jinja2

from veneer.figures.histogram import histogram_bars

_TEMPLATES = jinja2.Environment(
    loader=jinja2.PackageLoader("veneer.app"),
    autoescape=True,  # labels and paths come from files
    trim_blocks=True,
    lstrip_blocks=True,
)
_TEMPLATES.filters["count"] = lambda number: f"{number:,}"
_TEMPLATES.filters["share"] = lambda number: f"{100 * number:.0f} %"

MOST_BARS = 12


def page_of(template: str, **values: Any) -> str:
    """HTML of a template."""
    return _TEMPLATES.get_template(f"{template}.html").render(**values)


def result(row: Mapping[str, Any]) -> dict:
    """A row of search results for ``static/grid.js``."""
    shown = {"id": row["id"], "label": row["label"] or "", "path": row["path"] or ""}
    if row.get("score") is not None:
        shown |= {"rank": row["rank"], "score": round(row["score"], 4)}
    return shown | {"facts": facts(row)}


def facts(row: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What is known of an image, in words: (name, value)."""
    named = {name: row.get(name) for name in ("label", "text", "path")}
    if row.get("width") and row.get("height"):
        named["size"] = f"{row['width']} × {row['height']} px, {row['size'] / 1000:,.0f} kB"
    named |= {name: row.get(name) for name in ("format", "split", "created", "modified")}
    named |= row.get("attributes") or {}
    named["id"] = row["id"]
    return [(name, _in_words(value)) for name, value in named.items() if value not in (None, "")]


def label_bars(labels: list[str | None]) -> str:
    """How often each label is among results, as HTML."""
    counts = Counter("no label" if label is None else label for label in labels)
    bars, _ = histogram_bars(counts, MOST_BARS)
    return page_of("bars", caption="Labels of the results", bars=bars) if bars else ""


def _in_words(value: Any) -> str:
    if isinstance(value, datetime):
        return value.isoformat(" ", "minutes")
    return f"{value:,.6g}" if isinstance(value, float) else str(value)
