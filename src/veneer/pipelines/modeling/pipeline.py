"""Embedding rows to heads, and how good they are."""

from kedro.pipeline import Pipeline, node

from veneer.pipelines.modeling import nodes


def create_pipeline() -> Pipeline:
    """Join splits, fit heads, evaluate."""
    return Pipeline(
        [
            node(
                nodes.join_features,
                inputs=["image_rows", "splits", "embeddings", "not_embedded", "params:modeling"],
                outputs=["features", "left_out_classes"],
                name="join_features",
            ),
            node(
                nodes.fit_heads,
                inputs=[
                    "features",
                    "params:modeling",
                    "params:svc",
                    "params:mlp",
                    "params:seed",
                ],
                outputs=["heads", "train_log"],
                name="fit_heads",
            ),
            node(
                nodes.evaluate,
                inputs=["features", "heads", "left_out_classes"],
                outputs=["metrics", "predictions"],
                name="evaluate",
            ),
            node(
                nodes.track_heads,
                inputs=["features", "heads", "metrics", "train_log", "collection_card"],
                outputs=None,
                name="track_heads",
            ),
        ]
    )
