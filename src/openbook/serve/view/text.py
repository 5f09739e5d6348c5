"""The whole text of a document as HTML in reading form: every character, in order, and nothing else.

The text content of what is written here equals `document.text`, so that an
offset into one is an offset into the other. What a reader needs beyond the
characters (names of pages and sheets) stands in `data-` attributes that the
style sheet shows. Rows are `<div>`s with roles, since a parser would move the
bars between the cells of a real `<table>` out of it.

One exception: U+0000 cannot stand in HTML and is shown as U+FFFD, one
character for one. Refused: markup of the document's own. All text is escaped.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from typing import Final, TypeAlias

from openbook.serve.view.blocks import Area, Block, Outline, areas, blocks
from openbook.serve.view.highlight import Highlight, Marker, Style, escaped
from openbook.serve.view.place import place_label
from openbook.types import Document

Write: TypeAlias = Callable[[int, int, Sequence[Style]], str]
"""Writes the characters [start, end) of a text as HTML, with styles."""

WINDOW: Final = 60_000
"""Characters of a large document that are shown at once."""
WHOLE: Final = 150_000
"""Up to this many characters a document is shown whole."""

_BORDER: Final = 4_000
"""How far from where a window should end a border between blocks, or lines, is looked for."""
_MARKDOWN: Final = ("text/markdown", "application/x-ipynb+json")
_MARKUP: Final = re.compile(
    r"^\s{0,3}#{1,6}[ \t]+|^[ \t]*(?:[-*+]|\d{1,3}[.)])[ \t]+|^[ \t]*>[ \t]?|^[ \t]*(?:`{3,}|~{3,}).*"
    r"|^:{3,}.*|\*{1,3}|`+|!?\[(?=[^\]\n]{1,300}\]\()|\]\([^()\s]{0,500}(?:[ \t]+\"[^\"\n]{0,200}\")?\)"
    r"|\{#[^}\n]{0,200}\}",
    re.MULTILINE,
)
_UNDERLINE: Final = re.compile(r"(?<=\n)([=\-~^\"'#*+.:`])\1{2,}[ \t]*\Z|\A([=\-~^\"'#*+.:`])\2{2,}(?=\n)")
_GAP: Final = re.compile(r"\S(?: {2,}|\t)\S[^\n]*\n?")
_SHORT: Final = 14
"""A cell of up to so many characters is not broken into lines."""
_SAMPLE_ROWS: Final = 40
_NUMBER: Final = re.compile(r"[-+−]?[$€£¥]?\s?\d[\d.,' \u00a0\u202f]{0,30}\s?[%€$£¥]?\Z")


@dataclass(frozen=True, slots=True)
class Window:
    """The part of a text that is shown: [start, end), and where the parts before and after it start.

    `before` and `after` are None where there is no more.
    """

    start: int
    end: int
    before: int | None = None
    after: int | None = None


def text_view(
    document: Document, highlights: Iterable[Highlight], *, start: int = 0, end: int | None = None
) -> str:
    """The text [start, end) as HTML, the highlighted characters in `<mark>`s. All of it by default."""
    start = max(0, start)
    end = len(document.text) if end is None else min(end, len(document.text))
    return written_document(document, Marker(document.text, highlights).write, start=start, end=end)


def written_document(document: Document, write: Write, *, start: int = 0, end: int | None = None) -> str:
    """The same, with the characters of the text written by `write`."""
    writer = _Writer(document, write)
    parts = ['<div class="ob-text">']
    for area in areas(document, start, len(document.text) if end is None else end):
        parts += writer.area(area)
    parts.append("</div>")
    return "".join(parts)


def window_around(document: Document, start: int, end: int, *, size: int = WINDOW) -> Window:
    """The window with a range in its middle; the whole of a document that is not large."""
    total = len(document.text)
    if total <= max(WHOLE, size):
        return Window(0, total)
    start, end = min(max(start, 0), total), min(max(end, 0), total)
    middle = (start + min(max(end, start), start + size)) // 2
    return window_at(document, min(middle - size // 2, start), size=size)


def window_at(document: Document, start: int, *, size: int = WINDOW) -> Window:
    """The window that begins at a border at or before `start`: where another window ends, at `start`."""
    total, reach = len(document.text), min(_BORDER, size // 2)
    first = _border(document, start, reach)
    last = _border(document, first + size, reach)
    before = max(first - size, 0) if first > 0 else None
    return Window(first, last, before, last if last < total else None)


def _border(document: Document, offset: int, reach: int) -> int:
    """The nearest border at or before an offset: a line's start, if possible behind a blank line."""
    text = document.text
    if offset <= 0 or offset >= len(text) or text[offset - 1] == "\n":
        return min(max(offset, 0), len(text))
    low = offset - reach
    divided = any(
        mark.kind in ("table", "code") and mark.start < offset < mark.end for mark in document.marks
    )
    blank = -1 if divided else text.rfind("\n\n", max(low, 0), offset)
    if blank >= 0:
        return blank + 2
    line = text.rfind("\n", low, offset)
    return line + 1 if line >= 0 else offset


