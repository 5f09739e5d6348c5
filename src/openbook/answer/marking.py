"""An answer's text as a person should read it: cited, and with what is not supported marked as such.

Refused: writing the marks into `Answer.text`, where the offsets of citations
and claims would have to be read around them.
"""

from __future__ import annotations

from typing import Final

from openbook.answer.claims import markers_before, markers_behind
from openbook.types import Answer

UNSUPPORTED: Final = "[not supported]"
"""Stands behind a claim that its evidence does not say."""


def marked_text(answer: Answer) -> str:
    """The text with a [number] behind every cited stretch that has none yet, and with `UNSUPPORTED`."""
    text = answer.text
    marks: dict[int, list[str]] = {}
    for citation in sorted(answer.citations, key=lambda citation: citation.number):
        marker = f"[{citation.number}]"
        near = text[markers_before(text, citation.start) : markers_behind(text, citation.end)]
        if citation.field or marker in near:
            continue
        _add(marks, citation.end, marker)
    for claim in answer.claims:
        if not claim.supported:
            _add(marks, markers_behind(text, claim.end), UNSUPPORTED)
    for end in sorted(marks, reverse=True):
        text = f"{text[:end].rstrip()} {_joined(marks[end])}{text[end:]}"
    return text


def _add(marks: dict[int, list[str]], place: int, mark: str) -> None:
    if mark not in marks.setdefault(place, []):
        marks[place].append(mark)


def _joined(marks: list[str]) -> str:
    numbers = "".join(mark for mark in marks if mark != UNSUPPORTED)
    return " ".join(part for part in (numbers, UNSUPPORTED if UNSUPPORTED in marks else "") if part)
