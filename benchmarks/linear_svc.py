"""How fast the linear head is fitted, and how near to the optimum, beside liblinear.

    python benchmarks/linear_svc.py [--cache FOLDER]

Data: the 23 largest ``subCategory`` classes of fashion, embedded by lite2-minilm (1024 features)
through veneer's own functions. A seeded, stratified 36 800 rows are fitted, the others predicted.
Both lie beside the project (``VENEER_SHARED``); without them there is nothing to measure, which
is said. Embedding takes some seven minutes on two cores; ``--cache`` keeps the vectors for the
next time, and ``--vectors`` takes an NPZ file with arrays X [n, 1024] and y [n] instead.

Baseline: ``sklearn.svm.LinearSVC(loss="hinge", C=1 / (0.02 n))``, which is liblinear's dual
coordinate descent under its default tolerance and cap, on the same features divided by their
deviations. Its intercept is penalised, as is its default. Scaling counts into our time and not
into the baseline's. Both objectives are worked out here in float64, from the coefficients alone
and with the intercept free of penalty, as Spark ML has it.

Reported are the ratio of the times (ours the median of several fits, all in one process), the
largest certified duality gap of all classes, how far our objective lies above the baseline's (of
the class where this is worst, and of the sum), and both accuracies on the other rows with the p of
an exact McNemar test. A table goes to stderr; the last line of stdout is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from scipy.stats import binomtest
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.svm import LinearSVC
from tqdm import tqdm

from veneer.encoders.embed import embed_batches
from veneer.encoders.encoder import open_encoder
from veneer.heads.linear_svc import OneVsRestLinearSVC
from veneer.images import sha_of
from veneer.schema import vectors as as_array

ROOT = Path(__file__).resolve().parents[1]
SHARED = Path(os.environ.get("VENEER_SHARED", ROOT.parent / "shared"))
FASHION = SHARED / "data/fashion/fashion-product-images-small.parquet"
ENCODER = SHARED / "models/lite2-minilm"
REG = 0.02


def main() -> None:
    """Fit both, measure, print, and end with one line of JSON."""
    options = parse_arguments()
    if options.vectors:
        X, y = read(options.vectors)
    elif not FASHION.exists() or not ENCODER.is_dir():
        sys.exit(f"nothing measured: {FASHION} and {ENCODER} are needed (VENEER_SHARED)")
    else:
        with tempfile.TemporaryDirectory() as temporary:
            X, y = embedded(options.cache or Path(temporary))

    names, counts = np.unique(y, return_counts=True)
    largest = np.isin(y, names[np.argsort(-counts, kind="stable")[: options.classes]])
    X, X_test, y, y_test = train_test_split(
        X[largest], y[largest], train_size=options.rows, stratify=y[largest], random_state=0
    )

    seconds = []
    for _ in range(options.rounds):
        begin = time.perf_counter()
        head = OneVsRestLinearSVC(reg_param=REG).fit(X, y)
        seconds.append(time.perf_counter() - begin)

    deviations = X.std(axis=0, ddof=1, dtype=np.float64)
    scaled = X / deviations
    begin = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        reference = LinearSVC(loss="hinge", C=1 / (REG * len(X)), random_state=0).fit(scaled, y)
    reference_seconds = time.perf_counter() - begin

    ours = objectives(scaled, y, head.classes_, head.coef_ * deviations, head.intercept_)
    theirs = objectives(scaled, y, head.classes_, reference.coef_, reference.intercept_)
    right = head.predict(X_test) == y_test
    reference_right = reference.predict(X_test / deviations) == y_test
    result = {
        "benchmark": "linear_svc",
        "rows": len(X),
        "test_rows": len(X_test),
        "features": X.shape[1],
        "classes": len(head.classes_),
        "cores": os.cpu_count(),
        "seconds": [round(each, 2) for each in seconds],
        "seconds_liblinear": round(reference_seconds, 2),
        "speedup_vs_liblinear": round(reference_seconds / np.median(seconds), 2),
        "liblinear_converged": bool(np.max(reference.n_iter_) < reference.max_iter),
        "duality_gap": float(head.duality_gap_.max()),
        "objective_gap": float((ours / theirs - 1).max()),
        "objective_gap_of_sum": float(ours.sum() / theirs.sum() - 1),
        "accuracy": round(float(right.mean()), 5),
        "accuracy_gap": round(float(right.mean() - reference_right.mean()), 5),
        "mcnemar_p": mcnemar(right, reference_right),
    }
    print(table(head, ours, theirs, y), file=sys.stderr)
    for key, value in result.items():
        print(f"{key:24}{value}", file=sys.stderr)
    print(json.dumps(result))


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cache", type=Path, help="folder that keeps the vectors")
    parser.add_argument("--vectors", type=Path, help="NPZ file of vectors to use instead")
    parser.add_argument("--rows", type=int, default=36_800, help="default: %(default)s")
    parser.add_argument("--classes", type=int, default=23, help="default: %(default)s")
    parser.add_argument("--rounds", type=int, default=5, help="our fits (default: %(default)s)")
    return parser.parse_args()


def read(file: Path) -> tuple[np.ndarray, np.ndarray]:
    """Vectors and labels of an NPZ file."""
    with np.load(file) as arrays:
        return arrays["X"], arrays["y"]


def embedded(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Fashion's vectors, float32 [n, 1024], and subCategory labels [n]; kept in ``folder``."""
    kept = folder / "fashion-lite2-minilm.npz"
    if kept.exists():
        return read(kept)
    table = pq.read_table(FASHION, columns=["image", "subCategory"])
    contents = [image["bytes"] for image in table["image"].to_pylist()]
    shas = [sha_of(content) for content in contents]

    def batches() -> Iterator[pa.RecordBatch]:
        for first in tqdm(range(0, len(contents), 64), unit="batch", disable=None):
            rows = slice(first, first + 64)
            images = [{"bytes": content, "path": ""} for content in contents[rows]]
            yield pa.RecordBatch.from_pydict({"sha": shas[rows], "image": images})

    found: dict[str, np.ndarray] = {}
    encoder = open_encoder(str(ENCODER), {}, cache=folder / "compiled")
    for batch in embed_batches(batches(), encoder):
        found.update(zip(batch["sha"].to_pylist(), as_array(batch["embedding"]), strict=True))
    X, y = np.stack([found[sha] for sha in shas]), table["subCategory"].to_numpy().astype(str)
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(kept, X=X, y=y)
    return X, y


