"""One `kedro run` on the sample collection, looked at from outside."""

from __future__ import annotations

import json
import shutil
from collections import Counter

import mlflow
import numpy as np
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from PIL import Image
from projects import COPIES, DAMAGED, PER_KIND
from sklearn.metrics import accuracy_score, f1_score, normalized_mutual_info_score

from veneer.heads import linear_svc, mlp
from veneer.schema import fingerprint_of, vectors
from veneer.sources.textures import SAMPLE_KINDS

IMAGES = PER_KIND * len(SAMPLE_KINDS) + COPIES


@pytest.fixture(scope="module")
def data(textures):
    return textures.path / "data"


@pytest.fixture(scope="module")
def ours(project, textures):
    """A copy of the finished run, to go on from."""
    project.draw_small_sample()
    project.take_data(textures)
    return project


def image_rows(data):
    return ds.dataset(data / "02_intermediate/textures/images", format="parquet").to_table()


def test_every_raw_file_is_an_image_row_or_in_quarantine(data):
    raw = [p for p in (data / "01_raw/textures").rglob("*") if p.is_file()]
    rows = image_rows(data)
    quarantine = pq.read_table(data / "02_intermediate/textures/quarantine.parquet").to_pylist()
    assert len(raw) == IMAGES + DAMAGED
    assert rows.num_rows == IMAGES == len(set(rows["id"].to_pylist()))
    assert len(set(rows["sha"].to_pylist())) == IMAGES - COPIES
    assert len(quarantine) == DAMAGED
    assert {row["path"].split("/")[-1].split("_")[0] for row in quarantine} == {"damaged"}
    assert all(row["reason"] for row in quarantine)
    assert set(rows["label"].to_pylist()) == set(SAMPLE_KINDS)
    assert all(
        label in text
        for label, text in zip(rows["label"].to_pylist(), rows["text"].to_pylist(), strict=True)
        if label == "zigzagged"
    )


def test_splits_have_the_exact_share_and_keep_copies_together(data):
    splits = pq.read_table(data / "05_model_input/textures/splits.parquet").to_pylist()
    side = {row["id"]: row["split"] for row in splits}
    rows = image_rows(data).select(["id", "sha", "label"]).to_pylist()
    assert set(side) == {row["id"] for row in rows}
    sizes = Counter(row["label"] for row in rows)
    held_out = Counter(row["label"] for row in rows if side[row["id"]] == "validation")
    for label, size in sizes.items():
        # A copy under another label can make an exact share impossible by one row.
        assert abs(held_out[label] - round(0.2 * size)) <= 1
    by_sha = {}
    for row in rows:
        by_sha.setdefault(row["sha"], set()).add(side[row["id"]])
    assert all(len(sides) == 1 for sides in by_sha.values())


def test_every_distinct_image_has_one_unit_vector(data):
    table = ds.dataset(data / "04_feature/textures/mini", format="parquet").to_table()
    assert sorted(table["sha"].to_pylist()) == sorted(set(image_rows(data)["sha"].to_pylist()))
    rows = vectors(table["embedding"])
    assert rows.shape == (IMAGES - COPIES, 896)
    assert rows.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
    assert b"weights sha256" in table.schema.metadata[b"fingerprint"]


def validation_rows(predictions, head):
    return [
        row
        for row in predictions.to_pylist()
        if (row["head"], row["split"]) == (head, "validation")
    ]


def test_metrics_are_those_of_the_predictions(data):
    metrics = json.loads((data / "08_reporting/textures/mini/metrics.json").read_text())
    predictions = pq.read_table(data / "07_model_output/textures/mini/predictions.parquet")
    assert list(metrics) == ["svc", "mlp", "proker", "zero_shot"]
    for head, report in metrics.items():
        rows = validation_rows(predictions, head)
        labels, predicted = [r["label"] for r in rows], [r["predicted"] for r in rows]
        assert report["n_validation"] == len(rows)
        assert report["accuracy"] == pytest.approx(accuracy_score(labels, predicted))
        for average in ("weighted", "macro"):
            expected = f1_score(labels, predicted, average=average)
            assert report[f"{average}_f1"] == pytest.approx(expected)
        assert set(report["per_class"]) == set(SAMPLE_KINDS)
        # Six training images a class, twenty classes; chance is .05.
        assert report["accuracy"] > 0.6
        assert set(report["against"]) == set(metrics) - {head}
        assert 0.2 < report["coverage"] <= 1
    assert metrics["svc"]["against"]["mlp"]["difference"] == pytest.approx(
        metrics["svc"]["accuracy"] - metrics["mlp"]["accuracy"]
    )


