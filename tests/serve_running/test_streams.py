"""Answers that go on for ever end with the server, and there are only so many of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route

from openbook.serve.guard.streams import READINESS, Streams
from openbook.serve.logs import Served
from openbook.serve.options import ServeOptions
from tests.serve_safety.serving import Address, call, connected, echo, serving

if TYPE_CHECKING:
    import socket

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

ASKED = b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n"
FIRST = b"data: first\n\n"


async def events(scope: Scope, receive: Receive, send: Send) -> None:
    """An application whose events never end by themselves."""
    if scope["path" if scope["type"] == "http" else "type"] != "/events":
        await echo(scope, receive, send)
        return
    headers = [(b"content-type", b"text/event-stream; charset=utf-8")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": FIRST, "more_body": True})
    await receive()
    while (await receive())["type"] != "http.disconnect":
        pass


def read_first(connection: socket.socket) -> bytes:
    """Everything up to the first event."""
    connection.sendall(ASKED)
    read = b""
    while FIRST not in read:
        block = connection.recv(4_096)
        assert block, read
        read += block
    return read


def with_starlette() -> ASGIApp:
    """The same with the streaming response that the surfaces use."""

    async def endless() -> AsyncIterator[bytes]:
        yield FIRST
        await asyncio.Event().wait()

    async def answer(request: Request) -> StreamingResponse:
        return StreamingResponse(endless(), media_type="text/event-stream")

    return Starlette(routes=[Route("/events", answer)])


@pytest.mark.parametrize("app", [events, with_starlette()], ids=["plain", "starlette"])
def test_a_stream_is_complete_when_the_server_has_stopped(app: ASGIApp) -> None:
    served: list[Served] = []
    with ExitStack() as stack:
        with serving(app, ServeOptions(grace_seconds=600), served.append) as address:
            connection = stack.enter_context(connected(address))
            head = read_first(connection)
        rest = b""
        while block := connection.recv(4_096):
            rest += block
    assert b"transfer-encoding: chunked" in head
    assert (head + rest).endswith(b"\r\n0\r\n\r\n")
    assert [(one.status, one.refused) for one in served] == [(200, "stopping")]


def test_so_many_streams_and_no_more() -> None:
    with serving(events, ServeOptions(streams=2)) as address:
        with ExitStack() as stack:
            for _ in range(2):
                read_first(stack.enter_context(connected(address)))
            answer = call(address, "GET", "/events")
            assert (answer.status, answer.problem) == (503, "too-many-streams")
            assert call(address, "GET", "/x").status == 200
        assert any(_is_served(address) for _ in range(1_000)), "who left makes room"


def _is_served(address: Address) -> bool:
    with connected(address) as connection:
        connection.sendall(ASKED)
        return connection.recv(12) == b"HTTP/1.1 200"


def test_a_server_that_stops_is_not_ready_and_begins_no_stream() -> None:
    streams = Streams(events, ServeOptions())

    async def statuses(*paths: str) -> list[int]:
        found: list[int] = []

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                found.append(message["status"])

        async def receive() -> Message:
            return {"type": "http.request", "body": b""}

        for path in paths:
            scope: Scope = {"type": "http", "method": "GET", "path": path, "headers": []}
            await streams(scope, receive, send)
        return found

    assert asyncio.run(statuses(READINESS, "/x")) == [200, 200]
    streams.stop()
    assert asyncio.run(statuses(READINESS, "/events", "/x")) == [503, 503, 200]
