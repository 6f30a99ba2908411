"""How well each head classifies, on the same vectors.

    python benchmarks/heads.py [--out FOLDER] [--vectors FOLDER]
        [--collections dtd10 trashnet fashion]

- dtd10 and trashnet: 5 x 5-fold cross-validation, stratified, copies of a file in one fold.
  Means and paired differences to the SVC have 95 % intervals by the corrected resampled t (Nadeau
  and Bengio 2003), as the training sets of the folds overlap.
- wrong labels: of those of dtd10 and trashnet 5 % are made wrong, five times; what share of as many
  rows that a head doubts most, out of fold, are these.
- the learning curve: 1 to 16 examples a class, five draws, each tested on another fifth; 95 %
  t intervals over the draws.
- fashion: images, their titles, and both (each of length 1, side by side, the whole scaled to
  length 1), for ``masterCategory`` (80/20) and for four ``subCategory`` classes of 250 rows
  (5-fold). Accuracies have Wilson's interval, macro F1 a bootstrap over rows.

The encoder saw parts of dtd10 and trashnet in its training: the figures compare heads, they do
not tell what the encoder is worth. Nor were the methods' details chosen blindly: they were
tried on these rows, under other fold seeds. Their hyper-parameters come from the training rows.

The photos and the encoder are those beside the project (``VENEER_SHARED``); without them there is
nothing to measure. Embedding takes a minute, fashion ten more; with ``--vectors``, vectors are
kept in NAME.npz there and taken from there the next time.

Tables go to stderr; the last line of stdout is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from scipy import stats
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.svm import LinearSVC
from tqdm import tqdm

from veneer.encoders.embed import embed_batches
from veneer.encoders.encoder import Encoder, open_encoder
from veneer.figures.curves import learning_curve as curve_picture
from veneer.heads.calibration import fit_temperature, out_of_fold_scores, probabilities
from veneer.heads.fusion import fuse
from veneer.heads.linear_svc import OneVsRestLinearSVC
from veneer.heads.mlp import fit_mlp
from veneer.heads.proker import fit_proker
from veneer.heads.zero_shot import ZeroShotHead, fit_zero_shot
from veneer.images import sha_of
from veneer.metrics import wilson_interval
from veneer.schema import vectors as as_array
from veneer.splits import folds, split_rows

ROOT = Path(__file__).resolve().parents[1]
SHARED = Path(os.environ.get("VENEER_SHARED", ROOT.parent / "shared"))
FASHION = SHARED / "data/fashion/fashion-product-images-small.parquet"
TEMPLATES = {
    "dtd10": [
        "{}",
        "a photo of a {} texture.",
        "a photo of something {}.",
        "a {} surface.",
        "a {} pattern.",
    ],
    "trashnet": ["{}", "a photo of {}.", "a photo of a piece of {}.", "a photo of {} waste."],
    "fashion": ["{}", "a photo of {}.", "a product photo of {}."],
}
REPEATS, FOLDS = 5, 5
SHOTS = (1, 2, 4, 8, 16)
FOUR = ("Dress", "Flip Flops", "Loungewear and Nightwear", "Sandal")
ROWS_EACH = 250
LARGEST, TIMED_ROWS = 23, 36_800
PUBLISHED = {"accuracy": 0.9807, "macro_f1": 0.9808}
Predict = Callable[[np.ndarray], np.ndarray]


def main() -> None:
    """Embed, measure, print, and end with one line of JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--encoder", type=Path, default=SHARED / "models/lite2-minilm")
    parser.add_argument("--vectors", type=Path, help="folder that keeps NAME.npz between runs")
    parser.add_argument("--out", type=Path, help="folder for the learning curve's picture")
    parser.add_argument(
        "--collections", nargs="+", choices=list(TEMPLATES), default=list(TEMPLATES)
    )
    arguments = parser.parse_args()
    if not arguments.encoder.is_dir() or not (SHARED / "data").is_dir():
        sys.exit(f"nothing measured: {SHARED / 'data'} and {arguments.encoder} are needed")
    encoder = open_encoder(str(arguments.encoder), {}, cache=arguments.vectors)
    result: dict = {}
    curves: dict[str, dict] = {}
    for name in [each for each in arguments.collections if each != "fashion"]:
        data = vectors_of(name, encoder, arguments.vectors)
        X, y, groups = data["X"], data["y"], data["sha"]
        prior = fit_zero_shot(np.unique(y), TEMPLATES[name], encoder.embed_texts)
        result[name] = cross_validate(name, X, y, groups, prior)
        result[name]["wrong_labels_found"] = find_wrong_labels(name, X, y, groups, prior)
        curves[name] = learning_curve(name, X, y, groups, prior)
        if arguments.out:
            plot(name, curves[name], arguments.out)
    result["learning_curve"] = curves
    if "fashion" in arguments.collections:
        if FASHION.is_file():
            result["fashion"] = fashion(vectors_of("fashion", encoder, arguments.vectors), encoder)
        else:
            say(f"fashion is left out: there is no {FASHION}")
    print(json.dumps(rounded(result)))


