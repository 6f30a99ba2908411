"""Models in the registry, served by MLflow's own server and asked as anybody would ask them."""

from __future__ import annotations

import base64
import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from PIL import Image
from support import encode

from veneer.encoders.config import EncoderConfig, packaged_folder
from veneer.encoders.encoder import open_encoder
from veneer.schema import vectors


@pytest.fixture(scope="module")
def registered(project, textures):
    """The finished run on the sample, and its models in the registry."""
    project.draw_small_sample()
    project.take_data(textures)
    project.run("registration")
    return project


@pytest.fixture(scope="module")
def photos(registered):
    """Of the validation side: bytes, the batch pipeline's vector, what the head said."""
    data = registered.path / "data"
    rows = ds.dataset(data / "02_intermediate/textures/images", format="parquet").to_table()
    made = ds.dataset(
        data / "04_feature/textures/mini", format="parquet", exclude_invalid_files=True
    )
    made = made.to_table(columns=["sha", "embedding"])
    of_sha = dict(zip(made["sha"].to_pylist(), vectors(made["embedding"]), strict=True))
    card = json.loads((data / "08_reporting/textures/mini/registered.json").read_text())
    assert card["veneer-classifier"]["champion"]
    version = registered.client().get_model_version("veneer-classifier", "1")
    said = pq.read_table(data / "07_model_output/textures/mini/predictions.parquet").to_pylist()
    said = {
        row["id"]: row for row in said
        if row["head"] == version.tags["head"] and row["split"] == "validation"
    }  # fmt: skip
    found = [
        (row["image"]["bytes"], of_sha[row["sha"]], said[row["id"]])
        for row in rows.to_pylist()
        if row["id"] in said
    ]
    assert len(found) >= 32
    return found


class Served:
    """`mlflow models serve` on loopback, without any option that a user would not give."""

    def __init__(self, project, uri: str):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        command = [str(Path(sys.executable).with_name("mlflow")), "models", "serve", "-m", uri]
        environment = {k: v for k, v in os.environ.items() if not k.startswith("MLFLOW")}
        environment |= {
            "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
            "PATH": f"{Path(sys.executable).parent}:{environment['PATH']}",
        }
        self.log = (project.path / f"served{self.port}.log").open("w+")
        self.process = subprocess.Popen(
            [*command, "--env-manager", "local", "--port", str(self.port)],
            cwd=project.path,
            env=environment,
            stdout=self.log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def wait(self) -> Served:
        while self.process.poll() is None:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}/ping").close()
                return self
            except OSError:
                time.sleep(0.1)
        raise AssertionError(Path(self.log.name).read_text())

    def post(self, body: bytes, kind: str = "application/json") -> tuple[int, dict | str]:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/invocations", body, {"Content-Type": kind}
        )
        try:
            with urllib.request.urlopen(request) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            text = error.read().decode()
            return error.code, json.loads(text) if text.startswith("{") else text

    def ask(self, *rows: dict, **more) -> tuple[int, dict]:
        return self.post(json.dumps({"dataframe_records": list(rows), **more}).encode())

    def right(self, *rows: dict, **more) -> list:
        status, answer = self.ask(*rows, **more)
        assert status == 200, answer
        assert len(answer["predictions"]) == len(rows)
        return answer["predictions"]

    def refused(self, *rows: dict, **more) -> str:
        status, answer = self.ask(*rows, **more)
        assert status == 400, answer
        assert answer["error_code"] == "INVALID_PARAMETER_VALUE"
        return answer["message"]

    def end(self) -> None:
        os.killpg(self.process.pid, signal.SIGTERM)
        self.process.wait()
        self.log.close()


@pytest.fixture(scope="module")
def servers(registered):
    """Both models, in two servers that begin at one time."""
    both = [
        Served(registered, f"models:/veneer-{kind}@champion") for kind in ("classifier", "encoder")
    ]
    try:
        yield [each.wait() for each in both]
    finally:
        for each in both:
            each.end()


@pytest.fixture(scope="module")
def classifier(servers):
    return servers[0]


@pytest.fixture(scope="module")
def encoder(servers):
    return servers[1]


def sent(data: bytes) -> str:
    return base64.b64encode(data).decode()


@pytest.fixture(scope="module")
def bomb():
    """A hundred megapixels in a few kilobytes."""
    data = encode(Image.new("1", (10_000, 10_000)))
    assert len(data) < 50_000
    return sent(data)


def cosines(found, expected):
    return np.sum(np.asarray(found) * np.asarray(expected), axis=1)


