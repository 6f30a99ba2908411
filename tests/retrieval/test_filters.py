"""Filters against a plain reading of them in Python, row by row, in a real LanceDB table."""

import math
import operator
import random
import re
from datetime import datetime, timedelta

import lancedb
import pyarrow as pa
import pytest
from lancedb.index import Bitmap, BTree

from veneer.errors import VeneerError
from veneer.retrieval.filters import DEEPEST, LONGEST, compile_filter, literal

LABELS = [
    "banded",
    "Banded",
    "BÄNDED ß",
    "",
    "it's",
    'say "hi"',
    'x\'; DROP TABLE "index"; --',
    "') OR 1=1 --",
    "50%",
    "50 kg",
    "a_b",
    "axb",
    "back\\slash",
    "backslash\\",
    "\\'",
    "two\nlines",
    "nul\0nul",
    "emoji 👩‍🎨",
    "`tick`",
    "{brace} $1 ? :name",
    "null",
]
ATTRIBUTES = pa.struct(
    [
        ("year", pa.int64()),
        ("baseColour", pa.string()),
        ("basecolour", pa.string()),
        ("year of make", pa.int64()),
        ("a-b", pa.float64()),
        ("select", pa.string()),
        ("it's", pa.string()),
        ("tick`tick", pa.string()),
        ('say "hi"', pa.string()),
        ("back\\slash", pa.string()),
        ("dot.ted", pa.string()),
        ("two\nlines", pa.string()),
        ("in", pa.string()),
        ("höhe", pa.float64()),
        ("रंग", pa.string()),
        ("label", pa.string()),
        ("vector", pa.string()),
        ("", pa.string()),
        ("tags", pa.list_(pa.string())),
    ]
)
SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in ("id", "sha", "label", "split", "text", "path")),
        ("width", pa.int32()),
        ("size", pa.int64()),
        ("modified", pa.timestamp("us", tz="UTC")),
        ("created", pa.timestamp("us")),
        ("attributes", ATTRIBUTES),
        ("thumbnail", pa.binary()),
        ("vector", pa.list_(pa.float32(), 2)),
    ]
)
DAY = datetime(2024, 5, 1)
MOMENTS = [
    DAY,
    DAY - timedelta(microseconds=1),
    DAY + timedelta(hours=12, minutes=30),
    DAY + timedelta(hours=12, minutes=30, seconds=15, microseconds=250_000),
    DAY + timedelta(days=1),
    DAY + timedelta(days=1, microseconds=-1),
    datetime(1, 1, 1),
    datetime(1969, 12, 31, 23, 59, 59),
    datetime(9999, 12, 31, 23, 59, 59, 999_999),
]


def make_rows(count=160):
    pick = random.Random(0)

    def maybe(*values):
        return pick.choice([None, *values])

    rows = []
    for number in range(count):
        attributes = {
            "year": maybe(1999, 2000, 2001, -5),
            "baseColour": maybe("red", "Red"),
            "basecolour": maybe("green"),
            "year of make": maybe(1990, 1991),
            "a-b": maybe(0.0, -0.0, 0.5, -2.5, 1e300, math.inf, -math.inf, math.nan, 0.1),
            "höhe": maybe(1.5, math.nan),
        }
        attributes |= {
            field.name: maybe("x", "y")
            for field in ATTRIBUTES
            if field.type == pa.string() and field.name not in attributes
        }
        rows.append(
            {
                "id": f"{number:03d}",
                "sha": f"{number // 2:03d}",
                "label": [*LABELS, None][number % (len(LABELS) + 1)],
                "split": maybe("train", "test"),
                "text": maybe("a red wall", "A RED WALL", "straße", "STRASSE"),
                "path": f"a/{number}.png",
                "width": maybe(0, 1, 2, 3, 640, -1, 2**31 - 1),
                "size": maybe(0, 7, 2**53 + 1, 2**63 - 1, -(2**63)),
                "modified": maybe(*MOMENTS),
                "created": maybe(*MOMENTS),
                "attributes": maybe(attributes, attributes, attributes),
                "vector": [math.cos(number), math.sin(number)],
            }
        )
    return rows


