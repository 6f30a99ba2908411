"""Folders: labels from the parent folder, from patterns, from official lists."""

from collections import Counter

import fsspec
import pytest
from support import encode, ingest_all, noise_image, open_folder, write_images

from veneer.errors import VeneerError


def facts(source, *names) -> dict:
    rows = source.listing.select(["path", *names]).to_pylist()
    return {row["path"]: tuple(row[n] for n in names) for row in rows}


def test_labels_are_the_names_of_the_nearest_folders(tmp_path):
    write_images(tmp_path, {"deep/er/moss": 1, "2024": 1})
    (tmp_path / "at_root.png").write_bytes(encode(noise_image(1)))
    assert facts(open_folder(tmp_path), "label") == {
        "2024/000.png": ("2024",),
        "at_root.png": (None,),
        "deep/er/moss/000.png": ("moss",),
    }


def test_labels_and_more_from_a_pattern(tmp_path):
    for name in ("klee_1922_red-balloon.png", "klee_x.png", "o'keeffe_1930_shell.png"):
        (tmp_path / name).write_bytes(encode(noise_image(1)))
    source = open_folder(
        tmp_path,
        {"year": "int"},
        label="pattern",
        pattern=r"(?P<label>[^/_]+)_(?P<year>\d+)_(?P<text>.+)\.",
    )
    assert facts(source, "label", "text", "attributes") == {
        "klee_1922_red-balloon.png": ("klee", "red-balloon", {"year": 1922}),
        "klee_x.png": (None, None, {"year": None}),
        "o'keeffe_1930_shell.png": ("o'keeffe", "shell", {"year": 1930}),
    }
    images, _ = ingest_all(source)
    assert images.schema.field("attributes").type.field("year").type == "int64"
    assert images["attributes"].to_pylist()[0] == {"year": 1922}


@pytest.mark.parametrize(
    ("options", "attributes", "sentence"),
    [
        ({"label": "pattern", "pattern": "(?P<text>.)"}, {}, "no group 'label' stands in it"),
        ({"label": "pattern"}, {}, "no group 'label' stands in it"),
        ({"pattern": "(?P<year>.)"}, {}, r"the groups \['year'\] stand in it"),
        ({"pattern": "(?P<y>[a-z]+)"}, {"y": "int"}, "a/000.png, attribute y: 'a' is not of"),
        ({"label": "lists"}, {}, "source.folder.lists names none"),
        ({"label": "lists", "lists": {"train": "no.txt"}}, {}, "no.txt: it cannot be read"),
    ],
)
def test_what_cannot_be_used_is_told(tmp_path, options, attributes, sentence):
    write_images(tmp_path, {"a": 1})
    with pytest.raises(VeneerError, match=sentence):
        open_folder(tmp_path, attributes, **options)


def test_official_lists_tell_sides_and_labels(tmp_path):
    write_images(tmp_path / "images", {"glass": 2, "paper and card": 2})
    (tmp_path / "images/glass/other.png").write_bytes(encode(noise_image(5)))
    (tmp_path / "train.txt").write_text("000.png 1\nimages/paper and card/001.png 2\n\n")
    (tmp_path / "test.txt").write_text("\ufeffglass/001.png\tGlass Bottle\r\nimages/gone.png 1")
    lists = {"train": "train.txt", "test": "test.txt"}
    source = open_folder(tmp_path, label="lists", lists=lists, classes={1: "glass", 2: "paper"})
    assert facts(source, "split", "label") == {
        "images/glass/000.png": ("train", "glass"),
        "images/glass/001.png": ("test", "Glass Bottle"),
        "images/glass/other.png": (None, None),
        "images/paper and card/000.png": ("train", "glass"),  # the list names it by its last part
        "images/paper and card/001.png": ("train", "paper"),
    }


def test_lists_without_labels_take_them_from_the_listed_path(tmp_path):
    write_images(tmp_path / "images", {"brick": 2})
    (tmp_path / "v.txt").write_text("images/brick/000.png\n./images/brick/001.png\n")
    lists = {"validation": str(tmp_path / "v.txt")}
    for root in (tmp_path, tmp_path / "images"):  # the inner folder is found as well
        source = open_folder(root, label="lists", lists=lists, exclude=["*.txt"])
        assert set(facts(source, "split", "label").values()) == {("validation", "brick")}


