"""What the commands share."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from kedro.framework.cli.project import PARAMS_ARG_HELP
from kedro.framework.cli.utils import _split_params, env_option
from PIL import Image


def project_options(command: Callable) -> Callable:
    """``--env`` and ``--params``, as ``kedro run`` has them."""
    params = click.option(
        "--params",
        type=click.UNPROCESSED,
        default="",
        help=PARAMS_ARG_HELP,
        callback=_split_params,
    )
    return env_option(params(command))


json_option = click.option("--json", "as_json", is_flag=True, help="Write JSON to stdout.")


class Number(click.FloatRange):
    """A number within limits, which ``nan`` is not."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read what was given."""
        number = super().convert(value, param, ctx)
        if math.isnan(number):
            self.fail(f"{value!r} is no number.", param, ctx)
        return number


def picture_option(name: str, help_: str) -> Callable:
    """An option that names a picture to be written."""
    return click.option(
        name,
        type=click.Path(dir_okay=False, path_type=Path),
        help=f"{help_} (.png, .jpg or .webp)",
        callback=lambda context, option, file: _require_picture(file),
    )


sheet_option = picture_option("--sheet", "Write a contact sheet to this file.")


def one_line(text: str) -> str:
    """A name on one line of a terminal, whatever is in it."""
    return text if text.isprintable() else repr(text)


def write_picture(file: Path, picture: Image.Image) -> None:
    """Write a picture in the format that its file's name asks for."""
    from veneer.atomic import replacing

    with replacing(file) as temporary:
        picture.save(temporary, Image.registered_extensions()[file.suffix.lower()])


def _require_picture(file: Path | None) -> Path | None:
    known = (".png", ".jpg", ".jpeg", ".webp")
    if file is not None and file.suffix.lower() not in known:
        raise click.BadParameter(f"{file} ends in none of {', '.join(known)}.")
    return file
