"""How well the packaged encoder recognises and finds what photographs show, by words and by labels.

    python benchmarks/embedded_encoder.py [--encoder packaged|FOLDER] [--beside FOLDER]
        [--rows report|choice|all] [--markdown]

``--beside`` is another encoder that is measured in the same way, by default the folder
``models/mini`` beside the project. Both are open_clip model folders.

- By words: each image goes to the class whose prompt is nearest. Reported for dtd10 (DTD's first
  ten attributes), trashnet, fashion (the seven values of ``masterCategory``, of 4,000 rows that are
  always the same) and for fresh drawings of veneer's own synthesiser: colour (all 47 kinds of
  texture as photographs may show them, in shades of one colour each, 13 colours; drawn again where
  the light makes another colour of it, as white becomes grey), synthetic_47 (the 47 kinds, filling
  the picture) and photographed_47 (as photographs may show them: on things of all shapes, before
  grounds, in bad light, and in ways to draw them that the former have not). One prompt a class; for
  photographs also the mean of the project's templates. Wilson's intervals.
- P@10: the share of right images among the first ten for a class's prompt, its mean over the
  classes; also the mean over the project's templates, each a query. A bootstrap over classes: ten
  and six of them, so that another wording can move it by several hundredths.
- Probes: the project's ``svc`` and scikit-learn's ``LinearSVC()``, 2 x 5 folds, stratified, copies
  of a file in one fold. Intervals by the corrected resampled t, as in ``heads.py``.
- A cross-check: dtd10 by words and P@10 with open_clip alone, its own preprocessing and tokens, in
  fp32, and the cosine of its vectors and veneer's.

Choices in the making of an encoder may have been made on some of the photographs: those whose
SHA-1, its first eight digits as a number, leaves less than 2 when divided by 5. Figures are of the
rest (``--rows report``). Probes are tested on the rest and learn from all that is not in the test
fold; the interval takes the test fold for a quarter of that, which it is less than, and so errs on
the wide side. With ``--rows choice`` all is of those photographs alone, and other pictures are
drawn. An encoder may have learnt from drawings of the same synthesiser: all three sets of drawings
then flatter it, beside photographs and beside an encoder that has not.

Vectors go through veneer's own stages (ingest, embedding, heads), with the parameters of
``conf/base``. The photographs are those beside the project (``VENEER_SHARED``); without them there
is nothing to measure. Some six minutes for two encoders on two cores. A table goes to stderr,
with ``--markdown`` one in Markdown to stdout; the last line of stdout is one JSON object.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from heads import FOLDS, resampled
from mini_on_textures import RESAMPLES, K, accuracy, rounded
from omegaconf import OmegaConf
from PIL import Image
from sklearn.svm import LinearSVC
from tqdm import tqdm
from twins import FASHION, ROOT, SHARED, say

from veneer.encoders.config import PACKAGED, packaged_folder
from veneer.encoders.embed import embed_batches
from veneer.encoders.encoder import Encoder, open_encoder
from veneer.encoders.families import FOLDER_WEIGHTS
from veneer.heads.linear_svc import OneVsRestLinearSVC
from veneer.heads.zero_shot import fit_zero_shot
from veneer.images import sha_of
from veneer.ingest import accepted_and_refused, ingest
from veneer.retrieval.evaluation import rank, values_of
from veneer.schema import KNOWN_IMAGE, QUARANTINE
from veneer.schema import vectors as as_array
from veneer.sources.memory import Sent, memory_source
from veneer.sources.textures import COLOURS, KINDS, photograph, photograph_in_shades
from veneer.sources.textures import draw as draw_flat
from veneer.splits import folds

MODELING = OmegaConf.load(ROOT / "conf/base/parameters/modeling.yml")
TEMPLATES = list(MODELING.zero_shot.templates)
TEXTURE, THING = "a photo of a {} texture", "a photo of {}"
PHOTOS = {"dtd10": TEXTURE, "trashnet": THING}
FASHION_ROWS = 4000
THIRTEEN = [name for name in COLOURS if name != "cream"]
EACH_COLOUR, EACH_KIND = 2, 20  # of each colour and kind; of each kind
SEEDS = {"report": 71_001, "choice": 71_002, "all": 71_001}  # nothing else draws under these
FOLD_SEEDS = (0, 1)
PLAIN_BATCH = 32
DRAWN = ("colour", "synthetic_47", "photographed_47")
TOP = ("dtd10_zero_shot", "dtd10_p10", "dtd10_probe", "trashnet_probe", "colour", "synthetic_47")


def main() -> None:
    """Gather, measure each encoder, print, and end with one line of JSON."""
    options = parse_arguments()
    needed = [*(SHARED / "data" / name / "images" for name in PHOTOS), FASHION]
    if not all(each.exists() for each in needed):
        sys.exit(f"nothing measured: {', '.join(map(str, needed))} are needed (VENEER_SHARED)")
    collections = gather(options.rows)
    details = measure(options.encoder, collections)
    beside = measure(options.beside, collections) if options.beside else None
    shown = [details, beside] if beside else [details]
    say(table(shown, collections))
    if options.markdown:
        print(table(shown, collections, markdown=True))
    report = {"benchmark": "embedded_encoder", "rows": options.rows}
    report |= {name: details["figures"][name]["value"] for name in TOP}
    report |= {"megabytes": details["megabytes"], "details": details | {"beside": beside}}
    report["details"]["collections"] = {name: each.facts for name, each in collections.items()}
    report["details"]["versions"] = {
        name: version(name) for name in ("torch", "open_clip_torch", "timm", "openvino")
    }
    print(json.dumps(rounded(report)))


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    mini = SHARED / "models/mini"
    parser.add_argument("--encoder", default=PACKAGED, help="or a folder (default: %(default)s)")
    parser.add_argument(
        "--beside",
        default=str(mini) if mini.is_dir() else None,
        metavar="FOLDER",
        help='"" for none',
    )
    parser.add_argument("--rows", choices=list(SEEDS), default="report")
    parser.add_argument("--markdown", action="store_true", help="a table for a model card as well")
    options = parser.parse_args()
    for folder in {options.encoder, options.beside} - {PACKAGED, "", None}:
        if not (Path(folder) / FOLDER_WEIGHTS).is_file():
            parser.error(f"{folder} is no open_clip model folder: it has no {FOLDER_WEIGHTS}")
    return options


# Pictures


@dataclass(frozen=True)
class Collection:
    """Images and their labels. Figures are of ``measured`` rows; probes learn from all."""

    contents: list[bytes]
    labels: np.ndarray
    classes: list[str]
    prompt: str
    shas: np.ndarray
    measured: np.ndarray

    @property
    def facts(self) -> dict:
        """What figures are to be read with."""
        sizes = np.unique(self.labels[self.measured], return_counts=True)[1]
        return {
            "n": int(sizes.sum()),
            "n_only_learnt_from": int(np.sum(~self.measured)),
            "prompt": self.prompt,
            "chance": 1 / len(self.classes),
            "largest_class": float(sizes.max() / sizes.sum()),
        }


def gather(rows: str) -> dict[str, Collection]:
    """All collections, without the photographs that this run has no use for."""
    found = {}
    for name, prompt in PHOTOS.items():
        files = sorted((SHARED / "data" / name / "images").rglob("*.jpg"))
        contents = [each.read_bytes() for each in files]
        labels = [each.parent.name for each in files]
        found[name] = collect(contents, labels, prompt, rows, learnt_from=rows == "report")

    products = pq.read_table(FASHION, columns=["image", "masterCategory"])
    labels = np.array([each.lower() for each in products["masterCategory"].to_pylist()])
    some = np.random.default_rng(0).choice(len(labels), FASHION_ROWS, replace=False)
    contents = products["image"].combine_chunks().field("bytes").take(some).to_pylist()
    found["fashion"] = collect(contents, labels[some], THING, rows, classes=set(labels.tolist()))

    colours = [(kind, name) for kind in KINDS for name in THIRTEEN] * EACH_COLOUR
    kinds = [(kind, None) for kind in KINDS] * EACH_KIND
    jobs = [([SEEDS[rows], number], *job) for number, job in enumerate(colours + kinds)]
    with ProcessPoolExecutor() as pool:
        drawn = pool.map(draw, jobs, chunksize=8)
        contents = list(tqdm(drawn, "draw", len(jobs), unit="image", disable=None))
        flat = pool.map(fill, jobs[len(colours) :], chunksize=8)
        filled = list(tqdm(flat, "fill", len(kinds), unit="image", disable=None))
    n, named = len(colours), [kind for kind, _ in kinds]
    found["colour"] = collect(contents[:n], [name for _, name in colours], TEXTURE)
    found["synthetic_47"] = collect(filled, named, TEXTURE)
    found["photographed_47"] = collect(contents[n:], named, TEXTURE)
    return found


def collect(
    contents: list[bytes],
    labels: Sequence[str],
    prompt: str,
    rows: str = "all",
    learnt_from: bool = False,
    classes: Iterable[str] = (),
) -> Collection:
    """A collection of those images that are measured, or also of those that are learnt from."""
    shas = np.array([sha_of(each) for each in contents])
    for_choice = np.array([int(sha[:8], 16) % 5 < 2 for sha in shas])
    measured = (for_choice == (rows == "choice")) | (rows == "all")
    kept = np.flatnonzero(measured | learnt_from)
    return Collection(
        contents=[contents[row] for row in kept],
        labels=np.array(labels)[kept],
        classes=sorted(classes or set(labels)),
        prompt=prompt,
        shas=shas[kept],
        measured=measured[kept],
    )


def draw(job: tuple[list[int], str, str | None]) -> bytes:
    """A PNG file of one kind of texture, perhaps in shades of one colour, as if photographed."""
    seed, kind, colour = job
    if colour:
        return png(photograph_in_shades(seed, kind, colour).pixels)
    return png(photograph([*seed, 0], kind).pixels)


def fill(job: tuple[list[int], str, str | None]) -> bytes:
    """A PNG file that one kind of texture fills."""
    seed, kind, _ = job
    return png(draw_flat(kind, seed).pixels)


def png(pixels: np.ndarray) -> bytes:
    """A PNG file, hardly compressed."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


