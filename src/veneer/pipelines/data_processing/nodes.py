"""Nodes of `data_processing`."""

from __future__ import annotations

import hashlib
import logging
from collections import Counter
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from veneer.audits import find_contradictions, find_duplicates
from veneer.errors import VeneerError
from veneer.ingest import accepted_and_refused
from veneer.ingest import ingest as ingest_source
from veneer.parameters import SampleOptions, SplitOptions
from veneer.progress import progress
from veneer.schema import KNOWN_IMAGE, QUARANTINE, READING, SPLITS
from veneer.sources.options import SourceOptions
from veneer.sources.registry import RawLocation, open_source
from veneer.sources.source import Source, with_refusals
from veneer.sources.textures import SAMPLE_KINDS, sample_files
from veneer.splits import split_rows
from veneer.streams import FileStream, Stream

logger = logging.getLogger(__name__)


def draw_sample(source: SourceOptions, sample: SampleOptions, seed: int) -> FileStream | tuple:
    """Draw the sample collection; nothing for any other, or where the images are given."""
    if source.collection != sample.collection or source.images is not None:
        return ()
    count = len(SAMPLE_KINDS) * sample.images_per_kind + sample.duplicates + sample.damaged

    def files() -> Iterator[tuple[str, bytes]]:
        drawn = sample_files(
            kinds=SAMPLE_KINDS,
            images_per_kind=sample.images_per_kind,
            seed=seed,
            duplicates=sample.duplicates,
            damaged=sample.damaged,
        )
        with progress(count, "drawing", "files") as advance:
            for file in drawn:
                yield file
                advance(1)

    return FileStream(files)


def scan(raw_images: RawLocation, unpack_refusals: pa.Table, source: SourceOptions) -> Source:
    """List the raw files, with what their source tells of them.

    What `download` refused to unpack is listed too, so that it reaches the quarantine.
    """
    opened = open_source(raw_images, source)
    if source.images is None:
        opened = with_refusals(opened, unpack_refusals)
    logger.info("%s: %d files in %s", source.collection, len(opened.listing), opened.name)
    return opened


def ingest(
    source: Source,
    known_images: dict[str, pa.Table],
    known_quarantine: pa.Table,
    options: SourceOptions,
) -> tuple[Stream, Stream]:
    """Check every file: image rows, and the quarantine of what was refused."""
    # The same paths in another place are other files.
    reading = options.reading(f"{source.name} {source.signature}")
    known = known_images.get(reading, KNOWN_IMAGE.empty_table())
    if (known_quarantine.schema.metadata or {}).get(READING, b"").decode() != reading:
        known_quarantine = QUARANTINE.empty_table()
    checked = ingest_source(
        source,
        known,
        known_quarantine,
        text_from_exif=options.text_from_exif,
        max_pixels=options.max_pixels,
    )

    def watched() -> Iterator[pa.RecordBatch]:
        reasons: Counter = Counter()
        example = ""
        total = len(source.listing)
        with progress(total, "ingesting", "files") as advance:
            for batch in checked:
                reasons.update(batch["reason"].to_pylist())
                example = example or _first_refusal(batch)
                advance(batch.num_rows)
                yield batch
        accepted = reasons.pop(None, 0)
        if reasons:
            logger.info("refused: %s", _in_words(reasons))
        _require_enough(accepted, reasons, example, source, options)

    return accepted_and_refused(watched(), source.attributes, reading)


def _in_words(reasons: Counter) -> str:
    return ", ".join(f"{n:,} {reason}" for reason, n in reasons.most_common())


def _first_refusal(batch: pa.RecordBatch) -> str:
    """Path and detail of the first refused row of a batch; empty where there is none."""
    place = pc.index(pc.is_valid(batch["reason"]), True).as_py()
    if place < 0:
        return ""
    return f"{batch['image'][place].as_py()['path']}: {batch['detail'][place].as_py()}"


def _require_enough(
    accepted: int, reasons: Counter, example: str, source: Source, options: SourceOptions
) -> None:
    """Stop where too much was refused, before anything takes the place of an earlier run."""
    refused, total = reasons.total(), len(source.listing)
    if not accepted:
        raise VeneerError(
            f"Reading images: no images found, none of the {total:,} files in {source.name} can "
            f"be read as one ({_in_words(reasons)}). The first is {example}. Images are JPEG, PNG, "
            "WebP, GIF, BMP or TIFF files; name another place with --params images=..."
        )
    if refused > options.max_refused_share * total:
        raise VeneerError(
            f"Reading images from {source.name}: {refused:,} of {total:,} files were refused "
            f"({_in_words(reasons)}), more than source.max_refused_share = "
            f"{options.max_refused_share:g} allows. The first is {example}. The collection is left "
            "as it was. Look at the files, or raise the share."
        )


