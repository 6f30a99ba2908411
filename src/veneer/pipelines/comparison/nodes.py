"""Nodes of `comparison`."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
import pyarrow as pa
from click import ClickException
from PIL import Image

from veneer import comparison as comparing
from veneer.encoders.config import encoder_name
from veneer.encoders.encoder import FIRST_ROWS
from veneer.encoders.rates import machine, measure_rates
from veneer.errors import VeneerError
from veneer.origin import digest
from veneer.parameters import ComparedCollection, ComparisonOptions, EmbeddingOptions
from veneer.pipelines.comparison.pairs import Pair, ingest
from veneer.progress import progress
from veneer.projects import Projects
from veneer.sources.options import SourceOptions
from veneer.streams import drawn_images

logger = logging.getLogger(__name__)


def open_pairs(
    projects: Projects,
    comparison: ComparisonOptions,
    source: SourceOptions,
    embedding: EmbeddingOptions,
) -> list[Pair]:
    """Open every collection under every encoder; what cannot be opened says why.

    Raises
    ------
    VeneerError
        When none can.
    """
    pairs = []
    for collection in comparison.collections or [ComparedCollection(name=source.collection)]:
        for encoder in comparison.encoders or [embedding.encoder]:
            pair = Pair(collection.name, encoder_name(encoder))
            try:
                own = collection == ComparedCollection(name=source.collection)
                project = projects.open(None if own else collection, encoder)
                pair = replace(pair, project=project, opened=project.open_encoder())
            except (VeneerError, ClickException) as error:
                pair = pair.without(error)
            pairs.append(pair)
    _require_some(pairs)
    return pairs


def run_what_is_missing(opened_pairs: list[Pair], comparison: ComparisonOptions) -> list[Pair]:
    """Run, for each pair, the pipelines whose results are not there or of something else.

    Each keeps what it has made, so that a comparison that is killed goes on where it was.

    Raises
    ------
    VeneerError
        When no pair is left.
    """
    ingested: dict[str, str | None] = {}
    pairs = []
    for given in opened_pairs:
        pair = given
        try:
            if pair.missing is None:
                if pair.collection not in ingested:
                    ingested[pair.collection] = _why_not_ingested(pair)
                if ingested[pair.collection] is not None:
                    raise VeneerError(ingested[pair.collection])
                pair = pair.brought_up_to_date(comparison.heads)
        except (VeneerError, ClickException) as error:
            pair = pair.without(error)
        pairs.append(pair)
    _require_some(pairs)
    return _judged_by_the_same(pairs)


def _judged_by_the_same(pairs: list[Pair]) -> list[Pair]:
    """Where a tuned encoder is among them, search for images that nothing was trained on."""
    tuned = {pair.collection for pair in pairs if pair.missing is None and pair.is_tuned}
    return [
        pair.of_held_out_queries() if pair.missing is None and pair.collection in tuned else pair
        for pair in pairs
    ]


def _why_not_ingested(pair: Pair) -> str | None:
    """Bring the collection's rows up to date; why that could not be done, or None."""
    try:
        ingest(pair.project)
    except (VeneerError, ClickException) as error:
        return str(error)
    return None


def _require_some(pairs: list[Pair]) -> None:
    if any(pair.missing is None for pair in pairs):
        return
    reasons = dict.fromkeys(f"{pair.encoder}: {pair.missing}" for pair in pairs)
    raise VeneerError("Comparing encoders: none of them can be compared. " + " ".join(reasons))


def rate(pairs: list[Pair], known_rates: dict, comparison: ComparisonOptions, seed: int) -> dict:
    """Measure how many images a second each encoder embeds, if that is not known.

    Rates are compared only where they were measured together: where one of a collection's encoders
    has none yet, all of them are measured anew.

    Returns
    -------
    dict
        By collection: ``key`` (of the images, the machine and the settings), ``machine``,
        ``images`` (how many there were), and ``encoders``, by name ``fingerprint``, ``runtime`` and
        ``rates``, images a second of each round.
    """
    found = dict(known_rates)
    for collection, group in by_collection(pairs).items():
        options = group[0].project.parameters.embedding
        images = drawn_images(
            group[0].project.catalog.load("image_rows"), comparison.rates.images, seed
        )
        settings = options.model_dump(include={"runtime", "decode", "batch_size"})
        key = digest(images["sha"].to_pylist(), machine(), settings, comparison.rates.rounds)
        prints = {pair.encoder: pair.opened.fingerprint for pair in group}
        known = found.get(collection, {})
        measured = {n: each["fingerprint"] for n, each in known.get("encoders", {}).items()}
        if known.get("key") == key and prints.items() <= measured.items():
            continue
        encoders = {pair.encoder: pair.opened for pair in group}
        batches = images.combine_chunks().to_batches(FIRST_ROWS)
        turns = len(encoders) * (comparison.rates.rounds + 1)
        with progress(turns, f"measuring rates on {collection}", "turns") as advance:
            rates = measure_rates(encoders, batches, comparison.rates.rounds, advance)
        found[collection] = {
            "key": key,
            "machine": machine(),
            "images": len(images),
            "encoders": {
                name: {
                    "fingerprint": encoder.fingerprint,
                    "runtime": encoder.image_tower.runtime,
                    "rates": rates[name],
                }
                for name, encoder in encoders.items()
            },
        }
    return found


def by_collection(pairs: list[Pair]) -> dict[str, list[Pair]]:
    """The pairs that can be compared, by collection."""
    groups: dict[str, list[Pair]] = {}
    for pair in pairs:
        if pair.missing is None:
            groups.setdefault(pair.collection, []).append(pair)
    return groups


