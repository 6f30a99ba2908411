"""What is asked for on the search page, in its address, and by scripts; and the answer."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from numbers import Real
from urllib.parse import urlencode

import numpy as np
import pyarrow as pa

from veneer.app.workspace import Workspace
from veneer.errors import VeneerError
from veneer.images import inspect_image
from veneer.predict import choose_search_head
from veneer.refusals import REASONS, RefusedError
from veneer.retrieval.expectations import expected_pictures, expected_words
from veneer.retrieval.filters import compile_filter
from veneer.retrieval.search import Found, Query, search
from veneer.sources.public import fetch_public

logger = logging.getLogger(__name__)

MOST_RESULTS = 200
RESULTS = 24
LOW = (
    "Nothing in this collection is very near: the best score is lower than what fits usually "
    "reaches here ({expected:.3f}). Broaden or rephrase: try a plainer word, a colour, a material, "
    "or a picture."
)


@dataclass(frozen=True)
class Asked:
    """A search as it can stand in an address; all but an uploaded picture.

    Attributes
    ----------
    q : str
        Words.
    image : str
        Address of a picture.
    like : str
        ``id`` of an image of the collection.
    k : int
    weight : float or None
        Of the picture, where words are given as well; None takes that of the parameters.
    head : str
        Which one confines the search to its class: a head's name, ``auto``, or none at all.
    where : str
        Filter, see :mod:`veneer.retrieval.filters`.
    min : float or None
        Cosine below which nothing is a result.
    copies : bool
        Whether byte-identical images are results of their own.
    """

    q: str = ""
    image: str = ""
    like: str = ""
    k: int = RESULTS
    weight: float | None = None
    head: str = ""
    where: str = ""
    min: float | None = None
    copies: bool = False

    def address(self) -> str:
        """As the query of a web address; what is as usual is left out."""
        usual = Asked()
        given = {each.name: getattr(self, each.name) for each in fields(self)}
        return "?" + urlencode({k: v for k, v in given.items() if v != getattr(usual, k)})

    @classmethod
    def from_address(cls, query: Mapping[str, str]) -> Asked:
        """Inverse of :meth:`address`.

        Raises
        ------
        VeneerError
            When a value is not what it should be.
        """
        given = {each.name: query[each.name] for each in fields(cls) if query.get(each.name)}
        for name, kind in (("k", int), ("weight", float), ("min", float)):
            if name in given:
                try:
                    given[name] = kind(given[name])
                except ValueError:
                    raise VeneerError(
                        f"Reading the address: {name}={given[name]} is no number. Correct it, or "
                        "leave it out."
                    ) from None
        if "copies" in given:
            given["copies"] = given["copies"].lower() in ("true", "1")
        return cls(**given).checked()

    def checked(self) -> Asked:
        """Itself.

        Raises
        ------
        VeneerError
            When something of it is of the wrong type, or out of its range. What comes from a
            browser or a script may be anything.
        """
        for name in ("q", "image", "like", "head", "where"):
            if not isinstance(getattr(self, name), str):
                raise VeneerError(f"Searching: {name} is {getattr(self, name)!r}; give a text.")
        if type(self.k) is not int or not 1 <= self.k <= MOST_RESULTS:
            raise VeneerError(
                f"Searching: {self.k!r} results were asked for. Ask for 1 to {MOST_RESULTS}."
            )
        for name, what, low in (("weight", "the picture's weight", 0), ("min", "the score", -1)):
            value = getattr(self, name)
            # Of what is not a number, every comparison is false.
            if value is not None and not (_is_number(value) and low <= value <= 1):
                raise VeneerError(f"Searching: {what} is {value!r}. Take {low} to 1.")
        return self


def answer(workspace: Workspace, asked: Asked, picture: bytes | None = None) -> Found:
    """Search for what is asked for.

    Parameters
    ----------
    workspace : Workspace
    asked : Asked
    picture : bytes, optional
        That was uploaded; it goes before the one of an address.

    Raises
    ------
    VeneerError
        See :func:`veneer.retrieval.search.search` and :func:`fetch_public`.
    """
    asked.checked()
    index, source = workspace.index(), workspace.parameters.source
    if picture is None and asked.image.strip():
        picture = fetch_public(asked.image.strip(), max_bytes=source.max_bytes)
    if picture is not None:
        try:
            inspect_image(picture, max_pixels=source.max_pixels)
        except RefusedError as error:
            raise VeneerError(
                f"Searching by a picture: it is refused ({REASONS[error.reason]}: {error.detail}). "
                "Choose another file."
            ) from error
    query = Query(asked.q.strip() or None, picture, asked.like or None)
    classifier = None
    if asked.head:
        name = None if asked.head == "auto" else asked.head
        classifier = choose_search_head(workspace.heads(), query, name)
    options = workspace.parameters.retrieval
    if asked.weight is not None:
        options = options.weighing_images(asked.weight)
    found = search(
        index,
        query,
        workspace.encoder(),
        options,
        k=asked.k,
        where=asked.where.strip() or None,
        min_score=asked.min,
        copies=asked.copies,
        classifier=classifier,
        thumbnails=True,
    )
    return replace(found, results=workspace.keep_thumbnails(found.results))


def advice(workspace: Workspace, asked: Asked, found: Found, has_picture: bool) -> str | None:
    """What to do about a search whose best score is lower than those of searches that fit."""
    if not len(found.results):
        return None
    if has_picture or asked.like:
        # Of words and a picture together nothing is known.
        expected = None if asked.q else _expected_of_pictures(workspace)
    else:
        expected = _expected_of_words(workspace)
    if expected is None or found.results["score"][0].as_py() >= expected:
        return None
    return LOW.format(expected=expected)


def _expected_of_words(workspace: Workspace) -> float | None:
    index, options = workspace.index(), workspace.parameters.retrieval
    return workspace.of_index(
        "expected_words",
        index,
        lambda: expected_words(index, workspace.encoder(), options, labels(workspace)),
    )


def _expected_of_pictures(workspace: Workspace) -> float | None:
    index, options = workspace.index(), workspace.parameters.retrieval
    return workspace.of_index(
        "expected_pictures",
        index,
        lambda: expected_pictures(index, options, workspace.parameters.seed),
    )


def warm(workspace: Workspace) -> None:
    """Begin to open what the first search needs, in a thread of its own."""

    def open_all() -> None:
        try:
            _expected_of_words(workspace)
            _expected_of_pictures(workspace)
            workspace.heads()
        except Exception as error:  # told to whoever asks for it
            logger.debug("warming up", exc_info=error)

    threading.Thread(target=open_all, name="warm", daemon=True).start()


def labels(workspace: Workspace) -> list[str]:
    """The labels of the collection, the commonest first."""
    columns = workspace.columns()
    return next((list(each.values) for each in columns if each.name == "label"), [])


def browse(workspace: Workspace, asked: Asked) -> tuple[pa.Table, int]:
    """Some images, the same ones each time, for those who look for nothing in particular.

    Returns
    -------
    Table
        At most ``asked.k`` images that pass ``asked.where``.
    int
        How many pass.
    """
    asked.checked()
    index, where = workspace.index(), asked.where.strip()
    condition = compile_filter(where, index.schema) if where else None
    batch = next(index.batches(index.metadata, condition), None)
    if batch is None:
        return index.schema.empty_table().select(index.metadata), 0
    generator = np.random.default_rng(workspace.parameters.seed)
    rows = np.sort(generator.permutation(batch.num_rows)[: asked.k])
    return pa.Table.from_batches([batch]).take(rows), index.count(condition)


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)
