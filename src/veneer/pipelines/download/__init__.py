"""Pipeline `download`."""

from veneer.pipelines.download.pipeline import create_pipeline

__all__ = ["create_pipeline"]
