"""Options of finetuning, and something to learn from, for several tests."""

from __future__ import annotations

import numpy as np
import yaml
from support import ROOT

from veneer.finetuning.inputs import Features
from veneer.finetuning.options import FinetuningOptions
from veneer.finetuning.training import Rows

CLASSES, NUISANCES, DIMENSION = 6, 8, 24


def options(**given) -> FinetuningOptions:
    """Those of the project, small, with some of their own."""
    text = (ROOT / "conf/base/parameters/finetuning.yml").read_text()
    standing = yaml.safe_load(text)["finetuning"] | {"name": "tuned"}
    small = {"groups": 6, "images_per_group": 4, "epochs": 8, "learning_rate": 0.01}
    return FinetuningOptions(**standing | small | given)


def crowded(n: int = 240, seed: int = 0) -> Rows:
    """Vectors whose class is one direction of many, and the others are louder."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, CLASSES, n)
    nuisances = rng.integers(0, NUISANCES, n)
    ours, theirs = rng.normal(size=(CLASSES, DIMENSION)), rng.normal(size=(NUISANCES, DIMENSION))
    vectors = 0.5 * ours[labels] + theirs[nuisances] + 0.2 * rng.normal(size=(n, DIMENSION))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return Rows(
        Features(vectors),
        vectors,
        {"label": labels.astype(str)},
        np.arange(n),
        np.arange(n) % 4 == 0,
    )
