"""What a head says of pictures, and what of the collection speaks for it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from veneer.app.workspace import Workspace
from veneer.errors import VeneerError
from veneer.heads.classifier import Card, Classifier
from veneer.heads.zero_shot import fit_zero_shot
from veneer.images import RefusedError, thumbnail
from veneer.predict import check_source, choose_head, predict_batches, predict_paths
from veneer.refusals import REASONS
from veneer.retrieval.search import Query, search
from veneer.retrieval.votes import Quartiles, Shares, attribute_votes
from veneer.sources.paths import paths_source

MOST_PICTURES = 100
EVIDENCE = 6
NEIGHBOURS = 25


@dataclass(frozen=True)
class Recognised:
    """What is told of one picture, or of a text alone.

    Attributes
    ----------
    name : str
    prediction : dict
        Of schema :data:`veneer.schema.PREDICTED`.
    reason : str or None
        Why the picture could not be read, in words.
    thumbnail : bytes or None
        WebP.
    evidence : list of dict
        Nearest training examples, rows of search results.
    votes : dict of str to Shares or Quartiles
        Of the nearest neighbours, on each attribute.
    """

    name: str
    prediction: dict
    reason: str | None = None
    thumbnail: bytes | None = None
    evidence: Sequence[dict] = ()
    votes: dict[str, Shares | Quartiles] | None = None


def own_classes(workspace: Workspace, names: str) -> Classifier:
    """A zero-shot head for classes that somebody wrote down, one a line or between commas.

    Raises
    ------
    VeneerError
        When there are not at least two, or the encoder knows no words.
    """
    classes = [each.strip() for each in names.replace("\n", ",").split(",") if each.strip()]
    classes = list(dict.fromkeys(classes))
    if len(classes) < 2:
        raise VeneerError(
            "Recognising by classes of your own: name at least two, one a line or with commas "
            "between them."
        )
    encoder = workspace.encoder()
    if encoder.text_tower is None:
        raise VeneerError(
            f"Recognising by classes of your own: the encoder {encoder.name} knows no words. Use a "
            "head that was fitted to images, or another encoder."
        )
    options = workspace.parameters.zero_shot
    head = fit_zero_shot(classes, options.templates, encoder.embed_texts, options.names)
    return Classifier(head, Card("zero_shot", encoder.fingerprint))


def classifier_of(workspace: Workspace, head: str | None, names: str | None) -> Classifier:
    """The head that was chosen: classes of one's own, a named one, or the most accurate."""
    if names is not None:
        return own_classes(workspace, names)
    return choose_head(workspace.heads(), head)


def recognise(
    workspace: Workspace, paths: Sequence[tuple[Path, str]], text: str | None, chosen: Classifier
) -> Iterator[Recognised]:
    """Judge pictures one after the other; a text alone where there is none.

    Parameters
    ----------
    workspace : Workspace
    paths : sequence of (path, name)
    text : str, optional
        Of all of them, for heads that see texts.
    chosen : Classifier

    Raises
    ------
    VeneerError
        When there are too many pictures, or neither they nor the text are what the head needs.
    """
    if len(paths) > MOST_PICTURES:
        raise VeneerError(
            f"Recognising: {len(paths)} pictures are more than {MOST_PICTURES} at once. Choose "
            "fewer, or use kedro predict, which takes whole folders."
        )
    encoder, source = workspace.encoder(), workspace.parameters.source
    if not paths:
        (row,) = predict_paths([], text, encoder, chosen, source)
        yield Recognised(text or "", row)
        return
    for path, name in paths:
        checked = check_source(
            paths_source([str(path)], text=text, max_bytes=source.max_bytes), source
        )
        (row,) = (
            row for batch in predict_batches(checked, encoder, chosen) for row in batch.to_pylist()
        )
        if row["reason"] is not None:
            reason = f"{REASONS.get(row['reason'], row['reason'])} ({row['detail']})"
            yield Recognised(name, row, reason=reason)
        else:
            yield _with_neighbours(workspace, name, row, path.read_bytes())


def _with_neighbours(workspace: Workspace, name: str, row: dict, data: bytes) -> Recognised:
    try:
        small = thumbnail(data, workspace.parameters.retrieval.thumbnail)
    except RefusedError:  # a head may see texts alone
        return Recognised(name, row)
    index, options = workspace.index(), workspace.parameters.retrieval
    # The nearest neighbours once more among those that heads have learnt from.
    known = "split = 'train' and label is not null"
    neighbours = search(index, Query(image=data), workspace.encoder(), options, k=NEIGHBOURS)
    evidence = search(
        index, Query(image=data), workspace.encoder(), options, k=EVIDENCE, where=known
    ).results
    votes = _votes(neighbours.results)
    return Recognised(name, row, None, small, evidence.to_pylist(), votes)


def _votes(neighbours: pa.Table) -> dict[str, Shares | Quartiles]:
    """On attributes alone: of the label the head has spoken."""
    found = attribute_votes(neighbours)
    return {name: vote for name, vote in found.items() if name != "label"}
