"""What may be said of retrieval, with types."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from veneer.origin import digest
from veneer.sources.options import Options, Positive

Cosine = Annotated[float, Field(gt=0, le=1)]


class ApproximateOptions(Options):
    """The index of vectors that large tables have; see docs/retrieval.md.

    Attributes
    ----------
    from_rows : int
        Tables of fewer rows are searched exactly.
    partition_rows : int
        The vectors are cut into as many partitions as give about so many rows each.
    nprobes : int
        Partitions that a search looks through; the square root of their number where that is more.
    refine_factor : int
        How many times as many rows as are wanted are compared by their exact vectors.
    """

    from_rows: Positive
    partition_rows: Positive
    nprobes: Positive
    refine_factor: Positive


class SearchOptions(Options):
    """How words become vectors; see :func:`veneer.retrieval.search.query_vectors`."""

    templates: Annotated[list[str], Field(min_length=1)]
    image_weight: Annotated[float, Field(ge=0, le=1)]


class EvaluationOptions(Options):
    """What a search is measured by; see :mod:`veneer.retrieval.evaluation`."""

    relevance: str
    most_queries: Positive

    def key(self, seed: int) -> str:
        """Digest of all that decides what a query finds, for :mod:`veneer.origin`."""
        return digest(self.model_dump(), seed)


class TwinOptions(Options):
    """See :func:`veneer.retrieval.twins.find_twins`."""

    threshold: Cosine | None
    most_rows: Positive


class RetrievalOptions(Options):
    """Everything about the index, and what is done with it."""

    thumbnail: Annotated[int, Field(ge=16, le=1024)]
    approximate: ApproximateOptions
    search: SearchOptions
    evaluation: EvaluationOptions
    twins: TwinOptions

    def weighing_images(self, weight: float) -> RetrievalOptions:
        """These options with another weight of images, where words are given as well."""
        search = self.search.model_copy(update={"image_weight": weight})
        return self.model_copy(update={"search": search})