def objectives(
    X: np.ndarray, y: np.ndarray, classes: np.ndarray, coef: np.ndarray, intercept: np.ndarray
) -> np.ndarray:
    """Spark ML's objective for each class, float64 [K], of weights [K, D] for scaled features."""
    margins = X @ coef.T + intercept
    signs = np.where(y[:, None] == classes, 1, -1)
    penalty = REG / 2 * np.square(coef).sum(axis=1)
    return np.maximum(0, 1 - signs * margins).mean(axis=0) + penalty


def mcnemar(right: np.ndarray, reference_right: np.ndarray) -> float:
    """Exact two-sided p for the hypothesis that both are right equally often."""
    only = int(np.sum(right & ~reference_right))
    other = int(np.sum(reference_right & ~right))
    return float(binomtest(only, only + other).pvalue) if only + other else 1.0


def table(head: OneVsRestLinearSVC, ours: np.ndarray, theirs: np.ndarray, y: np.ndarray) -> str:
    """Each class's rows, objectives, gap and steps."""
    lines = [f"{'class':26}{'rows':>7}{'objective':>12}{'liblinear':>12}{'gap':>10}{'steps':>7}"]
    for k, name in enumerate(head.classes_):
        lines.append(
            f"{name:26}{np.sum(y == name):7}{ours[k]:12.6f}{theirs[k]:12.6f}"
            f"{head.duality_gap_[k]:10.1e}{head.n_iter_[k]:7}"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
