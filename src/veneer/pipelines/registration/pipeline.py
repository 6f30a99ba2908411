"""Encoder and heads to models in MLflow's registry."""

from kedro.pipeline import Pipeline, node

from veneer.pipelines.embedding.pipeline import open_encoder
from veneer.pipelines.registration import nodes


def create_pipeline() -> Pipeline:
    """Register the encoder, and with it the best head as a classifier."""
    return Pipeline(
        [
            open_encoder,
            node(
                nodes.register,
                inputs=[
                    "encoder",
                    "heads",
                    "predictions",
                    "metrics",
                    "retrieval_metrics",
                    "collection_card",
                    "params:embedding",
                    "params:encoders",
                    "params:source",
                    "params:registration",
                ],
                outputs="registered",
                name="register",
            ),
        ]
    )
