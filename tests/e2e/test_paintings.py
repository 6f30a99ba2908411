"""`--env paintings`: a catalogue of pages, and an encoder tuned by several labels a picture."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image
from support import encode, seeded_resnet18
from web import Server

HEADER = "AUTHOR;BORN-DIED;TITLE;DATE;TECHNIQUE;LOCATION;URL;FORM;TYPE;SCHOOL;TIMEFRAME"
SCHOOLS, TYPES = ["Dutch", "Italian"], ["landscape", "portrait"]


def painting(number):
    """Schools differ in colour, types in pattern."""
    rng = np.random.default_rng(number)
    ground = np.array([[60, 90, 40], [170, 60, 50]][number % 2]) + rng.integers(-20, 20, 3)
    lines = np.indices((48, 48))[number // 2 % 2] // 6 % 2
    return Image.fromarray(np.clip(ground + 60 * lines[..., None], 0, 255).astype(np.uint8))


@pytest.fixture(scope="module")
def catalogued(project, tmp_path_factory):
    pictures = {f"/art/{n}.jpg": encode(painting(n), "JPEG") for n in range(48)}
    with Server(pictures) as server:
        rows = [
            f"Käfer;(b. 1600);Nr. {n};1650;Oil, on canvas;Wien;{server.url(f'/html/{n}.html')};"
            f"painting;{TYPES[n // 2 % 2]};{SCHOOLS[n % 2]};1651-1700"
            for n in range(48)
        ]
        folder = project.path / "data/01_raw/paintings"
        folder.mkdir(parents=True)
        (folder / "catalog.csv").write_text("\n".join([HEADER, *rows]), "latin-1")
        tiny = seeded_resnet18(tmp_path_factory.mktemp("weights")).model_dump()
        given = {"encoders": {"resnet50": tiny}, "embedding": {"runtime": "torch-fp32"}}
        finetuning = {"epochs": 3, "labels": "SCHOOL;TYPE", "groups": 4}
        project.run("data_processing", "embedding", env="paintings", **given)
        project.run("finetuning", env="paintings", finetuning=finetuning, **given)
    return project


def test_what_the_catalogue_says_comes_along(catalogued):
    folder = catalogued.path / "data/02_intermediate/paintings/images"
    rows = pq.read_table(sorted(folder.rglob("*.parquet"))).to_pylist()
    assert len(rows) == 48
    assert rows[0]["label"] == "landscape"
    assert rows[0]["text"] == "Käfer || Nr. 0 || 1650"
    assert rows[1]["attributes"]["SCHOOL"] == "Italian"
    assert rows[1]["attributes"]["TECHNIQUE"] == "Oil, on canvas"


def test_several_labels_are_learnt(catalogued):
    path = catalogued.path / "data/08_reporting/paintings/resnet50-paintings/finetuning.json"
    found = json.loads(path.read_text())["figures"]
    assert set(found) == {"SCHOOL", "TYPE", "all labels", "likeness"}
    folder = catalogued.path / "data/06_models/paintings/resnet50/tuned/resnet50-paintings"
    options = json.loads((folder / "tuned.json").read_text())["options"]
    assert (options["objective"], options["hidden"], options["dimension"]) == (
        "contrastive",
        512,
        256,
    )
    shards = sorted((catalogued.path / "data/04_feature/paintings/resnet50-paintings").iterdir())
    assert pq.read_schema(shards[0]).field("embedding").type.list_size == 256
