"""Filters: `field op value` conditions, parsed into values and never pasted into SQL.

    path=joins*   page<10   modified>=2024-01-01   language=en   title~report   author!=Smith

All conditions must hold. The operator is the first of != <= >= = < > ~ after
the field's name; spaces around it do not count.

fields     path, title, language, type (media type), source (root of the source),
           added, modified (dates), characters, document (id);
           page, heading, place (of the chunk);
           any other name is a key of the metadata, A to Z without regard to case;
           `meta.NAME` is always a metadata key, also where a field has that name
=  !=      equal; for a number, to one of several: document=3,5,9;
           for text without regard to case, and with the wildcards
           * (any characters) and ? (one); \\* and \\? are the characters themselves.
           A path pattern without "/" is compared with the whole path and with
           the file's own name: `path=joins*` finds chapters/joins.qmd.
           An empty value means "absent": `author=` and `author!=`
~          the text contains the value, without regard to case
< <= > >=  numbers with numbers, dates with dates, otherwise text with text
dates      2024, 2024-05, 2024-05-01, 2024-05-01T12:30, with or without Z or an offset; compared
           only as far as written: modified<=2024-05 includes all of May

A condition on something that a document lacks does not hold, except `!=`,
which is the exact opposite of `=`.

Refused: an expression language with "or", brackets and functions; a tool that
needs more selects ids with the ledger itself.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from math import isfinite
from typing import Any, Final, Literal, TypeAlias, cast
from unicodedata import normalize

from openbook.errors import UsageError
from openbook.types import Scalar

Operator: TypeAlias = Literal["=", "!=", "<", "<=", ">", ">=", "~"]

_EXPRESSION: Final = re.compile(r"\s*+([^\s=!<>~][^=!<>~]*+)(!=|<=|>=|=|<|>|~)(.*)", re.DOTALL)
"""Name, operator, value. Blanks around them are stripped afterwards: however many, that takes no time."""
_NUMBER: Final = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")
_DATE: Final = re.compile(
    r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:\.\d+)?)?\s?(Z|[+-]\d\d:?\d\d)?)?)?)?"
)

_DOCUMENT_TEXT: Final = {
    "path": "d.path",
    "title": "d.title",
    "language": "d.language",
    "type": "d.media_type",
    "media_type": "d.media_type",
    "source": "s.root",
    "added": "d.added_at",
    "modified": "d.modified_at",
}
_DOCUMENT_NUMBER: Final = {"characters": "d.characters", "document": "d.id"}
_CHUNK_TEXT: Final = {"heading": "c.heading", "place": "c.place"}
_CHUNK_NUMBER: Final = {"page": "c.page"}
_DATES: Final = ("added", "modified")

_METADATA_CLAUSE: Final = (
    "coalesce((SELECT openbook_text(CASE WHEN j.type IN ('true', 'false') THEN j.type ELSE j.value END, "
    "?, ?, ?, j.type) FROM json_each(d.metadata) j WHERE j.key = ? COLLATE NOCASE LIMIT 1), ?)"
)
"""A metadata key's condition; the last value is the answer where a document lacks the key."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One parsed condition. `field` is a known field or `meta.` and a metadata key."""

    field: str
    operator: Operator
    value: str

    def matches(self, stored: Scalar | None) -> bool:
        """Say whether the condition holds for a stored value (None: there is none)."""
        return _test(self.field == "path", self.operator, self.value)(stored)


def parse_where(expressions: Iterable[str]) -> tuple[Condition, ...]:
    """Parse filters. Raises UsageError for one that is not `field op value` or cannot hold."""
    return tuple(_parse(expression) for expression in expressions)


def document_clause(conditions: Sequence[Condition]) -> tuple[str, tuple[object, ...]]:
    """Return SQL over `documents d` and `sources s`, and its values, for the conditions on documents."""
    clauses, values = ["TRUE"], []
    for condition in conditions:
        field, operator, value = condition.field, condition.operator, condition.value
        if field.startswith("meta."):
            clauses.append(_METADATA_CLAUSE)
            values += [field, operator, value, field.removeprefix("meta."), condition.matches(None)]
        elif field in _DOCUMENT_TEXT:
            clauses.append(f"openbook_text({_DOCUMENT_TEXT[field]}, ?, ?, ?, 'text')")
            values += [field, operator, value]
        elif field in _DOCUMENT_NUMBER:
            clauses.append(_number_clause(_DOCUMENT_NUMBER[field], operator, value, values))
    return _all_of(clauses), tuple(values)