def say(text: str) -> None:
    """Print to stderr, also while a bar is shown."""
    tqdm.write(text, file=sys.stderr)


# Vectors


def vectors_of(name: str, encoder: Encoder, folder: Path | None) -> dict[str, np.ndarray]:
    """Image vectors X, labels y and hashes sha of a collection; of fashion also title vectors T."""
    file = folder and folder / f"{name}.npz"
    if file and file.is_file():
        with np.load(file) as kept:
            return dict(kept)
    data = {}
    if name == "fashion":
        columns = ["image", "productDisplayName", "masterCategory", "subCategory"]
        table = pq.read_table(FASHION, columns=columns)
        contents = table["image"].combine_chunks().field("bytes").to_pylist()
        data["y"] = np.array(table["subCategory"].to_pylist())
        data["master"] = np.array(table["masterCategory"].to_pylist())
        data["T"] = encoder.embed_texts([t or "" for t in table["productDisplayName"].to_pylist()])
    else:
        files = sorted((SHARED / "data" / name / "images").rglob("*.jpg"))
        contents = [each.read_bytes() for each in files]
        data["y"] = np.array([each.parent.name for each in files])
    shas = [sha_of(each) for each in contents]
    data |= {"X": embed_files(name, contents, shas, encoder), "sha": np.array(shas)}
    if file:
        folder.mkdir(parents=True, exist_ok=True)
        np.savez(file, **data)
    return data


def embed_files(name: str, contents: list[bytes], shas: list[str], encoder: Encoder) -> np.ndarray:
    """Float32 array [n, D] in the files' order, through the embedding stage's own function."""
    image = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    distinct = dict(zip(shas, contents, strict=True))

    def batches() -> Iterator[pa.RecordBatch]:
        keys = list(distinct)
        for first in tqdm(range(0, len(keys), 64), desc=f"embed {name}", unit="batch"):
            some = keys[first : first + 64]
            rows = [{"bytes": distinct[sha], "path": ""} for sha in some]
            yield pa.record_batch({"sha": some, "image": pa.array(rows, image)})

    found = {}
    for batch in embed_batches(batches(), encoder):
        found |= zip(batch["sha"].to_pylist(), as_array(batch["embedding"]), strict=True)
    return np.stack([found[sha] for sha in shas])


# Heads


def fit_svc(X, y, groups, prior, seed) -> Predict:
    """The SVC with Spark's settings."""
    return OneVsRestLinearSVC(reg_param=0.02).fit(X, y).predict


def fit_plain_mlp(X, y, groups, prior, seed) -> Predict:
    """The MLP with its defaults."""
    return fit_mlp(X, y, groups, seed=seed).predict


def take_prior(X, y, groups, prior, seed) -> Predict:
    """Zero-shot: there is nothing to fit."""
    return prior.predict


def fit_with_prior(X, y, groups, prior, seed) -> Predict:
    """ProKeR, with the text prior."""
    return fit_proker(X, y, groups, prior=prior, seed=seed).predict


def fit_liblinear(X, y, groups, prior, seed) -> Predict:
    """The hinge loss by liblinear, on features divided by their deviation."""
    deviation = np.maximum(X.std(axis=0), 1e-12)
    head = LinearSVC(loss="hinge", C=1 / (0.02 * len(X)), random_state=seed).fit(X / deviation, y)
    return lambda rows: head.predict(rows / deviation)


def fit_logistic(X, y, groups, prior, seed) -> Predict:
    """scikit-learn's logistic regression with its defaults, on vectors of length 1."""
    return LogisticRegression(max_iter=1000).fit(X, y).predict


HEADS = {
    "svc": fit_svc,
    "mlp": fit_plain_mlp,
    "zero_shot": take_prior,
    "proker": fit_with_prior,
    "liblinear": fit_liblinear,
    "logistic": fit_logistic,
}


