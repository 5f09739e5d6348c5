"""Hits → evidence → confidence → quotes → checked citations, joined into an `Answer`.

The order matters: whether the evidence answers is judged before anything is
written, and what was written is checked before anyone sees it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from openbook.answer.confidence import features, probability
from openbook.answer.evidence import gather_evidence
from openbook.answer.quoting import QuotingGenerator, not_found_text
from openbook.answer.ranking import SentenceRanker
from openbook.answer.verify import verified
from openbook.types import Answer, Hit, Hits

if TYPE_CHECKING:
    from openbook.embed import Embedder
    from openbook.index.ledger import Ledger
    from openbook.index.lexical import LexicalIndex


@dataclass(frozen=True, slots=True)
class Answerer:
    """Answers from hits of one library. Holds what the stages need and no state of its own."""

    ledger: Ledger
    lexical: LexicalIndex
    embedder: Embedder | None
    evidence_tokens: int
    threshold: float

    def answer(self, question: str, hits: Hits, *, search_ms: float) -> Answer:
        """Quote what answers the question, or say `not_found` with the nearest misses."""
        started = time.perf_counter()
        evidence, left_out = gather_evidence(
            hits,
            budget_tokens=self.evidence_tokens,
            count_tokens=self._count_tokens,
            file_of=self._file_of,
            read_text=self.ledger.text,
        )
        ranker = self._ranker()
        meant = hits.meant or question
        ranking = ranker.rank(meant, evidence)
        signals = features(ranker, ranking, evidence, hits)
        confidence = probability(signals, words_only=self.embedder is None)
        generator = QuotingGenerator(ranker)
        draft = generator.generate(meant, evidence)
        citations = tuple(c for c in verified(draft, evidence, self.ledger.text) if c.supported)
        found = confidence >= self.threshold and len(citations) == len(draft.citations) > 0
        return Answer(
            question=question,
            text=draft.text if found else not_found_text(evidence),
            status="answered" if found else "not_found",
            confidence=confidence,
            citations=citations if found else (),
            evidence=evidence,
            generator=generator.name,
            usage=dict(draft.usage),
            timings_ms={
                "search": round(search_ms, 2),
                "answer": round((time.perf_counter() - started) * 1000, 2),
            },
            notes=(*hits.notes, *left_out),
        )

    def _ranker(self) -> SentenceRanker:
        language = self.lexical.languages[0] if self.lexical.languages else ""
        return SentenceRanker(
            content_words=lambda text: self.lexical.content_words(text, language),
            embed=self.embedder.embed if self.embedder is not None else None,
            frequencies=self.lexical.frequencies,
            chunk_count=self.lexical.count,
            language=language,
        )

    def _count_tokens(self, texts: Sequence[str]) -> list[int]:
        if self.embedder is not None:
            return self.embedder.count_tokens(texts)
        from openbook.chunk_tokens import EstimatingCounter

        return EstimatingCounter().counts(texts)

    def _file_of(self, hit: Hit) -> Path | None:
        root = self.ledger.source_root(hit.document_id)
        if not root:
            return None
        place = Path(root)
        return place if place.is_file() else place / hit.path


def timed(call: Callable[[], Hits]) -> tuple[Hits, float]:
    """Run a search and return its result with the milliseconds it took."""
    started = time.perf_counter()
    result = call()
    return result, (time.perf_counter() - started) * 1000
