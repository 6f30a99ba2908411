"""The ways in which a tower can be run."""
