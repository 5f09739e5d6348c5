"""Structured answers: a model fills in a schema, the program proves each field.

The model is shown the schema and the evidence and writes JSON, or null where
the evidence does not say. Its JSON is found in whatever it wrote, held against
the schema, and asked for once more with what was wrong, if something was. What
it says is then bound to the documents value by value (`binding`).

Refused: constrained decoding and a server's own JSON mode, which not every
server has and which make models invent what a schema requires; and defaults,
which are nothing that a document says.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from openbook.answer.binding import Binder, Bound, Judge
from openbook.answer.declining import said_not_found
from openbook.answer.fencing import NOT_FOUND_WORDS
from openbook.answer.json_text import Json, json_values, leaves, parts_of, replaced
from openbook.answer.language_model import LanguageModel
from openbook.answer.prompting import Budget, build_prompt, message_tokens
from openbook.answer.ranking import ContentWords, Embed
from openbook.answer.rules import DATA, Frame
from openbook.answer.schema import Problem, Schema, Settled, settle
from openbook.errors import ReplyBroken
from openbook.events import Event, PromptEvent, TokenEvent, UsageEvent
from openbook.types import Citation, Claim, Evidence, Message

_LONGEST_SHOWN: Final = 2_000
"""Characters of a failed reply that the model is shown again."""

RULES: Final = f"""\
You take facts from evidence and write them as JSON.
- Pieces of evidence stand between lines "begins" and "ends" with the same code. {DATA}
- Write one JSON value that fits the schema below, and nothing else: no explanation, no citations.
- Every value comes from the evidence. Copy numbers, dates and names as the evidence has them.
- Where the evidence does not say a value, write null, whatever the schema says about null. Invent nothing.
- If the evidence says none of it, write only {NOT_FOUND_WORDS}

