"""A comparison of encoders for a reader: as Markdown, and as an HTML page with its chart."""

from __future__ import annotations

from collections.abc import Mapping

from PIL import Image

from veneer.comparison import RETRIEVAL, interval, number, title
from veneer.figures.page import data_uri, environment

NOTES = (
    "Values have their 95 % interval in brackets. Every image searches for its like, itself and "
    "its byte-identical copies left out. P@5: share of the first five results that are of its "
    "class; R@5: share of its class that is among them; accuracy@5: share of searches with any "
    "such result; mAP: mean average precision over the whole ranking.",
    "Linear probe: accuracy of the svc on the validation images; so of other heads. Zero-shot "
    "knows the names of the classes alone, and needs an encoder with a text tower.",
    "Images a second are medians of rounds in which all encoders embedded the same images in turn, "
    "files to vectors: the ratio means something, the rate is this machine's.",
    "A difference is the mean over the same queries or images of both encoders; it is beyond "
    "chance where its 95 % interval leaves out zero.",
)

_PAGE = environment.from_string("""\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ comparison.name }} · encoders compared</title>
<style>
{{ style | safe }}
  td small { display: block; color: #68737a; } tr.best td { background: #eef5ee; }
  th, td { padding-right: .9rem; } th { max-width: 7rem; overflow-wrap: anywhere; }
  .wide { overflow-x: auto; } figure { max-width: 800px; }
</style>
</head>
<body>
<h1>Encoders compared</h1>
<p class="quiet">{{ comparison.name }}, decided by {{ title(comparison.decide_by) }}.</p>
{% if comparison.verdict %}
<p><strong>{{ comparison.verdict }}</strong></p>
{% endif %}
<figure><img src="{{ chart }}" alt="All figures of all encoders, with intervals"></figure>
{% for collection in tables %}
<h2>{{ collection.name }}</h2>
<p>{{ collection.verdict }}</p>
<div class="wide"><table>
<caption>{{ collection.about }}</caption>
<tr><th>encoder</th>
{% for each in collection.columns %}<th class="number">{{ each }}</th>{% endfor %}</tr>
{% for row in collection.rows %}
<tr{% if row.best %} class="best"{% endif %}><td>{{ row.encoder }}</td>
{% if row.missing %}
<td class="quiet" colspan="{{ collection.columns | length }}">{{ row.missing }}</td>
{% else %}{% for value, limits in row.cells %}
<td class="number">{{ value }}{% if limits %}<small>{{ limits }}</small>{% endif %}</td>
{% endfor %}{% endif %}</tr>
{% endfor %}
</table></div>
{% endfor %}
{% for note in notes %}
<p class="quiet">{{ note }}</p>
{% endfor %}
</body>
</html>
""")


def comparison_page(comparison: Mapping, chart: Image.Image) -> str:
    """One HTML page that needs nothing beside it.

    Parameters
    ----------
    comparison : mapping
        Of :func:`veneer.pipelines.comparison.nodes.compare`.
    chart : PIL.Image.Image
    """
    return _PAGE.render(
        comparison=comparison,
        title=title,
        chart=data_uri(chart, "PNG"),
        tables=_tables(comparison),
        notes=NOTES,
    )


def comparison_markdown(comparison: Mapping) -> str:
    """Verdicts and tables as Markdown; the winner's row is bold."""
    lines = ["# Encoders compared", ""]
    lines += [f"{_escaped(comparison['name'])}, decided by {title(comparison['decide_by'])}.", ""]
    if comparison["verdict"]:
        lines += [f"**{_escaped(comparison['verdict'])}**", ""]
    lines += ["![All figures of all encoders, with intervals](comparison.png)", ""]
    for table in _tables(comparison):
        columns = [_escaped(each) for each in table["columns"]]
        lines += [f"## {_escaped(table['name'])}", "", _escaped(table["verdict"]), ""]
        if table["about"]:
            lines += [_escaped(table["about"]), ""]
        lines += [f"| encoder | {' | '.join(columns)} |", "|---|" + "---:|" * len(columns)]
        for row in table["rows"]:
            bold = "**" * row["best"]
            cells = [f"{bold}{_escaped(row['encoder'])}{bold}"]
            cells += [" ".join(filter(None, cell)) for cell in row["cells"]]
            cells += ["–"] * (len(columns) + 1 - len(cells))
            lines.append(f"| {' | '.join(cells)} |")
        lines.append("")
        for row in table["rows"]:
            if row["missing"]:
                lines += [f"{_escaped(row['encoder'])}: {_escaped(row['missing'])}", ""]
    return "\n".join([*lines, *(f"{note}\n" for note in NOTES)])


def _escaped(text: str) -> str:
    """What would end a cell, or be a markup of its own, is neither."""
    for mark in ("\\", "|", "*", "_", "`", "<", "]("):
        text = text.replace(mark, "\\" + mark)
    return " ".join(text.split())


def _tables(comparison: Mapping) -> list[dict]:
    figures = [*RETRIEVAL, *comparison["heads"]]
    return [
        {
            "name": name,
            "verdict": found["verdict"],
            "about": _about(found),
            "columns": [
                *map(title, figures),
                "images/s",
                f"× {_first(found['encoders'])}",
                "bytes a vector",
            ],
            "rows": [
                {
                    "encoder": encoder,
                    "best": encoder == _best(found["winner"]),
                    "missing": entry.get("missing"),
                    "cells": [] if "missing" in entry else _cells(entry, figures),
                }
                for encoder, entry in found["encoders"].items()
            ],
        }
        for name, found in comparison["collections"].items()
    ]


def _first(encoders: Mapping[str, Mapping]) -> str:
    """The encoder whose rate is 1."""
    return next((name for name, entry in encoders.items() if "missing" not in entry), "first")


def _best(winner: Mapping | None) -> str | None:
    """The winner's name; none where it is alone."""
    return winner["encoder"] if winner and winner["against"] else None


def _about(found: Mapping) -> str:
    """What the collection is, and where the rates were measured."""
    if "images" not in found:
        return ""
    return (
        f"{found['images']:,} images, relevant by {found['relevance']}, searched for "
        f"{found['queries']}; rates on {found['rated_images']} of them, {found['machine']}"
    )


def _cells(entry: Mapping, figures: list[str]) -> list[tuple[str, str]]:
    cells = []
    for name in figures:
        told = entry["figures"].get(name)
        shown = (number(told["value"]), interval(told["interval_95"])) if told else ("–", "")
        cells.append(shown)
    return [
        *cells,
        (f"{entry['images_per_second']:,.{1 if entry['images_per_second'] < 100 else 0}f}", ""),
        (f"{entry['rate_ratio']:.2f}", ""),
        (f"{entry['vector_bytes']:,}", ""),
    ]
