"""How a place in a document is written for people, and which part of its text is shown."""

from __future__ import annotations

import re
from typing import Final

from openbook.cli.safe_text import one_line

SNIPPET: Final = 300
"""Characters of a hit that are shown unless the whole is asked for."""

_WORD: Final = re.compile(r"\w+")
_WIDE_SCRIPT: Final = re.compile("[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
"""Scripts written without blanks between words: their words are looked for inside others."""

_MEANT_AS_LINE: Final = re.compile(r"\s*(?:[-*+•|>#]\s|[|#]|\d+[.)]\s)")
_FULL_LINE: Final = 60
"""A line of so many characters was probably wrapped where the next one begins."""


def place_name(path: str, place: str, heading: str, page: int | None) -> str:
    """Return "joins.qmd, Keys › Primary keys" or "paper.pdf, p. 7, Results"."""
    spot = place or heading or (f"p. {page}" if page is not None else "")
    return one_line(f"{path}, {spot}" if spot else path).replace(" > ", " › ")


def highlights(text: str, words: tuple[str, ...]) -> list[tuple[int, int]]:
    """Return the spans of `text` that show one of `words`, other endings of it included."""
    wanted = [word.casefold() for word in words if word.strip()]
    spans = [
        match.span()
        for match in _WORD.finditer(text)
        if any(_same_word(match.group().casefold(), word) for word in wanted)
    ]
    for word in wanted:
        if _WIDE_SCRIPT.search(word):
            spans += [match.span() for match in re.finditer(re.escape(word), text.casefold())]
    return sorted(set(spans))


def snippet(text: str, words: tuple[str, ...], *, limit: int = SNIPPET) -> str:
    """Return the stretch of `text` that shows most of `words`, on one line, cut at blanks."""
    line = one_line(text).lstrip("# ")
    if len(line) <= limit:
        return line
    starts = [start for start, _ in highlights(line, words)] or [0]
    best = max(starts, key=lambda start: sum(start <= other < start + limit - 40 for other in starts))
    begin = 0 if best < limit // 2 else line.rfind(" ", 0, best - 30) + 1
    if begin + limit >= len(line):
        begin = line.find(" ", len(line) - limit) + 1 or len(line) - limit
        return f"… {line[begin:]}"
    end = line.rfind(" ", begin + limit // 2, begin + limit)
    end = end if end > 0 else begin + limit
    return f"{'… ' if begin else ''}{line[begin:end].rstrip()} …"


def flowing(text: str) -> str:
    """Return `text` with the line ends inside its paragraphs taken out, so that a terminal wraps it anew.

    Lines that mean something as lines stay: lists, tables, headings, quotes, anything indented or fenced.
    """
    lines: list[str] = []
    fenced = joinable = False
    before = ""
    for line in text.splitlines():
        fence = line.lstrip().startswith(("```", "~~~"))
        indented = line.startswith(("  ", "\t")) and len(before) < _FULL_LINE  # code, not wrapped prose
        meant = fenced or fence or indented or not line.strip() or _MEANT_AS_LINE.match(line) is not None
        if joinable and not meant:
            lines[-1] = f"{lines[-1].rstrip()} {line.strip()}"
        else:
            lines.append(line)
        fenced ^= fence
        joinable = (
            not fenced and not fence and bool(line.strip()) and not line.lstrip().startswith(("#", "|"))
        )
        before = line
    return "\n".join(lines)


def _same_word(left: str, right: str) -> bool:
    """Whether two words differ in no more than an ending: "join" and "joined"."""
    if left == right:
        return True
    shared = 0
    for a, b in zip(left, right, strict=False):
        if a != b:
            break
        shared += 1
    return shared >= 3 and len(left) - shared <= 3 and len(right) - shared <= 3 and shared >= len(right) - 3
