"""What a command needs of the Kedro project: its parameters and its catalog, without a session."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kedro.config import MissingConfigException
from kedro.framework.hooks.manager import _create_hook_manager
from kedro.framework.project import settings
from kedro.framework.startup import bootstrap_project
from kedro.io import DatasetError
from kedro.pipeline import Pipeline
from kedro.runner import SequentialRunner

from veneer.encoders.encoder import Encoder
from veneer.encoders.encoder import open_encoder as open_by_name
from veneer.errors import VeneerError, find_veneer_error
from veneer.hooks import VeneerHooks, require_inputs
from veneer.parameters import Parameters

if TYPE_CHECKING:
    import pyarrow as pa
    from mlflow import MlflowClient


@dataclass(frozen=True)
class Project:
    """A project under one environment and some parameters, as ``kedro run`` would see it."""

    parameters: Parameters
    catalog: Any
    config_loader: Any

    def open_encoder(self) -> Encoder:
        """The encoder that the parameters name."""
        options = self.parameters.embedding
        return open_by_name(
            options.encoder,
            self.parameters.encoders,
            runtime=options.runtime,
            batch_size=options.batch_size,
            fast=options.decode == "fast",
            cache=options.cache,
        )

    def run(self, pipeline: Pipeline) -> None:
        """Run a pipeline in this process, without hooks and so without an MLflow run.

        Raises
        ------
        VeneerError
            When images or weights are not there, and whatever the nodes raise.
        """
        conf_source = Path(self.config_loader.conf_source)
        require_inputs(pipeline, self.parameters, self.catalog, conf_source)
        try:
            SequentialRunner().run(pipeline, self.catalog)
        except DatasetError as error:
            told = find_veneer_error(error)  # which Kedro has wrapped
            if told is None:
                raise
            raise told from None

    def twin_choices(self) -> pa.Table:
        """What somebody decided of twins: a table of schema CHOICES, empty if nothing was."""
        from veneer.retrieval.twins import CHOICES

        known = self.catalog["twin_choices"].exists()
        return self.catalog.load("twin_choices") if known else CHOICES.empty_table()

    def tracking(self) -> tuple[str, str]:
        """Address of the MLflow server or database, and the experiment; as in mlflow.yml."""
        config = self.config_loader["mlflow"]
        return config["server"]["mlflow_tracking_uri"], config["tracking"]["experiment"]["name"]

    def registry(self) -> MlflowClient:
        """Client of the registry of models, to which MLflow's own functions then go, too."""
        import mlflow

        server = self.config_loader["mlflow"]["server"]
        mlflow.set_tracking_uri(server["mlflow_tracking_uri"])
        # None is the same as for tracking. An address would stay in the environment, for whatever
        # is opened in this process after it.
        mlflow.set_registry_uri(server["mlflow_registry_uri"])
        return mlflow.MlflowClient()

    def credentials(self, name: str) -> dict[str, str]:
        """Names and passwords that stand under ``name`` in credentials.yml; none without it.

        Raises
        ------
        VeneerError
            When what stands there is something else.
        """
        try:
            found = self.config_loader["credentials"].get(name)
        except MissingConfigException:
            return {}
        if found is None:
            return {}
        if not (
            isinstance(found, dict)
            and found
            and all(isinstance(each, str) and each for pair in found.items() for each in pair)
        ):
            raise VeneerError(
                f"Reading credentials.yml: {name} has to be a mapping of names to passwords, both "
                f'of them texts, as in `{name}: {{ana: "correct horse"}}`. Put numbers in '
                "quotation marks."
            )
        return found


def open_project(
    path: Path, *, env: str | None = None, params: dict[str, Any] | None = None
) -> Project:
    """Read and check the configuration; no MLflow database is touched.

    Parameters
    ----------
    path : Path
        Root of the project.
    env, params
        As ``--env`` and ``--params`` of ``kedro run``.

    Raises
    ------
    click.ClickException
        One sentence, when a parameter is not what it should be.
    """
    metadata = bootstrap_project(path)
    env = env or os.environ.get("KEDRO_ENV")
    loader = settings.CONFIG_LOADER_CLASS(
        conf_source=str(path / settings.CONF_SOURCE),
        env=env,
        runtime_params=params,
        **settings.CONFIG_LOADER_ARGS,
    )
    # Without TrackingHooks, which would open the database.
    hooks, manager = VeneerHooks(), _create_hook_manager()
    manager.register(hooks)
    context = settings.CONTEXT_CLASS(
        package_name=metadata.package_name,
        project_path=path,
        config_loader=loader,
        env=env,
        runtime_params=params,
        hook_manager=manager,
    )
    try:
        hooks.after_context_created(context)
        return Project(hooks.parameters, context.catalog, loader)
    except MissingConfigException as error:
        known = sorted(
            each.name for each in (path / settings.CONF_SOURCE).iterdir() if each.is_dir()
        )
        raise VeneerError(
            f"Reading the configuration: there is no environment {env!r} in "
            f"{settings.CONF_SOURCE}, there are {', '.join(known)}."
        ) from error
