"""Kedro datasets: the only place where a stage's tables and pictures become files."""