@pytest.mark.parametrize(
    ("line", "path", "label"),
    [
        ("a/1.jpg", "a/1.jpg", "a"),
        ("a/1.jpg 2", "a/1.jpg", "2"),
        ("a/1.JPEG,wood", "a/1.JPEG", "wood"),
        ("my photo 1.png St. John's", "my photo 1.png", "St. John's"),
        ("b/001.png v1.x", "b/001.png", "v1.x"),
        ('"b/000.png",q', "b/000.png", "q"),
        ("/b/000.tif\tq r", "b/000.tif", "q r"),
        ("./a\\002.webp", "a/002.webp", "a"),
        ("a/noext 5", "a/noext", "5"),
        ("a/noext", "a/noext", "a"),
    ],
)
def test_lines_of_lists(line, path, label):
    from veneer.sources.folder import _list_entry

    assert _list_entry(line, {}) == (path, label)


def test_a_file_on_two_lists_is_told(tmp_path, caplog):
    write_images(tmp_path, {"a": 1})
    (tmp_path / "train.txt").write_text("a/000.png")
    (tmp_path / "test.txt").write_text("a/000.png")
    source = open_folder(tmp_path, lists={"train": "train.txt", "test": "test.txt"})
    assert facts(source, "split") == {"a/000.png": ("train",)}
    assert "1 files are on two of the official lists" in caplog.text


def test_lists_and_patterns_that_fit_nothing_are_told(tmp_path, caplog):
    write_images(tmp_path, {"a": 1})
    open_folder(tmp_path, label="pattern", pattern="(?P<label>zebra)")
    assert "gives no file a label" in caplog.text
    (tmp_path / "train.txt").write_text("b/000.png")
    with pytest.raises(VeneerError, match=r"none of the 1 files in .* stands in train\.txt"):
        open_folder(tmp_path, label="lists", lists={"train": "train.txt"})


def test_what_two_entries_could_mean_neither_does(tmp_path):
    write_images(tmp_path / "images", {"brick": 2})
    (tmp_path / "train.txt").write_text("a/brick/000.png\na/brick/001.png")
    (tmp_path / "test.txt").write_text("b/brick/000.png")
    lists = {"train": "../train.txt", "test": "../test.txt"}
    source = open_folder(tmp_path / "images", lists=lists)
    assert facts(source, "split") == {"brick/000.png": (None,), "brick/001.png": ("train",)}


def test_a_missing_list_matters_only_where_labels_come_from_it(tmp_path):
    write_images(tmp_path, {"a": 2})
    source = open_folder(tmp_path, lists={"train": "labels/train1.txt"})
    assert facts(source, "label", "split") == {"a/000.png": ("a", None), "a/001.png": ("a", None)}


def test_own_lists_and_what_is_excluded_are_no_part_of_it(tmp_path):
    write_images(tmp_path, {"a": 1, "labels": 1})
    for name in ("train.txt", "other.txt", "a/notes.md"):
        (tmp_path / name).write_text("a/000.png")
    source = open_folder(tmp_path, lists={"train": "train.txt"}, exclude=["labels/*", "*.md"])
    assert list(facts(source, "split")) == ["a/000.png", "other.txt"]


def test_a_folder_behind_another_file_system(tmp_path):
    """The same rows as from the local folder, from `memory://`, with lists beside the images."""
    write_images(tmp_path / "r", {"a": 3, "b/c": 2})
    (tmp_path / "r/b/broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (tmp_path / "r/train.txt").write_text("a/000.png 7")
    memory = fsspec.filesystem("memory")
    memory.put(str(tmp_path / "r"), f"{tmp_path}/r", recursive=True)
    options = {"lists": {"train": "train.txt"}}
    there, refused_there = ingest_all(open_folder(f"memory://{tmp_path}/r", **options))
    here, refused_here = ingest_all(open_folder(tmp_path / "r", **options))
    same = [name for name in here.schema.names if name != "modified"]
    assert there.select(same).equals(here.select(same))
    assert there["modified"].null_count == 0
    assert refused_there["path"].equals(refused_here["path"])
    assert facts(open_folder(f"memory://{tmp_path}/r", **options), "split")["a/000.png"] == (
        "train",
    )


def test_trashnet_with_its_official_lists(shared):
    source = open_folder(
        shared / "data/trashnet",
        label="lists",
        lists={
            side: f"one-indexed-files-notrash_{name}.txt"
            for side, name in (("train", "train"), ("validation", "val"), ("test", "test"))
        },
        classes={1: "glass", 2: "paper", 3: "cardboard", 4: "plastic", 5: "metal", 6: "trash"},
        exclude=["*.txt"],
    )
    found = facts(source, "split", "label")
    assert Counter(split for split, _ in found.values()) == {
        "train": 1768,
        "validation": 328,
        "test": 431,
    }
    assert all(path.split("/")[1] == label for path, (_, label) in found.items())
