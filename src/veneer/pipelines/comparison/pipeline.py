"""Encoders beside each other, on one collection or several."""

from kedro.pipeline import Pipeline, node

from veneer.pipelines.comparison import nodes


def create_pipeline() -> Pipeline:
    """Run what is missing, measure rates, decide, draw and write."""
    return Pipeline(
        [
            node(
                nodes.open_pairs,
                inputs=["projects", "params:comparison", "params:source", "params:embedding"],
                outputs="opened_pairs",
                name="open_pairs",
            ),
            node(
                nodes.run_what_is_missing,
                inputs=["opened_pairs", "params:comparison"],
                outputs="pairs",
                name="run_what_is_missing",
            ),
            node(
                nodes.rate,
                inputs=["pairs", "known_rates", "params:comparison", "params:seed"],
                outputs="rates",
                name="measure_rates",
            ),
            node(
                nodes.compare,
                inputs=["pairs", "rates", "params:comparison"],
                outputs="comparison",
                name="compare",
            ),
            node(
                nodes.tabulate,
                inputs="comparison",
                outputs="comparison_table",
                name="tabulate_comparison",
            ),
            node(
                nodes.draw,
                inputs="comparison",
                outputs="comparison_charts",
                name="draw_comparison",
            ),
            node(
                nodes.write,
                inputs=["comparison", "comparison_charts"],
                outputs=["comparison_markdown", "comparison_page"],
                name="write_comparison",
            ),
            node(
                nodes.track_comparison,
                inputs=[
                    "comparison",
                    "comparison_table",
                    "comparison_charts",
                    "comparison_markdown",
                    "comparison_page",
                ],
                outputs=None,
                name="track_comparison",
            ),
        ]
    )