# Measuring


def measure(name: str, collections: dict[str, Collection]) -> dict:
    """Everything about one encoder."""
    folder = Path(packaged_folder() if name == PACKAGED else name).resolve()
    encoder = open_encoder(str(folder), {})
    figures: dict[str, dict] = {}
    for each, collection in collections.items():
        vectors = embed(each, collection, encoder)
        figures |= by_words(each, collection, vectors[collection.measured], encoder)
        if each in PHOTOS:
            figures |= probes(each, collection, vectors)
        if each == "dtd10":
            cross_check = open_clip_alone(folder, collection, vectors[collection.measured])
    return {
        "name": name if name == PACKAGED else "/".join(folder.parts[-2:]),
        "encoder": encoder.fingerprint,
        "runtime": encoder.image_tower.runtime,
        "dimensions": encoder.dimension,
        "megabytes": (folder / FOLDER_WEIGHTS).stat().st_size / 1e6,
        "figures": figures,
        "cross_check": cross_check,
    }


def embed(name: str, collection: Collection, encoder: Encoder) -> np.ndarray:
    """Float32 array [n, D] in the collection's order, through ingest and the embedding stage."""
    source = memory_source([Sent(each) for each in collection.contents])
    checked = ingest(source, KNOWN_IMAGE.empty_table(), QUARANTINE.empty_table())
    accepted, _ = accepted_and_refused(checked, None, "benchmark")
    found: dict[str, np.ndarray] = {}
    total = len(set(collection.shas))
    with tqdm(desc=f"embed {name}", total=total, unit="image", disable=None) as bar:
        for batch in embed_batches(iter(accepted), encoder):
            found |= zip(batch["sha"].to_pylist(), as_array(batch["embedding"]), strict=True)
            bar.update(batch.num_rows)
    return np.stack([found[sha] for sha in collection.shas])


