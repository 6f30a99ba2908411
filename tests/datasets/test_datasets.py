"""What is written is whole, comes back as it was, and survives a crash of the writer."""

import os
import signal
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
import pytest
from kedro.io import DatasetError
from PIL import Image
from support import ingest_all, noise_image, open_folder, write_images

from veneer.atomic import making_folder, replacing, write_bytes
from veneer.datasets.documents import JSONDataset, TextDataset
from veneer.datasets.embeddings import EmbeddingsDataset
from veneer.datasets.heads import HeadsDataset
from veneer.datasets.image_rows import ImageRowsDataset
from veneer.datasets.pictures import PicturesDataset
from veneer.datasets.raw_images import RawImagesDataset
from veneer.datasets.table import TableDataset
from veneer.errors import VeneerError, find_veneer_error
from veneer.heads.classifier import Card, Classifier
from veneer.heads.linear_svc import OneVsRestLinearSVC
from veneer.schema import QUARANTINE, embedding_schema, fingerprint_of, vectors
from veneer.streams import FileStream, Stream


def test_replacing_keeps_the_old_file_when_the_writer_fails(tmp_path):
    file = tmp_path / "f.txt"
    write_bytes(file, b"old")
    with pytest.raises(RuntimeError), replacing(file) as temporary:
        temporary.write_bytes(b"half of the n")
        raise RuntimeError
    assert file.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["f.txt"]


def test_files_get_the_usual_mode(tmp_path):
    (tmp_path / "plain").write_bytes(b"")
    write_bytes(tmp_path / "atomic", b"")
    assert (tmp_path / "atomic").stat().st_mode == (tmp_path / "plain").stat().st_mode


@pytest.fixture
def stream(tmp_path):
    images, _ = ingest_all(open_folder(write_images(tmp_path / "raw", {"a": 5, "b": 4})))
    return Stream(images.schema, lambda: iter(images.to_batches()))


def test_image_rows_come_back_lazily_and_open_elsewhere(tmp_path, stream):
    dataset = ImageRowsDataset(str(tmp_path / "images"))
    assert not dataset.exists()
    with pytest.raises(DatasetError, match="Run the pipeline data_processing first"):
        dataset.load()
    dataset.save(stream)
    loaded = dataset.load()
    assert isinstance(loaded, ds.Dataset)
    assert loaded.to_table().equals(pa.Table.from_batches(stream))
    (shard,) = (tmp_path / "images").glob("*.parquet")
    assert b'"_type": "Image"' in pa.parquet.read_schema(shard).metadata[b"huggingface"]
    preview = dataset.preview(3)
    assert len(preview["data"]) == 3
    assert "image" not in preview["columns"]


def test_image_rows_are_replaced_as_a_whole(tmp_path, stream):
    dataset = ImageRowsDataset(str(tmp_path / "images"))
    dataset.save(stream)

    def breaks():
        yield from stream
        raise VeneerError("the disk is full")

    with pytest.raises(DatasetError) as caught:
        dataset.save(Stream(stream.schema, breaks))
    assert str(find_veneer_error(caught.value)) == "the disk is full"
    assert dataset.load().count_rows() == 9
    fewer = [batch.slice(0, 2) for batch in stream]
    dataset.save(Stream(stream.schema, lambda: iter(fewer)))
    assert dataset.load().count_rows() == 2
    assert len(list((tmp_path / "images").glob("*.parquet"))) == 1
    dataset.save(Stream(stream.schema, lambda: iter(())))
    assert dataset.load().count_rows() == 0


def embedding_batches(n, fingerprint="e1", start=0, size=100, dimension=4):
    schema = embedding_schema(dimension, fingerprint)
    for first in range(start, start + n, size):
        shas = [f"{i:06d}" for i in range(first, min(first + size, start + n))]
        rows = np.arange(len(shas) * dimension, dtype=np.float32)
        column = pa.FixedSizeListArray.from_arrays(rows, dimension)
        yield pa.RecordBatch.from_arrays([pa.array(shas), column], schema=schema)


