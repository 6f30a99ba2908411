"""The pipelines by name."""

from kedro.pipeline import Pipeline

from veneer.pipelines import (
    comparison,
    data_processing,
    download,
    embedding,
    finetuning,
    modeling,
    prediction,
    pretraining,
    registration,
    reporting,
    retrieval,
)


def register_pipelines() -> dict[str, Pipeline]:
    """All pipelines; ``__default__`` takes a collection all the way."""
    pipelines = {
        "data_processing": data_processing.create_pipeline(),
        "embedding": embedding.create_pipeline(),
        "modeling": modeling.create_pipeline(),
        "retrieval": retrieval.create_pipeline(),
        "reporting": reporting.create_pipeline(),
    }
    default = sum(pipelines.values(), Pipeline([]))
    others = {
        "download": download.create_pipeline(),
        "prediction": prediction.create_pipeline(),
        "registration": registration.create_pipeline(),
        "finetuning": finetuning.create_pipeline(),
        "comparison": comparison.create_pipeline(),
        "pretraining": pretraining.create_pipeline(),
    }
    return {**pipelines, **others, "__default__": default}
