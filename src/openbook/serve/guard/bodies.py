"""How large a request may be and how long its sender may dawdle.

A body that announces too much is refused before a byte of it is read, one that
turns out too large at the byte that is too much; whoever reads it (an upload
on its way to the disk) sees the sender go away and cleans up.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Final

from openbook.serve.guard.refusals import Refusal, header_of, note, refuse, without
from openbook.serve.problems import TOO_LARGE, Kind

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from openbook.serve.options import ServeOptions

ADDRESS_BYTES: Final = 16_000
"""Length of a path and its query, as they are sent."""

UPLOAD: Final = "/api/documents/upload"

FILES: Final = 4
"""Files of the largest size that one request may upload."""

SLOWEST: Final = 1_000
"""Bytes a second that a sender has to manage in the mean, after `stall_seconds`."""

LINGER_SECONDS: Final = 2.0
LINGER_BYTES: Final = 4_000_000
"""How long and how much is still read, and thrown away, of a body that nobody wants.

Closing at once would reset the connection, and the sender might never see why.
"""


class Measured:
    """Serves requests whose address and body have a size and a speed that can be borne."""

    def __init__(self, app: ASGIApp, options: ServeOptions) -> None:
        self.app = app
        self._options = options

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or refuse it."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        if len(scope.get("raw_path") or b"") + len(scope["query_string"]) > ADDRESS_BYTES:
            await refuse(scope, send, _LONG_ADDRESS)
            return
        length = header_of(scope, b"content-length")
        if scope["type"] == "websocket" or not (length.strip("0") or header_of(scope, b"transfer-encoding")):
            await self.app(scope, receive, send)
            return
        body = _Body(scope, receive, send, limit=self._limit(scope), stall=self._options.stall_seconds)
        if length.isdigit() and int(length) > body.limit:
            await body.end(_too_large(body.limit))
            return
        try:
            await self.app(scope, body.receive, body.send)
        except Exception:
            if body.refusal is None:
                raise
        if body.refusal is not None and not body.started:
            await body.end(body.refusal)

    def _limit(self, scope: Scope) -> int:
        return FILES * self._options.upload_bytes if is_upload(scope["path"]) else self._options.body_bytes


class _Body:
    """The body of one request as it is read, and the answer to it."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, *, limit: int, stall: float) -> None:
        self._scope = scope
        self._receive = receive
        self._send = send
        self.limit = limit
        self.refusal: Refusal | None = None
        self.started = False
        self._stall = stall
        self._size = 0
        self._waited = 0.0
        self._more = True

    async def receive(self) -> Message:
        """The next block; after a refusal, and for an unread rest, the sender seems to be gone."""
        if self.refusal is not None:
            return {"type": "http.disconnect"}
        if not self._more:
            return await self._receive()
        message = await self._next()
        if message is None:
            self._refuse(_SLOW)
        elif self._size > self.limit:
            self._refuse(_too_large(self.limit))
        else:
            return message
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """Pass the application's answer on, unless the request was refused before it began."""
        if self.refusal is not None and not self.started:
            return
        if message["type"] == "http.response.start":
            self.started = True
            if self._more:
                headers = [*without(message.get("headers", ()), b"connection"), (b"connection", b"close")]
                message = {**message, "headers": headers}
        elif self._more and message["type"] == "http.response.body" and not message.get("more_body", False):
            await self._send({**message, "more_body": True})
            await self._linger()
            message = {"type": "http.response.body", "body": b"", "more_body": False}
        await self._send(message)

    async def end(self, refusal: Refusal) -> None:
        """Refuse the request."""
        self.refusal = None
        note(self._scope, refusal)
        await refuse(self._scope, self.send, refusal)

    def _refuse(self, refusal: Refusal) -> None:
        self.refusal = refusal
        note(self._scope, refusal)

    async def _next(self) -> Message | None:
        """The next block, or None for a sender that is too slow."""
        begun = time.monotonic()
        patience = self._stall + min(self._size / SLOWEST - self._waited, 0.0)
        try:
            async with asyncio.timeout(max(patience, 0.0)):
                message = await self._receive()
        except TimeoutError:
            return None
        self._waited += time.monotonic() - begun
        self._size += len(message.get("body", b""))
        self._more = message["type"] == "http.request" and message.get("more_body", False)
        return message

    async def _linger(self) -> None:
        size = self._size
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LINGER_SECONDS):
                while self._more and self._size - size < LINGER_BYTES:
                    message = await self._receive()
                    self._size += len(message.get("body", b""))
                    self._more = message["type"] == "http.request" and message.get("more_body", False)


def is_upload(path: str) -> bool:
    """Whether files are sent there, by programs or by the page."""
    return path.rstrip("/") == UPLOAD


def _too_large(limit: int) -> Refusal:
    return Refusal(TOO_LARGE, f"The body of this request may have {limit:,} bytes at most.")


_LONG_ADDRESS: Final = Refusal(
    Kind("address-too-long", 414, "The address is too long."),
    f"Path and query may have {ADDRESS_BYTES:,} bytes together. Send a body instead.",
)
_SLOW: Final = Refusal(
    Kind("too-slow", 408, "The request came too slowly."), "The body of this request did not arrive in time."
)