def by_words(name: str, collection: Collection, vectors: np.ndarray, encoder: Encoder) -> dict:
    """Zero-shot accuracy, and P@10 of dtd10 and trashnet."""
    truth = collection.labels[collection.measured]
    drawn = name in DRAWN
    wordings = {"": [collection.prompt]} | ({} if drawn else {"_templates": TEMPLATES})
    found = {}
    for suffix, templates in wordings.items():
        head = fit_zero_shot(collection.classes, templates, encoder.embed_texts)
        predicted = head.predict(vectors)
        recall = {c: float(np.mean(predicted[truth == c] == c)) for c in np.unique(truth).tolist()}
        key = name if drawn else f"{name}_zero_shot{suffix}"
        found[key] = accuracy(predicted, truth) | {"per_class": recall}
        if name in PHOTOS:
            found[f"{name}_p10{suffix}"] = precision(templates, collection, vectors, encoder)
    return found


def precision(
    templates: list[str], collection: Collection, vectors: np.ndarray, encoder: Encoder
) -> dict:
    """Mean P@10 over classes, each the mean over the templates as queries of their own."""
    classes = collection.classes
    truth = np.searchsorted(classes, collection.labels[collection.measured])
    each = []
    for template in templates:
        queries = fit_zero_shot(classes, [template], encoder.embed_texts).vectors
        ranked, _ = rank(queries, np.arange(len(classes)), vectors, truth, ks=(K,))
        each.append(values_of(ranked)[f"precision@{K}"])
    per_class = np.mean(each, axis=0)
    drawn = np.random.default_rng(0).integers(len(classes), size=(RESAMPLES, len(classes)))
    low, high = np.quantile(per_class[drawn].mean(axis=1), (0.025, 0.975))
    return {
        "value": float(per_class.mean()),
        "interval_95": (float(low), float(high)),
        "per_class": dict(zip(classes, per_class.tolist(), strict=True)),
    }


