"""JSON and JSON lines: the file as it is, with marks that keep a record in one piece.

A scan over brackets and strings finds the records. It never nests and never
builds the values, so a deep or huge file costs no more than its length, and a
broken one is still read as the text that it is.

Refused: `json.loads`, which needs ten times the file's size in memory, gives
no offsets and refuses a whole export for one missing bracket.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Final

from openbook.read.decoding import decode
from openbook.read.kinds import suffix_of
from openbook.read.metadata import encoding_note, title_from_path
from openbook.types import Document, Mark, MarkKind

_LINES: Final = frozenset((".jsonl", ".ndjson"))
_MOST_RECORDS: Final = 100_000
"""More records get no marks of their own; a table's rows are then just lines."""
_DEEPEST: Final = 1_000
"""Levels. Deeper files are no data that a person will ask about; they stay plain text."""
_DEEPEST_RECORD: Final = 4
"""Levels down to which an array of objects counts as records."""
_PROBED: Final = 100_000
"""Characters of a line that is parsed to see whether a .json file holds one value per line."""
_TOKEN: Final = re.compile(r'"(?:[^"\\]++|\\.)*+(?:"|\Z)|[\[\]{}]', re.DOTALL)
_CLOSING: Final = {"{": "}", "[": "]"}


@dataclass(slots=True)
class Structure:
    """What the scan found: whether all brackets match, the records, and the arrays that hold them.

    Both lists end one beyond `_MOST_RECORDS`.
    """

    sound: bool = True
    records: list[tuple[int, int]] = field(default_factory=list)
    arrays: list[tuple[int, int]] = field(default_factory=list)


class JsonReader:
    """Reads .json, .jsonl, .ndjson and .geojson."""

    def read(self, data: bytes, path: str) -> Document:
        """Raises UnsupportedFile for binary content. Broken JSON is read as plain text."""
        decoded = decode(data, path)
        text = decoded.text
        lines = suffix_of(path) in _LINES or _is_lines(text)
        media_type = "application/x-ndjson" if lines else "application/json"
        marks = _whole(text, "table", "") if lines else _marks(text)
        return Document(
            path, text, media_type, title=title_from_path(path), marks=marks, metadata=encoding_note(decoded)
        )


def scan(text: str) -> Structure:
    """Find the shallowest arrays of objects in JSON text, in one pass."""
    found = Structure()
    level = _DEEPEST_RECORD + 1  # of the records' brackets; the top level is 0
    last_record = -1
    kinds: list[str] = []
    starts: list[int] = []
    for match in _TOKEN.finditer(text):
        token = text[match.start()]
        if token == '"':
            continue
        if token in _CLOSING:
            depth = len(kinds)
            if depth >= _DEEPEST:
                return Structure(sound=False)
            if token == "{" and depth < level and depth and kinds[-1] == "[":
                level = depth
                found.records.clear()
                found.arrays.clear()
            kinds.append(token)
            starts.append(match.start())
            continue
        if not kinds or _CLOSING[kinds.pop()] != token:
            return Structure(sound=False)
        depth, start = len(kinds), starts.pop()
        if depth == level and token == "}" and kinds[-1] == "[":
            last_record = start
            if len(found.records) <= _MOST_RECORDS:
                found.records.append((start, match.end()))
        elif depth == level - 1 and start < last_record and len(found.arrays) <= _MOST_RECORDS:
            found.arrays.append((start, match.end()))
    found.sound = not kinds
    return found


def _marks(text: str) -> tuple[Mark, ...]:
    """Marks of a JSON file: its records, or the whole as code where it has none."""
    if "\n" not in text.strip():
        return _whole(text, "code", "json")
    structure = scan(text)
    if not structure.sound:
        return ()
    if not structure.records:
        return _whole(text, "code", "json")
    if len(structure.arrays) > _MOST_RECORDS:
        return _whole(text, "table", "")
    marks = [Mark("table", start, end) for start, end in structure.arrays]
    if len(structure.records) <= _MOST_RECORDS:
        marks += [Mark("row", start, end) for start, end in structure.records if "\n" in text[start:end]]
    return tuple(sorted(marks, key=lambda mark: (mark.start, -mark.end)))


def _whole(text: str, kind: MarkKind, label: str) -> tuple[Mark, ...]:
    end = len(text.rstrip())
    start = len(text) - len(text.lstrip())
    if start >= end:
        return ()
    return (Mark(kind, start, end, label),)


def _is_lines(text: str) -> bool:
    """Whether a file holds one object per line, judged by its first two."""
    lines = text[: 2 * _PROBED].lstrip().split("\n", 2)[:2]
    if len(lines) < 2 or not all(line.startswith("{") and len(line) <= _PROBED for line in lines):
        return False
    try:
        return all(isinstance(json.loads(line), dict) for line in lines)
    except (ValueError, RecursionError):
        return False