ROWS = make_rows()


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    database = lancedb.connect(str(tmp_path_factory.mktemp("index")))
    return database.create_table("index", data=pa.Table.from_pylist(ROWS, schema=SCHEMA))


def found(table, text):
    sql = compile_filter(text, table.schema)
    assert_nothing_foreign(sql)
    hits = table.search().where(sql).select(["id"]).limit(len(ROWS)).to_arrow()
    return sorted(hits["id"].to_pylist())


def ids(passes):
    return [row["id"] for row in ROWS if passes(row)]


def assert_nothing_foreign(sql):
    """Literals and names are closed, and what is left of ``sql`` are words of our own."""
    rest = re.sub(r"'(?:[^']|'')*'|`(?:[^`]|``)*`", " ", sql)
    ours = r"AND|OR|IS|NOT|TRUE|NULL|IN|I?LIKE|TIMESTAMP|nanvl|[<>]=?|=|[(),.]|-?[0-9][-+.0-9e]*"
    assert not re.sub(rf"\s+|{ours}", "", rest), sql


def value_of(row, name):
    """The value of a column or an attribute, None where it is missing."""
    attribute = name.removeprefix("attributes.")
    value = row[name] if name in row else (row["attributes"] or {}).get(attribute)
    return None if isinstance(value, float) and math.isnan(value) else value


def write(value, quote="'"):
    if isinstance(value, datetime):
        value = value.isoformat(" ", "microseconds")
    if isinstance(value, str):
        return quote + value.replace(quote, 2 * quote) + quote
    return repr(value)


def message(text, schema=SCHEMA):
    with pytest.raises(VeneerError) as raised:
        compile_filter(text, schema)
    sentence = str(raised.value)
    assert sentence.startswith('Searching where "') and sentence.isprintable()
    return sentence.split('": ', 1)[1]


