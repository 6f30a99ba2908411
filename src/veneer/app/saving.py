"""Results as files: a contact sheet, a table."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa

from veneer.app.searching import Asked
from veneer.figures.search_sheet import search_sheet
from veneer.images import png_bytes
from veneer.retrieval.search import Found


@dataclass(frozen=True)
class Result:
    """What a search was, and gave.

    Attributes
    ----------
    asked : Asked
    found : Found
        Without thumbnails.
    picture : str
        Name of the file that was uploaded, if any.
    """

    asked: Asked
    found: Found
    picture: str = ""

    @property
    def title(self) -> str:
        """What was searched for, in a line."""
        asked = self.asked
        subject = [asked.q, self.picture or asked.image, asked.like and f"image {asked.like[:12]}"]
        return " + ".join(each for each in subject if each)


def sheet(result: Result, thumbnails: Mapping[str, bytes]) -> bytes:
    """All results as a PNG."""
    told_of = ["rank and cosine", result.asked.where and f"where {result.asked.where}"]
    told_of.append(result.found.label and f"class {result.found.label}")
    subtitle = "; ".join(each for each in told_of if each)
    rows = result.found.results
    pictures = pa.array([thumbnails.get(id_) for id_ in rows["id"].to_pylist()], pa.binary())
    rows = rows.append_column("thumbnail", pictures)
    return png_bytes(search_sheet(rows, title=result.title, subtitle=subtitle))


def table(result: Result) -> bytes:
    """All results as CSV, a line each."""
    rows = [_flat(row) for row in result.found.rows()]
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(dict.fromkeys(name for row in rows for name in row)))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def _flat(row: dict) -> dict:
    attributes = row.pop("attributes", None) or {}
    return row | {f"attributes.{name}": value for name, value in attributes.items()}
