"""Kedro's settings of this project."""

from pathlib import Path

from veneer.hooks import VeneerHooks
from veneer.resolvers import resolvers
from veneer.startup import quieten

# Also for sessions that are not begun by the `kedro` command: notebooks, tests, schedulers.
quieten()

HOOKS = (VeneerHooks(),)

CONFIG_LOADER_ARGS = {
    "base_env": "base",
    "default_run_env": "local",
    # Overlays name only what differs.
    "merge_strategy": {"parameters": "soft", "catalog": "soft", "mlflow": "soft"},
    "config_patterns": {"mlflow": ["mlflow*"]},
    # Registered anew for the session's own project in hooks.py.
    "custom_resolvers": resolvers(Path.cwd()),
}
