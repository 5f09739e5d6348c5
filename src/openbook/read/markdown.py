"""Markdown, with the dialects of Quarto, R Markdown and MDX: headings, code and tables with exact offsets.

A parser of CommonMark (markdown-it-py) finds the blocks, because what is a
heading depends on everything around it: fences, comments, lists, quotes. Only
its block rules run over the text; the text stays as it is in the file, front
matter included.

Refused: regular expressions over lines, which take `# comment` in a code block
for a heading, and rendering to HTML or plain text, which loses the offsets.
"""

from __future__ import annotations

import html
import re
from bisect import bisect_left
from collections.abc import Iterator
from functools import cache
from itertools import accumulate
from typing import TYPE_CHECKING, Final

from openbook.read.decoding import decode
from openbook.read.kinds import suffix_of
from openbook.read.markdown_labels import fence_language, plain_label
from openbook.read.markdown_lines import scan_lines
from openbook.read.metadata import choose_title, encoding_note, read_front_matter
from openbook.types import Document, Mark

if TYPE_CHECKING:
    from markdown_it import MarkdownIt

MEDIA_TYPE: Final = "text/markdown"
_MOST_CHARACTERS: Final = 1_000_000
_MOST_LINES: Final = 30_000
"""Beyond either the lines are only scanned: the parser takes up to 0.2 ms and 5 KB for a line."""
_HTML_HEADING: Final = re.compile(r"<h([1-6])\b[^>]*>(.*?)</h\1\s*>", re.IGNORECASE | re.DOTALL)
_DIV: Final = re.compile(r"^ {0,3}:{3,}[ \t]*([^\s:][^\n]*)?$", re.MULTILINE)
_TAG: Final = re.compile(r"</?[A-Za-z][^<>]*>")


class MarkdownReader:
    """Reads .md, .qmd, .Rmd, .mdx and their kin."""

    def read(self, data: bytes, path: str) -> Document:
        """Raises UnsupportedFile for binary content. Broken front matter is noted in the metadata."""
        decoded = decode(data, path)
        text = decoded.text
        front_matter = read_front_matter(text)
        marks = tuple(
            sorted(
                find_marks(text, front_matter.end, indented_code=suffix_of(path) != ".mdx"),
                key=lambda mark: (mark.start, -mark.end),
            )
        )
        metadata = {**front_matter.metadata, **encoding_note(decoded)}
        return Document(
            path, text, MEDIA_TYPE, title=choose_title(metadata, marks, path), marks=marks, metadata=metadata
        )


def find_marks(text: str, start: int = 0, *, indented_code: bool = True) -> Iterator[Mark]:
    """Yield the headings, code blocks and tables of `text` from offset `start` on, block by block."""
    if len(text) - start > _MOST_CHARACTERS or text.count("\n", start) > _MOST_LINES:
        marks = list(scan_lines(text, start))
    else:
        marks = list(_parse(text, start, indented_code))
    asides = sorted((*_callouts(text, start), *_comments(text, start)))
    starts = [first for first, _ in asides]
    ends = list(accumulate((last for _, last in asides), max))
    for mark in marks:
        before = bisect_left(starts, mark.start)
        if mark.kind != "heading" or not before or ends[before - 1] <= mark.start:
            yield mark


def _parse(text: str, start: int, indented_code: bool) -> Iterator[Mark]:
    tokens = _block_parser(indented_code).parse(text[start:])
    lines = _line_starts(text, start)
    for index, token in enumerate(tokens):
        if token.map is None:
            continue
        first, after = lines[token.map[0]], lines[token.map[1]]
        end = first + len(text[first:after].rstrip("\n"))
        if token.type == "heading_open" and token.level == 0:
            yield Mark("heading", first, end, plain_label(tokens[index + 1].content), int(token.tag[1]))
        elif token.type == "fence":
            yield Mark("code", first, end, fence_language(token.info))
        elif token.type == "code_block":
            yield Mark("code", first, end)
        elif token.type == "table_open":
            yield Mark("table", first, end, text[first : lines[token.map[0] + 1]].strip())
        elif token.type == "html_block" and token.level == 0:
            yield from _html_headings(text, first, end)


def _callouts(text: str, start: int) -> Iterator[tuple[int, int]]:
    """The spans of Quarto's callouts. Their headings title a box; what follows is not below them."""
    if "callout" not in text:
        return
    opened: list[tuple[int, bool]] = []
    for match in _DIV.finditer(text, start):
        if match.group(1):
            opened.append((match.start(), "callout" in match.group(1)))
        elif opened:
            first, is_callout = opened.pop()
            if is_callout:
                yield first, match.end()


def _comments(text: str, start: int) -> Iterator[tuple[int, int]]:
    """The spans of comments that begin behind other words on their line, which the parser does not see."""
    while (first := text.find("<!--", start)) >= 0 and (last := text.find("-->", first)) >= 0:
        line = text[text.rfind("\n", 0, first) + 1 : first]
        if line.strip() and not line.count("`") % 2:
            yield first, last
        start = last


def _html_headings(text: str, start: int, end: int) -> Iterator[Mark]:
    """Headings written as HTML, as at the top of many a README."""
    if text.startswith("<!--", start) or text[start : start + 4].lower() in ("<pre", "<scr", "<sty"):
        return
    for match in _HTML_HEADING.finditer(text, start, end):
        label = " ".join(html.unescape(_TAG.sub("", match.group(2))).split())
        if label:
            yield Mark("heading", match.start(), match.end(), label, int(match.group(1)))


def _line_starts(text: str, start: int) -> list[int]:
    """The offset of each line from `start` on, and the end of the text for the line after the last."""
    offsets = [start]
    while (position := text.find("\n", offsets[-1])) >= 0:
        offsets.append(position + 1)
    return [*offsets, len(text)]


@cache
def _block_parser(indented_code: bool) -> MarkdownIt:
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark").enable("table")
    parser.core.ruler.enableOnly(["normalize", "block"])
    return parser if indented_code else parser.disable("code")
