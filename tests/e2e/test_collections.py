"""Collections as people have them, ingested from configuration alone, opened by other tools."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path

import click
import fsspec
import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image
from support import encode, noise_image, write_images


def ingest(project, env=None, **params) -> dict:
    """Run `data_processing`; the collection's card."""
    project.run("data_processing", env=env, **params)
    return project.load("collection_card", env=env, **params)


def with_official_lists(collection: str, raw: Path, **sides: range) -> dict:
    """Write a list for each side, of images of a and b; the parameters that name the lists."""
    for side, numbers in sides.items():
        lines = [f"{label}/{n:03d}.png" for label in "ab" for n in numbers]
        (raw / f"{side}.txt").write_text("\n".join(lines))
    return {
        "collection": collection,
        "images": str(raw),
        "splits": {"method": "official"},
        "source": {"folder": {"lists": {side: f"{side}.txt" for side in sides}}},
    }


def test_trashnet_with_its_official_lists(project, shared):
    images = str(shared / "data/trashnet")
    card = ingest(project, env="trashnet", images=images)
    assert card["images"] == 2527
    assert card["splits"] == {"train": 1768, "validation": 328, "test": 431}
    assert card["labels"] == {
        "cardboard": 403,
        "glass": 501,
        "metal": 410,
        "paper": 594,
        "plastic": 482,
        "trash": 137,
    }
    assert card["audits"] == {"duplicates": 3, "label_conflicts": 3, "split_leaks": 2}
    conflicts = project.load("label_conflicts", env="trashnet", images=images).to_pylist()
    by_sha: dict = {}
    for row in conflicts:
        by_sha.setdefault(row["sha"], set()).add(row["label"])
    assert sorted(map(sorted, by_sha.values())) == [
        ["glass", "metal"],
        ["glass", "plastic"],
        ["glass", "plastic"],
    ]
    leaks = project.load("split_leaks", env="trashnet", images=images).to_pylist()
    assert {row["sha"] for row in leaks} < set(by_sha)


def test_dtd10(project, shared):
    card = ingest(project, collection="dtd10", images=str(shared / "data/dtd10"))
    assert card["images"] == 1200
    assert set(card["labels"].values()) == {120}
    assert card["splits"] == {"train": 960, "validation": 240}


def test_all_of_fashion_opens_in_other_tools(project, shared):
    datasets = pytest.importorskip("datasets")
    duckdb = pytest.importorskip("duckdb")
    card = ingest(project, env="fashion", images=str(shared / "data/fashion"))
    assert card["images"] == 44_072
    assert card["distinct_images"] == 44_072 - (1429 - 651)
    assert card["audits"]["duplicates"] == 651
    assert len(card["labels"]) == 45
    files = str(project.path / "data/02_intermediate/fashion/images/*.parquet")

    counted = duckdb.sql(
        f"SELECT label, count(*) n, count(DISTINCT attributes.baseColour) c "
        f"FROM '{files}' GROUP BY label ORDER BY n DESC"
    ).fetchall()
    assert dict((label, n) for label, n, _ in counted) == card["labels"]
    assert counted[0][2] > 10  # colours of the largest class

    shard = next((project.path / "data/02_intermediate/fashion/images").glob("*.parquet"))
    rows = pq.ParquetFile(shard).read_row_group(0).to_pandas()
    assert rows["text"].iloc[0] == "Palm Tree Girls Sp Jace Sko White Skirts"
    assert rows["attributes"].iloc[0]["masterCategory"] == "Apparel"
    assert rows["image"].iloc[0]["bytes"][:2] == b"\xff\xd8"

    cache = str(project.path / "hf")
    opened = datasets.load_dataset("parquet", data_files=files, split="train[:20]", cache_dir=cache)
    assert opened.features["image"] == datasets.Image()
    assert opened[0]["image"].size == (60, 80)
    assert opened[0]["attributes"]["articleType"] == "Skirts"
    assert opened[0]["label"] == "Bottomwear"


