"""From files to checked rows."""

import pyarrow as pa
import pytest
from support import encode, noise_image, write_images

from veneer.errors import VeneerError
from veneer.images import row_id, sha_of
from veneer.ingest import accepted_and_refused, check_files
from veneer.schema import CHECKED_FILE, IMAGE, QUARANTINE
from veneer.sources.folder import FolderSource


@pytest.fixture
def folder(tmp_path):
    root = write_images(tmp_path / "raw", {"brick": 3, "deep/er/moss": 2})
    (root / "at_root.jpg").write_bytes(encode(noise_image(9), "JPEG"))
    (root / "brick" / "copy.png").write_bytes((root / "brick" / "000.png").read_bytes())
    (root / "brick" / "notes.txt").write_text("not a picture")
    (root / "brick" / "empty.jpg").write_bytes(b"")
    (root / "2024").mkdir()
    (root / "2024" / "no.png").write_bytes(encode(noise_image(10)))
    return root


def ingest(folder):
    accepted, refused = accepted_and_refused(check_files(iter(FolderSource(folder))))
    images = pa.Table.from_batches(accepted, schema=IMAGE)
    return images, pa.Table.from_batches(refused, schema=QUARANTINE)


def test_every_file_becomes_an_image_row_or_a_refusal(folder):
    images, quarantine = ingest(folder)
    files = [p for p in folder.rglob("*") if p.is_file()]
    assert images.num_rows + quarantine.num_rows == len(files)
    reasons = dict(zip(*quarantine.select(["path", "reason"]).to_pydict().values(), strict=True))
    assert reasons == {"brick/empty.jpg": "empty file", "brick/notes.txt": "not an image"}
    assert images.schema.equals(IMAGE, check_metadata=True)


def test_rows_hold_the_files_own_bytes_and_facts(folder):
    images, _ = ingest(folder)
    rows = {row["image"]["path"]: row for row in images.to_pylist()}
    for path, row in rows.items():
        data = (folder / path).read_bytes()
        assert row["image"]["bytes"] == data
        assert row["sha"] == sha_of(data)
        assert row["id"] == row_id(path, row["sha"])
        assert (row["width"], row["height"], row["size"]) == (48, 40, len(data))
        assert row["modified"].timestamp() == pytest.approx((folder / path).stat().st_mtime)
    assert len({row["id"] for row in rows.values()}) == len(rows)
    # Copies are rows of their own.
    assert rows["brick/copy.png"]["sha"] == rows["brick/000.png"]["sha"]


def test_labels_are_the_names_of_folders_as_strings(folder):
    images, _ = ingest(folder)
    labels = {row["image"]["path"]: row["label"] for row in images.to_pylist()}
    assert labels["at_root.jpg"] is None
    assert labels["deep/er/moss/000.png"] == "moss"
    assert labels["2024/no.png"] == "2024"


def test_refusals_cannot_be_read_too_early(folder):
    _, refused = accepted_and_refused(check_files(iter(FolderSource(folder))))
    with pytest.raises(RuntimeError, match="before the accepted"):
        list(refused)


def test_checking_does_not_look_across_batches(folder):
    batches = list(FolderSource(folder))
    rows = batches[0].to_pylist()
    single = [pa.RecordBatch.from_pylist([row], schema=batches[0].schema) for row in rows]
    together = pa.Table.from_batches(check_files(iter(batches)), schema=CHECKED_FILE)
    apart = pa.Table.from_batches(check_files(iter(single)), schema=CHECKED_FILE)
    assert together.equals(apart)


def test_folder_source_says_what_is_missing(tmp_path):
    with pytest.raises(VeneerError, match="does not exist"):
        FolderSource(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(VeneerError, match="holds no files"):
        FolderSource(tmp_path / "empty")


def test_odd_files_do_not_stop_the_scan(folder):
    import os

    os.mkfifo(folder / "brick" / "pipe.png")
    (folder / "brick" / "loop").symlink_to(folder)
    (folder / "brick" / "broken.png").symlink_to(folder / "nothing")
    odd = os.fsdecode(b"brick/caf\xe9.png")  # not UTF-8
    (folder / odd).write_bytes(encode(noise_image(11)))
    images, quarantine = ingest(folder)
    reasons = dict(zip(*quarantine.select(["path", "reason"]).to_pydict().values(), strict=True))
    assert reasons["brick/pipe.png"] == "not a regular file"
    assert reasons["brick/broken.png"].startswith("cannot be read")
    assert "brick/caf\\xe9.png" in images["image"].combine_chunks().field("path").to_pylist()
