"""CSV and its kin: the file as it is, with marks for the table, its header row and rows of several lines.

The text is never rewritten, so a quote from a table is what stands in the
file. Rows are found with one regular expression that runs at the speed of C
and only where there are quotation marks at all.

Refused: `csv.Sniffer`, which takes letters for delimiters and quadratic time
for it, and `csv.reader` over the whole file, which keeps no offsets.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

from openbook.read.decoding import decode
from openbook.read.kinds import suffix_of
from openbook.read.metadata import encoding_note, title_from_path
from openbook.types import Document, Mark

_MEDIA_TYPES: Final = {"\t": "text/tab-separated-values"}
_DELIMITERS: Final = "\t;|,"
"""Candidates, the rarest in ordinary text first: it wins where two fit equally well."""
_SAMPLE: Final = 65_536
_SAMPLE_ROWS: Final = 60
_REGULAR: Final = 0.5
"""The share of sampled rows that must have the same number of fields for a file to be a table."""
_LONGEST_ROW: Final = 100_000
"""Characters. A "row" beyond this is a quotation mark that nobody closed."""
_LONGEST_NAME: Final = 80
"""Characters of a column's name."""
_SEPARATOR_HINT: Final = re.compile(r'"?sep=(.)"?\n')
_NUMBER: Final = re.compile(
    r"[-+]?[$€£¥]?\s?\d[\d.,'\s]*(?:[eE][-+]?\d+)?\s?[%€$£¥]?|[-+]?\.\d+|(?i:nan|na|null|inf)"
)
_DATE: Final = re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}(?:[T ].*)?|\d{1,2}:\d\d(?::\d\d)?.*")
_YEAR: Final = re.compile(r"(?:1[5-9]|20)\d\d")


@dataclass(frozen=True, slots=True)
class Layout:
    """How a table is written. `start` is the offset of its first row; `header_end` that of the
    header row's end, equal to `start` where no row names the columns."""

    delimiter: str
    start: int
    header_end: int


class TableReader:
    """Reads .csv, .tsv and .tab."""

    def read(self, data: bytes, path: str) -> Document:
        """Raises UnsupportedFile for binary content. What is no table after all is read as lines of text."""
        decoded = decode(data, path)
        text = decoded.text
        layout = find_layout(text, prefer="\t" if suffix_of(path) in (".tsv", ".tab") else "")
        marks: tuple[Mark, ...] = ()
        media_type = "text/csv"
        if layout is not None:
            label = text[layout.start : layout.header_end]
            end = len(text.rstrip("\n"))
            marks = (Mark("table", layout.start, end, label), *long_rows(text, layout))
            media_type = _MEDIA_TYPES.get(layout.delimiter, media_type)
        return Document(
            path, text, media_type, title=title_from_path(path), marks=marks, metadata=encoding_note(decoded)
        )


def find_layout(text: str, *, prefer: str = "") -> Layout | None:
    """The delimiter, first row and header row of a table; None where lines have no regular fields.

    Looks at the first 64 KB. `prefer` is the delimiter that the file's name promises.
    """
    start, delimiters = 0, (prefer + _DELIMITERS.replace(prefer, "")) if prefer else _DELIMITERS
    if hint := _SEPARATOR_HINT.match(text):
        start, delimiters = hint.end(), hint.group(1)
    text = text[: start + _SAMPLE]
    best: tuple[float, str, int, list[tuple[int, int]]] | None = None
    for delimiter in delimiters:
        rows = _sample_rows(text, start, delimiter)
        counts = [len(split_fields(text[first:last], delimiter)) for first, last in rows]
        several = Counter(count for count in counts if count > 1).most_common(1)
        if not several:
            continue
        share = several[0][1] / len(counts)
        if share >= _REGULAR and (best is None or share > best[0]):
            best = share, delimiter, several[0][0], rows
    if best is None:
        return None
    _, delimiter, width, rows = best
    return _with_header(text, delimiter, width, rows)