def fit(name: str, *arguments) -> Predict:
    """Fit a head by name; that liblinear does not converge is known."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return HEADS[name](*arguments)


# dtd10 and trashnet


def cross_validate(name: str, X, y, groups, prior: ZeroShotHead) -> dict:
    """Accuracy and macro F1 of every head over the folds, and what it gains over the SVC."""
    accuracy, f1 = ({head: [] for head in HEADS} for _ in range(2))
    seconds = dict.fromkeys(HEADS, 0.0)
    with tqdm(total=REPEATS * FOLDS * len(HEADS), desc=name, unit="fit") as bar:
        for seed in range(REPEATS):
            parts = folds(y, groups, FOLDS, seed)
            for part in range(FOLDS):
                train, test = parts != part, parts == part
                for head in HEADS:
                    begin = time.perf_counter()
                    predict = fit(head, X[train], y[train], groups[train], prior, seed)
                    seconds[head] += time.perf_counter() - begin
                    predicted = predict(X[test])
                    accuracy[head].append(np.mean(predicted == y[test]))
                    f1[head].append(f1_score(y[test], predicted, average="macro"))
                    bar.update()
    found = {}
    say(f"\n{name}: {len(y)} rows, {REPEATS} x {FOLDS} folds, 95 % corrected resampled t")
    for head in HEADS:
        found[head] = resampled(accuracy[head])
        del found[head]["p"]  # that it is above 0 says nothing
        found[head]["macro_f1"] = float(np.mean(f1[head]))
        found[head]["fit_seconds"] = seconds[head] / (REPEATS * FOLDS)
        line = f"{head:10} {interval(found[head])}  macro F1 {found[head]['macro_f1']:.3f}"
        if head != "svc":
            gain = resampled(np.subtract(accuracy[head], accuracy["svc"]))
            found[head]["minus_svc"] = gain
            line += f"  minus svc {interval(gain, '+')} p {gain['p']:.2g}"
        say(f"{line}  {found[head]['fit_seconds']:.1f} s a fit")
    return found | {"n": len(y)}


def resampled(values) -> dict:
    """Mean, its interval, and p of its being 0, by Nadeau's and Bengio's corrected t."""
    values = np.asarray(values)
    error = values.std(ddof=1) * np.sqrt(1 / len(values) + 1 / (FOLDS - 1))
    mean, reach = values.mean(), stats.t.ppf(0.975, len(values) - 1) * error
    p = 2 * stats.t.sf(abs(mean) / error, len(values) - 1) if error else 1.0
    return {"mean": float(mean), "low": float(mean - reach), "high": float(mean + reach), "p": p}


def find_wrong_labels(name: str, X, y, groups, prior: ZeroShotHead) -> dict:
    """Of 5 % labels made wrong, the share among as many that a head doubts most: mean, least."""
    classes = np.unique(y)
    found: dict[str, list] = {"svc": [], "proker": []}
    fits = {
        "svc": lambda *rows: OneVsRestLinearSVC(reg_param=0.02).fit(*rows[:2]),
        "proker": lambda *rows: fit_proker(*rows, prior=prior),
    }
    for seed in range(REPEATS):
        rng = np.random.default_rng(seed)
        flipped = rng.choice(len(y), len(y) // 20, replace=False)
        given = y.copy()
        given[flipped] = [rng.choice(classes[classes != label]) for label in y[flipped]]
        own = np.searchsorted(classes, given)
        for head, fit_head in fits.items():
            scores, _ = out_of_fold_scores(fit_head, X, given, groups, classes, FOLDS, seed)
            shares = probabilities(scores, fit_temperature(scores, given, classes))
            doubted = np.argsort(shares[np.arange(len(y)), own], kind="stable")[: len(flipped)]
            found[head].append(np.mean(np.isin(doubted, flipped)))
    for head, values in found.items():
        say(f"{name}, 5 % wrong labels: {np.mean(values):.3f} of the most doubted by {head}")
    return {h: {"mean": float(np.mean(v)), "least": float(min(v))} for h, v in found.items()}


def learning_curve(name: str, X, y, groups, prior: ZeroShotHead) -> dict:
    """Accuracy of every head at few examples a class: {head: {shots: mean, low, high}}."""
    parts = folds(y, groups, FOLDS, 0)
    found: dict[str, dict] = {head: {} for head in HEADS}
    with tqdm(total=len(SHOTS) * FOLDS * len(HEADS), desc=f"{name}, few", unit="fit") as bar:
        for shots in SHOTS:
            values = {head: [] for head in HEADS}
            for draw in range(FOLDS):
                rng = np.random.default_rng([draw, shots])
                test, rest = parts == draw, np.flatnonzero(parts != draw)
                rest = rest[np.unique(groups[rest], return_index=True)[1]]
                few = np.concatenate(
                    [
                        rng.choice(rest[y[rest] == label], shots, replace=False)
                        for label in np.unique(y)
                    ]
                )
                for head in HEADS:
                    predict = fit(head, X[few], y[few], groups[few], prior, draw)
                    values[head].append(np.mean(predict(X[test]) == y[test]))
                    bar.update()
            for head in HEADS:
                found[head][shots] = over_draws(values[head]) | {
                    f"minus_{other}": over_draws(np.subtract(values[head], values[other]))
                    for other in ("svc", "zero_shot")
                }
    say(f"\n{name}, examples a class: " + "".join(f"{shots:>8}" for shots in SHOTS))
    for head in HEADS:
        figures = "".join(f"{found[head][shots]['mean']:8.3f}" for shots in SHOTS)
        say(f"{head:{len(name) + 21}}{figures}")
    for other in ("svc", "zero_shot"):
        gains = (found["proker"][shots][f"minus_{other}"] for shots in SHOTS)
        say(f"proker - {other}: " + ", ".join(interval(gain, "+") for gain in gains))
    return found


def over_draws(values) -> dict:
    """Mean and its t interval."""
    mean, reach = np.mean(values), stats.t.ppf(0.975, len(values) - 1) * stats.sem(values)
    return {"mean": float(mean), "low": float(mean - reach), "high": float(mean + reach)}


# fashion


def fashion(data: dict[str, np.ndarray], encoder: Encoder) -> dict:
    """Image, text and both, for two tasks."""
    views = {"image": data["X"], "text": data["T"]}
    views["both"] = fuse(data["X"], data["T"])
    say(
        f"\nfashion: the published product system has accuracy {PUBLISHED['accuracy']:.4f}, F1 "
        f"{PUBLISHED['macro_f1']:.4f}, on other data.\nMany titles contain the class's name: the "
        "text figures say how well that is read."
    )
    master, groups = data["master"], data["sha"]
    names, sizes = np.unique(master, return_counts=True)
    pairs = np.unique(np.stack([master, groups]), axis=1)[0]
    kept = np.array([name for name in names if np.sum(pairs == name) >= 2])
    left_out = {str(n): int(s) for n, s in zip(names, sizes, strict=True) if n not in kept}
    if left_out:
        say(f"masterCategory, left out for want of two different files: {left_out}")
    rows = np.flatnonzero(np.isin(master, kept))
    ids = [str(row) for row in rows]
    sides = split_rows(ids, groups[rows].tolist(), master[rows].tolist())["split"].to_pylist()
    parts = np.array([0 if side == "validation" else -1 for side in sides])
    found = {"master_category": task(views, master, groups, rows, parts, encoder)}
    found["master_category"]["left_out"] = left_out

    rng = np.random.default_rng(0)
    draws = [rng.choice(np.flatnonzero(data["y"] == c), ROWS_EACH, replace=False) for c in FOUR]
    rows = np.concatenate(draws)
    parts = folds(data["y"][rows], groups[rows], FOLDS, 0)
    found["four_sub_categories"] = task(views, data["y"], groups, rows, parts, encoder)
    return found | {
        "published_on_other_data": PUBLISHED,
        "four": FOUR,
        "fit_seconds": time_fits(data["X"], data["y"], groups),
    }


def time_fits(X: np.ndarray, labels: np.ndarray, groups: np.ndarray) -> dict:
    """Seconds that the MLP and ProKeR take for many rows of the largest classes."""
    names, sizes = np.unique(labels, return_counts=True)
    rows = np.flatnonzero(np.isin(labels, names[np.argsort(-sizes)[:LARGEST]]))
    rows = np.sort(np.random.default_rng(0).permutation(rows)[:TIMED_ROWS])
    X, y, groups = X[rows], labels[rows], groups[rows]
    begin = time.perf_counter()
    log = fit_mlp(X, y, groups).log
    mlp = time.perf_counter() - begin
    begin = time.perf_counter()
    fit_proker(X, y, groups, prior=None)
    found = {"mlp": mlp, "mlp_epochs": len(log), "proker": time.perf_counter() - begin}
    say(
        f"\nfitting {len(rows)} rows, {LARGEST} classes: mlp {mlp:.1f} s ({len(log)} epochs), "
        f"proker {found['proker']:.1f} s"
    )
    return found | {"rows": len(rows)}


def task(views, labels, groups, rows, parts, encoder: Encoder) -> dict:
    """Every view and head on some rows; each part from 0 is tested once, on all other rows."""
    y, groups = labels[rows], groups[rows]
    text = fit_zero_shot(np.unique(y), TEMPLATES["fashion"], encoder.embed_texts)
    say(f"\n{len(np.unique(y))} classes, {np.sum(parts >= 0)} tested rows")
    found: dict[str, dict] = {}
    for view, vectors in views.items():
        X = vectors[rows]
        both = fuse(text.vectors, text.vectors) if view == "both" else text.vectors
        prior = ZeroShotHead(text.classes_, both)
        found[view] = {}
        for head in tqdm(("svc", "mlp", "proker"), desc=view, unit="head", leave=False):
            predicted, begin = y.copy(), time.perf_counter()
            for part in range(parts.max() + 1):
                train, test = parts != part, parts == part
                predict = fit(head, X[train], y[train], groups[train], prior, 0)
                predicted[test] = predict(X[test])
            tested = parts >= 0
            found[view][head] = judged(y[tested], predicted[tested])
            found[view][head]["seconds"] = time.perf_counter() - begin
            accuracy, f1 = (interval(found[view][head][key]) for key in ("accuracy", "macro_f1"))
            say(f"{view:6} {head:7} accuracy {accuracy}  macro F1 {f1}")
    return found


def judged(truth: np.ndarray, predicted: np.ndarray) -> dict:
    """Accuracy with Wilson's interval, macro F1 with a bootstrap over rows."""
    classes, codes = np.unique(truth, return_inverse=True)
    guesses = np.searchsorted(classes, predicted)
    right = int(np.sum(codes == guesses))
    low, high = wilson_interval(right, len(truth))
    rng = np.random.default_rng(0)
    draws = [rng.integers(len(truth), size=len(truth)) for _ in range(1000)]
    several = [macro_f1(codes[rows], guesses[rows], len(classes)) for rows in draws]
    f1_low, f1_high = np.quantile(several, (0.025, 0.975))
    f1 = macro_f1(codes, guesses, len(classes))
    return {
        "accuracy": {"mean": right / len(truth), "low": low, "high": high},
        "macro_f1": {"mean": f1, "low": float(f1_low), "high": float(f1_high)},
        "n": len(truth),
    }


