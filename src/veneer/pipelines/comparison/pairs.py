"""A collection under an encoder: what is there of it, and how the rest is made."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from kedro.pipeline import Pipeline

from veneer.comparison import RETRIEVAL, values_of
from veneer.encoders.encoder import Encoder
from veneer.heads.registry import FORMATS
from veneer.origin import origin_of, rows_digest
from veneer.pipelines import data_processing, embedding, modeling, retrieval
from veneer.pipelines.modeling.nodes import head_keys, labelled_rows, modeled_digest
from veneer.schema import TUNED

if TYPE_CHECKING:
    from veneer.project import Project  # with MLflow

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Pair:
    """One collection under one encoder.

    Attributes
    ----------
    collection, encoder : str
        Their names.
    project : Project or None
        As `kedro run` would see it; None where it could not be opened.
    opened : Encoder or None
    missing : str or None
        Why there is nothing to be compared, in a sentence.
    values : dict of name to Table
        Of :func:`veneer.comparison.values_of`.
    card : dict
        What `data_processing` counted in the collection.
    queries : str
        Which images are searched for, in words.
    """

    collection: str
    encoder: str
    project: Project | None = None
    opened: Encoder | None = None
    missing: str | None = None
    values: dict[str, pa.Table] | None = None
    card: dict | None = None
    queries: str = "all images"

    @property
    def is_tuned(self) -> bool:
        """Whether the encoder may have been trained on images of the collection."""
        return self.opened.fingerprint.startswith(TUNED)

    def of_held_out_queries(self) -> Pair:
        """The same pair, with the searches for images of the training side left out.

        A tuned encoder has seen those, with their labels.
        """
        splits = self.project.catalog.load("splits")
        trained = splits.filter(pc.equal(splits["split"], "train"))["id"].combine_chunks()

        def held_out(rows: pa.Table) -> pa.Table:
            return rows.filter(pc.invert(pc.is_in(rows["id"], trained)))

        values = {
            name: held_out(rows) if name in RETRIEVAL else rows
            for name, rows in self.values.items()
        }
        kept = {name: rows for name, rows in values.items() if len(rows)}
        return replace(self, values=kept, queries="images that are not trained on")

    def without(self, error: object) -> Pair:
        """The same pair, of which there is nothing to be compared."""
        logger.warning("%s under %s is left out: %s", self.collection, self.encoder, error)
        return replace(self, missing=str(error))

    def brought_up_to_date(self, heads: list[str]) -> Pair:
        """Embed, fit and search, if what is there is not of these images and settings.

        Raises
        ------
        VeneerError
            Whatever the pipelines say.
        """
        stale, fitted = self._stale(heads)
        if stale:
            logger.info(
                "%s under %s: running %s", self.collection, self.encoder, " and ".join(stale)
            )
            # What has its vectors is not embedded again, and images may have been added.
            steps = embedding.create_pipeline()
            if "modeling" in stale:
                # Heads that are there already stay: they are saved as a whole.
                options = self.project.parameters.modeling
                wanted = [name for name in FORMATS if name in (*fitted, *heads)]
                given = options.model_copy(update={"heads": wanted})
                self.project.catalog.save("params:modeling", given)
                steps += modeling.create_pipeline()
            if "retrieval" in stale:
                steps += retrieval.create_pipeline()
            self.project.run(untracked(steps))
        else:
            logger.info("%s under %s: everything is there", self.collection, self.encoder)
        load = self.project.catalog.load
        values = values_of(load("retrieval_queries"), load("predictions"), heads)
        return replace(self, values=values, card=load("collection_card"))

    def _stale(self, heads: list[str]) -> tuple[list[str], list[str]]:
        """Pipelines that have to run, and the heads that are there."""
        parameters, catalog = self.project.parameters, self.project.catalog
        image_rows, splits = catalog.load("image_rows"), catalog.load("splits")
        predictions, queries = self._known("predictions"), self._known("retrieval_queries")
        modeled, searched = origin_of(predictions.schema), origin_of(queries.schema)
        keys = head_keys(
            parameters.modeling.model_copy(update={"heads": heads}),
            parameters.svc,
            parameters.mlp,
            parameters.proker,
            parameters.zero_shot,
            parameters.seed,
        )
        of_heads = {
            "rows": modeled_digest(labelled_rows(image_rows, splits), parameters.modeling),
            "encoder": self.opened.fingerprint,
            # Others may be there as well.
            "heads": modeled.get("heads", {}) | keys,
        }
        options = parameters.retrieval.evaluation
        of_search = {
            "rows": rows_digest(self._searched_rows(image_rows, options.relevance)),
            "encoder": self.opened.fingerprint,
            "options": options.key(parameters.seed),
        }
        stale = ["modeling"] * (modeled != of_heads) + ["retrieval"] * (searched != of_search)
        fitted = pc.unique(predictions["head"]).to_pylist() if len(predictions) else []
        return stale, fitted

    def _known(self, dataset: str) -> pa.Table:
        """A table of an earlier run; an empty one without columns where there is none."""
        catalog = self.project.catalog
        return catalog.load(dataset) if catalog[dataset].exists() else pa.table({})

    def _searched_rows(self, image_rows: ds.Dataset, relevance: str) -> pa.Table:
        """``id`` and ``label`` of the images by which a search is evaluated."""
        column = ds.field("label")
        if relevance != "label":
            column = ds.field("attributes", relevance)
        columns = {"id": ds.field("id"), "sha": ds.field("sha"), "label": column.cast(pa.string())}
        rows = image_rows.to_table(columns=columns)
        rows = rows.filter(pc.is_valid(rows["label"]))
        if self.project.catalog["not_embedded"].exists():
            damaged = self.project.catalog.load("not_embedded")["sha"].combine_chunks()
            rows = rows.filter(pc.invert(pc.is_in(rows["sha"], damaged)))
        return rows.select(["id", "label"])


def ingest(project: Project) -> None:
    """Bring a collection's rows up to date; files that have not changed are not read again.

    Raises
    ------
    VeneerError
        Whatever the pipeline says.
    """
    project.run(untracked(data_processing.create_pipeline()))


def untracked(pipeline: Pipeline) -> Pipeline:
    """The pipeline without its nodes that only tell MLflow, whose run is the comparison's."""
    return Pipeline([each for each in pipeline.nodes if each.outputs])
