"""Searching a collection by words, by a picture, by both, or by one of its own images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from veneer.encoders.encoder import Encoder
from veneer.errors import VeneerError
from veneer.heads.classifier import Classifier
from veneer.heads.fusion import fuse
from veneer.images import RefusedError, to_rgb
from veneer.retrieval.filters import compile_filter, literal
from veneer.retrieval.index import Candidates, Index
from veneer.retrieval.options import RetrievalOptions, SearchOptions

SPARE = 8  # candidates beyond those wanted, for copies that are left out


@dataclass(frozen=True)
class Query:
    """What is searched for: words, a picture, or both; or an image of the collection.

    Attributes
    ----------
    text : str, optional
    image : bytes, optional
        Of an image file.
    row : str, optional
        ``id`` or ``sha`` of an image of the collection. It is not among its own results.
    """

    text: str | None = None
    image: bytes | None = None
    row: str | None = None


@dataclass(frozen=True)
class Vectors:
    """A query as vectors of length 1, float32 [D]; of a row of the collection, its ids."""

    image: np.ndarray | None
    text: np.ndarray | None
    sha: str | None = None
    id: str | None = None

    def joined(self, image_weight: float) -> np.ndarray:
        """One vector: the weighted mean, scaled to length 1."""
        if self.text is None:
            return self.image
        if self.image is None:
            return self.text
        return _unit(image_weight * self.image + (1 - image_weight) * self.text)


@dataclass(frozen=True)
class Found:
    """What a search gave.

    Attributes
    ----------
    results : Table
        ``rank`` (from 1), ``score`` (cosine), the index's columns that tell of an image, and
        ``thumbnail`` (WebP) where it was asked for. The best first.
    searched : int
        Rows that passed the filter.
    label, confidence : str and float, or None
        The class that the search was confined to.
    """

    results: pa.Table
    searched: int
    label: str | None = None
    confidence: float | None = None

    def rows(self) -> list[dict]:
        """The results as JSON can hold them: dates in ISO 8601, no thumbnails."""
        shown = [name for name in self.results.column_names if name != "thumbnail"]
        rows = self.results.select(shown).to_pylist()
        for row in rows:
            for name in ("modified", "created"):
                row[name] = row[name] and row[name].isoformat()
        return rows

    def why_nothing(self, where: str | None, min_score: float | None) -> str:
        """What to tell where there is no result, of a search with these limits."""
        if self.searched == 0:
            if where is None and self.label is None:
                return "Nothing found: the index has no images."
            of_class = "" if self.label is None else f" in the class {self.label}"
            passing = "" if where is None else f" that passes the filter {where}"
            return f"Nothing found: there is no image{of_class}{passing}."
        if min_score is not None:
            return (
                f"Nothing found: none of {self.searched:,} images has a cosine of {min_score:g} or "
                "more. Ask for less; words and images seldom have more than 0.35."
            )
        return "Nothing found but the image itself and its copies."


def search(
    index: Index,
    query: Query,
    encoder: Encoder,
    options: RetrievalOptions,
    *,
    k: int = 12,
    where: str | None = None,
    min_score: float | None = None,
    copies: bool = False,
    diversify: float | None = None,
    classifier: Classifier | None = None,
    thumbnails: bool = False,
) -> Found:
    """Find the images whose vectors are nearest to a query's.

    Parameters
    ----------
    index : Index
    query : Query
    encoder : Encoder
        That the index was made by.
    options : RetrievalOptions
    k : int
        Results, at most.
    where : str, optional
        Filter on any column but vector and thumbnail; see
        :func:`veneer.retrieval.filters.compile_filter`. The database applies it before it searches.
    min_score : float, optional
        Cosine below which nothing is a result.
    copies : bool
        Whether byte-identical images are results of their own. Otherwise the first by ``id`` stands
        for all.
    diversify : float, optional
        Leave out what has this cosine or a larger one to a better result.
    classifier : Classifier, optional
        Confine the search to the class that it says the query is of.
    thumbnails : bool
        Whether the results carry theirs.

    Raises
    ------
    VeneerError
        When the query is empty, its image cannot be read, its row or a column is not there, the
        filter is malformed, or the encoder is not that of the index.

    Examples
    --------
    >>> found = search(index, Query(text="red stripes"), encoder, options)  # doctest: +SKIP
    >>> found.results["path"][0].as_py()  # doctest: +SKIP
    'striped/striped_0102.jpg'
    """
    if k < 1:
        raise VeneerError(f"Searching: {k} results were asked for; ask for at least one.")
    condition = None if where is None else compile_filter(where, index.schema)
    vectors = query_vectors(query, index, encoder, options.search)
    label = confidence = None
    if classifier is not None:
        label, confidence = predicted_class(vectors, classifier, index.card.fingerprint)
        of_class = f"label = {literal(label)}"
        condition = of_class if condition is None else f"({condition}) AND {of_class}"
    vector = vectors.joined(options.search.image_weight)
    wanted = k + SPARE
    while True:
        found = index.nearest(vector, wanted, options.approximate, condition, index.metadata)
        kept = _kept(found, vectors, k, min_score, copies, diversify)
        if len(kept) == k or len(found.scores) < wanted:
            break
        if min_score is not None and found.scores[-1] < min_score:
            break
        wanted *= 4
    rows = found.rows.take(pa.array(kept, pa.int64()))
    results = rows.select(index.metadata)
    if thumbnails:
        small = index.take(rows["_rowid"].to_pylist(), ["thumbnail"])
        results = results.append_column("thumbnail", small["thumbnail"])
    rank = pa.array(range(1, len(kept) + 1), pa.int32())
    score = pa.array(found.scores[kept], pa.float32())
    results = results.add_column(0, "score", score).add_column(0, "rank", rank)
    searched = index.rows if condition is None else index.count(condition)
    return Found(results, searched, label, confidence)


def query_vectors(query: Query, index: Index, encoder: Encoder, options: SearchOptions) -> Vectors:
    """The query under the index's encoder.

    Raises
    ------
    VeneerError
        See :func:`search`.
    """
    if query.text is None and query.image is None and query.row is None:
        raise VeneerError("Searching: say what for: words, an image, or an image's id or sha.")
    if query.image is not None and query.row is not None:
        raise VeneerError(
            "Searching: an image and a row of the collection were both given; give one of them."
        )
    if query.text is not None and not query.text.strip():
        raise VeneerError(
            "Searching: the words are empty. Say what to look for, or leave them out."
        )
    image = text = sha = id_ = None
    if query.row is not None:
        image, sha, id_ = _row(index, query.row)
    if query.image is not None or query.text is not None:
        index.require_encoder(encoder.name, encoder.fingerprint)
    if query.image is not None:
        try:
            (image,) = encoder.embed_images([to_rgb(query.image)])
        except RefusedError as error:
            raise VeneerError(f"Searching by an image: it cannot be read ({error}).") from error
    if query.text is not None:
        if encoder.text_tower is None:
            raise VeneerError(
                f"Searching for {query.text!r}: the encoder {encoder.name} has no text tower. "
                "Search by an image, or use an encoder that knows words."
            )
        words = query.text.strip()
        prompts = [template.replace("{}", words) for template in options.templates]
        text = _unit(encoder.embed_texts(prompts).mean(axis=0))
    return Vectors(image, text, sha, id_)


def predicted_class(
    vectors: Vectors, classifier: Classifier, fingerprint: str
) -> tuple[str, float]:
    """The class of a query, and how sure the head is.

    Words alone go to a head as if they were an image: heads that know the classes by their names
    (``zero_shot``, ``proker``) can judge them.
    """
    image, text = vectors.image, vectors.text
    if classifier.card.fusion == "image" and image is None:
        image = text
    zeros = np.zeros_like(image if image is not None else text)
    features = fuse(
        (zeros if image is None else image)[None],
        (zeros if text is None else text)[None],
        classifier.card.fusion,
    )
    (probabilities,) = classifier.probabilities(features, fingerprint)
    best = int(probabilities.argmax())
    return str(classifier.classes[best]), float(probabilities[best])


def _row(index: Index, key: str) -> tuple[np.ndarray, str, str]:
    """Vector, sha and id of a row by its id or sha."""
    condition = f"id = {literal(key)} OR sha = {literal(key)}"
    found = index.table(["id", "sha", "vector"], condition)
    if not len(found):
        raise VeneerError(
            f"Searching by the image {key!r}: no image of the index {index.folder} has this id or "
            "sha. `kedro search --json` shows those of its results."
        )
    row = found.sort_by("id").slice(0, 1).to_pylist()[0]
    return np.asarray(row["vector"], np.float32), row["sha"], row["id"]


def _kept(
    found: Candidates,
    query: Vectors,
    k: int,
    min_score: float | None,
    copies: bool,
    diversify: float | None,
) -> list[int]:
    """Places of the candidates that become results."""
    kept: list[int] = []
    seen = set() if query.sha is None or copies else {query.sha}
    rows = zip(found.rows["id"].to_pylist(), found.rows["sha"].to_pylist(), strict=True)
    for place, (id_, sha) in enumerate(rows):
        if len(kept) == k or (min_score is not None and found.scores[place] < min_score):
            break
        if id_ == query.id or (sha in seen and not copies):
            continue
        if diversify is not None and kept:
            nearest = (found.vectors[kept] @ found.vectors[place]).max()
            if nearest >= diversify:
                continue
        kept.append(place)
        seen.add(sha)
    return kept


def _unit(vector: np.ndarray) -> np.ndarray:
    length = np.linalg.norm(vector)
    if not length:
        raise VeneerError(
            "Searching: the vectors of words and image cancel each other out. Use another weight."
        )
    return (vector / length).astype(np.float32)
