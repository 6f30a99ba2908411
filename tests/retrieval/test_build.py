"""An index is what its rows are, whatever it was before, and whatever happens meanwhile."""

import errno
import os
import subprocess
import sys
import threading
import time
from datetime import timedelta

import lancedb
import numpy as np
import pyarrow as pa
import pytest
from indexed import APPROXIMATE, EXACT, Collection, unit_rows
from support import ROOT, encode, noise_image

from veneer.errors import VeneerError
from veneer.images import to_rgb
from veneer.retrieval.build import compare, write_index
from veneer.retrieval.index import TABLE, Index, connect, disk_array


@pytest.fixture
def collection(tmp_path) -> Collection:
    return Collection(tmp_path, {"banded": 12, "dotted": 10, "it's": 8})


def contents(index: Index) -> list[dict]:
    columns = [name for name in index.schema.names if name != "thumbnail"]
    return sorted(index.table(columns).to_pylist(), key=lambda row: row["id"])


def test_a_row_holds_what_is_known_of_its_image(collection):
    rows = collection.rows()
    index = collection.build(rows)
    assert index.rows == 30 and index.dimension == 16
    by_id = {row["id"]: row for row in index.table(index.schema.names).to_pylist()}
    for wanted in rows.to_pylist():
        found = by_id[wanted["id"]]
        for name in ("sha", "label", "text", "width", "height", "format", "size", "folder"):
            assert found[name] == wanted[name]
        assert found["modified"] == wanted["modified"]
        assert found["path"] == wanted["image"]["path"]
        assert found["split"] == "train"
        np.testing.assert_array_equal(
            np.float32(found["vector"]), unit_rows([wanted["sha"]], index.dimension)[0]
        )
        small = to_rgb(found["thumbnail"])
        assert max(small.size) == 32
        assert small.size[0] >= small.size[1]  # as the image, 48 x 40


def test_attributes_are_columns(tmp_path):
    collection = Collection(tmp_path, {"moss_1990": 2, "bark_2004": 3})
    options = {"attributes": {"year": "int"}, "label": "pattern"}
    options["pattern"] = r"(?P<label>[a-z]+)_(?P<year>\d+)"
    index = collection.build(collection.rows(**options))
    assert index.count("attributes.year >= 2000") == 3
    assert index.count("label = 'moss'") == 2


def test_nothing_new_makes_no_work(collection):
    rows = collection.rows()
    collection.build(rows)
    update = collection.plan(rows)
    assert (not update.anew, update.rows, len(update.changed), update.removed) == (
        True,
        0,
        0,
        [],
    )


@pytest.mark.parametrize("options", [EXACT, APPROXIMATE], ids=["exact", "approximate"])
def test_an_update_gives_what_a_fresh_build_gives(collection, tmp_path, options):
    before = collection.build(options=options)
    # Two go, three come, a class is renamed, all change sides.
    for name in ("banded/000.png", "dotted/003.png"):
        (collection.images / name).unlink()
    for number in range(3):
        file = collection.images / "it's" / f"new-{number}.png"
        file.write_bytes(encode(noise_image(9000 + number)))
    (collection.images / "dotted").rename(collection.images / "polka")
    rows = collection.rows()
    update = collection.plan(rows, side="validation", options=options)
    assert (update.rows, len(update.changed), len(update.removed)) == (3 + 9, 18 + 1, 2 + 9)
    after = collection.build(rows, side="validation", options=options)

    fresh = Collection(tmp_path / "fresh", {})
    fresh.images = collection.images
    assert contents(after) == contents(fresh.build(rows, side="validation", options=options))
    assert after.rows == after.count() == 31
    assert after.is_approximate == (options is APPROXIMATE)
    assert set(after.thumbnails(rows["id"].to_pylist())) == set(rows["id"].to_pylist())
    for sha in rows["sha"].to_pylist():  # also what is new is found
        found = after.nearest(unit_rows([sha])[0], 1, options)
        assert found.rows["sha"].to_pylist() == [sha]
    assert before.rows == 30  # who has it open sees what was there


def test_another_encoder_or_thumbnail_makes_all_anew(collection):
    rows = collection.rows()
    collection.build(rows)
    assert collection.plan(rows, fingerprint="another").anew
    index = collection.build(rows, fingerprint="another")
    assert (index.rows, index.card.fingerprint) == (30, "another")


