"""Embedding rows to an index, how good a search in it is, and what is there twice."""

from kedro.pipeline import Pipeline, node

from veneer.pipelines.retrieval import nodes


def create_pipeline() -> Pipeline:
    """Build the index, evaluate it, find near-duplicates."""
    return Pipeline(
        [
            node(
                nodes.build_index,
                inputs=["image_rows", "splits", "embeddings", "known_index", "params:retrieval"],
                outputs="index",
                name="build_index",
            ),
            node(
                nodes.evaluate,
                inputs=["index", "class_prompts", "params:retrieval", "params:seed"],
                outputs=["retrieval_metrics", "retrieval_queries"],
                name="evaluate_retrieval",
            ),
            node(
                nodes.find_twins,
                inputs=["index", "params:retrieval"],
                outputs=["twins", "similarities", "twins_card"],
                name="find_twins",
            ),
            node(
                nodes.track_retrieval,
                inputs=["retrieval_metrics", "twins_card"],
                outputs=None,
                name="track_retrieval",
            ),
        ]
    )