def test_versions_have_tags_and_the_first_are_champions(registered):
    client = registered.client()
    card = json.loads((registered.path / "data/08_reporting/textures/collection.json").read_text())
    metrics = json.loads(
        (registered.path / "data/08_reporting/textures/mini/metrics.json").read_text()
    )
    for name in ("veneer-encoder", "veneer-classifier"):
        version = client.get_model_version_by_alias(name, "champion")
        tags = version.tags
        assert tags["collection"] == "textures"
        assert tags["collection_fingerprint"] == card["fingerprint"]
        assert tags["encoder_fingerprint"].startswith("open_clip folder tf_efficientnet_lite3")
        assert float(tags["accuracy"]) == metrics[tags["head"]]["accuracy"]
        assert json.loads(tags["judged"]) == {"textures": version.run_id}
        assert tags["verdict"] == "the first"
        assert len(tags["digest"]) == 64
        run = client.get_run(version.run_id)
        assert run.info.status == "FINISHED"
        assert run.data.tags["collection_fingerprint"] == card["fingerprint"]
    encoder = client.get_model_version_by_alias("veneer-encoder", "champion")
    assert 0 < float(encoder.tags["precision_at_5"]) <= 1


def test_the_model_has_all_it_needs_and_nothing_pickled(registered):
    for name in ("veneer-encoder", "veneer-classifier"):
        client = registered.client()
        source = client.get_model_version_download_uri(name, "1")
        folder = Path(mlflow.artifacts.download_artifacts(source, tracking_uri=client.tracking_uri))
        there = {file.relative_to(folder).as_posix() for file in folder.rglob("*")}
        assert "artifacts/bundle/encoder/open_clip_model.safetensors" in there
        assert "code/veneer/serving/models.py" in there
        assert not [file for file in there if file.endswith((".pkl", ".pickle"))]
        assert not [file for file in there if "static" in file or file.count(".safetensors") > 1]
        requirements = (folder / "requirements.txt").read_text().split()
        assert all("==" in each for each in requirements)
        assert {each.split("==")[0] for each in requirements} >= {"mlflow", "torch", "openvino"}
        card = (folder / "artifacts/bundle/bundle.json").read_text()
        assert str(registered.path) not in card
        assert packaged_folder() not in card
        model = mlflow.models.Model.load(str(folder))
        assert model.signature.inputs.input_names()[0] == "image"
        assert model.load_input_example(str(folder)) is not None
        assert "loader_module: mlflow.pyfunc.loaders.code_model" in (folder / "MLmodel").read_text()


NEEDED = """
import ast, json, os, sys
from importlib.metadata import distribution, packages_distributions
import mlflow
from packaging.requirements import Requirement

folder = sys.argv[1]
model = mlflow.pyfunc.load_model(folder)
model.predict(model.input_example)
import veneer

def names(requirements):
    for each in map(Requirement, requirements):
        if each.marker is None or each.marker.evaluate({"extra": ""}):
            yield each.name.lower().replace("_", "-")

asked = [*names(open(os.path.join(folder, "requirements.txt")).read().split())]
closure = set()
while asked:
    name = asked.pop()
    if name not in closure:
        closure.add(name)
        asked += names(distribution(name).requires or [])
of_package = packages_distributions()
own = [module.__file__ for name, module in sys.modules.items() if name.startswith("veneer.")]
imported = set()
for node in (node for file in own for node in ast.walk(ast.parse(open(file).read()))):
    if isinstance(node, ast.Import):
        imported |= {each.name for each in node.names}
    elif isinstance(node, ast.ImportFrom) and not node.level:
        imported.add(node.module)
used = {
    name.lower().replace("_", "-")
    for each in imported & set(sys.modules)
    for name in of_package.get(each.partition(".")[0], [])
}
print(json.dumps({"code": veneer.__file__, "missing": sorted(used - closure - {"veneer"})}))
"""


