"""A registered model driven by Spark, as `mlflow.pyfunc.spark_udf` does it."""

import mlflow
import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import make_classification
from support import encode, noise_image

from veneer.encoders.config import EncoderConfig
from veneer.encoders.encoder import open_encoder
from veneer.heads.classifier import Card, Classifier
from veneer.heads.linear_svc import OneVsRestLinearSVC
from veneer.serving.bundle import write_bundle
from veneer.serving.publish import copy_code, example, model_parts
from veneer.serving.signatures import classifier_signature, encoder_signature

pytestmark = pytest.mark.spark


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Paths of an encoder and of a classifier, saved as the pipeline logs them."""
    folder = tmp_path_factory.mktemp("models")
    encoders = {"mini": EncoderConfig(family="open_clip", pretrained="packaged")}
    encoder = open_encoder("mini", encoders)
    features, labels = make_classification(60, encoder.dimension, n_informative=9, random_state=0)
    head = OneVsRestLinearSVC().fit(features.astype(np.float32), np.array(["ash", "oak"])[labels])
    classifier = Classifier(head, Card("svc", encoder.fingerprint))
    card = {
        "encoder": "mini",
        "fingerprint": encoder.fingerprint,
        "decode": "exact",
        "runtime": "auto",
        "text_from_exif": False,
        "max_pixels": 10**6,
        "max_bytes": 10**6,
    }
    code = copy_code(folder)
    signatures = {
        "encoder": encoder_signature(encoder.dimension),
        "classifier": classifier_signature(),
    }
    for kind, signature in signatures.items():
        bundle = folder / kind / "bundle"
        write_bundle(
            bundle,
            encoder="mini",
            encoders=encoders,
            card=card,
            classifier=classifier if kind == "classifier" else None,
        )
        rows = example(None if kind == "encoder" else "image")
        parts = model_parts(kind, bundle, code, signature, rows)
        mlflow.pyfunc.save_model(str(folder / f"{kind}-model"), **parts)
    return {kind: str(folder / f"{kind}-model") for kind in signatures}


def test_one_row_in_one_row_out(spark, models):
    from pyspark.sql.functions import struct

    pictures = [bytearray(encode(noise_image(seed))) for seed in range(6)]
    rows = spark.createDataFrame(list(enumerate(pictures)), "id int, image binary").repartition(2)
    embed = mlflow.pyfunc.spark_udf(
        spark, models["encoder"], result_type="array<float>", env_manager="local"
    )
    found = rows.select("id", embed(struct("image")).alias("vector")).toPandas().set_index("id")
    expected = mlflow.pyfunc.load_model(models["encoder"]).predict(
        pd.DataFrame({"image": [bytes(each) for each in pictures]})
    )
    vectors = np.stack(found.sort_index()["vector"].to_list())
    assert np.sum(vectors * expected, axis=1).min() > 0.999
    classify = mlflow.pyfunc.spark_udf(spark, models["classifier"], env_manager="local")
    answers = rows.select("id", classify(struct("image")).alias("a")).select("id", "a.*").toPandas()
    assert sorted(answers["id"]) == list(range(6))
    assert {row[0]["label"] for row in answers["top"]} <= {"ash", "oak"}
    assert answers["error"].isna().all()


def test_a_damaged_image_costs_its_own_row(spark, models):
    from pyspark.sql.functions import struct

    pictures = [encode(noise_image(0)), b"no image"]
    rows = spark.createDataFrame(
        [(n, bytearray(each)) for n, each in enumerate(pictures)], "id int, image binary"
    )
    classify = mlflow.pyfunc.spark_udf(
        spark, models["classifier"], env_manager="local", params={"errors": "skip"}
    )
    answers = rows.select("id", classify(struct("image")).alias("a")).select("id", "a.*")
    good, bad = answers.orderBy("id").collect()
    assert good["error"] is None
    assert good["top"]
    assert "not_an_image" in bad["error"]
    assert bad["label"] is bad["confidence"] is None
    assert (bad["unsure"], bad["top"]) == (True, [])
