"""Filters of a search: a small language, compiled to the SQL that LanceDB understands.

``label in ('banded', 'dotted') and not (width < 640) and modified >= '2024-05-01'``

Nothing of what the user writes reaches the SQL but as the name of a column that is there, or as a
literal that is written anew. What the language means where SQL is open or odd:

- A missing value is equal to nothing, less than nothing and like nothing, and ``not`` turns that
  round: ``label != 'banded'`` also finds rows without a label. NaN counts as missing.
- A date stands for its whole day, a time for its whole minute or second: ``=`` finds what lies
  within, ``>`` what comes after its end. Where it has no zone it is UTC.
- In ``like``, and in ``ilike``, which ignores case, ``%`` is any text and ``_`` any character; a
  backslash takes the character after it as it is.
- An attribute is named ``attributes.year``, or ``year`` where no other column has that name. Names
  of other characters than letters, digits, ``_`` and ``.`` stand in backticks.
"""

from __future__ import annotations

import difflib
import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache

import pyarrow as pa
from lark import Lark, Token, Tree
from lark.exceptions import UnexpectedCharacters, UnexpectedInput

from veneer.errors import VeneerError

LONGEST = 10_000
"""Characters of a filter. A chain of twenty times as many conditions does LanceDB no harm."""

DEEPEST = 20
"""Levels of ``and``, ``or`` and ``not`` inside each other; LanceDB's parser refuses some of 23."""

_KEYWORDS = r"(?i:or|and|not|in|between|i?like|is|null)\b"
_WORD = r"[\w.]|[^\x00-\x7f\s]"  # many scripts have letters that are no \w for Python

_GRAMMAR = rf"""
?start: any
?any: all (_OR all)*
?all: denied (_AND denied)*
?denied: NOT denied | "(" any ")" | condition
?condition: COLUMN COMPARISON _value                -> compare
    | COLUMN [NOT] _IN "(" _value ("," _value)* ")" -> among
    | COLUMN [NOT] _BETWEEN _value _AND _value      -> between
    | COLUMN [NOT] LIKE _value                      -> like
    | COLUMN _IS [NOT] _NULL                        -> missing
_value: STRING | NUMBER

COLUMN: /(?!{_KEYWORDS})(?=[^\W\d]|`)(?:`(?:[^`]|``)*`|{_WORD})+/
COMPARISON: /[=!<>]=|<>|[=<>]/
STRING: /'(?:[^']|'')*'|"(?:[^"]|"")*"/
NUMBER: /[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:e[+-]?[0-9]+)?(?![\w.:-])/i
LIKE: /i?like\b/i
NOT: /not\b/i
_OR: /or\b/i
_AND: /and\b/i
_IN: /in\b/i
_BETWEEN: /between\b/i
_IS: /is\b/i
_NULL: /null\b/i
%ignore /\s+/
"""
_EXPECTED = {
    "COLUMN": ("a column name", "a condition begins with one, as in label = 'banded'"),
    "STRING": ("a value", "write a text in quotes, as in 'banded', or a number"),
    "COMPARISON": (
        "a comparison",
        "there are = != < <= > >=, in, between, like, ilike and is null; if the column's name is "
        "longer, put all of it in `backticks`",
    ),
    "LPAR": ("a list in brackets", "write one as in ('banded', 'dotted')"),
    "COMMA": ("a comma or a closing bracket", "a list is written as in ('banded', 'dotted')"),
    "_NULL": ("null", "write is null or is not null"),
    "_IN": ("in, between, like or ilike", "write, for example, not in ('banded', 'dotted')"),
    "_OR": ("'and' or 'or'", "conditions are joined by one of them"),
    "_AND": ("'and'", "write as in between 1 and 9"),
    "RPAR": ("a closing bracket", "one is still open"),
    "$END": ("the end", "no bracket is open here"),
}
"""What may come next, by the first of these tokens that the parser would take: in words, and what
to do."""

