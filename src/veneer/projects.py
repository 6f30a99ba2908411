"""The project of a run, for nodes that look at more than the run's own collection and encoder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from veneer.parameters import ComparedCollection

if TYPE_CHECKING:
    from veneer.project import Project


@dataclass(frozen=True)
class Projects:
    """The project, to be opened for collections and encoders other than a run's own.

    Attributes
    ----------
    path : Path
    env : str or None
    params : dict
        Of the run; they hold for the others too.
    """

    path: Path
    env: str | None
    params: dict[str, Any]

    def open(self, collection: ComparedCollection | None, encoder: str) -> Project:
        """The project under another encoder, and another collection where one is given.

        Raises
        ------
        click.ClickException
            One sentence, when a parameter is not what it should be.
        """
        from veneer.project import open_project  # with Kedro's framework and MLflow

        params = {**self.params, "encoder": encoder}
        if collection is None:
            return open_project(self.path, env=self.env, params=params)
        params |= {"collection": collection.name, "images": collection.images}
        return open_project(self.path, env=collection.env or self.env, params=params)