def official_sides(source: Source, image_rows: ds.Dataset) -> pa.Table:
    """The side that the source tells of each image; nothing where it tells none."""
    rows, listing = _keys(image_rows), source.listing
    places = pc.index_in(rows["path"], listing["path"].combine_chunks())
    sides = pa.table({"id": rows["id"], "split": listing["split"].take(places)}, schema=SPLITS)
    return sides.filter(pc.is_valid(sides["split"]))


def split(
    image_rows: ds.Dataset, official_sides: pa.Table, splits: SplitOptions, seed: int
) -> pa.Table:
    """Assign every image row to a side.

    Of official sides, those that the source tells; where none of them is `validation`, a share
    of `train` becomes it.
    """
    rows = image_rows.to_table(columns=["id", "sha", "label"])
    if splits.method != "official":
        return _built_in(rows, splits.method, splits.validation_share, seed)
    if not len(official_sides):
        raise VeneerError(
            "Splitting: splits.method is official, but the source tells no side of any image. "
            "Name its lists (source.folder.lists) or its column (source.parquet.split), check "
            "that they are there, or use splits.method=stratified."
        )
    left_out = len(rows) - len(official_sides)
    if left_out:
        logger.info("%d images are on no side of the official split", left_out)
    if "validation" in official_sides["split"].to_pylist():
        return official_sides
    logger.info(
        "the official split has no validation side: a share of %g is taken from train",
        splits.validation_share,
    )
    on_train = official_sides.filter(pc.equal(official_sides["split"], "train"))["id"]
    train = rows.filter(pc.is_in(rows["id"], on_train.combine_chunks()))
    parted = _built_in(train, "stratified", splits.validation_share, seed)
    others = official_sides.filter(pc.not_equal(official_sides["split"], "train"))
    return pa.concat_tables([parted, others])


def _built_in(rows: pa.Table, method: str, validation_share: float, seed: int) -> pa.Table:
    columns = rows.to_pydict()
    return split_rows(
        columns["id"],
        columns["sha"],
        columns["label"],
        method=method,
        validation_share=validation_share,
        seed=seed,
    )


def audit(image_rows: ds.Dataset, official_sides: pa.Table) -> tuple[pa.Table, pa.Table, pa.Table]:
    """Exact duplicates; those under different labels; those on two sides of an official split."""
    duplicates = find_duplicates(_keys(image_rows), official_sides)
    return (
        duplicates,
        find_contradictions(duplicates, "label"),
        find_contradictions(duplicates, "split"),
    )


def _keys(image_rows: ds.Dataset) -> pa.Table:
    columns = {name: ds.field(name) for name in ("id", "sha", "label")}
    return image_rows.scanner(columns=columns | {"path": ds.field("image", "path")}).to_table()


def describe_collection(
    image_rows: ds.Dataset,
    quarantine: pa.Table,
    splits: pa.Table,
    duplicates: pa.Table,
    label_conflicts: pa.Table,
    split_leaks: pa.Table,
    source: SourceOptions,
) -> dict:
    """Count what is there, and take the collection's fingerprint (of all ids and labels)."""
    rows = image_rows.to_table(columns=["id", "sha", "label"]).to_pydict()
    labels = Counter(label for label in rows["label"] if label is not None)
    lines = sorted(f"{i} {label}" for i, label in zip(rows["id"], rows["label"], strict=True))
    card = {
        "collection": source.collection,
        "fingerprint": hashlib.sha1("\n".join(lines).encode(), usedforsecurity=False).hexdigest(),
        "images": len(rows["id"]),
        "distinct_images": len(set(rows["sha"])),
        "unlabelled": rows["label"].count(None),
        "splits": dict(sorted(Counter(splits["split"].to_pylist()).items())),
        "labels": dict(sorted(labels.items())),
        "quarantined": len(quarantine),
        "quarantine_reasons": dict(Counter(quarantine["reason"].to_pylist()).most_common()),
        "audits": {
            "duplicates": _groups(duplicates),
            "label_conflicts": _groups(label_conflicts),
            "split_leaks": _groups(split_leaks),
        },
    }
    logger.info(
        "%s: %d images (%d distinct), %d labels, %d files in quarantine",
        source.collection,
        card["images"],
        card["distinct_images"],
        len(labels),
        card["quarantined"],
    )
    for table, what in (
        (label_conflicts, "under different labels"),
        (split_leaks, "on two sides of the official split"),
    ):
        if len(table):
            logger.warning("%d images have byte-identical copies %s", _groups(table), what)
    return card


def _groups(duplicates: pa.Table) -> int:
    """How many different images a table of duplicates is about."""
    return pc.count_distinct(duplicates["sha"]).as_py()


def track_collection(collection_card: dict) -> None:
    """Log the collection to the active MLflow run, if there is one."""
    from veneer.pipelines import tracking

    tracking.log_collection(collection_card)