def test_every_labelled_row_is_predicted_by_a_head_that_was_not_fitted_to_it(data):
    predictions = pq.read_table(data / "07_model_output/textures/mini/predictions.parquet")
    splits = pq.read_table(data / "05_model_input/textures/splits.parquet").to_pylist()
    sides = {row["id"]: row["split"] for row in splits}
    for head in ("svc", "mlp", "proker", "zero_shot"):
        rows = [row for row in predictions.to_pylist() if row["head"] == head]
        assert {row["id"]: row["split"] for row in rows} == sides
        train = [row["label"] == row["predicted"] for row in rows if row["split"] == "train"]
        # Heads that know these rows are right on all of them.
        assert 0.5 < np.mean(train) < 1


def test_saved_heads_give_the_saved_predictions(textures, data):
    heads = textures.load("heads")
    assert {p.suffix for p in (data / "06_models/textures/mini").iterdir()} == {
        ".skops",
        ".safetensors",
        ".json",
        ".csv",
        ".lance",
    }
    table = ds.dataset(data / "04_feature/textures/mini", format="parquet").to_table()
    vector = dict(zip(table["sha"].to_pylist(), vectors(table["embedding"]), strict=True))
    sha = {row["id"]: row["sha"] for row in image_rows(data).select(["id", "sha"]).to_pylist()}
    predictions = pq.read_table(data / "07_model_output/textures/mini/predictions.parquet")
    for name, classifier in heads.items():
        rows = validation_rows(predictions, name)
        features = np.stack([vector[sha[row["id"]]] for row in rows])
        found = classifier.probabilities(features, fingerprint_of(table.schema))
        best = classifier.classes[found.argmax(axis=1)]
        assert best.tolist() == [row["predicted"] for row in rows]
        np.testing.assert_allclose(
            found.max(axis=1), [row["confidence"] for row in rows], rtol=1e-4, atol=1e-5
        )


def test_the_planted_wrong_labels_are_the_most_doubtful(data):
    """Two copies lie in another class than their originals."""
    doubtful = pq.read_table(
        data / "08_reporting/textures/mini/doubtful_labels.parquet"
    ).to_pylist()
    probabilities = [row["label_confidence"] for row in doubtful]
    assert probabilities == sorted(probabilities)
    assert all(row["label"] != row["predicted"] for row in doubtful)
    conflicts = pq.read_table(data / "08_reporting/textures/audits/label_conflicts.parquet")
    wrong = {row["id"] for row in conflicts.to_pylist() if "copy" in row["path"]}
    assert len(wrong) == 2
    assert wrong <= {row["id"] for row in doubtful[:4]}


def test_a_folder_is_predicted_from_what_was_saved(ours, data, tmp_path):
    (tmp_path / "new/deep").mkdir(parents=True)
    for file in (data / "01_raw/textures/woven").glob("woven_*.jpg"):
        shutil.copy(file, tmp_path / "new/deep")
    (tmp_path / "new/notes.txt").write_text("no image")
    ours.run("prediction", prediction={"images": str(tmp_path / "new"), "head": "svc"})
    rows = ours.load("predicted").to_pylist()
    assert [row["reason"] for row in rows] == [None] * PER_KIND + ["not_an_image"]
    assert rows[0]["path"] == "deep/woven_0001.jpg"
    assert all(len(row["top"]) == 5 for row in rows[:-1])
    assert {row["top"][0]["label"] for row in rows[:-1]} == {"woven"}
    assert {row["label"] for row in rows[:-1] if not row["unsure"]} == {"woven"}


def test_pictures_show_something(data):
    reports = data / "08_reporting/textures/mini"
    for folder, count in (
        ("confusion_matrices", 4),
        ("evaluation", 6),  # a reliability diagram a head, coverage, training
        ("labels", 2),
        ("contact_sheets", 10),
        ("label_histograms", 10),
        ("retrieval", 1),
        ("twins", 2),
        ("map", 2),
    ):
        files = sorted((reports / folder).glob("*.png"))
        assert len(files) == count
        for file in files:
            with Image.open(file) as picture:
                assert min(picture.size) > 150
                assert len(picture.convert("RGB").getcolors(2**24)) > 100
    assert (reports / "contact_sheets/yellow-honeycomb.png").is_file()


def test_search_finds_what_the_words_say(data):
    hits = pq.read_table(data / "08_reporting/textures/mini/search_results.parquet").to_pylist()
    for prompt, label in [("yellow honeycomb", "honeycombed"), ("cracked grey earth", "cracked")]:
        rows = [row for row in hits if row["prompt"] == prompt]
        assert [row["rank"] for row in rows] == list(range(1, len(rows) + 1))
        scores = [row["score"] for row in rows]
        assert scores == sorted(scores, reverse=True)
        assert len({row["sha"] for row in rows}) == len(rows)
        assert Counter(row["label"] for row in rows[:6])[label] >= 3


