"""What pictures under copyleft would be worth to the packaged encoder, which has learnt from none.

    python benchmarks/copyleft_pictures.py FOLDER --stamps FOLDER --surfaces FOLDER

Makes an encoder as the pipeline `pretraining` does, from the same work, but for its image heads,
which learn from two more sets: Debian's `tuxpaint-stamps-default` (GPL-2; cut-outs with captions,
three views each) and `ufoai-textures` (GPL-2+, CC-BY-SA and others; surfaces of games, five views
of each whose file name says a material). Both packages are unpacked beforehand:

    apt-get download tuxpaint-stamps-default ufoai-textures
    for each in *.deb; do dpkg-deb -x $each unpacked; done
    unzip unpacked/usr/share/games/ufoai/base/0textures.pk3 -d unpacked

The result goes to FOLDER, and is for measuring alone. `embedded_encoder.py --encoder FOLDER
--beside` the pipeline's own then tells the difference. Needs a finished run of the pipeline under
``data/``, whose kept heads it replaces; some twenty minutes. The last line of stdout is one JSON
object, of what was learnt from.
"""

from __future__ import annotations

import argparse
import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
import yaml
from PIL import Image
from twins import ROOT, say

from veneer.pipelines.pretraining import nodes
from veneer.pretraining.looking import Seen
from veneer.pretraining.options import PretrainingOptions
from veneer.pretraining.pictures import Picture, draw, find_clip_art
from veneer.pretraining.trunk import BATCH, IMAGE_SIZE, bare_trunk, features
from veneer.pretraining.work import Work

SEED = 0
CUT_OUT = 21  # a number of a picture that is one
STAMP_VIEWS, SURFACE_VIEWS = 3, 5
# What file names call a material. Maps of relief, shine and glow are no pictures of it.
MATERIAL_WORDS = {
    "asphalt": "asphalt",
    "brick": "brick",
    "cardboard": "cardboard",
    "carpet": "carpet",
    "ceramic": "ceramic",
    "concrete": "concrete",
    "fabric": "fabric",
    "foliage": "foliage",
    "glass": "glass",
    "grass": "grass",
    "gravel": "gravel",
    "leather": "leather",
    "metal": "metal",
    "mtl": "metal",
    "paper": "paper",
    "plastic": "plastic",
    "rock": "stone",
    "roof": "tile",
    "rust": "rust",
    "sand": "sand",
    "sky": "sky",
    "stone": "stone",
    "textil": "fabric",
    "tile": "tile",
    "wallpaper": "wallpaper",
    "water": "water",
    "wood": "wood",
}
NO_PICTURE = re.compile(r"_(nm|sm|rm|gm)$")


def main() -> None:
    """Make the encoder, and tell what it has learnt from."""
    options = parse_arguments()
    parameters = yaml.safe_load((ROOT / "conf/base/parameters/pretraining.yml").read_text())
    pretraining = PretrainingOptions(**parameters["pretraining"])
    work = Work(ROOT / "data/02_intermediate/pretraining")
    clip_art = find_clip_art(ROOT / "data/01_raw/openclipart")

    lessons = nodes.find_space(nodes.write_texts(pretraining, SEED), work, pretraining)
    tower = nodes.teach_text_tower(lessons, work, pretraining, SEED)
    trunk = nodes.lay_lanes(clip_art, work, pretraining, SEED)
    seen = nodes.look_at_pictures(trunk, clip_art, work, pretraining, SEED)
    noted: list[Picture] = []
    more = look(trunk, [*stamps(options.stamps), *surfaces(options.surfaces)], noted)
    say(f"{len(noted)} more views")
    enlarged = Seen(torch.cat([seen.features, more]), [*seen.pictures, *noted])
    head = nodes.train_image_heads(lessons, trunk, enlarged, work, pretraining, SEED)
    # Of what the pipeline saw: only the heads shall differ.
    files, _ = nodes.assemble(lessons, tower, trunk, head, seen, clip_art, pretraining, SEED)
    options.folder.mkdir(parents=True)
    for name, content in files.items():
        if name != "README.md":  # it would say that nothing is under copyleft
            (options.folder / name).write_bytes(content)
    counts = Counter(each.material or each.source for each in noted)
    print(json.dumps({"benchmark": "copyleft_pictures", "views": dict(counts.most_common())}))


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="to be made")
    parser.add_argument("--stamps", type=Path, required=True)
    parser.add_argument("--surfaces", type=Path, required=True)
    options = parser.parse_args()
    if options.folder.exists():
        parser.error(f"{options.folder} is there already")
    return options


def stamps(folder: Path) -> Iterator[tuple[Path, str, None]]:
    """Cut-outs and the first line of their captions, each as often as it is shown."""
    for path in sorted(folder.rglob("*.png")):
        told = path.with_suffix(".txt")
        lines = told.read_text("utf-8", "replace").splitlines() if told.exists() else []
        caption = lines[0].strip().rstrip(".!").lower()[:120] if lines else path.stem
        yield from [(path, caption, None)] * STAMP_VIEWS


def surfaces(folder: Path) -> Iterator[tuple[Path, str, str]]:
    """Pictures whose file name says a material, likewise."""
    for path in sorted([*folder.rglob("*.png"), *folder.rglob("*.jpg")]):
        words = [key for word, key in MATERIAL_WORDS.items() if word in path.stem.lower()]
        if "textures" in path.parts and words and not NO_PICTURE.search(path.stem):
            yield from [(path, "", words[0])] * SURFACE_VIEWS


def look(
    trunk: nodes.ImageTrunk, files: list[tuple[Path, str, str | None]], noted: list[Picture]
) -> torch.Tensor:
    """Views of files as the trunk sees them: float32 [n, 1280]; what they are goes to ``noted``."""

    def view(number: int) -> np.ndarray:
        path, caption, material = files[number]
        if material is None:
            noted.append(Picture(None, "clip art", name=caption))
            return next(draw([CUT_OUT], (SEED, 9, number), [path])).pixels
        noted.append(Picture(None, "photo", material=material))
        return cut(path, np.random.default_rng([SEED, number]))

    numbers = range(len(files))
    views = (
        np.stack([view(number) for number in numbers[first : first + BATCH]])
        for first in numbers[::BATCH]
    )
    return torch.cat([each.half().float() for each in features(bare_trunk(trunk.state), views)])


def cut(path: Path, rng: np.random.Generator) -> np.ndarray:
    """A square part of a picture, a twelfth of its least square or more: uint8 [256, 256, 3]."""
    with Image.open(path) as opened:
        picture = opened.convert("RGB")
    side = rng.uniform(0.08, 1) ** 0.5 * min(picture.size)
    left, top = (rng.uniform(0, length - side) for length in picture.size)
    box = (left, top, left + side, top + side)
    return np.asarray(picture.resize((IMAGE_SIZE, IMAGE_SIZE), Image.Resampling.BICUBIC, box=box))


if __name__ == "__main__":
    main()
