"""Copies, and copies that contradict each other."""

import pyarrow as pa

from veneer.audits import find_contradictions, find_duplicates
from veneer.schema import DUPLICATES, SPLITS

ROWS = [
    # id, sha, path, label
    ("1", "aa", "x/2.png", "glass"),
    ("2", "aa", "x/1.png", "glass"),
    ("3", "bb", "x/3.png", "glass"),
    ("4", "bb", "y/4.png", "metal"),
    ("5", "bb", "y/5.png", None),
    ("6", "cc", "y/6.png", "metal"),
    ("7", "dd", "y/7.png", None),
    ("8", "dd", "y/8.png", "metal"),
]
SIDES = [("1", "train"), ("2", "test"), ("3", "train"), ("4", "train"), ("6", "test")]


def table(rows, names):
    return pa.table(dict(zip(names, map(list, zip(*rows, strict=True)), strict=True)))


def test_copies_stand_beside_each_other():
    rows = table(ROWS, ["id", "sha", "path", "label"])
    sides = table(SIDES, ["id", "split"]).cast(SPLITS)
    duplicates = find_duplicates(rows, sides)
    assert duplicates.schema.equals(DUPLICATES)
    found = [tuple(row.values()) for row in duplicates.to_pylist()]
    assert found == [
        ("aa", 2, "2", "x/1.png", "glass", "test"),
        ("aa", 2, "1", "x/2.png", "glass", "train"),
        ("bb", 3, "3", "x/3.png", "glass", "train"),
        ("bb", 3, "4", "y/4.png", "metal", "train"),
        ("bb", 3, "5", "y/5.png", None, None),
        ("dd", 2, "7", "y/7.png", None, None),
        ("dd", 2, "8", "y/8.png", "metal", None),
    ]
    # What is not known contradicts nothing.
    assert find_contradictions(duplicates, "label")["id"].to_pylist() == ["3", "4", "5"]
    assert find_contradictions(duplicates, "split")["id"].to_pylist() == ["2", "1"]


def test_a_collection_without_copies():
    rows = table([ROWS[5]], ["id", "sha", "path", "label"])
    duplicates = find_duplicates(rows, SPLITS.empty_table())
    assert len(duplicates) == 0
    assert len(find_contradictions(duplicates, "label")) == 0
