"""Nodes of `reporting`."""

from __future__ import annotations

import logging
from collections import Counter

import pyarrow as pa
import pyarrow.compute as pc
from PIL import Image

from veneer.encoders.encoder import Encoder
from veneer.figures.report import report_page
from veneer.parameters import ReportingOptions, RetrievalOptions
from veneer.retrieval.evaluation import searches
from veneer.retrieval.index import Index
from veneer.retrieval.search import Query, search
from veneer.schema import SEARCH_RESULTS
from veneer.text import slugs

logger = logging.getLogger(__name__)

THUMBNAIL = 224  # pixels
TWIN_GROUPS = 40  # on a sheet, at most
AUDITED = 60  # images on an audit's sheet, at most


def search_prompts(
    index: Index,
    encoder: Encoder,
    collection_card: dict,
    reporting: ReportingOptions,
    retrieval: RetrievalOptions,
) -> pa.Table:
    """Search the collection for every prompt; byte-identical images are one result.

    Labels play no part in the search.

    Returns
    -------
    Table of schema :data:`veneer.schema.SEARCH_RESULTS`
        Without rows when the encoder has no text tower.
    """
    if encoder.text_tower is None:
        logger.warning("%s has no text tower: no prompts are searched", encoder.name)
        return SEARCH_RESULTS.empty_table()
    prompts = choose_prompts(collection_card, reporting)
    if not prompts:
        logger.warning("neither prompts nor labels are there to search for")
    k = max(reporting.sheet_results, reporting.histogram_results)
    tables = []
    for prompt in prompts:
        found = search(index, Query(text=prompt), encoder, retrieval, k=k).results
        found = found.append_column("prompt", pa.array([prompt] * len(found), pa.string()))
        tables.append(found.select(SEARCH_RESULTS.names).cast(SEARCH_RESULTS))
    return pa.concat_tables([SEARCH_RESULTS.empty_table(), *tables])


def choose_prompts(collection_card: dict, reporting: ReportingOptions) -> list[str]:
    """The prompts configured for a collection, or else one for each of its largest classes."""
    configured = reporting.prompts.get(collection_card["collection"])
    if configured is not None:
        return list(dict.fromkeys(configured))
    largest = Counter(collection_card["labels"]).most_common(reporting.most_labels)
    return [reporting.template.format(label.replace("_", " ")) for label in sorted(dict(largest))]


def draw_contact_sheets(
    search_results: pa.Table, index: Index, reporting: ReportingOptions
) -> dict[str, Image.Image]:
    """One contact sheet a prompt."""
    from veneer.figures.contact_sheet import Tile, contact_sheet

    shown = search_results.filter(
        pc.less_equal(search_results["rank"], reporting.sheet_results)
    ).to_pylist()
    pictures = thumbnails(index, {hit["id"] for hit in shown})
    sheets = {}
    for prompt, hits in _by_prompt(shown).items():
        sheets[prompt] = contact_sheet(
            [Tile(pictures[h["id"]], h["rank"], h["score"], h["label"]) for h in hits],
            title=prompt,
            subtitle="rank and cosine; the label was not used in the search",
            columns=reporting.sheet_columns,
            tile_size=THUMBNAIL,
        )
    return sheets


def thumbnails(index: Index, ids: set[str]) -> dict[str, Image.Image]:
    """The images of these ids, small; blank where the index has none."""
    from veneer.figures.search_sheet import open_thumbnail

    found = index.thumbnails(ids)
    return {id_: open_thumbnail(found.get(id_)) for id_ in ids}


def draw_label_histograms(
    search_results: pa.Table, reporting: ReportingOptions
) -> dict[str, Image.Image]:
    """For every prompt, the labels of what was found."""
    from veneer.figures.histogram import label_histogram

    counted = search_results.filter(
        pc.less_equal(search_results["rank"], reporting.histogram_results)
    ).to_pylist()
    pictures = {}
    for prompt, hits in _by_prompt(counted).items():
        labels = Counter(hit["label"] or "no label" for hit in hits)
        pictures[prompt] = label_histogram(
            labels, title=prompt, subtitle=f"labels of the {len(hits)} best matches"
        )
    return pictures


def draw_audit_sheets(
    label_conflicts: pa.Table, split_leaks: pa.Table, index: Index
) -> dict[str, Image.Image]:
    """The images whose copies contradict each other, a sheet for each kind of contradiction."""
    from veneer.figures.contact_sheet import Tile, contact_sheet

    sheets = {}
    for name, title, column, table in [
        ("label_conflicts", "One image, different labels", "label", label_conflicts),
        ("split_leaks", "One image on two sides of the official split", "split", split_leaks),
    ]:
        groups: dict[str, list[dict]] = {}
        for row in table.to_pylist():
            groups.setdefault(row["sha"], []).append(row)
        if not groups:
            continue
        shown = list(groups.values())[:AUDITED]
        pictures = thumbnails(index, {rows[0]["id"] for rows in shown})
        tiles = [
            Tile(
                pictures[rows[0]["id"]],
                label=" · ".join(dict.fromkeys(row[column] or "none" for row in rows)),
                caption=rows[0]["path"],
            )
            for rows in shown
        ]
        left_out = f", the first {len(shown)} of them" if len(shown) < len(groups) else ""
        subtitle = f"{len(groups)} images whose byte-identical copies disagree{left_out}"
        sheets[name] = contact_sheet(tiles, title=title, subtitle=subtitle, tile_size=THUMBNAIL)
    return sheets


