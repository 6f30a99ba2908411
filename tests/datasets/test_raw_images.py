"""Raw files are written below their folder or not at all, and nobody else's are touched."""

import errno
from pathlib import Path

import pytest
from kedro.io import DatasetError

from veneer.datasets.archives import ArchivesDataset
from veneer.datasets.raw_images import RawImagesDataset
from veneer.errors import find_veneer_error
from veneer.streams import FileStream


def save(folder, *names):
    RawImagesDataset(str(folder)).save(FileStream(lambda: ((name, b"new") for name in names)))


@pytest.mark.parametrize("name", ["../evil", "a/../../evil", "{}/evil", "", ".", "a/.."])
def test_nothing_is_written_elsewhere(tmp_path, name):
    name = name.format(tmp_path)
    with pytest.raises(DatasetError, match="does not lie in its folder"):
        save(tmp_path / "raw", "a/1.jpg", name)
    assert not list(tmp_path.iterdir())


def test_a_link_to_another_disk_stays_one(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "raw").symlink_to(tmp_path / "disk")
    save(tmp_path / "raw", "1.jpg")
    assert (tmp_path / "raw").is_symlink()
    assert [file.name for file in (tmp_path / "disk").iterdir()] == ["1.jpg"]


def test_only_what_an_earlier_run_left_is_removed(tmp_path):
    others = [".minc.backup", ".minc.2.abc", ".m[ab]c.x.unfinished"]
    left = ".minc.12345678.unfinished"
    for name in (*others, left):
        (tmp_path / name).mkdir()
    save(tmp_path / "minc", "1.jpg")
    assert sorted(folder.name for folder in tmp_path.iterdir()) == sorted([*others, "minc"])
    save(tmp_path / "m[ab]c", "1.jpg")
    assert ".m[ab]c.x.unfinished" not in {folder.name for folder in tmp_path.iterdir()}


def test_a_full_disk_is_told_of(tmp_path, monkeypatch):
    def full(self, content):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(DatasetError) as caught:
        save(tmp_path / "raw", "a/1.jpg")
    assert "a/1.jpg: No space left on device" in str(find_veneer_error(caught.value))
    assert "No space left on device" in str(find_veneer_error(caught.value))
    assert not list(tmp_path.iterdir())


def test_archives_know_whether_they_are_unpacked(tmp_path):
    raw = tmp_path / "raw"
    dataset = ArchivesDataset(str(tmp_path / "archives"), {"path": str(raw)})
    assert not dataset.load().unpacked
    raw.mkdir()
    assert not dataset.load().unpacked
    save(raw, "1.jpg")
    assert dataset.load().unpacked
    assert dataset.load().target == raw
    file = ArchivesDataset(str(tmp_path / "archives"), {"path": str(raw / "1.jpg")})
    with pytest.raises(DatasetError) as caught:
        file.load()
    assert "is no local folder" in str(find_veneer_error(caught.value))
