"""What a served model carries: an encoder with its weights, and a head where there is one."""

from __future__ import annotations

import hashlib
import itertools
import logging
import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
import platformdirs
from PIL import Image
from pydantic import BaseModel, ConfigDict

import veneer
from veneer.atomic import write_bytes
from veneer.encoders.config import EncoderConfig
from veneer.encoders.encoder import Encoder, open_encoder
from veneer.encoders.portable import copy_encoder
from veneer.errors import VeneerError
from veneer.heads.classifier import Classifier, dumps, loads
from veneer.images import png_bytes
from veneer.predict import (
    check_source,
    embed_images_or_zeros,
    predict_batches,
)
from veneer.refusals import RefusedError
from veneer.sources.memory import Sent, memory_source
from veneer.sources.textures.render import draw

logger = logging.getLogger(__name__)

CACHE = "VENEER_CACHE"
"""Names, in the environment, the folder for compiled encoders; by default one of the user's own."""
CARD, ENCODER, HEAD, HEAD_CARD = "bundle.json", "encoder", "head", "head.json"


class Card(BaseModel):
    """A JSON file beside the encoder: how it is opened, and what is refused.

    Attributes
    ----------
    encoder : str
        Its name.
    config : EncoderConfig
        ``pretrained`` is relative to the folder.
    fingerprint : str
        That the encoder had when it was copied.
    decode : {"exact", "fast"}
    runtime : str
    text_from_exif : bool
    max_pixels, max_bytes : int
    code : str
        Digest of the modules of veneer that made it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    encoder: str
    config: EncoderConfig
    fingerprint: str
    decode: Literal["exact", "fast"]
    runtime: str
    text_from_exif: bool
    max_pixels: int
    max_bytes: int
    code: str


@dataclass(frozen=True)
class Bundle:
    """An opened bundle; ``classifier`` is None in that of an encoder."""

    card: Card
    encoder: Encoder
    classifier: Classifier | None = None


def write_bundle(
    folder: Path,
    *,
    encoder: str,
    encoders: dict[str, EncoderConfig],
    card: dict,
    classifier: Classifier | None = None,
) -> None:
    """Copy an encoder, and with it a head, into an empty folder.

    Parameters
    ----------
    folder : Path
    encoder, encoders
        As for :func:`veneer.encoders.encoder.open_encoder`.
    card : dict
        Of :class:`Card`, all but ``config`` and ``code``.
    classifier : Classifier, optional

    Raises
    ------
    VeneerError
        When the encoder's weights cannot be copied.
    """
    (folder / ENCODER).mkdir(parents=True)
    config = copy_encoder(encoder, encoders, folder / ENCODER)
    relative = str(Path(config.pretrained).relative_to(folder))
    config = config.model_copy(update={"pretrained": relative})
    described = Card(config=config, code=code_digest(), **card).model_dump_json(indent=2) + "\n"
    write_bytes(folder / CARD, described.encode())
    if classifier is not None:
        head, head_card = dumps(classifier)
        write_bytes(folder / HEAD, head)
        write_bytes(folder / HEAD_CARD, head_card)


def open_bundle(folder: Path) -> Bundle:
    """Open what :func:`write_bundle` wrote, and embed something, so that it is ready.

    Raises
    ------
    VeneerError
        When the encoder is not the one that was copied. Its fingerprint depends on weights,
        preprocessing and architecture, which another version of a library may understand otherwise.
    """
    card = Card.model_validate_json((folder / CARD).read_bytes())
    place = str(folder / card.config.pretrained)
    config = card.config.model_copy(update={"pretrained": place})
    encoder = open_encoder(
        card.encoder,
        {card.encoder: config},
        runtime=card.runtime,
        fast=card.decode == "fast",
        cache=_cache(),
    )
    if encoder.fingerprint != card.fingerprint:
        raise VeneerError(
            f"Opening the encoder {card.encoder} in {folder}: it was [{card.fingerprint}] when it "
            f"was registered, and is [{encoder.fingerprint}] here. Install the versions that stand "
            "in the model's requirements.txt, or register it again from a weight file whose "
            "preprocessing its library knows."
        )
    if code_digest() != card.code:
        # As where two versions are opened in one process: the first one's modules answer for both.
        logger.warning(
            "%s was made by other modules of veneer than are running here (%s); its answers may "
            "differ. Open it in a process of its own, from which it runs its own.",
            folder,
            Path(veneer.__file__).parent,
        )
    classifier = None
    if (folder / HEAD).exists():
        classifier = loads((folder / HEAD).read_bytes(), (folder / HEAD_CARD).read_bytes())
    bundle = Bundle(card, encoder, classifier)
    _make_ready(bundle)
    return bundle


@cache
def code_digest() -> str:
    """SHA-256 over the modules of veneer that are running."""
    package = Path(veneer.__file__).parent
    digest = hashlib.sha256()
    for file in sorted(package.rglob("*.py")):
        digest.update(f"{file.relative_to(package).as_posix()}\0".encode() + file.read_bytes())
    return digest.hexdigest()


def _cache() -> Path:
    """Folder for compiled encoders, so that a server that starts again is quickly there."""
    return Path(os.environ.get(CACHE) or platformdirs.user_cache_path("veneer"))


def _make_ready(bundle: Bundle) -> None:
    """Load weights and choose runtimes now: the first who asks should not wait for it."""
    # A picture with something in it: on it the runtime is checked.
    picture = Image.fromarray(draw("chequered", seed=0).pixels)
    rows = [Sent(data=png_bytes(picture)), Sent(text="moss")]
    embed_rows(bundle, rows[: 1 if bundle.encoder.text_tower is None else 2])


def embed_rows(bundle: Bundle, rows: list[Sent]) -> tuple[np.ndarray, dict[int, str]]:
    """Embed images and texts, one of them a row.

    Returns
    -------
    vectors : float32 array [n, D]
        Rows of length 1; zeros where a row is refused.
    refused : dict of row to reason, in words
    """
    encoder = bundle.encoder
    vectors = np.zeros((len(rows), encoder.dimension), np.float32)
    refused = {number: why for number, row in enumerate(rows) if (why := _unfit(row, encoder))}
    fit = [number for number in range(len(rows)) if number not in refused]
    texts = [number for number in fit if rows[number].data is None]
    images = [number for number in fit if rows[number].data is not None]
    if texts:
        vectors[texts] = encoder.embed_texts([rows[number].text for number in texts])
    unread = iter(images)
    for batch in check_source(memory_source([rows[number] for number in images]), bundle.card):
        numbers = list(itertools.islice(unread, batch.num_rows))
        vectors[numbers], damaged = embed_images_or_zeros(batch, encoder)
        reasons = zip(batch["reason"].to_pylist(), batch["detail"].to_pylist(), strict=True)
        bad = {place: why for place, why in enumerate(reasons) if why[0] is not None} | damaged
        refused |= {numbers[place]: _in_words(*why) for place, why in bad.items()}
    return vectors, dict(sorted(refused.items()))


def _unfit(row: Sent, encoder: Encoder) -> str | None:
    """Why a row has nothing that this encoder could embed; None where it has."""
    if row.refused is not None:
        return row.refused.detail
    if row.data is None and row.text is None:
        return "it has neither an image nor a text"
    if row.data is not None and row.text is not None:
        return "it has an image and a text; ask for them in two rows"
    if row.data is None and encoder.text_tower is None:
        return f"it has a text, and the encoder {encoder.name} knows no words"
    return None


def _in_words(reason: str, detail: str) -> str:
    """Why an image was refused, for a sentence about its row."""
    return f"its image cannot be read: {reason} ({detail})"


def predict_rows(bundle: Bundle, rows: list[Sent]) -> tuple[list[dict], dict[int, str]]:
    """Predict the class of rows, each an image, with a text where the head sees texts.

    Returns
    -------
    predictions : list of dict
        Of schema :data:`veneer.schema.PREDICTED`.
    refused : dict of row to reason, in words
    """
    head = bundle.classifier.card
    if head.fusion == "image":
        needless = RefusedError(
            "unreadable", f"it has a text, and the head {head.head} was fitted to images alone"
        )
        rows = [row if row.text is None else Sent(refused=row.refused or needless) for row in rows]
    checked = check_source(memory_source(rows), bundle.card)
    batches = predict_batches(checked, bundle.encoder, bundle.classifier)
    found = [row for batch in batches for row in batch.to_pylist()]
    refused = {
        number: row.refused.detail if row.refused else _why(prediction)
        for number, (row, prediction) in enumerate(zip(rows, found, strict=True))
        if prediction["reason"] is not None
    }
    return found, refused


def _why(prediction: dict) -> str:
    named = {"no_image": "it has no image", "no_text": "it has no text"}
    reason = prediction["reason"]
    return named.get(reason) or _in_words(reason, prediction["detail"])
