"""Pipeline `modeling`."""

from veneer.pipelines.modeling.pipeline import create_pipeline

__all__ = ["create_pipeline"]
