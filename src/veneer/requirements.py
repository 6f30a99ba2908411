"""What a model that is given away asks to be installed."""

from __future__ import annotations

from importlib.metadata import version


def pinned(*packages: str) -> list[str]:
    """Requirements of the versions that are installed here."""
    # The local part of a version (`+cpu`) names a build, which no registry offers.
    return [f"{package}=={version(package).partition('+')[0]}" for package in packages]
