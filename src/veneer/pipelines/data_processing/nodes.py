"""Nodes of `data_processing`."""

from __future__ import annotations

import hashlib
import logging
from collections import Counter
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.dataset as ds
from tqdm import tqdm

from veneer.errors import VeneerError
from veneer.ingest import accepted_and_refused, check_files
from veneer.parameters import SampleOptions, SourceOptions, SplitOptions
from veneer.sources.folder import FolderSource
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
        yield from tqdm(drawn, total=count, desc="drawing", unit=" files", disable=None)

    return FileStream(files)


def ingest(raw_images: FolderSource, source: SourceOptions) -> tuple[Stream, Stream]:
    """Check every file: image rows, and the quarantine of what was refused."""

    def batches() -> Iterator[pa.RecordBatch]:
        accepted = 0
        with tqdm(total=len(raw_images), desc="ingesting", unit=" files", disable=None) as bar:
            for batch in check_files(iter(raw_images), text_from_exif=source.text_from_exif):
                accepted += batch["reason"].null_count
                bar.update(batch.num_rows)
                yield batch
        if not accepted:
            raise VeneerError(
                f"Reading images: no images found, none of the {len(raw_images)} files in "
                f"{raw_images.folder} can be read as one (the first: {raw_images.paths[0]}). "
                "Name a folder of JPEG, PNG, WebP, GIF, BMP or TIFF files with "
                "--params images=FOLDER."
            )

    return accepted_and_refused(batches())


def split(image_rows: ds.Dataset, splits: SplitOptions, seed: int) -> pa.Table:
    """Assign every image row to a side."""
    rows = image_rows.to_table(columns=["id", "sha", "label"]).to_pydict()
    return split_rows(
        rows["id"],
        rows["sha"],
        rows["label"],
        method=splits.method,
        validation_share=splits.validation_share,
        seed=seed,
    )


def describe_collection(
    image_rows: ds.Dataset, quarantine: pa.Table, splits: pa.Table, source: SourceOptions
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
        "quarantine_reasons": dict(Counter(quarantine["reason"].to_pylist()).most_common(20)),
    }
    logger.info(
        "%s: %d images (%d distinct), %d labels, %d files in quarantine",
        source.collection,
        card["images"],
        card["distinct_images"],
        len(labels),
        card["quarantined"],
    )
    return card
