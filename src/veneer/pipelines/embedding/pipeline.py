"""Image rows to embedding rows."""

from kedro.pipeline import Pipeline, node

from veneer.pipelines.embedding import nodes

open_encoder = node(
    nodes.open_encoder,
    inputs=["params:embedding", "params:encoders"],
    outputs="encoder",
    name="open_encoder",
)
"""Also the first node of every other pipeline that embeds something."""


def create_pipeline() -> Pipeline:
    """Embed only what has not been embedded yet."""
    return Pipeline(
        [
            open_encoder,
            node(
                nodes.embed,
                inputs=["image_rows", "known_embeddings", "encoder", "params:embedding"],
                outputs=["embeddings", "not_embedded"],
                name="embed",
            ),
            node(
                nodes.embed_texts,
                inputs=[
                    "image_rows",
                    "known_text_embeddings",
                    "encoder",
                    "params:embedding",
                    "params:modeling",
                ],
                outputs="text_embeddings",
                name="embed_texts",
            ),
            node(
                nodes.embed_class_prompts,
                inputs=[
                    "image_rows",
                    "known_class_prompts",
                    "encoder",
                    "params:zero_shot",
                    "params:retrieval",
                ],
                outputs="class_prompts",
                name="embed_class_prompts",
            ),
        ]
    )
