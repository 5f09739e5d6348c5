"""Server-sent events that end when their reader does, and errors in the midst of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from openbook.errors import OpenbookError
from openbook.serve.http_api.replies import EventStream, json_bytes
from openbook.serve.openai_api.errors import error_form

if TYPE_CHECKING:
    from starlette.requests import Request

T = TypeVar("T")
Sent: TypeAlias = bytes


class ReaderGone(Exception):
    """The client closed its connection before there was anything to send."""


def event(value: dict[str, Any], name: str = "") -> Sent:
    """One server-sent event; chat completions have no names for theirs."""
    kind = b"event: " + name.encode("ascii") + b"\n" if name else b""
    return kind + b"data: " + json_bytes(value) + b"\n\n"


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


async def streamed(
    request: Request, parts: AsyncGenerator[T, None], shape: Callable[[AsyncIterator[T]], AsyncIterator[Sent]]
) -> EventStream:
    """Stream what `shape` makes of the parts, once the first of them is there.

    An error before the first part is raised, so that it gets a status of its
    own; a later one becomes the last event.
    """
    first = await unless_gone(request, _first(parts))

    async def events() -> AsyncGenerator[Sent, None]:
        async with aclosing(parts):
            try:
                async for sent in shape(_all(first, parts)):
                    yield sent
            except OpenbookError as error:
                yield event(error_form(error)[1])

    return EventStream(events())


async def _first(parts: AsyncIterator[T]) -> T:
    return await anext(parts)


async def _all(first: T, parts: AsyncIterator[T]) -> AsyncIterator[T]:
    yield first
    async for part in parts:
        yield part


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