def test_the_index_holds_every_image_and_how_good_it_is_is_known(textures, data):
    index = textures.load("index")
    assert index.rows == IMAGES
    rows = image_rows(data)
    found = index.table(["id", "sha", "label", "split", "thumbnail"]).to_pylist()
    splits = pq.read_table(data / "05_model_input/textures/splits.parquet").to_pylist()
    side = {row["id"]: row["split"] for row in splits}
    assert {row["id"]: row["split"] for row in found} == side
    assert {row["id"] for row in found} == set(rows["id"].to_pylist())
    assert all(row["thumbnail"][8:12] == b"WEBP" for row in found)
    metrics = json.loads((data / "08_reporting/textures/mini/retrieval_metrics.json").read_text())
    assert (metrics["n_images"], metrics["n_classes"]) == (IMAGES, len(SAMPLE_KINDS))
    by_image = metrics["image_to_image"]
    assert by_image["with_copies"]["n_queries"] == IMAGES
    assert by_image["without_copies"]["precision@5"] > 0.7
    assert metrics["text_to_image"]["accuracy@5"] > 0.8
    assert set(metrics["text_to_image"]["per_class"]) == set(SAMPLE_KINDS)


def test_byte_identical_images_are_twins(data):
    twins = pq.read_table(data / "08_reporting/textures/mini/twins.parquet").to_pylist()
    card = json.loads((data / "08_reporting/textures/mini/twins.json").read_text())
    assert (card["exact"], card["images"]) == (COPIES, IMAGES)
    assert sum(row["kind"] == "exact" for row in twins) == COPIES
    assert sum(row["keep"] for row in twins) == card["groups"]
    similarities = pq.read_table(data / "08_reporting/textures/mini/similarities.parquet")
    assert similarities.num_rows == IMAGES


def test_the_map_keeps_the_kinds_together(data):
    reports = data / "08_reporting/textures/mini"
    points = pq.read_table(reports / "map.parquet")
    clusters = pq.read_table(reports / "clusters.parquet")
    label = dict(zip(*image_rows(data).select(["id", "label"]).to_pydict().values(), strict=True))
    assert set(points["id"].to_pylist()) == set(clusters["id"].to_pylist()) == set(label)
    card = json.loads((reports / "map.json").read_text())
    expected = normalized_mutual_info_score(
        [label[id_] for id_ in clusters["id"].to_pylist()], clusters["cluster"].to_pylist()
    )
    # Of twenty random clusters it would be .4.
    assert card["clusters"]["nmi"] == pytest.approx(expected) and expected > 0.75
    places = np.column_stack([points["x"].to_numpy(), points["y"].to_numpy()])
    distances = np.linalg.norm(places[:, None] - places, axis=2)
    np.fill_diagonal(distances, np.inf)
    labels = np.array([label[id_] for id_ in points["id"].to_pylist()])
    assert np.mean(labels[distances.argmin(axis=1)] == labels) > 0.7
    assert len(list((reports / "clusters").glob("cluster-*.png"))) == len(SAMPLE_KINDS)
    page = (reports / "map.html").read_text()
    assert page.count("/woven_0001.jpg") == 1 and len(page) < 2e6


def test_report_tells_the_figures(data):
    page = (data / "08_reporting/textures/mini/report.html").read_text()
    metrics = json.loads((data / "08_reporting/textures/mini/metrics.json").read_text())
    assert f"{metrics['svc']['accuracy']:.4f}" in page
    assert "yellow honeycomb" in page
    # Matrices, evaluation, labels, prompts, label conflicts, search by class, twins, map, clusters.
    assert page.count("<img ") == 4 + 6 + 2 + 2 * 10 + 1 + 1 + 2 + 2 + 20
    found = json.loads((data / "08_reporting/textures/mini/retrieval_metrics.json").read_text())
    assert f"{found['text_to_image']['precision@5']:.4f}" in page
    assert "a file of no bytes" in page  # from the quarantine
    assert "12 images are there more than once" in page
    assert "2 of them under different labels" in page


