"""The linear head beside the one it stands in for, Spark ML's OneVsRest(LinearSVC)."""

import numpy as np
import pytest
from scipy.stats import binomtest

from veneer.encoders.config import EncoderConfig
from veneer.encoders.encoder import open_encoder
from veneer.heads.linear_svc import OneVsRestLinearSVC
from veneer.images import to_rgb

pytestmark = pytest.mark.spark
REG = 0.02


@pytest.fixture
def textures(shared):
    """Packaged vectors of three classes of dtd10, and their labels."""
    encoder = open_encoder(
        "mini", {"mini": EncoderConfig(family="open_clip", pretrained="packaged")}
    )
    folders = sorted(path for path in (shared / "data/dtd10/images").iterdir() if path.is_dir())[:3]
    files = [(file, folder.name) for folder in folders for file in sorted(folder.glob("*.jpg"))]
    vectors = [
        encoder.embed_images([to_rgb(file.read_bytes()) for file, _ in files[i : i + 16]])
        for i in range(0, len(files), 16)
    ]
    return np.concatenate(vectors), np.array([label for _, label in files])


def test_no_worse_than_spark(spark, textures):
    from pyspark.ml.classification import LinearSVC, OneVsRest
    from pyspark.ml.linalg import Vectors

    X, y = textures
    codes = np.unique(y, return_inverse=True)[1]
    test = np.arange(len(X)) % 3 == 0
    rows = [
        (float(code), Vectors.dense(x.tolist()))
        for x, code in zip(X[~test], codes[~test], strict=True)
    ]
    frame = spark.createDataFrame(rows, ["label", "features"])
    models = OneVsRest(classifier=LinearSVC(maxIter=200, regParam=REG)).fit(frame).models
    coef = np.array([model.coefficients.toArray() for model in models])
    intercept = np.array([model.intercept for model in models])

    head = OneVsRestLinearSVC(reg_param=REG).fit(X[~test], y[~test])
    assert np.all(head.duality_gap_ <= 1e-3)
    signs = np.where(codes[~test, None] == np.arange(3), 1, -1)
    deviations = X[~test].astype(float).std(axis=0, ddof=1)

    def objectives(coef, intercept):
        losses = np.maximum(0, 1 - signs * (X[~test].astype(float) @ coef.T + intercept))
        return losses.mean(axis=0) + REG / 2 * np.square(coef * deviations).sum(axis=1)

    ours, theirs = (
        objectives(head.coef_.astype(float), head.intercept_),
        objectives(coef, intercept),
    )
    assert np.all(ours <= 1.001 * theirs)

    right = head.predict(X[test]) == y[test]
    spark_right = (X[test] @ coef.T + intercept).argmax(axis=1) == codes[test]
    only, other = np.sum(right & ~spark_right), np.sum(~right & spark_right)
    assert right.mean() >= spark_right.mean() or binomtest(only, only + other).pvalue > 0.05
