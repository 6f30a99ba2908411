"""From files to checked rows."""

import os
from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from support import encode, ingest_all, noise_image, open_folder, reasons, write_images

from veneer.images import row_id, sha_of
from veneer.ingest import accepted_and_refused, check_batch, check_files, ingest
from veneer.schema import IMAGE, KNOWN_IMAGE, QUARANTINE, RAW_FILE, checked_schema


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


def by_path(images: pa.Table) -> dict[str, dict]:
    return {row["image"]["path"]: row for row in images.to_pylist()}


def known_of(images: pa.Table) -> pa.Table:
    path = pc.struct_field(images["image"], "path")
    return images.append_column("path", path).select(KNOWN_IMAGE.names)


class Watched:
    """A source that remembers what was read of it."""

    def __init__(self, source):
        self.read = []

        def reads(locations):
            self.read += [os.path.basename(location.decode()) for location in locations]
            return source.reads(locations)

        self.source = replace(source, reads=reads)


def test_every_file_becomes_an_image_row_or_a_refusal(folder):
    images, quarantine = ingest_all(open_folder(folder))
    files = [p for p in folder.rglob("*") if p.is_file()]
    assert images.num_rows + quarantine.num_rows == len(files)
    assert reasons(quarantine) == {"brick/empty.jpg": "empty", "brick/notes.txt": "not_an_image"}
    assert images.schema.equals(IMAGE)
    assert images.schema.metadata == {**IMAGE.metadata, b"reading": b"test"}


def test_refusals_tell_what_was_found(folder):
    _, quarantine = ingest_all(open_folder(folder))
    row = next(r for r in quarantine.to_pylist() if r["path"] == "brick/notes.txt")
    assert row["detail"] == "it begins with b'not a pictur'"
    assert row["size"] == len("not a picture")
    assert row["sha"] == sha_of(b"not a picture")
    assert row["modified"].timestamp() == pytest.approx((folder / row["path"]).stat().st_mtime)


def test_rows_hold_the_files_own_bytes_and_facts(folder):
    images, _ = ingest_all(open_folder(folder))
    rows = by_path(images)
    for path, row in rows.items():
        data = (folder / path).read_bytes()
        assert row["image"]["bytes"] == data
        assert row["sha"] == sha_of(data)
        assert row["id"] == row_id(path, row["sha"])
        assert (row["width"], row["height"], row["size"]) == (48, 40, len(data))
        assert row["modified"].timestamp() == pytest.approx((folder / path).stat().st_mtime)
        assert row["folder"] == os.path.dirname(path)
    assert len({row["id"] for row in rows.values()}) == len(rows)
    # Copies are rows of their own.
    assert rows["brick/copy.png"]["sha"] == rows["brick/000.png"]["sha"]


def test_rows_are_in_the_order_of_their_paths(tmp_path):
    root = write_images(tmp_path / "raw", {"a": 70, "a.b": 70, "a0": 70})
    (root / "a.png").write_bytes(encode(noise_image(7)))
    images, _ = ingest_all(open_folder(root))
    assert list(by_path(images)) == sorted(by_path(images))
    assert len(images) == 211


def test_text_is_taken_from_exif_only_when_asked_for(tmp_path):
    from PIL import ExifTags, Image

    exif = Image.Exif()
    exif[ExifTags.Base.ImageDescription] = "a brick"
    (tmp_path / "a.png").write_bytes(encode(noise_image(1), exif=exif))
    assert ingest_all(open_folder(tmp_path))[0]["text"].to_pylist() == [None]
    images, _ = ingest_all(open_folder(tmp_path), text_from_exif=True)
    assert images["text"].to_pylist() == ["a brick"]
    # What the source itself says comes first.
    named = open_folder(tmp_path, pattern="(?P<text>.)[.]")
    assert ingest_all(named, text_from_exif=True)[0]["text"].to_pylist() == ["a"]


def test_images_above_the_limits_are_refused_unread(folder):
    _, quarantine = ingest_all(open_folder(folder), max_pixels=48 * 40 - 1)
    assert set(reasons(quarantine).values()) == {"too_many_pixels", "empty", "not_an_image"}
    from veneer.sources.folder import folder_source
    from veneer.sources.options import FolderOptions

    options = FolderOptions(label="parent", pattern=None, lists={}, classes={}, exclude=[])
    small = folder_source(str(folder), options, attributes={}, max_bytes=100)
    images, quarantine = ingest_all(small)
    assert len(images) == 0
    row = next(r for r in quarantine.to_pylist() if r["path"] == "at_root.jpg")
    assert row["reason"] == "too_many_bytes"
    assert row["sha"] is None
    assert row["size"] == (folder / "at_root.jpg").stat().st_size


