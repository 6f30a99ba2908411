"""A temporary copy of the project, and runs in it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import mlflow
from click.testing import CliRunner
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project
from support import ROOT

from veneer.cli import cli

TRACKED = ["pyproject.toml", ".telemetry", "conf", "src", "notebooks"]
# The sample collection as the session's finished run has it: see the fixture `textures`.
PER_KIND, COPIES, DAMAGED = 8, 12, 6


class Project:
    """A copy of the project at ``path``; ``copied`` where another process has made it."""

    def __init__(self, path: Path, *, copied: bool = False):
        self.path = path
        if copied:
            return
        path.mkdir(exist_ok=True)
        for name in TRACKED:
            source, target = ROOT / name, path / name
            if source.is_dir():
                shutil.copytree(
                    source, target, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info")
                )
            else:
                shutil.copy(source, target)
        # Every head is fitted for every fold, in dozens of runs; two tell as much here as five.
        modeling = path / "conf/base/parameters/modeling.yml"
        modeling.write_text(modeling.read_text().replace("folds: 5", "folds: 2"))
        # The copy must not see what lies in the developer's own conf/local.
        shutil.rmtree(path / "conf" / "local")
        (path / "conf" / "local").mkdir()

    def share_compiled(self, folder: Path) -> None:
        """Keep compiled encoders in ``folder``, which other projects keep theirs in too."""
        folder.mkdir(parents=True, exist_ok=True)
        models = self.path / "data/06_models"
        models.mkdir(parents=True, exist_ok=True)
        (models / ".compiled").symlink_to(folder)

    def draw_small_sample(self) -> None:
        """From now on the sample collection is a small one, for every session alike."""
        source = self.path / "conf/base/parameters/data_processing.yml"
        old, new = "images_per_kind: 60", f"images_per_kind: {PER_KIND}"
        text = source.read_text()
        assert text.count(old) == 1
        source.write_text(text.replace(old, new))

    def take_data(self, other: Project) -> None:
        """Have a copy of all that ``other`` has in ``data``, and nothing of its tracking."""
        compiled = shutil.ignore_patterns(".compiled")
        source, target = other.path / "data", self.path / "data"
        shutil.copytree(source, target, ignore=compiled, dirs_exist_ok=True)

    def session(self, env: str | None = None, **params: Any) -> KedroSession:
        """A session as `kedro run --env ENV --params ...` begins it."""
        bootstrap_project(self.path)
        return KedroSession.create(self.path, env=env, runtime_params=params)

    def run(self, *pipelines: str, env: str | None = None, **params: Any) -> None:
        """Run pipelines, by default ``__default__``."""
        with self.session(env, **params) as session:
            session.run(pipeline_names=list(pipelines) or None)

    def load(self, dataset: str, env: str | None = None, **params: Any) -> Any:
        """Load a dataset of the catalog."""
        with self.session(env, **params) as session:
            return session.load_context().catalog.load(dataset)

    def command(self, *arguments: str):
        """Run one of veneer's own commands in this process, which spares its imports."""
        return CliRunner().invoke(cli, arguments, obj=bootstrap_project(self.path))

    def kedro(self, *arguments: str, folder: str = ".", **environment: str):
        """Run the ``kedro`` command in a process of its own."""
        command, options = self._command(arguments, folder, environment)
        return subprocess.run(command, capture_output=True, check=False, **options)

    def start(self, *arguments: str) -> subprocess.Popen:
        """Start the ``kedro`` command and go on."""
        command, options = self._command(arguments, ".", {})
        # A shell's background jobs, which the tests may be one of, ignore Ctrl-C and hand that on.
        hear_ctrl_c = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
        options |= {"stderr": subprocess.PIPE, "preexec_fn": hear_ctrl_c}
        return subprocess.Popen(command, **options)

    def _command(self, arguments, folder, environment) -> tuple[list[str], dict]:
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("KEDRO", "MLFLOW"))}
        environment = {**inherited, "PYTHONPATH": str(self.path / "src"), **environment}
        command = [str(Path(sys.executable).with_name("kedro")), *arguments]
        return command, {"cwd": self.path / folder, "env": environment, "text": True}

    def client(self) -> mlflow.MlflowClient:
        """MLflow client of this project's own database."""
        return mlflow.MlflowClient(f"sqlite:///{self.path / 'mlflow.db'}")

    def runs(self, experiment: str) -> list:
        """The experiment's runs, latest first; none if there is no such experiment."""
        if not (self.path / "mlflow.db").exists():
            return []
        found = self.client().get_experiment_by_name(experiment)
        return self.client().search_runs([found.experiment_id]) if found else []