class _Writer:
    """Writes the blocks of one document, each with the white space in front of it."""

    def __init__(self, document: Document, write: Write) -> None:
        self._outline = Outline(document)
        self._text = document.text
        self._write = write
        self._markdown = document.media_type in _MARKDOWN

    def area(self, area: Area) -> Iterator[str]:
        """A page, slide, sheet or cell as a section, or what stands between them."""
        place = area.place
        if place is not None:
            label = place_label(place) + (" (continued)" if area.start > place.start else "")
            yield (
                f'<section class="ob-doc-place ob-doc-place--{place.kind}" data-number="{place.level}" '
                f'data-label="{escaped(label)}" aria-label="{escaped(label)}">'
            )
        yield from self._blocks(area.start, area.end)
        if place is not None:
            yield "</section>"

    def _blocks(self, start: int, end: int) -> Iterator[str]:
        position = start
        for group, members in groupby(blocks(self._outline, start, end), key=lambda block: block.group):
            shown = list(members)
            numbers = self._number_columns(shown)
            if group >= 0:
                yield self._write(position, shown[0].start, ())
                position = shown[0].start
                yield self._opening(shown[0])
            for block in shown:
                yield self._write(position, block.start, ())
                yield self._row(block, numbers) if block.kind == "row" else self._block(block)
                position = block.end
            if group >= 0:
                yield "</div></div>"
        yield self._write(position, end, ())

    def _number_columns(self, shown: Sequence[Block]) -> frozenset[int]:
        """The columns of a table most of whose cells are numbers, which stand to the right then."""
        filled: Counter[int] = Counter()
        numbers: Counter[int] = Counter()
        rows = (block for block in shown if block.kind == "row" and not block.head)
        for row in islice(rows, _SAMPLE_ROWS):
            for column, (low, high) in enumerate(row.fields):
                if self._text[low:high].strip():
                    filled[column] += 1
                    numbers[column] += self._is_number(low, high)
        return frozenset(column for column in filled if numbers[column] > 0.6 * filled[column])

    def _opening(self, block: Block) -> str:
        if block.kind == "code":
            return '<div class="ob-doc-scroll" tabindex="0"><div class="ob-doc-code">'
        return '<div class="ob-doc-scroll" tabindex="0"><div class="ob-doc-table" role="table">'

    def _block(self, block: Block) -> str:
        kind = block.kind
        if kind == "code":
            return self._write(block.start, block.end, ())
        inside = self._write(block.start, block.end, self._styles(block))
        if kind == "rule":
            return f'<div class="ob-doc-rule" aria-hidden="true">{inside}</div>'
        if kind == "heading":
            return f'<h{block.level} class="ob-doc-heading">{inside}</h{block.level}>'
        flows = " ob-doc-flow" if block.flows else " ob-doc-columns" if self._has_columns(block) else ""
        depth = f' data-depth="{block.level}"' if kind == "item" else ""
        return f'<p class="ob-doc-{kind}{flows}"{depth}>{inside}</p>'

    def _row(self, block: Block, numbers: frozenset[int]) -> str:
        head = " ob-doc-row--head" if block.head else ""
        role = "columnheader" if block.head else "cell"
        parts = [f'<div class="ob-doc-row{head}" role="row">']
        cells = zip(block.cells, block.fields, strict=True)
        for column, ((start, end), (low, high)) in enumerate(cells):
            name = "ob-doc-cell ob-doc-number" if column in numbers else "ob-doc-cell"
            name += " ob-doc-short" if high - low <= _SHORT and not block.head else ""
            bars = ((start, low), (high, end))
            styles = [(first, last, "ob-doc-bar") for first, last in bars if first < last]
            inside = self._write(start, end, styles)
            parts.append(f'<span class="{name}" role="{role}">{inside}</span>')
        parts.append("</div>")
        return "".join(parts)

    def _has_columns(self, block: Block) -> bool:
        """Whether spaces align the lines of a paragraph, as in the output of a program."""
        if block.end - block.start > 20_000:
            return False
        return len(_GAP.findall(self._text, block.start, block.end)) > 1

    def _is_number(self, start: int, end: int) -> bool:
        return end - start <= 40 and _NUMBER.match(self._text[start:end]) is not None

    def _styles(self, block: Block) -> list[Style]:
        """Where markup is, so that it can be shown paler than the words."""
        if block.end - block.start > 50_000:
            return []
        text = self._text[block.start : block.end]
        if block.kind == "heading" and "\n" in text:
            return [
                (block.start + match.start(), block.start + match.end(), "ob-doc-markup")
                for match in _UNDERLINE.finditer(text)
            ]
        if not self._markdown or block.kind == "rule":
            return []
        return [
            (block.start + match.start(), block.start + match.end(), "ob-doc-markup")
            for match in _MARKUP.finditer(text)
            if match.end() > match.start()
        ]
