"""Server-sent events that end when their reader does, and errors in the midst of them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from openbook.errors import OpenbookError
from openbook.serve.http_api.replies import EventStream, json_bytes, unless_gone
from openbook.serve.openai_api.errors import error_form

if TYPE_CHECKING:
    from starlette.requests import Request

T = TypeVar("T")
Sent: TypeAlias = bytes


def event(value: dict[str, Any], name: str = "") -> Sent:
    """One server-sent event; chat completions have no names for theirs."""
    kind = b"event: " + name.encode("ascii") + b"\n" if name else b""
    return kind + b"data: " + json_bytes(value) + b"\n\n"


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
