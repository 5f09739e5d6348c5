"""HTTP on a connection, with limits that uvicorn leaves to others: time and size of the head, and dawdling.

uvicorn waits for ever for the rest of a request's head, takes one of any size,
and keeps an answer for as long as nobody reads it. Each of these ties up a
connection, or memory, for nothing ("slowloris").
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Any, Final

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

HEAD_BYTES: Final = 64_000
"""Request line and headers together."""

LAST_WORDS_SECONDS: Final = 2.0
"""How long a client may take to read why its connection ends."""


class CarefulProtocol(HttpToolsProtocol):
    """One connection. `stall_seconds` and `most_connections` are set by `careful_protocol`."""

    stall_seconds: float = 30.0
    most_connections: int = 1_000

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._head_size = 0
        self._head_timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None
        self._last_timer: asyncio.TimerHandle | None = None
        self._upgraded = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request, if there is room for one more connection."""
        super().connection_made(transport)
        if len(self.connections) > self.most_connections:
            self._end(HTTPStatus.SERVICE_UNAVAILABLE)
        else:
            self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop all clocks."""
        for timer in (self._head_timer, self._write_timer, self._last_timer):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on; what is not yet a whole head counts towards its limits."""
        if self.transport.is_closing():
            return
        waiting = self._waits_for_head()
        if waiting:
            self._head_size += len(data)
        super().data_received(data)
        if self._upgraded or self.transport.is_closing():
            return
        if not self._waits_for_head():
            return
        if self._head_size > HEAD_BYTES:
            self._end(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        elif self._head_timer is None:
            self._await_head()

    def on_headers_complete(self) -> None:
        """Hand the request over, unless its head came in one piece that is too large."""
        self._head_size = 0
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None
        size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
        if size > HEAD_BYTES:
            self._end(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
            raise ValueError(f"The head of a request has {size:,} bytes; {HEAD_BYTES:,} are allowed.")
        super().on_headers_complete()

    def handle_websocket_upgrade(self) -> None:
        """Leave the connection to the WebSocket, which has clocks of its own."""
        self._upgraded = True
        super().handle_websocket_upgrade()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no request, unless it was refused already."""
        if not self.transport.is_closing():
            super().send_400_response(msg)

    def pause_writing(self) -> None:
        """The client does not read as fast as it is answered: give it a while."""
        super().pause_writing()
        self._write_timer = self.loop.call_later(self.stall_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """It reads again."""
        super().resume_writing()
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None

    def _waits_for_head(self) -> bool:
        return self.cycle is None or self.cycle.response_complete  # type: ignore[redundant-expr]

    def _await_head(self) -> None:
        self._head_timer = self.loop.call_later(self.stall_seconds, self._end, HTTPStatus.REQUEST_TIMEOUT)

    def _end(self, status: HTTPStatus) -> None:
        """Say why, close, and do not wait for ever until that is read."""
        if self.transport.is_closing():
            return
        line = f"HTTP/1.1 {status.value} {status.phrase}\r\n"
        self.transport.write(f"{line}content-length: 0\r\nconnection: close\r\n\r\n".encode("ascii"))
        self.transport.close()
        self._last_timer = self.loop.call_later(LAST_WORDS_SECONDS, self.transport.abort)


def careful_protocol(*, stall_seconds: float, connections: int) -> type[CarefulProtocol]:
    """The protocol of one server: so many connections, none of which is waited for longer than this."""
    limits = {"stall_seconds": stall_seconds, "most_connections": connections}
    return type("CarefulProtocol", (CarefulProtocol,), limits)
