"""Which part of a text is shown where there is no room for all of it, and which words in it are marked."""

from __future__ import annotations

import re
from typing import Final

from openbook.wording import one_line

SNIPPET: Final = 300
"""Characters of a hit that are shown unless the whole is asked for."""

_WORD: Final = re.compile(r"\w+")
_WIDE_SCRIPT: Final = re.compile("[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
"""Scripts written without blanks between words: their words are looked for inside others."""


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


def _same_word(left: str, right: str) -> bool:
    """Whether two words differ in no more than an ending: "join" and "joined"."""
    if left == right:
        return True
    shared = 0
    for a, b in zip(left, right, strict=False):
        if a != b:
            break
        shared += 1
    shorter = min(len(left), len(right))
    return (
        shared >= max(3, shorter - (2 if shorter > 6 else 1))
        and len(left) - shared <= 3
        and len(right) - shared <= 3
    )
