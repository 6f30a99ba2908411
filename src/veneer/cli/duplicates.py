"""``kedro duplicates``: byte-identical and nearly identical images of a collection."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from kedro.framework.startup import ProjectMetadata

from veneer.cli.common import (
    Number,
    json_option,
    one_line,
    picture_option,
    project_options,
    sheet_option,
    write_picture,
)

if TYPE_CHECKING:
    import pyarrow as pa

    from veneer.project import Project


SHOWN = 60  # groups on a sheet


@click.command()
@click.option(
    "--threshold",
    type=Number(0, 1, min_open=True),
    help="Cosine from which two images are near-duplicates; by default the collection's own.",
)
@click.option("--against", metavar="COLLECTION", help="Look for them in another collection.")
@picture_option("--histogram", "Draw how near each image's nearest one is, and the threshold.")
@click.option(
    "--table",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write what is found to this file (.csv or .parquet).",
)
@click.option(
    "--apply",
    "name",
    metavar="NAME",
    help="Write what is to be kept as a new collection; nothing of the old one is touched.",
)
@sheet_option
@json_option
@project_options
@click.pass_obj
def duplicates(
    metadata: ProjectMetadata,
    /,
    threshold: float | None,
    against: str | None,
    histogram: Path | None,
    table: Path | None,
    name: str | None,
    sheet: Path | None,
    as_json: bool,
    env: str | None,
    params: dict[str, Any],
) -> None:
    """Find images that are the same, byte for byte or nearly.

    Within a collection they are shown in groups. Of each group the image of the highest resolution
    is to be kept, of these the largest file. What was chosen in the app goes before.
    """
    from veneer.cli.kept import require_new, write_kept
    from veneer.hooks import told_in_one_sentence

    if against is not None and (name is not None or sheet is not None or histogram is not None):
        raise click.UsageError("--apply, --sheet and --histogram are for one collection alone.")
    if table is not None and table.suffix.lower() not in (".csv", ".parquet"):
        raise click.UsageError(f"--table {table} ends in neither .csv nor .parquet.")
    with told_in_one_sentence():
        from veneer.project import open_project
        from veneer.retrieval.duplicates import find_duplicates, find_shared_images

        def project_of(collection: str) -> Project:
            given = {**params, "collection": collection}
            given.pop("images", None)
            return open_project(metadata.project_path, env=env, params=given)

        project = open_project(metadata.project_path, env=env, params=params)
        target = None if name is None else project_of(name)
        if target is not None:
            require_new(target)
        index = project.catalog.load("index")
        chosen = threshold or project.parameters.retrieval.twins.threshold
        choices = project.twin_choices()
        found = find_duplicates(index, chosen, choices)
        rows, card = found.twins, _card(project) | found.card
        if against is not None:
            other = project_of(against).catalog.load("index")
            rows = find_shared_images(index, other, found.card["threshold"])
            card = _card(project) | {"against": against, "threshold": found.card["threshold"]}
        if histogram is not None:
            from veneer.figures.duplicates import duplicates_histogram

            write_picture(histogram, duplicates_histogram(found.similarities, found.card))
        if sheet is not None:
            from veneer.figures.duplicates import duplicates_sheet

            shown = rows.filter(rows["group"].to_numpy() <= SHOWN)
            thumbnails = index.thumbnails(shown["id"].to_pylist())
            write_picture(sheet, duplicates_sheet(shown, thumbnails, found.card))
        if table is not None:
            _write_table(table, rows)
        written = None if target is None else write_kept(found.twins, project, target, env, params)
    if as_json:
        shown = {"images": rows.to_pylist()} if against is not None else {"groups": _groups(rows)}
        click.echo(json.dumps(card | shown, ensure_ascii=False, indent=2))
    else:
        for row in rows.to_pylist():
            click.echo(_line(row))
    click.echo(_shared_in_words(rows, card) if against is not None else in_words(card), err=True)
    if len(choices):
        click.echo(f"{_count(len(choices), 'choice')} made in the app went before.", err=True)
    if written is not None:
        click.echo(written, err=True)


def _card(project: Project) -> dict:
    from veneer.encoders.config import encoder_name

    parameters = project.parameters
    return {
        "collection": parameters.source.collection,
        "encoder": encoder_name(parameters.embedding.encoder),
    }


def in_words(card: dict) -> str:
    """What was found in a collection, in a few sentences."""
    origin = "as the distribution suggests"
    if card["threshold"] != card["suggested"]:
        origin = f"the distribution suggests {card['suggested']:.4g}"
    threshold = f"cosine from {card['threshold']:.4g}, {origin}"
    if not card["groups"]:
        return f"None of {card['images']:,} images is there more than once ({threshold})."
    told = (
        f"{_count(card['groups'], 'group')} of {card['in_groups']:,} images, of "
        f"{card['images']:,}: {card['to_drop']:,} could go, {card['exact']:,} byte-identical and "
        f"{card['near']:,} near ({threshold})."
    )
    for count, what in (
        (card["split_leaks"], "on more than one side of the split"),
        (card["label_conflicts"], "under more than one label"),
    ):
        if count:
            told += f" {_count(count, 'group')} {'is' if count == 1 else 'are'} {what}."
    return told


def _shared_in_words(rows: pa.Table, card: dict) -> str:
    return (
        f"{_count(len(rows), 'image')} of {card['collection']} "
        f"{'is' if len(rows) == 1 else 'are'} in {card['against']}, too (cosine from "
        f"{card['threshold']:.4g})."
    )


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'s' * (number != 1)}"


def _line(row: dict) -> str:
    path = one_line(row["path"])
    if "other_path" in row:
        return f"{row['kind']}\t{row['cosine']:.3f}\t{path}\t{one_line(row['other_path'])}"
    verdict = "keep" if row["keep"] else "drop"
    about = f"{row['width']}x{row['height']}\t{one_line(row['label'] or '–')}\t{path}"
    return f"{row['group']}\t{verdict}\t{row['kind']}\t{row['cosine']:.3f}\t{about}"


def _groups(rows: pa.Table) -> list[dict]:
    found: dict[int, list[dict]] = {}
    for row in rows.to_pylist():
        found.setdefault(row.pop("group"), []).append(row)
    return [{"group": group, "images": images} for group, images in found.items()]


def _write_table(file: Path, rows: pa.Table) -> None:
    import pyarrow.csv
    import pyarrow.parquet

    from veneer.atomic import replacing

    with replacing(file) as temporary:
        if file.suffix.lower() == ".csv":
            pyarrow.csv.write_csv(rows, temporary)
        else:
            pyarrow.parquet.write_table(rows, temporary)
