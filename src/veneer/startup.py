"""What must hold before anything else is imported: no telemetry, and quiet, separate output."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from pathlib import Path

TELEMETRY_OFF = {
    "DO_NOT_TRACK": "1",
    "KEDRO_DISABLE_TELEMETRY": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "GRADIO_ANALYTICS_ENABLED": "False",
}


def quieten() -> None:
    """Switch off telemetry, and warnings of libraries about themselves.

    Set in the environment, so that worker processes inherit it.
    """
    os.environ.update(TELEMETRY_OFF)
    # MLflow then logs through conf/logging.yml like everything else.
    os.environ["MLFLOW_CONFIGURE_LOGGING"] = "false"
    # A bar for every handful of files that is copied into a model.
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    # Else MLflow imports IPython, which takes a second, to see whether it runs on Databricks' GPUs.
    os.environ.setdefault("MLFLOW_ENABLE_SGC_RUN_RESUMPTION_FOR_DATABRICKS_JOBS", "false")
    # Kedro and kedro-mlflow still call OmegaConf's resolvers by their old name.
    warnings.filterwarnings("ignore", message=r"register_new_resolver\(\) is deprecated")
    # A class of kedro-mlflow makes MLflow warn when it is imported, past any filter.
    with warnings.catch_warnings(record=True):
        import kedro_mlflow.mlflow  # noqa: F401
    # kedro-mlflow sets this to INFO itself, which has precedence over conf/logging.yml.
    logging.getLogger("kedro_mlflow").setLevel(logging.WARNING)


def kedro() -> None:
    """Entry point of the ``kedro`` command in veneer's environment.

    Kedro looks for ``conf/logging.yml`` in the current folder only, and logs to stdout where it
    finds none; called from a subfolder of the project, its very first line would already be on
    stdout. So the project's logging file is named before Kedro is imported.
    """
    # `kedro ipython` and `kedro jupyter` call their programs by name, and find those of another
    # Python where the environment has not been activated.
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    here = Path.cwd()
    for folder in (here, *here.parents):
        logging_config = folder / "conf" / "logging.yml"
        if (folder / "pyproject.toml").is_file() and logging_config.is_file():
            os.environ.setdefault("KEDRO_LOGGING_CONFIG", str(logging_config))
            break
    quieten()
    from kedro.framework.cli import main

    sys.exit(main())
