"""The model card: what the encoder is, what it was made of, and under which terms."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from veneer.pretraining.folder import WEIGHTS
from veneer.pretraining.options import PretrainingOptions
from veneer.pretraining.pictures import PHOTOGRAPHS, photograph_bytes
from veneer.pretraining.teacher import WEIGHTS_SHA256


def write(
    files: dict[str, bytes],
    options: PretrainingOptions,
    seed: int,
    trunk_sha256: str,
    clip_art: Sequence[Path],
    texts: int,
    measured: dict[str, float],
) -> str:
    """The card in Markdown.

    Parameters
    ----------
    files : dict of str to bytes
        The other files of the folder.
    options : PretrainingOptions
    seed : int
    trunk_sha256 : str
        Of the file with the trunk's weights.
    clip_art : sequence of Path
    texts : int
        How many were learnt.
    measured : dict
        Of :func:`veneer.pretraining.folder.check`.
    """
    weights = files[WEIGHTS]
    ingredients = {
        "trunk": trunk_sha256,
        "teacher": WEIGHTS_SHA256,
        "clip_art": digest(path.read_bytes() for path in clip_art),
        "photographs": digest(photograph_bytes(name) for name in PHOTOGRAPHS),
    }
    templates = Environment(
        loader=PackageLoader("veneer", "pretraining"),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,  # it is Markdown
    )
    return templates.get_template("card.md.j2").render(
        sha256=hashlib.sha256(weights).hexdigest(),
        size=len(weights),
        options=options,
        seed=seed,
        ingredients=ingredients,
        versions={name: version(name) for name in ("timm", "open_clip_torch", "scikit-image")},
        clip_art=len(clip_art),
        photographs=PHOTOGRAPHS,
        texts=texts,
        measured=measured,
    )


def digest(contents) -> str:
    """SHA-256 of the SHA-256s of files, in their order."""
    found = hashlib.sha256()
    for content in contents:
        found.update(hashlib.sha256(content).digest())
    return found.hexdigest()