def test_embeddings_are_appended(tmp_path):
    dataset = EmbeddingsDataset(str(tmp_path / "e"))
    with pytest.raises(DatasetError, match="Run the pipeline embedding first"):
        dataset.load()
    assert EmbeddingsDataset(str(tmp_path / "e"), missing_ok=True).load().count_rows() == 0
    dataset.save(embedding_batches(50))
    dataset.save(embedding_batches(70, start=50))
    dataset.save(iter(()))
    table = dataset.load().to_table()
    assert table["sha"].to_pylist() == [f"{i:06d}" for i in range(120)]
    assert vectors(table["embedding"]).shape == (120, 4)
    assert fingerprint_of(dataset.load().schema) == "e1"


def test_embeddings_of_two_encoders_are_never_mixed(tmp_path):
    dataset = EmbeddingsDataset(str(tmp_path / "e"))
    dataset.save(embedding_batches(10))
    with pytest.raises(DatasetError) as caught:
        dataset.save(embedding_batches(10, "e2", start=10))
    told = str(find_veneer_error(caught.value))
    assert "[e1]" in told
    assert "[e2]" in told
    assert dataset.load().count_rows() == 10


def test_a_killed_writer_leaves_whole_shards(tmp_path):
    """SIGKILL in the middle of a save: the shards before it stay, nothing half-written is seen."""
    program = f"""
import os, signal, sys
sys.path.insert(0, {os.path.dirname(__file__)!r})
from test_datasets import EmbeddingsDataset, embedding_batches
def batches():
    yield from embedding_batches(300)
    os.kill(os.getpid(), signal.SIGKILL)
EmbeddingsDataset({str(tmp_path / "e")!r}).save(batches())
"""
    path = os.pathsep.join(sys.path)
    done = subprocess.run([sys.executable, "-c", program], env={"PYTHONPATH": path}, check=False)
    assert done.returncode == -signal.SIGKILL
    dataset = EmbeddingsDataset(str(tmp_path / "e"))
    assert dataset.load().count_rows() == 300
    dataset.save(embedding_batches(10, start=10_000))
    assert dataset.load().count_rows() == 310


def test_two_runs_do_not_write_into_one_folder(tmp_path):
    dataset = EmbeddingsDataset(str(tmp_path / "e"))

    def batches():
        yield from embedding_batches(100)
        with pytest.raises(DatasetError, match="another run is doing so now"):
            EmbeddingsDataset(str(tmp_path / "e")).save(embedding_batches(10, start=500))
        yield from embedding_batches(100, start=100)

    dataset.save(batches())
    assert dataset.load().count_rows() == 200
    dataset.save(embedding_batches(10, start=500))  # the lock is given back
    assert dataset.load().count_rows() == 210


def test_a_folder_is_there_as_a_whole_or_not_at_all(tmp_path):
    left = tmp_path / ".kept.999999999-x.tmp"  # of a process that was killed
    left.mkdir()
    with pytest.raises(RuntimeError), making_folder(tmp_path / "kept") as temporary:
        (temporary / "half").write_bytes(b"")
        raise RuntimeError
    assert not os.listdir(tmp_path)
    with making_folder(tmp_path / "kept") as temporary:
        (temporary / "whole").write_bytes(b"1")
    (tmp_path / "plain").mkdir()
    assert (tmp_path / "kept").stat().st_mode == (tmp_path / "plain").stat().st_mode
    with making_folder(tmp_path / "kept") as temporary:  # somebody was faster
        (temporary / "whole").write_bytes(b"2")
    assert (tmp_path / "kept" / "whole").read_bytes() == b"1"
    assert sorted(os.listdir(tmp_path)) == ["kept", "plain"]


def test_tables_and_documents(tmp_path):
    table = pa.table({"a": [1, 2], "b": ["x", None]})
    for name in ("t.parquet", "t.csv"):
        dataset = TableDataset(str(tmp_path / name))
        dataset.save(table)
        assert dataset.load()["a"].to_pylist() == [1, 2]
        assert dataset.preview(1)["data"] == [[1, "x"]]
    empty = TableDataset(str(tmp_path / "q.parquet"))
    empty.save(Stream(QUARANTINE, lambda: iter(())))
    assert empty.load().schema.names == QUARANTINE.names
    document = JSONDataset(str(tmp_path / "d.json"))
    document.save({"é": [1, {"b": None}]})
    assert document.load() == {"é": [1, {"b": None}]}
    assert "é" in (tmp_path / "d.json").read_text("utf-8")
    known = JSONDataset(str(tmp_path / "k.json"), missing_ok=True)
    assert known.load() == {}
    write_bytes(tmp_path / "k.json", b'{"a": 1')
    assert known.load() == {}
    known.save({"a": 1})
    assert known.load() == {"a": 1}
    page = TextDataset(str(tmp_path / "p.html"))
    page.save("<p>é")
    assert page.load() == "<p>é"


