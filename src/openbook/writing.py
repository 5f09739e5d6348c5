"""Answers that a language model writes and the program checks.

Before the model is asked, an early confidence judges whether there is anything
to ask it for; it costs no embedding, so the request leaves at once. The closer
look at the sentences, which costs as much as a search or several, runs while
the model writes. What the model wrote is cut into claims, each is held against
the evidence, and only then it is an answer.

Refused: holding the request back until the closer look is done (a tenth of a
second for every question, and the early judgement differs from it for one
question in thirty), and showing the model's own citations unchecked.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from openbook.answer.checking import Checked, check_text, strict_text
from openbook.answer.confidence import features
from openbook.answer.declining import said_not_found, says_nothing
from openbook.answer.fencing import whole_characters
from openbook.answer.language_model import LanguageModel
from openbook.answer.strategies import Written, write
from openbook.answer.support import SupportChecker
from openbook.answering import Found, Grounds, Manner, closed, opening
from openbook.errors import LanguageModelError
from openbook.events import ErrorEvent, Event, TokenEvent, UsageEvent
from openbook.types import Answer, Evidence, Exchange


@dataclass(slots=True)
class _Draft:
    """What has been written so far."""

    text: str = ""
    finish: str = ""
    usage: Mapping[str, int] = field(default_factory=dict)
    strategy: str = ""
    notes: tuple[str, ...] = ()
    shown: frozenset[int] | None = None
    """Numbers of the evidence that the model was shown; None where it was stopped before that is known."""


@dataclass(frozen=True, slots=True)
class Writer:
    """Answers questions about one library with one language model."""

    grounds: Grounds
    model: LanguageModel
    manner: Manner

    def events(self, found: Found, history: Sequence[Exchange] = ()) -> Iterator[Event]:
        """Retrieval, prompts, tokens, usage, and the checked answer last.

        A reply that is cut off or stopped with Ctrl-C (KeyboardInterrupt) still
        ends in an answer, of what had arrived, that is not `complete`. Raises
        LanguageModelError, after an ErrorEvent, where nothing had arrived.
        """
        started = time.perf_counter()
        begun_with = opening(self.grounds, found, self.model.name, self.manner.model_threshold)
        yield begun_with.retrieval
        blank, evidence = begun_with.answer, begun_with.answer.evidence
        if begun_with.hopeless:
            yield closed(blank, found, started)
            return
        with ThreadPoolExecutor(1, "openbook-confidence") as closer_look:
            draft = _Draft(usage=found.used)
            begun: list[Future[float]] = []

            def look() -> None:
                if not begun:
                    begun.append(closer_look.submit(self._confidence, found, evidence))

            yield from self._written(found, evidence, history, draft, look)
            look()
            sure = begun[0].result()
        yield closed(self._checked(blank, draft, sure), found, started)

    def _written(
        self,
        found: Found,
        evidence: Sequence[Evidence],
        history: Sequence[Exchange],
        draft: _Draft,
        look: Callable[[], None],
    ) -> Iterator[Event]:
        """Let the model write; pass its events on and keep what arrives in `draft`.

        `look` is called when the first text arrives: until the request has
        left, every core is wanted for that.
        """
        writing = write(
            found.ranked,
            evidence,
            self.model,
            history=history,
            strategy=self.manner.strategy,
            answer_tokens=self.manner.answer_tokens,
            parallel=self.manner.parallel,
            used=found.used,
        )
        try:
            for event in writing:
                if isinstance(event, Written):
                    draft.text, draft.finish, draft.usage = event.text, event.finish, event.usage
                    draft.strategy, draft.notes = event.strategy, event.left_out
                    draft.shown = frozenset(piece.number for piece in event.evidence)
                    continue
                if isinstance(event, TokenEvent):
                    look()
                    draft.text += event.text
                elif isinstance(event, UsageEvent):
                    draft.usage = event.usage
                yield event
        except LanguageModelError as error:
            yield ErrorEvent(type(error).__name__, str(error))
            if not draft.text.strip():
                raise
            draft.finish, draft.notes = "broken", (*draft.notes, str(error))
        except KeyboardInterrupt:
            if not draft.text.strip():
                raise
            draft.finish = "stopped"

    def _confidence(self, found: Found, evidence: Sequence[Evidence]) -> float:
        ranker = self.grounds.ranker()
        signals = features(ranker, ranker.rank(found.ranked, evidence), evidence, found.hits)
        return self.grounds.confidence(signals)

    def _checked(self, blank: Answer, draft: _Draft, confidence: float) -> Answer:
        """The draft as an answer: claims, citations, and what a person should know about them."""
        notes = [*blank.notes, *draft.notes]
        answer = replace(blank, confidence=confidence, usage=draft.usage, strategy=draft.strategy)
        written = whole_characters(draft.text)
        if says_nothing(written) or said_not_found(written):
            notes.append(f"{self.model.name} was shown the evidence and found no answer in it.")
            return replace(answer, notes=tuple(notes))
        given = [p for p in blank.evidence if draft.shown is None or p.number in draft.shown]
        checked = check_text(
            written, given, self.checker(), self.grounds.ledger.text, language=self.grounds.language
        )
        notes += remarks(checked, draft.finish, strict=self.manner.strict)
        if confidence < self.manner.threshold:
            notes.append(f"The documents probably do not answer this (confidence {confidence:.2f}).")
        if self.manner.strict:
            checked = strict_text(checked)
            if confidence < self.manner.threshold or not checked.text.strip():
                return replace(answer, notes=tuple(notes), removed=checked.removed)
        return replace(
            answer,
            text=checked.text,
            status="answered",
            citations=checked.citations,
            claims=checked.claims,
            removed=checked.removed,
            complete=draft.finish not in ("broken", "stopped", "length"),
            notes=tuple(notes),
        )

    def checker(self) -> SupportChecker:
        """What judges whether evidence says a claim."""
        return SupportChecker(
            content_words=self.grounds.content_words,
            embed=self.grounds.embedder.embed if self.grounds.embedder is not None else None,
            frequencies=self.grounds.lexical.frequencies,
            chunk_count=self.grounds.lexical.count,
            language=self.grounds.language,
        )


def remarks(checked: Checked, finish: str = "", *, strict: bool) -> list[str]:
    """What checking found, and how the reply ended, in words."""
    found = []
    unsupported = sum(not claim.supported for claim in checked.claims)
    if unsupported:
        what = f"{unsupported} of {len(checked.claims)} claims"
        said = "the evidence does not say it" if unsupported == 1 else "the evidence does not say them"
        done = "left out" if strict else "marked"
        found.append(f"{what} {'is' if unsupported == 1 else 'are'} {done}: {said}.")
    if checked.removed:
        noun = "citation" if checked.removed == 1 else "citations"
        found.append(f"{checked.removed} {noun} of evidence that was never given {_was(checked)} removed.")
    if finish == "length":
        found.append("The answer was cut off at the most tokens that it may have (setting answer_tokens).")
    elif finish == "stopped":
        found.append("The answer was stopped before its end.")
    return found


def _was(checked: Checked) -> str:
    return "was" if checked.removed == 1 else "were"
