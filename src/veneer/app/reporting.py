"""The last run's figures, as the page shows them."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pyarrow.compute as pc

from veneer.app.workspace import Workspace
from veneer.errors import VeneerError
from veneer.images import png_bytes
from veneer.metrics import most_confused

CONFUSED = 10


def report(workspace: Workspace) -> dict[str, Any]:
    """What the template ``report`` is filled with.

    Raises
    ------
    VeneerError
        When the pipelines have not been run to their end.
    """
    for needed in ("collection_card", "metrics", "retrieval_metrics", "twins_card"):
        if not workspace.has(needed):
            raise VeneerError(
                f"Showing the report: {needed} of {workspace.collection} under "
                f"{workspace.encoder_name} is not there. Make it with kedro run, with the same "
                "--env and --params."
            )
    card, metrics = workspace.document("collection_card"), workspace.document("metrics")
    matrices = workspace.document("confusion_matrices") if metrics else {}
    best = max(metrics, key=lambda name: metrics[name].get("held_out_accuracy") or 0, default=None)
    return {
        "card": card,
        "encoder": workspace.encoder_name,
        "metrics": metrics,
        "best": best,
        "matrices": [
            (name, base64.b64encode(png_bytes(matrices[name])).decode())
            for name in sorted(matrices, key=lambda name: name != best)
        ],
        "confused": _confused(workspace, best) if best else [],
        "retrieval": workspace.document("retrieval_metrics"),
        "twins": workspace.document("twins_card"),
        "has_page": workspace.has("report"),
        "run": tracked_run(workspace),
    }


def _confused(workspace: Workspace, head: str) -> list[tuple[str, str, int, float]]:
    predictions = workspace.document("predictions")
    own = pc.and_(pc.equal(predictions["head"], head), pc.equal(predictions["split"], "validation"))
    rows = predictions.filter(own)
    return most_confused(rows["label"].to_pylist(), rows["predicted"].to_pylist(), CONFUSED)


def tracked_run(workspace: Workspace) -> dict[str, str] | None:
    """The newest finished MLflow run of this collection and encoder; None without tracking.

    Nothing is made by looking: neither a database nor an experiment.
    """
    uri, name = workspace.project.tracking()
    database = "sqlite:///"
    if uri.startswith(database) and not Path(uri.removeprefix(database)).is_file():
        return None
    from mlflow import MlflowClient

    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        return None
    wanted = f"tags.collection = '{workspace.collection}' and attributes.status = 'FINISHED'"
    runs = client.search_runs([experiment.experiment_id], wanted, max_results=1)
    if not runs:
        return None
    info = runs[0].info
    served = uri if uri.startswith("http") else "http://127.0.0.1:5000"
    path = f"#/experiments/{experiment.experiment_id}/runs/{info.run_id}"
    return {
        "id": info.run_id,
        "name": info.run_name or info.run_id,
        "link": f"{served.rstrip('/')}/{path}",
        "command": "" if uri.startswith("http") else f"mlflow ui --backend-store-uri {uri}",
    }