def chunk_clause(conditions: Sequence[Condition]) -> tuple[str, tuple[object, ...]]:
    """Return SQL over `chunks c`, and its values, for the conditions on chunks; "" if there are none."""
    clauses: list[str] = []
    values: list[object] = []
    for condition in conditions:
        field, operator, value = condition.field, condition.operator, condition.value
        if field in _CHUNK_TEXT:
            clauses.append(f"openbook_text({_CHUNK_TEXT[field]}, ?, ?, ?, 'text')")
            values += [field, operator, value]
        elif field in _CHUNK_NUMBER:
            clauses.append(_number_clause(_CHUNK_NUMBER[field], operator, value, values))
    return _all_of(clauses), tuple(values)


def _all_of(clauses: Sequence[str]) -> str:
    """All of them, in a tree as flat as can be: SQLite refuses one that is 1,000 deep."""
    if len(clauses) <= 2:
        return " AND ".join(clauses)
    middle = len(clauses) // 2
    return f"({_all_of(clauses[:middle])}) AND ({_all_of(clauses[middle:])})"


def register_functions(connection: sqlite3.Connection) -> None:
    """Give a connection the function that the clauses call."""
    connection.create_function("openbook_text", 5, _stored_matches, deterministic=True)


def _parse(expression: str) -> Condition:
    found = _EXPRESSION.fullmatch(expression)
    if not found:
        raise UsageError(
            f"The filter {expression!r} is not understood; expected `field op value` with one of "
            "= != < <= > >= ~, such as path=joins*, page<10 or modified>=2024-01-01."
        )
    name, operator, value = found[1].strip(), cast("Operator", found[2]), found[3].strip()
    known = name.lower()
    if known in _DOCUMENT_NUMBER or known in _CHUNK_NUMBER:
        numbers = value.split(",") if operator in ("=", "!=") else [value]
        if value and not all(_NUMBER.fullmatch(number.strip()) for number in numbers):
            raise UsageError(f"The filter {expression!r} compares {known} with {value!r}; expected a number.")
        if operator == "~" or (not value and operator not in ("=", "!=")):
            raise UsageError(f"The filter {expression!r} cannot hold: {known} is a number; give it one.")
    elif known in _DATES and operator != "~" and "*" not in value and "?" not in value:
        if not _DATE.fullmatch(value):
            raise UsageError(
                f"The filter {expression!r} compares {known} with {value!r}; expected a date such as "
                "2024, 2024-05, 2024-05-01 or 2024-05-01T12:30."
            )
    elif known not in _DOCUMENT_TEXT and known not in _CHUNK_TEXT:
        key = name[5:].strip() if known.startswith("meta.") else name
        if not key:
            raise UsageError(f"The filter {expression!r} names no metadata key; expected meta.NAME.")
        return Condition(f"meta.{key}", operator, value)
    return Condition(known, operator, value)


def _number_clause(column: str, operator: Operator, value: str, values: list[Any]) -> str:
    if not value:
        return f"{column} IS NULL" if operator == "=" else f"{column} IS NOT NULL"
    if "," in value:
        numbers = [float(number) for number in value.split(",")]
        values.append(json.dumps([number for number in numbers if isfinite(number)]))
        among = f"{column} IN (SELECT value FROM json_each(?))"
        return among if operator == "=" else f"({column} IS NULL OR NOT {among})"
    values.append(float(value))
    if operator == "!=":
        return f"{column} IS NOT ?"  # unlike <>, holds where there is no number
    return f"{column} {operator} ?"


def _stored_matches(
    stored: str | float | None, field: str, operator: Operator, value: str, kind: str
) -> bool:
    """Test a value that SQLite hands over, which has no truth values: they come as words with their kind."""
    actual = stored == "true" if kind in ("true", "false") else stored
    return _test(field == "path", operator, value)(actual)


@lru_cache(maxsize=256)
def _test(is_path: bool, operator: Operator, value: str) -> Callable[[Scalar | None], bool]:
    """Return the test of one condition, made once and called for every document or chunk.

    It remembers its answers, since headings, languages and authors repeat; paths do not.
    """
    test = _new_test(is_path, operator, value)
    return test if is_path else lru_cache(maxsize=4096, typed=True)(test)  # typed: 1 is not True


