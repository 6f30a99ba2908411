"""Files and folders named one by one."""

from veneer.ingest import ingest
from veneer.schema import KNOWN_IMAGE, QUARANTINE
from veneer.sources.paths import paths_source


def test_files_folders_and_what_is_not_there(tmp_path, monkeypatch):
    from support import noise_image

    (tmp_path / "folder/deep").mkdir(parents=True)
    noise_image(1).save(tmp_path / "one.png")
    noise_image(2).save(tmp_path / "folder/deep/two.png")
    (tmp_path / "folder/notes.txt").write_text("no image")
    monkeypatch.chdir(tmp_path)
    source = paths_source(["one.png", "folder", "gone.png", "one.png"], text="a", max_bytes=10**6)
    names = ["one.png", "folder/deep/two.png", "folder/notes.txt", "gone.png", "one.png#2"]
    assert source.listing["path"].to_pylist() == names
    rows = [
        row
        for batch in ingest(source, KNOWN_IMAGE.empty_table(), QUARANTINE.empty_table())
        for row in batch.to_pylist()
    ]
    assert [row["reason"] for row in rows] == [None, None, "not_an_image", "unreadable", None]
    assert rows[0]["sha"] == rows[4]["sha"] and rows[0]["text"] == "a"
    assert rows[3]["detail"] == "there is no such file"
