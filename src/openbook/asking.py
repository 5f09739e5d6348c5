"""One question, answered in the way that was wished for: quotes, a model's text, an agent's, or a structure.

This is where the ways to answer part; each of them is a stream of events that
ends with the checked answer. What they share (evidence, confidence, checking)
lives below, in `answering` and `writing`.

Refused: a class for each way that a caller has to choose from. A caller says
what it wants of the answer, and which model is there; the way follows.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol, TypedDict

from openbook.answering import Answerer, Found, Grounds, timed
from openbook.errors import UsageError
from openbook.events import Event
from openbook.follow_up import ranking_embed
from openbook.index.conversation_records import storable
from openbook.types import Exchange, Hits

if TYPE_CHECKING:
    from openbook.answer.language_model import LanguageModel
    from openbook.answering import Manner


class AskOptions(TypedDict, total=False):
    """What may be wished of an answer, by keyword.

    k         how many hits to look at
    where     conditions (`path=joins*`, `page<10`), all of which must hold
    history   earlier exchanges of the conversation, oldest first
    model     "provider:name", a LanguageModel, or "none" for quotes; None means the settings' model
    strategy  auto, stuff, refine, map-reduce or map-rerank; None means the settings' strategy
    strict    leave out what the evidence does not say, or give no answer at all
    answer_tokens  most tokens of a model's reply, where fewer than the settings allow are wanted
    agent     let the model search, read and compute in several steps
    schema    a pydantic model or a JSON Schema that the answer has to fit
    """

    k: int | None
    where: Sequence[str]
    history: Sequence[Exchange]
    model: str | LanguageModel | None
    strategy: str | None
    strict: bool
    answer_tokens: int | None
    agent: bool
    schema: Any


class Search(Protocol):
    """The search of one library."""

    def __call__(
        self,
        question: str,
        *,
        k: int | None = None,
        where: Sequence[str] = (),
        history: Sequence[Exchange] = (),
    ) -> Hits: ...


@dataclass(frozen=True, slots=True)
class Wish:
    """A question, and what is wished of its answer (see `AskOptions`)."""

    question: str
    k: int | None = None
    where: Sequence[str] = ()
    history: Sequence[Exchange] = ()
    agent: bool = False
    schema: Any = None


def wish_of(question: str, options: AskOptions) -> Wish:
    """The wish that these options make. Raises UsageError for an empty question or an unknown option."""
    if not question.strip():
        raise UsageError("The question is empty. Ask with at least one word.")
    unknown = sorted(options.keys() - AskOptions.__annotations__.keys())
    if unknown:
        raise UsageError(
            f"Unknown option {unknown[0]!r}; expected: {', '.join(sorted(AskOptions.__annotations__))}."
        )
    return Wish(
        storable(question),
        k=options.get("k"),
        where=options.get("where", ()),
        history=options.get("history", ()),
        agent=options.get("agent", False),
        schema=options.get("schema"),
    )


@dataclass(frozen=True, slots=True)
class Limits:
    """What an agent may use: steps, tokens of all its requests together, seconds."""

    steps: int
    tokens: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Asker:
    """Answers questions about one library. `model` is None where answers quote."""

    grounds: Grounds
    search: Search
    model: LanguageModel | None
    manner: Manner
    limits: Limits
    evidence_tokens: int

    def events(self, wish: Wish) -> Iterator[Event]:
        """The stream of events of one answer. Raises UsageError where a model is needed and none is named."""
        _prepare(self.model)
        if self.model is None:
            self._refuse_without_model(wish)
            yield from self._quoted(wish)
        elif wish.agent:
            yield from self._researched(wish, self.model)
        elif wish.schema is not None:
            yield from self._extracted(wish, self.model)
        else:
            yield from self._written(wish, self.model)

    @staticmethod
    def _refuse_without_model(wish: Wish) -> None:
        for wanted, name in ((wish.agent, "An agent"), (wish.schema is not None, "A structured answer")):
            if wanted:
                raise UsageError(
                    f"{name} needs a language model, and none is named. Name one with --model "
                    "provider:name (in Python: model=), OPENBOOK_MODEL or the settings file."
                )

    def _quoted(self, wish: Wish) -> Iterator[Event]:
        yield from self.answerer().events(self.found(wish))

    def answerer(self) -> Answerer:
        """What answers with quotes."""
        return Answerer(
            self.grounds,
            evidence_tokens=self.evidence_tokens,
            threshold=self.manner.threshold,
            sentence_distance=self.manner.sentence_distance,
        )

    def _written(self, wish: Wish, model: LanguageModel) -> Iterator[Event]:
        from openbook.writing import Writer

        found = self._found_with(model, wish)
        yield from Writer(self.grounds, model, self.manner).events(found, wish.history)

    def _researched(self, wish: Wish, model: LanguageModel) -> Iterator[Event]:
        from openbook.researching import Researcher

        researcher = Researcher(self.grounds, self.search, model, self.manner, self.limits)
        yield from researcher.events(wish.question, where=wish.where, history=wish.history)

    def _extracted(self, wish: Wish, model: LanguageModel) -> Iterator[Event]:
        from openbook.extracting import Extractor

        found = self._found_with(model, wish)
        yield from Extractor(self.grounds, model, self.manner).events(found, wish.schema)

    def found(self, wish: Wish) -> Found:
        """What a search finds, the history blended into it."""
        hits, milliseconds = timed(
            lambda: self.search(wish.question, k=wish.k, where=wish.where, history=wish.history)
        )
        if self.grounds.notes:
            hits = replace(hits, notes=(*hits.notes, *self.grounds.notes))
        meant = hits.meant or wish.question
        embed = None
        if self.grounds.embedder is not None:
            embed = ranking_embed(self.grounds.embedder.embed, meant, wish.history, hits.context)
        return Found(wish.question, meant, hits, milliseconds, embed)

    def _found_with(self, model: LanguageModel, wish: Wish) -> Found:
        """What a search finds for the question that a model has made to stand alone."""
        if not wish.history:
            return self.found(wish)
        from openbook.answer.rewriting import standalone

        used: dict[str, int] = {}
        meant = standalone(wish.question, wish.history, model, used)
        found = self.found(replace(wish, question=meant, history=()))
        return replace(found, asked=wish.question, used=used)


def _prepare(model: LanguageModel | None) -> None:
    """Let a model load what it needs while the search runs, so that the request can leave at once."""
    prepare = getattr(model, "prepare", None)
    if prepare is None:
        return

    def try_to() -> None:
        # What fails here fails again in the request, where it can be answered; or the process is ending.
        with suppress(Exception):
            prepare()

    threading.Thread(target=try_to, name="openbook-prepare", daemon=True).start()