def compare(pairs: list[Pair], rates: dict, comparison: ComparisonOptions) -> dict:
    """Everything that table, chart and pages show.

    Returns
    -------
    dict
        ``name``, ``decide_by``, ``heads``; ``collections``, by name what the collection is,
        ``encoders`` (figures and costs of each, or why it is ``missing``), ``winner`` (see
        :func:`veneer.comparison.overall_winner`) and ``verdict``, the same in words; ``winner`` and
        ``verdict`` over all collections, None where there is but one.
    """
    by = comparison.decide_by
    collections: dict[str, dict] = {}
    for pair in pairs:
        collection = collections.setdefault(pair.collection, {"encoders": {}})
        if pair.missing is not None:
            collection["encoders"][pair.encoder] = {"missing": pair.missing}
            continue
        options = pair.project.parameters
        collection |= {
            "images": pair.card["images"],
            "fingerprint": pair.card["fingerprint"],
            "relevance": options.retrieval.evaluation.relevance,
            "queries": pair.queries,
            "machine": rates[pair.collection]["machine"],
            "rated_images": rates[pair.collection]["images"],
        }
        collection["encoders"][pair.encoder] = _entry(pair, rates[pair.collection])
    values = {
        name: {pair.encoder: pair.values for pair in group}
        for name, group in by_collection(pairs).items()
    }
    for name, collection in collections.items():
        _add_ratios(collection["encoders"])
        found = comparing.winner(values.get(name, {}), by)
        collection["winner"] = found
        collection["verdict"] = comparing.verdict(found, f"on {name}", by, collection["encoders"])
        logger.info("%s", collection["verdict"])
    overall, told = None, None
    if len(collections) > 1:
        overall = comparing.overall_winner(values, by)
        where = f"over the {len(collections)} collections"
        told = comparing.verdict(overall, where, by, _mean_costs(collections))
        logger.info("%s", told)
    return {
        "name": comparison.name,
        "decide_by": by,
        "heads": comparison.heads,
        "collections": collections,
        "winner": overall,
        "verdict": told,
    }


def _entry(pair: Pair, rates: dict) -> dict:
    measured = rates["encoders"][pair.encoder]
    return {
        "fingerprint": pair.opened.fingerprint,
        "runtime": measured["runtime"],
        "dimension": pair.opened.dimension,
        "vector_bytes": 4 * pair.opened.dimension,
        "images_per_second": float(np.median(measured["rates"])),
        "images_per_second_range": [min(measured["rates"]), max(measured["rates"])],
        "figures": {name: comparing.figure(rows) for name, rows in pair.values.items()},
    }


def _add_ratios(encoders: dict[str, dict]) -> None:
    """``rate_ratio``, to the first encoder that could be compared."""
    there = [each for each in encoders.values() if "missing" not in each]
    for each in there:
        each["rate_ratio"] = each["images_per_second"] / there[0]["images_per_second"]


def _mean_costs(collections: dict[str, dict]) -> dict[str, dict]:
    """Of each encoder ``vector_bytes``, and the geometric mean of its rates."""
    entries: dict[str, list[dict]] = {}
    for collection in collections.values():
        for name, each in collection["encoders"].items():
            if "missing" not in each:
                entries.setdefault(name, []).append(each)
    return {
        name: {
            "vector_bytes": found[0]["vector_bytes"],
            "images_per_second": float(
                np.exp(np.mean([np.log(each["images_per_second"]) for each in found]))
            ),
        }
        for name, found in entries.items()
    }


def tabulate(comparison: dict) -> pa.Table:
    """One row a collection and encoder: every figure with its interval, and the costs."""
    figures = [*comparing.RETRIEVAL, *comparison["heads"]]
    numbers = [f"{name}{end}" for name in figures for end in ("", "_low", "_high")]
    schema = pa.schema(
        [("collection", pa.string()), ("encoder", pa.string())]
        + [(name, pa.float64()) for name in (*numbers, "images_per_second", "rate_ratio")]
        + [("vector_bytes", pa.int64()), ("runtime", pa.string()), ("missing", pa.string())]
    )
    rows = []
    for collection, found in comparison["collections"].items():
        for encoder, entry in found["encoders"].items():
            row = {**entry, "collection": collection, "encoder": encoder}
            for name in figures:
                told = entry.get("figures", {}).get(name, {})
                low, high = told.get("interval_95", (None, None))
                row |= {name: told.get("value"), f"{name}_low": low, f"{name}_high": high}
            rows.append(row)
    return pa.Table.from_pylist(rows, schema=schema)


def draw(comparison: dict) -> dict[str, Image.Image]:
    """One chart of all figures of all encoders on all collections."""
    from veneer.figures.comparison import comparison_chart

    return {"comparison": comparison_chart(comparison)}


def write(comparison: dict, comparison_charts: dict[str, Image.Image]) -> tuple[str, str]:
    """The comparison as Markdown, and as one HTML page with its chart."""
    from veneer.figures.comparison_page import comparison_markdown, comparison_page

    chart = comparison_charts["comparison"]
    return comparison_markdown(comparison), comparison_page(comparison, chart)


def track_comparison(
    comparison: dict,
    comparison_table: pa.Table,
    comparison_charts: dict[str, Image.Image],
    comparison_markdown: str,
    comparison_page: str,
) -> None:
    """Log all of it to the active MLflow run, if there is one."""
    from veneer.pipelines import tracking

    tracking.log_comparison(comparison)
    tracking.log_pictures("comparison", comparison_charts)
    tracking.log_page("comparison/comparison.csv", comparison_table.to_pandas().to_csv(index=False))
    tracking.log_page("comparison/comparison.md", comparison_markdown)
    tracking.log_page("comparison/comparison.html", comparison_page)
