"""What an answer still announces after what it announced has been taken away.

Dropping a claim can leave "It is:" with nothing behind it, a heading over no
text, or the head of a table without rows. They claim nothing, so no check
drops them, and a reader takes them for an answer that was cut off.

Refused: judging whether a lead-in still fits what is left of its list. One item
that holds is enough for it to stay.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Final, TypeAlias

from openbook.answer.sentences import split_sentences

Span: TypeAlias = tuple[int, int]
"""[start, end) of a text."""

_HEADING: Final = re.compile(r"[ \t]{0,3}(#{1,6})[ \t]")
_ITEM: Final = re.compile(r"([ \t>]*)(?:[-*+•‣]|\(?(?:\d{1,3}|[a-zA-Z])[.)])[ \t]")
_RULE: Final = re.compile(r"(?=[ \t|:+=]*-)[ \t|:+=-]*\Z")
_COLONS: Final = (":", "：")


@dataclass(slots=True)
class _Line:
    """A line of the answer; `rest` is what the cuts leave of it."""

    start: int
    end: int
    text: str
    rest: str
    gone: bool

    @property
    def is_row(self) -> bool:
        return self.text.strip().startswith("|")

    @property
    def depth(self) -> int:
        """How far an item is indented; -1 where the line is none."""
        match = _ITEM.match(self.text)
        return len(match[1].expandtabs(4)) if match else -1


def leftovers(text: str, cuts: Sequence[Span], kept: Collection[Span]) -> list[Span]:
    """Spans of `text` that announce nothing but what `cuts` take away. What overlaps `kept` stays.

    Lines that go whole go with the blank lines behind them where blank lines stand in front.
    """
    lines = _lines(text, cuts)
    spans: list[Span] = []
    for index in range(len(lines) - 1, -1, -1):
        line = lines[index]
        if not line.rest.strip():
            continue
        block = _announced(lines, index)
        if not any(one.gone for one in block) or any(one.rest.strip() for one in block):
            continue
        start = _lead_in(line)
        if any(start < high and low < line.end for low, high in kept):
            continue
        if start > line.start:
            spans.append((start, line.start + len(line.text.rstrip())))
        else:
            line.rest, line.gone = "", True
            if index + 1 < len(lines) and _is_table_head(lines, index):
                lines[index + 1].rest, lines[index + 1].gone = "", True
    return [*spans, *_whole_lines(lines)]


def _lead_in(line: _Line) -> int:
    """Where the last sentence of a line begins, with the gap before it; the line, if nothing else is left."""
    sentences = split_sentences(line.text)
    if len(sentences) < 2:
        return line.start
    last = sentences[-1][0]
    before = line.rest.rstrip().removesuffix(line.text[last:].rstrip())
    if not _ITEM.sub("", before).strip():
        return line.start
    return line.start + len(line.text[:last].rstrip())


def _lines(text: str, cuts: Sequence[Span]) -> list[_Line]:
    """The lines with what is left of them. One that had text and keeps no word and no mark is gone."""
    lines: list[_Line] = []
    start = 0
    for words in text.split("\n"):
        end = start + len(words)
        inside = sorted((max(low, start), min(high, end)) for low, high in cuts if low < end and high > start)
        parts, position = [], start
        for low, high in inside:
            parts.append(text[position : max(low, position)])
            position = max(position, high)
        rest = "".join([*parts, text[position:end]])
        gone = bool(inside) and not rest.strip()
        lines.append(_Line(start, end, words, rest, gone))
        start = end + 1
    return lines


def _announced(lines: Sequence[_Line], index: int) -> list[_Line]:
    """The lines that a heading, a lead-in or the head of a table announces; none for any other line."""
    line = lines[index]
    following = list(lines[index + 1 :])
    if heading := _HEADING.match(line.text):
        level = len(heading[1])
        return _until(
            following, lambda one: not one.gone and (m := _HEADING.match(one.text)) and len(m[1]) <= level
        )
    if _is_table_head(lines, index):
        return _until(following[1:], lambda one: not one.is_row)
    if not line.rest.rstrip(" \t\r*_").endswith(_COLONS):
        return []
    while following and not following[0].text.strip():
        following.pop(0)
    if not following:
        return []
    first = following[0]
    if first.is_row:
        return _until(following, lambda one: not one.is_row)
    if first.depth > line.depth:
        return _until(
            following,
            lambda one: (
                one.text.strip()
                and (one.depth <= line.depth if one.depth >= 0 else not one.text.startswith((" ", "\t")))
            ),
        )
    return [] if first.depth >= 0 else _until(following, lambda one: not one.text.strip())


def _is_table_head(lines: Sequence[_Line], index: int) -> bool:
    following = lines[index + 1].text if index + 1 < len(lines) else ""
    return lines[index].is_row and "|" in following and bool(_RULE.match(following))


def _until(lines: Sequence[_Line], stop: Callable[[_Line], object]) -> list[_Line]:
    return list(takewhile(lambda line: not stop(line), lines))


def _whole_lines(lines: Sequence[_Line]) -> list[Span]:
    """Spans of the lines that are gone, and of the blank lines that would stand doubled."""
    spans: list[Span] = []
    blank_before = True
    for line in lines:
        blank = not line.text.strip()
        if line.gone or (blank and blank_before and spans and spans[-1][1] == line.start):
            spans.append((line.start, line.end + 1))
        else:
            blank_before = blank
    return spans
