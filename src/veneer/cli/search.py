"""``kedro search``: find images of a collection."""

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
    project_options,
    sheet_option,
    write_picture,
)

if TYPE_CHECKING:
    from veneer.retrieval.search import Found


@click.command()
@click.argument("words", nargs=-1)
@click.option("--image", type=click.Path(path_type=Path), help="Find what looks like this file.")
@click.option("--id", "row", help="Find what looks like this image of the collection: id or sha.")
@click.option("-k", "k", type=click.IntRange(min=1), default=12, show_default=True, help="Results.")
@click.option(
    "--where", help="Only among these, as in: label = 'banded' and modified >= '2024-01-01'."
)
@click.option(
    "--image-weight",
    type=Number(0, 1),
    help="Of the image, where words are given as well.",
)
@click.option("--min-score", type=Number(-1, 1), help="Smallest cosine of a result.")
@click.option(
    "--diversify",
    type=Number(0, 1),
    metavar="COSINE",
    help="Leave out what is so near to a better result, as in 0.95.",
)
@click.option("--copies", is_flag=True, help="Show byte-identical images, too.")
@click.option(
    "--class-constrained",
    is_flag=True,
    help="Predict the class of what is searched for, and search inside it.",
)
@click.option("--head", help="By which head; by default the most accurate, or zero_shot for words.")
@sheet_option
@json_option
@project_options
@click.pass_obj
def search(
    metadata: ProjectMetadata,
    /,
    words: tuple[str, ...],
    image: Path | None,
    row: str | None,
    k: int,
    where: str | None,
    image_weight: float | None,
    min_score: float | None,
    diversify: float | None,
    copies: bool,
    class_constrained: bool,
    head: str | None,
    sheet: Path | None,
    as_json: bool,
    env: str | None,
    params: dict[str, Any],
) -> None:
    """Find images by WORDS, by a picture, by both, or by an image of the collection.

    Each result has its rank and its cosine. Labels play no part in the search, unless it is
    confined to a class.
    """
    from veneer.hooks import told_in_one_sentence

    text = " ".join(words) if words else None
    if text is None and image is None and row is None:
        raise click.UsageError("Say what to look for: some words, an --image, or an --id.")
    if head is not None and not class_constrained:
        raise click.UsageError("--head is for --class-constrained.")
    with told_in_one_sentence():
        from veneer.errors import VeneerError
        from veneer.predict import choose_search_head
        from veneer.project import open_project
        from veneer.retrieval.search import Query
        from veneer.retrieval.search import search as search_index

        project = open_project(metadata.project_path, env=env, params=params)
        options = project.parameters.retrieval
        if image_weight is not None:
            options = options.weighing_images(image_weight)
        try:
            data = None if image is None else image.read_bytes()
        except OSError as error:
            raise VeneerError(f"Searching by the image {image}: {error.strerror}.") from error
        query, classifier = Query(text, data, row), None
        if class_constrained:
            classifier = choose_search_head(project.catalog.load("heads"), query, head)
        encoder = project.open_encoder()
        found = search_index(
            project.catalog.load("index"),
            query,
            encoder,
            options,
            k=k,
            where=where,
            min_score=min_score,
            copies=copies,
            diversify=diversify,
            classifier=classifier,
            thumbnails=sheet is not None,
        )
        if sheet is not None:
            write_picture(sheet, _sheet(found, text, image, row, where))
        card = {"collection": project.parameters.source.collection, "encoder": encoder.name}
    if not found.results.num_rows:
        click.echo(found.why_nothing(where, min_score), err=True)
    if found.label is not None and not as_json:
        click.echo(f"inside the class {found.label} ({found.confidence:.2f})", err=True)
    if as_json:
        click.echo(json.dumps(_as_json(found, card), ensure_ascii=False, indent=2))
    else:
        for each in found.results.select(["rank", "score", "label", "path"]).to_pylist():
            label, path = one_line(each["label"] or "–"), one_line(each["path"])
            click.echo(f"{each['rank']}\t{each['score']:.3f}\t{label}\t{path}")


def _as_json(found: Found, card: dict) -> dict:
    card = card | {"searched": found.searched}
    if found.label is not None:
        card |= {"class": found.label, "class_confidence": found.confidence}
    return card | {"results": found.rows()}


def _sheet(
    found: Found, text: str | None, image: Path | None, row: str | None, where: str | None
) -> Any:
    from veneer.figures.search_sheet import search_sheet

    subject = [text, image and image.name, row and f"image {row[:12]}"]
    told = ["rank and cosine", where and f"where {where}", found.label and f"class {found.label}"]
    return search_sheet(
        found.results,
        title=" + ".join(each for each in subject if each),
        subtitle="; ".join(each for each in told if each),
    )
