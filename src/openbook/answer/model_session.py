"""What all requests for one answer share, and how a reply is streamed.

A reply that may still turn out to be the fixed words for "not found" is held
back until that is clear: nobody should see them. A reply that breaks off keeps
what arrived, and the stream says so.

Refused: tokens counted by us where a server counts none; `usage` is what
servers say, and the number of requests.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from openbook.answer.declining import may_become_not_found, said_not_found, without_fixed_words
from openbook.answer.fencing import whole_characters
from openbook.answer.language_model import LanguageModel, Reply, add_usage
from openbook.answer.prompting import Budget, Prompt, build_prompt
from openbook.answer.rules import Frame
from openbook.errors import LanguageModelError
from openbook.events import ErrorEvent, Event, PromptEvent, TokenEvent, UsageEvent
from openbook.types import Evidence, Exchange, Message

BROKEN: Final = "broken"


@dataclass(frozen=True, slots=True)
class Written:
    """What a model wrote, whole. The last thing that a stream of `write` yields.

    finish    "stop", "length", "broken" where a reply broke off, or "" where unknown
    evidence  the pieces that the model was shown, with their numbers
    left_out  in words, what it was not shown
    """

    text: str
    finish: str
    usage: Mapping[str, int] = field(default_factory=dict)
    requests: int = 0
    left_out: tuple[str, ...] = ()
    strategy: str = ""
    evidence: tuple[Evidence, ...] = ()


Stream: TypeAlias = Iterator[Event | Written]


@dataclass(slots=True)
class Spoken:
    """The text of a reply, and how it ended."""

    text: str = ""
    finish: str = ""


@dataclass(slots=True)
class Session:
    """One question to one model: what all its requests share, and what they have used so far."""

    question: str
    model: LanguageModel
    budget: Budget
    history: Sequence[Exchange] = ()
    parallel: int = 1
    usage: dict[str, int] = field(default_factory=dict)

    def prompt(self, evidence: Sequence[Evidence], frame: Frame, *, with_history: bool = False) -> Prompt:
        """The messages for some evidence. Raises PromptTooLong."""
        return build_prompt(
            self.question,
            evidence,
            history=self.history if with_history else (),
            budget=self.budget,
            count=self.model.count_tokens,
            counted_by=self.model.counted_by,
            frame=frame,
        )

    def ask(self, messages: Sequence[Message], limit: int | None = None) -> Reply:
        """Send messages. `limit` replaces the budget's tokens of a reply. Raises LanguageModelError."""
        return self.model.reply(messages, max_tokens=limit or self.budget.answer_tokens)

    def add(self, reply: Reply) -> None:
        """Add what a reply used up."""
        add_usage(self.usage, reply)

    def written(
        self, spoken: Spoken, strategy: str, prompts: Sequence[Prompt], *, left_out: Sequence[str] = ()
    ) -> Stream:
        """The end of a stream: what was used up, and what was written."""
        shown = {(piece.number, piece.start): piece for prompt in prompts for piece in prompt.evidence}
        notes = dict.fromkeys([*(note for prompt in prompts for note in prompt.left_out), *left_out])
        text = whole_characters(spoken.text).strip()
        usage = dict(self.usage)
        yield UsageEvent(usage)
        yield Written(
            text if said_not_found(text) else without_fixed_words(text),
            spoken.finish,
            usage,
            usage.get("requests", 0),
            tuple(notes),
            strategy,
            tuple(shown[place] for place in sorted(shown)),
        )


def announced(prompt: Prompt) -> PromptEvent:
    """The event that says what a model is about to see."""
    return PromptEvent(prompt.messages, prompt.tokens, prompt.counted_by, prompt.left_out)


def streamed(prompt: Prompt, session: Session, spoken: Spoken) -> Iterator[Event]:
    """Send a prompt and stream the reply; `spoken` holds it in the end.

    Raises LanguageModelError where nothing had arrived.
    """
    yield announced(prompt)
    held, answers = "", False
    with session.ask(prompt.messages) as reply:
        try:
            for piece in reply:
                if not isinstance(piece, str):
                    continue  # no tools were offered; a call of one is nobody's text
                spoken.text += piece
                held += piece
                # What is no denial once never becomes one: its text is not read again for every piece.
                answers = answers or not may_become_not_found(spoken.text)
                if answers:
                    yield TokenEvent(held)
                    held = ""
            spoken.finish = reply.finish
        except LanguageModelError as error:
            if not spoken.text.strip():
                raise
            spoken.finish = BROKEN
            yield failed(error)
        finally:
            session.add(reply)
    if held.strip() and not said_not_found(spoken.text):
        yield TokenEvent(held)


def failed(error: LanguageModelError) -> ErrorEvent:
    """The event that says that a request failed and is not tried again."""
    return ErrorEvent(type(error).__name__, str(error))
