"""What an encoder is made of."""

import json

import pytest

from veneer.errors import VeneerError
from veneer.pretraining import ingredients


def test_an_installed_package_is_found_without_running_it():
    assert ingredients.package_folder("json").joinpath("__init__.py").is_file()
    assert str(ingredients.package_folder("json")) == json.__path__[0]


@pytest.mark.parametrize("missing", ingredients.PACKAGES)
def test_a_package_that_is_missing_is_told_by_the_name_it_is_installed_by(monkeypatch, missing):
    installed = ingredients.find_spec("json")
    monkeypatch.setattr(
        ingredients, "find_spec", lambda name: None if name == missing else installed
    )
    with pytest.raises(VeneerError, match=r"pip install 'veneer\[pretraining\]'") as caught:
        ingredients.require_packages()
    assert f"takes the package {ingredients.PACKAGES[missing]}, which" in str(caught.value)


def test_clip_art_that_is_missing_is_told_with_where_it_comes_from(tmp_path):
    said = str(ingredients.no_clip_art(tmp_path))
    assert "apt-get download openclipart-png" in said
    assert f"openclipart-png_*.deb {tmp_path}" in said
