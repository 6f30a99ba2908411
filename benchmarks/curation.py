"""What a curator gets out of a heap of photos that nobody has labelled.

    python benchmarks/curation.py [--encoder FOLDER] [--keep FOLDER] [--pictures FOLDER]

- The heap: all photos of dtd10 and TrashNet, shuffled, under names and in folders that tell
  nothing. For each of ``KINDS``, twins of as many photos are planted: byte-identical files, or
  changed ones, saved as JPEG (at quality 95 where none is named). Some more files are cut off.
- The run: `kedro run --env curation` in a copy of the project, as its user types it; `kedro
  duplicates` at the threshold that is suggested, and at others; `--apply` at the suggested one, the
  command that it says to go on with, and `kedro duplicates` on what was kept.
- Found is a planted twin that is in one group with its photo. Of all pairs of images in one group
  those of one photo are right: planted, or byte-identical from the first. Pairs of dtd10 that are
  twins in real life (``twins.JUDGED``) are neither right nor wrong; all others are unplanned. A
  group counts as the worst of its pairs. Lost are photos of which `--apply` would keep neither the
  file nor a twin: ``judged`` where one is kept that was judged to be its twin, else ``unplanned``.

The encoder saw parts of both collections in its training. Photos and encoder are those beside the
project (``VENEER_SHARED``); without them there is nothing to measure. Tables go to stderr; the last
line of stdout is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import combinations, product
from pathlib import Path

import numpy as np
from PIL import Image
from twins import ROOT, SHARED, brighter, half, inner, jpeg, say, set_aside

from veneer.figures.contact_sheet import Tile, contact_sheet
from veneer.images import sha_of, to_rgb

COLLECTIONS = ("dtd10", "trashnet")
FREE = SHARED / "data/trashnet/images"  # under the MIT licence: these can be shown
FOLDERS = 12
CUT_OFF = 20  # files
THRESHOLDS = (0.95, 0.97, 0.99)
SHOWN = 24  # unplanned pairs on a sheet
JUDGEMENTS = ("right", "judged", "unplanned")  # from good to bad


def main() -> None:
    """Make the heap, run, compare with what was planted, and end with one line of JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--encoder", type=Path, default=SHARED / "models/lite2-minilm")
    parser.add_argument("--twins", type=int, default=60, help="planted of each kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="new folder for the project and the heap")
    parser.add_argument("--pictures", type=Path, help="folder for sheets of what was found (PNG)")
    options = parser.parse_args()
    photos = photos_of(COLLECTIONS)
    if not photos or not options.encoder.is_dir():
        sys.exit(f"nothing measured: {SHARED / 'data'} and {options.encoder} are needed")
    with tempfile.TemporaryDirectory() as temporary:
        place = (options.keep or Path(temporary)).resolve()
        heap = make_heap(photos, place / "heap", options.twins, options.seed)
        project = Project(place / "project", heap, options.encoder.resolve())
        result = {"encoder": options.encoder.name, "seed": options.seed} | curate(project, heap)
        if options.pictures:
            draw(project, heap, options.pictures.resolve())
    print(json.dumps(result))


# The heap


def changed(change: Callable[[Image.Image], Image.Image], data: bytes, quality: int = 95) -> bytes:
    """The file of a changed photo."""
    return jpeg(change(to_rgb(data)), quality)


def same(image: Image.Image) -> Image.Image:
    """As it is."""
    return image


KINDS: dict[str, Callable[[bytes], bytes]] = {
    "byte-identical": lambda data: data,
    "JPEG quality 95": partial(changed, same),
    "JPEG quality 75": partial(changed, same, quality=75),
    "JPEG quality 50": partial(changed, same, quality=50),
    "half the size": partial(changed, half),
    "20 % brighter": partial(changed, brighter),
    "inner 95 %": partial(changed, inner),
    "inner 80 %": partial(changed, partial(inner, border=0.1)),
}


@dataclass(frozen=True)
class Heap:
    """Photos and planted twins, by the paths that they have got.

    Attributes
    ----------
    folder : Path
    names : list of str
        Of the photos, label/name.
    photo : dict of path to int
        The photo that a file shows; byte-identical photos are one.
    kind : dict of path to str
        Of planted twins, how they were made.
    aside : set of (int, int)
        Photos that are twins in real life, judged by eye; each pair both ways.
    """

    folder: Path
    names: list[str]
    photo: dict[str, int]
    kind: dict[str, str]
    aside: set[tuple[int, int]]

    def original(self, path: str) -> str:
        """Path of the photo that a planted twin is of."""
        return next(
            other
            for other, number in self.photo.items()
            if number == self.photo[path] and other not in self.kind
        )


def photos_of(collections: tuple[str, ...]) -> list[tuple[str, bytes]]:
    """All photos, each (label/name, content)."""
    paths = [
        path
        for name in collections
        for path in sorted((SHARED / "data" / name / "images").rglob("*.jpg"))
    ]
    return [(f"{path.parent.name}/{path.name}", path.read_bytes()) for path in paths]


def make_heap(photos: list[tuple[str, bytes]], folder: Path, twins: int, seed: int) -> Heap:
    """Plant twins, and write all of it below ``folder``, shuffled."""
    rng = np.random.default_rng(seed)
    shas = [sha_of(data) for _, data in photos]
    first = {sha: number for number, sha in reversed(list(enumerate(shas)))}
    copies = Counter(shas)
    drawn = rng.permutation([number for number, sha in enumerate(shas) if copies[sha] == 1])
    files = [(first[sha], None, data) for sha, (_, data) in zip(shas, photos, strict=True)]
    for kind, make in KINDS.items():
        chosen, drawn = drawn[:twins], drawn[twins:]
        files += [(number, kind, make(photos[number][1])) for number in chosen.tolist()]
    for number in drawn[:CUT_OFF].tolist():
        data = photos[number][1]
        files.append((None, None, data[: len(data) // 2]))
    folder.mkdir(parents=True)
    photo, kinds = {}, {}
    names = rng.choice(16**6, len(files), replace=False).tolist()
    for name, which in zip(names, rng.permutation(len(files)).tolist(), strict=True):
        number, kind, data = files[which]
        path = f"{name % FOLDERS + 1:02d}/{name:06x}.jpg"
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_bytes(data)
        if number is not None:
            photo[path] = number
        if kind is not None:
            kinds[path] = kind
    return Heap(folder, [name for name, _ in photos], photo, kinds, set_aside(photos))


# The run


class Project:
    """A copy of the project at ``root``, in which the overlay is pointed at the heap."""

    def __init__(self, root: Path, heap: Heap, encoder: Path):
        self.root = root
        self.params = f"images={heap.folder},encoder={encoder}"
        root.mkdir(parents=True)
        for name in ("pyproject.toml", ".telemetry"):
            shutil.copy(ROOT / name, root / name)
        without = shutil.ignore_patterns("local", "__pycache__", "*.egg-info")
        for name in ("conf", "src"):
            shutil.copytree(ROOT / name, root / name, ignore=without)
        (root / "conf/local").mkdir()

    def kedro(self, *arguments: str) -> subprocess.CompletedProcess:
        """Run the ``kedro`` command; end with what it says when it fails."""
        command = [str(Path(sys.executable).with_name("kedro")), *arguments]
        environment = os.environ | {"PYTHONPATH": str(self.root / "src")}
        done = subprocess.run(
            command, cwd=self.root, env=environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            sys.exit(f"{shlex.join(command)} has failed: {done.stderr}")
        return done

    def duplicates(self, *arguments: str, params: str | None = None) -> dict:
        """What `kedro duplicates` finds."""
        given = ["--env", "curation", "--params", params or self.params, "--json", *arguments]
        return json.loads(self.kedro("duplicates", *given).stdout)


def curate(project: Project, heap: Heap) -> dict:
    """Run the overlay, look for twins, keep one of each group; what came of it."""
    project.kedro("run", "--env", "curation", "--params", project.params)
    card = json.loads((project.root / "data/08_reporting/curation/collection.json").read_text())
    result: dict = {key: card[key] for key in ("images", "unlabelled", "quarantine_reasons")}
    result["planted"] = len(heap.kind)
    say(f"images: {card['images']:,}, refused: {card['quarantine_reasons']}")
    suggested = project.duplicates()
    result["suggested"] = judge(suggested, heap)
    for threshold in THRESHOLDS:
        found = project.duplicates("--threshold", str(threshold))
        result[f"from {threshold:g}"] = judge(found, heap)
    given = ["--env", "curation", "--params", project.params, "--apply", "curation-once"]
    told = project.kedro("duplicates", *given).stderr
    command = shlex.split(told.rpartition("Go on with: ")[2])
    project.kedro(*command[1:])
    threshold = ["--threshold", str(suggested["threshold"])]
    again = project.duplicates(*threshold, params=command[command.index("--params") + 1])
    result["kept"] = {"images": again["images"], "groups": len(again["groups"])}
    say(f"\nkept at {suggested['threshold']:.4g}, and looked through again: {result['kept']}")
    return result


# What was found


def judge(found: dict, heap: Heap) -> dict:
    """What of the planted twins is in the groups of `kedro duplicates`, and what else is."""
    dropped = {
        image["path"] for group in found["groups"] for image in group["images"] if not image["keep"]
    }
    kinds: dict[str, dict] = {}
    for kind in KINDS:
        twins = [path for path in heap.kind if heap.kind[path] == kind]
        together = [path for path in twins if is_found(path, found, heap)]
        kept = sum(heap.original(path) not in dropped for path in together)
        kinds[kind] = {"planted": len(twins), "found": len(together), "original_kept": kept}
    pairs, groups = Counter(), Counter()
    for group in found["groups"]:
        judgements = [what for what, _, _ in pairs_of(group, heap)]
        pairs.update(judgements)
        groups[max(judgements, key=JUDGEMENTS.index)] += 1
    sure = pairs["right"] + pairs["unplanned"]
    result = {
        "threshold": round(found["threshold"], 4),
        "to_drop": found["to_drop"],
        "groups": {what: groups[what] for what in JUDGEMENTS},
        "pairs": {what: pairs[what] for what in JUDGEMENTS},
        "precision": round(pairs["right"] / sure, 3) if sure else None,
        "lost": lost(dropped, heap),
        "found": sum(counts["found"] for counts in kinds.values()),
        "kinds": kinds,
    }
    say(f"\n{json.dumps(result | {'kinds': len(kinds)})}")
    for kind, counts in kinds.items():
        say(f"{kind:16} {counts}")
    return result


def is_found(path: str, found: dict, heap: Heap) -> bool:
    """Whether a planted twin is in one group with its photo."""
    pair = {path, heap.original(path)}
    return any(pair <= {image["path"] for image in group["images"]} for group in found["groups"])


def pairs_of(group: dict, heap: Heap) -> Iterator[tuple[str, str, str]]:
    """All pairs of images of a group, what is to be said of each (``JUDGEMENTS``) first."""
    for pair in combinations([image["path"] for image in group["images"]], 2):
        a, b = (heap.photo[path] for path in pair)
        yield "right" if a == b else "judged" if (a, b) in heap.aside else "unplanned", *pair


def lost(dropped: set[str], heap: Heap) -> dict[str, int]:
    """Photos of which nothing would be kept."""
    kept = {number for path, number in heap.photo.items() if path not in dropped}
    twins_kept = {a for a, b in heap.aside if b in kept}
    gone = set(heap.photo.values()) - kept
    return {"judged": len(gone & twins_kept), "unplanned": len(gone - twins_kept)}


def draw(project: Project, heap: Heap, folder: Path) -> None:
    """Sheets of the groups at the suggested threshold, of unplanned pairs, and of examples."""
    folder.mkdir(parents=True, exist_ok=True)
    found = project.duplicates("--sheet", str(folder / "twins.png"))
    unplanned = [
        ("nobody planted it", *pair)
        for group in found["groups"]
        for what, *pair in pairs_of(group, heap)
        if what == "unplanned"
    ]
    examples: dict[tuple, tuple] = {}
    for path, kind in heap.kind.items():
        told = "found" if is_found(path, found, heap) else "missed"
        if is_free(path, heap):
            examples.setdefault((told, kind), (f"{told}: {kind}", heap.original(path), path))
    pairs = [examples[key] for key in product(("found", "missed"), KINDS) if key in examples]
    pairs += [pair for pair in unplanned if all(is_free(path, heap) for path in pair[1:])]
    threshold = f"cosine from {found['threshold']:.4g}"
    draw_pairs(pairs, "A photo, and a twin of it", threshold, heap, folder / "examples.png")
    title = f"{len(unplanned)} pairs that nobody planted, {SHOWN} at most"
    draw_pairs(unplanned[:SHOWN], title, threshold, heap, folder / "unplanned.png")


def is_free(path: str, heap: Heap) -> bool:
    """Whether a photo can be shown to everybody."""
    return (FREE / heap.names[heap.photo[path]]).is_file()


def draw_pairs(
    pairs: list[tuple[str, str, str]], title: str, subtitle: str, heap: Heap, file: Path
) -> None:
    """A sheet of pairs, and of each what is told of it."""
    tiles = [
        Tile(to_rgb((heap.folder / path).read_bytes()), label=told, caption=path)
        for told, *pair in pairs
        for path in pair
    ]
    contact_sheet(tiles, title=title, subtitle=subtitle, columns=8, tile_size=150).save(file)


if __name__ == "__main__":
    main()