# --- what is found ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "passes"),
    [
        ("label = 'banded'", lambda r: r["label"] == "banded"),
        ("label=='banded'", lambda r: r["label"] == "banded"),
        ("label != 'banded'", lambda r: r["label"] != "banded"),
        ("label <> 'banded'", lambda r: r["label"] != "banded"),
        ("not label = 'banded'", lambda r: r["label"] != "banded"),
        ("not (label != 'banded')", lambda r: r["label"] == "banded"),
        ("NOT NOT label = 'banded'", lambda r: r["label"] == "banded"),
        ("label in ('banded', \"it's\")", lambda r: r["label"] in ("banded", "it's")),
        ("label Not In ('banded', '')", lambda r: r["label"] not in ("banded", "")),
        ("label is null", lambda r: r["label"] is None),
        ("label is not null", lambda r: r["label"] is not None),
        ("not label is null", lambda r: r["label"] is not None),
        ("label < 'a'", lambda r: r["label"] is not None and r["label"] < "a"),
        ("label = 'banded' or split = 'test' and width > 1",
         lambda r: r["label"] == "banded" or (r["split"] == "test" and (r["width"] or 0) > 1)),
        ("(label = 'banded' or split = 'test') and width > 1",
         lambda r: (r["label"] == "banded" or r["split"] == "test") and (r["width"] or 0) > 1),
        ("width not between 1 and 3", lambda r: r["width"] not in (1, 2, 3)),
        ("width between 3 and 1", lambda r: False),
        ("width > 1.5", lambda r: (r["width"] or 0) > 1.5),
        ("width in (2.5, 3, 1e0)", lambda r: r["width"] in (3, 1)),
        ("width not in (2.5, 3.0)", lambda r: r["width"] != 3),
        ("width = +2.", lambda r: r["width"] == 2),
        ("size = 9007199254740993", lambda r: r["size"] == 2**53 + 1),
        ("size >= -9223372036854775807", lambda r: r["size"] is not None and r["size"] > -(2**63)),
        ("size <= 9223372036854775807", lambda r: r["size"] is not None),
        ("text ilike 'a red%'", lambda r: (r["text"] or "").lower().startswith("a red")),
        ("text like 'a red%'", lambda r: (r["text"] or "").startswith("a red")),
        ("text ilike 'STRAßE'", lambda r: r["text"] == "straße"),
        ("label ilike 'bäNDED%'", lambda r: r["label"] == "BÄNDED ß"),
        (r"label like '50\%'", lambda r: r["label"] == "50%"),
        ("label like '50%'", lambda r: r["label"] in ("50%", "50 kg")),
        (r"label like 'a\_b'", lambda r: r["label"] == "a_b"),
        ("label like 'a_b'", lambda r: r["label"] in ("a_b", "axb")),
        (r"label like 'back\\%'", lambda r: r["label"] == "back\\slash"),
        ("label like 'two_lines'", lambda r: r["label"] == "two\nlines"),
        ("label not like '%a%'", lambda r: "a" not in (r["label"] or "")),
        ("year = 2000", lambda r: value_of(r, "year") == 2000),
        ("attributes.year = 2000", lambda r: value_of(r, "year") == 2000),
        ("attributes.`year` = 2000", lambda r: value_of(r, "year") == 2000),
        ("`attributes.year` = 2000", lambda r: value_of(r, "year") == 2000),
        ("`attributes`.`year of make` = 1990", lambda r: value_of(r, "year of make") == 1990),
        ("year is null", lambda r: value_of(r, "year") is None),
        ("baseColour = 'red' and basecolour != 'green'",
         lambda r: value_of(r, "baseColour") == "red" and value_of(r, "basecolour") is None),
        ("höhe > 1", lambda r: value_of(r, "höhe") == 1.5),
        ("höhe is null", lambda r: value_of(r, "höhe") is None),
        ("`a-b` = 0", lambda r: value_of(r, "a-b") == 0),
        ("`a-b` >= -0.0", lambda r: value_of(r, "a-b") in (0, 0.1, 0.5, 1e300, math.inf)),
        ("`a-b` > 1e299", lambda r: (value_of(r, "a-b") or 0) > 1),
        ("`a-b` = .1", lambda r: value_of(r, "a-b") == 0.1),
        ("not `a-b` > 0", lambda r: not (value_of(r, "a-b") or 0) > 0),
    ],
)  # fmt: skip
def test_finds_what_a_person_expects(table, text, passes):
    assert found(table, text) == ids(passes)


@pytest.mark.parametrize("name", [f.name for f in ATTRIBUTES if f.type == pa.string() and f.name])
def test_attributes_of_any_name(table, name):
    quoted = "attributes.`" + name.replace("`", "``") + "`"
    values = ("x", "red", "green")
    expected = ids(lambda row: (row["attributes"] or {}).get(name) in values)
    assert expected and found(table, f"{quoted} in {values}") == expected


def test_plain_words_of_any_script_need_no_backticks(table):
    for name in ("रंग", "dot.ted", "select", "attributes.dot.ted", "attributes.label"):
        attribute = name.removeprefix("attributes.")
        expected = ids(lambda row, at=attribute: (row["attributes"] or {}).get(at) == "x")
        assert found(table, f"{name} = 'x'") == expected


def test_a_column_hides_the_attribute_of_its_name(table):
    assert found(table, "label = 'x'") == []
    assert message("vector = 'x'").startswith("there is no column 'vector' to filter on.")


