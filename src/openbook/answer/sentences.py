"""Text → sentences with exact offsets, for quoting.

A document is not only prose: headings, list items, table rows, blocks of code
and lines of data are units of their own, and a quote that runs from a heading
into a table is no quote. So lines are sorted into blocks first, and only prose
is searched for the ends of sentences.

Refused: pysbd (it changes the text it splits, so offsets have to be searched
for again, and it is slow), statistical models (a download, for a small gain),
and Unicode's default rule alone, which ends a sentence after every "Dr. ".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, TypeAlias

from openbook.answer.abbreviations import NEVER_LAST, SOMETIMES_LAST, STARTERS

SentenceKind: TypeAlias = Literal["prose", "heading", "item", "row", "code"]

_FENCE = re.compile(r"[ \t]*(`{3,}|~{3,})")
_HEADING = re.compile(r"[ \t]{0,3}#{1,6}[ \t]+\S")
_UNDERLINE = re.compile(r"[ \t]{0,3}(?:={3,}|-{3,}|~{3,}|\^{3,})[ \t]*$")
_MARKER = re.compile(r"[ \t]*(?:>[ \t]?)*[ \t]*(?:[-*+•‣–][ \t]+(?:\[[ xX]\][ \t]+)?)?")
_ITEM = re.compile(r"[ \t]*+(?:>[ \t]?)*+[ \t]*+(?:[-*+•‣]|\(?(?:\d{1,3}|[a-zA-Z])[.)])[ \t]+\S")
_PIPE_ROW = re.compile(r"[ \t]*\|.*\|[ \t]*$|[^|\n]+(?:\s\|\s[^|\n]*){2,}$")
_RULE_ROW = re.compile(r"(?=[\s|:+=]*-)[\s|:+=-]*$")
_TIGHT_COMMA = re.compile(r"(?<!\d),(?=\S)|,(?=[^\s\d])")
_PROSE = re.compile(r"\w{3}\s?[.!?] +[A-Z]")
_LONGEST_ROW = 2_000
_STAMP = re.compile(r"[ \t]*[\[(]?(?:\d{4}[-/.]\d\d|\d\d?[:/.]\d\d[:/. ]|[A-Z][a-z]{2} [ \d]\d \d\d:)")
_DIRECTIVE = re.compile(r"[ \t]*(?:#\||:{3,}|\.\. \w)")

_CLOSERS = r"""(?:[ ]?''|[ ]"(?=\s|$)|["'”’»›)\]}*_`]|\[\^?[\w-]{1,24}\]|[¹²³⁰⁴-⁹])*"""
_WIDE_END = "。！？｡．"
_OTHER_END = "।॥؟۔։።។။།"
_END = re.compile(
    rf"(?P<mark>(?<![.!?…‽])[.!?…‽]+|(?<![{_OTHER_END}])[{_OTHER_END}]+){_CLOSERS}(?=\s|$)"
    rf"|[{_WIDE_END}]+[」』”’）】〉》\s]*"
)
"""Begins at the first of several marks alone, so that a long row of them is read once."""
_INLINE_CODE = re.compile(r"(`+)(?![`\s])[^`\n]*?(?<!\s)\1(?!`)")
_WORD_BEFORE = re.compile(r"[\w.'’-]+$")
_WORD_AFTER = re.compile(r"[^\w]*(\w+)")
_OPENERS = "\"'“‘«‹([{*_`"
_THAI = re.compile(r"[\u0e00-\u0e7f\u0e80-\u0eff]")
_LONG_THAI = 160


@dataclass(frozen=True, slots=True)
class Sentence:
    """A unit that can be quoted by itself: text[start:end], and what kind of thing it is."""

    start: int
    end: int
    kind: SentenceKind


def split_sentences(text: str, language: str = "") -> list[tuple[int, int]]:
    """Exact (start, end) spans of the sentences of `text`, in order, none blank.

    Headings, list items, table rows, lines of data and whole blocks of code
    count as sentences. List markers and the rules of tables belong to none.
    `language` (ISO 639-1) matters only where a rule differs.
    """
    return [(sentence.start, sentence.end) for sentence in sentences(text, language)]


def sentences(text: str, language: str = "") -> list[Sentence]:
    """The sentences of `text` with their kinds. See split_sentences."""
    found: list[Sentence] = []
    for start, end, kind in _blocks(text):
        if kind in ("prose", "item"):
            found += [Sentence(a, b, kind) for a, b in _split_prose(text, start, end, language)]
        else:
            found += [Sentence(a, b, kind) for a, b in [_stripped(text, start, end)] if a < b]
    return found


@dataclass(slots=True)
class _Line:
    start: int
    end: int
    text: str


def _lines(text: str) -> Iterator[_Line]:
    start = 0
    for line in text.split("\n"):
        yield _Line(start, start + len(line), line)
        start += len(line) + 1


def _blocks(text: str) -> Iterator[tuple[int, int, SentenceKind]]:
    """Spans of blocks; prose and items are cut further, the other kinds are units."""
    lines = list(_lines(text))
    index = _code_from_before(lines)
    if index:
        yield 0, lines[index - 1].end, "code"
    while index < len(lines):
        line = lines[index]
        following = lines[index + 1].text if index + 1 < len(lines) else ""
        if not line.text.strip():
            index += 1
        elif fence := _FENCE.match(line.text):
            stop = _fence_end(lines, index, fence.group(1))
            yield line.start, lines[stop].end, "code"
            index = stop + 1
        elif _HEADING.match(line.text):
            yield line.start, line.end, "heading"
            index += 1
        elif _UNDERLINE.match(following) and not _is_unit(line.text) and not _ITEM.match(line.text):
            yield line.start, line.end, "heading"
            index += 2
        elif _RULE_ROW.match(line.text) or _DIRECTIVE.match(line.text):
            index += 1
        elif _is_row(line.text):
            yield line.start, line.end, "row"
            index += 1
        else:
            stop = _paragraph_end(lines, index)
            yield from _paragraph(lines[index:stop])
            index = stop


def _code_from_before(lines: list[_Line]) -> int:
    """How many lines belong to a block of code that began before the text, as in a chunk cut inside one.

    Then the first fence closes it: it names no language, and either the next
    fence does, or there is no other and it follows a line that reads as code.
    """
    fences = [index for index, line in enumerate(lines) if _FENCE.match(line.text)]
    if not fences or lines[fences[0]].text.strip(" \t`~"):
        return 0
    first = fences[0]
    if len(fences) > 1:
        closes = len(fences) % 2 == 1 and bool(lines[fences[1]].text.strip(" \t`~"))
    else:
        before = next((line.text.rstrip() for line in reversed(lines[:first]) if line.text.strip()), "")
        closes = bool(before) and not before.endswith((".", ":", "?", "!", "：", "。"))
    return first + 1 if closes else 0


def _fence_end(lines: list[_Line], index: int, fence: str) -> int:
    """Index of the line that closes the block of code; the last line if none does."""
    for stop in range(index + 1, len(lines)):
        stripped = lines[stop].text.strip()
        if stripped.startswith(fence) and not stripped.strip(fence[0]):
            return stop
    return len(lines) - 1


def _paragraph_end(lines: list[_Line], index: int) -> int:
    stop = index + 1
    while stop < len(lines):
        text = lines[stop].text
        if not text.strip() or _starts_block(text):
            break
        if stop + 1 < len(lines) and _UNDERLINE.match(lines[stop + 1].text) and len(text) <= 100:
            break
        stop += 1
    return stop


def _starts_block(text: str) -> bool:
    return bool(_FENCE.match(text) or _HEADING.match(text) or _ITEM.match(text) or _is_unit(text))


def _is_row(text: str) -> bool:
    """Whether the line is a row of a table or a record of data, and not prose with commas in it."""
    if len(text) > _LONGEST_ROW or _PROSE.search(text):
        return False
    stripped = text.strip()
    if "\t" in stripped or stripped.count(";") >= 3 or _PIPE_ROW.match(text):
        return True
    tight = len(_TIGHT_COMMA.findall(stripped))
    return tight >= 2 and tight > stripped.count(", ")


def _is_unit(text: str) -> bool:
    return bool(_is_row(text) or _RULE_ROW.match(text) or _STAMP.match(text) or _DIRECTIVE.match(text))


def _paragraph(lines: list[_Line]) -> Iterator[tuple[int, int, SentenceKind]]:
    """A paragraph, cut where a line was not simply wrapped to the next one."""
    first = lines[0]
    kind: SentenceKind = "item" if _ITEM.match(first.text) else "prose"
    marker = _MARKER.match(first.text)
    start = first.start + (marker.end() if marker else 0)
    width = max(len(line.text) for line in lines)
    for line, following in pairwise(lines):
        if not _wrapped(line.text, following.text, width):
            yield start, line.end, kind
            start = following.start
    yield start, lines[-1].end, kind


def _wrapped(line: str, following: str, width: int) -> bool:
    """Whether the line break stands for a space: the next word did not fit, or goes on in lower case."""
    opening = following.lstrip(" \t>")
    if opening[:1].islower() or line.rstrip().endswith((",", "-", "–", "(")):
        return True
    word = re.match(r"\S*", opening)
    return len(line) + 1 + len(word.group() if word else "") > 0.8 * width


def _split_prose(text: str, start: int, end: int, language: str) -> Iterator[tuple[int, int]]:
    code = [match.span() for match in _INLINE_CODE.finditer(text, start, end)]
    begin = start
    for match in _END.finditer(text, start, end):
        if match.end() >= end or any(a < match.start() < b - 1 for a, b in code):
            continue
        if match["mark"] is None or _ends(text, begin, match, end, language):
            yield from _pieces(text, begin, match.end())
            begin = match.end()
    yield from _pieces(text, begin, end)


def _pieces(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """The sentence itself, or its clauses where a script marks no sentence ends but by spaces."""
    start, end = _stripped(text, start, end)
    if end - start > _LONG_THAI and _THAI.search(text, start, end):
        for gap in re.finditer(r"\s+", text[start:end]):
            if gap.start() + start - start >= _LONG_THAI // 2 and _THAI.match(text, start + gap.end()):
                middle = start + gap.start()
                yield start, middle
                yield from _pieces(text, middle, end)
                return
    if start < end:
        yield start, end


def _ends(text: str, begin: int, match: re.Match[str], end: int, language: str) -> bool:
    """Whether the mark ends a sentence, judged by the words on both sides of it."""
    mark = match["mark"]
    after = text[match.end() : min(match.end() + 80, end)]
    opening = after.lstrip().lstrip(_OPENERS)
    if opening.startswith((",", ";", ":")):
        return False
    if text[match.start() - 1 : match.start()].isspace() and len(mark) == 1:
        # "word . Next": the text is tokenised, and abbreviations keep their full stop attached.
        return not opening.startswith((")", "."))
    if mark != ".":
        return not opening[:1].islower()
    found = _WORD_BEFORE.search(text[max(begin, match.start() - 40) : match.start()])
    word = found.group() if found else ""
    lowered = word.lower().lstrip("-'’")
    alone = text[begin : match.start()].strip(" \t\n(*_") == word
    capital = len(word) == 1 and word.isupper()
    if (lowered in NEVER_LAST and not capital) or (alone and _enumerator(word)):
        return False
    if lowered in SOMETIMES_LAST or _is_initial(word) or _is_ordinal(word, language):
        following = _WORD_AFTER.match(after)
        return following is not None and following.group(1).lower() in STARTERS and opening[:1].isupper()
    gap = after[: len(after) - len(after.lstrip())]
    return not opening[:1].islower() or "\n" in gap


def _enumerator(word: str) -> bool:
    """A number or letter that can count a list's items: "3", "iv", "B", "2.1"."""
    return bool(re.fullmatch(r"\d{1,3}(?:\.\d{1,3})*|[a-zA-Z]|[ivxIVX]{1,5}", word))


def _is_initial(word: str) -> bool:
    return bool(re.fullmatch(r"(?:[^\W\d_]\.)*[^\W\d_]", word))


def _is_ordinal(word: str, language: str) -> bool:
    return language in ("de", "da", "no", "nb", "fi", "cs", "hu") and word.isdigit() and len(word) <= 2


def _stripped(text: str, start: int, end: int) -> tuple[int, int]:
    piece = text[start:end]
    return start + len(piece) - len(piece.lstrip()), start + len(piece.rstrip())
