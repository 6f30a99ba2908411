"""What ``make demo`` says at its end: where the results are."""

from __future__ import annotations

import json
from pathlib import Path


def closing_words(project: Path, collection: str = "textures", encoder: str = "mini") -> str:
    """Describe the results of the default run at ``project``, with the figures it gave."""
    reports = project / "data/08_reporting" / collection / encoder
    metrics = json.loads((reports / "metrics.json").read_text())
    figures = "\n".join(
        f"  {name}: accuracy {m['accuracy']:.3f}, weighted F1 {m['weighted_f1']:.3f} "
        f"on {m['n_validation']} validation images"
        for name, m in metrics.items()
    )
    shown = reports.relative_to(project)
    return f"""
Done: {collection} under {encoder}.
{figures}

  {shown / "report.html"}   everything on one page
  {shown / "metrics.json"}
  {shown / "confusion_matrices"}, {shown / "contact_sheets"}, {shown / "label_histograms"}

Look further, from this folder (or activate the environment: . .venv/bin/activate):
  .venv/bin/mlflow ui --backend-store-uri sqlite:///mlflow.db    the tracked run
  .venv/bin/kedro app                                            search and clean in a browser
  .venv/bin/kedro search "red and white stripes" --sheet stripes.png
  .venv/bin/kedro viz run                                        the pipeline, with previews
  .venv/bin/kedro run --params "collection=NAME,images=FOLDER"   your own pictures
"""


if __name__ == "__main__":
    print(closing_words(Path.cwd()))  # noqa: T201 -- it is what the command was asked for
