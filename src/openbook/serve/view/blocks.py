"""A document's text cut into the blocks that a reader sees: headings, paragraphs, items, rows, lines of code.

Blocks follow each other in the order of the text and do not overlap; between
them stands white space only, so that whoever writes blocks and the white space
between them has written every character. Only the marks and the lines decide.

Refused: parsing the text as Markdown again. Most documents are not Markdown,
and the text's characters must all be shown, markup included.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final, Literal, TypeAlias

from openbook.read.tables import find_layout
from openbook.types import Document, Mark

BlockKind: TypeAlias = Literal["heading", "paragraph", "item", "quote", "code", "row", "rule"]

PLACES: Final = ("page", "slide", "sheet", "cell")
_LEAVES: Final = ("heading", "table", "code")
_ITEM: Final = re.compile(r"([ \t]*)(?:[-*+•‣◦▪]|\(?(?:\d{1,3}|[a-zA-Z])[.)])[ \t]+\S")
_QUOTE: Final = re.compile(r"[ \t]{0,3}>")
_KEPT: Final = re.compile(r" {3}\S|\t\S| {2}$|\\$|^[ \t]*(?::\w|\|)")
"""A line whose spaces or end mean something: columns, indentation, a hard line end, a field, a row."""
_FLOWING: Final = 50
"""From this many characters on, a line of prose probably ended because it was full."""
_RULE: Final = re.compile(r"(?=[^\n]*-)[ \t|:+-]+\Z")
_PIPE: Final = re.compile(r"(?<!\\)(?:\\\\)*\|")
_LONGEST_QUOTED: Final = 100_000
_DELIMITED: Final = ("text/csv", "text/tab-separated-values")


@dataclass(frozen=True, slots=True)
class Block:
    """One block, at text[start:end].

    `level` is a heading's level or an item's depth. `flows` says that the line
    ends in it only say where lines were full. `group` is the offset of
    the table or code that a row or line is part of, -1 elsewhere. `cells` are
    the [start, end) of a row's cells, which cover all of it; `fields` are
    those of the words in them. `head` says that the row names the columns.
    """

    kind: BlockKind
    start: int
    end: int
    level: int = 0
    flows: bool = False
    group: int = -1
    head: bool = False
    cells: tuple[tuple[int, int], ...] = ()
    fields: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Area:
    """A stretch of the text, with the page, slide, sheet or cell that it is (part of), if any."""

    start: int
    end: int
    place: Mark | None = None


def areas(document: Document, start: int, end: int) -> Iterator[Area]:
    """Cut [start, end) where pages, slides, sheets and cells begin and end."""
    position = start
    for mark in document.marks:
        if mark.kind not in PLACES or mark.end <= position:
            continue
        if mark.start >= end:
            break
        first = max(mark.start, position)
        if first > position:
            yield Area(position, first)
        last = min(mark.end, end)
        if last > first:
            yield Area(first, last, mark)
            position = last
    if position < end:
        yield Area(position, end)


class Outline:
    """The headings, tables and blocks of code of a document, to be looked up by place."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self._marks = [mark for mark in document.marks if mark.kind in _LEAVES]
        self._starts = [mark.start for mark in self._marks]
        self._ends = list(accumulate((mark.end for mark in self._marks), max))

    def touching(self, start: int, end: int) -> Sequence[Mark]:
        """The marks that [start, end) touches, in order, and perhaps some before them."""
        return self._marks[bisect_right(self._ends, start) : bisect_left(self._starts, end)]


def blocks(outline: Outline, start: int, end: int) -> Iterator[Block]:
    """The blocks of [start, end). What a mark covers beyond these ends is left out."""
    document = outline.document
    text, position = document.text, start
    for mark in outline.touching(start, end):
        if mark.end <= position:
            continue
        if mark.start < position and position > start:
            continue  # inside a block that has been shown already
        first, last = max(mark.start, position), min(mark.end, end)
        if first >= last:
            continue
        yield from _prose(text, position, first)
        yield from _marked(document, mark, first, last)
        position = last
    yield from _prose(text, position, end)


def _marked(document: Document, mark: Mark, start: int, end: int) -> Iterator[Block]:
    if mark.kind == "heading":
        yield from _trimmed(document.text, Block("heading", start, end, level=min(max(mark.level, 1), 6)))
    elif mark.kind == "code":
        for first, last in _lines(document.text, start, end):
            yield Block("code", first, last, group=mark.start)
    else:
        yield from _rows(document, mark, start, end)


def _trimmed(text: str, block: Block) -> Iterator[Block]:
    """The block, unless it holds white space only."""
    if text[block.start : block.end].strip():
        yield block