The schema (JSON Schema):
"""
ENDING: Final = "Write the JSON for this question from the evidence above."


@dataclass(frozen=True, slots=True)
class Extracted:
    """A structured answer. `text` is `value` as JSON; both are empty where nothing was found.

    `citations` and `claims` belong to the single values (see `Citation.field`).
    """

    found: bool
    text: str = ""
    value: Json = None
    citations: tuple[Citation, ...] = ()
    claims: tuple[Claim, ...] = ()
    usage: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    complete: bool = True


@dataclass(slots=True)
class _Reply:
    text: str = ""
    finish: str = ""


class Extraction:
    """One structured answer in the making."""

    def __init__(
        self,
        model: LanguageModel,
        schema: Schema,
        *,
        judge: Judge,
        content_words: ContentWords,
        embed: Embed | None = None,
        answer_tokens: int = 1_000,
        strict: bool = False,
        used: Mapping[str, int] | None = None,
    ) -> None:
        """`used` is what this answer has taken before, and is added to its usage."""
        self._model = model
        self._schema = schema
        self._judge = judge
        self._content_words = content_words
        self._embed = embed
        self._answer_tokens = answer_tokens
        self._strict = strict
        self._usage = {"requests": 0, "input_tokens": 0, "output_tokens": 0, **(used or {})}
        self._notes: list[str] = []

    def events(self, question: str, evidence: Sequence[Evidence]) -> Iterator[Event | Extracted]:
        """Ask, ask again if need be, bind; yields what happens and an Extracted last.

        Raises LanguageModelError: PromptTooLong where schema and question leave
        no room for evidence, ReplyBroken where the model writes no fitting JSON
        twice.
        """
        reply = _Reply()
        settled: Settled | None = None
        for _ in range(2):
            yield from self._ask(question, evidence, reply, settled)
            if said_not_found(reply.text):
                yield self._nothing(f"{self._model.name} found nothing of it in the evidence.")
                return
            settled = self._settled(reply.text)
            if not settled.problems:
                break
            if reply.finish == "length":
                raise ReplyBroken(
                    f"{self._model.name} was cut off after {self._answer_tokens:,} tokens, in the middle of "
                    "its JSON. Raise the setting answer_tokens, or ask for less."
                )
        if settled is None or settled.problems:
            said = "; ".join(_worded(settled)) if settled is not None else ""
            raise ReplyBroken(
                f"{self._model.name} twice wrote nothing that fits {self._schema.name}: {said}. Name another "
                "model, or make the schema simpler."
            )
        last = self._extracted(settled, evidence)
        if last.text:
            yield TokenEvent(last.text)
        yield last

    # -- asking ----------------------------------------------------------------

    def _ask(
        self, question: str, evidence: Sequence[Evidence], reply: _Reply, before: Settled | None
    ) -> Iterator[Event]:
        """One request; its reply is in `reply` then. `before` is what was wrong with the one before."""
        again: tuple[Message, ...] = ()
        if before is not None:
            wrong = "\n".join(f"- {line}" for line in _worded(before))
            again = (
                Message("assistant", reply.text[:_LONGEST_SHOWN] or "(nothing)"),
                Message(
                    "user",
                    f"This does not fit the schema:\n{wrong}\n"
                    "Write the whole JSON again, with null where the evidence does not say a value.",
                ),
            )
        budget = Budget.of_window(self._model.context_tokens, self._answer_tokens)
        extra = message_tokens(again, self._model.count_tokens) if again else 0
        prompt = build_prompt(
            question,
            evidence,
            budget=replace(budget, context_tokens=budget.context_tokens - extra),
            count=self._model.count_tokens,
            counted_by=self._model.counted_by,
            frame=Frame(rules=RULES + self._schema.text, ending=ENDING),
        )
        if before is None:
            self._notes += prompt.left_out
        messages = (*prompt.messages, *again)
        yield PromptEvent(messages, prompt.tokens + extra, self._model.counted_by, prompt.left_out)
        reply.text, reply.finish = "", ""
        with self._model.reply(messages, max_tokens=budget.answer_tokens) as arriving:
            reply.text = "".join(part for part in arriving if isinstance(part, str))
            reply.finish = arriving.finish
            reported = dict(arriving.usage)
        self._usage["requests"] += 1
        self._usage["input_tokens"] += reported.get("input_tokens", prompt.tokens + extra)
        counted = self._model.count_tokens([reply.text])[0]
        self._usage["output_tokens"] += reported.get("output_tokens", counted)
        yield UsageEvent(dict(self._usage))

    def _settled(self, reply: str) -> Settled:
        """The first JSON of a reply that fits, else the likeliest with what is wrong with it."""
        tried = [settle(self._schema, value) for value in json_values(reply)]
        if not tried:
            return Settled(None, (Problem("", "there is no JSON in the reply, or it is not complete"),))
        return next((one for one in tried if not one.problems), tried[0])

    # -- binding ---------------------------------------------------------------

    def _extracted(self, settled: Settled, evidence: Sequence[Evidence]) -> Extracted:
        """The value bound to its evidence; nothing where it says nothing, or not what the schema needs."""
        if settled.invented:
            self._notes.append(f"Left out, because the schema does not name it: {_listed(settled.invented)}.")
        if settled.missing:
            return self._nothing(f"The evidence does not say: {_listed(settled.missing)}.")
        if not _says_something(settled.value):
            return self._nothing(f"{self._model.name} found nothing of it in the evidence.")
        binder = Binder(evidence, judge=self._judge, content_words=self._content_words, embed=self._embed)
        bound = binder.bind(settled.value, self._schema.definition)
        wrong = [pointer for pointer, claim in _by_pointer(settled.value, bound) if not claim.supported]
        if not wrong:
            return self._done(settled.value, bound)
        if not self._strict:
            self._notes.append(f"Not supported by the evidence: {_listed(wrong)}.")
            return self._done(settled.value, bound)
        self._notes.append(f"Left out, because the evidence does not support it: {_listed(wrong)}.")
        kept = settle(self._schema, replaced(settled.value, dict.fromkeys(wrong)))
        if kept.missing or kept.problems or not _says_something(kept.value):
            return self._nothing("Without these the answer would not fit the schema, or say nothing.")
        return self._done(kept.value, binder.bind(kept.value, self._schema.definition))

    def _done(self, value: Json, bound: Bound) -> Extracted:
        return Extracted(
            True, bound.text, value, bound.citations, bound.claims, dict(self._usage), tuple(self._notes)
        )

    def _nothing(self, note: str) -> Extracted:
        return Extracted(False, usage=dict(self._usage), notes=(*self._notes, note))


def _worded(settled: Settled) -> list[str]:
    return [f"{problem.pointer or 'the whole'}: {problem.message}" for problem in settled.problems]


def _listed(pointers: Sequence[str]) -> str:
    named = [" > ".join(parts_of(pointer)) or "the whole" for pointer in pointers]
    more = f" and {len(named) - 8} more" if len(named) > 8 else ""
    return ", ".join(named[:8]) + more


def _says_something(value: Json) -> bool:
    return any(leaf not in (None, "") for _, leaf in leaves(value))


def _by_pointer(value: Json, bound: Bound) -> list[tuple[str, Claim]]:
    """Each value that is not null with its claim; both are in the order of the text."""
    pointers = [pointer for pointer, leaf in leaves(value) if leaf is not None]
    return list(zip(pointers, bound.claims, strict=True))
