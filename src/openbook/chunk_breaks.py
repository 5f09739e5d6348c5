"""Where a text may be cut, and how much each cut would hurt.

Every line is a candidate, a sentence inside a long line too, and inside a
sentence that is too long for a chunk the boundaries that Unicode defines. The
cost says what would be torn apart: nothing at a heading, little at a blank
line, much inside a block of code or behind the header row of a table.

Refused: CommonMark parsing a second time. The reader's marks say where
headings, code and tables are, and they are the same for every format.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from openbook.types import Mark

_LINE = re.compile(r"[^\n]*\S[^\n]*")
_BULLET = re.compile(r"[ \t]*(?:[-*+•–]|\(?(?:\d{1,3}|[a-zA-Z])[.)])[ \t]+\S")
_RULE_ROW = re.compile(r"[\s|:+=-]+$")
_CODE_END = re.compile(r"\s*(?:`{3,}|~{3,}|[)\]};,]+|end)\s*$")
_SENTENCE_END = re.compile(r"[.!?…][\"'”’)\]]*\s+(?=\S)|[。！？｡]+[」』”）]*(?=\S)")

_ZERO_WIDTH_JOINER = "\u200d"
_JOINERS = frozenset([_ZERO_WIDTH_JOINER, *map(chr, range(0x1F3FB, 0x1F400))])

# Against a chunk's price of up to 1 for the room it leaves unused (`chunk_packing`). With these, 1 of
# the 1,070 blocks of code in a book of 39 chapters that fit into a chunk is torn.
HEADING_COST = 0.0
CELL_COST = 0.02
PARAGRAPH_COST = 0.05
ITEM_COST = 0.12
ROW_COST = 0.1
LINE_COST = 0.2
SENTENCE_COST = 0.3
WORD_COST = 0.7
CODE_GAP_COST = 0.45
CODE_LINE_COST = 0.65
INTRODUCED_COST = 0.2
FIRST_ROW_COST = 0.8
DEEPEST_INDENT = 16
INDENT_COST = 0.2


@dataclass(frozen=True, slots=True)
class Break:
    """A place where a chunk may start, and the cost of cutting there."""

    start: int
    cost: float


class Blocks:
    """The marks inside a document that decide what may be torn apart."""

    def __init__(self, marks: Sequence[Mark]) -> None:
        kinds = ("code", "table", "row")
        self._spans = {kind: _Spans([mark for mark in marks if mark.kind == kind]) for kind in kinds}
        self._cells = {mark.start for mark in marks if mark.kind == "cell"}

    def table_at(self, position: int) -> Mark | None:
        """The table that a chunk starting at `position` continues, if any."""
        return self._spans["table"].around(position)

    def cost(self, text: str, start: int, end: int, after_blank: bool) -> float | None:
        """Cost of a cut before the line at `start`; None where there must be none."""
        if start in self._cells:
            return CELL_COST
        if self._spans["row"].around(start) is not None:
            return None
        if (table := self._spans["table"].around(start)) is not None:
            return _row_cost(text, table, start, end)
        line = text[start : min(end, start + 200)]
        indent = INDENT_COST * min(len(line) - len(line.lstrip()), DEEPEST_INDENT) / DEEPEST_INDENT
        if self._spans["code"].around(start) is not None:
            if _CODE_END.match(line):
                return None
            return indent + (CODE_GAP_COST if after_blank else CODE_LINE_COST)
        announced = text[max(0, start - 80) : start].rstrip().endswith((":", "："))
        introduced = INTRODUCED_COST if announced else 0.0
        if after_blank:
            return PARAGRAPH_COST + indent + introduced
        return (ITEM_COST if _BULLET.match(line) else LINE_COST) + indent + introduced


class _Spans:
    """Spans of one kind, asked for the one that strictly holds a position."""

    def __init__(self, marks: list[Mark]) -> None:
        self._marks = marks
        self._starts = [mark.start for mark in marks]

    def around(self, position: int) -> Mark | None:
        index = bisect_right(self._starts, position) - 1
        if index < 0:
            return None
        mark = self._marks[index]
        return mark if mark.start < position < mark.end else None


def _row_cost(text: str, table: Mark, start: int, end: int) -> float | None:
    if _RULE_ROW.match(text, start, end):
        return None
    above = text[table.start : min(start, table.start + 4 * len(table.label) + 200)].strip("\n")
    rows_above = sum(1 for row in above.split("\n") if not _RULE_ROW.match(row))
    return FIRST_ROW_COST if table.label and rows_above <= 1 else ROW_COST


def find_breaks(text: str, start: int, end: int, *, blocks: Blocks, long_line: int) -> Iterator[Break]:
    """Every place in text[start:end] where a chunk may start, in order.

    Lines of more than `long_line` characters are opened up at their
    sentences. The first break is always the first line that is not blank.
    """
    first = True
    previous_end = start
    for match in _LINE.finditer(text, start, end):
        after_blank = text.count("\n", previous_end, match.start()) > 1
        cost = blocks.cost(text, match.start(), match.end(), after_blank)
        if first or cost is not None:
            yield Break(match.start(), HEADING_COST if cost is None else cost)
        first = False
        previous_end = match.end()
        if match.end() - match.start() > long_line and blocks.table_at(match.start() + 1) is None:
            for sentence in _SENTENCE_END.finditer(text, match.start(), match.end()):
                if text[sentence.end() : match.end()].strip():
                    yield Break(sentence.end(), SENTENCE_COST)


def finer_breaks(text: str, start: int, end: int, *, characters: int) -> list[Break]:
    """Breaks inside text[start:end], at most about `characters` apart.

    For a stretch that is too long for a chunk and has no lines or sentences:
    cells of a wide table row, minified code, unpunctuated speech.
    """
    from semantic_text_splitter import TextSplitter

    splitter = TextSplitter(characters, trim=True)
    found: list[Break] = []
    # Short windows: the splitter's time grows faster than the length of text without spaces.
    while start < end:
        stop = min(end, start + 20 * characters)
        if stop < end:
            stop = max(text.rfind(" ", start + 1, stop) + 1, start + 1) if " " in text[start:stop] else stop
        found += [
            Break(start + offset, WORD_COST)
            for offset, _ in splitter.chunk_indices(text[start:stop])
            if not _inside_character(text, start + offset)
        ]
        start = stop
    return found


def _inside_character(text: str, position: int) -> bool:
    """Whether a cut here would part a letter from its accents, or a joined emoji."""
    if position == 0 or position >= len(text):
        return False
    joins = text[position] in _JOINERS or text[position - 1] == _ZERO_WIDTH_JOINER
    return joins or unicodedata.category(text[position]).startswith("M")
