"""Structured answers over one library: evidence, a schema filled in by a model, every value with its place.

The same early confidence as for written answers keeps a model from being asked
where nothing found is near the question.

Refused: a confidence of its own for each value. What is known of a value is
whether a sentence of the documents says it, and which.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from openbook.answer.confidence import features
from openbook.answer.schema import schema_of
from openbook.answer.structured import Extracted, Extraction
from openbook.answering import Found, Grounds, Manner, closed, opening
from openbook.errors import LanguageModelError
from openbook.events import ErrorEvent, Event
from openbook.types import Answer
from openbook.writing import Writer

if TYPE_CHECKING:
    from openbook.answer.language_model import LanguageModel


@dataclass(frozen=True, slots=True)
class Extractor:
    """Answers questions about one library in the form of a schema."""

    grounds: Grounds
    model: LanguageModel
    manner: Manner

    def events(self, found: Found, schema: Any) -> Iterator[Event]:
        """Retrieval, prompts, usage, and the checked answer last; its text is the JSON of its value.

        `schema` is a pydantic model, another type that pydantic can check, or a
        JSON Schema as a mapping. Raises UsageError for what is none of these,
        LanguageModelError after an ErrorEvent.
        """
        started = time.perf_counter()
        wanted = schema_of(schema)
        begun_with = opening(self.grounds, found, self.model.name, self.manner.model_threshold)
        yield begun_with.retrieval
        answer = replace(begun_with.answer, strategy="structured")
        evidence = answer.evidence
        if begun_with.hopeless:
            yield closed(answer, found, started)
            return
        extraction = Extraction(
            self.model,
            wanted,
            judge=Writer(self.grounds, self.model, self.manner).checker().judge_pairs,
            content_words=self.grounds.content_words,
            embed=self.grounds.embedder.embed if self.grounds.embedder is not None else None,
            answer_tokens=self.manner.answer_tokens,
            strict=self.manner.strict,
            used=found.used,
        )
        try:
            for event in extraction.events(answer.meant, evidence):
                if not isinstance(event, Extracted):
                    yield event
                    continue
                ranker = self.grounds.ranker()
                signals = features(ranker, ranker.rank(found.ranked, evidence), evidence, found.hits)
                sure = self.grounds.confidence(signals)
                answer = replace(_answered(answer, event), confidence=sure)
        except LanguageModelError as error:
            yield ErrorEvent(type(error).__name__, str(error))
            raise
        yield closed(answer, found, started)


def _answered(answer: Answer, extracted: Extracted) -> Answer:
    """The answer with what was extracted, if that is anything."""
    answer = replace(answer, usage=extracted.usage, notes=(*answer.notes, *extracted.notes))
    if not extracted.found:
        return answer
    return replace(
        answer,
        status="answered",
        text=extracted.text,
        value=extracted.value,
        citations=extracted.citations,
        claims=extracted.claims,
        complete=extracted.complete,
    )
