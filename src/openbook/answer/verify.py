"""Every citation checked against the documents, whatever the generator claims.

A generator proposes; this decides. Refused: trusting a generator because it is
ours. The text is read again from the ledger, so a citation that is supported
is supported by what is stored, not by what was passed around.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from openbook.answer import Draft
from openbook.answer.evidence import ReadText
from openbook.types import Citation, Evidence


def verified(draft: Draft, evidence: Sequence[Evidence], read_text: ReadText) -> tuple[Citation, ...]:
    """The draft's citations with `supported` set by looking, and those of unknown numbers dropped.

    Supported means that the quote is what `read_text(document_id, start, end)`
    gives at its source place, and that the place lies inside the evidence.
    """
    pieces = {piece.number: piece for piece in evidence}
    checked: list[Citation] = []
    for citation in draft.citations:
        piece = pieces.get(citation.number)
        if piece is None:
            continue
        start, end = citation.source_start, citation.source_end
        supported = (
            piece.start <= start < end <= piece.end
            and read_text(piece.document_id, start, end) == citation.quote
        )
        checked.append(replace(citation, supported=supported))
    return tuple(checked)