def macro_f1(codes: np.ndarray, guesses: np.ndarray, count: int) -> float:
    """Mean F1 of the classes that occur."""
    right = np.bincount(codes[codes == guesses], minlength=count)
    both = np.bincount(codes, minlength=count) + np.bincount(guesses, minlength=count)
    return float(np.mean(2 * right[both > 0] / both[both > 0]))


# Showing


def interval(found: dict, sign: str = "") -> str:
    """A figure with its interval."""
    return f"{found['mean']:{sign}.4f} [{found['low']:{sign}.4f}, {found['high']:{sign}.4f}]"


def rounded(value):
    """Floats to four places (p to four digits), at any depth."""
    if isinstance(value, float):
        return round(float(value), 4) if abs(value) >= 0.01 else float(f"{value:.4g}")
    if isinstance(value, dict):
        return {str(key): rounded(each) for key, each in value.items()}
    return [rounded(each) for each in value] if isinstance(value, list | tuple) else value


def plot(name: str, curves: dict, folder: Path) -> None:
    """Accuracy by examples a class, a line a head."""
    lines = {
        head: {"examples": SHOTS}
        | {
            key: [found[shots][each] for shots in SHOTS]
            for key, each in (("accuracy", "mean"), ("low", "low"), ("high", "high"))
        }
        for head, found in curves.items()
    }
    picture = curve_picture(
        lines,
        title=f"{name}: accuracy at few examples a class",
        subtitle="mean of five draws, each tested on another fifth; bands are 95 % intervals (t)",
    )
    folder.mkdir(parents=True, exist_ok=True)
    picture.save(folder / f"learning-curve-{name}.png", optimize=True)


if __name__ == "__main__":
    main()