@pytest.mark.parametrize("column", ["modified", "created"])
@pytest.mark.parametrize(
    "moment",
    [
        "2024-05-01",
        "2024-04-30",
        "0001-01-01",
        "1969-12-31",
        "9999-12-31",
        "2024-05-01 12:30",
        "2024-05-01T12:30:15",
        "2024-05-01 12:30:15.25",
        "2024-05-01 12:30:15.250000",
        "2024-05-01 23:59:59.999999",
        "2024-05-01 00:00:00.000000",
    ],
)
def test_a_date_stands_for_all_of_it(table, column, moment):
    written = moment.replace("T", " ")

    def compare(row, relation):
        if row[column] is None:
            return False
        # A text of the same length as what was asked for sorts as dates do.
        known = row[column].isoformat(" ", "microseconds")
        asked = written.ljust(26, "0") if "." in written else written
        return relation(known[: len(asked)], asked)

    for sign, relation in SIGNS.items():
        assert found(table, f"{column} {sign} '{moment}'") == ids(
            lambda row, relation=relation: compare(row, relation)
        )
    within = ids(lambda row: compare(row, operator.eq))
    assert found(table, f"{column} in ('{moment}')") == within
    assert found(table, f"{column} between '{moment}' and '{moment}'") == within
    assert found(table, f"{column} != '{moment}'") == sorted(
        {row["id"] for row in ROWS} - {*within}
    )


