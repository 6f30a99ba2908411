"""Walking and reading folders, local and remote."""

import os
import subprocess
import tempfile
from pathlib import Path

import fsspec
import pytest
from support import encode, noise_image, without_privileges, write_images

from veneer.errors import VeneerError
from veneer.refusals import RefusedError
from veneer.sources.files import kind_of, read_text, reader, walk


@pytest.fixture
def open_to_all():
    """A folder that an ordinary user may enter too, unlike pytest's own."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        yield Path(folder)


def refused(root) -> dict[str, str]:
    return {f.path: f.refused.reason for f in walk(str(root)) if f.refused}


def test_the_walk_is_in_the_order_of_the_paths(tmp_path):
    names = ["b.png", "a/z.png", "a.png", "a-b/c.png", "a/b/c/d.png", "A.png", "é.png", "0/1"]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    assert [file.path for file in walk(str(tmp_path))] == sorted(names)


def test_a_deep_tree_is_walked(tmp_path):
    """Deeper than Python's recursion limit."""
    here = os.getcwd()
    try:
        os.chdir(tmp_path)
        for _ in range(1200):
            os.mkdir("d")
            os.chdir("d")
        Path("x.png").write_bytes(b"x")
    finally:
        os.chdir(here)
    (file,) = walk(str(tmp_path))
    subprocess.run(["rm", "-r", tmp_path / "d"], check=True)  # deeper than shutil can remove
    assert file.path == "d/" * 1200 + "x.png"


def test_links_are_followed_but_never_in_a_circle(tmp_path):
    root, elsewhere = tmp_path / "root", tmp_path / "elsewhere"
    write_images(root, {"a": 1})
    write_images(elsewhere, {"b": 1})
    (root / "linked").symlink_to(elsewhere)
    (root / "a" / "file.png").symlink_to(elsewhere / "b" / "000.png")
    (root / "a" / "up").symlink_to("..")
    (elsewhere / "back").symlink_to(root)  # root -> elsewhere -> root
    (root / "self").symlink_to("self")
    (root / "broken.png").symlink_to("nothing")
    (root / "again").symlink_to("a")  # no circle: the same files by another path
    assert [f.path for f in walk(str(root)) if not f.refused] == [
        "a/000.png",
        "a/file.png",
        "again/000.png",
        "again/file.png",
        "linked/b/000.png",
    ]
    assert refused(root) == {
        "a/up": "symlink_loop",
        "again/up": "symlink_loop",
        "linked/back": "symlink_loop",
        "self": "symlink_loop",
        "broken.png": "unreadable",
    }


def test_folders_that_all_link_to_each_other_have_an_end(tmp_path):
    for name in "abcdefgh":
        write_images(tmp_path, {name: 1})
        for other in "abcdefgh":
            (tmp_path / name / other).symlink_to(f"../{other}")
    found = list(walk(str(tmp_path)))
    assert len(found) < 20_000  # and 767 208 if every way were gone to its end
    assert {f.refused.reason for f in found if f.refused} == {"symlink_loop"}
    assert {f.path for f in found if not f.refused} >= {f"{name}/000.png" for name in "abcdefgh"}


def test_what_may_not_be_read_is_told(open_to_all):
    write_images(open_to_all, {"a": 1, "secret": 1})
    (open_to_all / "a" / "mine.png").write_bytes(b"x")
    os.chmod(open_to_all / "a" / "mine.png", 0o600)
    os.chmod(open_to_all / "secret", 0o700)
    with without_privileges():
        if os.access(open_to_all / "secret", os.R_OK, effective_ids=True):
            os.chmod(open_to_all / "secret", 0)
            os.chmod(open_to_all / "a" / "mine.png", 0)
        found = {file.path: file for file in walk(str(open_to_all))}
        assert found["secret"].refused.detail == "the folder cannot be listed: Permission denied"
        with pytest.raises(RefusedError, match="Permission denied") as caught:
            reader(str(open_to_all), 100, found["a/mine.png"].location)()
    assert caught.value.reason == "unreadable"
    assert set(found) == {"a/000.png", "a/mine.png", "secret"}


def test_what_is_no_longer_there_is_told(tmp_path):
    (tmp_path / "a.png").write_bytes(b"x")
    (file,) = walk(str(tmp_path))
    (tmp_path / "a.png").unlink()
    with pytest.raises(RefusedError, match="unreadable: No such file"):
        reader(str(tmp_path), 100, file.location)()


def test_pipes_and_sockets_are_never_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    (file,) = walk(str(tmp_path))
    with pytest.raises(RefusedError, match="not a regular file"):
        reader(str(tmp_path), 100, file.location)()


def test_a_file_that_has_grown_is_not_read(tmp_path):
    (tmp_path / "a.png").write_bytes(b"x")
    (file,) = walk(str(tmp_path))
    (tmp_path / "a.png").write_bytes(bytes(1000))
    with pytest.raises(RefusedError, match="1,000 bytes, more than 100"):
        reader(str(tmp_path), 100, file.location)()


def test_names_that_are_no_text_are_escaped(tmp_path):
    (tmp_path / os.fsdecode(b"caf\xe9.png")).write_bytes(b"x")
    (file,) = walk(str(tmp_path))
    assert file.path == "caf\\xe9.png"
    assert reader(str(tmp_path), 100, file.location)() == b"x"


@pytest.mark.parametrize("protocol", ["memory", "local"])
def test_other_file_systems(protocol, tmp_path):
    root = f"memory://{tmp_path}" if protocol == "memory" else f"local://{tmp_path}/r"
    filesystem = fsspec.filesystem(protocol)
    path = root.removeprefix(f"{protocol}://")
    assert kind_of(root) is None
    for name in ("b/1.png", "a/2.png", "3.png"):
        filesystem.makedirs(os.path.dirname(f"{path}/{name}"), exist_ok=True)
        filesystem.pipe_file(f"{path}/{name}", encode(noise_image(1)))
    assert kind_of(root) == "folder"
    files = list(walk(root))
    assert [file.path for file in files] == ["3.png", "a/2.png", "b/1.png"]
    assert all(file.modified and file.size for file in files)
    assert reader(root, 10**6, files[0].location)() == encode(noise_image(1))
    with pytest.raises(RefusedError, match="too_many_bytes"):
        reader(root, 100, files[0].location)()
    filesystem.rm_file(f"{path}/3.png")
    with pytest.raises(RefusedError, match="unreadable"):
        reader(root, 10**6, files[0].location)()


def test_an_address_that_cannot_be_reached_is_told():
    with pytest.raises(VeneerError, match=r"from http://127\.0\.0\.1:1/x: it cannot be reached"):
        kind_of("http://127.0.0.1:1/x")


def test_a_protocol_that_is_not_installed_is_told():
    with pytest.raises(VeneerError, match=r"Reading images from nonsense://x: .*nonsense"):
        list(walk("nonsense://x"))


def test_lists_that_cannot_be_read_are_told(tmp_path):
    with pytest.raises(VeneerError, match=r"nothing.txt: it cannot be read as text"):
        read_text(str(tmp_path / "nothing.txt"))
    (tmp_path / "binary.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(VeneerError, match="cannot be read as text"):
        read_text(str(tmp_path / "binary.txt"))
