"""Hits → evidence → answer, and what every generator of answers promises.

evidence     hits become numbered places, within a token budget
ranking      the sentences of the evidence, by how well they answer
confidence   how probable it is that the evidence answers at all
quoting      the generator that needs no language model

The stage knows no library and no embedder: functions that embed, count and
analyse words come in as arguments. Refused: a generator that returns
citations without places; a claim that cannot be looked up is not an answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from openbook.types import Citation, Evidence


@dataclass(frozen=True, slots=True)
class Draft:
    """What a generator made of the evidence: text, its citations, and what it used up.

    Citations point into `text`. An empty text means that the generator found
    nothing to say; the question then counts as not answered.
    """

    text: str
    citations: tuple[Citation, ...] = ()
    usage: Mapping[str, int] = field(default_factory=dict)


class Generator(Protocol):
    """Writes an answer that rests on nothing but the numbered evidence."""

    @property
    def name(self) -> str:
        """For people and for `Answer.generator`."""
        ...

    def generate(self, question: str, evidence: Sequence[Evidence]) -> Draft:
        """An answer whose claims are marked [number], with one citation for each mark."""
        ...