def test_a_model_runs_its_own_code_and_asks_for_all_it_needs(registered):
    client = registered.client()
    source = client.get_model_version_download_uri("veneer-classifier", "1")
    folder = mlflow.artifacts.download_artifacts(source, tracking_uri=client.tracking_uri)
    done = subprocess.run(
        [sys.executable, "-c", NEEDED, folder], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["code"].startswith(folder)
    assert found["missing"] == []


def test_registering_again_makes_no_new_version(registered):
    registered.run("registration")
    found = registered.load("registered")
    assert {(each["version"], each["new"], each["champion"]) for each in found.values()} == {
        (1, False, True)
    }
    assert len(registered.client().search_model_versions("name = 'veneer-encoder'")) == 1


def test_the_server_gives_the_vectors_of_the_batch_pipeline(encoder, photos):
    some = photos[:32]
    found = encoder.right(*({"image": sent(data)} for data, _, _ in some))
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    assert cosines(found, [vector for _, vector, _ in some]).min() > 0.999
    # One by one, too.
    alone = [encoder.right({"image": sent(data)})[0] for data, _, _ in some[:4]]
    assert cosines(alone, found[:4]).min() > 0.999


def test_the_server_says_what_the_head_said(classifier, photos):
    some = photos[:32]
    found = classifier.right(*({"image": sent(data)} for data, _, _ in some))
    for answer, (_, _, said) in zip(found, some, strict=True):
        top = [each["label"] for each in answer["top"]]
        assert top[0] == said["predicted"]
        assert answer["label"] == (None if answer["unsure"] else top[0])
        assert answer["confidence"] == pytest.approx(said["confidence"], abs=0.02)
        assert len(set(top)) == 5
        assert answer["error"] is None


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "BMP", "TIFF", "CMYK", "L", "RGBA", "P"])
def test_every_form_of_a_picture_is_read(encoder, photos, form):
    data, vector, _ = photos[0]
    picture = Image.open(io.BytesIO(data))
    picture = picture.convert(form) if form in ("CMYK", "L", "RGBA", "P") else picture
    written = {"CMYK": "JPEG", "L": "PNG", "RGBA": "PNG", "P": "PNG"}.get(form, form)
    (found,) = encoder.right({"image": sent(encode(picture, written))})
    assert np.dot(found, vector) > (0.8 if form in ("L", "P", "CMYK") else 0.95)


def test_words_and_pictures_come_into_one_space(encoder, photos):
    texts = ["a photo of a striped texture", "moss"]
    rows = [{"text": texts[0]}, {"image": sent(photos[0][0])}, {"text": texts[1]}]
    found = encoder.right(*rows)
    config = EncoderConfig(family="open_clip", pretrained="packaged")
    ours = open_encoder("mini", {"mini": config}).embed_texts(texts)
    assert cosines(found, [ours[0], photos[0][1], ours[1]]).min() > 0.999


def test_the_server_lives_on_whatever_it_is_sent(classifier, encoder, photos, bomb):
    good = {"image": sent(photos[0][0])}
    before = classifier.right(good)
    for server in (classifier, encoder):
        for bad, words in [
            ({"image": good["image"][:-1] + "*"}, "no base64"),
            ({"image": good["image"][:400]}, "truncated"),
            ({"image": bomb}, "too_many_pixels"),
            ({"image": sent(b"GIF89a and no more")}, "its image cannot be read"),
            ({"image": ""}, "empty"),
            ({"image": 5}, "int"),
            ({"image": ["a"]}, "list"),
            ({"image": {"bytes": "a"}}, "dict"),
            ({"image": True}, "bool"),
            ({"image": None}, "image"),
        ]:
            message = server.refused(good, bad, good)
            assert "row 1: " in message, message
            assert words in message, message
            assert "row 0" not in message
        assert "'image'" in server.refused()
        assert "'image'" in server.refused({"picture": good["image"]})
        for body in (b"", b"{", b"[]", b'"a"', b"{}", b'{"dataframe_records": 5}', b"\xff\xfe"):
            assert server.post(body)[0] == 400, body
        for other in ({"inputs": 5}, {"inputs": [[1, 2]]}, {"instances": [3]}):
            assert server.post(json.dumps(other).encode())[0] == 400, other
        assert server.post(b"image\n5\n", "text/csv")[0] == 400
        assert server.post(b"nonsense", "application/vnd.apache.parquet")[0] == 400
        assert server.post(b"<a/>", "application/xml")[0] == 415
        assert server.process.poll() is None
    assert classifier.right(good) == before
    assert "an image and a text" in encoder.refused(good | {"text": "moss"})
    assert "of the type int" in encoder.refused({"text": 5})
    assert "row 0: it has neither" in encoder.refused({"text": "  "})
    assert "fitted to images alone" in classifier.refused(good | {"text": "moss"})


