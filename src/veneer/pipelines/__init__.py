"""Kedro pipelines: which library call follows which."""
