"""A collection's official archive to its raw files."""

from kedro.pipeline import Pipeline, node

from veneer.pipelines.download import nodes


def create_pipeline() -> Pipeline:
    """Fetch, check and unpack, unless there are raw files."""
    return Pipeline(
        [
            node(
                nodes.download,
                inputs=["archives", "params:download"],
                outputs=["raw_images", "unpack_refusals"],
                name="download",
            ),
        ]
    )
