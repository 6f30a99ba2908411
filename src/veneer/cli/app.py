"""``kedro app``: the collection in a browser."""

from __future__ import annotations

from typing import Any

import click
from kedro.framework.startup import ProjectMetadata

from veneer.cli.common import project_options


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=7860,
    show_default=True,
    help="Port to listen on; 0 takes a free one.",
)
@click.option(
    "--name",
    "names",
    multiple=True,
    help="Name by which the app is reached, as behind a proxy; may be given more than once.",
)
@project_options
@click.pass_obj
def app(
    metadata: ProjectMetadata,
    /,
    host: str,
    port: int,
    names: tuple[str, ...],
    env: str | None,
    params: dict[str, Any],
) -> None:
    """Open the app: search, recognise, clean and look at a collection in a browser.

    It is for this machine alone, unless --host says otherwise. Who may log in stands in
    credentials.yml under `app`, as names with passwords; without it, nobody has to.
    """
    from veneer.hooks import told_in_one_sentence

    with told_in_one_sentence():
        from veneer.project import open_project

        project = open_project(metadata.project_path, env=env, params=params)
        credentials = project.credentials("app")
        _require_gradio()
        from veneer.app.server import serve

        serve(project, host, port, names, credentials)


def _require_gradio() -> None:
    from importlib.util import find_spec

    from veneer.errors import VeneerError

    if find_spec("gradio") is None:
        raise VeneerError(
            "Opening the app: Gradio is not installed. Install it with pip install "
            '"veneer[app]", or, in a clone, with make install.'
        )