def test_small_image_rows_open_in_other_tools(project, tmp_path):
    """The same without the photos beside the project; with every column, a text and a refusal."""
    datasets = pytest.importorskip("datasets")
    duckdb = pytest.importorskip("duckdb")
    raw = write_images(tmp_path / "raw", {"a": 3, "b": 2})
    (raw / "a" / "x.txt").write_text("no image")
    source = {
        "attributes": {"number": "int"},
        "folder": {"pattern": r"(?P<text>.)/(?P<number>\d+)[.]"},
    }
    ingest(project, collection="open", images=str(raw), source=source)
    folder = project.path / "data/02_intermediate/open"
    files = str(folder / "images/*.parquet")
    opened = datasets.load_dataset(
        "parquet", data_files=files, split="train", cache_dir=str(tmp_path / "hf")
    )
    assert [row["image"].size for row in opened] == [(48, 40)] * 5
    np.testing.assert_array_equal(np.asarray(opened[0]["image"]), np.asarray(noise_image(0)))
    assert opened["attributes"] == [{"number": n} for n in (0, 1, 2, 0, 1)]
    found = duckdb.sql(
        f"SELECT label, text, attributes.number FROM '{files}' WHERE attributes.number = 1"
    ).fetchall()
    assert found == [("a", "a", 1), ("b", "b", 1)]
    table = pq.read_table(folder / "quarantine.parquet").to_pandas()
    assert table["reason"].tolist() == ["not_an_image"]
    card = project.load("collection_card", collection="open")
    assert card["quarantine_reasons"] == {"not_an_image": 1}


def test_counts_by_reason_reach_the_log_and_mlflow(project, tmp_path, caplog):
    raw = write_images(tmp_path / "raw", {"a": 5})
    (raw / "a" / "x.txt").write_text("no image")
    (raw / "a" / "y.txt").write_text("no image")
    (raw / "a" / "z.png").write_bytes(encode(noise_image(1))[:900])
    with caplog.at_level("INFO"):
        ingest(project, collection="counted", images=str(raw))
    assert "refused: 2 not_an_image, 1 truncated" in [r.getMessage() for r in caplog.records]
    run = next(
        run
        for run in project.runs("material_head_mini")
        if run.data.tags.get("collection") == "counted"
    )
    assert run.data.metrics["collection.quarantined"] == 3
    assert run.data.metrics["collection.refused.not_an_image"] == 2
    assert run.data.metrics["collection.refused.truncated"] == 1
    assert run.data.metrics["collection.images"] == 5


def test_too_many_refusals_stop_the_run_and_change_nothing(project, tmp_path):
    raw = write_images(tmp_path / "raw", {"a": 4})
    before = ingest(project, collection="spoilt", images=str(raw))
    for index in range(5):
        (raw / "a" / f"{index}.txt").write_text("no image")
    with pytest.raises(click.ClickException) as caught:
        ingest(project, collection="spoilt", images=str(raw))
    assert "5 of 9 files were refused (5 not_an_image), more than source.max_refused_share" in (
        caught.value.message
    )
    assert project.load("collection_card", collection="spoilt") == before
    assert project.load("image_rows", collection="spoilt").count_rows() == 4
    assert len(project.load("quarantine", collection="spoilt")) == 0
    source = {"max_refused_share": 0.6}
    card = ingest(project, collection="spoilt", images=str(raw), source=source)
    assert card["quarantined"] == 5


def test_a_collection_behind_another_file_system(project, tmp_path):
    write_images(tmp_path / "r", {"a": 3, "b": 3})
    memory = fsspec.filesystem("memory")
    memory.put(str(tmp_path / "r"), f"{tmp_path}/r", recursive=True)
    card = ingest(project, collection="remote", images=f"memory://{tmp_path}/r")
    assert card["labels"] == {"a": 3, "b": 3}
    with pytest.raises(click.ClickException, match="does not exist"):
        ingest(project, collection="remote", images=f"memory://{tmp_path}/nowhere")


def test_official_sides_that_are_not_there(project, tmp_path):
    raw = write_images(tmp_path / "raw", {"a": 3, "b": 3})
    with pytest.raises(click.ClickException, match="the source tells no side of any image"):
        ingest(project, collection="off", images=str(raw), splits={"method": "official"})


def test_official_lists_without_a_validation_side(project, tmp_path):
    """A share of the training side is held back, so that there is something to judge on."""
    raw = write_images(tmp_path / "raw", {"a": 10, "b": 10})
    params = with_official_lists("two_sides", raw, train=range(8), test=range(8, 10))
    card = ingest(project, **params)
    assert card["splits"] == {"train": 12, "validation": 4, "test": 4}
    assert card["quarantined"] == 0
    sides = project.load("official_sides", **params)
    ids = project.load("image_rows", **params).to_table(columns=["id"])["id"].to_pylist()
    assert sides["id"].to_pylist() == ids  # in the order of the image rows


