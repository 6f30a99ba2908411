"""Make an encoder of images and texts without labelled photos."""

from veneer.pipelines.pretraining.pipeline import create_pipeline

__all__ = ["create_pipeline"]
