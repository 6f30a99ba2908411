"""What can be filtered by, and that chosen values find exactly their rows in a real index."""

import itertools
import math
from collections import Counter
from datetime import UTC, date, datetime, timedelta, timezone

import numpy as np
import pyarrow as pa
import pytest
from indexed import Collection

from veneer.errors import VeneerError
from veneer.retrieval.columns import AnyOf, Between, Column, filterable, where_of
from veneer.retrieval.filters import compile_filter

LABELS = [
    "banded",
    "Banded",
    "it's",
    'a" or 1=1 --',
    "' or ''='",
    "two\nlines",
    "emoji 👩‍🎨",
    "",
    " ",
    "back\\slash\\",
    "`tick`",
    "null",
    "50%",
    None,
]
NAMES = ["style", "it's", "of make", "label", "in", "between.us", "höhe", "dot.ted", "tick`tick"]
ATTRIBUTES = pa.struct(
    [
        *((name, pa.string()) for name in NAMES),
        ("year", pa.int64()),
        ("a-b", pa.float64()),
        ("same", pa.string()),
        ("same number", pa.int64()),
        ("nothing", pa.string()),
        ("no number", pa.float64()),
        ("many", pa.string()),
        ("same or nothing", pa.string()),
    ]
)
DAY = datetime(2024, 5, 1)
NUMBERS = [0.0, -2.5, 0.1, 1e300, 1e-300, math.inf, -math.inf, math.nan, None]
COUNT = 56


def attributes_of(number):
    if number % 14 == 5:
        return None
    texts = {
        name: [None, "x", "it's", "two words"][(number + n) % 4] for n, name in enumerate(NAMES)
    }
    return texts | {
        "year": [None, 1990, 2004, -5, 2**53 + 1][number % 5],
        "a-b": NUMBERS[number % len(NUMBERS)],
        "same": "one",
        "same number": 7,
        "many": str(number),
        "same or nothing": [None, "one"][number % 2],
    }


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    collection = Collection(tmp_path_factory.mktemp("collection"), {"moss": COUNT})
    rows = collection.rows()
    moments = [DAY + timedelta(hours=7 * n, microseconds=n) for n in range(COUNT)]
    columns = {
        "label": pa.array([LABELS[n % len(LABELS)] for n in range(COUNT)]),
        "modified": pa.array(moments, pa.timestamp("us", tz="UTC")),
        "created": pa.array([None, *moments[1:]], pa.timestamp("us")),
        "size": pa.array([2**53 + n for n in range(COUNT)]),
    }
    for name, values in columns.items():
        rows = rows.set_column(rows.schema.get_field_index(name), rows.field(name), values)
    attributes = pa.array([attributes_of(n) for n in range(COUNT)], ATTRIBUTES)
    return collection.build(rows.append_column("attributes", attributes))


@pytest.fixture(scope="module")
def rows(index):
    """All rows as dictionaries, attributes beside the columns, NaN as None."""
    found = []
    for row in index.table(index.metadata).to_pylist():
        attributes = row.pop("attributes") or {}
        flat = row | {f"attributes.{n}": attributes.get(n) for n in ATTRIBUTES.names}
        found.append({name: None if value != value else value for name, value in flat.items()})
    return found


def value_of(row, name):
    return row[name] if name in row else row[f"attributes.{name}"]


def found(index, choices):
    where = where_of(choices)
    sql = None if where is None else compile_filter(where, index.schema)
    return sorted(index.table(["id"], sql)["id"].to_pylist())


def ids(rows, passes):
    return sorted(row["id"] for row in rows if passes(row))


# --- what there is -----------------------------------------------------------------------------


def test_only_what_can_tell_rows_apart_is_listed(index):
    names = [column.name for column in filterable(index, most_values=40)]
    attributes = ["attributes.label" if name == "label" else name for name in NAMES]
    wanted = ["label", "size", "modified", "created", *attributes, "year", "a-b", "same or nothing"]
    # `same` and `same number` are null where all attributes are, so they can be filtered by, too.
    assert sorted(names) == sorted([*wanted, "same", "same number"])


