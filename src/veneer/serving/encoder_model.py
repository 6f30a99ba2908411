"""What MLflow runs when it loads the registered encoder."""

from mlflow.models import set_model

from veneer.serving.models import EncoderModel

set_model(EncoderModel())
