"""Make an encoder of images and texts, at a small size, and use it."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import open_clip
import pytest
import safetensors.torch
import torch
from click import ClickException
from PIL import Image
from pretrained import make_small, needs_all_ingredients, small_ingredients
from projects import Project
from support import noise_image

from veneer.encoders.encoder import open_encoder
from veneer.schema import vectors

pytestmark = needs_all_ingredients
ENCODER = "data/06_models/pretraining/embedded"
WORK = "data/02_intermediate/pretraining"
PROGRAM = Path(__file__).with_name("pretraining_run.py")


@pytest.fixture(scope="module")
def made(tmp_path_factory, compiled):
    """A project in which `kedro run --pipelines pretraining` has come to its end."""
    project = Project(tmp_path_factory.mktemp("made"))
    project.share_compiled(compiled)
    make_small(project)
    with small_ingredients():
        project.run("pretraining")
    return project


@pytest.fixture(scope="module")
def model(made):
    return open_clip.create_model(f"local-dir:{made.path / ENCODER}").eval()


def contents(project):
    return {path.name: path.read_bytes() for path in sorted((project.path / ENCODER).iterdir())}


def times(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*.safetensors")}


def test_open_clip_opens_it_as_its_own(made, model):
    assert set(contents(made)) == {
        "README.md",
        "open_clip_config.json",
        "open_clip_model.safetensors",
    }
    tensors = safetensors.torch.load_file(made.path / ENCODER / "open_clip_model.safetensors")
    missing, unexpected = model.load_state_dict(tensors, strict=False)
    assert set(missing) <= {"attn_mask"}
    assert unexpected == []
    width = json.loads(contents(made)["open_clip_config.json"])["model_cfg"]["embed_dim"]
    assert model.visual.head.mlp.fc2.out_features == model.text_projection.shape[1] == width


def test_it_says_of_itself_what_was_measured(made):
    metrics = made.load("pretraining_metrics")
    assert set(metrics) == {"text_cosine", "image_cosine", "megabytes"}
    assert metrics["image_cosine"] > 0.95
    assert metrics["text_cosine"] > 0.3  # after thirty steps
    card = (made.path / ENCODER / "README.md").read_text()
    assert f"cosine to these targets is {metrics['text_cosine']:.3f}" in card
    assert "4 pieces of clip art" in card


def test_it_is_tracked_with_its_card(made):
    run = made.runs("material_head_mini")[-1]
    assert run.info.status == "FINISHED"
    metrics = made.load("pretraining_metrics")
    for name, value in metrics.items():
        assert run.data.metrics[f"pretrained.{name}"] == pytest.approx(value)
    history = made.client().get_metric_history(run.info.run_id, "text.loss")
    assert [each.step for each in history] == [10, 20, 30]
    assert history[-1].value < history[0].value
    assert run.data.params["pretraining.pictures"] == "40"
    there = made.client().download_artifacts(run.info.run_id, "README.md")
    assert Path(there).read_text() == (made.path / ENCODER / "README.md").read_text()
    pictures = made.client().list_artifacts(run.info.run_id, "pretraining")
    assert [each.path for each in pictures] == ["pretraining/pictures.png"]
    with Image.open(made.path / "data/08_reporting/pretraining/embedded/pictures.png") as sheet:
        assert np.asarray(sheet).std() > 30


def test_again_it_takes_what_was_kept_and_gives_the_same_bytes(made):
    before, kept, written = contents(made), times(made.path / WORK), times(made.path / ENCODER)
    with small_ingredients(), pytest.MonkeyPatch.context() as patch:
        patch.setattr("veneer.pretraining.teacher.Teacher", None)
        patch.setattr("veneer.pretraining.lanes.calibrate", None)
        patch.setattr("veneer.pretraining.looking._look_apart", None)
        patch.setattr("veneer.pretraining.text_tower._Distillation._learn", None)
        patch.setattr("veneer.pretraining.image_head.train_head", None)
        made.run("pretraining")
    assert contents(made) == before
    assert times(made.path / ENCODER) == written
    assert times(made.path / WORK) == kept


def test_veneer_takes_it_for_an_encoder(made, model, tmp_path):
    folder = str(made.path / ENCODER)
    pictures = [noise_image(number, (300, 240)) for number in range(6)]
    for number, picture in enumerate(pictures):
        picture.save(tmp_path / f"{number}.png")
    given = {"collection": "few", "images": str(tmp_path), "encoder": folder}
    made.run("data_processing", "embedding", **given)
    kept = vectors(made.load("embeddings", **given).to_table()["embedding"])
    texts = ["a photo of a striped texture", "a red apple"]
    _, _, preprocess = open_clip.create_model_and_transforms(f"local-dir:{folder}")
    with torch.inference_mode():
        prepared = torch.stack([preprocess(picture) for picture in pictures])
        seen = model.encode_image(prepared, normalize=True).numpy()
        tokens = open_clip.get_tokenizer(f"local-dir:{folder}")(texts)
        said = model.encode_text(tokens, normalize=True).numpy()
    assert len(kept) == 6
    assert (seen @ kept.T).max(axis=0).min() > 0.99  # in the order of their hashes
    cache = made.load("parameters")["embedding"].cache
    opened = open_encoder(folder, {}, cache=cache)
    assert np.sum(opened.embed_images(pictures) * seen, axis=1).min() > 0.99
    assert np.sum(opened.embed_texts(texts) * said, axis=1).min() > 0.99


def start(project):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, str(PROGRAM), str(project.path)],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def running():
    """All processes that are not over: (own number, parent's number, command)."""
    columns = ["ps", "-A", "-ww", "-o", "pid=,ppid=,stat=,args="]
    lines = subprocess.run(columns, capture_output=True, text=True, check=True).stdout.splitlines()
    found = [line.split(maxsplit=3) for line in lines]
    return [(int(own), int(of), command) for own, of, state, command in found if state[0] != "Z"]


def lookers(process):
    """Processes of the pool that looks at pictures."""
    return {own for own, of, command in running() if of == process.pid and "spawn_main" in command}


def kill_when(process, ready):
    """Kill a run as soon as something is so, and give what it was."""
    while not (found := ready()):
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stderr.close()
    return found


def test_killed_while_looking_and_while_teaching_it_ends_the_same(made, tmp_path):
    shutil.copytree(made.path, tmp_path / "killed", symlinks=True)
    project = Project(tmp_path / "killed", copied=True)
    work = project.path / WORK
    shutil.rmtree(project.path / ENCODER)
    shutil.rmtree(work / "features")
    shutil.rmtree(work / "heads")
    checkpoint = work / "text_tower.checkpoint.safetensors"
    checkpoint.unlink()

    run = start(project)
    looking = kill_when(run, lambda: lookers(run))
    until = time.monotonic() + 120  # they may still be importing
    while looking & {own for own, _, _ in running()}:
        assert time.monotonic() < until
        time.sleep(0.1)
    assert not list(work.glob("features/0*.safetensors"))
    kill_when(start(project), checkpoint.exists)
    assert list(work.glob("features/0*.safetensors"))
    assert not (project.path / ENCODER).exists()

    kept = times(work / "features")
    with small_ingredients():
        project.run("pretraining")
    assert contents(project) == contents(made)
    assert times(work / "features") == kept


def test_no_clip_art_is_told_in_a_sentence(made, tmp_path):
    done = made.kedro(
        "run", "--pipelines", "pretraining", "--params", f"clip_art={tmp_path / 'none'}"
    )
    assert done.returncode == 1
    assert "apt-get download openclipart-png" in done.stderr
    assert str(tmp_path / "none") in done.stderr
    assert "Traceback" not in done.stderr + done.stdout


def test_what_cannot_be_made_is_told_before_anything_is_done(made):
    with pytest.raises(ClickException, match=r"pretraining.*width is larger than shared"):
        made.run("pretraining", pretraining={"width": 100})
