"""Encoders beside each other: what is run, what is kept, what is shown."""

from __future__ import annotations

import json
import logging

import pyarrow.csv
import pytest
from click import ClickException
from kedro.pipeline import Pipeline, node
from support import seeded_resnet18, write_images

from veneer.errors import VeneerError
from veneer.parameters import ComparedCollection
from veneer.pipelines.comparison import nodes
from veneer.pipelines.comparison.pairs import ingest
from veneer.projects import Projects

CLASSES = {"stone": 14, "wood": 14}


@pytest.fixture(scope="module")
def compared(project, tmp_path_factory):
    """A collection that has been through its pipelines under one of three encoders."""
    write_images(project.path / "data/01_raw/stuff", CLASSES)
    tiny = seeded_resnet18(tmp_path_factory.mktemp("weights"))
    encoders = {"tiny": tiny.model_dump(), "gone": {"family": "timm", "architecture": "resnet18"}}
    encoders["gone"]["pretrained"] = "nowhere/w.safetensors"
    folder = project.path / "conf/local/parameters"
    folder.mkdir()
    # YAML reads JSON.
    # Converting `tiny` would take longer than all that it does here.
    given = {"encoders": encoders, "embedding": {"runtime": "torch-fp32"}}
    (folder / "encoders.yml").write_text(json.dumps(given))
    globals_ = {"collection": "stuff"}
    (project.path / "conf/local/globals.yml").write_text(json.dumps(globals_))
    steps = ("data_processing", "embedding", "modeling", "retrieval")
    project.run(*steps, modeling={"heads": ["svc", "proker", "zero_shot"]})
    return project


def compare(project, params=None, **options):
    given = {"encoders": "mini;tiny;gone", "rates": {"images": 4, "rounds": 1}}
    project.run("comparison", comparison=given | options, **params or {})


def told(caplog):
    """What was said of each pair, and nothing else."""
    said = [r.getMessage() for r in caplog.records if r.name.endswith("comparison.pairs")]
    return {text.split(":")[0]: text.split(": ", 1)[1] for text in said}


def results(project):
    return project.path / "data/08_reporting/comparisons/comparison"


def comparison(project):
    return json.loads((results(project) / "comparison.json").read_text())


def test_what_is_there_is_not_run_again_and_what_was_made_stays(compared, caplog, monkeypatch):
    def fail(*_):
        raise RuntimeError("as if killed")

    monkeypatch.setattr(nodes, "measure_rates", fail)
    with caplog.at_level(logging.INFO, logger="veneer"), pytest.raises(RuntimeError):
        compare(compared)
    said = told(caplog)
    assert said["stuff under mini"] == "everything is there"
    assert said["stuff under tiny"] == "running modeling and retrieval"
    monkeypatch.undo()
    caplog.clear()
    with caplog.at_level(logging.INFO, logger="veneer"):
        compare(compared)
    said = told(caplog)
    assert said["stuff under mini"] == said["stuff under tiny"] == "everything is there"
    assert said["stuff under gone is left out"].startswith("Opening the encoder gone: there is")


def test_a_second_run_gives_the_same_without_running_anything(compared, caplog):
    before = comparison(compared), (results(compared) / "rates.json").read_bytes()
    with caplog.at_level(logging.INFO):
        compare(compared)
    assert told(caplog)["stuff under tiny"] == "everything is there"
    ran = " ".join(r.getMessage() for r in caplog.records if "node: " in r.getMessage())
    assert "scan" in ran
    assert not any(name in ran for name in ("embed", "fit_heads", "build_index", "open_encoder"))
    assert (comparison(compared), (results(compared) / "rates.json").read_bytes()) == before


def test_the_figures_are_those_of_the_pipelines(compared):
    found = comparison(compared)["collections"]["stuff"]
    mini, tiny, gone = (found["encoders"][name] for name in ("mini", "tiny", "gone"))
    heads, search = compared.load("metrics"), compared.load("retrieval_metrics")
    search = search["image_to_image"]["without_copies"]
    for name, theirs in (
        ("precision@5", "precision@5"),
        ("recall@5", "recall@5"),
        ("accuracy@5", "accuracy@5"),
        ("map", "mean_average_precision"),
    ):
        ours = mini["figures"][name]
        assert ours["value"] == pytest.approx(search[theirs])
        assert ours["interval_95"] == pytest.approx(search[f"{theirs}_interval_95"])
    for name in ("svc", "zero_shot"):
        ours = mini["figures"][name]
        assert ours["value"] == pytest.approx(heads[name]["accuracy"])
        assert ours["interval_95"] == pytest.approx(heads[name]["accuracy_interval_95"])
    assert "svc" in tiny["figures"] and "zero_shot" not in tiny["figures"]
    assert (mini["vector_bytes"], tiny["vector_bytes"]) == (3584, 2048)
    assert mini["rate_ratio"] == 1 and tiny["images_per_second"] > 0
    assert gone["missing"].startswith("Opening the encoder gone")
    best = found["winner"]["encoder"]
    assert next(iter(found["winner"]["ranking"])) == best
    assert found["verdict"].startswith(best)


