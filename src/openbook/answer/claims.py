"""A model's text → its citations in one form, and the claims it makes.

Models are told to write [1] and write 【1】, [^1], [1, 2], (Source 1) and more.
All of these become [1], numbers that were never given disappear, and nothing
else of the text is touched: what stands in code is code, whatever it looks like.

Then the text is cut where a person would ask "says who?": sentences, list
items and rows. Headings, greetings, questions and words that only announce
what follows claim nothing.

Refused: reading "(1)" as a citation (it counts items far more often), and a
list of phrases for every language; an unknown greeting is then one claim too
many, which is better than a claim that nobody checks.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Final

from openbook.answer.sentences import Sentence, sentences

_FENCE: Final = re.compile(r"^[ \t>]*(`{3,}|~{3,})[^\n]*\n?", re.MULTILINE)
_INLINE: Final = re.compile(r"(?<!`)(`+)(?!`)(?:(?!\n\s*\n).)+?(?<!`)\1(?!`)", re.DOTALL)
_NAMED: Final = (
    r"(?:sources?|src|evidence|refs?\.?|references?|docs?|documents?|passages?|excerpts?|citations?|cite"
    r"|contexts?|snippets?|chunks?|notes?|quellen?|fuentes?|fontes?|fonti|bronn?(?:en)?|источники?)"
)
_BETWEEN: Final = r"(?:\s*(?:,|;|&|-|–|—|\band\b|\bto\b|\bund\b|\bet\b|\by\b)\s*|\s+)"
_NUMBERS: Final = rf"[\#^]?\d{{1,3}}(?:{_BETWEEN}[\^\#]?\d{{1,3}}(?!\d)){{0,40}}"
_DETAIL: Final = (
    r"(?:\s*[,:†]\s*(?:pp?\.?\s*\d[\d\s–-]*|L\d[\dL–-]*|source"
    r"|[^\[\]【】()\n†]{0,40}†[^\[\]【】()\n]{0,40}))?"
)
_CITATION: Final = re.compile(
    rf"""
    \[\s*+(?:{_NAMED}\s*+[:#]?\s*+(?:no\.?\s*+)?)?(?P<square>{_NUMBERS}){_DETAIL}\s*\](?:\([^()\s]*\))?
  | 【\s*+(?:{_NAMED}\s*+[:#]?\s*+)?(?P<wide>{_NUMBERS}){_DETAIL}\s*】
  | \(\s*+(?:see\s++)?{_NAMED}\s*+[:#]?\s*+(?:no\.?\s*+)?(?P<round>{_NUMBERS})\s*\)
    """,
    re.VERBOSE | re.IGNORECASE,
)
_RANGE: Final = re.compile(r"(\d+)\s*(?:-|–|—|\bto\b)\s*[\^#]?(\d+)|(\d+)", re.IGNORECASE)
_INDEXED: Final = re.compile(r"(?:(?<![\w'’])[b-z]|[^\W_]_\w*|\w\$\w+|\w\([^()]+\))$")
"""What an index follows: one small letter, a name with an underscore, `x$y`, `f(x)`; not `f()`."""

_NO_CLAIM: Final = re.compile(
    r"^\W*(?:"
    r"(?:yes|no|sure|ok(?:ay)?|of course|certainly|absolutely|great question|good question|hello|hi|hey"
    r"|thanks?|thank you|you're welcome|ja|nein|oui|non|sí|si)\W*$"
    r"|(?:hello|hi|hey|dear)\b[^.\d]{0,30}$"
    r"|(?:sure|certainly|of course|great question|good question)\b[^.\d]{0,60}\bhelp\b"
    r"|i hope (?:this|that|it)\b|let me know\b|feel free\b|(?:please )?do(?:n't| not) hesitate\b"
    r"|(?:(?:here|below|following) (?:is|are)|here's) (?:the|an?|some|how|what)\b[^.\d]{0,60}$"
    r"|i(?:'d be| am|'m) happy to\b|(?:i will|i'll|let's|let us)\b[^.\d]{0,60}$"
    r"|(?:based on|according to) (?:the |your )?[\w ]{0,40}$"
    r")",
    re.IGNORECASE,
)
_ABOUT_SOURCES: Final = re.compile(
    r"^\W*(?:however,? |but |unfortunately,? )?(?:the |your |these |this |none of the )?(?:\w+ )?"
    r"(?:documents?|documentation|evidence|sources?|texts?|passages?|contexts?|excerpts?)\b[^.]{0,40}?"
    r"\b(?:do not|does not|don't|doesn't|did not|didn't|no(?:thing)?|not|nothing|never|lacks?)\b"
    r"[^.]{0,30}?\b(?:say|mention|state|contain|provide|specify|include|describe|explain|cover|give|information"
    r"|answer|discuss|address|clear|details?)",
    re.IGNORECASE,
)
_REFERENCES: Final = re.compile(
    r"^\W*(?:sources?|references?|citations?|footnotes?|quellen|fuentes|fonti|bronnen|источники)\W*$",
    re.IGNORECASE,
)
_OPENING: Final = re.compile(r"(?:[\s>*_+•‣-]|\d{1,3}[.)])*(?P<markers>(?:\[\d{1,3}\][ \t:*_]*)+)")
_BEHIND: Final = re.compile(r"(?:[ \t]*+\[\d{1,3}\])+")
_QUESTION_MARKS: Final = ("?", "？", "؟")
_ENDS: Final = ".!?:;…。！？：；"
_COUNT: Final = re.compile(r"\(?(?:\d{1,3}|[a-zA-Z])[.)][ \t]+(?=\S)")
_LONGEST_TITLE = 9


@dataclass(frozen=True, slots=True)
class Marker:
    """A [number] at text[start:end]."""

    start: int
    end: int
    number: int


@dataclass(frozen=True, slots=True)
class CitedText:
    """A text whose citations all read [n], where they stand, and how many of unknown numbers are gone."""

    text: str
    markers: tuple[Marker, ...] = ()
    removed: int = 0


@dataclass(frozen=True, slots=True)
class Statement:
    """A claim as it was written: text[start:end] without the markers behind it.

    `numbers` are those of the markers in it or right behind it. `nearby` are
    those of the next markers in its paragraph: a writer who cites once, at the
    end, means all of it, but only what holds under checking is cited.
    """

    start: int
    end: int
    numbers: tuple[int, ...] = ()
    nearby: tuple[int, ...] = ()
    markers: tuple[Marker, ...] = ()


# -- citations -------------------------------------------------------------------


def parse_citations(text: str, known_numbers: Collection[int]) -> CitedText:
    """Bring every citation into the form [n]; leave out and count numbers that are not known."""
    known = set(known_numbers)
    code = code_spans(text)
    parts: list[str] = []
    markers: list[Marker] = []
    removed = length = last = 0
    behind_index = -1
    for match in _CITATION.finditer(text):
        if any(start <= match.start() < end for start, end in code):
            continue
        if match.start() == behind_index or _no_citation(text, match):
            # "m[1][2]": what follows an index is one too.
            behind_index = match.end()
            continue
        numbers, lost = _numbers(match[match.lastgroup or "square"], known)
        removed += lost
        parts.append(text[last : match.start()])
        length += len(parts[-1])
        last = match.end()
        if not numbers:
            last = _close_up(text, parts, last)
            length = sum(map(len, parts))
        for number in numbers:
            mark = f"[{number}]"
            markers.append(Marker(length, length + len(mark), number))
            parts.append(mark)
            length += len(mark)
    return CitedText("".join(parts) + text[last:], tuple(markers), removed)


def code_spans(text: str) -> list[tuple[int, int]]:
    """Where the text is code: between fences (to the end, where one is never closed) and backticks."""
    spans: list[tuple[int, int]] = []
    position = 0
    while opening := _FENCE.search(text, position):
        closing = re.compile(rf"^[ \t>]*{opening[1][0]}{{{len(opening[1])},}}[ \t]*$", re.MULTILINE)
        found = closing.search(text, opening.end())
        position = found.end() if found else len(text)
        spans.append((opening.start(), position))
    fenced = list(spans)
    for match in _INLINE.finditer(text):
        if not any(start < match.end() and match.start() < end for start, end in fenced):
            spans.append(match.span())
    return sorted(spans)


def _no_citation(text: str, match: re.Match[str]) -> bool:
    """Whether the brackets are an index, an interval, an editor's year or a list of numbers from 0."""
    inside = match["square"]
    if inside is None:
        return False
    before = text[max(match.start() - 40, 0) : match.start()]
    plain = match.group().lstrip("[ ")[:1].isdigit()
    if plain and before.endswith("[") and text[match.end() : match.end() + 1] == "]":
        return bool(re.search(r"\w\[$", before))
    if plain and _INDEXED.search(before):
        return True
    return bool(re.search(r"[,;-]", inside)) and bool(re.search(r"(?<!\d)0(?!\d)", inside))


def _numbers(inside: str, known: set[int]) -> tuple[list[int], int]:
    """The known numbers of a marker, in order and once each, and how many were not known."""
    found: dict[int, None] = {}
    for low, high, single in _RANGE.findall(inside):
        ends = sorted((int(low), int(high))) if low else [int(single), int(single)]
        found.update(dict.fromkeys(range(ends[0], ends[1] + 1)))
    numbers = [number for number in found if number in known]
    return numbers, len(found) - len(numbers)


def _close_up(text: str, parts: list[str], last: int) -> int:
    """Close the gap that a marker leaves when it is taken away; return where the text goes on."""
    after = text[last : last + 1]
    written = "".join(parts[-2:])
    if written.endswith((" ", "\t")) and (not after or after in " \t\n.,;:!?)]。，"):
        while parts and not parts[-1].rstrip(" \t"):
            parts.pop()
        if parts:
            parts[-1] = parts[-1].rstrip(" \t")
    elif (not written or written.endswith("\n")) and after in (" ", "\t"):
        return last + 1
    return last


# -- claims ------------------------------------------------------------------------


def cut_statements(cited: CitedText, language: str = "") -> list[Statement]:
    """The claims of a text, in order, each with the numbers that it cites.

    A marker belongs to the sentence that it stands in or right behind; at the
    beginning of a line ("[1] says that …") to the one that it begins.
    """
    plain = _masked(cited)
    units = [unit for unit in sentences(plain, language) if unit.kind in ("prose", "item", "row")]
    owned = _owners(plain, units, cited.markers)
    statements: list[Statement] = []
    in_references = False
    for unit, markers in zip(units, owned, strict=True):
        words = plain[unit.start : unit.end]
        if _REFERENCES.match(words):
            in_references = True
        if in_references or not _claims(plain, unit, cited=bool(markers)):
            continue
        numbers = tuple(dict.fromkeys(marker.number for marker in markers))
        count = _COUNT.match(plain, unit.start, unit.end) if unit.kind == "item" else None
        start = count.end() if count else unit.start  # "2." counts the items and claims nothing
        statements.append(Statement(start, unit.end, numbers, (), tuple(markers)))
    return _with_nearby(plain, statements)


def _masked(cited: CitedText) -> str:
    """The text with blanks for markers, of the same length; a line that one begins is an item of a list."""
    masked = list(cited.text)
    for marker in cited.markers:
        line = cited.text.rfind("\n", 0, marker.start) + 1
        opens = not "".join(masked[line : marker.start]).strip()
        masked[marker.start : marker.end] = ("-" if opens else " ").ljust(marker.end - marker.start)
    return "".join(masked)


def _owners(plain: str, units: Sequence[Sentence], markers: Sequence[Marker]) -> list[list[Marker]]:
    owned: list[list[Marker]] = [[] for _ in units]
    for marker in markers:
        line = plain.rfind("\n", 0, marker.start) + 1
        stop = plain.find("\n", marker.end)
        opens = not re.sub(r"^[\s>]*(?:[-*+•]|\d{1,3}[.)])?", "", plain[line : marker.start]).strip(" *_([")
        rest = plain[marker.end : stop if stop >= 0 else len(plain)].strip(" .,;*_)]-")
        before = [place for place, unit in enumerate(units) if unit.start <= marker.start]
        after = [place for place, unit in enumerate(units) if unit.start > marker.start]
        if opens and rest and after:
            owned[after[0]].append(marker)
        elif before:
            owned[before[-1]].append(marker)
        elif after:
            owned[after[0]].append(marker)
    return owned


def _claims(plain: str, unit: Sentence, *, cited: bool) -> bool:
    """Whether a sentence says something that can be checked. What is cited says something."""
    words = plain[unit.start : unit.end].strip()
    bare = words.strip("*_`#>- \t\"'“”")
    if not any(character.isalnum() for character in bare) or bare.endswith(_QUESTION_MARKS):
        return False
    if unit.kind == "row" and _is_table_head(plain, unit):
        return False
    if cited:
        return True
    if bare.endswith((":", "：")) or _NO_CLAIM.match(bare) or _ABOUT_SOURCES.match(bare):
        return False
    return not _is_title(plain, unit, words)


def _is_table_head(plain: str, unit: Sentence) -> bool:
    following = plain[unit.end :].lstrip(" \t").removeprefix("\n").split("\n", 1)[0]
    return bool(re.fullmatch(r"(?=[\s|:+=]*-)[\s|:+=-]*", following)) and "|" in following


def _is_title(plain: str, unit: Sentence, words: str) -> bool:
    """A short line of its own, in bold or followed by more, without an end: a heading without marks.

    The one line that an answer consists of is no title, however short.
    """
    if unit.kind != "prose" or words.rstrip("*_")[-1:] in _ENDS or len(words.split()) > _LONGEST_TITLE:
        return False
    line = plain[plain.rfind("\n", 0, unit.start) + 1 : unit.start].strip(" *_>")
    after = plain[unit.end :]
    rest = after.strip()
    return not line and after.lstrip(" \t*_").startswith("\n") and bool(rest)


def _with_nearby(plain: str, statements: Sequence[Statement]) -> list[Statement]:
    """Uncited claims with the numbers cited next in their paragraph."""
    result = list(statements)
    for place in range(len(result) - 2, -1, -1):
        here, following = result[place], result[place + 1]
        if not here.numbers and not _apart(plain[here.end : following.start]):
            result[place] = replace(here, nearby=following.numbers or following.nearby)
    return result


def _apart(between: str) -> bool:
    return "\n" in between.strip(" \t") and bool(re.search(r"\n\s*(?:\n|[-*+•]\s|\d{1,3}[.)]\s|\|)", between))


def markers_before(text: str, start: int) -> int:
    """Where the markers begin that stand in front of text[start:] and open its line; `start` if none do."""
    line = text.rfind("\n", 0, start) + 1
    match = _OPENING.fullmatch(text, line, start)
    return match.start("markers") if match else start


def markers_behind(text: str, end: int) -> int:
    """Where the markers that stand right behind text[:end] stop; `end` where there are none."""
    match = _BEHIND.match(text, end)
    return match.end() if match else end