def test_tracked_run_holds_everything(textures, data):
    run = textures.runs("material_head_mini")[-1]
    assert run.info.status == "FINISHED"
    metrics = json.loads((data / "08_reporting/textures/mini/metrics.json").read_text())
    logged = run.data.metrics
    assert logged["svc.accuracy"] == pytest.approx(metrics["svc"]["accuracy"])
    assert logged["mlp.per_class.woven.recall"] == pytest.approx(
        metrics["mlp"]["per_class"]["woven"]["recall"]
    )
    card = json.loads((data / "08_reporting/textures/collection.json").read_text())
    assert run.data.tags["collection_fingerprint"] == card["fingerprint"]
    assert "weights sha256" in run.data.tags["encoder_fingerprint"]
    assert run.data.params["svc.reg_param"] == "0.02"
    history = textures.client().get_metric_history(run.info.run_id, "mlp.train_loss")
    log = (data / "06_models/textures/mini/train_log.csv").read_text().splitlines()
    assert len(history) == len(log) - 1
    found = json.loads((data / "08_reporting/textures/mini/retrieval_metrics.json").read_text())
    assert logged["retrieval.image_to_image.without_copies.precision_at_5"] == pytest.approx(
        found["image_to_image"]["without_copies"]["precision@5"]
    )
    assert "retrieval.text_to_image.per_class.woven.precision_at_5" in logged
    assert logged["twins.exact"] == COPIES
    card = json.loads((data / "08_reporting/textures/mini/map.json").read_text())
    assert logged["map.clusters.nmi"] == pytest.approx(card["clusters"]["nmi"])
    assert {"map.html", "map.json", "clusters"} <= {
        a.path for a in textures.client().list_artifacts(run.info.run_id)
    }
    kept = {a.path for a in textures.client().list_artifacts(run.info.run_id, "contact_sheets")}
    assert "contact_sheets/yellow-honeycomb.png" in kept
    heads = {a.path for a in textures.client().list_artifacts(run.info.run_id, "heads")}
    assert {"heads/proker.safetensors", "heads/proker.json", "heads/svc.skops"} <= heads


def test_tracked_heads_can_be_loaded_again_without_pickle(textures, data):
    run = textures.runs("material_head_mini")[-1]
    mlflow.set_tracking_uri(f"sqlite:///{textures.path / 'mlflow.db'}")
    models = {
        m.name: m
        for m in mlflow.search_logged_models([run.info.experiment_id], output_format="list")
    }
    assert set(models) == {"svc", "mlp"}
    features = vectors(
        ds.dataset(data / "04_feature/textures/mini", format="parquet").to_table()["embedding"]
    )[:5]
    for model in models.values():
        info = mlflow.models.get_model_info(model.model_uri)
        assert info.signature.inputs.inputs[0].shape == (-1, 896)
        assert not any("://" in line for line in info.flavors)
    loaded = mlflow.pytorch.load_model(models["mlp"].model_uri)
    saved = mlp.loads((data / "06_models/textures/mini/mlp.safetensors").read_bytes())
    import torch

    np.testing.assert_allclose(
        loaded(torch.tensor(features)).detach().numpy(),
        saved.scores(features),
        rtol=1e-4,
        atol=1e-5,
    )
    folder = mlflow.artifacts.download_artifacts(models["svc"].model_uri)
    kept = linear_svc.loads((textures.path / folder / "model.skops").read_bytes())
    original = linear_svc.loads((data / "06_models/textures/mini/svc.skops").read_bytes())
    np.testing.assert_allclose(kept.scores(features), original.scores(features), rtol=1e-6)


def test_second_run_embeds_nothing_and_gives_the_same(ours):
    data = ours.path / "data"
    shards = {p: p.stat().st_mtime_ns for p in (data / "04_feature").rglob("*.parquet")}
    raw = {p: p.stat().st_mtime_ns for p in (data / "01_raw").rglob("*.jpg")}
    metrics = (data / "08_reporting/textures/mini/metrics.json").read_bytes()
    index = {p: p.stat().st_mtime_ns for p in (data / "06_models").rglob("*.lance")}
    version = ours.load("index").version
    lying = (data / "08_reporting/textures/mini/map.parquet").read_bytes()
    ours.run()
    assert (data / "08_reporting/textures/mini/map.parquet").read_bytes() == lying
    assert {p: p.stat().st_mtime_ns for p in (data / "04_feature").rglob("*.parquet")} == shards
    assert {p: p.stat().st_mtime_ns for p in (data / "01_raw").rglob("*.jpg")} == raw
    assert (data / "08_reporting/textures/mini/metrics.json").read_bytes() == metrics
    assert {p: p.stat().st_mtime_ns for p in (data / "06_models").rglob("*.lance")} == index
    assert ours.load("index").version == version
    assert not list(data.rglob("*.tmp"))


def test_another_encoder_under_the_same_name_is_refused(ours):
    import click

    folder = ours.path / "elsewhere" / "mini"
    import shutil

    from safetensors.torch import load_file, save_file

    shutil.copytree(ours.path / "src/veneer/encoders/mini", folder)
    weights = load_file(folder / "open_clip_model.safetensors")
    save_file(
        weights | {"logit_scale": weights["logit_scale"] + 1},
        folder / "open_clip_model.safetensors",
    )
    with pytest.raises(click.ClickException, match=r"weights sha256 \w+.*weights sha256 \w+"):
        ours.run("embedding", encoder=str(folder))
    assert ours.runs("material_head_mini")[0].info.status == "FAILED"
    assert mlflow.active_run() is None