def draw_retrieval(retrieval_metrics: dict) -> dict[str, Image.Image]:
    """How good a search is for each class; nothing where it was not evaluated."""
    from veneer.figures.retrieval import precision_by_class

    if not retrieval_metrics:
        return {}
    searches = {"by an image": retrieval_metrics["image_to_image"]["without_copies"]["per_class"]}
    if retrieval_metrics["text_to_image"] is not None:
        searches["by its name"] = retrieval_metrics["text_to_image"]["per_class"]
    return {
        "precision_by_class": precision_by_class(
            searches,
            title="What a search finds, by class",
            subtitle=f"precision@10: share of the ten best results of the same "
            f"{retrieval_metrics['relevance']}, byte-identical copies left out",
        )
    }


def draw_twins(
    twins: pa.Table, similarities: pa.Table, twins_card: dict, index: Index
) -> dict[str, Image.Image]:
    """The images that are there more than once, and how near the nearest ones are."""
    from veneer.figures.duplicates import duplicates_histogram, duplicates_sheet

    if not twins_card:
        return {}
    pictures = {}
    shown = twins.filter(pc.less_equal(twins["group"], TWIN_GROUPS))
    if len(shown):
        thumbnails_ = index.thumbnails(shown["id"].to_pylist())
        pictures["twins"] = duplicates_sheet(shown, thumbnails_, twins_card)
    pictures["similarities"] = duplicates_histogram(similarities, twins_card)
    return pictures


def _by_prompt(hits: list[dict]) -> dict[str, list[dict]]:
    groups: dict[str, list[dict]] = {}
    for hit in hits:
        groups.setdefault(hit["prompt"], []).append(hit)
    return groups


def write_report(
    collection_card: dict,
    metrics: dict,
    retrieval_metrics: dict,
    twins_card: dict,
    encoder: Encoder,
    not_embedded: pa.Table,
    search_results: pa.Table,
    confusion_matrices: dict[str, Image.Image],
    evaluation: dict[str, Image.Image],
    label_sheets: dict[str, Image.Image],
    contact_sheets: dict[str, Image.Image],
    label_histograms: dict[str, Image.Image],
    retrieval_figures: dict[str, Image.Image],
    twin_sheets: dict[str, Image.Image],
    audit_sheets: dict[str, Image.Image],
    map_card: dict,
    map_figures: dict[str, Image.Image],
    cluster_sheets: dict[str, Image.Image],
) -> str:
    """One HTML page with everything, pictures included."""
    return report_page(
        card=collection_card,
        encoder_name=encoder.name,
        encoder_fingerprint=encoder.fingerprint,
        has_text=encoder.text_tower is not None,
        not_embedded=not_embedded.num_rows,
        metrics=metrics,
        retrieval=retrieval_metrics,
        searches=searches(retrieval_metrics),
        retrieval_figures=retrieval_figures,
        twins=twins_card,
        twin_sheets=twin_sheets,
        confusion_matrices=confusion_matrices,
        evaluation=evaluation,
        label_sheets=label_sheets,
        audit_sheets=audit_sheets,
        map_card=map_card,
        map_figures=map_figures,
        cluster_sheets=cluster_sheets,
        prompts=[
            (prompt, contact_sheets[slug], label_histograms[slug])
            for prompt, slug in slugs(list(_by_prompt(search_results.to_pylist()))).items()
        ],
    )


def track_report(
    confusion_matrices: dict[str, Image.Image],
    evaluation: dict[str, Image.Image],
    label_sheets: dict[str, Image.Image],
    contact_sheets: dict[str, Image.Image],
    label_histograms: dict[str, Image.Image],
    retrieval_figures: dict[str, Image.Image],
    twin_sheets: dict[str, Image.Image],
    audit_sheets: dict[str, Image.Image],
    report: str,
) -> None:
    """Log the pictures and the page to the active MLflow run, if there is one."""
    from veneer.pipelines import tracking

    tracking.log_pictures("confusion_matrices", confusion_matrices)
    tracking.log_pictures("evaluation", evaluation)
    tracking.log_pictures("labels", label_sheets)
    tracking.log_pictures("contact_sheets", contact_sheets)
    tracking.log_pictures("label_histograms", label_histograms)
    tracking.log_pictures("retrieval", retrieval_figures)
    tracking.log_pictures("twins", twin_sheets)
    tracking.log_pictures("audits", audit_sheets)
    tracking.log_page("report.html", report)
