"""An answer → the one text that a chat program shows, and where in it the citations stand.

Chat programs have no place for claims, notes and evidence, so what a reader
must know stands in the text: marks behind claims that the documents do not
say, what the check found, and the numbered sources at the end.

Text that was sent while a model wrote it cannot be taken back. Its citations
are then those that the check left, moved to where their words stand in what
was sent, and the ending says which claims do not hold.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Final, TypeAlias

from openbook.answer.marking import UNSUPPORTED, marked_text
from openbook.wording import one_line

if TYPE_CHECKING:
    from openbook.types import Answer, Claim, Evidence

SOURCES: Final = "Sources:"
CHECKED: Final = "Checked against the documents:"

LinkTo: TypeAlias = "Callable[[Evidence], str]"
"""The address under which a piece of evidence can be read."""

_MARK: Final = re.compile(r"\[[^\[\]\n]{0,60}+\](?:\([^()\s]*+\))?|【[^【】\n]{0,60}+】|\([^()\n]{0,60}+\)")
"""Whatever may be a citation's marker: checking adds, changes and takes away these, and nothing else."""


@dataclass(frozen=True, slots=True)
class UrlCitation:
    """A stretch of the shown text, text[start:end], and the place of the documents that says it."""

    start: int
    end: int
    url: str
    title: str


@dataclass(frozen=True, slots=True)
class ShownText:
    """What a chat program shows, whole, and its citations in reading order."""

    text: str
    citations: tuple[UrlCitation, ...] = ()


def whole_text(answer: Answer, link_to: LinkTo, *, sources: bool = True) -> ShownText:
    """An answer that is sent after it was checked."""
    body = marked_text(answer)
    ending = _ending(answer, link_to, checked=[*_notes(answer)]) if sources else ""
    return ShownText(body + ending, _citations(answer, body, link_to))


def rest_of_text(answer: Answer, sent: str, link_to: LinkTo, *, sources: bool = True) -> ShownText:
    """An answer of which `sent` was sent before it was checked. The text begins with exactly that."""
    if answer.status != "answered":
        return ShownText(f"{sent}\n\n{answer.text}")
    checked = [*_notes(answer), *_corrections(answer)]
    return ShownText(
        sent + _ending(answer, link_to, checked=checked, sources=sources), _citations(answer, sent, link_to)
    )


def without_ending(text: str) -> str:
    """A text that was shown, as it was before its sources and the result of the check were added."""
    for heading in (SOURCES, CHECKED):
        place = text.rfind(f"\n\n{heading}\n- ")
        if place >= 0:
            text = text[:place]
    return text


def source_name(evidence: Evidence) -> str:
    """What people call the place: "handbook.pdf (p. 3, Repairs)"."""
    return one_line(f"{evidence.path} ({evidence.place})" if evidence.place else evidence.path)


# -- the ending -------------------------------------------------------------------


def _ending(answer: Answer, link_to: LinkTo, *, checked: list[str], sources: bool = True) -> str:
    if answer.status != "answered":
        return ""
    cited = {citation.number for citation in answer.citations}
    listed = [
        f"[{piece.number}] {source_name(piece)}: {link_to(piece)}"
        for piece in answer.evidence
        if sources and piece.number in cited
    ]
    parts = [(CHECKED, checked), (SOURCES, listed)]
    return "".join(
        f"\n\n{heading}\n" + "\n".join(f"- {line}" for line in lines) for heading, lines in parts if lines
    )


def _notes(answer: Answer) -> Iterator[str]:
    """What a reader should know about an answer that a model wrote; quotes speak for themselves."""
    if answer.claims:
        yield from (one_line(note) for note in answer.notes)


def _corrections(answer: Answer) -> Iterator[str]:
    """What the check decided otherwise than the model, in a text that can no longer be changed."""
    if answer.removed:
        yield "Disregard the numbers that are not among the sources."
    for claim in answer.claims:
        if claim.supported and not claim.reasons:
            continue
        words = one_line(answer.text[claim.start : claim.end])
        reasons = f" ({one_line('; '.join(claim.reasons))})" if claim.reasons else ""
        yield f"“{words}” {_verdict(claim)}{reasons}"


def _verdict(claim: Claim) -> str:
    return "".join(f"[{number}]" for number in claim.numbers) if claim.supported else UNSUPPORTED


# -- where citations stand ----------------------------------------------------------


def _citations(answer: Answer, shown: str, link_to: LinkTo) -> tuple[UrlCitation, ...]:
    """Those of the answer that hold, at their places in `shown`."""
    pieces = {piece.number: piece for piece in answer.evidence}
    alike = Alike(answer.text, shown)
    found: dict[tuple[int, int, int], UrlCitation] = {}
    for citation in answer.citations:
        span = alike.span(citation.start, citation.end)
        piece = pieces.get(citation.number)
        if citation.supported and span is not None and piece is not None:
            found[*span, citation.number] = UrlCitation(*span, link_to(piece), source_name(piece))
    return tuple(found[key] for key in sorted(found))


class Alike:
    """Two texts that differ in markers and white space: where a stretch of the first stands in the second."""

    def __init__(self, first: str, second: str) -> None:
        self._same = first == second
        if self._same:
            return
        ones, others = _lasting(first), _lasting(second)
        words, other_words = [first[place] for place in ones], [second[place] for place in others]
        if words == other_words:
            self._pairs = list(zip(ones, others, strict=True))
        else:  # a marker in a form that nobody knew: what is left is alike all the same
            blocks = SequenceMatcher(None, words, other_words, autojunk=False).get_matching_blocks()
            self._pairs = [
                (ones[block.a + step], others[block.b + step])
                for block in blocks
                for step in range(block.size)
            ]

    def span(self, start: int, end: int) -> tuple[int, int] | None:
        """Where first[start:end] stands in the second text; None where nothing of it does."""
        if self._same:
            return start, end
        low = bisect_left(self._pairs, (start, 0))
        high = bisect_right(self._pairs, (end, -1))
        return (self._pairs[low][1], self._pairs[high - 1][1] + 1) if low < high else None


def _lasting(text: str) -> list[int]:
    """The places of all characters that are neither white space nor part of a marker."""
    markers = {place for mark in _MARK.finditer(text) for place in range(*mark.span())}
    return [place for place, character in enumerate(text) if not character.isspace() and place not in markers]