def test_another_folder_of_the_same_names_and_times_is_read(project, tmp_path):
    for name, colour in (("one", "red"), ("two", "blue")):
        (tmp_path / name / "a").mkdir(parents=True)
        Image.new("RGB", (20, 20), colour).save(tmp_path / name / "a" / "x.bmp")
        os.utime(tmp_path / name / "a" / "x.bmp", (10**9, 10**9))
        ingest(project, collection="moved", images=str(tmp_path / name))
    (row,) = project.load("image_rows", collection="moved").to_table().to_pylist()
    assert row["image"]["bytes"] == (tmp_path / "two" / "a" / "x.bmp").read_bytes()


def test_a_damaged_quarantine_is_made_anew(project, tmp_path):
    raw = write_images(tmp_path / "raw", {"a": 2})
    ingest(project, collection="healed", images=str(raw))
    folder = project.path / "data/02_intermediate/healed"
    (folder / "quarantine.parquet").write_bytes(b"")
    assert ingest(project, collection="healed", images=str(raw))["quarantined"] == 0
    next((folder / "images").glob("*.parquet")).unlink()
    with pytest.raises(click.ClickException, match="Run the pipeline data_processing first"):
        project.run("embedding", collection="healed", images=str(raw))


def test_images_on_no_official_side_are_searched_but_not_trained_on(project, tmp_path):
    raw = write_images(tmp_path / "raw", {"a": 8, "b": 8})
    params = with_official_lists("partly", raw, train=range(4), validation=range(4, 6))
    project.run(**params)
    assert project.load("collection_card", **params)["splits"] == {"train": 8, "validation": 4}
    assert project.load("metrics", **params)["svc"]["n_validation"] == 4
    hits = project.load("search_results", **params).to_pylist()
    assert len({hit["id"] for hit in hits}) == 16


@pytest.mark.parametrize(
    ("source", "images", "sentence"),
    [
        ({"kind": "parquet"}, "raw", r"holds no \*.parquet file"),
        ({"kind": "csv"}, "raw", "it holds 0 CSV files, and one is needed"),
        ({}, "raw/a/000.png", "is a file, and source.kind is folder"),
        ({"kind": "tar"}, "raw", "'source.kind' is 'tar'"),
        ({"folder": {"label": "list"}}, "raw", "'source.folder.label' is 'list'"),
        ({"folder": {"pattern": "("}}, "raw", "this is no regular expression"),
        ({"folder": {"pattern": "a"}}, "raw", "a pattern names what it finds"),
        ({"folder": {"lists": {"training": "x"}}}, "raw", "source.folder.lists.training"),
        ({"attributes": {"year": "date"}}, "raw", "'source.attributes.year' is 'date'"),
        ({"folder": {"exclude": ["*"]}}, "raw", "holds nothing that is part of the collection"),
        ({"collection": "other"}, "raw", "'source.collection' follows 'collection'"),
        ({"images": "elsewhere"}, "raw", "'source.images' follows 'images'"),
        ({"attributes": ["year"]}, "raw", "Reading the parameters: Cannot merge"),
        ({"max_pixels": 10**9}, "raw", "less than or equal to 357913940"),
    ],
)
def test_what_cannot_be_meant_is_told(project, tmp_path, source, images, sentence):
    write_images(tmp_path / "raw", {"a": 2, "b": 2})
    with pytest.raises(click.ClickException, match=sentence):
        ingest(project, collection="odd", images=str(tmp_path / images), source=source)


def test_a_file_that_changes_under_the_same_name_gets_a_new_vector(project, tmp_path):
    """The result of an incremental run is that of a fresh one, through to the vectors."""
    raw = write_images(tmp_path / "raw", {"a": 6, "b": 6})
    project.run("data_processing", "embedding", collection="grown", images=str(raw))
    Image.new("RGB", (48, 40), "red").save(raw / "a" / "000.png")
    (raw / "b" / "001.png").unlink()
    (raw / "b" / "new.png").write_bytes(encode(noise_image(77)))
    project.run("data_processing", "embedding", collection="grown", images=str(raw))
    ingest(project, collection="fresh", images=str(raw))
    grown = project.load("image_rows", collection="grown").to_table()
    assert grown.equals(project.load("image_rows", collection="fresh").to_table())
    embedded = set(project.load("embeddings", collection="grown").to_table()["sha"].to_pylist())
    assert set(grown["sha"].to_pylist()) <= embedded
    assert Counter(grown["label"].to_pylist()) == {"a": 6, "b": 6}
    card, fresh = (
        json.loads((project.path / f"data/08_reporting/{name}/collection.json").read_text())
        for name in ("grown", "fresh")
    )
    assert card | {"collection": "fresh"} == fresh
