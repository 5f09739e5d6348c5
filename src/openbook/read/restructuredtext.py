"""reStructuredText: the file as it is, with marks for sections, code and tables.

A scanner over lines knows the few constructs that decide how a text is cut:
adorned titles, literal blocks, code directives, doctests, tables with borders.

Refused: docutils. Its tree keeps line numbers at best, and it reads other
files and runs directives where a document asks for that.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Final

from openbook.read.decoding import decode
from openbook.read.metadata import choose_title, encoding_note, scalars
from openbook.types import Document, Mark, Scalar

MEDIA_TYPE: Final = "text/x-rst"

_PUNCTUATION: Final = r"[!-/:-@\[-`{-~]"
_ADORNMENT: Final = re.compile(rf"({_PUNCTUATION})\1*[ \t]*")
_SHORTEST_ADORNMENT: Final = 4
"""Characters from which on an underline may be shorter than its title."""
_BORDER: Final = re.compile(r"[ \t]*=+(?: +=+)+[ \t]*")
_GRID_BORDER: Final = re.compile(r"[ \t]*\+(?:[-=]+\+)+[ \t]*")
_CODE: Final = re.compile(
    r"([ \t]*)(?:[-*+] )?\.\. (code-block|code|sourcecode|highlight|prompt|ipython|testcode|testsetup|"
    r"doctest|parsed-literal|math|graphviz|productionlist)::[ \t]*([\w+#.-]*)"
)
_DEFAULT_LANGUAGES: Final = {
    "prompt": "shell",
    "ipython": "python",
    "testcode": "python",
    "testsetup": "python",
    "doctest": "python",
    "math": "latex",
    "graphviz": "dot",
}
_NAMED_LANGUAGES: Final = frozenset(("code-block", "code", "sourcecode", "prompt", "highlight"))
"""Directives whose argument is a language."""
_NO_LANGUAGES: Final = frozenset(("none", "text", "default", "guess"))
_EXPLICIT: Final = re.compile(r"[ \t]*\.\.(?:[ \t]|$)")
_BULLET: Final = re.compile(r"(?:[-*+•]|\(?(?:\d{1,4}|[a-zA-Z]|#)[.)])[ \t]+")
_OPTION: Final = re.compile(r"[ \t]*:[\w-]+:")
_FIELD: Final = re.compile(r":([A-Za-z][\w -]{0,40}):(?:[ \t]+(.*))?$")
_FIELD_LINES: Final = 100
_ROLE: Final = re.compile(r"(?::[\w.+:-]+:)?(`{1,2})([^`]+?)(?:\s*<[^<>`]*>)?\1_{0,2}")
_EMPHASIS: Final = re.compile(r"(\*{1,2})(?=\S)([^*]+?)(?<=\S)\1")


class RestructuredTextReader:
    """Reads .rst and .rest."""

    def read(self, data: bytes, path: str) -> Document:
        """Raises UnsupportedFile for binary content, and nothing else."""
        decoded = decode(data, path)
        scanner = Scanner(decoded.text)
        scanner.scan()
        marks = tuple(sorted(scanner.marks, key=lambda mark: (mark.start, -mark.end)))
        metadata = {**find_fields(decoded.text), **encoding_note(decoded)}
        title = choose_title(metadata, marks, path)
        return Document(path, decoded.text, MEDIA_TYPE, title=title, marks=marks, metadata=metadata)


class Scanner:
    """Walks over the lines of a text once and gathers marks."""

    def __init__(self, text: str) -> None:
        self.marks: list[Mark] = []
        self._lines = text.split("\n")
        self._starts: list[int] = []
        offset = 0
        for line in self._lines:
            self._starts.append(offset)
            offset += len(line) + 1
        self._styles: dict[tuple[str, bool], int] = {}
        self._language = ""

    def scan(self) -> None:
        """Fill `marks`."""
        number = 0
        while number < len(self._lines):
            if not self._lines[number].strip():
                number += 1
                continue
            number = self._title(number) or self._table(number) or self._block(number)

    def _line(self, number: int) -> str:
        return self._lines[number] if number < len(self._lines) else ""

    def _mark(self, mark: Mark) -> None:
        self.marks.append(mark)

    def _span(self, first: int, last: int) -> tuple[int, int]:
        """Offsets of lines `first` to `last`, both included, without spaces at the end."""
        return self._starts[first], self._starts[last] + len(self._lines[last].rstrip())

    # Titles

    def _title(self, number: int) -> int:
        """Mark a title that begins here; the number of the line behind it, 0 if there is none."""
        line, second, third = (self._line(number + ahead) for ahead in range(3))
        if _ADORNMENT.fullmatch(line):
            over, under, title, last = line.rstrip(), third.rstrip(), second, number + 2
            if (
                over != under
                or not title.strip()
                or len(over) < min(len(title.rstrip()), _SHORTEST_ADORNMENT)
            ):
                return 0
        else:
            over, under, title, last = "", second.rstrip(), line, number + 1
            if title[:1].isspace() or _EXPLICIT.match(title) or not _ADORNMENT.fullmatch(under):
                return 0
            if len(under) < min(len(title.rstrip()), _SHORTEST_ADORNMENT):
                return 0
        label = plain_title(title)
        if not label or _ADORNMENT.fullmatch(title.strip()):
            return 0
        level = self._styles.setdefault((under[0], bool(over)), len(self._styles) + 1)
        self._mark(Mark("heading", *self._span(number, last), label, min(level, 6)))
        return last + 1

    # Tables

    def _table(self, number: int) -> int:
        """Mark a table that begins here; the number of the line behind it, 0 if there is none."""
        line = self._lines[number]
        if _GRID_BORDER.fullmatch(line):
            return self._grid(number)
        return self._simple_table(number) if _BORDER.fullmatch(line) else 0

    def _grid(self, number: int) -> int:
        borders = [number]
        behind = number + 1
        while self._line(behind).lstrip().startswith(("+", "|")):
            if _GRID_BORDER.fullmatch(self._lines[behind]):
                borders.append(behind)
            behind += 1
        if len(borders) < 2:
            return 0
        header = next((border for border in borders if "=" in self._lines[border]), 0)
        label = self._label(number + 1, header - 1) if header > number + 1 else ""
        self._mark(Mark("table", *self._span(number, behind - 1), label))
        for above, below in pairwise(borders):
            if below - above > 2:
                self._mark(Mark("row", *self._span(above + 1, below - 1)))
        return behind

    def _simple_table(self, number: int) -> int:
        """A table between borders of `=`, the second of three below the header row."""
        first = self._next_border(number + 1)
        if not first:
            return 0
        if not self._line(first + 1).strip():
            self._mark(Mark("table", *self._span(number, first)))
            return first + 1
        last = self._next_border(first + 1)
        if not last or self._line(last + 1).strip():
            return 0
        self._mark(Mark("table", *self._span(number, last), self._label(number + 1, first - 1)))
        return last + 1

    def _next_border(self, number: int) -> int:
        """The next border line; 0 where the text is no table. Text between borders may be anything."""
        width = len(self._line(number - 1).rstrip())
        for candidate in range(number, min(number + _FIELD_LINES * 10, len(self._lines))):
            if len(self._lines[candidate].rstrip()) == width and _BORDER.fullmatch(self._lines[candidate]):
                return candidate
        return 0

    def _label(self, first: int, last: int) -> str:
        if last < first:
            return ""
        start, end = self._span(first, last)
        return "\n".join(self._lines[first : last + 1])[: end - start].strip()

    # Paragraphs and what follows them

    def _block(self, number: int) -> int:
        """Walk over lines up to a blank one, and over the literal block that they announce."""
        first = number
        if self._lines[first].lstrip().startswith(">>> "):
            return self._doctest(first)
        while self._line(number).strip():
            if directive := _CODE.match(self._lines[number]):
                return self._directive(number, directive)
            number += 1
        last = self._lines[number - 1]
        if last.rstrip().endswith("::") and not _EXPLICIT.match(last):
            bullet = _BULLET.match(last.lstrip()) if number - 1 == first else None
            return self._literal(number, _indent(last) + (bullet.end() if bullet else 0), self._language)
        return number

    def _doctest(self, first: int) -> int:
        number = first
        while self._line(number).strip():
            number += 1
        self._mark(Mark("code", *self._span(first, number - 1), "python"))
        return number

    def _directive(self, number: int, directive: re.Match[str]) -> int:
        name, argument = directive.group(2), directive.group(3).lower()
        language = argument if name in _NAMED_LANGUAGES and argument not in _NO_LANGUAGES else ""
        if name == "highlight":
            self._language = language
            return number + 1
        language = language or _DEFAULT_LANGUAGES.get(name, self._language if "code" in name else "")
        indent = len(directive.group(1))
        number += 1
        while self._line(number).strip() and _OPTION.match(self._lines[number]):
            number += 1
        return self._literal(number, indent, language)

    def _literal(self, number: int, indent: int, language: str) -> int:
        """Mark the lines from `number` on that are indented by more than `indent`; the number behind them."""
        first = last = -1
        while number < len(self._lines):
            line = self._lines[number]
            if line.strip():
                if _indent(line) <= indent:
                    break
                first = number if first < 0 else first
                last = number
            number += 1
        if first >= 0:
            self._mark(Mark("code", *self._span(first, last), language))
            return last + 1
        return number


def plain_title(source: str) -> str:
    """The words of a title without markup: "``join`` and :func:`merge <a.merge>`" → "join and merge"."""
    return " ".join(_EMPHASIS.sub(r"\2", _ROLE.sub(r"\2", source)).split())


def find_fields(text: str) -> dict[str, Scalar]:
    """What the first list of fields says (`:author: …`), if it stands near the beginning."""
    found: dict[str, str] = {}
    name = ""
    for line in text[:20_000].split("\n")[:_FIELD_LINES]:
        if match := _FIELD.match(line):
            name = match.group(1).strip().lower()
            found.setdefault(name, (match.group(2) or "").strip())
        elif name and line[:1].isspace() and line.strip():
            found[name] = f"{found[name]} {line.strip()}".strip()
        elif found:
            break
    return scalars({key: value for key, value in found.items() if value})


def _indent(line: str) -> int:
    """Columns of white space in front; a tab reaches to the next multiple of eight."""
    if not line[:1].isspace():
        return 0
    line = line.expandtabs(8)
    return len(line) - len(line.lstrip())