def test_pictures_replace_each_other_and_have_safe_names(tmp_path):
    dataset = PicturesDataset(str(tmp_path / "p"))
    dataset.save({"a/b: ?": noise_image(1), "a b": noise_image(2), "../..": noise_image(3)})
    assert sorted(dataset.load()) == ["a-b", "a-b-2", "picture"]
    np.testing.assert_array_equal(np.asarray(dataset.load()["a-b-2"]), np.asarray(noise_image(2)))
    assert len(dataset.preview()) > 100
    dataset.save({"new": Image.new("RGB", (4, 4))})
    assert list(dataset.load()) == ["new"]
    dataset.save({})
    assert dataset.load() == {}


@pytest.fixture
def classifier():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(40, 5)).astype(np.float32)
    head = OneVsRestLinearSVC().fit(features, np.where(features[:, 0] > 0, "a", "b"))
    return Classifier(head, Card("svc", "encoder 1", temperature=0.5, threshold=0.7)), features


def test_no_heads_remove_those_of_an_earlier_run(tmp_path, classifier):
    given, features = classifier
    dataset = HeadsDataset(str(tmp_path / "h"))
    dataset.save({"svc": given})
    (name, loaded), *others = dataset.load().items()
    assert (name, others) == ("svc", [])
    assert loaded.card == given.card
    np.testing.assert_array_equal(
        loaded.probabilities(features, "encoder 1"), given.probabilities(features, "encoder 1")
    )
    dataset.save({})
    assert dataset.load() == {}
    assert not list((tmp_path / "h").iterdir())


def test_a_head_and_a_card_of_two_runs_are_told(tmp_path, classifier):
    given, features = classifier
    dataset = HeadsDataset(str(tmp_path / "h"))
    dataset.save({"svc": given})
    card = (tmp_path / "h/svc.json").read_bytes()
    other = OneVsRestLinearSVC().fit(features, np.where(features[:, 1] > 0, "a", "b"))
    dataset.save({"svc": Classifier(other, given.card)})
    (tmp_path / "h/svc.json").write_bytes(card)
    with pytest.raises(DatasetError, match=r"svc\.skops and its card svc\.json: the head is not"):
        dataset.load()
    (tmp_path / "h/svc.json").write_text("[]")
    with pytest.raises(DatasetError, match="no JSON object"):
        dataset.load()
    (tmp_path / "h/svc.json").unlink()
    with pytest.raises(DatasetError, match=r"svc\.json.*kedro run --pipelines modeling"):
        dataset.load()


def test_raw_images_are_written_once_and_as_a_whole(tmp_path):
    dataset = RawImagesDataset(str(tmp_path / "raw"))

    def breaks():
        yield "a/1.jpg", b"1"
        raise RuntimeError("power cut")

    with pytest.raises(DatasetError):
        dataset.save(FileStream(breaks))
    assert not any(tmp_path.iterdir())
    dataset.save(FileStream(lambda: iter([("a/1.jpg", b"1")])))
    dataset.save(FileStream(lambda: iter([("a/1.jpg", b"2"), ("b.jpg", b"3")])))
    assert [p.read_bytes() for p in (tmp_path / "raw").rglob("*.jpg")] == [b"1"]
    dataset.save(())
    assert list(tmp_path.iterdir()) == [tmp_path / "raw"]


@pytest.mark.parametrize(
    "dataset",
    [
        TableDataset("nowhere.parquet"),
        JSONDataset("nowhere.json"),
        TextDataset("nowhere.html"),
        PicturesDataset("nowhere"),
        HeadsDataset("nowhere"),
    ],
)
def test_what_is_not_there_is_said_to_be_made_first(dataset):
    with pytest.raises(DatasetError) as caught:
        dataset.load()
    assert "it is not there. Run the pipeline" in str(find_veneer_error(caught.value))
