"""`--env minc` and `--env dtd` on small folders of those layouts, RN50 under seeded weights."""

from __future__ import annotations

import json

import numpy as np
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from PIL import Image
from support import write_images

from veneer.metrics import confusion_counts
from veneer.schema import vectors

MINC = """
brick carpet ceramic fabric foliage food glass hair leather metal mirror other painted paper
plastic polishedstone skin sky stone tile wallpaper water wood
""".split()  # noqa: SIM905
DTD = """
banded blotchy braided bubbly bumpy chequered cobwebbed cracked crosshatched crystalline dotted
fibrous flecked freckled frilly gauzy grid grooved honeycombed interlaced knitted lacelike lined
marbled matted meshed paisley perforated pitted pleated polka-dotted porous potholed scaly smeared
spiralled sprinkled stained stratified striped studded swirly veined waffled woven wrinkled
zigzagged
""".split()  # noqa: SIM905
# A row on each contact sheet, and as few results: there are many sheets.
SHOWN, FOUND = 6, 10


@pytest.fixture(scope="module")
def rn50(tmp_path_factory):
    """RN50 with seeded weights, in half precision to spare the disk."""
    import open_clip
    import torch
    from safetensors.torch import save_file

    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = open_clip.create_model("RN50", force_quick_gelu=True)
    file = tmp_path_factory.mktemp("weights") / "rn50.safetensors"
    save_file({k: v.half().contiguous() for k, v in model.state_dict().items()}, file)
    return file


@pytest.fixture(scope="module", params=[("minc", MINC, 3), ("dtd", DTD, 2)], ids=["minc", "dtd"])
def finished(request, project, rn50):
    env, classes, count = request.param
    write_images(project.path / "data/01_raw" / env, dict.fromkeys(classes, count))
    (project.path / "conf" / env / "parameters" / "encoders.yml").write_text(
        f"encoders:\n  rn50: {{pretrained: {rn50}, quick_gelu: true}}\n"
    )
    given = {"reporting": {"sheet_results": SHOWN, "histogram_results": FOUND}}
    given["reporting"]["map"] = {"method": "pca"}  # which takes no time; UMAP is seen elsewhere
    # One head tells as much of the second overlay as four.
    if env == "dtd":
        given["modeling"] = {"heads": ["svc"]}
    for pipeline in ("data_processing", "embedding", "modeling", "retrieval", "reporting"):
        project.run(pipeline, env=env, **given)
    return project, env, classes, count


def test_vectors_are_1024_wide_and_of_length_one(finished):
    project, env, classes, count = finished
    table = ds.dataset(project.path / f"data/04_feature/{env}/rn50", format="parquet").to_table()
    rows = vectors(table["embedding"])
    assert rows.shape == (len(classes) * count, 1024)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
    fingerprint = table.schema.metadata[b"fingerprint"].decode()
    assert "RN50" in fingerprint
    assert "quick_gelu" in fingerprint


def test_experiment_is_named_after_the_encoder(finished):
    project, env, *_ = finished
    runs = [r for r in project.runs("material_head_rn50") if r.data.tags["env"] == env]
    assert {r.info.run_name for r in runs} == {
        "data_processing",
        "embedding",
        "modeling",
        "retrieval",
        "reporting",
    }
    assert {r.info.status for r in runs} == {"FINISHED"}


def test_confusion_matrix_has_every_class(finished):
    project, env, classes, _ = finished
    predictions = pq.read_table(
        project.path / f"data/07_model_output/{env}/rn50/predictions.parquet"
    ).to_pylist()
    rows = [r for r in predictions if (r["head"], r["split"]) == ("svc", "validation")]
    names = sorted({row["label"] for row in rows} | {row["predicted"] for row in rows})
    assert names == sorted(classes)
    counts = confusion_counts([r["label"] for r in rows], [r["predicted"] for r in rows], names)
    assert counts.shape == (len(classes), len(classes))
    assert counts.sum() == len(classes)  # one validation image a class
    file = project.path / f"data/08_reporting/{env}/rn50/confusion_matrices/svc.png"
    with Image.open(file) as picture:
        assert min(picture.size) > 25 * len(classes)
    metrics = json.loads((project.path / f"data/08_reporting/{env}/rn50/metrics.json").read_text())
    assert set(metrics["svc"]["per_class"]) <= set(classes)


def test_every_class_has_a_contact_sheet(finished):
    project, env, classes, _ = finished
    sheets = sorted((project.path / f"data/08_reporting/{env}/rn50/contact_sheets").glob("*.png"))
    assert len(sheets) == len(classes)
    with Image.open(sheets[0]) as picture:
        assert picture.width > 6 * 224
    hits = pq.read_table(
        project.path / f"data/08_reporting/{env}/rn50/search_results.parquet"
    ).to_pylist()
    assert len({hit["prompt"] for hit in hits}) == len(classes)
    assert len(hits) == len(classes) * FOUND