def test_images_without_a_vector_are_not_indexed(collection, monkeypatch):
    rows = collection.rows()
    update = collection.plan(rows.slice(0, 10))
    write_index(collection.folder, update)
    assert Index(collection.folder).rows == 10


def test_a_collection_without_images_has_an_empty_index(tmp_path):
    collection = Collection(tmp_path, {"banded": 1})
    index = collection.build(collection.rows().slice(0, 0))
    assert index.rows == 0
    assert len(index.nearest(unit_rows(["ab" * 20])[0], 5, EXACT).scores) == 0
    assert collection.build().rows == 1


def test_other_settings_make_another_index_of_the_vectors(collection):
    rows = collection.rows()
    found = []
    for options in (APPROXIMATE, APPROXIMATE.model_copy(update={"partition_rows": 5}), EXACT):
        collection.build(rows, options=options)
        table = connect(collection.folder).open_table(TABLE)
        found.append({tuple(each.columns): each.name for each in table.list_indices()})
    first, second, none = found
    texts = {("label",), ("split",), ("folder",), ("format",)}
    assert set(first) == set(second) == {("vector",), *texts} and none == {}
    assert first["vector",] != second["vector",]
    assert first["label",] == second["label",]


def test_readers_see_the_old_table_or_the_new_one(collection):
    """Every version has one side for all its rows; no reader may ever see two, or none."""
    rows = collection.rows()
    collection.build(rows)
    stop, wrong, seen = threading.Event(), [], set()
    query = unit_rows(["ab" * 20])[0]

    def read() -> None:
        index = Index(collection.folder)
        try:
            while not stop.is_set():
                index = index.refreshed()
                found = index.nearest(query, 40, EXACT)
                sides = index.take(found.rows["_rowid"].to_pylist(), ["split"])["split"]
                state = tuple(sorted(set(sides.to_pylist()))), len(sides), index.count()
                seen.add(state)
        except BaseException as error:
            wrong.append(error)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    try:
        for turn in range(6):
            options = {"options": APPROXIMATE} if turn % 2 else {}
            fingerprint = "another" if turn == 3 else "an encoder"  # a build from the ground
            part = rows.slice(0, 30 - turn)
            collection.build(part, side=f"side {turn}", fingerprint=fingerprint, **options)
    finally:
        stop.set()
        for reader in readers:
            reader.join()
    assert not wrong
    assert all(len(sides) == 1 and shown == count for sides, shown, count in seen)
    assert len(seen) > 1


KILLED = """
import os, signal, sys
sys.path[:0] = [{tests!r}, {src!r}]
from pathlib import Path
import lancedb.table
from indexed import APPROXIMATE, Collection
from veneer.retrieval import build

step = {step!r}
if step == "rows":  # in the middle of the rows that are added
    made = build._made
    def dying(*arguments):
        for batch in made(*arguments):
            yield batch.slice(0, 1)
            os.kill(os.getpid(), signal.SIGKILL)
    build._made = dying
else:
    holder = build if step == "_index_columns" else lancedb.table.LanceTable
    call = getattr(holder, step)
    def dying(*arguments, **options):
        call(*arguments, **options)
        os.kill(os.getpid(), signal.SIGKILL)
    setattr(holder, step, dying)

collection = Collection(Path({path!r}), {{}})
collection.build(side="validation", fingerprint={fingerprint!r}, options=APPROXIMATE)
"""