_DATE = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?P<time>[T ][0-9]{2}:[0-9]{2}"
    r"(?P<second>:[0-9]{2}(?P<fraction>\.[0-9]{1,6})?)?(?P<zone>Z|[+-][0-9]{2}:?[0-9]{2})?)?"
)
_TICK = timedelta(microseconds=1)  # what timestamps are counted in


@dataclass(frozen=True)
class _Column:
    """A column that can be asked for.

    Parameters
    ----------
    name : str
        The shortest that it goes by.
    sql : str
    kind : str
        What its values are, in words; see :func:`_kind`.
    dtype : pyarrow.DataType
    """

    name: str
    sql: str
    kind: str
    dtype: pa.DataType


def compile_filter(text: str, schema: pa.Schema) -> str:
    """A filter as SQL, for ``where`` and ``count_rows`` of a LanceDB table.

    Parameters
    ----------
    text : str
        What the user wrote, in the language that this module describes.
    schema : pyarrow.Schema
        Of the table. Texts, numbers and timestamps can be filtered on, in columns of their own
        and in the struct ``attributes``.

    Returns
    -------
    str
        True or false for every row, or null, which filters take for false.

    Raises
    ------
    VeneerError
        Where the filter is malformed, too long or too deep, names a column that is not there, or
        compares one with a value of another kind.

    Examples
    --------
    >>> schema = pa.schema([("label", pa.string()), ("width", pa.int32())])
    >>> compile_filter("label != 'it''s' and width >= 2.5", schema)
    "(((`label` = 'it''s') IS NOT TRUE) AND (`width` >= 3))"
    """
    columns = _columns(schema)
    try:
        return _sql(_parse(text), columns, DEEPEST)
    except VeneerError as error:
        raise VeneerError(f'Searching where "{_shown(text, 60)}": {error}') from None


def literal(text: str) -> str:
    """A text as the database reads it.

    >>> literal("it's")
    "'it''s'"
    """
    return quoted(text)


def _columns(schema: pa.Schema) -> dict[str, _Column]:
    """The columns that can be filtered on, under each name that they go by."""
    columns = {
        field.name: _Column(field.name, quoted(field.name, "`"), _kind(field.type), field.type)
        for field in schema
        if _kind(field.type)
    }
    for field in schema.field("attributes").type if "attributes" in schema.names else ():
        # LanceDB itself cannot read a field that has no name.
        if field.name and _kind(field.type):
            full = f"attributes.{field.name}"
            short = full if field.name in schema.names else field.name
            sql = f"`attributes`.{quoted(field.name, '`')}"
            columns[full] = columns[short] = _Column(short, sql, _kind(field.type), field.type)
    return columns


def _kind(dtype: pa.DataType) -> str | None:
    """What values of a type are, in words; None for those that cannot be filtered on."""
    if pa.types.is_string(dtype) or pa.types.is_large_string(dtype):
        return "texts"
    if pa.types.is_signed_integer(dtype):
        return "whole numbers"
    if pa.types.is_floating(dtype):
        return "numbers"
    return "dates" if pa.types.is_timestamp(dtype) else None


def _parse(text: str) -> Tree:
    if not text.strip():
        raise VeneerError("it is empty; write a condition, as in label = 'banded'.")
    if len(text) > LONGEST:
        raise VeneerError(f"it has {len(text)} characters; at most {LONGEST} are read.")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise VeneerError(f"its character {error.start + 1} is damaged (not UTF-8).") from None
    try:
        return _parser().parse(text)
    except UnexpectedInput as error:
        raise VeneerError(_malformed(text, error)) from None


@cache
def _parser() -> Lark:
    return Lark(_GRAMMAR, parser="lalr", maybe_placeholders=True)