def test_values_come_by_falling_count_then_name(index, rows):
    for column in filterable(index):
        if column.kind != "category":
            assert column.values == ()
            continue
        counts = Counter(value_of(row, column.name) for row in rows)
        assert column.nulls == counts.pop(None, 0)
        assert column.values == tuple(sorted(counts, key=lambda each: (-counts[each], each)))
        assert column.low is None and column.high is None


def test_numbers_and_dates_have_ends(index, rows):
    by_name = {column.name: column for column in filterable(index)}
    for name, kind in {
        "size": "number",
        "year": "number",
        "a-b": "number",
        "created": "date",
    }.items():
        there = [value_of(row, name) for row in rows if value_of(row, name) is not None]
        nulls = len(rows) - len(there)
        assert by_name[name] == Column(name, kind, (), min(there), max(there), nulls)
    assert by_name["a-b"].nulls > sum(each is None for each in NUMBERS) * COUNT // len(NUMBERS)
    assert by_name["modified"].low == DAY.replace(tzinfo=UTC)
    assert isinstance(by_name["year"].low, int) and by_name["year"].high == 2**53 + 1


def test_texts_of_too_many_values_are_left_out(index):
    different = len({n for n in range(COUNT) if n % 14 != 5})
    assert "many" in {column.name for column in filterable(index, different)}
    assert "many" not in {column.name for column in filterable(index, different - 1)}
    assert {column.kind for column in filterable(index, 1)} == {"number", "date", "category"}
    single = {column.name for column in filterable(index, 1) if column.kind == "category"}
    assert single == {"same", "same or nothing"}


def test_batches_are_merged(index):
    class InParts:
        schema = index.schema

        def batches(self, columns):
            for batch in index.batches(columns):
                for start in range(0, batch.num_rows, 3):
                    yield batch.slice(start, 3)

    assert filterable(InParts(), 40) == filterable(index, 40)
    # Each batch has fewer values than are allowed.
    assert "many" not in {column.name for column in filterable(InParts(), 10)}


def test_what_lies_below_a_null_is_null():
    years = pa.array([1990, 2004, 2010])
    hidden = pa.array([False, False, True])
    attributes = pa.StructArray.from_arrays([years], ["year"], mask=hidden)
    batch = pa.record_batch({"attributes": attributes})

    class OneBatch:
        schema = batch.schema

        def batches(self, columns):
            yield batch.select(columns)

    assert filterable(OneBatch()) == [Column("year", "number", (), 1990, 2004, 1)]


def test_a_collection_without_attributes(tmp_path):
    index = Collection(tmp_path, {"banded": 2, "dotted": 3}).build()
    by_name = {column.name: column for column in filterable(index)}
    assert by_name["label"] == Column("label", "category", ("dotted", "banded"))
    assert set(by_name) - {"created", "modified", "size"} == {"label", "folder"}


def test_an_empty_collection_has_none(tmp_path):
    collection = Collection(tmp_path, {"banded": 2})
    assert filterable(collection.build(collection.rows().slice(0, 0))) == []


# --- what is chosen ----------------------------------------------------------------------------


@pytest.mark.parametrize("label", LABELS)
def test_one_value_finds_its_rows(index, rows, label):
    expected = ids(rows, lambda row: row["label"] == label)
    assert len(expected) == COUNT // len(LABELS)
    assert found(index, {"label": AnyOf([label])}) == expected


def test_any_two_values_find_the_rows_of_both(index, rows):
    for pair in itertools.combinations(LABELS, 2):
        expected = ids(rows, lambda row, pair=pair: row["label"] in pair)
        assert found(index, {"label": AnyOf(list(pair))}) == expected


def test_all_values_of_every_category_find_all_rows(index, rows):
    for column in filterable(index):
        if column.kind == "category":
            assert len(found(index, {column.name: AnyOf([*column.values, None])})) == COUNT
            assert len(found(index, {column.name: AnyOf(column.values)})) == COUNT - column.nulls
            for value in column.values[:3]:
                expected = ids(rows, lambda row, c=column.name, v=value: value_of(row, c) == v)
                assert found(index, {column.name: AnyOf([value])}) == expected


