"""How many near copies a cosine finds, what is suggested as its threshold, and how fast.

    python benchmarks/twins.py [--encoder FOLDER] [--vectors FASHION.npz] [--out PICTURE]

- The changes: of 1,000 photos each a copy is made by one change (another JPEG quality, half the
  size, the inner 95 %, mirrored, turned by 3 degrees, a fifth brighter). Photos and copies are one
  collection; all its pairs count: right are those of a photo and its copy, wrong all others.
  Reported is the largest recall at a precision of at least 0.99.
- Of dtd10 some pairs of photos are twins in real life. Those in ``JUDGED`` were looked at and are
  neither right nor wrong; nor are byte-identical files. Of the other collections none was judged,
  so their real twins count as wrong, and precision is better than it looks.
- The suggested threshold: photos of which none, a twentieth or half have a copy (of any change);
  what of the pairs above it is right, and what is found.
- The same figures once the vectors are whitened by their own second moments, which veneer does not
  do: the directions in which all photos of a collection vary count less then.
- The rate: all pairs of 44,072 vectors of dimension 1024, as a share of the rate of products of
  4,096 x 4,096 alone, measured in between; n^2 D floating-point operations count.
- fashion's 651 groups of byte-identical files (1,429) have to be found again, with ``--vectors``:
  an NPZ file of X [n, 1024] and sha [n]. Without, the rate is that of random vectors.

The encoders saw parts of dtd10 and trashnet in training. The photos are those beside the project
(``VENEER_SHARED``). Tables go to stderr; the last line of stdout is one JSON object.
"""

from __future__ import annotations

import argparse
import io
import json
import math
import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image, ImageEnhance
from tqdm import tqdm

from veneer.encoders.config import EncoderConfig
from veneer.encoders.encoder import Encoder, open_encoder
from veneer.figures.canvas import to_image
from veneer.figures.contact_sheet import Tile, contact_sheet
from veneer.figures.curves import colour_of, panels, percent
from veneer.images import sha_of, to_rgb
from veneer.retrieval.pairs import nearest_cosines, pairs_above
from veneer.retrieval.twins import find_twins, suggest_threshold

ROOT = Path(__file__).resolve().parents[1]
SHARED = Path(os.environ.get("VENEER_SHARED", ROOT.parent / "shared"))
FASHION = SHARED / "data/fashion/fashion-product-images-small.parquet"
SHARES = (0, 0.05, 0.5)
ROWS, DIMENSION = 44_072, 1024
EXACT_GROUPS, EXACT_FILES = 651, 1_429

# Pairs of dtd10 that show one photo or one scene: cropped, scaled, coloured anew, taken twice.
# Found by both encoders, before and after whitening, and looked at one by one.
JUDGED = {
    "blotchy": [(33, 34)],
    "braided": [(2, 99), (147, 178), (161, 164)],
    "bubbly": [(52, 134), (53, 168), (61, 89), (90, 122), (149, 157)],
    "chequered": [(43, 52), (44, 184), (84, 93), (84, 107), (93, 107), (101, 174), (103, 178)],
    "cobwebbed": [
        *[(30, 41), (49, 50), (49, 102), (50, 102), (64, 80), (64, 114), (71, 78), (74, 130)],
        *[(80, 114), (86, 140), (90, 108), (98, 110), (127, 156)],
    ],
    "cracked": [(78, 79)],
    "crosshatched": [(47, 129), (48, 156), (69, 131), (73, 106), (92, 93), (95, 140)],
    "crystalline": [(120, 126), (122, 183), (142, 178)],
}