def long_rows(text: str, layout: Layout) -> Iterator[Mark]:
    """Yield a mark for each row of more than one line: one with line ends between quotation marks."""
    row_pattern = _row(layout.delimiter)
    position = layout.start
    while (quote := text.find('"', position)) >= 0:
        start = text.rfind("\n", position, quote) + 1 or position
        end = _row_end(row_pattern, text, start)
        if text.find("\n", start, end) >= 0:
            yield Mark("row", start, end)
        position = end + 1


def split_fields(row: str, delimiter: str) -> list[str]:
    """The fields of one row, without their quotation marks."""
    fields = []
    for match in _field(delimiter).finditer(row):
        field = match.group(1).strip()
        if len(field) > 1 and field[0] == field[-1] == '"':
            field = field[1:-1].replace('""', '"')
        fields.append(field)
    return fields


def _with_header(text: str, delimiter: str, width: int, rows: Sequence[tuple[int, int]]) -> Layout:
    """Find where the table begins (behind a title, say) and whether its first row names the columns."""
    fields = [split_fields(text[start:end], delimiter) for start, end in rows]
    # R writes a header row that is one field short of the others.
    first = next((index for index, row in enumerate(fields) if len(row) >= max(2, width - 1)), 0)
    start, end = rows[first]
    named = len(rows) > first + 1 and names_columns(fields[first], fields[first + 1 :])
    return Layout(delimiter, start, end if named else start)


def names_columns(first: Sequence[str], others: Sequence[Sequence[str]]) -> bool:
    """Whether `first` is a header row to the rows that follow, judged by what is in them."""
    filled = [cell for cell in first if cell]
    if not filled or len(filled) * 2 < len(first) or len(set(filled)) < len(filled):
        return False
    if any(len(cell) > _LONGEST_NAME or cell.endswith((".", "!")) for cell in filled):
        return False
    values = [cell for cell in filled if _is_value(cell)]
    if values:
        years = len(values) > 1 and len(values) < len(filled) and all(map(_YEAR.fullmatch, values))
        return bool(years)
    shift = max(0, max(map(len, others), default=0) - len(first))
    columns = [[row[i + shift] for row in others if i + shift < len(row)] for i in range(len(first))]
    return not any(name and name in column for name, column in zip(first, columns, strict=True))


def _is_value(cell: str) -> bool:
    return bool(_NUMBER.fullmatch(cell) or _DATE.fullmatch(cell))


def _sample_rows(text: str, start: int, delimiter: str) -> list[tuple[int, int]]:
    """Offsets of the first rows that are not blank, without the one that the sample cuts off."""
    rows: list[tuple[int, int]] = []
    row_pattern = _row(delimiter)
    position = start
    while position < len(text) and len(rows) < _SAMPLE_ROWS:
        end = _row_end(row_pattern, text, position)
        if text[position:end].strip():
            rows.append((position, end))
        position = end + 1
    return rows[:-1] if position > start + _SAMPLE and len(rows) > 1 else rows


def _row_end(row_pattern: re.Pattern[str], text: str, start: int) -> int:
    """The end of the row at `start`, without its line end."""
    match = row_pattern.match(text, start)
    if match is not None and match.end() - start <= _LONGEST_ROW:
        return match.end()
    end = text.find("\n", start)
    return end if end >= 0 else len(text)


_QUOTED: Final = r'[ ]*+"(?:[^"]++|"")*+"[^{0}\n]*+'
"""A quoted field. Possessive, so that a quotation mark nobody closes is tried once only."""


@cache
def _row(delimiter: str) -> re.Pattern[str]:
    separator = re.escape(delimiter)
    field = rf"(?:{_QUOTED.replace('{0}', separator)}|[^{separator}\n]*+)"
    return re.compile(rf"{field}(?:{separator}{field})*+")


@cache
def _field(delimiter: str) -> re.Pattern[str]:
    separator = re.escape(delimiter)
    return re.compile(rf"(?:^|{separator})({_QUOTED.replace('{0}', separator)}|[^{separator}]*+)")