def _lines(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """[start, end) of each line, its end included where the line is blank only between others."""
    while start < end:
        stop = text.find("\n", start, end)
        stop = end if stop < 0 else stop
        yield start, stop
        start = stop + 1


# Prose


def _prose(text: str, start: int, end: int) -> Iterator[Block]:
    """Paragraphs, list items and quotes between the marks."""
    group: list[tuple[int, int]] = []
    for first, last in _lines(text, start, end):
        line = text[first : min(last, first + 200)]
        if not line.strip() and not text[first:last].strip():
            if group:
                yield _paragraph(text, group)
            group = []
            continue
        if group and (_ITEM.match(line) or bool(_QUOTE.match(line)) != _quoted(text, group)):
            yield _paragraph(text, group)
            group = []
        group.append((first, last))
    if group:
        yield _paragraph(text, group)


def _quoted(text: str, group: Sequence[tuple[int, int]]) -> bool:
    return _QUOTE.match(text, group[0][0]) is not None


def _paragraph(text: str, group: Sequence[tuple[int, int]]) -> Block:
    start, end = group[0][0], group[-1][1]
    flows = _flows(text, group)
    if item := _ITEM.match(text, start, end):
        return Block("item", start, end, level=min(len(item[1].expandtabs(4)) // 2, 6), flows=flows)
    return Block("quote" if _quoted(text, group) else "paragraph", start, end, flows=flows)


def _flows(text: str, group: Sequence[tuple[int, int]]) -> bool:
    """Whether line ends are where lines were full, so that a reader's width may replace them."""
    if len(group) == 1:
        return False
    return all(last - first >= _FLOWING for first, last in group[:-1]) and not any(
        _KEPT.search(text[first : min(last, first + 1000)]) for first, last in group
    )


# Tables


def _rows(document: Document, mark: Mark, start: int, end: int) -> Iterator[Block]:
    text = document.text
    head_end = mark.start + len(mark.label)
    if document.media_type in _DELIMITED and (delimiter := _delimiter(text, mark)):
        yield from _delimited_rows(text, mark, (start, end), delimiter)
        return
    for first, last in _lines(text, start, end):
        if not text[first:last].strip():
            continue
        if last - first < 10_000 and _RULE.match(text[first:last]):
            yield Block("rule", first, last, group=mark.start)
            continue
        cells, fields = _pipe_cells(text, first, last)
        head = bool(mark.label) and first < head_end
        yield Block("row", first, last, group=mark.start, head=head, cells=cells, fields=fields)


def _delimiter(text: str, mark: Mark) -> str:
    layout = find_layout(text[mark.start : mark.start + 65_536])
    return layout.delimiter if layout is not None else ""


def _pipe_cells(
    text: str, start: int, end: int
) -> tuple[tuple[tuple[int, int], ...], tuple[tuple[int, int], ...]]:
    """The cells of a row of Markdown, each from its bar to the next, and the words in each."""
    bars = [match.end() - 1 for match in _PIPE.finditer(text, start, end)]
    edges = bars if bars and not text[start : bars[0]].strip() else [start, *bars]
    if len(edges) > 1 and not text[edges[-1] + 1 : end].strip():
        edges = edges[:-1]
    edges = [start, *edges[1:]] if edges else [start]
    cells = tuple(zip(edges, [*edges[1:], end], strict=True))
    return cells, tuple(_words(text, low, high) for low, high in cells)


def _words(text: str, start: int, end: int) -> tuple[int, int]:
    """Where the words of a cell are, without the bars and the spaces around them."""
    inside = text[start:end]
    bare = inside.lstrip(" \t|")
    low = end - len(bare)
    kept = bare.rstrip(" \t")
    if kept.endswith("|") and not kept.endswith("\\|"):
        kept = kept[:-1].rstrip(" \t")
    return low, low + len(kept)


def _delimited_rows(text: str, mark: Mark, within: tuple[int, int], delimiter: str) -> Iterator[Block]:
    start, end = within
    head_end = mark.start + len(mark.label)
    field = re.compile(
        rf'"(?:[^"]|""){{0,{_LONGEST_QUOTED}}}"[^{re.escape(delimiter)}\n]*|[^{re.escape(delimiter)}\n]*'
    )
    position = start
    while position < end:
        first, cells, fields = position, [], []
        while True:
            match = field.match(text, position, end)
            stop = match.end() if match else end
            closed = stop + 1 if stop < end and text[stop] == delimiter else stop
            cells.append((position, closed))
            fields.append(_unquoted(text, position, stop))
            position = closed
            if closed == stop:
                break
        if text[first:position].strip():
            head = bool(mark.label) and first < head_end
            yield Block(
                "row", first, position, group=mark.start, head=head, cells=tuple(cells), fields=tuple(fields)
            )
        position += 1  # the line end


def _unquoted(text: str, start: int, end: int) -> tuple[int, int]:
    if end - start > 1 and text[start] == '"' == text[end - 1]:
        return start + 1, end - 1
    return start, end
