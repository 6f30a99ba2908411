"""The embedding stage in a project: what is computed, what is kept, what survives."""

from __future__ import annotations

import logging
import os
import signal
import time

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click import ClickException
from support import write_images

from veneer.datasets.image_rows import ImageRowsDataset
from veneer.schema import runtime_of, vectors
from veneer.streams import Stream

SHARD = 32


def shards(project, collection):
    return sorted((project.path / f"data/04_feature/{collection}/mini").glob("part-*.parquet"))


def table_of(project, collection):
    return pa.concat_tables(
        [pq.read_table(each).replace_schema_metadata() for each in shards(project, collection)]
    )


@pytest.fixture(scope="module")
def photos(project, tmp_path_factory):
    """A collection of 150 images in two classes, ingested and embedded."""
    raw = write_images(tmp_path_factory.mktemp("raw"), {"a": 90, "b": 60})
    options = {"collection": "photos", "images": str(raw), "embedding.shard_rows": SHARD}
    project.run("data_processing", "embedding", **nested(options))
    return raw, nested(options)


def nested(options):
    """Parameters as Kedro nests what stands behind ``--params``."""
    tree = {}
    for key, value in options.items():
        group, _, name = key.rpartition(".")
        (tree.setdefault(group, {}) if group else tree)[name] = value
    return tree


def test_a_second_run_computes_nothing_and_ten_more_images_ten(project, photos, caplog):
    raw, options = photos
    before = {each: each.stat().st_mtime_ns for each in shards(project, "photos")}
    assert [pq.read_metadata(each).num_rows for each in before] == [32, 32, 32, 32, 22]
    with caplog.at_level(logging.INFO, logger="veneer"):
        project.run("embedding", **options)
    assert "150 images have their vectors, 0 are to be embedded" in caplog.text
    assert {each: each.stat().st_mtime_ns for each in shards(project, "photos")} == before
    write_images(raw, {"c": 10}, seed=77_000)
    caplog.clear()
    with caplog.at_level(logging.INFO, logger="veneer"):
        project.run("data_processing", "embedding", **options)
    assert "150 images have their vectors, 10 are to be embedded" in caplog.text
    after = {each: each.stat().st_mtime_ns for each in shards(project, "photos")}
    assert before.items() <= after.items()
    assert pq.read_metadata(max(after)).num_rows == 10
    assert len(set(table_of(project, "photos")["sha"].to_pylist())) == 160


def test_the_runtime_stands_beside_the_vectors_and_in_mlflow(project, photos):
    _, options = photos
    found = {runtime_of(pq.read_schema(each)) for each in shards(project, "photos")}
    assert len(found) == 1
    assert found.pop().startswith(("openvino-", "cuda-", "torch-"))
    project.run("modeling", **options)
    (run, *_) = project.runs("material_head_mini")
    assert run.data.tags["embedding_runtime"] in ("openvino-bf16", "openvino-fp32", "cuda-bf16")


def test_other_decoding_is_another_encoder(project, photos):
    _, options = photos
    kept = table_of(project, "photos")
    fast = options | {"embedding": options["embedding"] | {"decode": "fast"}}
    with pytest.raises(ClickException, match=r"are of exact decoding.*; decoded fast\]"):
        project.run("embedding", **fast)
    assert table_of(project, "photos").equals(kept)


def test_the_same_bytes_with_any_number_of_threads(project, photos, monkeypatch):
    _, options = photos
    for count in (1, 5):
        monkeypatch.setattr(os, "cpu_count", lambda count=count: count)
        other = {**options, "collection": f"threads{count}"}
        project.run("data_processing", "embedding", **other)
    assert table_of(project, "threads1").equals(table_of(project, "threads5"))


def test_a_killed_run_loses_a_shard_at_most(project, tmp_path):
    raw = write_images(tmp_path / "raw", {"a": 400}, seed=300_000)
    plain = {"collection": "whole", "images": str(raw), "embedding.shard_rows": SHARD}
    project.run("data_processing", "embedding", **nested(plain))
    project.run("data_processing", **nested(plain | {"collection": "killed"}))
    params = f"collection=killed,images={raw},embedding.shard_rows={SHARD}"
    for _ in range(2):
        there = len(shards(project, "killed"))
        process = project.start("run", "--pipelines", "embedding", "--params", params)
        while process.poll() is None and len(shards(project, "killed")) < there + 3:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        # What was told to be written is whole.
        assert {pq.read_table(each).num_rows for each in shards(project, "killed")} == {SHARD}
        assert there < len(shards(project, "killed")) < 400 // SHARD
    project.run("embedding", **nested(plain | {"collection": "killed"}))
    assert table_of(project, "killed").equals(table_of(project, "whole"))
    left = {each.name for each in shards(project, "killed")[0].parent.iterdir()}
    assert left == {each.name for each in shards(project, "killed")}


