"""A catalogue of addresses, served by a real server on loopback, from configuration alone."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter

import pyarrow.parquet as pq
import pytest
from PIL import ExifTags, Image
from support import encode, noise_image
from web import Server

HEADER = ["Product Name", "Category", "About Product", "Product Specification", "Image"]


@pytest.fixture(scope="module")
def server():
    with Server() as server:
        yield server


@pytest.fixture(scope="module")
def catalogue(project, server):
    """Twelve toys, eight games, three of a small category, and rows that cannot be used."""
    rows = []

    def sell(category: str, number: int, addresses: list[str], name: str = "a toy") -> None:
        urls = "|".join(map(server.url, addresses))
        rows.append([f"{name} {number}", f"{category} | sub", "", "of wood, red", urls])

    for number in range(12):
        server.routes[f"/t{number}.png"] = encode(noise_image(number))
        sell("Toys", number, [f"/t{number}.png"])
    for number in range(8):
        server.routes[f"/g{number}.jpg"] = encode(noise_image(100 + number), "JPEG")
        # The first address is gone, the second gives a page, the third the picture.
        server.routes["/page"] = b"<html>sold out</html>"
        sell("Games", number, [f"/gone{number}", "/page", f"/g{number}.jpg"])
    for number in range(3):
        server.routes[f"/b{number}.png"] = encode(noise_image(200 + number))
        sell("Books", number, [f"/b{number}.png"])
    sell("Toys", 50, ["/nothing.png"])
    server.routes["/cut.png"] = encode(noise_image(300))[:800]
    sell("Toys", 51, ["/cut.png"])
    rows.append(["no picture", "Toys", "", "", ""])
    rows.append(["", "Toys", " ", "", server.url("/t0.png")])  # no text
    text = io.StringIO()
    csv.writer(text).writerows([HEADER, *rows])
    folder = project.path / "data/01_raw/products"
    folder.mkdir(parents=True)
    (folder / "products.csv").write_text(text.getvalue(), "utf-8")
    return project


SOURCE = {
    "csv": {"top_categories": 2, "most_per_category": 12},
    "download": {"attempts": 2, "backoff": 0.01},
}


@pytest.fixture(scope="module")
def finished(catalogue, server):
    catalogue.run("data_processing", env="products", source=SOURCE)
    return catalogue


def load(project, name):
    return project.load(name, env="products", source=SOURCE)


def test_the_largest_categories_are_kept_with_their_texts(finished, server):
    rows = load(finished, "image_rows").to_table().to_pylist()
    assert Counter(row["label"] for row in rows) == {"Toys": 12, "Games": 8}
    first = rows[0]
    assert first["text"] == "a toy 0 || of wood, red"
    assert first["image"]["path"] == server.url("/t0.png")
    assert first["image"]["bytes"] == encode(noise_image(0))
    games = [row["image"]["path"] for row in rows if row["label"] == "Games"]
    assert games == [server.url(f"/g{number}.jpg") for number in range(8)]


def test_what_failed_is_in_the_quarantine_with_its_last_error(finished, server):
    """Of the first twelve toys all are there; with more of them allowed, two are not."""
    source = {**SOURCE, "csv": {"top_categories": 2, "most_per_category": 100}}
    finished.run("data_processing", env="products", source=source)
    folder = finished.path / "data/02_intermediate/products"
    found = {row["path"]: row for row in pq.read_table(folder / "quarantine.parquet").to_pylist()}
    assert set(found) == {server.url("/nothing.png"), server.url("/cut.png")}
    assert {row["reason"] for row in found.values()} == {"download_failed"}
    assert "404" in found[server.url("/nothing.png")]["detail"]
    assert "truncated" in found[server.url("/cut.png")]["detail"]
    finished.run("data_processing", env="products", source=SOURCE)


def test_the_split_is_stratified(finished):
    labels = {
        row["id"]: row["label"]
        for row in load(finished, "image_rows").to_table(columns=["id", "label"]).to_pylist()
    }
    sides = Counter(
        (labels[row["id"]], row["split"]) for row in load(finished, "splits").to_pylist()
    )
    assert sides == {
        ("Toys", "train"): 10,
        ("Toys", "validation"): 2,
        ("Games", "train"): 6,
        ("Games", "validation"): 2,
    }


def test_a_second_run_asks_for_nothing(finished, server):
    before = load(finished, "image_rows").to_table()
    server.requests.clear()
    finished.run("data_processing", env="products", source=SOURCE)
    assert server.requests == []
    assert load(finished, "image_rows").to_table().equals(before)


def test_heads_see_the_picture_and_its_words(finished):
    """The words tell toys from games, the pictures are noise."""
    asked = {"source": SOURCE, "encoder": "mini"}
    finished.run("embedding", env="products", **asked)
    finished.run("modeling", env="products", **asked)
    features = finished.load("heads", env="products", **asked)
    card = features["mlp"].card
    assert (set(features), card.fusion) == ({"mlp", "svc"}, "concat")
    texts = finished.load("text_embeddings", env="products", **asked)
    assert texts.count_rows() == len({f"a toy {n}" for n in range(12)})
    shards = sorted((finished.path / "data/04_feature/products/mini/_texts").glob("*.parquet"))
    finished.run("embedding", env="products", **asked)  # nothing new
    again = sorted((finished.path / "data/04_feature/products/mini/_texts").glob("*.parquet"))
    assert again == shards


def test_predict_takes_a_picture_with_its_words(finished):
    picture = finished.path / "new.png"
    picture.write_bytes(encode(noise_image(7)))
    options = ["--json", "--env", "products", "--params", "encoder=mini"]
    for shown in ([str(picture), "--text", "a wooden toy"], ["--text", "a wooden toy"]):
        done = finished.command("predict", *shown, *options)
        assert done.exit_code == 0, done.stderr
        (row,) = json.loads(done.stdout)["predictions"]
        assert row["path"] == (str(picture) if len(shown) == 3 else None)
        assert {each["label"] for each in row["top"]} == {"Toys", "Games"}


def test_a_head_of_texts_needs_one(finished):
    """It would say the same of every picture."""
    asked = {"source": SOURCE, "encoder": "mini", "modeling": {"fusion": "text", "heads": ["svc"]}}
    finished.run("modeling", env="products", **asked)
    picture = finished.path / "new.png"
    picture.write_bytes(encode(noise_image(7)))
    options = ["--json", "--env", "products", "--params", "encoder=mini"]
    done = finished.command("predict", str(picture), *options)
    assert done.exit_code == 1
    (row,) = json.loads(done.stdout)["predictions"]
    assert row["error"] == "no_text: the head sees texts alone"
    done = finished.command("predict", str(picture), "--text", " ", *options)
    assert (done.exit_code, done.stdout) == (1, "")
    assert "--text is empty" in done.stderr
    exif = Image.Exif()
    exif[ExifTags.Base.ImageDescription] = "a wooden toy"
    picture.write_bytes(encode(noise_image(7), "JPEG", exif=exif))
    options[-1] = "encoder=mini,source.text_from_exif=true"
    done = finished.command("predict", str(picture), *options)
    assert json.loads(done.stdout)["predictions"][0]["error"] is None
