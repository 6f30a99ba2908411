"""Embedding rows to heads, and how good they are."""

from kedro.pipeline import Pipeline, node

from veneer.pipelines.modeling import evaluation, nodes


def create_pipeline() -> Pipeline:
    """Join splits, fit heads and calibrate them, evaluate, look for wrong labels."""
    return Pipeline(
        [
            node(
                nodes.join_features,
                inputs=[
                    "image_rows",
                    "splits",
                    "embeddings",
                    "not_embedded",
                    "text_embeddings",
                    "params:modeling",
                ],
                outputs=["features", "left_out_classes"],
                name="join_features",
            ),
            node(
                nodes.fit_heads,
                inputs=[
                    "features",
                    "class_prompts",
                    "params:modeling",
                    "params:calibration",
                    "params:svc",
                    "params:mlp",
                    "params:proker",
                    "params:zero_shot",
                    "params:seed",
                ],
                outputs=["heads", "held_out", "train_log"],
                name="fit_heads",
            ),
            node(
                evaluation.evaluate,
                inputs=["features", "heads", "held_out", "left_out_classes"],
                outputs=["metrics", "predictions"],
                name="evaluate",
            ),
            node(
                evaluation.find_doubtful_labels,
                inputs=["predictions", "image_rows", "metrics", "params:calibration"],
                outputs="doubtful_labels",
                name="find_doubtful_labels",
            ),
            node(
                nodes.track_heads,
                inputs=["features", "heads", "metrics", "train_log", "collection_card"],
                outputs=None,
                name="track_heads",
            ),
        ]
    )