def main() -> None:
    """Make copies, embed, measure, print, and end with one line of JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--encoder", default="mini", help="a folder; by default the packaged one")
    parser.add_argument("--photos", type=int, default=1000, help="of each collection")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--vectors", type=Path, help="fashion's vectors: NPZ with X and sha")
    parser.add_argument("--cache", type=Path, help="folder for compiled encoders")
    parser.add_argument("--out", type=Path, help="picture of dtd10's curves (PNG)")
    parser.add_argument("--worst", type=Path, help="picture of dtd10's nearest wrong pairs (PNG)")
    parser.add_argument(
        "--collections",
        nargs="*",
        default=["dtd10", "trashnet", "fashion"],
        help="to make copies of",
    )
    options = parser.parse_args()
    encoders = {"mini": EncoderConfig(family="open_clip", pretrained="packaged")}
    encoder = open_encoder(options.encoder, encoders, cache=options.cache)
    result: dict = {"encoder": encoder.name, "photos": options.photos, "seed": options.seed}
    for name in options.collections:
        files = photos_of(name, options.photos, options.seed)
        if not files:
            say(f"{name} is left out: there is no such folder or file in {SHARED / 'data'}")
            continue
        vectors = embed_changes(name, [data for _, data in files], encoder)
        aside = set_aside(files)
        result[name] = measure(name, vectors, aside, options.seed)
        if name == "dtd10" and options.out:
            plot(vectors, aside, encoder.name, options.out)
        if name == "dtd10" and options.worst:
            show_worst(files, vectors["photo"], aside, options.worst)
    X, sha = vectors_of_fashion(options.vectors)
    result["rate"], nearest = rate(X, sha)
    if sha is not None and FASHION.is_file():
        result["fashion_twins"] = exact_groups(X, sha, nearest)
    print(json.dumps(result))


def say(text: str) -> None:
    """Print to stderr, also while a bar is shown."""
    tqdm.write(text, file=sys.stderr)


# Photos and copies


def photos_of(name: str, count: int, seed: int) -> list[tuple[str, bytes]]:
    """A seeded draw of a collection's photos, each (path, content); no file comes twice."""
    if name == "fashion":
        if not FASHION.is_file():
            return []
        column = pq.read_table(FASHION, columns=["image"])["image"].combine_chunks()
        files = [(str(i), data) for i, data in enumerate(column.field("bytes").to_pylist())]
    else:
        paths = sorted((SHARED / "data" / name / "images").rglob("*.jpg"))
        files = [(f"{path.parent.name}/{path.name}", path.read_bytes()) for path in paths]
    distinct = list({sha_of(data): (path, data) for path, data in reversed(files)}.values())[::-1]
    drawn = np.random.default_rng(seed).permutation(len(distinct))[:count]
    return [distinct[i] for i in np.sort(drawn)]


