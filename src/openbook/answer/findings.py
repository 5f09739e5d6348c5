"""What an agent has found so far: places under numbers that never change their meaning.

A model cites [3] in its last step because it read [3] in its second, so a
number belongs to a place for good. A place found again keeps its number; one
that overlaps grows what is there, and since texts only ever grow, whatever was
cited is still in them.

Refused: numbering each search anew, and letting one number grow without end: a
citation must stay a place, not a chapter.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final

from openbook.types import Evidence

LONGEST_PLACE: Final = 6_000
"""Characters that the text under one number may grow to."""


@dataclass(slots=True)
class Findings:
    """Evidence in the order of its numbers, and how soon each was found.

    `ranks` has for each number the best rank (0 first) that a search gave it,
    which is what counts when not everything fits.
    """

    evidence: list[Evidence] = field(default_factory=list)
    ranks: list[int] = field(default_factory=list)

    def add(self, piece: Evidence, rank: int = 0) -> int:
        """Keep a piece, whatever number it came with, and return the number that it has here."""
        best, most = -1, -1
        for index, known in enumerate(self.evidence):
            length = max(known.end, piece.end) - min(known.start, piece.start)
            shared = _shared(known, piece)
            if shared > most and length <= max(LONGEST_PLACE, known.end - known.start):
                best, most = index, shared
        if best < 0:
            number = len(self.evidence) + 1
            self.evidence.append(replace(piece, number=number))
            self.ranks.append(rank)
            return number
        known = self.evidence[best]
        self.evidence[best] = _grown(known, piece)
        self.ranks[best] = min(rank, self.ranks[best])
        return known.number

    def get(self, number: int) -> Evidence:
        """The evidence with a number that `add` returned."""
        return self.evidence[number - 1]

    def by_importance(self) -> list[Evidence]:
        """What was found first by any search comes first; of equals, what was found last.

        The last search of a chain is the one that all others led to.
        """
        order = sorted(
            range(len(self.evidence)), key=lambda index: (self.ranks[index], -self.evidence[index].number)
        )
        return [self.evidence[index] for index in order]


def _shared(one: Evidence, other: Evidence) -> int:
    """Characters of a document that both cover; 0 where they only touch, -1 where they are apart.

    Places of two pages are apart, unless the one holds the other: a citation has one page.
    """
    if one.document_id != other.document_id:
        return -1
    if one.page != other.page and not one.start <= other.start < other.end <= one.end:
        return -1
    return max(min(one.end, other.end) - max(one.start, other.start), -1)


def _grown(known: Evidence, piece: Evidence) -> Evidence:
    """Both as one text under the number of `known`. They overlap or touch."""
    first, second = sorted((known, piece), key=lambda place: (place.start, -place.end))
    text = first.text + second.text[max(first.end - second.start, 0) :]
    return replace(
        known,
        start=first.start,
        end=max(first.end, second.end),
        text=text,
        score=max(known.score, piece.score),
    )
