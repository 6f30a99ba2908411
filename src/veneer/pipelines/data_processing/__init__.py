"""Pipeline `data_processing`."""

from veneer.pipelines.data_processing.pipeline import create_pipeline

__all__ = ["create_pipeline"]