def half(image: Image.Image) -> Image.Image:
    """Of half the width and height."""
    size = (max(image.width // 2, 1), max(image.height // 2, 1))
    return image.resize(size, Image.Resampling.LANCZOS)


def inner(image: Image.Image, border: float = 0.025) -> Image.Image:
    """Without a border: by default 95 % of the width and of the height are left."""
    x, y = round(border * image.width), round(border * image.height)
    return image.crop((x, y, image.width - x, image.height - y))


def turned(image: Image.Image) -> Image.Image:
    """By 3 degrees, and the largest part of the same shape that has no empty corner."""
    (w, h), angle = image.size, math.radians(3)
    across, along = math.sin(angle), math.cos(angle)
    scale = min(w / (w * along + h * across), h / (w * across + h * along))
    x, y = (math.ceil(length * (1 - scale) / 2) + 1 for length in (w, h))
    return image.rotate(3, Image.Resampling.BICUBIC).crop((x, y, w - x, h - y))


def brighter(image: Image.Image) -> Image.Image:
    """By a fifth."""
    return ImageEnhance.Brightness(image).enhance(1.2)


CHANGES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "JPEG quality 50": lambda image: image,
    "half the size": half,
    "inner 95 %": inner,
    "mirrored": lambda image: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    "turned by 3°": turned,
    "20 % brighter": brighter,
}


def jpeg(image: Image.Image, quality: int) -> bytes:
    """A JPEG file of this quality."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def embed_changes(name: str, contents: list[bytes], encoder: Encoder) -> dict[str, np.ndarray]:
    """Float32 [n, D] of the photos themselves (``photo``), and under each change."""

    def versions(data: bytes) -> list[Image.Image]:
        image = to_rgb(data)
        changed = [
            to_rgb(jpeg(change(image), 50 if what.startswith("JPEG") else 95))
            for what, change in CHANGES.items()
        ]
        return [image, *changed]

    found: list[np.ndarray] = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for first in tqdm(range(0, len(contents), 16), desc=f"embed {name}", unit="batch"):
            images = pool.map(versions, contents[first : first + 16])
            found.append(np.stack([encoder.embed_images(each) for each in images]))
    together = np.concatenate(found)
    return {what: together[:, i] for i, what in enumerate(["photo", *CHANGES])}


def set_aside(files: list[tuple[str, bytes]]) -> set[tuple[int, int]]:
    """The judged pairs, as numbers of the photos."""
    places = {path: place for place, (path, _) in enumerate(files)}
    found = set()
    for label, pairs in JUDGED.items():
        for pair in pairs:
            i, j = (places.get(f"{label}/{label}_{number:04d}.jpg") for number in pair)
            if i is not None and j is not None:
                found |= {(i, j), (j, i)}
    return found


# Precision and recall


def whitened(vectors: np.ndarray) -> np.ndarray:
    """Unit vectors once all directions vary about alike: second moments to the power of -1/2.

    As many times the mean moment is added to each, so that few rows do not become orthogonal.
    """
    rows = vectors.astype(np.float64)
    moments, axes = np.linalg.eigh(rows.T @ rows / len(rows))
    rows = rows @ axes / np.sqrt(np.maximum(moments, 0) + moments.mean())
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def judged_pairs(
    vectors: np.ndarray, photo: np.ndarray, aside: set[tuple[int, int]]
) -> tuple[np.ndarray, np.ndarray]:
    """All pairs but those set aside: cosines, falling, and whether they are of one photo.

    ``photo`` [n] has the number of the photo behind each vector.
    """
    cosines = vectors @ vectors.T
    i, j = np.triu_indices(len(vectors), 1)
    kept = np.ones(len(i), bool)
    if aside:
        unclear = np.zeros((photo.max() + 1,) * 2, bool)
        unclear[tuple(np.array(sorted(aside)).T)] = True
        kept = ~unclear[photo[i], photo[j]]
    i, j = i[kept], j[kept]
    order = np.argsort(-cosines[i, j], kind="stable")
    i, j = i[order], j[order]
    return cosines[i, j], photo[i] == photo[j]


def curve(right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Precision and recall of the first 1, 2, … pairs."""
    found = np.cumsum(right)
    return found / np.arange(1, len(right) + 1), found / found[-1]


def changed_collection(vectors: dict[str, np.ndarray], what: str) -> tuple[np.ndarray, np.ndarray]:
    """Photos and their copies of one change, and the number of the photo behind each."""
    numbers = np.arange(len(vectors["photo"]))
    return np.concatenate([vectors["photo"], vectors[what]]), np.tile(numbers, 2)


def measure(name: str, vectors: dict[str, np.ndarray], aside: set, seed: int) -> dict:
    """Recall at a precision of 0.99 by change, and what the suggested threshold gives."""
    say(f"\n{name}: {len(vectors['photo'])} photos; recall at precision 0.99, and its cosine")
    changes = {}
    for what in CHANGES:
        rows, photo = changed_collection(vectors, what)
        changes[what] = {}
        for way, prepare in {"cosine": np.asarray, "whitened": whitened}.items():
            cosines, right = judged_pairs(prepare(rows), photo, aside)
            precision, recall = curve(right)
            enough = np.flatnonzero(precision >= 0.99)
            last = enough[-1] if len(enough) else None
            changes[what][way] = {
                "recall": 0.0 if last is None else round(float(recall[last]), 3),
                "threshold": None if last is None else round(float(cosines[last]), 4),
            }
        plain, white = changes[what]["cosine"], changes[what]["whitened"]
        say(
            f"{what:16} {plain['recall']:.3f} ({plain['threshold']})"
            f"   whitened {white['recall']:.3f} ({white['threshold']})"
        )
    suggested = {}
    rng = np.random.default_rng(seed)
    for share in SHARES:
        n = len(vectors["photo"])
        copied = np.sort(rng.permutation(n)[: round(share * n)])
        changed = rng.integers(len(CHANGES), size=len(copied))
        kinds = list(CHANGES)
        copies = [vectors[kinds[k]][i] for k, i in zip(changed, copied, strict=True)]
        rows = np.concatenate(
            [vectors["photo"], np.reshape(copies, (-1, vectors["photo"].shape[1]))]
        )
        rows, photo = rows.astype(np.float32), np.concatenate([np.arange(n), copied])
        suggested[share] = at_suggestion(rows, photo, aside)
        say(f"suggested, {share:4.0%} of the photos copied: {suggested[share]}")
    return {"changes": changes, "suggested": suggested, "set_aside": len(aside) // 2}


def at_suggestion(rows: np.ndarray, photo: np.ndarray, aside: set) -> dict:
    """Pairs above the suggested threshold: right, wrong, set aside; and what share is found."""
    threshold = suggest_threshold(nearest_cosines(rows, np.arange(len(rows))))
    right = wrong = unclear = 0
    for i, j, _ in pairs_above(rows, threshold):
        for a, b in zip(photo[i].tolist(), photo[j].tolist(), strict=True):
            right += a == b
            unclear += (a, b) in aside
            wrong += a != b and (a, b) not in aside
    there = len(photo) - len(np.unique(photo))
    return {
        "threshold": round(threshold, 4),
        "right": right,
        "wrong": wrong,
        "set_aside": unclear,
        "precision": round(right / (right + wrong), 3) if right + wrong else None,
        "recall": round(right / there, 3) if there else None,
    }


# Rate, and fashion


def vectors_of_fashion(file: Path | None) -> tuple[np.ndarray, np.ndarray | None]:
    """X [n, 1024] and sha [n] of a file; without one, seeded random unit vectors and None."""
    if file is not None:
        with np.load(file) as kept:
            return kept["X"], kept["sha"]
    rows = np.random.default_rng(0).standard_normal((ROWS, DIMENSION), dtype=np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True), None


class Pacer:
    """Products of 4,096 x 4,096 rows alone, every so many blocks of a search.

    Whoever else uses the machine slows both down alike.
    """

    def __init__(self, X: np.ndarray):
        self.a, self.b = X[:4096], X[-4096:]
        self.out = np.empty((len(self.a), len(self.b)), np.float32)
        self.calls = self.products = 0
        self.seconds = 0.0

    def __call__(self, _: int) -> None:
        """Take part in a search, as its ``advance``."""
        if self.calls % 8 == 0:
            begin = time.perf_counter()
            np.matmul(self.a, self.b.T, out=self.out)
            self.seconds += time.perf_counter() - begin
            self.products += 1
        self.calls += 1

    def rate(self) -> float:
        """Floating-point operations a second."""
        return 2 * self.products * self.out.size * self.a.shape[1] / self.seconds


def rate(X: np.ndarray, sha: np.ndarray | None) -> tuple[dict, np.ndarray]:
    """Rate of both searches as a share of that of products alone; and the nearest cosines."""
    n, dimension = X.shape
    groups = np.arange(n) if sha is None else np.unique(sha, return_inverse=True)[1]
    found: dict = {"rows": n, "dimension": dimension}
    nearest = np.empty(0)
    for search in ("nearest", "pairs"):
        pacer = Pacer(X)
        begin = time.perf_counter()
        if search == "nearest":
            nearest = nearest_cosines(X, groups, advance=pacer)
        else:
            found["pairs"] = sum(len(i) for i, _, _ in pairs_above(X, 0.985, advance=pacer))
        seconds = time.perf_counter() - begin - pacer.seconds
        found[f"{search}_seconds"] = round(seconds, 1)
        found[f"{search}_gflops"] = round(1e-9 * n * n * dimension / seconds, 1)
        found[f"{search}_gemm_gflops"] = round(1e-9 * pacer.rate(), 1)
        found[f"{search}_share"] = round(n * n * dimension / seconds / pacer.rate(), 3)
    say(f"\nall pairs: {found}")
    return found, nearest


def exact_groups(X: np.ndarray, sha: np.ndarray, nearest: np.ndarray) -> dict:
    """Whether fashion's byte-identical files are found, and what else is."""
    column = pq.read_table(FASHION, columns=["image"])["image"].combine_chunks()
    contents = column.field("bytes").to_pylist()
    shas = [sha_of(data) for data in contents]
    places = {each: place for place, each in enumerate(sha.tolist())}
    order = np.array([places[each] for each in shas])
    sizes = np.array([Image.open(io.BytesIO(data)).size for data in contents], np.int32)
    rows = pa.table(
        {
            "id": [str(i) for i in range(len(shas))],
            "sha": shas,
            "path": [f"{i:05d}.jpg" for i in range(len(shas))],
            "label": pa.nulls(len(shas), pa.string()),
            "split": pa.nulls(len(shas), pa.string()),
            "width": sizes[:, 0],
            "height": sizes[:, 1],
            "size": [len(data) for data in contents],
        }
    )
    threshold = suggest_threshold(nearest)
    begin = time.perf_counter()
    twins = find_twins(rows, X[order], threshold, nearest=nearest[order])
    seconds = time.perf_counter() - begin
    files_of: dict[str, set] = {}
    for name, each in zip(rows["id"].to_pylist(), shas, strict=True):
        files_of.setdefault(each, set()).add(name)
    group_of = dict(zip(twins["id"].to_pylist(), twins["group"].to_pylist(), strict=True))
    copies = [files for files in files_of.values() if len(files) > 1]
    whole = [files for files in copies if len({group_of.get(name) for name in files}) == 1]
    whole = [files for files in whole if None not in {group_of.get(name) for name in files}]
    found = {
        "threshold": round(threshold, 4),
        "exact_groups": len(copies),
        "exact_files": sum(map(len, copies)),
        "exact_groups_found": len(whole),
        "groups": twins["group"].to_numpy().max(initial=0).item(),
        "in_groups": len(twins),
        "seconds_after_nearest": round(seconds, 2),
    }
    say(f"fashion: {found}")
    known = (found["exact_groups_found"], found["exact_files"])
    if known != (EXACT_GROUPS, EXACT_FILES):
        sys.exit(f"fashion has {EXACT_GROUPS} groups of {EXACT_FILES} files, found were {known}")
    return found


# Showing


def plot(vectors: dict[str, np.ndarray], aside: set, encoder: str, file: Path) -> None:
    """Precision by recall, a line a change."""
    [panel] = panels(
        "dtd10: how many near copies a cosine finds",
        f"{len(vectors['photo']):,} photos and a copy of each, encoder {encoder}; all pairs, but "
        "for byte-identical files and pairs that were twins before. Rings: cosines of 0.985",
        [300],
        list(CHANGES),
    )
    shares = [0, 0.2, 0.4, 0.6, 0.8, 1]
    panel.scale(
        *((0, 1), (0.5, 1)),
        ("recall: share of the copies that are found", "precision: share of what is found"),
        ticks=(shares, None),
        texts=(percent, percent),
    )
    ends = []
    for index, what in enumerate(CHANGES):
        cosines, right = judged_pairs(*changed_collection(vectors, what), aside)
        precision, recall = curve(right)
        # What a higher recall keeps of precision: without the teeth between two right pairs.
        precision = np.maximum.accumulate(precision[::-1])[::-1]
        shown = np.flatnonzero(right & (precision >= 0.5))
        panel.line(recall[shown], precision[shown], colour_of(index))
        at = np.searchsorted(-cosines, -0.985, side="right") - 1
        panel.mark(recall[at], precision[at], colour_of(index))
        ends.append(float(recall[shown[-1]]))
    # All end at the bottom; their names stand in the order in which they do.
    panel.name_lines(list(CHANGES), list(np.interp(ends, (min(ends), max(ends)), (0.6, 0.9))))
    file.parent.mkdir(parents=True, exist_ok=True)
    to_image(panel.page.figure).save(file, optimize=True)


def show_worst(files: list, vectors: np.ndarray, aside: set, file: Path) -> None:
    """The 24 nearest pairs of different photos, side by side, to be judged by eye."""
    cosines = np.triu(vectors @ vectors.T, 1)
    i, j = np.unravel_index(np.argsort(-cosines, axis=None)[:200], cosines.shape)
    wrong = [(a, b) for a, b in zip(i.tolist(), j.tolist(), strict=True) if (a, b) not in aside]
    tiles = [
        Tile(to_rgb(files[k][1]), rank, float(cosines[pair]), caption=files[k][0])
        for rank, pair in enumerate(wrong[:24], 1)
        for k in pair
    ]
    contact_sheet(tiles, title="dtd10: the nearest wrong pairs", columns=8).save(file)


if __name__ == "__main__":
    main()
