"""Builds a document's text piece by piece, so that every mark's offsets are exact by construction.

Readers of binary formats hand over headings, paragraphs, lists and tables in
order; what they get back is one text (pieces separated by blank lines) and
marks that point into it. Refused: extracting text first and looking for the
headings in it afterwards, which finds the wrong place as soon as a heading's
words occur twice.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from openbook.types import Document, Mark, MarkKind

_SPACES = re.compile(r"[ \t\xa0\r\f\v\u200b\ufeff\u00ad]+")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_PLACES = ("page", "slide", "sheet")
_BLANK_LINES = re.compile(r"\n{3,}")


class Composer:
    """A text that grows, with its marks."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._length = 0
        self._marks: list[Mark] = []
        self._open: tuple[MarkKind, int, str, int] | None = None

    @property
    def text(self) -> str:
        """Everything added so far."""
        return "".join(self._parts)

    def marks(self) -> tuple[Mark, ...]:
        """All marks, sorted as `Document.marks` wants them."""
        self.end_place()
        return tuple(sorted(self._marks, key=lambda mark: (mark.start, -mark.end, mark.kind not in _PLACES)))

    def begin_place(self, kind: MarkKind, label: str, number: int) -> None:
        """Start a page, slide or sheet; the one before ends here. Its mark leaves out what stays empty."""
        self.end_place()
        self._open = (kind, self._length, label, number)

    def end_place(self) -> None:
        """End the page, slide or sheet that is open, if any."""
        if self._open is None:
            return
        kind, before, label, number = self._open
        self._open = None
        if self._length > before:
            start = before + (2 if before else 0)  # after the blank line that separates it
            self._marks.append(Mark(kind, start, self._length, label, number))

    def heading(self, words: str, level: int) -> None:
        """Add a heading on a line of its own. `level` is 1 to 6."""
        label = " ".join(words.split())
        if label:
            start = self._add(label)
            self._marks.append(Mark("heading", start, self._length, label, min(max(level, 1), 6)))

    def paragraph(self, text: str) -> None:
        """Add a paragraph; lines inside it stay lines."""
        text = clean(text)
        if text:
            self._add(text)

    def item(self, text: str, *, marker: str = "-", depth: int = 0) -> None:
        """Add a list item. Items follow each other without blank lines between."""
        text = clean(text)
        if text:
            indent = "  " * depth
            lines = text.replace("\n", "\n" + indent + " " * (len(marker) + 1))
            self._add(f"{indent}{marker} {lines}", tight=self._last_was_item)
            self._last_was_item = True

    def code(self, text: str, language: str = "") -> None:
        """Add a block of code as it is, with a mark."""
        text = _CONTROL.sub("", text).strip("\n")
        if text.strip():
            start = self._add(text)
            self._marks.append(Mark("code", start, self._length, language))

    def include(self, document: Document) -> None:
        """Add another document's text as it is, with its marks."""
        if document.text.strip():
            start = self._add(document.text)
            self._marks += [
                replace(mark, start=mark.start + start, end=mark.end + start)
                for mark in document.marks
                if mark.kind not in _PLACES  # its pages are not this document's pages
            ]

    def table(self, rows: Sequence[Sequence[str]], *, header: bool = True) -> None:
        """Add a table in Markdown, its first row as the `header`; blank rows and columns are left out.

        A table of one column is no more than lines, and is added as such.
        """
        lines = table_lines(rows)
        if lines:
            start = self._add("\n".join(lines))
            if lines[0].startswith("| "):
                self._marks.append(Mark("table", start, self._length, lines[0] if header else ""))

    _last_was_item: bool = False

    def _add(self, text: str, *, tight: bool = False) -> int:
        """Append `text` after a blank line (`tight`: a line end) and return where it starts."""
        self._last_was_item = False
        if self._length:
            separator = "\n" if tight else "\n\n"
            self._parts.append(separator)
            self._length += len(separator)
        start = self._length
        self._parts.append(text)
        self._length += len(text)
        return start


def clean(text: str) -> str:
    """Text without control characters, runs of spaces or blank lines in it; line ends are "\\n"."""
    if text.isprintable() and "  " not in text:  # most cells and many lines; sheets have millions of them
        return text.strip()
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\u2028", "\n").replace("\u2029", "\n")
    text = _SPACES.sub(" ", _CONTROL.sub("", text.replace("\v", "\n").replace("\f", "\n")))
    lines = [line.strip() for line in text.split("\n")]
    return _BLANK_LINES.sub("\n\n", "\n".join(lines)).strip()


def table_lines(rows: Sequence[Sequence[str]]) -> list[str]:
    """The lines of a Markdown table: header, rule, rows. Cells are on one line, with | escaped.

    Of a single column, just its cells.
    """
    cells = [[_cell(value) for value in row] for row in rows]
    cells = [row for row in cells if any(row)]
    if not cells:
        return []
    width = max(len(row) for row in cells)
    cells = [row + [""] * (width - len(row)) for row in cells]
    used = [column for column in range(width) if any(row[column] for row in cells)]
    cells = [[row[column] for column in used] for row in cells]
    if len(used) == 1:
        return [row[0].replace("\\|", "|") for row in cells]
    lines = [f"| {' | '.join(row)} |" for row in cells]
    lines.insert(1, "|" + " --- |" * len(used))
    return lines


def _cell(value: str) -> str:
    return clean(value).replace("\n", " ").replace("|", "\\|")
