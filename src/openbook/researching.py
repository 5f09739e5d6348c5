"""An agent's answers over one library: its tools, and what it found and wrote as a checked answer.

The tools are plain reads of the library. Whatever a caller restricted the
question to (`where`) restricts every tool, so that an agent sees no document
that a plain answer would not have seen.

The early confidence that keeps a model from being asked in vain is not used
here: that one search finds little is what an agent is for.

Refused: letting the agent's text through unchecked because it worked for it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Protocol

from openbook.answer.agent import Limits, Researched, research
from openbook.answer.agent_tools import MOST_LISTED, Listing, Place, Toolbox
from openbook.answer.checking import check_text, strict_text
from openbook.answer.confidence import early_features, early_probability, features
from openbook.answer.declining import said_not_found, says_nothing, without_fixed_words
from openbook.answer.quoting import QuotingGenerator, not_found_text
from openbook.answer.sentences import split_sentences
from openbook.answer.verify import verified
from openbook.answering import ALL_EVIDENCE, Found, Grounds, Manner
from openbook.errors import UsageError
from openbook.events import Event, RetrievalEvent, VerificationEvent
from openbook.index.where import Condition, parse_where
from openbook.types import Answer, Document, Evidence, Exchange, Hit, Hits, Legs, Mark
from openbook.writing import Writer, remarks

if TYPE_CHECKING:
    from openbook.answer.language_model import LanguageModel
    from openbook.index.records import ChunkRecord, DocumentRecord

WINDOW: Final = 3_000
"""Characters that `open_place` shows."""
BEFORE: Final = 300
"""Of those, how many stand before the offset that was asked for."""
SEARCH_TOKENS: Final = 1_500
"""Evidence of one search of the agent's own, in the embedder's tokens."""


class Search(Protocol):
    """The search of one library."""

    def __call__(self, question: str, *, k: int | None = None, where: Sequence[str] = ()) -> Hits: ...


class Allowance(Protocol):
    """What an agent may use up: steps, tokens of all requests together, seconds."""

    @property
    def steps(self) -> int: ...
    @property
    def tokens(self) -> int: ...
    @property
    def seconds(self) -> float: ...


@dataclass(frozen=True, slots=True)
class LibraryTools:
    """The agent's tools over one library, all restricted to what `where` allows."""

    grounds: Grounds
    search: Search
    where: Sequence[str] = ()

    def toolbox(self) -> Toolbox:
        """The tools as an agent takes them."""
        return Toolbox(self.find, self.open_place, self.list_documents)

    def find(self, query: str, where: Sequence[str]) -> tuple[Evidence, ...]:
        """Evidence for a query, best first. Raises UsageError for a wrong condition."""
        hits = self.search(query, where=[*self.where, *where])
        return self.grounds.gather(hits, SEARCH_TOKENS)[0]

    def open_place(self, place: Place) -> Evidence:
        """A window of a document's text around a place. Raises UsageError where there is none."""
        record = self._document(place.document)
        document = self.grounds.ledger.document(record.id)
        chunks = self._allowed(record.id)
        start = self._offset(place, record.id)
        inside = [chunk for chunk in chunks if chunk.end > start] or chunks[-1:]
        if not inside:
            raise UsageError(f"{place.document!r} has no text that may be read here.")
        low = max(start - BEFORE if place.start is not None else start, 0)
        high = low + WINDOW
        if self.where:
            low, high = max(low, inside[0].start), min(high, _run_end(inside))
        low, high = _snapped(document.text, low, min(high, len(document.text)))
        at = next((chunk for chunk in chunks if chunk.end > low), inside[0])
        hit = Hit(
            path=record.path,
            document_id=record.id,
            chunk_id=at.id,
            start=low,
            end=high,
            page=at.page,
            heading=at.heading,
            text=document.text[low:high],
            score=0.0,
            ranks=Legs(None, None),
            scores=Legs(None, None),
            title=record.title,
            place=at.place,
        )
        return self.grounds.gather([hit], WINDOW)[0][0]

    def list_documents(self, pattern: str) -> Listing:
        """The documents whose path has the pattern in it or, with * or ?, is it."""
        conditions = list(self._conditions())
        if pattern.strip():
            operator = "=" if "*" in pattern or "?" in pattern else "~"
            conditions += parse_where([f"path{operator}{pattern.strip()}"])
        records = self.grounds.ledger.select_documents(conditions)
        return Listing(tuple(_line(record) for record in records[:MOST_LISTED]), len(records))

    def _conditions(self) -> tuple[Condition, ...]:
        return parse_where(self.where)

    def _document(self, path: str) -> DocumentRecord:
        """The one document that is meant by a path, or by a file's name alone."""
        written = path.strip().replace("\\", "\\\\").replace("*", "\\*").replace("?", "\\?")
        records = self.grounds.ledger.select_documents(
            [*self._conditions(), *parse_where([f"path={written}"])]
        )
        exact = [record for record in records if record.path == path.strip()]
        if len(exact or records) != 1:
            found = f"{len(records)} documents are" if records else "No document is"
            raise UsageError(f"{found} named {path!r}. Give the whole path; list_documents shows all.")
        return (exact or records)[0]

    def _allowed(self, document_id: int) -> list[ChunkRecord]:
        chunks = self.grounds.ledger.document_chunks(document_id)
        if not self.where:
            return chunks
        conditions = [*self._conditions(), Condition("document", "=", str(document_id))]
        allowed = set(self.grounds.ledger.select_chunk_ids(conditions).tolist())
        return [chunk for chunk in chunks if chunk.id in allowed]

    def _offset(self, place: Place, document_id: int) -> int:
        """Where in the document the place begins."""
        document = self.grounds.ledger.document(document_id)
        mark = mark_of(document, place)
        if mark is not None:
            return mark.start
        start = place.start or 0
        if not 0 <= start <= len(document.text):
            raise UsageError(
                f"{place.document!r} has no character {start:,}; expected 0 to {len(document.text):,}."
            )
        return start


