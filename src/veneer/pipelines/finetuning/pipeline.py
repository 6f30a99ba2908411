"""An encoder and a labelled collection to an encoder of the collection's own likeness."""

from kedro.pipeline import Pipeline, node

from veneer.pipelines.embedding.pipeline import open_encoder
from veneer.pipelines.finetuning import nodes


def create_pipeline() -> Pipeline:
    """Train what is not trained yet, embed with it, and compare it with the frozen encoder."""
    return Pipeline(
        [
            open_encoder,
            node(
                nodes.choose_rows,
                inputs=[
                    "image_rows",
                    "splits",
                    "embeddings",
                    "not_embedded",
                    "params:finetuning",
                    "params:seed",
                ],
                outputs="finetuning_rows",
                name="choose_rows",
            ),
            node(
                nodes.tune,
                inputs=[
                    "finetuning_rows",
                    "image_rows",
                    "embeddings",
                    "encoder",
                    "known_tuned_encoder",
                    "known_tuned_embeddings",
                    "checkpoints",
                    "params:finetuning",
                    "params:embedding",
                    "params:encoders",
                    "params:seed",
                ],
                outputs="tuned_encoder",
                name="tune",
            ),
            node(
                nodes.embed_tuned,
                inputs=[
                    "image_rows",
                    "embeddings",
                    "known_tuned_embeddings",
                    "tuned_encoder",
                    "checkpoints",
                    "params:embedding",
                    "params:encoders",
                ],
                outputs="tuned_embeddings",
                name="embed_tuned",
            ),
            node(
                nodes.evaluate,
                inputs=["finetuning_rows", "embeddings", "tuned_embeddings", "tuned_encoder"],
                outputs="finetuning_metrics",
                name="evaluate_tuned",
            ),
            node(
                nodes.draw,
                inputs=["tuned_encoder", "finetuning_metrics"],
                outputs="finetuning_figures",
                name="draw_finetuning",
            ),
            node(
                nodes.track,
                inputs=["tuned_encoder", "finetuning_metrics", "finetuning_figures"],
                outputs=None,
                name="track_finetuning",
            ),
        ]
    )