SIGNS = {
    "=": operator.eq,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


@pytest.mark.parametrize(
    "moment", ["2024-05-01T12:30Z", "2024-05-01 14:30+02:00", " 2024-05-01T04:30:00-0800 "]
)
def test_zones_are_turned_into_utc(table, moment):
    half_past_twelve = found(table, "modified = '2024-05-01 12:30'")
    assert half_past_twelve
    at_once = found(table, f"modified between '{moment}' and '2024-05-01 12:30'")
    assert at_once == half_past_twelve


def test_several_dates(table):
    text = "modified in ('2024-05-01', '0001-01-01', '2024-05-02 00:00:00.000000')"
    days = {"2024-05-01", "0001-01-01"}
    assert found(table, text) == ids(
        lambda row: str(row["modified"])[:10] in days or row["modified"] == datetime(2024, 5, 2)
    )


# --- what may stand in a text ------------------------------------------------------------------


@pytest.mark.parametrize("label", LABELS)
def test_any_text_is_only_a_text(table, label):
    expected = ids(lambda row: row["label"] == label)
    others = ids(lambda row: row["label"] != label)
    for quote in "'\"":
        assert found(table, f"label = {write(label, quote)}") == expected
        assert found(table, f"label != {write(label, quote)}") == others
        assert found(table, f"label in ('-', {write(label, quote)})") == expected
    pattern = re.sub(r"[%_\\]", r"\\\g<0>", label)
    assert found(table, f"label like {write(pattern)}") == expected


@pytest.mark.parametrize(
    "text",
    [
        "label = 'x' or 1=1",
        "label = 'x' OR true",
        "label = 'x'; DROP TABLE index",
        "label = 'x' -- ' and split = 'y'",
        "label = 'x' /* */ or label = 'y'",
        "label = \\'x\\'",
        "label = upper('x')",
        "label = (select label from index)",
        "label = 'x' union select 1",
        "label = '' || label",
        "lower(label) = 'x'",
        "label = $1",
        "label = ?",
        "`label` = `label`",
        "`label` is null or `1=1`",
        "`label`` = ``label` = 'x'",
        "`label` IS NULL OR `x` = 'x'",
        "[label] = 'x'",
        "label = e'x'",
        "label = N'x'",
        "label = date '2024-05-01'",
        "width = 0x10",
        "width = 1_000",
        "width = ١",
        "width = nan",
        "width + 1 = 2",
        "width = 1 + 1",
        "width=1--2",
        "_rowid = 1",
        "thumbnail is null",
        "attributes is null",
        "attributes. = 'x'",
        "tags = 'x'",
        "`` = 'x'",
    ],
)
def test_what_is_not_the_language_is_refused(text):
    message(text)


def test_a_literal_for_others():
    assert literal("it's") == "'it''s'"


# --- random filters ----------------------------------------------------------------------------

COLUMNS = {
    "label": [*LABELS, "nothing"],
    "split": ["train", "test", "x"],
    "width": [0, 1, 2, 3, 640, -1, 2.5, 1e2, -0.5, 2**31 - 1],
    "size": [0, 7, 2**53 + 1, 2**53, 2**63 - 1, 6.5],
    "modified": MOMENTS,
    "created": MOMENTS,
    "year": [1999, 2000, -5, 1999.5],
    "attributes.year of make": [1990, 1991.0],
    "a-b": [0, 0.5, -2.5, 1e300, 0.1, -1e-300, -0.0],
    "baseColour": ["red", "Red", "r"],
    "it's": ["x", "y"],
}
PATTERNS = ["%", "", "b%", "%d", "_anded", "%\\%", "a\\_b", "%'%", "%\\\\%", "\\%", "50_", "%\\"]
PATTERNS += ["%\n%", "%ä%", "b\\a%", "B%ß", "_%_"]


def random_filter(pick, depth):
    """A filter as text, and what tells whether a row passes it."""
    if depth and pick.random() < 0.7:
        parts = [random_filter(pick, depth - 1) for _ in range(pick.choice([1, 2, 2, 3]))]
        if len(parts) == 1:
            ((text, passes),) = parts
            return f"not ({text})", lambda row: not passes(row)
        word, together = pick.choice([("and", all), ("OR", any)])
        text = f" {word} ".join(f"({text})" for text, _ in parts)
        return text, lambda row: together(passes(row) for _, passes in parts)

    name = pick.choice(list(COLUMNS))
    column = name if name.isalpha() else f"`{name}`"
    values = pick.choices(COLUMNS[name], k=3)
    written = [write(value, pick.choice("'\"")) for value in values]

    def known(test):
        def passes(row):
            value = value_of(row, name)
            return value is not None and test(value)

        return passes

    kind = pick.choice(["compare", "compare", "unequal", "in", "between", "null", "like"])
    if kind == "compare":
        sign, relation = pick.choice(list(SIGNS.items()))
        return f"{column}{sign}{written[0]}", known(lambda value: relation(value, values[0]))
    if kind == "unequal":
        return f"{column} != {written[0]}", lambda row: value_of(row, name) != values[0]
    negated = pick.random() < 0.5
    if kind == "null":
        text = f"{column} is {'not ' * negated}null"
        return text, lambda row: (value_of(row, name) is None) != negated
    if kind == "in":
        rest, passes = f"in ({', '.join(written)})", known(lambda value: value in values)
    elif kind == "between":
        rest = f"between {written[0]} and {written[1]}"
        passes = known(lambda value: values[0] <= value <= values[1])
    else:
        column = name = "label"
        pattern, word = pick.choice(PATTERNS), pick.choice(["like", "iLIKE"])
        rest = f"{word} {write(pattern)}"
        flags = re.DOTALL | (re.IGNORECASE if word == "iLIKE" else 0)
        regex = re.compile(like_as_regex(pattern), flags)
        passes = known(regex.fullmatch)
    return f"{column} {'not ' * negated}{rest}", lambda row: bool(passes(row)) != negated


def like_as_regex(pattern):
    parts = re.findall(r"\\?.", pattern, re.DOTALL)
    return "".join({"%": ".*", "_": "."}.get(part, re.escape(part[-1])) for part in parts)


def test_random_filters_find_what_python_finds(table):
    pick = random.Random(20240501)
    sizes = set()
    for _ in range(200):
        text, passes = random_filter(pick, pick.randint(0, 4))
        expected = ids(passes)
        assert found(table, text) == expected, text
        sizes.add(len(expected))
    assert len(sizes) > 40


WORDS = "label width `a-b` modified 1 -2.5 ( ) , = < and or not in between like is null -- ; ' ` é"
PHRASES = [
    "'x'",
    '"y"',
    '"',
    "\0",
    "'2024-05-01'",
    "label = 'x'",
    "width in (1, 2)",
    "not (year > 1)",
]


def test_random_words_give_a_filter_or_a_sentence(table):
    pick = random.Random(1)
    good = 0
    for _ in range(1000):
        text = " ".join(pick.choices(WORDS.split() + PHRASES, k=pick.randint(1, 6)))
        try:
            sql = compile_filter(text, SCHEMA)
        except VeneerError as error:
            assert str(error).startswith('Searching where "') and str(error).isprintable()
        else:
            assert_nothing_foreign(sql)
            table.count_rows(sql)
            good += 1
    assert good > 15


# --- in the database ---------------------------------------------------------------------------


def test_counts_and_vector_searches_take_the_same_filter(table):
    text = "label != 'banded' and not (width > 2) and modified <= '2024-05-01' and year != 1999"
    sql, expected = compile_filter(text, table.schema), found(table, text)
    assert 0 < len(expected) < len(ROWS) / 2
    assert table.count_rows(sql) == len(expected)
    hits = (
        table.search([1.0, 0.0])
        .where(sql, prefilter=True)
        .select(["id", "_distance"])
        .limit(len(expected))
        .to_arrow()
    )
    assert sorted(hits["id"].to_pylist()) == expected


def test_indices_on_columns_change_nothing(tmp_path):
    rows = pa.Table.from_pylist(ROWS, schema=SCHEMA)
    table = lancedb.connect(str(tmp_path)).create_table("index", data=rows)
    table.create_index("label", config=BTree())
    table.create_index("width", config=Bitmap())
    pick = random.Random(7)
    for _ in range(60):
        text, passes = random_filter(pick, pick.randint(0, 3))
        assert found(table, text) == ids(passes), text


@pytest.mark.parametrize(
    "text",
    [
        " or ".join(["size=1", "label='b'", "year<9", "höhe=.5"] * 225),
        " and ".join(["size!=1", "label!='b'", "year!=9"] * 250),
        "label in (" + ",".join(["'x'"] * 2400) + ")",
        "width not in (" + ",".join(map(str, range(2000))) + ")",
        "modified in (" + ",".join(["'2024-05-01'"] * 700) + ")",
        "(" * 4900 + "width=1" + ")" * 4900,
        "label ilike '%" + "a_%" * 3000 + "'",
        "label = '" + "\\''" * 3000 + "'",
    ],
)
def test_the_longest_filters_do_the_database_no_harm(table, text):
    assert LONGEST * 0.8 < len(text) <= LONGEST
    table.count_rows(compile_filter(text, table.schema))


@pytest.mark.parametrize("shape", ["x='x' {} ({})", "({1}) {0} x='x'", "x='x' {} not ({})"])
def test_the_deepest_filters_do_the_database_no_harm(table, shape):
    shape = shape.replace("x='x'", "width not between 1 and 2")
    text, deepest = "`a-b` not in (1, 2)", None
    for level in range(2 * DEEPEST):
        text = shape.format(("and", "or")[level % 2], text)
        try:
            deepest = compile_filter(text, table.schema)
        except VeneerError:
            break
    else:
        pytest.fail("no end to it")
    table.count_rows(deepest)
    assert f"more than {DEEPEST} levels deep" in message(text)
    assert f"more than {DEEPEST} levels deep" in message("not " * 2000 + "width = 1")


# --- what is refused, and how --------------------------------------------------------------------

ADVICE = {
    "a column name": "a condition begins with one, as in label = 'banded'",
    "a value": "write a text in quotes, as in 'banded', or a number",
    "a comparison": "there are = != < <= > >=, in, between, like, ilike and is null; if the "
    "column's name is longer, put all of it in `backticks`",
    "a list in brackets": "write one as in ('banded', 'dotted')",
    "a comma or a closing bracket": "a list is written as in ('banded', 'dotted')",
    "null": "write is null or is not null",
    "in, between, like or ilike": "write, for example, not in ('banded', 'dotted')",
    "'and' or 'or'": "conditions are joined by one of them",
    "'and'": "write as in between 1 and 9",
    "a closing bracket": "one is still open",
    "the end": "no bracket is open here",
}


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("label = ", "a value"),
        ("label in (", "a value"),
        ("label in ('a',", "a value"),
        ("width between 1 and", "a value"),
        ("split='x' and", "a column name"),
        ("not", "a column name"),
        ("label", "a comparison"),
        ("label in", "a list in brackets"),
        ("label in ('x'", "a comma or a closing bracket"),
        ("label is", "null"),
        ("label is not", "null"),
        ("label not", "in, between, like or ilike"),
        ("width between 1", "'and'"),
        ("(width = 1", "a closing bracket"),
        ("((width = 1)", "a closing bracket"),
    ],
)
def test_something_is_missing(text, what):
    assert message(text) == f"at its end {what} is missing; {ADVICE[what]}."