def mark_of(document: Document, place: Place) -> Mark | None:
    """The heading or page that a place names; None if it names neither. Raises UsageError if not there."""
    if place.heading.strip():
        wanted = place.heading.split(" > ")[-1].strip().casefold()
        headings = [mark for mark in document.marks if mark.kind == "heading"]
        same = [mark for mark in headings if mark.label.strip().casefold() == wanted]
        near = [mark for mark in headings if wanted in mark.label.casefold()]
        if not (same or near):
            raise UsageError(f"{place.document!r} has no heading {place.heading!r}.")
        return (same or near)[0]
    if place.page is None:
        return None
    for mark in document.marks:
        if mark.kind in ("page", "slide", "sheet") and mark.level == place.page:
            return mark
    raise UsageError(f"{place.document!r} has no page {place.page}.")


def _run_end(chunks: Sequence[ChunkRecord]) -> int:
    """Where the chunks that follow each other without a gap in their numbers end."""
    last = chunks[0]
    for chunk in chunks[1:]:
        if chunk.position != last.position + 1:
            break
        last = chunk
    return last.end


def _snapped(text: str, low: int, high: int) -> tuple[int, int]:
    """The same stretch, begun and ended with whole sentences where that costs little."""
    spans = [(low + start, low + end) for start, end in split_sentences(text[low:high])]
    if low > 0 and not text[low - 1].isspace() and len(spans) > 1:
        low = spans[1][0]
    if high < len(text) and len(spans) > 2:
        high = spans[-2][1]
    return low, high


def _line(record: DocumentRecord) -> str:
    title = f" — {record.title}" if record.title and record.title != record.path else ""
    return f"{record.path}{title} ({record.characters:,} characters)"


