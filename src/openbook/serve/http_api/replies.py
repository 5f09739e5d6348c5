"""Replies: JSON in the one shape that every surface shows, and server-sent events.

Server-sent events follow https://html.spec.whatwg.org/multipage/server-sent-events.html:
a name, one line of JSON, an empty line. A comment goes out when nothing else
does for a while, so that nobody in between takes the connection for dead.

Refused: a response model that is built from a value that is checked already
(`json_form` knows the shape, the OpenAPI document is tested against it), and
ids for events: a stream that broke off is asked for again.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine
from typing import Any, Final, TypeVar, cast

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Send

from openbook.json_form import json_form

T = TypeVar("T")

EVENT_STREAM: Final = "text/event-stream"
KEEP_ALIVE_SECONDS: Final = 15.0
KEEP_ALIVE: Final = b": still here\n\n"


class ReaderGone(ClientDisconnect):
    """The client closed its connection before there was anything to send."""


class Json(Response):
    """A value as JSON (see `openbook.json_form`)."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """The bytes of the value."""
        return json_bytes(content)


def json_bytes(value: Any) -> bytes:
    """A value as compact JSON in UTF-8. Half of a surrogate pair, which UTF-8 lacks, is escaped."""
    form = json_form(value)
    try:
        return json.dumps(form, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
    except UnicodeEncodeError:
        return json.dumps(form, separators=(",", ":")).encode("ascii")


def event_bytes(name: str, value: Any) -> bytes:
    """One server-sent event. JSON escapes line ends, so the value is always one line."""
    return b"event: " + name.encode("ascii") + b"\ndata: " + json_bytes(value) + b"\n\n"


class EventStream(StreamingResponse):
    """Server-sent events. When the reader goes away, what makes them is told at once."""

    media_type = EVENT_STREAM

    def __init__(self, events: AsyncGenerator[bytes, None]) -> None:
        super().__init__(
            with_keep_alive(events), headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
        )

    async def stream_response(self, send: Send) -> None:
        """Send the events, and close their source, however this ends."""
        try:
            await super().stream_response(send)
        finally:
            await cast("AsyncGenerator[bytes, None]", self.body_iterator).aclose()


async def unless_gone(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """Wait for `work`, and stop it when the client goes away. Raises ReaderGone then."""
    doing = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait((doing, leaving), return_when=asyncio.FIRST_COMPLETED)
        if not doing.done():
            raise ReaderGone("the client closed its connection")
        return await doing
    finally:
        for task in (doing, leaving):
            task.cancel()
        await asyncio.gather(doing, leaving, return_exceptions=True)


async def with_keep_alive(
    events: AsyncGenerator[bytes, None], seconds: float = KEEP_ALIVE_SECONDS
) -> AsyncGenerator[bytes, None]:
    """These events, and a comment whenever none came for so many seconds."""
    following: asyncio.Task[bytes] | None = None
    try:
        while True:
            following = following or asyncio.ensure_future(_next(events))
            done, _ = await asyncio.wait({following}, timeout=seconds)
            if not done:
                yield KEEP_ALIVE
                continue
            try:
                event = following.result()
            except StopAsyncIteration:
                return
            following = None
            yield event
    finally:
        if following is not None and not following.done():
            following.cancel()
            await asyncio.wait({following})
        await events.aclose()


async def _next(events: AsyncIterator[T]) -> T:
    return await anext(events)


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
