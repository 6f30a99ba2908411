"""What the user did wrong is said in one sentence, before a run is tracked."""

from __future__ import annotations

import socket

import click
import pytest
from kedro.runner import ParallelRunner
from support import encode, noise_image, write_images


def refused(project, *pipelines, runner=None, **params) -> str:
    """The sentence a run is refused with; it must leave no MLflow run and no data behind."""
    before = sorted(p for p in (project.path / "data").rglob("*") if p.is_file())
    experiments = project.client().search_experiments() if database(project) else []
    runs = len(project.client().search_runs([e.experiment_id for e in experiments]))
    with pytest.raises(click.ClickException) as caught, project.session(**params) as session:
        session.run(pipeline_names=list(pipelines) or None, runner=runner)
    experiments = project.client().search_experiments()
    assert len(project.client().search_runs([e.experiment_id for e in experiments])) == runs
    assert sorted(p for p in (project.path / "data").rglob("*") if p.is_file()) == before
    return caught.value.message


def database(project) -> bool:
    return (project.path / "mlflow.db").exists()


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        ({"encoder": "rn51"}, "The encoder 'rn51' is unknown. Did you mean 'rn50'?"),
        ({"encoder": "no/such/folder"}, "this is no open_clip model folder"),
        ({"collection": "shels"}, "The collection 'shels' is unknown: there is no folder"),
        ({"collection": "../conf"}, "a collection's name becomes the name of a folder"),
        (
            {"images": "no/such/folder"},
            "no images found, the folder .*no/such/folder does not exist",
        ),
        ({"colection": "x"}, "'colection' is unknown. Did you mean 'collection'?"),
        ({"svc": {"reg": 1}}, "'svc.reg' is unknown. Did you mean 'svc.reg_param'?"),
        (
            {"svc": {"reg_param": "much"}},
            "'svc.reg_param' is 'much': input should be",
        ),
        ({"splits": {"method": "random"}}, "'splits.method' is 'random'"),
        ({"modeling": {"heads": ["svc", "svm"]}}, "there is no such head; heads are svc, mlp"),
        ({"mlp": {"dropout": 1.5}}, "'mlp.dropout' is 1.5: input should be less than 1"),
        ({"reporting": {"template": "a {thing} of {}"}}, "a template has {} once"),
        ({"reporting": {"template": "a photo"}}, "a template has {} once"),
        ({"collection": True}, "collection is True, which is no text"),
    ],
)
def test_configuration_is_checked_first(project, params, sentence):
    import re

    assert re.search(sentence, refused(project, **params))


def test_the_parallel_runner(project):
    assert "The ParallelRunner cannot be used" in refused(project, runner=ParallelRunner())


@pytest.mark.parametrize("encoder", ["rn50", "resnet50", "sd_vae"])
def test_weights_that_cannot_be_had(project, encoder):
    message = refused(project, encoder=encoder)
    assert f"Opening the encoder {encoder}" in message
    assert "HF_HUB_OFFLINE" in message
    assert "encoder=mini needs no download" in message


def test_a_hub_that_does_not_answer(project, monkeypatch, tmp_path):
    from huggingface_hub import constants

    from veneer.encoders import weights

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(weights, "HUB_TIMEOUT", 1.0)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes calls, never says a word
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        form = f"{address}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", form)
        message = refused(project, encoder="rn50")
    assert f"{address}/timm/resnet50_clip.openai" in message
    assert "cannot be had: " in message


def test_a_weight_file_must_tell_its_activation(project, tmp_path):
    (tmp_path / "w.safetensors").write_bytes(b"")
    encoders = {"bare": {"family": "open_clip", "architecture": "RN50"}}
    encoders["bare"]["pretrained"] = str(tmp_path / "w.safetensors")
    message = refused(project, encoder="bare", encoders=encoders)
    assert "does not tell its activation" in message
    encoders["bare"]["pretrained"] = str(tmp_path / "missing.safetensors")
    assert "there is no file" in refused(project, encoder="bare", encoders=encoders)


def test_a_folder_without_a_readable_image(project, tmp_path):
    (tmp_path / "notes.txt").write_text("no picture")
    with pytest.raises(click.ClickException, match=r"none of the 1 files .* can be read"):
        project.run("data_processing", collection="texts", images=str(tmp_path))
    assert not list((project.path / "data/02_intermediate/texts").rglob("*.parquet"))
    (run,) = project.runs("material_head_mini")
    assert run.info.status == "FAILED"


def test_one_class_is_an_error_and_none_is_not(project, tmp_path):
    one = write_images(tmp_path / "one", {"moss": 6})
    with pytest.raises(click.ClickException, match="1 of the collection's 1 classes"):
        project.run(collection="one", images=str(one))

    flat = tmp_path / "flat"
    flat.mkdir()
    for index in range(6):
        (flat / f"{index}.png").write_bytes(encode(noise_image(index)))
    project.run(collection="flat", images=str(flat))
    assert project.load("metrics", collection="flat") == {}
    assert project.load("heads", collection="flat") == {}
    assert "has no labels" in project.load("report", collection="flat")
    assert project.load("embeddings", collection="flat").count_rows() == 6


def test_small_classes_are_left_out_and_named(project, tmp_path, caplog):
    images = write_images(tmp_path / "raw", {"a": 8, "b": 8, "tiny": 1})
    project.run(collection="small", images=str(images))
    metrics = project.load("metrics", collection="small")
    for head in ("svc", "mlp"):
        assert metrics[head]["left_out_classes"] == {"tiny": 1}
        assert set(metrics[head]["per_class"]) == {"a", "b"}
    assert "tiny (1)" in project.load("report", collection="small")
    assert any("tiny (1)" in record.getMessage() for record in caplog.records)
    # Still searchable.
    hits = project.load("search_results", collection="small").to_pylist()
    assert "tiny" in {hit["label"] for hit in hits}


def test_a_split_that_leaves_nothing_to_fit_or_to_judge(project, tmp_path):
    images = write_images(tmp_path / "raw", {"a": 3, "b": 3})
    project.run("data_processing", "embedding", collection="few", images=str(images))
    for share, sentence in [(0.999, "on the training side"), (0.001, "on the validation side")]:
        splits = {"method": "hash", "validation_share": share}
        project.run("data_processing", collection="few", images=str(images), splits=splits)
        with pytest.raises(click.ClickException, match=sentence):
            project.run("modeling", collection="few")


def test_one_class_can_be_searched_when_no_heads_are_asked_for(project, tmp_path):
    images = write_images(tmp_path / "raw", {"moss": 5})
    project.run(collection="moss", images=str(images), modeling={"heads": []})
    assert project.load("metrics", collection="moss") == {}
    assert project.load("search_results", collection="moss").num_rows == 5


def test_names_are_read_back_as_strings(project, tmp_path):
    images = write_images(tmp_path / "raw", {"2024": 6, "no": 6})
    project.run("data_processing", collection=2024, images=str(images))
    card = project.load("collection_card", collection=2024)
    assert card["collection"] == "2024"
    assert card["labels"] == {"2024": 6, "no": 6}
