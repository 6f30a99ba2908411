"""What MLflow runs when it loads the registered classifier."""

from mlflow.models import set_model

from veneer.serving.models import ClassifierModel

set_model(ClassifierModel())
