"""Raw files to image rows, quarantine, splits and audits."""

from kedro.pipeline import Pipeline, node

from veneer.pipelines.data_processing import nodes


def create_pipeline() -> Pipeline:
    """Scan, read, check and hash; then split and audit."""
    return Pipeline(
        [
            node(
                nodes.draw_sample,
                inputs=["params:source", "params:sample", "params:seed"],
                outputs="raw_images",
                name="draw_sample",
            ),
            node(
                nodes.scan,
                inputs=["raw_images", "unpack_refusals", "params:source"],
                outputs="source",
                name="scan",
            ),
            node(
                nodes.ingest,
                inputs=["source", "known_images", "known_quarantine", "params:source"],
                outputs=["image_rows", "quarantine"],
                name="ingest",
            ),
            node(
                nodes.official_sides,
                inputs=["source", "image_rows"],
                outputs="official_sides",
                name="official_sides",
            ),
            node(
                nodes.split,
                inputs=["image_rows", "official_sides", "params:splits", "params:seed"],
                outputs="splits",
                name="split",
            ),
            node(
                nodes.audit,
                inputs=["image_rows", "official_sides"],
                outputs=["duplicates", "label_conflicts", "split_leaks"],
                name="audit",
            ),
            node(
                nodes.describe_collection,
                inputs=[
                    "image_rows",
                    "quarantine",
                    "splits",
                    "duplicates",
                    "label_conflicts",
                    "split_leaks",
                    "params:source",
                ],
                outputs="collection_card",
                name="describe_collection",
            ),
            node(
                nodes.track_collection,
                inputs="collection_card",
                outputs=None,
                name="track_collection",
            ),
        ]
    )