def test_other_ways_to_send_rows(encoder, photos):
    image = sent(photos[0][0])
    (expected,) = encoder.right({"image": image})
    for body in (
        {"dataframe_split": {"columns": ["image"], "data": [[image]]}},
        {"inputs": {"image": [image]}},
        {"inputs": [{"image": image}]},
        {"instances": [{"image": image}]},
        {"dataframe_records": [{"image": f"data:image/jpeg;base64,{image}", "text": None}]},
    ):
        status, answer = encoder.post(json.dumps(body).encode())
        assert status == 200, answer
        assert cosines(answer["predictions"], [expected]).min() > 0.9999, body
    frame = io.BytesIO()
    pd.DataFrame({"image": [photos[0][0]]}).to_parquet(frame)
    status, answer = encoder.post(frame.getvalue(), "application/vnd.apache.parquet")
    assert status == 200, answer
    assert cosines(answer["predictions"], [expected]).min() > 0.9999


def test_the_others_are_answered_where_that_is_wanted(classifier, encoder, photos, bomb):
    good = {"image": sent(photos[0][0])}
    rows, skip = [good, {"image": bomb}, {"image": "?"}, good], {"params": {"errors": "skip"}}
    found = classifier.right(*rows, **skip)
    assert found[0] == found[3]
    assert found[0]["error"] is None
    assert "too_many_pixels" in found[1]["error"]
    assert "no base64" in found[2]["error"]
    assert found[1]["label"] is found[1]["confidence"] is None
    assert (found[1]["unsure"], found[1]["top"]) == (True, [])
    found = np.array(encoder.right(*rows, **skip))
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), [1, 0, 0, 1], atol=1e-5)
    assert "'raise' or 'skip'" in encoder.refused(good, params={"errors": "hide"})


def test_many_at_a_time_get_their_own_answers(encoder, photos):
    with ThreadPoolExecutor(16) as threads:
        found = list(
            threads.map(lambda row: encoder.right({"image": sent(row[0])})[0], photos[:32])
        )
    assert cosines(found, [vector for _, vector, _ in photos[:32]]).min() > 0.999


def test_a_frame_of_a_thousand_rows(registered, photos):
    """As `spark_udf` hands them to a model: columns of bytes and of nothing."""
    client = registered.client()
    classifier, encoder = (
        mlflow.pyfunc.load_model(client.get_model_version_download_uri(f"veneer-{kind}", "1"))
        for kind in ("classifier", "encoder")
    )
    some = [photos[number % 20] for number in range(1000)]
    frame = pd.DataFrame({"image": [data for data, _, _ in some]}, index=range(5000, 6000))
    vectors_ = encoder.predict(frame)
    assert vectors_.shape == (1000, 896)
    assert vectors_.dtype == np.float32
    assert cosines(vectors_, [vector for _, vector, _ in some]).min() > 0.999
    found = classifier.predict(frame)
    assert len(found) == 1000
    assert [top[0]["label"] for top in found["top"]] == [said["predicted"] for _, _, said in some]
    texts = encoder.predict(pd.DataFrame({"text": ["moss", "bark"] * 500}))
    assert np.array_equal(texts[:2], texts[998:])
    assert encoder.predict(frame[:0]).shape == (0, 896)
    assert list(classifier.predict(frame[:0]).columns) == list(found.columns)


def test_versions_are_listed_promoted_and_rolled_back(registered):
    client = registered.client()
    first = client.get_model_version("veneer-classifier", "1")
    same = {key: first.tags[key] for key in ("head", "judged")}
    for _ in range(2):
        client.create_model_version("veneer-classifier", first.source, tags=same)
    listed = registered.command("models", "list")
    assert listed.exit_code == 0, listed.output
    lines = [line for line in listed.output.splitlines() if "veneer-classifier" in line]
    assert [line.split("\t")[1] for line in lines] == ["3", "2", "1"]
    assert [line[0] for line in lines] == [" ", " ", "*"]
    equal = registered.command("models", "promote", "classifier", "2")
    assert equal.exit_code == 1
    assert "version 2 is not the champion: not better by more" in equal.output
    forced = registered.command("models", "promote", "classifier", "2", "--force")
    assert forced.exit_code == 0, forced.output
    assert client.get_model_version_by_alias("veneer-classifier", "champion").version == 2
    back = registered.command("models", "rollback", "classifier")
    assert "version 1 is the champion again, instead of 2" in back.output
    assert client.get_model_version_by_alias("veneer-classifier", "champion").version == 1
    rows = json.loads(registered.command("models", "list", "--json").output)["versions"]
    assert [row["version"] for row in rows if row["champion"]] == [1, 1]
    missing = registered.command("models", "promote", "classifier", "9")
    assert missing.exit_code == 1
    assert "it has 3, 2, 1" in missing.output


def test_another_name_in_the_configuration_is_another_model(registered):
    names = "registration.classifier=a,registration.encoder=b"
    empty = registered.command("models", "list", "--params", names)
    assert "No model is registered yet" in empty.output
