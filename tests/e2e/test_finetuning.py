"""Teach an encoder a collection's own likeness."""

import json
import shutil
import signal

import numpy as np
import pyarrow.parquet as pq
import pytest
from click import ClickException
from projects import Project

from veneer.schema import vectors

FOLDER = "data/06_models/textures/mini/tuned"


@pytest.fixture(scope="module")
def tuned(textures, compiled, tmp_path_factory):
    """A project in which `kedro run --pipelines finetuning` has come to its end."""
    project = Project(tmp_path_factory.mktemp("tuned"))
    project.share_compiled(compiled)
    project.draw_small_sample()
    project.take_data(textures)
    project.run("finetuning")
    return project


def figures(project, name="mini-textures"):
    return json.loads(
        (project.path / f"data/08_reporting/textures/{name}/finetuning.json").read_text()
    )


def table(project, name):
    shards = sorted((project.path / "data/04_feature/textures" / name).glob("part-*.parquet"))
    return pq.read_table(shards)


def test_images_that_were_not_trained_on_find_more_of_their_kind(tuned):
    found = figures(tuned)
    likeness = found["figures"]["likeness"]["likeness@5"]
    assert likeness["after"] > likeness["before"] > 0.5
    assert found["queries"] == "validation"
    card = json.loads((tuned.path / FOLDER / "mini-textures/tuned.json").read_text())
    assert card["images"] + 1 < found["n_candidates"]
    assert card["log"][0]["epoch"] == 0
    pictures = tuned.path / "data/08_reporting/textures/mini-textures/finetuning"
    assert {each.name for each in pictures.iterdir()} == {"tuning_curve.png", "gain.png"}
    run = tuned.runs("material_head_mini")[-1]
    assert run.data.tags["tuned_encoder"] == "mini-textures"
    history = tuned.client().get_metric_history(run.info.run_id, "finetuning.likeness_at_5")
    assert [each.step for each in history] == [entry["epoch"] for entry in card["log"]]


def test_it_is_an_encoder_like_any_other(tuned):
    before = table(tuned, "mini-textures")
    tuned.run("embedding", "modeling", "retrieval", encoder=f"{FOLDER}/mini-textures")
    assert table(tuned, "mini-textures").equals(before)  # there was nothing to embed
    path = tuned.path / "data/08_reporting/textures/mini-textures/retrieval_metrics.json"
    assert json.loads(path.read_text())["text_to_image"]["precision@5"] > 0.3
    done = tuned.command(
        "search", "yellow honeycomb", "--params", f"encoder={FOLDER}/mini-textures", "--json"
    )
    assert done.exit_code == 0, done.output
    assert json.loads(done.output)


def test_compared_with_its_base_it_is_judged_by_what_it_has_not_seen(tuned):
    given = {"encoders": f"mini;{FOLDER}/mini-textures", "rates": {"images": 4, "rounds": 1}}
    tuned.run("comparison", comparison=given)
    path = tuned.path / "data/08_reporting/comparisons/comparison/comparison.json"
    found = json.loads(path.read_text())["collections"]["textures"]
    assert found["queries"] == "images that are not trained on"
    held_out = figures(tuned)["figures"]["label"]["n_queries"]
    for name in ("mini", "mini-textures"):
        precision = found["encoders"][name]["figures"]["precision@5"]
        assert precision["n"] == held_out
    after = figures(tuned)["figures"]["label"]["precision@5"]["after"]
    assert precision["value"] == pytest.approx(after, abs=0.01)


def test_projected_vectors_are_those_of_the_images_themselves(tuned):
    encoder = tuned.load("parameters")["embedding"]
    from veneer.encoders.encoder import open_encoder
    from veneer.images import to_rgb

    opened = open_encoder(str(tuned.path / FOLDER / "mini-textures"), {}, cache=encoder.cache)
    rows = tuned.load("image_rows").head(6, columns=["sha", "image"])
    found = opened.embed_images([to_rgb(each["bytes"].as_py()) for each in rows["image"]])
    kept = table(tuned, "mini-textures")
    places = [kept["sha"].to_pylist().index(sha) for sha in rows["sha"].to_pylist()]
    assert np.min(np.sum(vectors(kept["embedding"])[places] * found, axis=1)) > 0.999


def test_again_nothing_is_done_and_otherwise_it_is_refused(tuned, caplog):
    file = tuned.path / FOLDER / "mini-textures/tuned.safetensors"
    before = file.read_bytes(), file.stat().st_mtime_ns
    with caplog.at_level("INFO"):
        tuned.run("finetuning")
    assert "has been tuned in the same way before" in caplog.text
    with pytest.raises(ClickException, match="there is a tuned encoder mini-textures, and it was"):
        tuned.run("finetuning", finetuning={"epochs": 1})
    assert (file.read_bytes(), file.stat().st_mtime_ns) == before


def test_killed_it_goes_on_and_ends_the_same(tuned):
    options = {"learning_rate": 0.00001, "epochs": 5, "patience": 5}
    given = ",".join(f"finetuning.{name}={value}" for name, value in options.items())
    process = tuned.start("run", "--pipelines", "finetuning", "--params", f"tuned=killed,{given}")
    checkpoint = tuned.path / FOLDER / ".killed.safetensors"
    while not checkpoint.exists():
        assert process.poll() is None, process.stderr.read()
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stderr.close()
    assert not (tuned.path / FOLDER / "killed").exists()
    assert checkpoint.exists()
    for name in ("killed", "whole"):
        tuned.run("finetuning", tuned=name, finetuning=options)
    killed, whole = (
        (tuned.path / FOLDER / name / "tuned.safetensors").read_bytes()
        for name in ("killed", "whole")
    )
    assert killed == whole
    assert not checkpoint.exists()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"labels": ["colour"]}, "have no such label. finetuning.labels are of label, folder"),
        ({"labels": []}, "finetuning.labels"),
        ({"objective": "suppcon"}, "Did you mean 'supcon'"),
        ({"train": "head"}, "finetuning.train"),
        ({"labels": ["folder", "label"], "min_group_size": 500}, "has all of the labels"),
        ({"labels": ["label", "format"]}, "have the same format, so nothing can be told apart"),
        ({"dimension": 4096}, "the vectors of the encoder have 896 numbers"),
        ({"name": "other"}, "give --params tuned=... instead"),
        ({"miner_options": {"epsilon": 1}}, "`miner` names none"),
    ],
)
def test_what_cannot_be_trained_is_told(tuned, given, said):
    with pytest.raises(ClickException, match=said):
        tuned.run("finetuning", tuned="wrong", finetuning=given)
    assert not (tuned.path / FOLDER / "wrong").exists()


@pytest.mark.parametrize("name", ["mini", "rn50"])
def test_the_name_of_another_encoder(tuned, name):
    with pytest.raises(ClickException, match=f"another encoder of the name {name}"):
        tuned.run("finetuning", tuned=name)


def test_vectors_of_another_encoder_of_the_name(tuned):
    shutil.copytree(
        tuned.path / "data/04_feature/textures/mini", tuned.path / "data/04_feature/textures/left"
    )
    with pytest.raises(ClickException, match="has vectors of an encoder of the name left already"):
        tuned.run("finetuning", tuned="left")


def test_any_name_of_a_collection_is_fine(tuned):
    assert tuned.load("parameters", collection="my shells")["finetuning"].name == "mini-my shells"