def test_every_range_of_numbers_finds_its_rows(index, rows):
    numbers = [each for each in NUMBERS if each is not None and each == each]
    ends = {"a-b": [each for each in numbers if math.isfinite(each)], "year": [1990, 2004.5, 2**53]}
    ends["size"] = [2**53 + 1, 2**53 + 7]
    for name, values in ends.items():
        for low, high in itertools.product([None, *values], repeat=2):

            def within(row, name=name, low=low, high=high):
                value = value_of(row, name)
                if low is None and high is None:
                    return True
                if value is None:
                    return False
                return (low is None or value >= low) and (high is None or value <= high)

            assert found(index, {name: Between(low, high)}) == ids(rows, within)


def test_the_ends_of_each_column_find_all_that_have_a_value(index):
    for column in filterable(index):
        if column.kind != "category":
            chosen = {column.name: Between(column.low, column.high)}
            assert len(found(index, chosen)) == COUNT - column.nulls


def test_numbers_of_numpy_are_numbers(index, rows):
    expected = ids(rows, lambda row: (value_of(row, "year") or 0) >= 2004)
    for end in (np.int64(2004), np.float32(2004), np.float64(2003.5)):
        assert found(index, {"year": Between(end)}) == expected


@pytest.mark.parametrize("name", ["modified", "created"])
def test_dates(index, rows, name):
    def after(moment, last):
        return ids(
            rows,
            lambda row: row[name] is not None and moment <= row[name].replace(tzinfo=None) <= last,
        )

    last = DAY + timedelta(days=3, hours=5)
    fourth = datetime(2024, 5, 4)
    whole_days = after(fourth, fourth + timedelta(days=1, microseconds=-1))
    assert 3 <= len(whole_days) <= 4
    assert found(index, {name: Between(date(2024, 5, 4), date(2024, 5, 4))}) == whole_days
    assert found(index, {name: Between("2024-05-04", "2024-05-04")}) == whole_days
    moments = after(DAY + timedelta(hours=7, microseconds=1), last)
    there = Between(DAY + timedelta(hours=7, microseconds=1), last)
    assert found(index, {name: there}) == moments and len(moments) > 5
    zone = timezone(timedelta(hours=2))
    elsewhere = Between(*(end.replace(tzinfo=UTC).astimezone(zone) for end in (there.low, last)))
    assert found(index, {name: elsewhere}) == moments
    later = Between(DAY + timedelta(hours=7, microseconds=2), last)
    assert len(found(index, {name: later})) == len(moments) - 1


def test_several_columns_have_to_agree(index, rows):
    choices = {
        "label": AnyOf(["it's", None, ""]),
        "attributes.label": AnyOf(["x", "two words"]),
        "year": Between(0, None),
    }
    expected = ids(
        rows,
        lambda row: (
            row["label"] in ("it's", None, "")
            and row["attributes.label"] in ("x", "two words")
            and (row["attributes.year"] or -1) >= 0
        ),
    )
    assert expected and found(index, choices) == expected


def test_what_restricts_nothing_is_no_condition():
    assert where_of({}) is None
    assert where_of({"label": AnyOf([]), "year": Between(None, None)}) is None
    assert where_of({"label": AnyOf([]), "split": AnyOf(["test"])}) == "split = 'test'"


def test_it_reads_as_a_person_would_write_it():
    choices = {
        "label": AnyOf(iter(["a", "it's", "a"])),
        "year": Between(1990, 2004.5),
        "of make": AnyOf([None]),
        "In": AnyOf(["x"]),
        "inside": AnyOf(["x"]),
        "modified": Between(date(2024, 5, 1)),
    }
    assert where_of(choices) == (
        "label in ('a', 'it''s') and year >= 1990 and year <= 2004.5 and `of make` is null and "
        "`In` = 'x' and inside = 'x' and modified >= '2024-05-01'"
    )


@pytest.mark.parametrize("end", [math.nan, math.inf, 1j, b"1", [1]])
def test_what_is_no_end_is_refused(end):
    with pytest.raises(VeneerError, match=r"Searching by a range of year: .* is no number"):
        where_of({"year": Between(end)})
