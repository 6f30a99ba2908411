"""Whether the best score of a search is low: the best scores that are usual in a collection.

The cosines of words with images have another level under each encoder, and in each collection. So
a score is compared with those of queries of its own kind, whose answer is known.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from veneer.encoders.encoder import Encoder
from veneer.retrieval.index import Index, among
from veneer.retrieval.options import ApproximateOptions, RetrievalOptions
from veneer.retrieval.search import SPARE, Query, query_vectors
from veneer.schema import vectors as vectors_of

UNSEEN = (
    "algebra", "although", "ambiguity", "arithmetic", "bankruptcy", "because", "bureaucracy",
    "citizenship", "coincidence", "copyright", "deadline", "democracy", "diplomacy", "ethics",
    "etymology", "forgiveness", "gossip", "grammar", "honesty", "hypothesis", "inflation",
    "insurance policy", "irony", "jurisprudence", "loyalty", "metaphor", "monarchy",
    "mortgage rate", "never", "nostalgia", "notwithstanding", "obedience", "parliament",
    "patience", "philosophy", "postponement", "precedent", "probability", "proverb",
    "punctuality", "regret", "rhetoric", "rumour", "seventeen", "sovereignty", "syllable",
    "synonym", "the", "theology", "theorem", "therefore", "tomorrow", "trade agreement",
    "Tuesday", "unemployment", "verb", "whereas", "wisdom", "yesterday",
)  # fmt: skip
"""Words that no image shows. Their scores are what a search has by chance."""

FEWEST = 3
"""Reference queries. Fewer say nothing."""

MOST_LABELS = 200
"""That are searched for; of more, as many are taken, evenly from their alphabetical order."""


def usual_scores(
    index: Index,
    vectors: np.ndarray,
    options: ApproximateOptions,
    shas: Sequence[str] | None = None,
) -> np.ndarray:
    """The best score of each of some queries.

    Parameters
    ----------
    index : Index
    vectors : float32 array [m, D], rows of length 1
        The queries.
    options : ApproximateOptions
    shas : sequence of m str, optional
        Of queries that are images of the collection: an image and its byte-identical copies are
        not among its own results.

    Returns
    -------
    float32 array [m]
        Cosines; NaN where there is no result.

    Raises
    ------
    ValueError
        When there are not as many ``shas`` as vectors.
    """
    own = [None] * len(vectors) if shas is None else shas
    pairs = zip(vectors, own, strict=True)
    return np.array([_best(index, vector, sha, options) for vector, sha in pairs], np.float32)


def low_score(scores: np.ndarray, share: float = 0.05) -> float:
    """The score below which only ``share`` of the usual ones lie.

    Parameters
    ----------
    scores : float array [m]
        Of reference queries, none of them NaN; at least one.
    share : float
        Between 0 and 1.

    Returns
    -------
    float
        The k-th smallest, where k is ``share`` of m + 1, rounded down; the smallest where that is
        0.

    Raises
    ------
    ValueError
        When there are no scores, or one is NaN.

    Notes
    -----
    A further query of the same kind is below the k-th smallest with a probability of at most
    k / (m + 1), whatever their distribution: the argument of conformal prediction; see Bates,
    Candès, Lei, Romano and Sesia, Testing for outliers with conformal p-values, Annals of
    Statistics 2023. With fewer than 19 scores that may be more than 5 % even of the smallest.
    """
    scores = np.sort(np.asarray(scores, np.float64))
    if not len(scores) or np.isnan(scores).any():
        raise ValueError("scores are needed, at least one, and none of them NaN")
    return float(scores[_rank(len(scores), share) - 1])


def expected_words(
    index: Index,
    encoder: Encoder,
    options: RetrievalOptions,
    labels: Sequence[str],
    share: float = 0.05,
) -> float | None:
    """The best score below which a search by words found nothing that fits.

    Parameters
    ----------
    index : Index
    encoder : Encoder
        That the index was made by.
    options : RetrievalOptions
        As the search has them.
    labels : sequence of str
        Names of what is in the collection.
    share : float
        See :func:`low_score`.

    Returns
    -------
    float or None
        The lower of two scores: the one that the collection's own names seldom stay below, and the
        one that words without a picture seldom exceed. None where there are fewer than
        :data:`FEWEST` different labels, the index is empty, or the encoder knows no words.

    Raises
    ------
    VeneerError
        When the encoder is not that of the index.

    Notes
    -----
    The names alone would be too strict a measure where they are few, and each describes a large
    part of the collection better than most searches describe anything; the words without a picture
    alone where a collection shows something that is near to them, such as scanned pages.
    """
    names = sorted({label.strip() for label in labels} - {""})
    if len(names) < FEWEST or not index.rows or encoder.text_tower is None:
        return None
    if len(names) > MOST_LABELS:
        places = np.linspace(0, len(names) - 1, MOST_LABELS).round().astype(int)
        names = [names[place] for place in places]

    def scores(words: Sequence[str]) -> np.ndarray:
        queries = (Query(text=each) for each in words)
        found = [query_vectors(each, index, encoder, options.search).text for each in queries]
        return usual_scores(index, np.stack(found), options.approximate)

    # What is exceeded by few is, with its sign turned, what few stay below.
    return min(low_score(scores(names), share), -low_score(-scores(UNSEEN), share))


def expected_pictures(
    index: Index,
    options: RetrievalOptions,
    seed: int,
    sample: int = 200,
    share: float = 0.05,
) -> float | None:
    """The best score below which a search by a picture found nothing like it.

    Parameters
    ----------
    index : Index
    options : RetrievalOptions
    seed : int
    sample : int
        Images of the collection that are searched by; neither they nor their byte-identical copies
        are their own results.
    share : float
        See :func:`low_score`.

    Returns
    -------
    float or None
        None where there are fewer than :data:`FEWEST` different images.

    Notes
    -----
    The score of the nearest neighbour as a measure of what does not belong is that of Sun, Ming,
    Zhu and Li, Out-of-distribution detection with deep nearest neighbors, ICML 2022.
    """
    drawn = _drawn(index, seed, sample)
    if len(drawn) < FEWEST:
        return None
    rows = index.table(["sha", "vector"], among("sha", drawn))
    shas, first = np.unique(rows["sha"].to_numpy(), return_index=True)
    queries = vectors_of(rows["vector"])[first]
    return low_score(usual_scores(index, queries, options.approximate, list(shas)), share)


def _best(index: Index, vector: np.ndarray, sha: str | None, options: ApproximateOptions) -> float:
    """The largest cosine to an image that is not of this sha."""
    wanted = 1 if sha is None else 1 + SPARE
    while True:
        found = index.nearest(vector, wanted, options)
        others = np.array([other != sha for other in found.rows["sha"].to_pylist()], bool)
        if others.any():
            return float(found.scores[others.argmax()])
        if len(found.scores) < wanted:
            return float("nan")
        wanted *= 4


def _rank(count: int, share: float) -> int:
    """Which of so many scores, from 1, has so small a share below it."""
    # Rounded first: 0.05 times 20 is not to be less than 1.
    return min(max(int(round(share * (count + 1), 9)), 1), count)


def _drawn(index: Index, seed: int, count: int) -> list[str]:
    """Some shas of the index, whatever order its rows come in.

    A sha is a hash, so those that follow a random one are a random sample; what is in memory is
    no more than the sample and a batch.
    """
    start = np.random.default_rng(seed).bytes(20).hex()
    kept: set[str] = set()
    for batch in index.batches(["sha"]):
        shas = kept.union(batch["sha"].to_pylist())
        kept = set(sorted(shas, key=lambda sha: (sha < start, sha))[:count])
    return sorted(kept)
