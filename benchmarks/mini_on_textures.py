"""How well the packaged encoder understands drawn textures that it has not seen.

Draws fresh textures of all kinds of the sample collection, under a seed the sample does not use,
passes them through JPEG as the sample's files are, and measures ``mini`` on them:

- zero-shot accuracy: each image goes to the kind whose prompt is nearest, one prompt a kind.
  Without labels only chance can stand beside it.
- text-to-image P@10: the share of right images among the first ten for each kind's prompt.
- image-to-image P@10 and 1-NN accuracy, leave-one-out: each image looks for its like among all
  others. A colour histogram (8 x 8 x 8 bins of RGB, L1 distance) does the same on the same
  images. It knows no words, so this is the one task on which the two compare like for like.

Intervals are at 95 %. Accuracies have Wilson's. Each P@10 has a bootstrap over kinds, all
queries of a kind drawn together: they are not independent, as they look for the same images.

These are drawings of the project's own synthesiser, and the encoder has learnt from others of the
same kinds: photographs are much harder than these figures tell (see ``embedded_encoder.py``).

Run it from anywhere, about a minute on two cores:

    python benchmarks/mini_on_textures.py
    python benchmarks/mini_on_textures.py --images-per-kind 100 --seed 7

A table goes to stderr; the last line of stdout is one JSON object with all figures.
"""

from __future__ import annotations

import argparse
import json
import sys
from importlib.metadata import version
from itertools import islice
from pathlib import Path

import numpy as np
from omegaconf import OmegaConf
from PIL import Image
from scipy.spatial.distance import cdist
from tqdm import tqdm

from veneer.encoders.config import EncoderConfig
from veneer.encoders.encoder import Encoder, open_encoder
from veneer.images import to_rgb
from veneer.metrics import precision_at_k, wilson_interval
from veneer.sources.textures import SAMPLE_KINDS, sample_files

REPORTING = Path(__file__).resolve().parents[1] / "conf/base/parameters/reporting.yml"
K = 10
BINS = 8
BATCH = 16
RESAMPLES = 10_000


def main() -> None:
    """Draw, embed, measure and print."""
    options = parse_arguments()
    encoder = open_encoder(
        "mini", {"mini": EncoderConfig(family="open_clip", pretrained="packaged")}
    )
    vectors, histograms, truth = describe_images(encoder, options.images_per_kind, options.seed)
    template = OmegaConf.load(REPORTING).reporting.template
    prompts = encoder.embed_texts([template.format(kind) for kind in SAMPLE_KINDS])

    by_text = prompts @ vectors.T
    by_vector = without_self(vectors @ vectors.T)
    by_histogram = without_self(-cdist(histograms, histograms, "cityblock"))
    rng = np.random.default_rng(options.seed)
    kinds, n = len(SAMPLE_KINDS), len(truth)
    report = {
        "benchmark": "mini_on_textures",
        "zero_shot_accuracy": accuracy(by_text.argmax(axis=0), truth)
        | {"chance": 1 / kinds, "per_kind": recall_per_kind(by_text.argmax(axis=0), truth)},
        "text_to_image_p10": precision(by_text, np.arange(kinds), truth, rng)
        | {"chance": options.images_per_kind / n},
        "image_to_image_p10": {
            "mini": precision(by_vector, truth, truth, rng),
            "colour_histogram": precision(by_histogram, truth, truth, rng),
            "chance": (options.images_per_kind - 1) / (n - 1),
        },
        "nearest_neighbour_accuracy": {
            "mini": accuracy(truth[by_vector.argmax(axis=1)], truth),
            "colour_histogram": accuracy(truth[by_histogram.argmax(axis=1)], truth),
            "chance": (options.images_per_kind - 1) / (n - 1),
        },
        "intervals": "95 %: Wilson for accuracies, bootstrap over kinds for P@10",
        "template": template,
        "data": f"synthesised textures, {options.images_per_kind} of each of {kinds} kinds, "
        "224 x 224 px, JPEG",
        "kinds": list(SAMPLE_KINDS),
        "n_images": n,
        "images_per_kind": options.images_per_kind,
        "seed": options.seed,
        "encoder": encoder.fingerprint,
        "runtime": encoder.image_tower.runtime,
        "versions": {name: version(name) for name in ("torch", "open_clip_torch", "timm")},
    }
    print(table(report), file=sys.stderr)
    print(json.dumps(rounded(report)))


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--images-per-kind", type=int, default=40, help=f"more than {K} (default: %(default)s)"
    )
    parser.add_argument(
        "--seed", type=int, default=20260, help="other than the sample's 0 (default: %(default)s)"
    )
    options = parser.parse_args()
    if options.images_per_kind <= K:
        parser.error(f"--images-per-kind must be more than {K}, or no search could find {K} others")
    if options.seed < 1:
        parser.error("--seed must be at least 1: 0 is the seed of the sample collection")
    return options


