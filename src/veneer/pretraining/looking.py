"""Drawing pictures and looking at them through the trunk, on all cores, so that it can go on later.

Each process draws and looks at chunks of its own on one thread: what is found depends neither on
how many processes there are nor on when they were interrupted.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from veneer.pretraining.pictures import Picture, draw
from veneer.pretraining.trunk import BATCH, IMAGE_SIZE, bare_trunk, features
from veneer.pretraining.work import Work, digest_of, digest_of_tensors
from veneer.progress import progress

_NOTED = ("source", "attribute", "material", "colours", "name")
CHUNK = 480  # pictures; a multiple of 24, so that each chunk holds all sorts
FORMAT = 4
"""To be raised when the same numbers give other pictures."""


@dataclass(frozen=True)
class Seen:
    """Pictures as the trunk sees them.

    Attributes
    ----------
    features : float32 tensor [n, 1280]
    pictures : list of Picture
        Without their pixels.
    """

    features: torch.Tensor
    pictures: list[Picture]


def look(
    trunk: dict[str, torch.Tensor],
    count: int,
    seed: Sequence[int],
    clip_art: Sequence[Path],
    work: Work,
    processes: int | None = None,
) -> Seen:
    """Draw ``count`` pictures and send them through the trunk.

    Parameters
    ----------
    trunk : dict of str to tensor
        State dict, with lanes.
    count : int
        Rounded up to whole chunks.
    seed : sequence of int
    clip_art : sequence of Path
    work : Work
        Keeps what was seen, chunk by chunk.
    processes : int, optional
        None takes one a core.
    """
    chunks = range(-(-count // CHUNK))
    made_from = {"trunk": digest_of_tensors(trunk), **drawn_from(seed, clip_art)}
    missing = [chunk for chunk in chunks if work.find(_name(chunk), made_from) is None]
    if missing:
        # Read by every process; it may well be there from an interrupted run.
        work.keep("features/trunk", made_from, trunk)
        _look_apart(missing, seed, clip_art, work, made_from, processes)
    found = [work.find(_name(chunk), made_from) for chunk in chunks]
    pictures = [
        Picture(pixels=None, **_restored(record))
        for tensors in found
        for record in json.loads(bytes(tensors["pictures"].numpy()))
    ]
    return Seen(torch.cat([tensors["features"].float() for tensors in found]), pictures)


def drawn_from(seed: Sequence[int], clip_art: Sequence[Path]) -> dict[str, Any]:
    """What pictures follow from, beside their numbers: JSON values."""
    return {
        "format": FORMAT,
        "size": IMAGE_SIZE,
        "seed": list(seed),
        "clip art": digest_of([(path.name, path.stat().st_size) for path in clip_art]),
    }


def _look_apart(
    chunks: Sequence[int],
    seed: Sequence[int],
    clip_art: Sequence[Path],
    work: Work,
    made_from: dict[str, Any],
    processes: int | None,
) -> None:
    given = (work.folder, made_from, seed, list(clip_art))
    workers = min(processes or (os.cpu_count() or 1), len(chunks))
    # Not forked: torch's threads do not survive that.
    context = multiprocessing.get_context("spawn")
    with (
        ProcessPoolExecutor(workers, context, _begin, given) as pool,
        progress(len(chunks) * CHUNK, "looking at drawn pictures", "pictures") as advance,
    ):
        jobs = [pool.submit(_look_at, chunk, _numbers(chunk)) for chunk in chunks]
        try:
            for done in as_completed(jobs):
                done.result()
                advance(CHUNK)
        except BaseException:
            pool.shutdown(cancel_futures=True)  # rather than do all the others first
            raise


def batches(
    numbers: Sequence[int],
    seed: Sequence[int],
    clip_art: Sequence[Path],
    note: Callable[[Picture], object] = lambda picture: None,
) -> Iterator[np.ndarray]:
    """Draw pictures in batches as the trunk takes them: uint8 [n, 256, 256, 3]."""
    waiting = []
    for picture in draw(numbers, seed, clip_art):
        note(picture)
        waiting.append(picture.pixels)
        if len(waiting) == BATCH:
            yield np.stack(waiting)
            waiting.clear()
    if waiting:
        yield np.stack(waiting)


_given: tuple[Any, ...] = ()


def _begin(
    folder: Path, made_from: dict[str, Any], seed: Sequence[int], clip_art: list[Path]
) -> None:
    """In a new process: open the trunk."""
    global _given  # noqa: PLW0603 -- a process of the pool does nothing else
    threading.Thread(target=_end_with_parent, daemon=True).start()
    torch.set_num_threads(1)
    work = Work(folder)
    trunk = bare_trunk(work.find("features/trunk", made_from))
    _given = (trunk, work, made_from, seed, clip_art)


def _end_with_parent() -> None:
    """A run that is killed cannot tell its pool, which would wait for more to do for ever."""
    multiprocessing.parent_process().join()
    os._exit(1)


def _numbers(chunk: int) -> range:
    return range(chunk * CHUNK, (chunk + 1) * CHUNK)


def _look_at(chunk: int, numbers: Sequence[int]) -> None:
    trunk, work, made_from, seed, clip_art = _given
    pictures: list[dict[str, Any]] = []

    def note(picture: Picture) -> None:
        pictures.append({key: getattr(picture, key) for key in _NOTED})

    given = batches(numbers, seed, clip_art, note)
    # Half precision is that of the trunk's own arithmetic, and half the disk.
    seen = torch.cat([each.half() for each in features(trunk, given)])
    records = torch.frombuffer(bytearray(json.dumps(pictures).encode()), dtype=torch.uint8)
    work.keep(_name(chunk), made_from, {"features": seen, "pictures": records})


def _restored(record: dict[str, Any]) -> dict[str, Any]:
    return record | {"colours": tuple(record["colours"])}


def _name(chunk: int) -> str:
    return f"features/{chunk:04d}"