def test_what_decodes_badly_now_is_refused_and_the_rest_goes_on(project, tmp_path, caplog):
    """The bytes that ingest had checked have become damaged in the image rows."""
    raw = write_images(tmp_path / "raw", {"a": 12, "b": 12}, seed=500_000)
    options = {"collection": "late", "images": str(raw)}
    project.run("data_processing", **options)
    folder = project.path / "data/02_intermediate/late/images"
    rows = ImageRowsDataset(str(folder)).load().to_table()
    images = rows["image"].to_pylist()
    for place in (3, 20):
        images[place]["bytes"] = images[place]["bytes"][:200]
    column = pa.array(images, rows.schema.field("image").type)
    spoilt = rows.set_column(rows.schema.get_field_index("image"), "image", column)
    for old in folder.glob("part-*"):
        old.unlink()
    ImageRowsDataset(str(folder)).save(Stream(rows.schema, lambda: iter(spoilt.to_batches())))

    with caplog.at_level(logging.WARNING, logger="veneer"):
        project.run("embedding", "modeling", "retrieval", "reporting", **options)
    assert "2 images cannot be decoded any more and have no vector: 2 truncated" in caplog.text
    refused = project.load("not_embedded", **options)
    assert refused["sha"].to_pylist() == [rows["sha"][place].as_py() for place in (3, 20)]
    assert refused["path"].to_pylist() == [images[place]["path"] for place in (3, 20)]
    assert "2 images have no vector" in project.load("report", **options)
    table = table_of(project, "late")
    assert len(table) == 22
    np.testing.assert_allclose(np.linalg.norm(vectors(table["embedding"]), axis=1), 1, atol=1e-5)
    # Put right, they get their vectors and leave the list.
    for old in folder.glob("part-*"):
        old.unlink()
    ImageRowsDataset(str(folder)).save(Stream(rows.schema, lambda: iter(rows.to_batches())))
    project.run("embedding", **options)
    assert len(table_of(project, "late")) == 24
    assert project.load("not_embedded", **options).num_rows == 0


def test_a_collection_that_cannot_be_decoded_at_all(project, tmp_path):
    raw = write_images(tmp_path / "raw", {"a": 10}, seed=600_000)
    options = {"collection": "rotten", "images": str(raw)}
    project.run("data_processing", **options)
    folder = project.path / "data/02_intermediate/rotten/images"
    rows = ImageRowsDataset(str(folder)).load().to_table()
    images = [image | {"bytes": b"rotten"} for image in rows["image"].to_pylist()]
    column = pa.array(images, rows.schema.field("image").type)
    spoilt = rows.set_column(rows.schema.get_field_index("image"), "image", column)
    for old in folder.glob("part-*"):
        old.unlink()
    ImageRowsDataset(str(folder)).save(Stream(rows.schema, lambda: iter(spoilt.to_batches())))
    with pytest.raises(ClickException, match=r"none of the collection's images .*10 not_an_image"):
        project.run("embedding", **options)


def test_all_runtimes_of_a_collection_are_tracked(project, tmp_path):
    raw = write_images(tmp_path / "raw", {"a": 20, "b": 20}, seed=700_000)
    options = {"collection": "mixed", "images": str(raw)}
    torch_first = options | {"embedding": {"runtime": "torch-fp32"}}
    project.run("data_processing", "embedding", **torch_first)
    write_images(raw, {"a": 30}, seed=710_000)
    project.run("data_processing", "embedding", "modeling", **options)
    (run, *_) = project.runs("material_head_mini")
    assert set(run.data.tags["embedding_runtime"].split(", ")) > {"torch-fp32"}


def test_a_runtime_that_is_not_there_is_an_error(project, photos):
    raw, _ = photos
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    cuda = {"collection": "cuda", "images": str(raw), "embedding": {"runtime": "cuda-fp32"}}
    with pytest.raises(ClickException, match="Opening the encoder mini: not cuda-fp32: "):
        project.run("data_processing", "embedding", **cuda)
    typo = {"collection": "cuda", "images": str(raw), "embedding": {"runtime": "openvino"}}
    with pytest.raises(ClickException, match=r"'embedding\.runtime' is 'openvino': there is"):
        project.run("embedding", **typo)
