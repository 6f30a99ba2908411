"""What tables have in common: their columns are named by parameters."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence

from veneer.errors import VeneerError


def require_columns(
    file: str, there: Sequence[str], asked: Mapping[str, Sequence[str | None]]
) -> None:
    """Raise a :class:`VeneerError` for the first column that is asked for and not there.

    One that is there twice is an error too: nobody can tell which one is meant.

    Parameters
    ----------
    file : str
        For the message.
    there : sequence of str
        The columns of the table.
    asked : mapping of str to sequence of str
        The columns that each parameter names; what is None is not asked for.
    """
    for parameter, names in asked.items():
        for name in names:
            if name is not None and name not in there:
                close = difflib.get_close_matches(name, there, n=1)
                hint = f" Did you mean {close[0]!r}?" if close else ""
                raise VeneerError(
                    f"Reading {file}: it has no column {name!r}, which {parameter} names.{hint} "
                    f"There are {', '.join(there)}; set {parameter} accordingly."
                )
            if name is not None and there.count(name) > 1:
                raise VeneerError(
                    f"Reading {file}: it has {there.count(name)} columns {name!r}, which "
                    f"{parameter} names; rename all but one of them."
                )
