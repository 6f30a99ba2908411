"""`--env curation` on a shuffled, unlabelled copy of real photos in which twins were planted."""

from __future__ import annotations

import json
import shlex
from datetime import datetime
from types import SimpleNamespace

import httpx
import numpy as np
import pyarrow.compute as pc
import pytest
from kedro.framework.cli.utils import _split_params
from PIL import ExifTags, Image
from serving import serving
from support import encode

from veneer.app.cleaning import choose, forget, twins_at
from veneer.app.mapping import colours
from veneer.app.reporting import report
from veneer.app.searching import Asked, answer
from veneer.app.workspace import Workspace
from veneer.images import to_rgb
from veneer.project import open_project

BOXES = 5
PLANTED = 8  # twins of each kind
NEAR = "0.97"  # what is suggested for so few images depends on each of them


def saved(image: Image.Image, **options) -> bytes:
    return encode(image, "JPEG", quality=95, **options)


def smaller(image: Image.Image) -> Image.Image:
    return image.resize([round(0.95 * side) for side in image.size], Image.Resampling.LANCZOS)


def described() -> Image.Exif:
    exif = Image.Exif()
    exif[ExifTags.Base.DateTime] = "2019:05:04 10:20:30"
    exif[ExifTags.Base.ImageDescription] = "from the attic"
    return exif


