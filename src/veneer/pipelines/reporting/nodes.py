"""Nodes of `reporting`."""

from __future__ import annotations

import logging
from collections import Counter

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from PIL import Image

from veneer.encoders.encoder import Encoder
from veneer.figures.report import report_page
from veneer.images import to_rgb
from veneer.parameters import ReportingOptions
from veneer.retrieval.exact import nearest
from veneer.schema import SEARCH_RESULTS, fingerprint_of, require_one_fingerprint
from veneer.text import slugs

logger = logging.getLogger(__name__)

THUMBNAIL = 224  # pixels
AUDITED = 60  # images on an audit's sheet, at most


def search_prompts(
    image_rows: ds.Dataset,
    embeddings: ds.Dataset,
    encoder: Encoder,
    collection_card: dict,
    reporting: ReportingOptions,
) -> pa.Table:
    """Search the collection for every prompt; byte-identical images are one result.

    Labels play no part in the search; they are looked up for what was found.

    Returns
    -------
    Table of schema :data:`veneer.schema.SEARCH_RESULTS`
        Without rows when the encoder has no text tower.
    """
    if encoder.text_tower is None:
        logger.warning("%s has no text tower: no prompts are searched", encoder.name)
        return SEARCH_RESULTS.empty_table()
    require_one_fingerprint(encoder.name, fingerprint_of(embeddings.schema), encoder.fingerprint)
    prompts = choose_prompts(collection_card, reporting)
    if not prompts:
        logger.warning("neither prompts nor labels are there to search for")
        return SEARCH_RESULTS.empty_table()
    rows = image_rows.scanner(
        columns={
            "id": ds.field("id"),
            "sha": ds.field("sha"),
            "label": ds.field("label"),
            "path": ds.field("image", "path"),
        }
    ).to_table()
    first = {row["sha"]: row for row in reversed(rows.sort_by("path").to_pylist())}
    scores, shas = nearest(
        encoder.embed_texts(prompts),
        # Vectors of images that have since left the collection stay in their shards.
        embeddings.to_batches(filter=ds.field("sha").isin(pa.array(first, pa.string()))),
        max(reporting.sheet_results, reporting.histogram_results),
    )
    found = [
        {"prompt": prompt, "rank": rank, "score": float(score), **first[sha]}
        for prompt, row_scores, row_shas in zip(prompts, scores, shas, strict=True)
        for rank, (score, sha) in enumerate(zip(row_scores, row_shas, strict=True), start=1)
    ]
    return pa.Table.from_pylist(found, schema=SEARCH_RESULTS)


def choose_prompts(collection_card: dict, reporting: ReportingOptions) -> list[str]:
    """The prompts configured for a collection, or else one for each of its largest classes."""
    configured = reporting.prompts.get(collection_card["collection"])
    if configured is not None:
        return list(dict.fromkeys(configured))
    largest = Counter(collection_card["labels"]).most_common(reporting.most_labels)
    return [reporting.template.format(label.replace("_", " ")) for label in sorted(dict(largest))]


def draw_contact_sheets(
    search_results: pa.Table, image_rows: ds.Dataset, reporting: ReportingOptions
) -> dict[str, Image.Image]:
    """One contact sheet a prompt."""
    from veneer.figures.contact_sheet import Tile, contact_sheet

    shown = search_results.filter(
        pc.less_equal(search_results["rank"], reporting.sheet_results)
    ).to_pylist()
    pictures = thumbnails(image_rows, {hit["id"] for hit in shown})
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


def thumbnails(image_rows: ds.Dataset, ids: set[str]) -> dict[str, Image.Image]:
    """The images of these ids, small."""
    found = {}
    batches = image_rows.to_batches(
        columns=["id", "image"],
        filter=ds.field("id").isin(pa.array(ids, pa.string())),
        batch_readahead=4,
        fragment_readahead=1,
    )
    for batch in batches:
        for row in batch.to_pylist():
            picture = to_rgb(row["image"]["bytes"])
            picture.thumbnail((2 * THUMBNAIL, 2 * THUMBNAIL))
            found[row["id"]] = picture
    return found


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
    label_conflicts: pa.Table, split_leaks: pa.Table, image_rows: ds.Dataset
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
        pictures = thumbnails(image_rows, {rows[0]["id"] for rows in shown})
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


def _by_prompt(hits: list[dict]) -> dict[str, list[dict]]:
    groups: dict[str, list[dict]] = {}
    for hit in hits:
        groups.setdefault(hit["prompt"], []).append(hit)
    return groups


def write_report(
    collection_card: dict,
    metrics: dict,
    encoder: Encoder,
    not_embedded: pa.Table,
    search_results: pa.Table,
    confusion_matrices: dict[str, Image.Image],
    evaluation: dict[str, Image.Image],
    label_sheets: dict[str, Image.Image],
    contact_sheets: dict[str, Image.Image],
    label_histograms: dict[str, Image.Image],
    audit_sheets: dict[str, Image.Image],
) -> str:
    """One HTML page with everything, pictures included."""
    return report_page(
        card=collection_card,
        encoder_name=encoder.name,
        encoder_fingerprint=encoder.fingerprint,
        has_text=encoder.text_tower is not None,
        not_embedded=not_embedded.num_rows,
        metrics=metrics,
        confusion_matrices=confusion_matrices,
        evaluation=evaluation,
        label_sheets=label_sheets,
        audit_sheets=audit_sheets,
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
    tracking.log_pictures("audits", audit_sheets)
    tracking.log_page("report.html", report)
