"""New images to their classes."""

from kedro.pipeline import Pipeline, node

from veneer.pipelines.embedding.pipeline import open_encoder
from veneer.pipelines.prediction import nodes


def create_pipeline() -> Pipeline:
    """Ask a head that was fitted before."""
    return Pipeline(
        [
            open_encoder,
            node(
                nodes.predict,
                inputs=["heads", "encoder", "params:source", "params:prediction"],
                outputs="predicted",
                name="predict",
            ),
        ]
    )