TWINS = {
    "identical": lambda data: data,
    "saved again": lambda data: saved(to_rgb(data)),
    "smaller": lambda data: saved(smaller(to_rgb(data))),
}
# One each, of what else lies in a folder that grew over the years.
OTHERS = {
    "described": lambda data: saved(to_rgb(data).rotate(90), exif=described()),
    "other format": lambda data: encode(to_rgb(data).rotate(90)),
    "cut off": lambda data: data[: len(data) // 2],
}


@pytest.fixture(scope="module")
def heap(shared, tmp_path_factory):
    """Photos in no order under names that tell nothing, twins of some, and what lies about."""
    photos = [
        file.read_bytes()
        for name, step in (("dtd10", 30), ("trashnet", 63))
        for file in sorted((shared / "data" / name / "images").rglob("*.jpg"))[::step]
    ]
    rng = np.random.default_rng(0)
    drawn = rng.permutation(len(photos)).tolist()
    files = [("photo", number, data) for number, data in enumerate(photos)]
    for kind, make in (TWINS | OTHERS).items():
        for _ in range(PLANTED if kind in TWINS else 1):
            number = drawn.pop()
            files.append((kind, number, make(photos[number])))
    folder = tmp_path_factory.mktemp("heap")
    paths = {}
    for place, which in enumerate(rng.permutation(len(files)).tolist()):
        kind, number, data = files[which]
        path = f"box {place % BOXES}/{place:04d}.jpg"
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_bytes(data)
        paths[kind, number] = path
    (folder / "box 1/0001.xmp").write_text("<xmpmeta/>")
    pairs = {kind: {} for kind in TWINS | OTHERS}
    for (kind, number), path in paths.items():
        if kind != "photo":
            pairs[kind][path] = paths["photo", number]
    return SimpleNamespace(folder=folder, images=len(files) - 1, pairs=pairs)


@pytest.fixture(scope="module")
def curated(project, heap, shared):
    """What a plain run of the overlay leaves, as the app opens it."""
    given = {"images": str(heap.folder), "encoder": str(shared / "models/lite2-minilm")}
    fewer = {"reporting": {"sheet_results": 6, "histogram_results": 6}}
    project.run(env="curation", **given, **fewer)
    params = ",".join(f"{key}={value}" for key, value in given.items())
    opened = open_project(project.path, env="curation", params=given)
    load = opened.catalog.load
    return SimpleNamespace(
        project=project, given=given, params=params, load=load, workspace=Workspace(opened)
    )


def ask(curated, command, *arguments, params=None):
    """What one of veneer's commands says, and what it writes as JSON."""
    options = ["--env", "curation", "--params", params or curated.params, "--json"]
    done = curated.project.command(command, *arguments, *options)
    assert done.exit_code == 0, done.output
    return done.stderr, json.loads(done.stdout)


def test_all_is_known_of_every_picture_but_its_label(curated, heap):
    rows = curated.load("image_rows").to_table()
    assert len(rows) == heap.images
    assert rows["label"].null_count == len(rows)
    for column in ("id", "sha", "width", "height", "format", "size", "modified", "folder"):
        assert rows[column].null_count == 0
    rows = {row["image"]["path"]: row for row in rows.to_pylist()}
    for path, row in rows.items():
        assert row["folder"] == path.partition("/")[0]
        assert row["size"] == (heap.folder / path).stat().st_size
        with Image.open(heap.folder / path) as image:
            assert (row["width"], row["height"], row["format"]) == (*image.size, image.format)
    (described,) = heap.pairs["described"]
    assert rows[described]["created"] == datetime(2019, 5, 4, 10, 20, 30)
    assert rows[described]["text"] == "from the attic"
    assert {row["format"] for row in rows.values()} == {"JPEG", "PNG"}
    (refused,) = curated.load("quarantine").to_pylist()
    assert [refused["path"]] == list(heap.pairs["cut off"]) and refused["reason"] == "truncated"


def test_the_report_says_that_there_are_no_labels(curated, heap):
    card = curated.load("collection_card")
    assert (card["unlabelled"], card["labels"]) == (heap.images, {})
    for name in ("heads", "metrics", "retrieval_metrics", "label_sheets"):
        assert curated.load(name) == {}
    assert "has no labels" in curated.load("report")
    prompts = set(curated.load("search_results")["prompt"].to_pylist())
    assert "a black and white photo" in prompts
    assert len(curated.load("contact_sheets")) == len(prompts)


def test_words_filters_and_pictures_find_what_they_say(curated, heap):
    _, found = ask(curated, "search", "a cobweb", "-k", "5")
    assert found["searched"] == heap.images
    assert [row["label"] for row in found["results"]] == [None] * 5
    where = "folder = 'box 2' and width >= 150 and label is null"
    _, inside = ask(curated, "search", "glass", "-k", "3", "--where", where)
    assert [row["folder"] for row in inside["results"]] == ["box 2"] * 3
    copy, photo = next(iter(heap.pairs["saved again"].items()))
    _, alike = ask(curated, "search", "--image", str(heap.folder / copy), "-k", "2")
    assert [row["path"] for row in alike["results"]] == [copy, photo]


def test_planted_twins_are_found_without_a_label(curated, heap):
    _, found = ask(curated, "duplicates", "--threshold", NEAR)
    group_of = {row["path"]: each["group"] for each in found["groups"] for row in each["images"]}
    together = {
        kind: sum(group_of.get(twin, 0) == group_of.get(photo, -1) for twin, photo in twins.items())
        for kind, twins in heap.pairs.items()
    }
    assert together["identical"] == together["saved again"] == PLANTED
    assert together["smaller"] >= PLANTED // 2
    assert found["to_drop"] <= 3 * PLANTED  # and little else
    assert found["label_conflicts"] == 0
    _, strict = ask(curated, "duplicates", "--threshold", "1")
    assert strict["exact"] == PLANTED


def test_the_app_opens_it_and_its_choices_count(curated, heap):
    workspace = curated.workspace
    assert "label" not in colours(workspace) and "folder" in colours(workspace)
    assert report(workspace)["metrics"] == {}
    results = answer(workspace, Asked(q="a cobweb", k=4)).results
    assert results["label"].null_count == 4
    with serving(workspace) as address:
        assert httpx.get(address).status_code == 200
        one = results["id"][0].as_py()
        assert httpx.get(f"{address}/pictures/{one}").content.startswith(b"\xff\xd8")
    dropped = twins_at(workspace, 1.0).twins.filter(pc.field("kind") == "exact")
    choose(workspace, dropped["id"][0].as_py(), True)
    told, found = ask(curated, "duplicates", "--threshold", "1")
    assert "1 choice made in the app went before" in told
    assert found["to_drop"] == PLANTED - 1
    forget(workspace)


def test_what_is_kept_is_a_collection_without_twins(curated, heap):
    before = {file: file.stat().st_mtime_ns for file in heap.folder.rglob("*.*")}
    told, found = ask(curated, "duplicates", "--threshold", NEAR, "--apply", "curation-once")
    command = shlex.split(told.rpartition("Go on with: ")[2])
    assert command[:4] == ["kedro", "run", "--env", "curation"]
    params = command[command.index("--params") + 1]
    once = _split_params(None, None, params)
    curated.project.run("data_processing", "embedding", "retrieval", env="curation", **once)
    opened = open_project(curated.project.path, env="curation", params=once)
    card = opened.catalog.load("collection_card")
    assert card["images"] == card["unlabelled"] == heap.images - found["to_drop"]
    assert card["images"] == card["distinct_images"]
    _, again = ask(curated, "duplicates", "--threshold", NEAR, params=params)
    assert again["groups"] == []
    assert {file: file.stat().st_mtime_ns for file in heap.folder.rglob("*.*")} == before


def test_the_encoder_is_registered_without_a_classifier(curated):
    curated.project.run("registration", env="curation", **curated.given)
    (found,) = curated.load("registered").items()
    assert found[0] == "veneer-encoder"
    assert found[1]["champion"]
    client = curated.project.client()
    tags = client.get_model_version_by_alias("veneer-encoder", "champion").tags
    assert tags["encoder"] == "lite2-minilm"
    assert "accuracy" not in tags
    assert [model.name for model in client.search_registered_models()] == ["veneer-encoder"]
