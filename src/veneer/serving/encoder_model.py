"""What MLflow runs when it loads the registered encoder."""

import warnings

from mlflow.models import set_model

# MLflow asks for types of arguments that suit agents, past any filter of warnings.
with warnings.catch_warnings(record=True):
    from veneer.serving.models import EncoderModel

set_model(EncoderModel())
