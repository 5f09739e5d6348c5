"""Search and ask. An answer comes as JSON when it is whole, or as server-sent events while it comes about.

Events are named after `event.kind` and hold the event (see `openbook.events`).
Where an answer is kept in a conversation, an event `conversation` says in
which at the end. What fails before the first event has a status of its own;
what fails later is an event `error` with the same problem details.

Refused: the error event of the library beside that one; both would say the same.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from openbook.conversing import Chat
from openbook.events import ErrorEvent, Event, VerificationEvent
from openbook.serve import problems
from openbook.serve.desk import Desk
from openbook.serve.http_api import parameters, samples
from openbook.serve.http_api.description import reply
from openbook.serve.http_api.parameters import DeskParameter
from openbook.serve.http_api.replies import EVENT_STREAM, EventStream, Json, event_bytes, unless_gone
from openbook.serve.http_api.shapes import AskBody, ConversationKept, KeptAnswer, SearchBody, extended
from openbook.serve.problems import (
    CONVERSATION_UNKNOWN,
    MODEL_REFUSED,
    NO_LANGUAGE_MODEL,
    NOT_READY,
    ProblemError,
    unknown,
)
from openbook.types import Answer, Hits

router = APIRouter()

_MODEL_PROBLEMS: Final = (NO_LANGUAGE_MODEL, MODEL_REFUSED, CONVERSATION_UNKNOWN, *problems.MODEL_PROBLEMS)


@router.post(
    "/search",
    tags=["search"],
    response_model=Hits,
    responses=reply(samples.HITS),
    summary="Find places in the documents",
)
async def search(desk: DeskParameter, body: SearchBody) -> Response:
    """The best places for a question, by words and by meaning, best first."""
    return await _searched(desk, body)


@router.get(
    "/search",
    tags=["search"],
    response_model=Hits,
    responses=reply(samples.HITS),
    summary="Find places, by address",
)
async def search_by_address(
    desk: DeskParameter,
    q: Annotated[parameters.Question, Query(max_length=parameters.LONGEST_WORDS)],
    k: Annotated[parameters.HowMany | None, Query()] = None,
    where: Annotated[parameters.Conditions, Query()] = [],  # noqa: B006
    per_document: Annotated[parameters.PerDocument | None, Query()] = None,
    explain: Annotated[parameters.Flag, Query(description="Say of which parts each score is made.")] = False,
) -> Response:
    """The same as an address that can be kept and passed on. `where` may be given several times."""
    return await _searched(
        desk, SearchBody(question=q, k=k, where=where, per_document=per_document, explain=explain)
    )


@router.post(
    "/ask",
    tags=["ask"],
    response_model=KeptAnswer,
    responses=reply(samples.ANSWER, *_MODEL_PROBLEMS, events=samples.ANSWER_EVENTS),
    summary="Answer a question",
)
async def ask(request: Request, desk: DeskParameter, body: AskBody) -> Response:
    """Answer with checked citations, or say honestly that nothing in the documents answers.

    With `stream`, or with `Accept: text/event-stream`, the reply is a stream of server-sent events:
    `retrieval`, `prompt`, `token`, `tool_call`, `usage`, and at the end `verification`, which holds the whole
    answer; then `conversation` where it is kept. An event `error` holds problem details and ends a stream.
    """
    chat = await desk.background.run(_chat, desk, body)
    _check_model(desk, body)
    options = _options(body)
    if body.stream or _wants_events(request):
        events = desk.background.stream(lambda: desk.ask_stream(body.question, conversation=chat, **options))
        first = await anext(events, None)  # what is wrong with the question shows here, with a status yet
        if first is None:
            raise _stopped()
        return EventStream(_events(events, first, chat, problems.instance_of(request)))
    events = desk.background.stream(lambda: desk.ask_stream(body.question, conversation=chat, **options))
    answer = await unless_gone(request, _final(events))  # a model costs, and nobody would read the rest
    kept = chat.id if chat is not None else None
    return Json(extended(KeptAnswer, answer, conversation=kept))


async def _final(events: AsyncGenerator[Event, None]) -> Answer:
    """The answer that a stream ends with."""
    answer: Answer | None = None
    async with aclosing(events):
        async for event in events:
            if isinstance(event, VerificationEvent):
                answer = event.answer
    if answer is None:
        raise _stopped()
    return answer


def _stopped() -> ProblemError:
    return ProblemError(NOT_READY, "The server stopped before the answer was complete. Ask again.")


async def _searched(desk: Desk, body: SearchBody) -> Response:
    hits = await desk.background.run(
        desk.search,
        body.question,
        where=body.where,
        k=body.k,
        per_document=body.per_document,
        explain=body.explain,
    )
    return Json(hits)


def _chat(desk: Desk, body: AskBody) -> Chat | None:
    if body.conversation is not None:
        with unknown(CONVERSATION_UNKNOWN):
            return desk.chat(body.conversation)
    return desk.chat() if body.keep else None


def _check_model(desk: Desk, body: AskBody) -> None:
    with unknown(MODEL_REFUSED):
        desk.check_model(body.model)
    name = body.model or desk.library.settings.model
    if (body.agent or body.schema_ is not None) and name in ("", "none"):
        raise ProblemError(
            NO_LANGUAGE_MODEL,
            "An agent, or a structured answer, needs a language model, and this library names none. Name one "
            'as `model`: "provider:name".',
        )


def _options(body: AskBody) -> dict[str, Any]:
    return {
        "where": body.where,
        "k": body.k,
        "model": body.model,
        "strategy": body.strategy,
        "strict": body.strict,
        "agent": body.agent,
        "schema": body.schema_,
    }


def _wants_events(request: Request) -> bool:
    """Whether events are accepted and JSON is not named before them."""
    accepted = request.headers.get("accept", "")
    place = accepted.find(EVENT_STREAM)
    return place >= 0 and "application/json" not in accepted[:place]


async def _events(
    events: AsyncIterator[Event], first: Event, chat: Chat | None, instance: str
) -> AsyncGenerator[bytes, None]:
    """The events of an answer as they are sent."""
    yield event_bytes(first.kind, first)
    try:
        async for event in events:
            if not isinstance(event, ErrorEvent):
                yield event_bytes(event.kind, event)
    except Exception as error:  # noqa: BLE001
        yield event_bytes("error", problems.told(error, instance))
        return
    if chat is not None:
        yield event_bytes("conversation", ConversationKept(chat.id, chat.name))