@dataclass(frozen=True, slots=True)
class Researcher:
    """Answers questions about one library with an agent."""

    grounds: Grounds
    search: Search
    model: LanguageModel
    manner: Manner
    limits: Allowance

    def events(
        self, question: str, *, where: Sequence[str] = (), history: Sequence[Exchange] = ()
    ) -> Iterator[Event]:
        """Retrieval, then every step, and the checked answer last.

        Raises UsageError for a wrong condition, LanguageModelError where the
        model fails before it began to answer.
        """
        started = time.perf_counter()
        found, evidence = self._found(question, where, history)
        early = early_probability(
            early_features(self.grounds.ranker(), found.ranked, evidence, found.hits),
            words_only=self.grounds.words_only,
        )
        meant = found.hits.question
        yield RetrievalEvent(question, meant, evidence, early, found.hits.notes, found.search_ms)
        limits = Limits(
            self.limits.steps,
            self.limits.tokens,
            self.limits.seconds,
            answer_tokens=self.manner.answer_tokens,
        )
        tools = LibraryTools(self.grounds, self.search, where).toolbox()
        for event in research(meant, self.model, tools, limits, found=evidence, used=found.used):
            if not isinstance(event, Researched):
                yield event
                continue
            answer = self._answer(found, event)
            spent = round((time.perf_counter() - started) * 1000, 2)
            timings = {"search": round(found.search_ms, 2), "answer": spent}
            yield VerificationEvent(replace(answer, timings_ms=timings))

    def _found(
        self, question: str, where: Sequence[str], history: Sequence[Exchange]
    ) -> tuple[Found, tuple[Evidence, ...]]:
        """What one search finds for the question, made to stand alone."""
        meant, used = question, dict[str, int]()
        if history:
            from openbook.answer.rewriting import standalone

            meant = standalone(question, history, self.model, used)
        started = time.perf_counter()
        hits = self.search(meant, where=where)
        milliseconds = (time.perf_counter() - started) * 1000
        found = Found(question, hits.meant or meant, hits, milliseconds, used=used)
        return found, self.grounds.gather(hits, ALL_EVIDENCE)[0]

    def _answer(self, found: Found, researched: Researched) -> Answer:
        """What the agent wrote, checked; quotes of what it found where it wrote nothing."""
        evidence = researched.evidence
        ranker = self.grounds.ranker()
        signals = features(ranker, ranker.rank(found.ranked, evidence), evidence, found.hits)
        answer = Answer(
            question=found.asked,
            text=not_found_text(evidence),
            status="not_found",
            confidence=self.grounds.confidence(signals),
            evidence=evidence,
            generator=self.model.name,
            usage=researched.usage,
            notes=(*found.hits.notes, *researched.notes),
            meant=found.hits.question,
            strategy="agent",
            complete=researched.complete,
            steps=researched.steps,
        )
        if says_nothing(researched.text):
            return self._quoted(answer, found)
        if said_not_found(researched.text):
            note = f"{self.model.name} looked for it in {len(researched.steps)} steps and found no answer."
            return replace(answer, notes=(*answer.notes, note))
        checker = Writer(self.grounds, self.model, self.manner).checker()
        checked = check_text(
            without_fixed_words(researched.text),
            evidence,
            checker,
            self.grounds.ledger.text,
            language=self.grounds.language,
        )
        answer = replace(
            answer,
            notes=(*answer.notes, *remarks(checked, strict=self.manner.strict)),
            removed=checked.removed,
        )
        if self.manner.strict:
            checked = strict_text(checked)
        if not checked.text.strip():
            return answer
        return replace(
            answer,
            text=checked.text,
            status="answered",
            citations=checked.citations,
            claims=checked.claims,
        )

    def _quoted(self, answer: Answer, found: Found) -> Answer:
        """The best quotes of what was found, where the agent was stopped before it wrote an answer."""
        generator = QuotingGenerator(self.grounds.ranker(), self.manner.sentence_distance)
        draft = generator.generate(found.ranked, answer.evidence)
        citations = verified(draft, answer.evidence, self.grounds.ledger.text)
        if not citations or answer.confidence < self.manner.threshold:
            return answer
        note = "No answer was written; these are quotes of what was found."
        return replace(
            answer, text=draft.text, status="answered", citations=citations, notes=(*answer.notes, note)
        )
