"""``kedro predict``: what images show."""

from __future__ import annotations

import json
import sys
from typing import Any

import click
from kedro.framework.startup import ProjectMetadata

from veneer.cli.common import json_option, one_line, project_options


@click.command()
@click.argument("paths", nargs=-1, type=click.Path())
@click.option("--text", help="What is known of the image in words, for heads that see texts.")
@click.option("--head", help="Which head; by default the most accurate one on held-out rows.")
@json_option
@project_options
@click.pass_obj
def predict(
    metadata: ProjectMetadata,
    /,
    paths: tuple[str, ...],
    text: str | None,
    head: str | None,
    as_json: bool,
    env: str | None,
    params: dict[str, Any],
) -> None:
    """Say what images show, with the heads that were fitted to a collection.

    PATHS are image files, or folders of them. Each gives a class with its calibrated confidence, or
    "unsure" with the likeliest classes. What cannot be read is reported in its row; the command
    fails only when nothing could be predicted.
    """
    from veneer.hooks import told_in_one_sentence

    if not paths and text is None:
        raise click.UsageError("Name an image, a folder of images, or a --text.")
    with told_in_one_sentence():
        card, rows = _predict(metadata, list(paths), text, head, env, params)
    if as_json:
        click.echo(json.dumps({**card, "predictions": rows}, ensure_ascii=False, indent=2))
    else:
        for row in rows:
            click.echo(_line(row))
    if not any(row["error"] is None for row in rows):
        sys.exit(1)


def _predict(
    metadata: ProjectMetadata,
    paths: list[str],
    text: str | None,
    head: str | None,
    env: str | None,
    params: dict[str, Any],
) -> tuple[dict, list[dict]]:
    from veneer.predict import choose_head, predict_paths
    from veneer.project import open_project

    project = open_project(metadata.project_path, env=env, params=params)
    classifier = choose_head(project.catalog.load("heads"), head)
    encoder = project.open_encoder()
    source = project.parameters.source
    found = predict_paths(paths, text, encoder, classifier, source)
    card = {
        "collection": source.collection,
        "encoder": encoder.name,
        "head": classifier.card.head,
        "threshold": classifier.card.threshold,
    }
    return card, [_row(row) for row in found]


def _row(row: dict) -> dict:
    """A row of schema PREDICTED as the command shows it."""
    failed = row["reason"] is not None
    return {
        "path": row["path"],
        "label": "unsure" if row["unsure"] else row["label"],
        "confidence": row["confidence"],
        "unsure": row["unsure"],
        "top": row["top"],
        "error": f"{row['reason']}: {row['detail']}" if failed else None,
    }


def _line(row: dict) -> str:
    path = one_line(row["path"] or "(text)")
    if row["error"] is not None:
        return f"{path}\t{row['error']}"
    others = row["top"] if row["unsure"] else row["top"][1:]
    shown = ", ".join(f"{each['label']} {each['confidence']:.2f}" for each in others)
    return f"{path}\t{row['label']} {row['confidence']:.2f}\t{shown}"
