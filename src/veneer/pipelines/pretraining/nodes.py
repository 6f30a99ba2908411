"""Nodes of `pretraining`.

What needs torch is imported in the nodes, so annotations say Any of its types.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from veneer.errors import VeneerError
from veneer.pretraining.options import PretrainingOptions
from veneer.pretraining.work import Work, digest_of, digest_of_tensors

logger = logging.getLogger(__name__)

# Everything is drawn from the run's seed and one of these.
_CALIBRATION, _PICTURES, _CAPTIONS, _SHEET = range(1, 5)
_LANES = "lanes"  # beside the trunk's own tensors
_SHEET_PICTURES, _SOME_PICTURES = 120, 32


@dataclass(frozen=True)
class TextLessons:
    """What the text tower is taught, and the space that it is taught in.

    Attributes
    ----------
    space : TextSpace
    basis : float32 array [512, shared]
        The dimensions of the space that texts vary in.
    learnt, measured, tokens : Lesson
    """

    space: Any
    basis: np.ndarray
    learnt: Any
    measured: Any
    tokens: Any


@dataclass(frozen=True)
class ImageTrunk:
    """The trunk with lanes.

    Attributes
    ----------
    state : dict of str to tensor
        timm's, with the classifier.
    lanes : list of int
        The features that are lanes.
    source_sha256 : str
        Of the file that it was made from.
    """

    state: dict[str, Any]
    lanes: list[int]
    source_sha256: str


def write_texts(pretraining: PretrainingOptions, seed: int) -> dict[str, list[str]]:
    """Texts to learn and texts to measure on."""
    from veneer.pretraining.corpus import build_corpus, held_out

    learnt, measured = held_out(build_corpus(seed, **pretraining.corpus.model_dump()), seed)
    logger.info("%s texts to learn, %s to measure on", f"{len(learnt):,}", f"{len(measured):,}")
    return {"learnt": learnt, "measured": measured}


def find_space(
    texts: dict[str, list[str]], work: Work, pretraining: PretrainingOptions
) -> TextLessons:
    """Ask the teacher about all texts, and make its answers the targets of the tower.

    Raises
    ------
    VeneerError
        When the texts vary in more dimensions than the embedding has for them.
    """
    from veneer.pretraining.corpus import token_texts
    from veneer.pretraining.space import TextSpace
    from veneer.pretraining.targets import used_dimensions
    from veneer.pretraining.text_tower import Lesson

    parts = {**texts, "tokens": token_texts()}
    vectors = {name: _asked(work, f"teacher/{name}", part) for name, part in parts.items()}
    space = TextSpace.fit(vectors["learnt"], pretraining.whitening)
    lessons = {name: Lesson(part, space(vectors[name], part)) for name, part in parts.items()}
    targets = lessons["learnt"].targets
    basis = used_dimensions(targets, pretraining.shared)
    kept = float(np.square(targets @ basis).sum(1).mean())
    logger.info("%d dimensions hold %.4f of what texts vary in", pretraining.shared, kept)
    if kept < 0.99:
        raise VeneerError(
            f"Finding the space of texts: {pretraining.shared} dimensions hold {kept:.2f} of it. "
            "Raise pretraining.shared."
        )
    return TextLessons(space, basis, **lessons)


def teach_text_tower(
    lessons: TextLessons, work: Work, pretraining: PretrainingOptions, seed: int
) -> Any:
    """Distil the teacher into a small tower; an interrupted run goes on.

    Returns
    -------
    TextTower
    """
    from veneer.pipelines import tracking
    from veneer.pretraining.text_tower import distil

    tower = distil(
        lessons.learnt,
        lessons.measured,
        lessons.tokens,
        pretraining.text,
        seed=seed,
        checkpoints=work.checkpoints("text_tower"),
        report=lambda step, metrics: tracking.log_pretraining("text", step, metrics),
        threads=pretraining.threads,
    )
    logger.info("the text tower's cosine to its targets is %.4f", tower.log[-1]["cosine"])
    return tower


def lay_lanes(
    clip_art: list[Path], work: Work, pretraining: PretrainingOptions, seed: int
) -> ImageTrunk:
    """Open the trunk, and lead what its middle layers see past the last ones."""
    import torch

    from veneer.pretraining import lanes
    from veneer.pretraining.examples import colour_shares
    from veneer.pretraining.looking import batches, drawn_from
    from veneer.pretraining.trunk import load_trunk

    trunk, source = load_trunk()
    made_from = {
        "format": lanes.FORMAT,
        "source": source,
        "options": pretraining.lanes.model_dump(),
        "pictures": drawn_from((seed, _CALIBRATION), clip_art),
    }

    def lay() -> dict[str, Any]:
        given = pretraining.lanes.model_dump()
        numbers = range(given.pop("pictures"))
        colours: list[tuple[str, ...]] = []
        pictures = batches(
            numbers, (seed, _CALIBRATION), clip_art, lambda drawn: colours.append(drawn.colours)
        )
        seen = lanes.calibrate(trunk, pictures)
        shown = torch.from_numpy(colour_shares(colours))
        laid = lanes.lay_lanes(trunk, seen, shown, **given)
        return {_LANES: torch.tensor(laid.lanes), **laid.trunk.state_dict()}

    kept = work.kept("trunk", made_from, lay)
    return ImageTrunk(kept, kept.pop(_LANES).tolist(), source)


def look_at_pictures(
    trunk: ImageTrunk,
    clip_art: list[Path],
    work: Work,
    pretraining: PretrainingOptions,
    seed: int,
) -> Any:
    """Draw the pictures to learn from, and note how the trunk sees them.

    Returns
    -------
    Seen
    """
    from veneer.pretraining.looking import look

    return look(trunk.state, pretraining.pictures, (seed, _PICTURES), clip_art, work)


def train_image_heads(
    lessons: TextLessons,
    trunk: ImageTrunk,
    seen: Any,
    work: Work,
    pretraining: PretrainingOptions,
    seed: int,
) -> Any:
    """Train heads from one start in several ways, and average them with it.

    Heads that were trained before on the same are taken from where they were kept.

    Returns
    -------
    ImageHead
    """
    import torch

    from veneer.pipelines import tracking
    from veneer.pretraining import image_head, targets
    from veneer.pretraining.arithmetic import reproducible
    from veneer.pretraining.examples import examples_of, prompts_of
    from veneer.pretraining.trunk import bare_trunk
    from veneer.pretraining.widening import shared_hidden

    classifier = bare_trunk(trunk.state).classifier.requires_grad_(False)
    embed = _asker(work)
    meant = targets.class_targets(embed, lessons.space, lessons.basis)
    place = _placer(embed, lessons)
    examples = examples_of(seen, place, (seed, _CAPTIONS))
    prompts = prompts_of(place)
    with reproducible(seed, pretraining.threads):
        start = image_head.conse_start(
            classifier,
            meant,
            seen.features,
            trunk.lanes,
            shared_hidden(pretraining.width, pretraining.shared),
            seed,
        )
        told = {
            **vars(examples),
            **{f"prompts.{name}": each for name, each in vars(prompts).items()},
            **{f"start.{name}": each for name, each in start.state_dict().items()},
            "meant": torch.from_numpy(meant.texts),
        }
        learnt_from = {
            "format": image_head.FORMAT,
            "threads": pretraining.threads,
            "examples": digest_of_tensors(told),
        }

        def train(number: int) -> dict[str, Any]:
            head = image_head.train_head(
                start,
                classifier,
                meant,
                examples,
                prompts,
                pretraining.heads[number],
                seed + number,
                lambda step, losses: tracking.log_pretraining(f"head_{number}", step, losses),
            )
            return head.state_dict()

        heads = []
        for number, options in enumerate(pretraining.heads):
            made_from = {**learnt_from, "options": options.model_dump(), "seed": seed + number}
            head = copy.deepcopy(start)
            head.load_state_dict(work.kept(f"heads/{number}", made_from, partial(train, number)))
            heads.append(head)
    return image_head.average([*heads, start], pretraining.average)


def assemble(
    lessons: TextLessons,
    tower: Any,
    trunk: ImageTrunk,
    head: Any,
    seen: Any,
    clip_art: list[Path],
    pretraining: PretrainingOptions,
    seed: int,
) -> tuple[dict[str, bytes], dict[str, float]]:
    """Widen the embedding, fold all weights into eight bits, look at the result, write its card.

    Returns
    -------
    files : dict of str to bytes
        Of an open_clip model folder.
    metrics : dict
        See :func:`veneer.pretraining.folder.check`.
    """
    from veneer.pretraining import card, folder
    from veneer.pretraining.arithmetic import reproducible
    from veneer.pretraining.looking import batches
    from veneer.pretraining.widening import widen

    with reproducible(seed, pretraining.threads):
        wide = widen(
            head,
            seen.features,
            trunk.lanes,
            pretraining.width,
            pretraining.image_weight,
            pretraining.lane_weight,
            seed,
        )
        some = next(batches(range(_SOME_PICTURES), (seed, _CALIBRATION), clip_art))
        files = folder.files(
            folder.tensors(trunk.state, wide, tower, lessons.basis, some), pretraining
        )
        pictures = next(batches(range(_SOME_PICTURES), (seed, _SHEET), clip_art))
        metrics = folder.check(files, trunk.state, wide, lessons.basis, lessons.measured, pictures)
    logger.info(
        "%.1f MB; the cosine of texts to their targets is %.3f, that of pictures to what they were "
        "before folding %.4f",
        *(metrics[name] for name in ("megabytes", "text_cosine", "image_cosine")),
    )
    files["README.md"] = card.write(
        files,
        pretraining,
        seed,
        trunk.source_sha256,
        clip_art,
        len(lessons.learnt.texts),
        metrics,
    ).encode()
    return files, metrics


def draw_sheet(clip_art: list[Path], seed: int) -> dict[str, Image.Image]:
    """Some of what is learnt from, for people to look at."""
    from veneer.pretraining.pictures import draw

    side, across = 112, 15
    sheet = Image.new("RGB", (side * across, side * (_SHEET_PICTURES // across)), "white")
    for place, picture in enumerate(draw(range(_SHEET_PICTURES), (seed, _SHEET), clip_art)):
        small = Image.fromarray(picture.pixels).resize((side - 4, side - 4))
        sheet.paste(small, (place % across * side + 2, place // across * side + 2))
    return {"pictures": sheet}


def track(path: str, metrics: dict[str, float], figures: dict[str, Image.Image]) -> None:
    """The card, what was measured, and the sheet, to MLflow."""
    from veneer.pipelines import tracking

    logger.info("the encoder is in %s; use it as --params encoder=%s", path, path)
    tracking.log_pretrained(path, metrics)
    tracking.log_pictures("pretraining", figures)


def _asked(work: Work, name: str, texts: Sequence[str]) -> np.ndarray:
    """The teacher's vectors of texts, from disk where they were asked for before."""
    import torch

    from veneer.pretraining.teacher import WEIGHTS_SHA256

    made_from = {"teacher": WEIGHTS_SHA256, "texts": digest_of(list(texts))}

    def ask() -> dict:
        return {"vectors": torch.from_numpy(_teacher(work.folder).embed(list(texts)))}

    return work.kept(name, made_from, ask)["vectors"].numpy()


@lru_cache(1)
def _teacher(folder: Path) -> Any:
    """Opened once: prompts are asked for by the handful, a hundred times."""
    from veneer.pretraining.teacher import Teacher

    return Teacher(folder)


def _asker(work: Work) -> Callable[[Sequence[str]], np.ndarray]:
    def embed(texts: Sequence[str]) -> np.ndarray:
        return _asked(work, f"teacher/{digest_of(list(texts))[:16]}", texts)

    return embed


def _placer(
    embed: Callable[[Sequence[str]], np.ndarray], lessons: TextLessons
) -> Callable[[Sequence[str]], np.ndarray]:
    """Texts to where they lie in the shared dimensions: float32 [N, shared] of unit length."""

    def place(texts: Sequence[str]) -> np.ndarray:
        found = lessons.space(embed(texts), texts) @ lessons.basis
        return found / np.linalg.norm(found, axis=1, keepdims=True)

    return place