def test_refusals_cannot_be_read_too_early(folder):
    checked = ingest(open_folder(folder), KNOWN_IMAGE.empty_table(), QUARANTINE.empty_table())
    _, refused = accepted_and_refused(checked, None, "")
    with pytest.raises(RuntimeError, match="before the accepted"):
        list(refused)


def test_checking_does_not_look_across_batches(folder):
    files = [p for p in sorted(folder.rglob("*")) if p.is_file()]
    rows = [{"path": f.name + str(i), "data": f.read_bytes()} for i, f in enumerate(files)]
    rows.append({"path": "gone", "reason": "unreadable", "detail": "no such file"})
    together = check_batch(pa.RecordBatch.from_pylist(rows, schema=RAW_FILE))
    single = (pa.RecordBatch.from_pylist([row], schema=RAW_FILE) for row in rows)
    apart = pa.Table.from_batches(check_files(single), schema=checked_schema())
    assert pa.Table.from_batches([together]).equals(apart)
    assert apart["reason"].to_pylist().count("unreadable") == 1


def test_unchanged_files_are_not_read_again(folder):
    first, refused = ingest_all(open_folder(folder))
    watched = Watched(open_folder(folder))
    again, refused_again = ingest_all(watched.source, known_of(first), refused)
    assert watched.read == []
    assert refused_again.equals(refused)
    facts = [name for name in first.schema.names if name != "image"]
    assert again.select(facts).equals(first.select(facts))
    assert list(by_path(again)) == list(by_path(first))
    assert {row["image"]["bytes"] for row in again.to_pylist()} == {
        None
    }  # kept by whoever has them


def test_new_changed_and_deleted_files_are_seen(folder):
    first, refused = ingest_all(open_folder(folder))
    (folder / "brick" / "000.png").unlink()
    (folder / "brick" / "001.png").write_bytes(encode(noise_image(77)))  # a changed file
    os.utime(folder / "brick" / "002.png", ns=(1, 10**18))  # touched: might have changed
    (folder / "brick" / "new.png").write_bytes(encode(noise_image(78)))
    (folder / "brick" / "empty.jpg").write_bytes(encode(noise_image(79)))  # whole at last
    watched = Watched(open_folder(folder))
    again, refused_again = ingest_all(watched.source, known_of(first), refused)
    assert sorted(watched.read) == ["001.png", "002.png", "empty.jpg", "new.png"]
    fresh, refused_fresh = ingest_all(open_folder(folder))
    facts = [name for name in first.schema.names if name != "image"]
    assert again.select(facts).equals(fresh.select(facts))
    assert refused_again.equals(refused_fresh)
    assert reasons(refused_fresh) == {"brick/notes.txt": "not_an_image"}


def test_a_new_label_needs_no_reading(folder):
    first, refused = ingest_all(open_folder(folder))
    watched = Watched(open_folder(folder, label="none"))
    again, _ = ingest_all(watched.source, known_of(first), refused)
    assert watched.read == []
    assert set(again["label"].to_pylist()) == {None}


def test_what_could_not_be_read_is_tried_again(folder, monkeypatch):
    from veneer.sources import files

    def fails(*_):
        raise files.RefusedError("unreadable", "the network is down")

    with monkeypatch.context() as broken:
        broken.setattr(files, "_read_local", fails)
        images, refused = ingest_all(open_folder(folder))
    assert len(images) == 0
    assert set(reasons(refused).values()) == {"unreadable"}
    images, _ = ingest_all(open_folder(folder), known_of(images), refused)
    assert len(images) == 8


def test_old_rows_of_the_same_path_do_no_harm(folder):
    """Shards of a killed run lie beside those of the run before: a path is known twice."""
    first, refused = ingest_all(open_folder(folder))
    old = known_of(first).set_column(
        KNOWN_IMAGE.get_field_index("modified"),
        KNOWN_IMAGE.field("modified"),
        pa.array([0] * len(first), pa.int64()).cast(KNOWN_IMAGE.field("modified").type),
    )
    watched = Watched(open_folder(folder))
    again, _ = ingest_all(watched.source, pa.concat_tables([old, known_of(first)]), refused)
    assert watched.read == []
    assert again["sha"].equals(first["sha"])


def test_images_that_are_large_together_are_taken_apart(folder, monkeypatch):
    """An array of Arrow holds less than 2 GiB, and some sizes are known only after reading."""
    wanted = ingest_all(open_folder(folder))
    asked = []

    def check(batch, **options):
        asked.append(batch.num_rows)
        return check_batch(batch, **options)

    monkeypatch.setattr("veneer.ingest.check_batch", check)
    monkeypatch.setattr("veneer.ingest.MOST_BYTES", 10_000)
    images, quarantine = ingest_all(open_folder(folder))
    assert images.equals(wanted[0])
    assert quarantine.equals(wanted[1])
    assert len(asked) > 4
