"""Pipeline `embedding`."""

from veneer.pipelines.embedding.pipeline import create_pipeline

__all__ = ["create_pipeline"]
