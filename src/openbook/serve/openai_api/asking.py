"""A question of this API → the parts of its answer, as they may be sent.

A model's text is passed on as it arrives, unchecked, and the check follows;
`strict` promises checked text only, so nothing is passed on before its end.
Quotes come whole.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from openbook.conversing import shortened
from openbook.events import ErrorEvent, TokenEvent, VerificationEvent
from openbook.json_form import json_form
from openbook.serve.openai_api.errors import Refused, short
from openbook.serve.openai_api.shown_text import ShownText, rest_of_text, whole_text
from openbook.serve.openai_api.usage import Usage, usage_of

if TYPE_CHECKING:
    from openbook.serve.desk import Desk, Shelf
    from openbook.serve.openai_api.requests import Question
    from openbook.serve.openai_api.shown_text import LinkTo
    from openbook.types import Answer

NOT_FOLLOWED = "Instructions of system messages were not followed: the documents decide what is answered."


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole reply: what is shown, what it cost, and the answer as everything else here returns it."""

    shown: ShownText
    usage: Usage
    answer: Answer
    extension: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Asking:
    """One question to one library. `link_to` gives the addresses of its sources."""

    desk: Desk
    question: Question
    link_to: LinkTo

    async def whole(self) -> Reply:
        """The reply, once all of it is there and checked."""
        async with aclosing(self._parts(early=False)) as parts:
            async for part in parts:
                if isinstance(part, Reply):
                    return part
        raise Refused("The server stopped before the answer was complete. Ask again.", status=503)

    def parts(self) -> AsyncGenerator[str | Reply, None]:
        """Text as it may be sent, and the whole reply last. Closing it stops the answer."""
        return self._parts(early=not self.question.wishes.strict)

    async def _parts(self, *, early: bool) -> AsyncGenerator[str | Reply, None]:
        sent = ""
        broken: tuple[str, ...] = ()
        wishes, asked = self.question.wishes, self.question.asked
        options = {**wishes.options(), "answer_tokens": self.question.most_tokens}
        history = shortened(asked.history)
        events = self.desk.background.stream(
            lambda: self.desk.ask_stream(asked.question, history=history, **options)
        )
        async with aclosing(events):
            async for event in events:
                if isinstance(event, TokenEvent) and early:
                    text = event.text if sent else event.text.lstrip()
                    sent += text
                    if text:
                        yield text
                elif isinstance(event, ErrorEvent) and event.retry_seconds is None:
                    broken = (event.message,)
                elif isinstance(event, VerificationEvent):
                    answer = replace(event.answer, notes=tuple(dict.fromkeys((*event.answer.notes, *broken))))
                    reply = await self.desk.background.run(self._reply, answer, sent)
                    if ending := reply.shown.text[len(sent) :]:
                        yield ending
                    yield reply

    def _reply(self, answer: Answer, sent: str) -> Reply:
        sources = self.question.wishes.sources
        if sent:
            shown = rest_of_text(answer, sent, self.link_to, sources=sources)
        else:
            shown = whole_text(answer, self.link_to, sources=sources)
        usage = usage_of(answer, self.question.asked.texts, shown.text, self.desk.library.embedder())
        return Reply(shown, usage, answer, self._extension(answer, usage))

    def _extension(self, answer: Answer, usage: Usage) -> dict[str, Any]:
        """The answer in the form that it has everywhere, its evidence by place; offsets are into its text."""
        form: dict[str, Any] = json_form(answer)
        for name in ("value", "steps"):
            form.pop(name)
        form["evidence"] = [
            {
                **{name: value for name, value in piece.items() if name != "text"},
                "url": self.link_to(evidence),
            }
            for piece, evidence in zip(form["evidence"], answer.evidence, strict=True)
        ]
        if self.question.asked.instructed:
            form["notes"].append(NOT_FOLLOWED)
        return {**form, "tokens_counted_by": usage.counted_by}


def desk_of(shelf: Shelf, model: str) -> Desk:
    """The library that a request names as its model. Raises Refused (404) where there is none."""
    names = [desk.name for desk in shelf]
    if model not in names:
        raise Refused(
            f"There is no model {short(model)} here. The models are this server's libraries: "
            f"{', '.join(map(repr, names))}.",
            param="model",
            code="model_not_found",
            status=404,
        )
    return shelf.desk(model)
