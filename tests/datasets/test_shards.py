"""Shards: what is unchanged stays as it is, and what is written comes back row for row."""

import os
import random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support import encode, ingest_all, noise_image, open_folder, write_images

from veneer.datasets import shards
from veneer.datasets.image_rows import ImageRowsDataset, KnownImagesDataset
from veneer.ingest import accepted_and_refused, ingest
from veneer.schema import KNOWN_IMAGE, QUARANTINE


@pytest.fixture(autouse=True)
def small_shards(monkeypatch):
    """About ten images a shard, three a row group."""
    monkeypatch.setattr(shards, "SHARD_BYTES", 55_000)
    monkeypatch.setattr(shards, "GROUP_ROWS", 3)


@pytest.fixture
def raw(tmp_path):
    return write_images(tmp_path / "raw", {"a": 20, "b": 20, "c": 20})


class Collection:
    """Image rows of a folder, kept in shards over several runs."""

    def __init__(self, raw, kept):
        self.raw, self.kept = raw, kept
        self.refused = QUARANTINE.empty_table()

    def run(self, reading="r", **options) -> pa.Table:
        """Ingest what has changed; the table that is then there."""
        source = open_folder(self.raw, **options)
        known = KnownImagesDataset(str(self.kept)).load().get(reading, KNOWN_IMAGE.empty_table())
        checked = ingest(source, known, self.refused)
        accepted, refused = accepted_and_refused(checked, source.attributes, reading)
        ImageRowsDataset(str(self.kept)).save(accepted)
        self.refused = pa.Table.from_batches(refused, schema=QUARANTINE)
        return ImageRowsDataset(str(self.kept)).load().to_table()

    def files(self) -> dict[str, int]:
        """Names and inodes of the shards."""
        return {p.name: p.stat().st_ino for p in self.kept.glob("*.parquet")}


@pytest.fixture
def collection(raw, tmp_path):
    return Collection(raw, tmp_path / "images")


def fresh(raw, **options) -> pa.Table:
    images, _ = ingest_all(open_folder(raw, **options))
    return images


def test_rows_come_back_as_they_were(collection, raw):
    table = collection.run()
    assert table.equals(fresh(raw))
    assert len(collection.files()) > 3
    assert os.listdir(collection.kept).count("_manifest.json") == 1
    groups = pq.ParquetFile(next(collection.kept.glob("*.parquet"))).metadata
    assert groups.row_group(0).num_rows == 3


def test_nothing_is_written_when_nothing_has_changed(collection):
    collection.run()
    before = collection.files()
    collection.run()
    assert collection.files() == before


@pytest.mark.parametrize(
    "change",
    ["first", "middle", "last", "new_first", "new_middle", "new_last", "many", "deleted_class"],
)
def test_a_change_rewrites_only_the_shards_around_it(collection, raw, change):
    collection.run()
    before = collection.files()
    new = encode(noise_image(999))
    places = {
        "first": "a/000.png",
        "middle": "b/005.png",
        "last": "c/019.png",
        "new_first": "a/!.png",
        "new_middle": "b/005a.png",
        "new_last": "d/000.png",
    }
    if change == "many":
        for index in range(0, 20, 3):
            (raw / "b" / f"{index:03d}.png").unlink()
    elif change == "deleted_class":
        for file in (raw / "b").iterdir():
            file.unlink()
    else:
        (raw / places[change]).parent.mkdir(exist_ok=True)
        (raw / places[change]).write_bytes(new)
    table = collection.run()
    assert table.equals(fresh(raw))
    kept = set(before.items()) & set(collection.files().items())
    rewritten = len(before) - len(kept)
    assert rewritten <= (4 if change in ("many", "deleted_class") else 1)
    assert kept


def test_new_labels_keep_the_bytes(collection, raw):
    collection.run()
    table = collection.run(label="none")
    assert table.equals(fresh(raw, label="none"))
    assert table["label"].null_count == 60


