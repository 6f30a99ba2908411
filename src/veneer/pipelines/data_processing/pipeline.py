"""Raw files to image rows, quarantine and splits."""

from kedro.pipeline import Pipeline, node

from veneer.pipelines.data_processing import nodes


def create_pipeline() -> Pipeline:
    """Scan, read, check and hash; then split."""
    return Pipeline(
        [
            node(
                nodes.draw_sample,
                inputs=["params:source", "params:sample", "params:seed"],
                outputs="raw_images",
                name="draw_sample",
            ),
            node(
                nodes.ingest,
                inputs=["raw_images", "params:source"],
                outputs=["image_rows", "quarantine"],
                name="ingest",
            ),
            node(
                nodes.split,
                inputs=["image_rows", "params:splits", "params:seed"],
                outputs="splits",
                name="split",
            ),
            node(
                nodes.describe_collection,
                inputs=["image_rows", "quarantine", "splits", "params:source"],
                outputs="collection_card",
                name="describe_collection",
            ),
        ]
    )
