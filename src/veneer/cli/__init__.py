"""Veneer's own commands, beside Kedro's."""

# Kedro finds this package by its name, and shows what is in it by `kedro --help`. Heavy imports are
# in the functions: every command of Kedro imports this.

import click

from veneer.cli.app import app
from veneer.cli.duplicates import duplicates
from veneer.cli.models import models
from veneer.cli.predict import predict
from veneer.cli.search import search


@click.group(name="veneer")
def cli() -> None:
    """Commands of veneer's own."""


for command in (app, predict, search, duplicates, models):
    cli.add_command(command)
