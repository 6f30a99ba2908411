"""What tests make small encoders of: options, clip art, a teacher who knows nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING
from zlib import crc32

import numpy as np
import pytest
import yaml
from PIL import Image, ImageDraw
from support import ROOT

from veneer.pretraining.ingredients import PACKAGES
from veneer.pretraining.options import PretrainingOptions

if TYPE_CHECKING:
    from projects import Project

needs_all_ingredients = pytest.mark.skipif(
    any(find_spec(name) is None for name in PACKAGES), reason="needs veneer[pretraining]"
)
needs_photographs = pytest.mark.skipif(
    find_spec("skimage") is None, reason="needs scikit-image, as veneer[pretraining] has it"
)

SMALL = {
    "pictures": 40,
    "threads": 1,
    "corpus": dict.fromkeys(
        ("glosses", "textures", "everyday", "phrases", "products", "waste"), 20
    ),
    "text": {"batch": 64, "bag_steps": 20, "steps": 10, "every": 10, "width": 64, "layers": 2},
    "lanes": {"textures": {4: 1, 5: 2}, "pictures": 40},
    "heads": {"steps": 5, "batch": 32},
}


def standing() -> dict:
    """What the project itself has under ``pretraining``."""
    text = (ROOT / "conf/base/parameters/pretraining.yml").read_text()
    return yaml.safe_load(text)["pretraining"]


def small(**given) -> dict:
    """The project's parameters, small, with some of their own."""
    found = standing()
    for name, value in (*SMALL.items(), *given.items()):
        if name == "heads":
            found[name] = [head | value for head in found[name]]
        else:
            found[name] = found[name] | value if isinstance(value, dict) else value
    return found


def options(**given) -> PretrainingOptions:
    """As the nodes have them."""
    return PretrainingOptions(**small(**given))


class Teacher:
    """Texts to vectors by their words alone, without weights: the sum of one vector a word."""

    def __init__(self, cache: Path | None = None):
        self._words: dict[str, np.ndarray] = {}

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        found = np.stack([sum(map(self._word, text.split() or ["."])) for text in texts])
        return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)

    def _word(self, word: str) -> np.ndarray:
        if word not in self._words:
            self._words[word] = np.random.default_rng(crc32(word.encode())).normal(size=384)
        return self._words[word]


def draw_clip_art(folder: Path) -> Path:
    """Four cut-outs of one colour each, on nothing."""
    folder.mkdir(parents=True, exist_ok=True)
    colours = {"duck_01": "yellow", "red_apple": "red", "tree": "green", "07": "blue"}
    for name, colour in colours.items():
        picture = Image.new("RGBA", (90, 120))
        ImageDraw.Draw(picture).ellipse((10, 10, 80, 110), fill=colour)
        picture.save(folder / f"{name}.png")
    return folder


@contextmanager
def small_ingredients() -> Iterator[None]:
    """Few words, few pictures at a time, and a teacher without weights.

    What the true teacher makes of all of WordNet takes minutes.
    """
    from veneer.pipelines.pretraining import nodes
    from veneer.pretraining import corpus, looking, teacher

    few = corpus.wordnet()[::100]
    with pytest.MonkeyPatch.context() as patch:
        nodes._teacher.cache_clear()
        patch.setattr(teacher, "Teacher", Teacher)
        patch.setattr(corpus, "wordnet", lambda: few)
        patch.setattr(corpus, "HELD_OUT", 200)
        patch.setattr(looking, "CHUNK", 40)
        yield
        nodes._teacher.cache_clear()


def make_small(project: Project) -> None:
    """From now on a project makes small encoders, of clip art of its own."""
    file = project.path / "conf/base/parameters/pretraining.yml"
    file.write_text(yaml.safe_dump({"pretraining": small()}))
    draw_clip_art(project.path / "data/01_raw/openclipart")
