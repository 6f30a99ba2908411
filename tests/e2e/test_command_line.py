"""The `kedro` command as a user types it, in a process of its own wherever that can matter."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys

import pytest
from support import write_images

SMALL = (
    "sample.images_per_kind=3,sample.duplicates=2,sample.damaged=6,"
    "reporting.sheet_results=6,reporting.histogram_results=6"
)

RECORDER = """
import os, sys

def record(event, arguments):
    if event == "socket.connect":
        address = arguments[1]
        if isinstance(address, tuple) and str(address[0]) not in ("127.0.0.1", "::1"):
            note(f"connect {address}")
    elif event in ("socket.getaddrinfo", "socket.gethostbyname") and arguments[0] not in (
        None, "", b"", "localhost", "127.0.0.1", "::1"
    ):
        note(f"look up {arguments[0]}")

def note(line):
    handle = os.open(os.environ["CONNECTIONS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(handle, (line + "\\n").encode())
    os.close(handle)

note("recording")
sys.addaudithook(record)
"""


@pytest.fixture(scope="module")
def demo(project, tmp_path_factory):
    """The default run, with every outgoing connection written down."""
    folder = tmp_path_factory.mktemp("recorder")
    (folder / "sitecustomize.py").write_text(RECORDER)
    connections = folder / "connections.txt"
    done = project.kedro(
        "run",
        "--params",
        SMALL,
        PYTHONPATH=f"{folder}:{project.path / 'src'}",
        CONNECTIONS=str(connections),
        HF_HUB_OFFLINE="0",
        # No variable of the test's own may be what keeps it quiet.
        DO_NOT_TRACK="",
    )
    assert done.returncode == 0, done.stderr
    return done, connections.read_text().splitlines()


def test_the_demo_connects_to_nothing(demo):
    _, connections = demo
    assert set(connections) == {"recording"}


def test_a_run_writes_nothing_to_stdout_and_no_warnings(demo):
    done, _ = demo
    assert done.stdout == ""
    assert "Warning" not in done.stderr
    assert len(done.stderr.splitlines()) < 105


def test_a_name_that_yaml_takes_for_something_else(project, tmp_path):
    images = write_images(tmp_path / "raw", {"a": 2, "b": 2})
    done = project.kedro(
        "run", "--pipelines", "data_processing", "--params", f"collection=no,images={images}"
    )
    assert done.returncode == 0, done.stderr
    card = project.path / "data/08_reporting/no/collection.json"
    assert json.loads(card.read_text())["collection"] == "no"


def test_an_error_is_one_sentence_with_exit_code_1_also_from_a_subfolder(project):
    done = project.kedro("run", "--params", "encoder=rn51", folder="notebooks")
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.splitlines()[-1].startswith("Error: The encoder 'rn51' is unknown.")
    assert "Traceback" not in done.stderr


def test_an_error_inside_a_node_is_one_sentence_too(project, tmp_path):
    (tmp_path / "notes.txt").write_text("no picture")
    texts = f"collection=texts,images={tmp_path}"
    done = project.kedro("run", "--pipelines", "data_processing", "--params", texts)
    assert done.returncode == 1
    assert done.stdout == ""
    assert "none of the 1 files" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert project.runs("material_head_mini")[0].info.status == "FAILED"


def test_an_interrupted_run_does_not_look_finished(project, tmp_path):
    """Ctrl-C in the middle of the first node, which draws more images than it has time for."""
    fresh = "collection=drawn,sample.collection=drawn,sample.images_per_kind=600"
    with project.start("run", "--pipelines", "data_processing", "--params", fresh) as process:
        for line in process.stderr:
            if "Using synchronous mode" in line:
                break
        # Python drops an interrupt that comes while an object is being finalised.
        while process.poll() is None:
            process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(15)
        process.stderr.read()
    assert process.returncode != 0
    latest = project.runs("material_head_mini")[0]
    assert (latest.info.run_name, latest.info.status) == ("data_processing", "KILLED")


def test_stdout_carries_only_what_was_asked_for_even_from_a_subfolder(project):
    done = project.kedro("registry", "list", folder="notebooks")
    assert done.returncode == 0, done.stderr
    names = [line.removeprefix("- ") for line in done.stdout.split("\n") if line.strip()]
    stages = ["data_processing", "download", "embedding", "finetuning", "modeling", "prediction"]
    others = ["pretraining", "registration", "reporting", "retrieval"]
    assert names == ["__default__", "comparison", *stages, *others]


def test_search_writes_json_alone_to_stdout_also_from_a_subfolder(demo, project):
    before = (project.path / "mlflow.db").read_bytes()
    query = ["search", "red and white", "stripes", "-k", "3", "--where", "label like '%str%'"]
    done = project.kedro(*query, "--json", "--sheet", "found.png", folder="notebooks")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["collection"], found["encoder"]) == ("textures", "mini")
    assert [row["rank"] for row in found["results"]] == [1, 2, 3]
    assert {"score", "id", "sha", "path", "label"} <= set(found["results"][0])
    assert all("str" in row["label"] for row in found["results"])
    assert "Warning" not in done.stderr and "WARN" not in done.stderr
    assert (project.path / "notebooks/found.png").stat().st_size > 10_000
    assert (project.path / "mlflow.db").read_bytes() == before


def test_predict_goes_on_past_what_cannot_be_read(demo, project, monkeypatch):
    raw = project.path / "data/01_raw/textures"
    good = sorted(raw.glob("woven/*.jpg"))[0]
    (project.path / "notebooks/broken.jpg").write_bytes(good.read_bytes()[:500])
    before = (project.path / "mlflow.db").read_bytes()
    monkeypatch.chdir(project.path / "notebooks")
    done = project.command("predict", str(good), "broken.jpg", "../nowhere.png", "--json")
    assert done.exit_code == 0, done.stderr
    found = json.loads(done.stdout)
    rows = found["predictions"]
    assert found["collection"] == "textures" and found["encoder"] == "mini"
    assert found["head"] in ("svc", "mlp", "proker", "zero_shot")
    assert [row["path"] for row in rows] == [str(good), "broken.jpg", "../nowhere.png"]
    assert rows[0]["error"] is None and len(rows[0]["top"]) == 5
    assert rows[0]["label"] == ("unsure" if rows[0]["unsure"] else rows[0]["top"][0]["label"])
    assert rows[1]["error"].startswith("truncated: ")
    assert rows[2]["error"] == "unreadable: there is no such file"
    assert (project.path / "mlflow.db").read_bytes() == before


def test_predict_says_what_it_cannot_do(demo, project):
    for arguments, sentence in [
        (["x.jpg", "--head", "forest"], "no head forest was fitted"),
        (["x.jpg", "--params", "collection=shells"], "Run the pipeline modeling first"),
        (["x.jpg", "--head", "svc", "--text", "moss"], "fitted to images alone"),
    ]:
        done = project.command("predict", *arguments)
        assert (done.exit_code, done.stdout) == (1, "")
        assert sentence in done.stderr.splitlines()[-1]
    done = project.command("predict", "x.jpg")
    assert done.exit_code == 1  # nothing could be predicted
    assert "x.jpg\tunreadable: there is no such file" in done.stdout


def test_viz_builds_with_previews(demo, project):
    done = project.kedro("viz", "build", "--include-previews")
    assert done.returncode == 0, done.stderr
    nodes = [
        json.loads(file.read_text())
        for file in (project.path / "build/api/nodes").iterdir()
        if file.is_file()
    ]
    previews = {n["preview_type"]: n["preview"] for n in nodes if n.get("preview")}
    assert {"ImagePreview", "TablePreview", "JSONPreview"} <= set(previews)
    assert len(previews["ImagePreview"]) > 1000
    main = json.loads((project.path / "build/api/main").read_text())
    assert {"raw", "intermediate", "feature", "models", "reporting"} <= set(main["layers"])


def test_ipython_has_the_catalog(demo, project):
    done = project.kedro("ipython", "-c", "print(catalog.load('metrics')['svc']['n_validation'])")
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[-1].isdigit()


def test_the_notebook_runs(demo, project):
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "jupyter",
            "nbconvert",
            "--to",
            "notebook",
            "--execute",
            "--stdout",
            "explore.ipynb",
        ],
        cwd=project.path / "notebooks",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    cells = json.loads(done.stdout)["cells"]
    kinds = [k for c in cells for o in c.get("outputs", []) for k in o.get("data", {})]
    assert "image/png" in kinds
