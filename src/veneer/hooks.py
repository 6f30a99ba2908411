"""What is checked before a run, and how an error reaches the user."""

from __future__ import annotations

import atexit
import difflib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import mlflow
from kedro.framework.context import KedroContext
from kedro.framework.hooks import hook_impl
from kedro.pipeline import Pipeline
from kedro_mlflow.framework.hooks.mlflow_hook import MlflowHook
from omegaconf import OmegaConf
from pydantic import BaseModel, ValidationError

from veneer.encoders.cache import known_description
from veneer.encoders.config import (
    Encoders,
    encoder_name,
    is_path,
    names_repository,
    resolve_encoder,
)
from veneer.encoders.weights import require_weights
from veneer.errors import VeneerError, find_veneer_error
from veneer.parameters import Parameters
from veneer.pretraining.ingredients import require_packages
from veneer.projects import Projects
from veneer.resolvers import resolvers
from veneer.sources.options import parted
from veneer.sources.registry import require_files


class VeneerHooks:
    """Check first, run then."""

    @hook_impl(tryfirst=True)
    def after_context_created(self, context: KedroContext) -> None:
        """Check all parameters, before kedro-mlflow opens its database."""
        for name, resolver in resolvers(context.project_path).items():
            OmegaConf.register_new_resolver(name, resolver, replace=True)
        with told_in_one_sentence():
            _require_no_shadow(context.config_loader.runtime_params)
            raw = _read_parameters(context)
            # Kedro makes the paths of the catalog absolute, but not those of the parameters.
            _make_paths_absolute(raw, context.project_path)
            context.config_loader["parameters"] = raw
            self.parameters = check_parameters(raw)
        self.conf_source = Path(context.config_loader.conf_source)
        self.opened_with = context.project_path, context.env, context.config_loader.runtime_params

    @hook_impl(tryfirst=True)
    def before_pipeline_run(
        self, run_params: dict[str, Any], pipeline: Pipeline, catalog: Any
    ) -> None:
        """Check that images and weights are there, before kedro-mlflow starts its run."""
        if "ParallelRunner" in str(run_params["runner"]):
            raise click.ClickException(
                "The ParallelRunner cannot be used: the encoder and the streams between the "
                "stages cannot go from one process to another. Leave out --runner; the stages "
                "use all cores by themselves."
            )
        with told_in_one_sentence():
            require_inputs(pipeline, self.parameters, catalog, self.conf_source)
        if "projects" in pipeline.inputs():
            path, env, params = self.opened_with
            catalog.save("projects", Projects(path, env, params or {}))

    @hook_impl(trylast=True)
    def on_pipeline_error(self, error: Exception) -> None:
        """Show a sentence that was meant for the user instead of a traceback.

        Last of all hooks, so that kedro-mlflow has ended its run as FAILED.
        """
        with told_in_one_sentence():
            raise error


def require_inputs(
    pipeline: Pipeline, parameters: Parameters, catalog: Any, conf_source: Path
) -> None:
    """Check that what a pipeline begins with is there: images, weights, an archive's address.

    Raises
    ------
    VeneerError
        When it is not.
    """
    if "archives" in pipeline.datasets():
        _require_download(parameters, conf_source)
    elif "raw_images" in pipeline.datasets():
        _require_images(parameters, catalog)
    if "encoder" in pipeline.datasets():
        options = parameters.embedding
        config = resolve_encoder(options.encoder, parameters.encoders)
        name = encoder_name(options.encoder)
        if known_description(options.cache, name, config) is None:
            require_weights(name, config)
    if "checkpoints" in pipeline.datasets():
        from veneer.finetuning.objectives import check_objective

        check_objective(parameters.finetuning)
    if "clip_art" in pipeline.datasets():
        require_packages()
        catalog["clip_art"].require()
    if "projects" in pipeline.datasets():
        for encoder in parameters.comparison.encoders or []:
            resolve_encoder(encoder, parameters.encoders)


@contextmanager
def told_in_one_sentence() -> Iterator[None]:
    """Turn an error that speaks to the user into one that click shows without a traceback."""
    try:
        yield
    except Exception as error:
        told = find_veneer_error(error)
        if told is None:
            raise
        raise click.ClickException(str(told)) from error


class TrackingHooks(MlflowHook):
    """kedro-mlflow's hooks, with three things put right.

    It flattens dictionaries of parameters (``svc.reg_param``), but would log an object of
    :mod:`veneer.parameters` as one long text. And it opens its run again before each node, which
    MLflow 3 counts as one run more to be ended; a second session of one process would then go on
    writing into the first one's run. And an interrupted run would look finished.
    """

    @hook_impl
    def before_pipeline_run(
        self, run_params: dict[str, Any], pipeline: Pipeline, catalog: Any
    ) -> None:
        """Start the run; if the process is interrupted in it, it ends as KILLED."""
        super().before_pipeline_run(run_params, pipeline, catalog)
        # Kedro tells its hooks of errors, but not of Ctrl-C, and MLflow's own exit handler would
        # end the run as FINISHED. Handlers registered later are called first.
        atexit.register(self._end_run, "KILLED")

    @hook_impl
    def after_pipeline_run(
        self, run_params: dict[str, Any], pipeline: Pipeline, catalog: Any
    ) -> None:
        """End the run as often as it was opened."""
        super().after_pipeline_run(run_params, pipeline, catalog)
        self._end_run("FINISHED")

    def _end_run(self, status: str) -> None:
        while not self._already_active_mlflow and mlflow.active_run():
            mlflow.end_run(status)

    def _log_param(self, name: str, value: Any) -> None:
        if isinstance(value, Encoders):
            return  # all that are known; the one that is used is `embedding.encoder`
        if isinstance(value, BaseModel):
            value = value.model_dump()
        if isinstance(value, dict):
            for key, each in value.items():
                self._log_param(f"{name}.{key}", each)
        else:
            super()._log_param(self.sanitize_param_name(name), value)