def probes(name: str, collection: Collection, vectors: np.ndarray) -> dict:
    """Accuracy of linear heads on measured rows that they have not learnt from."""
    labels, rows = collection.labels, np.flatnonzero(collection.measured)
    heads = {
        "probe": lambda seed: OneVsRestLinearSVC(**MODELING.svc),
        "linear_svc": lambda seed: LinearSVC(random_state=seed),
    }
    found: dict[str, list[float]] = {head: [] for head in heads}
    total = len(FOLD_SEEDS) * FOLDS * len(heads)
    with tqdm(desc=f"probe {name}", total=total, unit="fit", disable=None) as bar:
        for seed in FOLD_SEEDS:
            part = np.full(len(labels), -1)
            part[rows] = folds(labels[rows], collection.shas[rows], FOLDS, seed)
            for number in range(FOLDS):
                train, test = part != number, part == number
                for head, make in heads.items():
                    fitted = make(seed).fit(vectors[train], labels[train])
                    found[head].append(np.mean(fitted.predict(vectors[test]) == labels[test]))
                    bar.update()
    means = {head: resampled(values) for head, values in found.items()}
    return {
        f"{name}_{head}": {"value": mean["mean"], "interval_95": (mean["low"], mean["high"])}
        for head, mean in means.items()
    }


def open_clip_alone(folder: Path, collection: Collection, ours: np.ndarray) -> dict:
    """What open_clip says of the same photographs, and how near its vectors are to ours."""
    import open_clip
    import torch

    model, _, transform = open_clip.create_model_and_transforms(f"local-dir:{folder}")
    tokens = open_clip.get_tokenizer(f"local-dir:{folder}")
    prompts = tokens([collection.prompt.format(each) for each in collection.classes])
    files = [collection.contents[row] for row in np.flatnonzero(collection.measured)]
    model.eval()
    vectors = []
    with torch.inference_mode():
        words = model.encode_text(prompts, normalize=True).numpy()
        for first in tqdm(range(0, len(files), PLAIN_BATCH), "open_clip", disable=None):
            some = [Image.open(io.BytesIO(each)) for each in files[first : first + PLAIN_BATCH]]
            pixels = torch.stack([transform(each) for each in some])
            vectors.append(model.encode_image(pixels, normalize=True).numpy())
    plain = np.concatenate(vectors)
    cosines = np.sum(plain * ours, axis=1)
    scores = plain @ words.T
    truth = np.searchsorted(collection.classes, collection.labels[collection.measured])
    best = np.argsort(-scores, axis=0)[:K]
    return {
        "dtd10_zero_shot": float(np.mean(scores.argmax(axis=1) == truth)),
        "dtd10_p10": float(np.mean(truth[best] == np.arange(len(collection.classes)))),
        "cosine_mean": float(cosines.mean()),
        "cosine_min": float(cosines.min()),
    }


# Showing

TITLES = {
    "zero_shot": "zero-shot accuracy, one prompt",
    "zero_shot_templates": "zero-shot accuracy, mean of three prompts",
    "p10": "text-to-image P@10, one prompt",
    "p10_templates": "text-to-image P@10, three prompts each",
    "probe": "linear probe, `svc`",
    "linear_svc": "linear probe, `LinearSVC()`",
}


def table(measured: list[dict], collections: dict[str, Collection], markdown: bool = False) -> str:
    """Measures by encoders, with their intervals, and what chance and the largest class reach."""
    lines = [["", *(each["name"] for each in measured), "chance", "largest class"]]
    for name, collection in collections.items():
        facts = collection.facts
        for what in ("", *TITLES):
            key = f"{name}_{what}" if what else name
            if key not in measured[0]["figures"]:
                continue
            found = [each["figures"][key] for each in measured]
            cells = ["{:.3f} [{:.3f}, {:.3f}]".format(f["value"], *f["interval_95"]) for f in found]
            title = f"{name} ({facts['n']:,}): {TITLES[what or 'zero_shot']}"
            largest = "" if what.startswith("p10") else f"{facts['largest_class']:.3f}"
            lines.append([title, *cells, f"{facts['chance']:.3f}", largest])
    sizes = {"dimensions": "{}", "megabytes": "{:.1f}"}
    for name, form in sizes.items():
        lines.append([name, *(form.format(each[name]) for each in measured), "", ""])
    if markdown:
        lines.insert(1, ["---"] * len(lines[0]))
        return "\n".join(f"| {' | '.join(line)} |" for line in lines)
    checks = [f"{m['name']} by open_clip alone: {rounded(m['cross_check'])}" for m in measured]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    padded = [[c.ljust(w) for c, w in zip(line, widths, strict=True)] for line in lines]
    return "\n".join(["  ".join(line).rstrip() for line in padded] + checks)


if __name__ == "__main__":
    main()
