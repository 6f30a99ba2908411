"""The folders that pretraining reads and writes."""

import pytest
from kedro.io import DatasetError
from PIL import Image

from veneer.datasets.pretraining import ClipArtDataset, PretrainedEncoderDataset, WorkDataset
from veneer.errors import VeneerError, find_veneer_error

FILES = {"open_clip_config.json": b"{}", "open_clip_model.safetensors": b"abc", "README.md": b"#"}


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_an_encoder_is_written_as_a_whole_and_opened_by_its_path(tmp_path):
    dataset = PretrainedEncoderDataset(str(tmp_path / "models" / "small"))
    assert not dataset.exists()
    with pytest.raises(DatasetError) as caught:
        dataset.load()
    assert "Run the pipeline pretraining first" in str(find_veneer_error(caught.value))
    dataset.save(FILES)
    assert dataset.load() == str(tmp_path / "models" / "small")
    assert contents(tmp_path / "models" / "small") == FILES
    assert [path.name for path in (tmp_path / "models").iterdir()] == ["small"]


def test_the_same_files_again_are_left_alone_and_others_are_refused(tmp_path):
    folder = tmp_path / "small"
    dataset = PretrainedEncoderDataset(str(folder))
    dataset.save(FILES)
    (folder / "notes.txt").write_text("mine")
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    dataset.save(FILES)
    with pytest.raises(DatasetError) as caught:
        dataset.save(FILES | {"README.md": b"# Another"})
    assert "--params pretrained=" in str(find_veneer_error(caught.value))
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == before


def test_clip_art_always_comes_in_the_same_order(tmp_path):
    dataset = ClipArtDataset(str(tmp_path / "art"))
    assert not dataset.exists()
    for name in ("b/z.png", "b/a.png", "a.png"):
        file = tmp_path / "art" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGBA", (20, 20)).save(file)
    assert dataset.exists()
    found = [path.relative_to(tmp_path / "art").as_posix() for path in dataset.load()]
    assert found == ["a.png", "b/a.png", "b/z.png"]


def test_no_clip_art_is_told_with_where_it_comes_from(tmp_path):
    with pytest.raises(DatasetError) as caught:
        ClipArtDataset(str(tmp_path / "art")).load()
    said = str(find_veneer_error(caught.value))
    assert "apt-get download openclipart-png" in said
    assert str(tmp_path / "art") in said


def test_work_goes_on_in_its_folder(tmp_path):
    dataset = WorkDataset(str(tmp_path / "work"))
    assert dataset.exists()
    assert dataset.load().folder == tmp_path / "work"
    assert not (tmp_path / "work").exists()


@pytest.mark.parametrize("kind", [WorkDataset, ClipArtDataset])
def test_nobody_else_writes_there(tmp_path, kind):
    with pytest.raises(DatasetError) as caught:
        kind(str(tmp_path)).save({"a": b""})
    assert isinstance(find_veneer_error(caught.value), VeneerError)