def _malformed(text: str, error: UnexpectedInput) -> str:
    """Where a filter cannot be read any further, and what to do about it."""
    accepted = error.interactive_parser.accepts()
    wanted, advice = next(words for name, words in _EXPECTED.items() if name in accepted)
    token = getattr(error, "token", None)
    if token is not None and token.type == "$END":
        return f"at its end {wanted} is missing; {advice}."

    position = error.pos_in_stream
    rest = text[position:]
    place = f'at character {position + 1} ("{_shown(rest, 20)}")'
    if isinstance(error, UnexpectedCharacters) and rest[0] in "'\"`":
        return f"the quote {rest[0]} {place} is not closed."
    if "STRING" in accepted:
        if token is not None and token.type == "_NULL":
            return f"{place} null is no value; write is null or is not null."
        word = re.match(r"[^\s\x00-\x1f(),=<>!;]*", rest)[0].strip("‘’‚‛“”„‟«»‹›`")
        if word and not re.match(_KEYWORDS, word):
            return (
                f"{place} a value is expected; if it is a text, put it in quotes: "
                f"{quoted(_shown(word, 40))}."
            )
    if "_OR" in accepted:
        if token is not None and token.type == "COMPARISON":
            return f"{place} a second comparison follows; write a < 9 and a > 1, not 1 < a < 9."
        if text[position - 1] in "'\"" and rest[0].isalnum():
            advice = "a quote inside a text is doubled, as in 'it''s'"
    return f"{place} {wanted} is expected; {advice}."


def _sql(node: Tree, columns: dict[str, _Column], room: int) -> str:
    """The SQL of a condition, in brackets; ``room`` is how many levels it may still have."""
    if room == 0:
        raise VeneerError(
            f"its conditions stand inside each other more than {DEEPEST} levels deep; with fewer "
            "brackets and fewer 'not' it can be read."
        )
    match node.data:
        case "any" | "all":
            word = " OR " if node.data == "any" else " AND "
            return f"({word.join(_sql(child, columns, room - 1) for child in node.children)})"
        case "denied":
            # Not NOT, which leaves null as it is.
            return f"({_sql(node.children[1], columns, room - 1)} IS NOT TRUE)"
    return _condition(node, _find(node.children[0], columns))


def _condition(node: Tree, column: _Column) -> str:
    # NaN is greater than all numbers in SQL, and not null.
    this = f"nanvl({column.sql}, NULL)" if column.kind == "numbers" else column.sql
    match node.data, node.children[1:]:
        case "missing", [denied]:
            sql = f"{this} IS NULL"
        case "like", [denied, operator, value]:
            if column.kind != "texts":
                name = _written(column.name)
                raise VeneerError(f"{operator} compares texts, and {name} holds {column.kind}.")
            sql = f"{this} {operator.upper()} {_bounds(column, value)[0]}"
        case "between", [denied, first, last]:
            sql = f"{this} >= {_bounds(column, first)[0]} AND {this} <= {_bounds(column, last)[1]}"
        case "among", [denied, *values]:
            bounds = [_bounds(column, value) for value in values]
            points = [low for low, high in bounds if low == high]
            parts = [f"{this} IN ({', '.join(points)})"] if points else []
            parts += [_equal(this, low, high) for low, high in bounds if low != high]
            sql = " OR ".join(parts)
        case "compare", [operator, value]:
            denied = operator in ("!=", "<>")
            low, high = _bounds(column, value)
            if operator in ("<", ">="):
                sql = f"{this} {operator} {low}"
            elif operator in ("<=", ">"):
                sql = f"{this} {operator} {high}"
            else:
                sql = _equal(this, low, high)
    return f"(({sql}) IS NOT TRUE)" if denied else f"({sql})"


def _equal(this: str, low: str, high: str) -> str:
    return f"{this} = {low}" if low == high else f"({this} >= {low} AND {this} <= {high})"


