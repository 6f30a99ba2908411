"""Results as files: a contact sheet, a table."""

from __future__ import annotations

import csv
import tempfile
from dataclasses import dataclass
from pathlib import Path

from veneer.app.searching import Asked
from veneer.errors import VeneerError
from veneer.figures.search_sheet import search_sheet
from veneer.images import png_bytes
from veneer.retrieval.search import Found


@dataclass(frozen=True)
class Result:
    """What a session's last search was, and gave.

    Attributes
    ----------
    asked : Asked
    found : Found
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


def write_sheet(result: Result | None) -> str:
    """Path of a new PNG with all results."""
    result = _present(result)
    told_of = ["rank and cosine", result.asked.where and f"where {result.asked.where}"]
    told_of.append(result.found.label and f"class {result.found.label}")
    subtitle = "; ".join(each for each in told_of if each)
    sheet = search_sheet(result.found.results, title=result.title, subtitle=subtitle)
    path = _new_file("contact-sheet.png")
    path.write_bytes(png_bytes(sheet))
    return str(path)


def write_table(result: Result | None) -> str:
    """Path of a new CSV file, a result a line."""
    rows = [_flat(row) for row in _present(result).found.rows()]
    path = _new_file("results.csv")
    names = list(dict.fromkeys(name for row in rows for name in row))
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(rows)
    return str(path)


def _flat(row: dict) -> dict:
    attributes = row.pop("attributes", None) or {}
    return row | {f"attributes.{name}": value for name, value in attributes.items()}


def _present(result: Result | None) -> Result:
    if result is None:
        raise VeneerError("Saving the results: there are none yet. Search first.")
    return result


def _new_file(name: str) -> Path:
    # Gradio takes it over into its cache, which is cleared by and by.
    return Path(tempfile.mkdtemp(prefix="veneer-")) / name
