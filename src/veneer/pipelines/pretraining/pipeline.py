"""Words, drawings and two frozen networks to a small encoder of images and texts."""

from kedro.pipeline import Pipeline, node

from veneer.pipelines.pretraining import nodes


def create_pipeline() -> Pipeline:
    """Teach a text tower and an image head to meet in one space, and fold them into one file."""
    return Pipeline(
        [
            node(
                nodes.write_texts,
                inputs=["params:pretraining", "params:seed"],
                outputs="pretraining_texts",
                name="write_texts",
            ),
            node(
                nodes.find_space,
                inputs=["pretraining_texts", "pretraining_work", "params:pretraining"],
                outputs="text_lessons",
                name="find_space",
            ),
            node(
                nodes.teach_text_tower,
                inputs=["text_lessons", "pretraining_work", "params:pretraining", "params:seed"],
                outputs="text_tower",
                name="teach_text_tower",
            ),
            node(
                nodes.lay_lanes,
                inputs=["clip_art", "pretraining_work", "params:pretraining", "params:seed"],
                outputs="image_trunk",
                name="lay_lanes",
            ),
            node(
                nodes.look_at_pictures,
                inputs=[
                    "image_trunk",
                    "clip_art",
                    "pretraining_work",
                    "params:pretraining",
                    "params:seed",
                ],
                outputs="seen_pictures",
                name="look_at_pictures",
            ),
            node(
                nodes.train_image_heads,
                inputs=[
                    "text_lessons",
                    "image_trunk",
                    "seen_pictures",
                    "pretraining_work",
                    "params:pretraining",
                    "params:seed",
                ],
                outputs="image_head",
                name="train_image_heads",
            ),
            node(
                nodes.assemble,
                inputs=[
                    "text_lessons",
                    "text_tower",
                    "image_trunk",
                    "image_head",
                    "seen_pictures",
                    "clip_art",
                    "params:pretraining",
                    "params:seed",
                ],
                outputs=["pretrained_encoder", "pretraining_metrics"],
                name="assemble_encoder",
            ),
            node(
                nodes.draw_sheet,
                inputs=["clip_art", "params:seed"],
                outputs="pretraining_figures",
                name="draw_pretraining_sheet",
            ),
            node(
                nodes.track,
                inputs=["pretrained_encoder", "pretraining_metrics", "pretraining_figures"],
                outputs=None,
                name="track_pretraining",
            ),
        ]
    )