@pytest.mark.parametrize(
    ("text", "where", "what"),
    [
        ("1 < width < 3", 1, "a column name"),
        ("\"label\" = 'x'", 1, "a column name"),
        ("()", 2, "a column name"),
        ("width=1 or or split='x'", 12, "a column name"),
        ("label in ()", 11, "a value"),
        ("label = = 'x'", 9, "a value"),
        ("label = and width = 1", 9, "a value"),
        ("year of make = 1", 6, "a comparison"),
        ("label ~ 'x'", 7, "a comparison"),
        ("label in 'x'", 10, "a list in brackets"),
        ("label in ('x' 'y')", 15, "a comma or a closing bracket"),
        ("label is 'x'", 10, "null"),
        ("label not 'x'", 11, "in, between, like or ilike"),
        ("width between 1 or 2", 17, "'and'"),
        ("width = 1 && size = 1", 11, "'and' or 'or'"),
        ("width = 1 size = 1", 11, "'and' or 'or'"),
        ("label = 'x'; --", 12, "'and' or 'or'"),
        ("width = 1)", 10, "the end"),
    ],
)
def test_something_else_is_expected(text, where, what):
    place = f'at character {where} ("{text[where - 1 :]}")'
    assert message(text) == f"{place} {what} is expected; {ADVICE[what]}."


