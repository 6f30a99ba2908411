"""The encoder and the classifier as models of MLflow: what is logged, and how it answers."""