def _new_test(is_path: bool, operator: Operator, value: str) -> Callable[[Scalar | None], bool]:
    if operator == "!=":
        equal = _new_test(is_path, "=", value)
        return lambda stored: not equal(stored)
    if operator == "=":
        return _equality(is_path, value)
    if operator == "~":
        part = _folded(value)
        return lambda stored: stored is not None and part in _folded(_written(stored))
    return lambda stored: stored is not None and _ordered(stored, operator, value)


def _equality(is_path: bool, value: str) -> Callable[[Scalar | None], bool]:
    if not value:
        return lambda stored: stored is None or stored == ""
    pattern, has_wildcard = _pattern(value)
    own_name = is_path and "/" not in value

    def test(stored: Scalar | None) -> bool:
        if stored is None:
            return False
        written = _folded(_written(stored))
        if pattern.fullmatch(written) or (own_name and pattern.fullmatch(written.rpartition("/")[2])):
            return True
        return not has_wildcard and not is_path and _compare(stored, value, text=False) == 0

    return test


def _pattern(value: str) -> tuple[re.Pattern[str], bool]:
    """The pattern as a regular expression that is never tried in two ways.

    Each piece between two * is taken where it first fits, and that is not taken
    back (an atomic group): where one way fits at all, that way does. Tried in
    every way, six * over one long title would keep the whole process for hours.
    """
    runs: list[list[str]] = [[]]
    for piece in re.findall(r"\\[*?\\]|.", _folded(value), re.DOTALL):
        if piece == "*":
            runs.append([])
        else:
            runs[-1].append("." if piece == "?" else re.escape(piece[1:] if len(piece) == 2 else piece))
    first, *rest = ("".join(run) for run in runs)
    if not rest:
        return re.compile(first, re.DOTALL), "." in runs[0]
    between = "".join(f"(?>.*?{run})" for run in rest[:-1] if run)
    return re.compile(f"{first}{between}.*{rest[-1]}", re.DOTALL), True


def _ordered(stored: Scalar, operator: Operator, value: str) -> bool:
    order = _compare(stored, value, text=True)
    if order is None:
        return False
    return {"<": order < 0, "<=": order <= 0, ">": order > 0, ">=": order >= 0}[operator]


def _compare(stored: Scalar, value: str, *, text: bool) -> int | None:
    """Return -1, 0 or 1 as `stored` is below, at or above `value`; None if they cannot be compared.

    With `text=False` two texts that are neither numbers nor dates cannot be.
    """
    left: Any = _number(stored)
    right: Any = _number(value)
    if left is None or right is None:
        left, right = _date_pair(_written(stored), value)
        if left is None:
            if not text or not isinstance(stored, str):
                return None
            left, right = _folded(stored), _folded(value)
    return int(left > right) - int(left < right)


def _number(value: Scalar) -> float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return float(value)
    return float(value) if _NUMBER.fullmatch(value) else None


def _date_pair(stored: str, value: str) -> tuple[tuple[int, ...] | None, tuple[int, ...] | None]:
    """Return both as (year, month, …), cut to what `value` states; (None, None) unless both are dates."""
    left, right = _DATE.fullmatch(stored), _DATE.fullmatch(value)
    if left is None or right is None:
        return None, None
    first, second = _date_parts(left), _date_parts(right)
    if right.group(7) and left.group(4):
        first, second = _in_utc(left, first), _in_utc(right, second)
    length = sum(part is not None for part in right.groups()[:6])
    return first[:length], second[:length]


def _date_parts(found: re.Match[str]) -> tuple[int, ...]:
    smallest = (1, 1, 1, 0, 0, 0)
    return tuple(
        int(part) if part else least for part, least in zip(found.groups()[:6], smallest, strict=True)
    )


def _in_utc(found: re.Match[str], parts: tuple[int, ...]) -> tuple[int, ...]:
    zone = found.group(7)
    if zone in (None, "Z"):
        return parts
    try:
        moment = datetime.strptime(
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}".format(*parts) + zone, "%Y-%m-%dT%H:%M:%S%z"
        )
    except ValueError:  # such as a 13th month: ordered as written, which still is an order
        return parts
    return tuple(moment.astimezone(UTC).timetuple()[:6])


def _written(stored: Scalar) -> str:
    """Return a stored value as a person would write it in a filter."""
    if isinstance(stored, bool):
        return "true" if stored else "false"
    return stored if isinstance(stored, str) else str(stored)


def _folded(text: str) -> str:
    if text.isascii():  # the usual case, and several times faster
        return text.lower()
    return normalize("NFC", normalize("NFC", text).casefold())