def _find(token: Token, columns: dict[str, _Column]) -> _Column:
    name = re.sub(r"`((?:[^`]|``)*)`", lambda quoted: quoted[1].replace("``", "`"), token)
    if name in columns:
        return columns[name]
    there = {column.name.casefold(): _written(column.name) for column in columns.values()}
    asked = name.removeprefix("attributes.").casefold()
    close = difflib.get_close_matches(asked, there, n=1)
    hint = f" Did you mean {there[close[0]]}?" if close else ""
    names = ", ".join(dict.fromkeys(_written(column.name) for column in columns.values()))
    raise VeneerError(
        f"there is no column {_shown(name, 40)!r} to filter on.{hint} There are {names}."
    )


def _bounds(column: _Column, token: Token) -> tuple[str, str]:
    """The least and the greatest of what a value stands for, as SQL.

    They differ for dates; and among whole numbers 2.5 lies between 2 and 3, so that its least is
    3 and its greatest 2, and nothing is equal to it.
    """
    if column.kind == "texts":
        if token.type != "STRING":
            raise VeneerError(
                f"{_written(column.name)} holds texts; put {_shown(token, 40)} in quotes: "
                f"{quoted(_shown(token, 40))}."
            )
        return literal(_unquoted(token)), literal(_unquoted(token))
    return _moments(column, token) if column.kind == "dates" else _numbers(column, token)


def _numbers(column: _Column, token: Token) -> tuple[str, str]:
    if token.type != "NUMBER":
        raise VeneerError(
            f"{_written(column.name)} holds {column.kind}, and {_shown(token, 40)} is a text; "
            "write a number, without quotes."
        )
    if column.kind == "numbers":
        limit, number = math.inf, float(token)
    else:
        limit = 2 ** (column.dtype.bit_width - 1)
        try:
            number = int(token)
        except ValueError:  # a fraction, an exponent, or thousands of digits
            number = float(token)
    # The lowest whole number is left out too: LanceDB reads it as a minus and a number too large.
    if not abs(number) < limit:
        raise VeneerError(
            f"{_shown(token, 40)} is beyond the {column.kind} that {_written(column.name)} holds."
        )
    if column.kind == "numbers":
        return repr(number), repr(number)
    return str(math.ceil(number)), str(math.floor(number))


def _moments(column: _Column, token: Token) -> tuple[str, str]:
    name = _written(column.name)
    text = _unquoted(token).strip() if token.type == "STRING" else ""
    parts = _DATE.fullmatch(text)
    try:
        if not parts:
            raise ValueError
        moment = datetime.fromisoformat(text)
        if moment.tzinfo:
            moment = moment.astimezone(UTC).replace(tzinfo=None)
    except (ValueError, OverflowError):
        raise VeneerError(
            f"{name} holds dates, and {_shown(token, 40)} is none; write one as in '2024-05-31', "
            "'2024-05-31 12:30' or '2024-05-31T12:30:15+02:00'."
        ) from None
    if parts["zone"] and column.dtype.tz is None:
        raise VeneerError(f"{name} knows no time zones; leave out that of {_shown(token, 40)}.")
    if parts["fraction"]:
        length = _TICK
    elif parts["second"]:
        length = timedelta(seconds=1)
    else:
        length = timedelta(minutes=1) if parts["time"] else timedelta(days=1)
    first, last = (f"TIMESTAMP '{end}'" for end in (moment, moment + (length - _TICK)))
    return first, last


def _written(name: str) -> str:
    """A column's name as the user writes it, on one line."""
    plain = re.fullmatch(rf"(?!{_KEYWORDS})(?=[^\W\d])(?:{_WORD})+", name)
    return name if plain else _shown(quoted(name, "`"), 80)


def quoted(text: str, mark: str = "'") -> str:
    """Between two marks, with those inside it doubled: in SQL no other character is special."""
    return mark + text.replace(mark, 2 * mark) + mark


def _unquoted(token: Token) -> str:
    return token[1:-1].replace(2 * token[0], token[0])


def _shown(text: str, most: int) -> str:
    """The beginning of ``text``, on one line."""
    line = "".join(character if character.isprintable() else " " for character in text)
    return line if len(line) <= most else line[: most - 1] + "…"
