"""`kedro app` before it listens."""

from __future__ import annotations

import importlib.util

import pytest
from projects import Project

from veneer.project import open_project


@pytest.fixture(scope="module")
def empty(tmp_path_factory) -> Project:
    """A project in which nothing was run."""
    return Project(tmp_path_factory.mktemp("empty"))


def test_without_gradio_the_command_says_how_to_get_it(empty, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *rest: None if name == "gradio" else find(name, *rest),
    )
    said = empty.command("app", "--port", "0")
    assert said.exit_code == 1
    assert 'Gradio is not installed. Install it with pip install "veneer[app]"' in said.output


@pytest.mark.parametrize(
    "written", ["app: secret", "app: {ana: 1234}", 'app: {ana: ""}', "app: [ana, b]", "app: {}"]
)
def test_credentials_that_are_none_are_told(empty, written):
    file = empty.path / "conf/local/credentials.yml"
    file.write_text(written)
    said = empty.command("app", "--port", "0")
    file.unlink()
    assert said.exit_code == 1
    assert "Reading credentials.yml: app has to be a mapping of names to passwords" in said.output


def test_credentials_are_those_of_the_environment(empty):
    file = empty.path / "conf/local/credentials.yml"
    file.write_text('app: {ana: "correct horse"}\nother: {key: x}')
    assert open_project(empty.path).credentials("app") == {"ana": "correct horse"}
    assert open_project(empty.path).credentials("nobody") == {}
    assert open_project(empty.path, env="trashnet").credentials("app") == {}
    file.unlink()
    assert open_project(empty.path).credentials("app") == {}
