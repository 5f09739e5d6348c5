"""Answers that go on for long (server-sent events): how many there may be, and their end.

They would hold up a server that wants to stop for as long as somebody listens,
so they are ended then: what had arrived is complete, and the client may ask
again elsewhere.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from openbook.serve.guard.refusals import Refusal, note, refuse
from openbook.serve.problems import Kind

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from openbook.serve.options import ServeOptions

READINESS: Final = "/api/ready"

_STOPPING: Final = Refusal(
    Kind("stopping", 503, "The server stops."),
    "The server is about to stop. Try again in a moment.",
    ((b"retry-after", b"5"),),
)
_TOO_MANY: Final = Refusal(
    Kind("too-many-streams", 503, "Too many streams."),
    "Too many answers are being written. Try again.",
    ((b"retry-after", b"5"),),
)


class _Refused(Exception):
    """Ends the application's work on an answer that is not sent."""


class Streams:
    """Serves requests, counts their streams and can end them all."""

    def __init__(self, app: ASGIApp, options: ServeOptions) -> None:
        self.app = app
        self._most = options.streams
        self._open: set[asyncio.Task[object]] = set()
        self._stopping = False

    def stop(self) -> None:
        """End all streams and begin no more. To be called on the event loop."""
        self._stopping = True
        for task in self._open:
            task.cancel()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
        elif self._stopping and scope["path"] == READINESS:
            await refuse(scope, send, _STOPPING)
        else:
            await _Answer(self, scope, send).serve(receive)

    def begin(self, task: asyncio.Task[object]) -> Refusal | None:
        """Count one more stream, or say why there cannot be one."""
        if self._stopping:
            return _STOPPING
        if len(self._open) >= self._most:
            return _TOO_MANY
        self._open.add(task)
        return None

    def end(self, task: asyncio.Task[object]) -> bool:
        """Count one less; return whether it was ended from here."""
        was_open = task in self._open
        self._open.discard(task)
        return was_open and self._stopping


class _Answer:
    """One answer, which may turn out to be a stream."""

    def __init__(self, streams: Streams, scope: Scope, send: Send) -> None:
        self._streams = streams
        self._scope = scope
        self._send = send
        self._task = asyncio.current_task()
        self._refusal: Refusal | None = None
        self._complete = False

    async def serve(self, receive: Receive) -> None:
        if self._task is None:  # not under an event loop's task: nothing could be ended
            await self._streams.app(self._scope, receive, self._send)
            return
        ended = False
        try:
            await self._streams.app(self._scope, receive, self.send)
        except asyncio.CancelledError:
            ended = self._streams.end(self._task)
            if not ended:
                raise
            self._task.uncancel()
        except Exception:
            if self._refusal is None:
                raise
        finally:
            self._streams.end(self._task)
        if self._refusal is not None:
            await refuse(self._scope, self._send, self._refusal)
        elif ended and not self._complete:
            note(self._scope, _STOPPING)
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def send(self, message: Message) -> None:
        if self._refusal is not None:
            raise _Refused(self._refusal.kind.name)
        if message["type"] == "http.response.start" and _is_stream(message) and self._task is not None:
            self._refusal = self._streams.begin(self._task)
            if self._refusal is not None:
                raise _Refused(self._refusal.kind.name)
        self._complete = message["type"] == "http.response.body" and not message.get("more_body", False)
        await self._send(message)


def _is_stream(message: Message) -> bool:
    media = next((value for key, value in message.get("headers", ()) if key.lower() == b"content-type"), b"")
    return bool(media.startswith(b"text/event-stream"))