def test_another_way_of_reading_makes_all_shards_anew(collection, raw):
    collection.run("r")
    assert collection.run("other").equals(fresh(raw))
    assert set(KnownImagesDataset(str(collection.kept)).load()) == {"other"}


def test_many_runs_equal_one(collection, raw):
    """About a hundred random changes, a few at a time."""
    dice = random.Random(0)
    for step in range(30):
        for _ in range(dice.randint(1, 5)):
            files = sorted(p for p in raw.rglob("*.png"))
            target = raw / dice.choice("abcde") / f"{dice.randint(0, 25):03d}.png"
            target.parent.mkdir(exist_ok=True)
            if dice.random() < 0.4 and len(files) > 5:
                dice.choice(files).unlink()
            elif dice.random() < 0.2:
                target.write_bytes(b"no image")
            else:
                target.write_bytes(encode(noise_image(10_000 + 100 * step + dice.randint(0, 99))))
            if target.exists():
                os.utime(target, (step, step))
        table = collection.run()
        images, refused = ingest_all(open_folder(raw))
        assert table.equals(images)
        assert collection.refused.equals(refused)


def test_what_a_killed_run_had_written_is_used(collection, raw, tmp_path):
    """Shards without a manifest, one of them cut short."""
    collection.run()
    files = sorted(collection.kept.glob("*.parquet"))
    (collection.kept / "_manifest.json").unlink()
    files[-1].write_bytes(files[-1].read_bytes()[:-100])
    (collection.kept / ".part.999999999-abc.tmp").write_bytes(b"half")
    before = collection.files()
    table = collection.run()
    assert table.equals(fresh(raw))
    kept = set(before.items()) & set(collection.files().items())
    assert len(kept) == len(files) - 1
    assert not list(collection.kept.glob(".*"))


def test_damaged_and_foreign_shards_are_made_anew(collection, raw):
    """A whole footer over damaged pages, and a file of somebody else's."""
    collection.run()
    first, second, *_ = sorted(collection.kept.glob("*.parquet"))
    content = bytearray(first.read_bytes())
    content[-6000:-3000] = bytes(3000)  # the pages of the facts lie behind those of the images
    first.write_bytes(content)
    pq.write_table(pa.table({"id": ["x"]}), collection.kept / "part-99999-foreign.parquet")
    second.unlink()
    assert collection.run().equals(fresh(raw))


def test_attributes_go_with_the_rows(collection, raw):
    options = {"attributes": {"number": "int"}, "pattern": r"(?P<number>\d+)[.]"}
    table = collection.run(**options)
    assert table["attributes"].to_pylist() == [{"number": i} for i in range(20)] * 3
    (raw / "b" / "007.png").unlink()
    table = collection.run(**options)
    assert table.equals(fresh(raw, **options))


def test_a_stream_that_breaks_leaves_the_old_rows(collection, raw):
    from kedro.io import DatasetError

    from veneer.streams import Stream

    table = collection.run()
    images = fresh(raw)

    def breaks():
        yield from images.slice(0, 40).to_batches()
        raise RuntimeError("power cut")

    with pytest.raises(DatasetError, match="power cut"):
        ImageRowsDataset(str(collection.kept)).save(Stream(images.schema, breaks))
    assert ImageRowsDataset(str(collection.kept)).load().to_table().equals(table)
    assert not list(collection.kept.glob(".*"))


def test_images_are_stored_without_dictionary_and_statistics(collection):
    collection.run()
    metadata = pq.ParquetFile(next(collection.kept.glob("*.parquet"))).metadata.row_group(0)
    columns = [metadata.column(i) for i in range(metadata.num_columns)]
    columns = {column.path_in_schema: column for column in columns}
    image = columns["image.bytes"]
    assert image.compression == "UNCOMPRESSED"
    assert "DICTIONARY" not in "".join(image.encodings)
    assert not image.is_stats_set
    assert columns["id"].is_stats_set
