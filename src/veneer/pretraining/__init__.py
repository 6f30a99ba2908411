"""Make the encoder that comes with the project, from ingredients that anyone may use."""
