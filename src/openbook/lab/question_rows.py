"""The rows of a file of questions, each with the line where it begins: JSON lines, CSV, or a question a line.

The name decides: `.csv` has a header line, `.tsv` the same with tabs, `.txt` a
question on each line, anything else is JSON lines. Every error names the file,
the line and what was expected.

Refused: guessing the form from the content, which guesses wrong on the day it matters.
"""

from __future__ import annotations

import csv
import difflib
import json
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, Final

from openbook.errors import UsageError

Row = dict[str, Any]
_YES: Final = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False, "": False}


def rows(path: Path) -> Iterator[tuple[int, Row]]:
    """Yield (line number from 1, row) of a file of questions. Raises UsageError."""
    match path.suffix.lower():
        case ".csv":
            yield from _table(path, ",")
        case ".tsv":
            yield from _table(path, "\t")
        case ".txt":
            yield from ((number, {"question": line.strip()}) for number, line in _lines(path) if line.strip())
        case _:
            yield from json_rows(path)


def json_rows(path: Path) -> Iterator[tuple[int, Row]]:
    """Yield (line number from 1, object) of a file with JSON lines. Raises UsageError."""
    for number, line in _lines(path):
        if line.strip():
            yield number, _object(line, path, number)


def text_of(row: Row, name: str, path: Path, number: int) -> str:
    """The text of a field that must be there. Raises UsageError, which names file, line and field."""
    value = row.get(name)
    if not isinstance(value, str | int) or isinstance(value, bool):
        raise wrong(path, number, f"{name!r} is {value!r}; expected a text.")
    return str(value)


def texts_of(row: Row, name: str, path: Path, number: int) -> tuple[str, ...]:
    """The text or texts of a field that may be absent."""
    value = row.get(name)
    if value in (None, "", []):
        return ()
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return tuple(value)
    return (text_of(row, name, path, number),)


def truth_of(row: Row, name: str, path: Path, number: int) -> bool:
    """Whether a field says yes: true, yes or 1; false, no, 0 and an empty or absent field say no."""
    value = row.get(name)
    word = "" if value is None else str(value).strip().lower()
    if word not in _YES:
        raise wrong(path, number, f"{name!r} is {value!r}; expected true or false.")
    return _YES[word]


def whole_number_of(row: Row, name: str, path: Path, number: int) -> int | None:
    """The number of a field that may be absent, at least 1."""
    value = row.get(name)
    if value in (None, ""):
        return None
    if isinstance(value, bool) or not str(value).strip().isdigit() or int(str(value)) < 1:
        raise wrong(path, number, f"{name!r} is {value!r}; expected a whole number from 1.")
    return int(str(value))


def check_names(row: Row, known: Collection[str], path: Path, number: int) -> None:
    """Refuse a field whose name is nearly one of `known`: it is mistyped, and its label would be lost.

    Other unknown fields are the user's own and do no harm.
    """
    for name in row:
        near = difflib.get_close_matches(name.strip().lower(), known, n=1, cutoff=0.8)
        if near and name not in known:
            raise wrong(path, number, f"there is a field {name!r}; expected {near[0]!r}.")


def wrong(path: Path, number: int, what: str) -> UsageError:
    """An error that names the file and the line."""
    return UsageError(f"{str(path)!r}, line {number}: {what}")


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            yield from enumerate(stream, start=1)
    except OSError as error:
        raise UsageError(f"{str(path)!r} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{str(path)!r} is not UTF-8: {error.reason} at byte {error.start}.") from error


def _table(path: Path, delimiter: str) -> Iterator[tuple[int, Row]]:
    """The rows under a header line; fields that are empty are absent. A quoted field may hold line ends."""
    reader = csv.reader((line for _, line in _lines(path)), delimiter=delimiter, strict=True)
    header: list[str] | None = None
    started = 1
    try:
        for fields in reader:
            number, started = started, reader.line_num + 1
            if not any(field.strip() for field in fields):
                continue
            if header is None:
                header = [field.strip().lower() for field in fields]
                if "question" not in header:
                    raise wrong(path, number, f"the header is {header!r}; expected a column 'question'.")
                continue
            if len(fields) > len(header):
                raise wrong(
                    path,
                    number,
                    f"{len(fields)} fields under a header of {len(header)}; quote those with "
                    f"{delimiter!r} in them.",
                )
            yield number, {name: field for name, field in zip(header, fields, strict=False) if field.strip()}
    except csv.Error as error:
        raise wrong(path, started, f"not CSV ({error}).") from error


def _object(line: str, path: Path, number: int) -> Row:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise wrong(path, number, f"not JSON ({error.msg}).") from error
    if not isinstance(row, dict):
        raise wrong(path, number, f"expected an object, found {type(row).__name__}.")
    return row
