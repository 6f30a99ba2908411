"""What the served models take and give, as MLflow tells it to those who ask them."""

from __future__ import annotations

import numpy as np
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema, TensorSpec
from mlflow.types.schema import AnyType, Array, Object, Property

from veneer.serving.requests import IMAGE, TEXT

BUNDLE = "bundle"
"""Name of the one artifact: the folder that :func:`veneer.serving.bundle.write_bundle` wrote."""

# An image is bytes in a table and base64 in JSON, which no one type of MLflow is. Of what type a
# value is, and whether it is there, is told by the row that has it.
INPUTS = Schema([ColSpec(AnyType(), name, required=False) for name in (IMAGE, TEXT)])

PARAMS = ParamSchema([ParamSpec("errors", DataType.string, "raise")])
"""``raise`` refuses a request in which a row cannot be answered, ``skip`` answers the others."""


def encoder_signature(dimension: int) -> ModelSignature:
    """What an encoder takes and gives."""
    return ModelSignature(
        inputs=INPUTS,
        outputs=Schema([TensorSpec(np.dtype(np.float32), (-1, dimension))]),
        params=PARAMS,
    )


def classifier_signature() -> ModelSignature:
    """What a classifier takes and gives."""
    likely = [Property("label", DataType.string), Property("confidence", DataType.float)]
    outputs = [
        ColSpec(DataType.string, "label", required=False),
        ColSpec(DataType.float, "confidence", required=False),
        ColSpec(DataType.boolean, "unsure", required=False),
        ColSpec(Array(Object(likely)), "top", required=False),
        ColSpec(DataType.string, "error", required=False),
    ]
    return ModelSignature(inputs=INPUTS, outputs=Schema(outputs), params=PARAMS)
