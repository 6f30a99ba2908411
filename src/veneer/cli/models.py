"""``kedro models``: versions in the registry, and which of them is the champion."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import click
from kedro.framework.startup import ProjectMetadata

from veneer.cli.common import json_option, project_options

if TYPE_CHECKING:
    from mlflow import MlflowClient

KINDS = ("classifier", "encoder")


@click.group()
def models() -> None:
    """Registered models: list versions, choose the champion, go back to the one before.

    They are registered with kedro run --pipelines registration, and served with
    mlflow models serve -m models:/veneer-classifier@champion.
    """


@models.command(name="list")
@json_option
@project_options
@click.pass_obj
def list_(
    metadata: ProjectMetadata, /, as_json: bool, env: str | None, params: dict[str, Any]
) -> None:
    """Show all versions, the newest first, with what they are made of and how good they are."""
    from veneer.hooks import told_in_one_sentence

    with told_in_one_sentence():
        client, names = _open(metadata, env, params)
        rows = [row for kind in KINDS for row in _rows(client, names[kind])]
    if as_json:
        click.echo(json.dumps({"versions": rows}, ensure_ascii=False, indent=2))
    elif not rows:
        click.echo("No model is registered yet. Register some: kedro run --pipelines registration")
    for row in rows if not as_json else ():
        click.echo(_line(row))


@models.command()
@click.argument("kind", type=click.Choice(KINDS))
@click.argument("version")
@click.option("--force", is_flag=True, help="Also if it is not better; a tag of it will say so.")
@project_options
@click.pass_obj
def promote(
    metadata: ProjectMetadata,
    /,
    kind: str,
    version: str,
    force: bool,
    env: str | None,
    params: dict[str, Any],
) -> None:
    """Make VERSION the champion, if it beats the present one on the validation rows of both."""
    from veneer.hooks import told_in_one_sentence

    with told_in_one_sentence():
        client, names = _open(metadata, env, params)
        from veneer.serving import registry

        decision = registry.promote(client, names[kind], version, force=force)
    is_ = "is" if decision.champion else "is not"
    click.echo(f"{names[kind]}: version {version} {is_} the champion: {decision.why}")
    if not decision.champion:
        sys.exit(1)


@models.command()
@click.argument("kind", type=click.Choice(KINDS))
@project_options
@click.pass_obj
def rollback(
    metadata: ProjectMetadata, /, kind: str, env: str | None, params: dict[str, Any]
) -> None:
    """Make the version the champion again that was it before."""
    from veneer.hooks import told_in_one_sentence

    with told_in_one_sentence():
        client, names = _open(metadata, env, params)
        from veneer.serving import registry

        left, champion = registry.rollback(client, names[kind])
    click.echo(f"{names[kind]}: version {champion} is the champion again, instead of {left}")


def _open(
    metadata: ProjectMetadata, env: str | None, params: dict[str, Any]
) -> tuple[MlflowClient, dict[str, str]]:
    """Client of the registry, and the names of the models in it by kind."""
    from veneer.project import open_project

    project = open_project(metadata.project_path, env=env, params=params)
    options = project.parameters.registration
    return project.registry(), {"classifier": options.classifier, "encoder": options.encoder}


def _rows(client: MlflowClient, name: str) -> list[dict]:
    from veneer.serving import registry

    champion = registry.champion_of(client, name)
    return [
        {
            "model": name,
            "version": int(each.version),
            "champion": str(each.version) == champion,
            "registered": each.creation_timestamp,
            **each.tags,
        }
        for each in registry.versions_of(client, name)
    ]


def _line(row: dict) -> str:
    mark = "*" if row["champion"] else " "
    made_of = f"{row.get('head', 'no head')} on {row.get('collection')} under {row.get('encoder')}"
    figures = ""
    if "accuracy" in row:
        low, high = json.loads(row["accuracy_interval_95"])
        figures = f"\taccuracy {float(row['accuracy']):.4f} [{low:.4f}, {high:.4f}]"
    why = f"\t{row['verdict']}" if "verdict" in row else ""
    return f"{mark} {row['model']}\t{row['version']}\t{made_of}{figures}{why}"