@pytest.mark.parametrize(
    ("value", "quoted"),
    [
        ("banded", "'banded'"),
        ("polka-dotted", "'polka-dotted'"),
        ("2024-05-01", "'2024-05-01'"),
        ("4k", "'4k'"),
        ("it's", "'it''s'"),
        ("“banded”", "'banded'"),
        ("`banded`", "'banded'"),
        ("%wall%", "'%wall%'"),
        ("Größe", "'Größe'"),
        ("ground", "'ground'"),
        ("ins", "'ins'"),
    ],
)
def test_a_text_without_quotes(value, quoted):
    advice = f"a value is expected; if it is a text, put it in quotes: {quoted}."
    assert message(f"label = {value}") == f'at character 9 ("{value}") {advice}'
    assert message(f"label in ({value}, 'x')").endswith(advice)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "it is empty; write a condition, as in label = 'banded'."),
        (" \n", "it is empty; write a condition, as in label = 'banded'."),
        (
            "label = NULL",
            'at character 9 ("NULL") null is no value; write is null or is not null.',
        ),
        (
            "label = 'it's'",
            "at character 13 (\"s'\") 'and' or 'or' is expected; "
            "a quote inside a text is doubled, as in 'it''s'.",
        ),
        (
            "width > 1 < 3",
            'at character 11 ("< 3") a second comparison follows; '
            "write a < 9 and a > 1, not 1 < a < 9.",
        ),
        ("label = 'x", "the quote ' at character 9 (\"'x\") is not closed."),
        ('label = "x', 'the quote " at character 9 (""x") is not closed.'),
        ("`label = 1", 'the quote ` at character 1 ("`label = 1") is not closed.'),
        ("label = '\ud800'", "its character 10 is damaged (not UTF-8)."),
        ("label > 3", "label holds texts; put 3 in quotes: '3'."),
        ("label in ('x', 3)", "label holds texts; put 3 in quotes: '3'."),
        ("label like 3", "label holds texts; put 3 in quotes: '3'."),
        (
            "width = '3'",
            "width holds whole numbers, and '3' is a text; write a number, without quotes.",
        ),
        (
            "`a-b` between 1 and 'x'",
            "`a-b` holds numbers, and 'x' is a text; write a number, without quotes.",
        ),
        ("year like '20%'", "like compares texts, and year holds whole numbers."),
        ("modified ilike '20%'", "ilike compares texts, and modified holds dates."),
        ("width = 2147483648", "2147483648 is beyond the whole numbers that width holds."),
        ("size < 9223372036854775808", f"{2**63} is beyond the whole numbers that size holds."),
        ("size > -1e19", "-1e19 is beyond the whole numbers that size holds."),
        ("size < 1e999", "1e999 is beyond the whole numbers that size holds."),
        ("`a-b` < 1e999", "1e999 is beyond the numbers that `a-b` holds."),
        ("size < " + "9" * 5000, "9" * 39 + "… is beyond the whole numbers that size holds."),
        (
            "created > '2024-05-01 12:30Z'",
            "created knows no time zones; leave out that of '2024-05-01 12:30Z'.",
        ),
    ],
)
def test_each_error_is_a_sentence(text, sentence):
    assert message(text) == sentence


