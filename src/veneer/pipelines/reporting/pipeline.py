"""Pictures and a page of what the heads and the search gave."""

from kedro.pipeline import Pipeline, node

from veneer.pipelines.embedding.pipeline import open_encoder
from veneer.pipelines.reporting import heads, maps, nodes


def create_pipeline() -> Pipeline:
    """Draw confusion matrices, search prompts, lay out the map; draw sheets, write the report."""
    return Pipeline(
        [
            open_encoder,
            node(
                heads.draw_confusion_matrices,
                inputs=["predictions", "metrics"],
                outputs="confusion_matrices",
                name="draw_confusion_matrices",
            ),
            node(
                heads.draw_evaluation,
                inputs=["predictions", "metrics", "train_log"],
                outputs="evaluation",
                name="draw_evaluation",
            ),
            node(
                heads.draw_label_sheets,
                inputs=[
                    "predictions",
                    "doubtful_labels",
                    "metrics",
                    "index",
                    "params:calibration",
                ],
                outputs="label_sheets",
                name="draw_label_sheets",
            ),
            node(
                nodes.search_prompts,
                inputs=[
                    "index",
                    "encoder",
                    "collection_card",
                    "params:reporting",
                    "params:retrieval",
                ],
                outputs="search_results",
                name="search_prompts",
            ),
            node(
                nodes.draw_contact_sheets,
                inputs=["search_results", "index", "params:reporting"],
                outputs="contact_sheets",
                name="draw_contact_sheets",
            ),
            node(
                nodes.draw_label_histograms,
                inputs=["search_results", "params:reporting"],
                outputs="label_histograms",
                name="draw_label_histograms",
            ),
            node(
                nodes.draw_audit_sheets,
                inputs=["label_conflicts", "split_leaks", "index"],
                outputs="audit_sheets",
                name="draw_audit_sheets",
            ),
            node(
                nodes.draw_retrieval,
                inputs="retrieval_metrics",
                outputs="retrieval_figures",
                name="draw_retrieval",
            ),
            node(
                nodes.draw_twins,
                inputs=["twins", "similarities", "twins_card", "index"],
                outputs="twin_sheets",
                name="draw_twins",
            ),
            node(
                maps.map_collection,
                inputs=["index", "params:reporting", "params:seed"],
                outputs=["map_points", "clusters", "map_card"],
                name="map_collection",
            ),
            node(
                maps.draw_map,
                inputs=["map_points", "clusters", "map_card", "index"],
                outputs="map_figures",
                name="draw_map",
            ),
            node(
                maps.draw_clusters,
                inputs=["clusters", "index", "params:reporting"],
                outputs="cluster_sheets",
                name="draw_clusters",
            ),
            node(
                maps.write_map_page,
                inputs=[
                    "map_points",
                    "clusters",
                    "map_card",
                    "index",
                    "collection_card",
                    "encoder",
                    "params:reporting",
                    "params:seed",
                ],
                outputs="map_page",
                name="write_map_page",
            ),
            node(
                maps.track_map,
                inputs=["map_figures", "cluster_sheets", "map_page", "map_card"],
                outputs=None,
                name="track_map",
            ),
            node(
                nodes.write_report,
                inputs=[
                    "collection_card",
                    "metrics",
                    "retrieval_metrics",
                    "twins_card",
                    "encoder",
                    "not_embedded",
                    "search_results",
                    "confusion_matrices",
                    "evaluation",
                    "label_sheets",
                    "contact_sheets",
                    "label_histograms",
                    "retrieval_figures",
                    "twin_sheets",
                    "audit_sheets",
                    "map_card",
                    "map_figures",
                    "cluster_sheets",
                ],
                outputs="report",
                name="write_report",
            ),
            node(
                nodes.track_report,
                inputs=[
                    "confusion_matrices",
                    "evaluation",
                    "label_sheets",
                    "contact_sheets",
                    "label_histograms",
                    "retrieval_figures",
                    "twin_sheets",
                    "audit_sheets",
                    "report",
                ],
                outputs=None,
                name="track_report",
            ),
        ]
    )
