"""Files that a browser uploaded, and what only says so."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from gradio.utils import get_upload_folder

from veneer.app.uploads import uploaded
from veneer.errors import VeneerError


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """Gradio's folder for this test."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "gradio"))
    (tmp_path / "gradio").mkdir()
    assert get_upload_folder() == str(tmp_path / "gradio")
    return tmp_path / "gradio"


def test_an_upload_is_taken(folder):
    (folder / "a.png").write_bytes(b"abc")
    given = {"path": str(folder / "a.png"), "orig_name": "my a.png"}
    assert uploaded(given, 3) == (folder / "a.png", "my a.png")
    assert uploaded({"path": str(folder / "a.png")}, 3)[1] == "a.png"
    with pytest.raises(VeneerError, match="3 bytes are more than 2"):
        uploaded(given, 2)


def test_all_else_is_refused(folder, tmp_path):
    (tmp_path / "secret").write_bytes(b"s")
    (folder / "link").symlink_to(tmp_path / "secret")
    (folder / "sub").mkdir()
    os.mkfifo(folder / "pipe")
    paths = ["link", "sub", "pipe", "missing", "", "../secret", "sub/../../secret"]
    given = [{"path": str(folder / each)} for each in paths]
    given += [{"path": each} for each in ("/etc/passwd", "/dev/zero", "\0", 5, None, ["a"])]
    for each in [*given, {}, "a.png", 5, ["x"]]:
        with pytest.raises(VeneerError, match="no file that was uploaded"):
            uploaded(each, 100)