def describe_images(
    encoder: Encoder, images_per_kind: int, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw the textures, and embed them and count their colours as they come.

    Returns
    -------
    vectors : float32 array [n, dimension], rows of length 1
    histograms : float64 array [n, BINS ** 3], rows of sum 1
    truth : int array [n]
        Places of the images' kinds in ``SAMPLE_KINDS``.
    """
    files = sample_files(
        kinds=SAMPLE_KINDS, images_per_kind=images_per_kind, seed=seed, duplicates=0, damaged=0
    )
    vectors, histograms, truth = [], [], []
    total = len(SAMPLE_KINDS) * images_per_kind
    with tqdm(total=total, unit="image", disable=None) as progress:
        while batch := list(islice(files, BATCH)):
            images = [to_rgb(content) for _, content in batch]
            vectors.append(encoder.embed_images(images))
            histograms += [colour_histogram(image) for image in images]
            truth += [SAMPLE_KINDS.index(path.split("/")[0]) for path, _ in batch]
            progress.update(len(batch))
    return np.concatenate(vectors), np.stack(histograms), np.array(truth)


def colour_histogram(image: Image.Image) -> np.ndarray:
    """Shares of an RGB image's pixels in BINS x BINS x BINS boxes of colour, float64."""
    levels = np.asarray(image).reshape(-1, 3).astype(np.int64) * BINS // 256
    boxes = levels @ np.array([BINS * BINS, BINS, 1])
    return np.bincount(boxes, minlength=BINS**3) / len(boxes)


def without_self(scores: np.ndarray) -> np.ndarray:
    """Scores [n, n] under which no image finds itself."""
    scores = scores.copy()
    np.fill_diagonal(scores, -np.inf)
    return scores


def accuracy(predicted: np.ndarray, truth: np.ndarray) -> dict:
    """Share of right predictions, with Wilson's interval."""
    right = int(np.sum(predicted == truth))
    return {"value": right / len(truth), "interval_95": wilson_interval(right, len(truth))}


def recall_per_kind(predicted: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """Share of each kind's images that were taken for it."""
    return {
        kind: float(np.mean(predicted[truth == place] == place))
        for place, kind in enumerate(SAMPLE_KINDS)
    }


def precision(
    scores: np.ndarray, wanted: np.ndarray, truth: np.ndarray, rng: np.random.Generator
) -> dict:
    """P@K of all queries, with a bootstrap over the kinds that they want.

    Parameters
    ----------
    scores : array [n_queries, n_images]
    wanted : int array [n_queries]
        Kind that each query is for, as many queries of every kind.
    truth : int array [n_images]
    rng : numpy Generator
    """
    best = np.argsort(-scores, axis=1, kind="stable")[:, :K]
    relevant = truth[best] == wanted[:, None]
    places = range(len(SAMPLE_KINDS))
    per_kind = np.array([precision_at_k(relevant[wanted == place], K) for place in places])
    draws = rng.integers(len(per_kind), size=(RESAMPLES, len(per_kind)))
    low, high = np.quantile(per_kind[draws].mean(axis=1), (0.025, 0.975))
    return {
        "value": precision_at_k(relevant, K),
        "interval_95": (float(low), float(high)),
        "per_kind": dict(zip(SAMPLE_KINDS, per_kind.tolist(), strict=True)),
    }


def table(report: dict) -> str:
    """Lay the figures out for reading."""

    def figure(measured: dict) -> str:
        low, high = measured["interval_95"]
        return f"{measured['value']:.3f} [{low:.3f}, {high:.3f}]"

    zero_shot, by_text = report["zero_shot_accuracy"], report["text_to_image_p10"]
    by_image, neighbour = report["image_to_image_p10"], report["nearest_neighbour_accuracy"]
    lines = [
        f"{report['data']}, seed {report['seed']}; {report['intervals']}",
        f"{'':27}{'mini':23}{'colour histogram':23}chance",
    ]
    for name, measured in (("zero-shot accuracy", zero_shot), ("text-to-image P@10", by_text)):
        lines.append(f"{name:27}{figure(measured):23}{'-':23}{measured['chance']:.3f}")
    for name, pair in (("image-to-image P@10", by_image), ("1-NN accuracy", neighbour)):
        mini, histogram = figure(pair["mini"]), figure(pair["colour_histogram"])
        lines.append(f"{name:27}{mini:23}{histogram:23}{pair['chance']:.3f}")
    lines.append(f"{'':27}{'zero-shot recall':23}P@10 of its prompt")
    for kind in sorted(zero_shot["per_kind"], key=zero_shot["per_kind"].get):
        lines.append(
            f"{kind:27}{zero_shot['per_kind'][kind]:<23.3f}{by_text['per_kind'][kind]:.2f}"
        )
    return "\n".join(lines)


def rounded(value):
    """Floats to four places, at any depth."""
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, dict):
        return {key: rounded(each) for key, each in value.items()}
    return [rounded(each) for each in value] if isinstance(value, list | tuple) else value


if __name__ == "__main__":
    main()
