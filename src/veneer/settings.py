"""Kedro's settings of this project."""

# ruff: noqa: E402 -- the order of imports is the point here
from veneer.startup import quieten

# Also for sessions that are not begun by the `kedro` command: notebooks, tests, schedulers.
quieten()

from pathlib import Path

from veneer.hooks import TrackingHooks, VeneerHooks
from veneer.resolvers import resolvers

HOOKS = (VeneerHooks(), TrackingHooks())
DISABLE_HOOKS_FOR_PLUGINS = ("kedro_mlflow",)  # TrackingHooks takes their place

CONFIG_LOADER_ARGS = {
    "base_env": "base",
    "default_run_env": "local",
    # Overlays name only what differs.
    "merge_strategy": {"parameters": "soft", "catalog": "soft", "mlflow": "soft"},
    "config_patterns": {"mlflow": ["mlflow*"]},
    # Registered anew for the session's own project in hooks.py.
    "custom_resolvers": resolvers(Path.cwd()),
}