@pytest.mark.parametrize(
    "moment",
    [
        "2024",
        "'yesterday'",
        "''",
        "'2024-5-1'",
        "'20240501'",
        "'2024-W18-3'",
        "'2024-02-30'",
        "'2024-05-01 25:00'",
        "'2024-05-01+02:00'",
        "'0000-01-01'",
        "'0001-01-01T00:00+02:00'",
        "'9999-12-31T23:00-02:00'",
        "'２０２４-05-01'",
    ],
)
def test_bad_dates(moment):
    assert message(f"modified > {moment}") == (
        f"modified holds dates, and {moment} is none; write one as in '2024-05-31', "
        "'2024-05-31 12:30' or '2024-05-31T12:30:15+02:00'."
    )


def test_unknown_columns():
    there = "There are id, sha, label, split, text, path, width, size, modified, created, year, "
    assert message("labl = 'x'").startswith(
        f"there is no column 'labl' to filter on. Did you mean label? {there}"
    )
    for wrong, right in {
        "LABEL": "label",
        "attributes.yaer": "year",
        "`year of mak`": "`year of make`",
        "attributes.labels": "label",
    }.items():
        assert f" Did you mean {right}? There are " in message(f"{wrong} = 'x'")
    assert "mean" not in message("nothing = 'x'")
    listed = message("zzz is null")
    for name in ("`tick``tick`", "`two lines`", "`in`", "रंग", "attributes.label"):
        assert f", {name}" in listed
    plain = pa.schema([("id", pa.string()), ("thumbnail", pa.binary())])
    assert message("year = 1", plain) == "there is no column 'year' to filter on. There are id."


def test_too_long():
    text = "label = '" + "x" * (LONGEST - 10) + "'"
    assert len(text) == LONGEST and compile_filter(text, SCHEMA)
    assert message(text + " ") == "it has 10001 characters; at most 10000 are read."


def test_errors_show_the_beginning_of_the_filter():
    with pytest.raises(VeneerError, match=r'^Searching where "label = banded": at character 9 '):
        compile_filter("label =\nbanded", SCHEMA)
    with pytest.raises(VeneerError) as raised:
        compile_filter("label = " + "x" * 500, SCHEMA)
    assert str(raised.value).startswith(
        'Searching where "label = ' + "x" * 51 + '…": at character 9'
    )