@pytest.mark.parametrize(
    ("step", "fingerprint"),
    [
        ("rows", "an encoder"),
        ("delete", "an encoder"),
        ("merge_insert", "an encoder"),
        ("optimize", "an encoder"),
        ("rows", "another"),  # all is made anew
        ("create_index", "another"),
    ],
)
def test_killed_in_a_rebuild_the_old_table_is_whole(collection, tmp_path, step, fingerprint):
    before = contents(collection.build(options=APPROXIMATE))
    (collection.images / "banded/000.png").unlink()
    for number in range(10):
        file = collection.images / "it's" / f"new-{number}.png"
        file.write_bytes(encode(noise_image(9000 + number)))
    code = KILLED.format(
        tests=str(ROOT / "tests"),
        src=str(ROOT / "src"),
        step=step,
        path=str(tmp_path),
        fingerprint=fingerprint,
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.returncode == -9, done.stderr
    index = Index(collection.folder)
    assert contents(index) == before
    assert len(index.nearest(unit_rows(["ab" * 20])[0], 5, APPROXIMATE).scores) == 5
    after = collection.build(side="validation", options=APPROXIMATE)
    assert {row["split"] for row in contents(after)} == {"validation"}
    assert after.rows == 39


def test_a_first_build_that_was_killed_is_no_hindrance(collection, tmp_path):
    code = KILLED.format(
        tests=str(ROOT / "tests"),
        src=str(ROOT / "src"),
        step="rows",
        path=str(tmp_path),
        fingerprint="an encoder",
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.returncode == -9, done.stderr
    with pytest.raises(VeneerError, match="not there"):
        Index(collection.folder)
    assert collection.build().rows == 30


@pytest.mark.parametrize("options", [EXACT, APPROXIMATE], ids=["exact", "approximate"])
def test_an_old_index_is_updated_and_its_files_go_in_time(collection, monkeypatch, options):
    monkeypatch.setattr("veneer.retrieval.build.KEPT", timedelta(milliseconds=1))
    rows = collection.rows()
    before = collection.build(rows, options=options)
    sizes = []
    for turn in range(4):
        time.sleep(0.01)
        after = collection.build(rows, side=f"side {turn}", options=options)
        assert {row["split"] for row in contents(after)} == {f"side {turn}"}
        assert before.count() == 30  # who has the version before open can go on
        before = after
        sizes.append(
            sum(
                file.stat().st_size for file in collection.folder.rglob("*.lance") if file.is_file()
            )
        )
    assert sizes[-1] <= 1.5 * sizes[1]


def test_rows_whose_numbers_are_missing_are_not_changed_by_that():
    table = pa.table({"id": ["a", "b", "c"], "weight": [1.0, float("nan"), None]})
    added, changed, removed = compare(table, table)
    assert (added.to_pylist(), changed.to_pylist(), removed) == ([False] * 3, [False] * 3, [])


def test_no_space_for_temporary_files_is_a_sentence(monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(VeneerError, match=r"No space left.*TMPDIR"):
        disk_array((1000, 1000))


def test_two_builds_at_once_are_refused(collection):
    rows = collection.rows()
    first = collection.plan(rows)
    collection.build(rows)
    with pytest.raises(VeneerError, match="another run has built it meanwhile"):
        write_index(collection.folder, first)
    update = collection.plan(rows.slice(0, 20))
    collection.build(rows.slice(0, 10))
    with pytest.raises(VeneerError, match="another run has built it meanwhile"):
        write_index(collection.folder, update)


def test_a_missing_index_says_which_command_builds_it(tmp_path):
    with pytest.raises(VeneerError, match=r"not there.*kedro run --pipelines retrieval"):
        Index(tmp_path)


def test_an_index_that_was_never_finished_is_missing(collection):
    collection.build()
    connect(collection.folder).open_table(TABLE).tags.delete("ready")
    with pytest.raises(VeneerError, match="not there"):
        Index(collection.folder)
    assert collection.build().rows == 30


def test_a_foreign_table_is_refused_and_left_alone(collection):
    data = pa.table({"id": ["a"], "vector": [[1.0, 2.0]]})
    table = lancedb.connect(str(collection.folder)).create_table(TABLE, data=data)
    table.tags.create("ready", 1)
    for attempt in (lambda: Index(collection.folder), collection.build):
        with pytest.raises(VeneerError, match="not made by this version of veneer"):
            attempt()
    assert lancedb.connect(str(collection.folder)).open_table(TABLE).count_rows() == 1


@pytest.mark.parametrize("damage", ["manifest", "data", "emptied data", "tag", "file"])
def test_a_damaged_table_is_a_sentence(collection, damage):
    collection.build()
    table = collection.folder / f"{TABLE}.lance"
    if damage == "file":
        for file in sorted(table.rglob("*"), reverse=True):
            file.rmdir() if file.is_dir() else file.unlink()
        table.rmdir()
        table.write_bytes(b"no table")
    elif damage == "tag":
        next(table.rglob("ready.json")).write_bytes(b"{")
    else:
        folder = "_versions" if damage == "manifest" else "data"
        for file in (table / folder).iterdir():
            data = b"" if damage == "emptied data" else file.read_bytes()[:-40] + bytes(40)
            file.write_bytes(data)
    with pytest.raises(VeneerError, match="index") as told:
        Index(collection.folder).nearest(unit_rows(["ab" * 20])[0], 5, EXACT)
    assert str(collection.folder) in str(told.value)
    assert "--pipelines retrieval" in str(told.value)