def test_everything_is_written_and_tracked_in_one_run(compared):
    files = {each.name for each in results(compared).iterdir()}
    endings = ("csv", "html", "json", "md", "png")
    assert files == {"rates.json", *(f"comparison.{ending}" for ending in endings)}
    table = pyarrow.csv.read_csv(results(compared) / "comparison.csv")
    assert table["encoder"].to_pylist() == ["mini", "tiny", "gone"]
    page = (results(compared) / "comparison.html").read_text()
    found = comparison(compared)["collections"]["stuff"]
    assert found["verdict"] in page and "Opening the encoder gone" in page
    runs = compared.runs("material_head_mini")
    assert [run.info.status for run in runs] == ["FINISHED", "FINISHED", "FAILED", "FINISHED"]
    mini = found["encoders"]["mini"]
    logged = runs[0].data.metrics
    assert logged["stuff.mini.precision_at_5"] == mini["figures"]["precision@5"]["value"]
    assert runs[0].data.tags["winner.stuff"] == found["winner"]["encoder"]
    names = {a.path for a in compared.client().list_artifacts(runs[0].info.run_id, "comparison")}
    assert names == {f"comparison/comparison.{ending}" for ending in endings}


def test_another_label_makes_all_of_it_run_anew_and_other_heads_stay(compared, caplog):
    raw = compared.path / "data/01_raw/stuff"
    (raw / "stone/000.png").rename(raw / "wood/other.png")
    with caplog.at_level(logging.INFO, logger="veneer"):
        compare(compared, encoders="mini", heads="svc")
    assert told(caplog) == {"stuff under mini": "running modeling and retrieval"}
    assert list(compared.load("heads")) == ["svc", "proker", "zero_shot"]
    caplog.clear()
    with caplog.at_level(logging.INFO, logger="veneer"):
        compare(compared, {"svc": {"reg_param": 0.1}}, encoders="mini", heads="svc")
    assert told(caplog) == {"stuff under mini": "running modeling"}


def test_what_cannot_be_compared_is_told(compared):
    with pytest.raises(ClickException, match=r"can be compared\. gone: Opening the encoder"):
        compare(compared, encoders="gone")
    with pytest.raises(ClickException, match=r"The encoder 'mimi' is unknown. Did you mean 'mini'"):
        compare(compared, encoders="mini;mimi")
    for given, what in (
        ({"encoders": "a/mini;mini"}, "'mini' is there twice"),
        ({"decide_by": "mlp"}, "decide_by is one of precision@5, .*, svc, zero_shot, not 'mlp'"),
        ({"name": "other"}, "give --params comparison_name="),
        ({"collections": ""}, "comparison.collections"),
    ):
        with pytest.raises(ClickException, match=what):
            compare(compared, **given)


def test_what_a_dataset_says_is_a_reason_too(compared):
    project = Projects(compared.path, None, {}).open(ComparedCollection(name="nobody"), "mini")
    pipeline = Pipeline([node(lambda rows: rows, "image_rows", "copy", name="copy")])
    with pytest.raises(VeneerError, match="it is not there"):
        project.run(pipeline)
    with pytest.raises(VeneerError, match="The collection 'nobody' is unknown"):
        ingest(project)


def test_a_collection_may_be_of_another_environment(compared):
    raw = compared.path / "elsewhere"
    given = {"images": "/of/the/run", "svc": {"reg_param": 0.5}, "collection": "own"}
    projects = Projects(compared.path, None, given)
    own = projects.open(None, "tiny")
    assert own.parameters.source.collection == "own"
    assert own.parameters.source.images == "/of/the/run"
    other = projects.open(ComparedCollection(name="waste", env="trashnet", images=str(raw)), "mini")
    assert other.parameters.source.folder.label == "lists"
    assert other.parameters.source.images == str(raw)
    assert other.parameters.svc.reg_param == own.parameters.svc.reg_param == 0.5
    plain = projects.open(ComparedCollection(name="plain"), "mini")
    assert plain.parameters.source.images is None
    assert plain.catalog["metrics"]._describe()["filepath"].endswith("plain/mini/metrics.json")