def check_parameters(raw: dict[str, Any]) -> Parameters:
    """Check everything that can be known from the configuration alone.

    Raises
    ------
    VeneerError
        One sentence for each parameter that is unknown or of the wrong type; or an encoder that
        is not known.
    """
    try:
        parameters = Parameters.model_validate(raw)
    except ValidationError as error:
        raise VeneerError(" ".join(_complaint(each) for each in error.errors())) from None
    resolve_encoder(parameters.embedding.encoder, parameters.encoders)
    relevance, known = parameters.retrieval.evaluation.relevance, parameters.source.attributes
    if relevance not in ("label", *known):
        raise VeneerError(
            f"The parameter 'retrieval.evaluation.relevance' is {relevance!r}: it is 'label' or "
            f"one of source.attributes, which has {', '.join(known) or 'none'}."
        )
    return parameters


def _read_parameters(context: KedroContext) -> dict[str, Any]:
    try:
        return context.config_loader["parameters"]
    except (TypeError, ValueError) as error:
        if find_veneer_error(error):
            raise
        raise VeneerError(
            f"Reading the parameters: {error}. Compare --params and your own files with "
            "conf/base/parameters."
        ) from error


def _require_no_shadow(given: dict[str, Any] | None) -> None:
    """The collection's name and place are also the catalog's, which does not see these."""
    source = (given or {}).get("source")
    for name in ("collection", "images"):
        if isinstance(source, dict) and name in source:
            raise VeneerError(
                f"The parameter 'source.{name}' follows '{name}': give --params {name}=... instead."
            )
    for part, follows in (("comparison", "comparison_name"), ("finetuning", "tuned")):
        options = (given or {}).get(part)
        if isinstance(options, dict) and "name" in options:
            raise VeneerError(
                f"The parameter '{part}.name' follows '{follows}': give --params {follows}=... "
                "instead."
            )


def _make_paths_absolute(raw: dict[str, Any], project: Path) -> None:
    """Read relative paths as relative to the project root, in place."""
    embedding = raw.get("embedding", {})
    if is_path(embedding.get("encoder")):
        embedding["encoder"] = str(project / embedding["encoder"])
    if isinstance(embedding.get("cache"), str):
        embedding["cache"] = str(project / embedding["cache"])
    compared = raw.get("comparison", {}).get("encoders")
    if isinstance(compared, str):
        compared = raw["comparison"]["encoders"] = parted(compared)
    for place, encoder in enumerate(compared or []):
        if is_path(encoder):
            compared[place] = str(project / encoder)
    prediction = raw.get("prediction", {})
    for name in ("images", "downloads"):
        if isinstance(prediction.get(name), str) and "://" not in prediction[name]:
            prediction[name] = str(project / prediction[name])
    for config in raw.get("encoders", {}).values():
        pretrained = config.get("pretrained") if isinstance(config, dict) else None
        if is_path(pretrained):
            place = project / pretrained
            # A repository of the hub looks like a relative path; a folder that is there wins.
            if place.exists() or not names_repository(config.get("family"), pretrained):
                config["pretrained"] = str(place)


def _complaint(error: dict) -> str:
    name = ".".join(str(part) for part in error["loc"])
    if error["type"] == "extra_forbidden":
        *above, key = error["loc"]
        known = _known_keys(above)
        close = difflib.get_close_matches(str(key), known, n=1, cutoff=0.5)
        hint = f" Did you mean {'.'.join([*map(str, above), close[0]])!r}?" if close else ""
        return f"The parameter {name!r} is unknown.{hint} There are {', '.join(known)}."
    if error["type"] == "missing":
        return f"The parameter {name!r} is missing; see conf/base/parameters for its default."
    reason = error["msg"].removeprefix("Value error, ")
    return f"The parameter {name!r} is {error['input']!r}: {reason[0].lower()}{reason[1:]}."


def _known_keys(path: list) -> list[str]:
    model: Any = Parameters
    for part in path:
        field = model.model_fields.get(part) if isinstance(model, type) else None
        model = field.annotation if field else None
    is_model = isinstance(model, type) and issubclass(model, BaseModel)
    return list(model.model_fields) if is_model else []


def _require_download(parameters: Parameters, conf_source: Path) -> None:
    if parameters.download.url is not None:
        return
    overlays = {}
    for file in sorted(conf_source.glob("*/parameters/download.yml")):
        group = OmegaConf.to_container(OmegaConf.load(file)).get("download") or {}
        overlays[file.parts[-3]] = group.get("url")
    known = ", ".join(f"--env {name}" for name, url in overlays.items() if url)
    raise VeneerError(
        f"Downloading the collection {parameters.source.collection!r}: its download.url names no "
        f"archive; these overlays name one: {known or 'none'}."
    )


def _require_images(parameters: Parameters, catalog: Any) -> None:
    source = parameters.source
    if source.images is None and source.collection == parameters.sample.collection:
        return  # will be drawn
    raw_images = catalog["raw_images"]
    folder = Path(raw_images._describe()["path"])
    if source.images is None and not os.path.isdir(folder):
        official = parameters.download.url is not None
        archive = "Or fetch its archive with --pipelines download. " if official else ""
        known = {p.name for p in folder.parent.glob("[!.]*") if p.is_dir()}
        raise VeneerError(
            f"The collection {source.collection!r} is unknown: there is no folder {folder}. Put "
            "its images there, or name another folder with --params "
            f"collection={source.collection},images=FOLDER. {archive}Collections that are there: "
            f"{', '.join(sorted({parameters.sample.collection, *known}))}."
        )
    require_files(raw_images.load())
