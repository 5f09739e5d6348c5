"""A scan over the lines of very long Markdown files, where a full parser would take minutes.

It knows what decides about headings at the top level: fences, HTML comments,
paragraphs (for underlined headings) and tables. It does not know what may
stand inside lists and quotations; the tests compare it with the parser.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from openbook.read.markdown_labels import fence_language, plain_label
from openbook.types import Mark

_FENCE: Final = re.compile(r"[ \t>]*(?:(?:[-*+]|\d{1,9}[.)])[ \t]+)?(`{3,}(?=[^`]*$)|~{3,})(.*)$")
_HEADING: Final = re.compile(r" {0,3}(#{1,6})(?:[ \t]+(.*?))?(?:[ \t]+#+)?[ \t]*$")
_UNDERLINE: Final = re.compile(r" {0,3}(=+|-+)[ \t]*$")
_TABLE_RULE: Final = re.compile(r" {0,3}\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*$")
_CONTAINER: Final = re.compile(r" {0,3}(?:>|(?:[-*+]|\d{1,9}[.)])(?:[ \t]|$))")
_RULE: Final = re.compile(r" {0,3}(?:(?:\*[ \t]*){3,}|(?:_[ \t]*){3,}|(?:-[ \t]*){3,})$")


def scan_lines(text: str, start: int = 0) -> Iterator[Mark]:
    """Yield headings, code fences and tables of `text` from offset `start` on, in order."""
    scanner = _Scanner(text)
    while start < len(text):
        end = text.find("\n", start)
        end = len(text) if end < 0 else end
        yield from scanner.see(start, end)
        start = end + 1
    yield from scanner.finish()


class _Scanner:
    """What is open at the current line: a fence, a comment, a table, a paragraph, or nothing."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._fence: tuple[int, str, str] | None = None  # offset, its characters, language
        self._comment = False
        self._table: tuple[int, int] | None = None  # offset, end so far
        self._paragraph: int | None = None  # offset of a paragraph outside lists and quotations
        self._contained = False  # a list or quotation goes on until a blank line
        self._list = False  # indented lines belong to a list, and are no code

    def see(self, start: int, end: int) -> Iterator[Mark]:
        """Take the next line; yield the marks that it completes."""
        line = self._text[start:end]
        if self._fence is not None:
            yield from self._in_fence(self._fence, line, end)
            return
        if self._comment:
            self._comment = "-->" not in line
            return
        if self._table is not None:
            if line.strip() and not _CONTAINER.match(line) and not line.startswith(("#", "```", "~~~")):
                self._table = (self._table[0], end)
                return
            yield self._table_mark(*self._table)
            self._table = None
        yield from self._outside(line, start, end)

    def finish(self) -> Iterator[Mark]:
        """What the end of the text completes."""
        if self._fence is not None:
            yield Mark("code", self._fence[0], len(self._text.rstrip("\n")), self._fence[2])
        elif self._table is not None:
            yield self._table_mark(*self._table)

    def _in_fence(self, fence: tuple[int, str, str], line: str, end: int) -> Iterator[Mark]:
        offset, characters, language = fence
        closing = line.strip(" \t>")
        if len(closing) >= len(characters) and not closing.strip(characters[0]):
            self._fence = None
            yield Mark("code", offset, end, language)

    def _outside(self, line: str, start: int, end: int) -> Iterator[Mark]:
        if not line.strip():
            self._paragraph, self._contained = None, False
        elif (match := _FENCE.match(line)) and (self._list or not line.startswith("    ")):
            self._fence = (start, match.group(1), fence_language(match.group(2)))
            self._paragraph = None
        elif line.lstrip(" ").startswith("<!--"):
            self._comment = "-->" not in line
            self._paragraph = None
        elif match := _HEADING.match(line):
            self._paragraph, self._contained, self._list = None, False, False
            yield Mark("heading", start, end, plain_label(match.group(2) or ""), len(match.group(1)))
        elif self._paragraph is not None and (match := _UNDERLINE.match(line)):
            source = self._text[self._paragraph : start]
            yield Mark(
                "heading", self._paragraph, end, plain_label(source), 1 if "=" in match.group(1) else 2
            )
            self._paragraph = None
        elif self._paragraph is not None and "|" in line and _TABLE_RULE.match(line):
            header = self._text.rfind("\n", 0, start - 1) + 1
            self._table, self._paragraph = (header, end), None
        else:
            self._continue(line, start)

    def _continue(self, line: str, start: int) -> None:
        """A line of a paragraph, a list or a quotation."""
        if _CONTAINER.match(line) or _RULE.match(line):
            self._paragraph, self._contained = None, not _RULE.match(line)
            self._list = self._contained
        elif line[0] not in " \t" and not self._contained:
            self._list = False
            self._paragraph = start if self._paragraph is None else self._paragraph
        elif self._paragraph is None and not self._contained and not line.startswith(("    ", "\t")):
            self._paragraph = start

    def _table_mark(self, start: int, end: int) -> Mark:
        return Mark("table", start, end, self._text[start : self._text.find("\n", start)].strip())
