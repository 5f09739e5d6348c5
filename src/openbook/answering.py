"""Hits → evidence → confidence → quotes → checked citations, joined into an `Answer`.

The order matters: whether the evidence answers is judged before anything is
written, and what was written is checked before anyone sees it.

`Grounds` holds what every way of answering needs of a library; `Answerer` is
the way that needs no language model (the other is `openbook.writing`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from openbook.answer.confidence import Features, early_features, early_probability, features, probability
from openbook.answer.evidence import gather_evidence
from openbook.answer.quoting import SCORE_DISTANCE, QuotingGenerator, not_found_text
from openbook.answer.ranking import SentenceRanker
from openbook.answer.verify import verified
from openbook.events import Event, RetrievalEvent, VerificationEvent
from openbook.types import Answer, Evidence, Hit, Hits

if TYPE_CHECKING:
    from openbook.answer.calibration import Calibration
    from openbook.answer.ranking import Embed
    from openbook.embed import Embedder
    from openbook.index.ledger import Ledger
    from openbook.index.lexical import LexicalIndex


ALL_EVIDENCE: Final = 1_000_000_000
"""No budget in the embedder's tokens: what fits is decided in the model's own."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a search gave for a question, and the milliseconds that it took.

    `asked` is the question as typed, `ranked` the words that sentences are
    judged by: the question with its spelling put right. `embed` stands in for
    the embedder where the question is one of a conversation, whose vector is
    not that of its words alone. `used` is what a model took to understand it.
    """

    asked: str
    ranked: str
    hits: Hits
    search_ms: float
    embed: Embed | None = None
    used: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Manner:
    """How answers are written.

    `threshold` is the confidence below which an answer is marked as probably
    not in the documents (`strict`: not given), `model_threshold` the early
    confidence below which the model is not asked. `sentence_distance` belongs to
    answers made of quotes: see `openbook.answer.quoting`.
    """

    answer_tokens: int = 1000
    strategy: str = "auto"
    threshold: float = 0.5
    model_threshold: float = 0.25
    parallel: int = 4
    strict: bool = False
    sentence_distance: float = SCORE_DISTANCE


@dataclass(frozen=True, slots=True)
class Grounds:
    """What answers rest on: the parts of one library. Holds no state of its own.

    `calibration` stands in for the shipped one where the library keeps one of
    its own (see `openbook.calibrating`); `notes` say why it does not.
    """

    ledger: Ledger
    lexical: LexicalIndex
    embedder: Embedder | None
    calibration: Calibration | None = None
    notes: tuple[str, ...] = ()

    @property
    def words_only(self) -> bool:
        """Whether there is no embedder, so that no cosine counts."""
        return self.embedder is None

    @property
    def language(self) -> str:
        """The language of most chunks (ISO 639-1), "" if there are none."""
        return self.lexical.languages[0] if self.lexical.languages else ""

    def gather(self, hits: Sequence[Hit], budget_tokens: int) -> tuple[tuple[Evidence, ...], tuple[str, ...]]:
        """Evidence within a budget of the embedder's tokens, and what was left out, in words."""
        return gather_evidence(
            hits,
            budget_tokens=budget_tokens,
            count_tokens=self._count_tokens,
            file_of=self._file_of,
            read_text=self.ledger.text,
        )

    def confidence(self, signals: Features) -> float:
        """How probable it is that evidence with these signals answers the question."""
        if self.calibration is not None:
            return self.calibration.probability(signals)
        return probability(signals, words_only=self.words_only)

    def content_words(self, text: str) -> list[str]:
        """The words of a text that carry meaning, analysed in the library's language."""
        return self.lexical.content_words(text, self.language)

    def ranker(self, embed: Embed | None = None) -> SentenceRanker:
        """A ranker of sentences that knows how rare each word is here; `embed` replaces the embedder's."""
        if embed is None and self.embedder is not None:
            embed = self.embedder.embed
        return SentenceRanker(
            content_words=self.content_words,
            embed=embed,
            frequencies=self.lexical.frequencies,
            chunk_count=self.lexical.count,
            language=self.language,
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


@dataclass(frozen=True, slots=True)
class Opening:
    """What is known before a model is asked.

    `answer` is what it comes to if nothing is written; `hopeless` says that the
    model need not be asked at all, and then the answer says so.
    """

    retrieval: RetrievalEvent
    answer: Answer
    hopeless: bool


def opening(grounds: Grounds, found: Found, generator: str, model_threshold: float) -> Opening:
    """Gather all evidence, and judge early whether there is anything to ask `generator` for."""
    evidence, left_out = grounds.gather(found.hits, ALL_EVIDENCE)
    early = early_probability(
        early_features(grounds.ranker(), found.ranked, evidence, found.hits), words_only=grounds.words_only
    )
    notes = (*found.hits.notes, *left_out)
    meant = found.hits.meant or found.asked
    hopeless = early < model_threshold
    refusal = f"{generator} was not asked: nothing found is near enough to the question."
    answer = Answer(
        question=found.asked,
        text=not_found_text(evidence),
        status="not_found",
        confidence=early,
        evidence=evidence,
        generator=generator,
        usage=found.used,
        notes=(*notes, refusal) if hopeless else notes,
        meant=meant,
    )
    retrieval = RetrievalEvent(found.asked, meant, evidence, early, notes, found.search_ms)
    return Opening(retrieval, answer, hopeless)


def closed(answer: Answer, found: Found, started: float) -> VerificationEvent:
    """The last event of a stream: the answer, with the time since `started` (`time.perf_counter()`)."""
    spent = round((time.perf_counter() - started) * 1000, 2)
    return VerificationEvent(
        replace(answer, timings_ms={"search": round(found.search_ms, 2), "answer": spent})
    )


@dataclass(frozen=True, slots=True)
class Looked:
    """What is known of a question when its evidence has been read and nothing is quoted yet."""

    evidence: tuple[Evidence, ...]
    notes: tuple[str, ...]
    ranker: SentenceRanker
    signals: Features
    confidence: float


@dataclass(frozen=True, slots=True)
class Answerer:
    """Answers with verbatim quotes."""

    grounds: Grounds
    evidence_tokens: int
    threshold: float
    sentence_distance: float = SCORE_DISTANCE

    def events(self, found: Found) -> Iterator[Event]:
        """Quote what answers the question, or say `not_found` with the nearest misses."""
        started = time.perf_counter()
        looked = self.look(found)
        meant = found.hits.meant or found.asked
        yield RetrievalEvent(
            found.asked, meant, looked.evidence, looked.confidence, looked.notes, found.search_ms
        )
        yield closed(self.answer(found, looked), found, started)

    def look(self, found: Found) -> Looked:
        """Read the evidence, and judge whether it answers."""
        evidence, left_out = self.grounds.gather(found.hits, self.evidence_tokens)
        ranker = self.grounds.ranker(found.embed)
        ranking = ranker.rank(found.ranked, evidence)
        signals = features(ranker, ranking, evidence, found.hits)
        confidence = self.grounds.confidence(signals)
        return Looked(evidence, (*found.hits.notes, *left_out), ranker, signals, confidence)

    def answer(self, found: Found, looked: Looked) -> Answer:
        """What is quoted, if that may be answered with."""
        evidence = looked.evidence
        generator = QuotingGenerator(looked.ranker, self.sentence_distance)
        draft = generator.generate(found.ranked, evidence)
        citations = tuple(c for c in verified(draft, evidence, self.grounds.ledger.text) if c.supported)
        sure = looked.confidence >= self.threshold
        answered = sure and len(citations) == len(draft.citations) > 0
        return Answer(
            question=found.asked,
            text=draft.text if answered else not_found_text(evidence),
            status="answered" if answered else "not_found",
            confidence=looked.confidence,
            citations=citations if answered else (),
            evidence=evidence,
            generator=generator.name,
            usage=dict(draft.usage),
            notes=looked.notes,
            meant=found.hits.meant or found.asked,
        )


def timed(call: Callable[[], Hits]) -> tuple[Hits, float]:
    """Run a search and return its result with the milliseconds it took."""
    started = time.perf_counter()
    result = call()
    return result, (time.perf_counter() - started) * 1000


def final_answer(events: Iterator[Event], on_event: Callable[[Event], None] | None = None) -> Answer:
    """Run a stream to its end, showing each event to `on_event`, and return the answer it ends with."""
    answer: Answer | None = None
    for event in events:
        if on_event is not None:
            on_event(event)
        if isinstance(event, VerificationEvent):
            answer = event.answer
    if answer is None:
        raise RuntimeError("a stream of events ended without its answer")
    return answer
