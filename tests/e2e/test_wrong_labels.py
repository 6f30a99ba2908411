"""Labels that were made wrong on purpose, and the audit that is to find them."""

from __future__ import annotations

import os

import numpy as np


def test_wrong_labels_are_the_most_doubtful(project, shared, tmp_path):
    files = sorted((shared / "data/dtd10/images").rglob("*.jpg"))
    classes = sorted({file.parent.name for file in files})
    rng = np.random.default_rng(0)
    wrong = set(rng.choice(len(files), len(files) // 20, replace=False).tolist())
    paths = set()
    for number, file in enumerate(files):
        label = file.parent.name
        if number in wrong:
            label = rng.choice([other for other in classes if other != label])
            paths.add(f"{label}/{file.name}")
        (tmp_path / label).mkdir(exist_ok=True)
        os.symlink(file, tmp_path / label / file.name)
    given = {
        "collection": "wrong",
        "images": str(tmp_path),
        "encoder": str(shared / "models/lite2-minilm"),
        "modeling": {"heads": ["proker"]},
        "calibration": {"folds": 5},
    }
    for pipeline in ("data_processing", "embedding", "modeling"):
        project.run(pipeline, **given)
    doubtful = project.load("doubtful_labels", **given)["path"].to_pylist()
    found = paths & set(doubtful[: len(paths)])
    assert len(paths) == 60
    assert len(found) / len(paths) >= 0.7
