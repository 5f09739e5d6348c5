"""The process that serves: its socket, its signals and how it ends.

The first SIGINT or SIGTERM ends the server well: it takes no new connection,
lets what is being answered end within `grace_seconds`, and closes the
libraries. The second ends the process at once; nothing that was reported done
is lost by that, because the ledger survives `kill -9`.

Refused: several worker processes. One library object answers from all threads,
and jobs and undo live in one process.
"""

from __future__ import annotations

import errno
import os
import signal
import socket
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Final

import uvicorn

from openbook.errors import UsageError
from openbook.serve.logs import EVENTS
from openbook.serve.protocol import careful_protocol

if TYPE_CHECKING:
    from openbook.serve.guard import Guarded
    from openbook.serve.options import ServeOptions

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
STOPPED_AT_ONCE: Final = 130
"""Exit code after the second signal."""

WAITING_CONNECTIONS: Final = 1_024
"""Connections that the system keeps until they are accepted."""


def listening_socket(host: str, port: int) -> socket.socket:
    """A socket that listens at this address. Raises UsageError with what to do where that cannot be."""
    try:
        family, _, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except OSError as error:
        raise UsageError(
            f"The host {host!r} is no address of this machine ({error}). Expected one such as 127.0.0.1, "
            "::1 or 0.0.0.0."
        ) from error
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(WAITING_CONNECTIONS)
    except OSError as error:
        listener.close()
        raise UsageError(_why_not(host, port, error)) from error
    listener.setblocking(False)
    return listener


def address_of(listener: socket.socket) -> str:
    """The address that a browser on this machine opens, such as "http://127.0.0.1:8080"."""
    host, port = listener.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def serve(
    app: Guarded, listener: socket.socket, options: ServeOptions, *, started: Callable[[], None]
) -> None:
    """Serve until a signal says to stop; `started` is called as soon as requests are answered."""
    server_of(app, options, started).run(sockets=[listener])


def server_of(app: Guarded, options: ServeOptions, started: Callable[[], None]) -> Server:
    """The server itself, for those who run it in a thread and stop it with `should_exit`."""
    config = uvicorn.Config(
        app,
        http=careful_protocol(stall_seconds=options.stall_seconds, connections=options.connections),
        log_config=None,
        access_log=False,
        proxy_headers=bool(options.proxies),
        forwarded_allow_ips=list(options.proxies),
        server_header=False,
        timeout_graceful_shutdown=max(1, round(options.grace_seconds)),
        ws_max_size=options.body_bytes,
    )
    return Server(config, app.stop, started)


class Server(uvicorn.Server):
    """uvicorn's server with an end that is told apart from a crash: exit code 0 after a first signal."""

    def __init__(
        self, config: uvicorn.Config, end_streams: Callable[[], None], started: Callable[[], None]
    ) -> None:
        super().__init__(config)
        self._end_streams = end_streams
        self._tell_started = started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and tell so."""
        await super().startup(sockets)
        EVENTS.info("started", extra={"fields": {"process": os.getpid()}})
        self._tell_started()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take no more connections, end what would never end, wait for the rest, close the libraries."""
        EVENTS.info("stopping")
        self._end_streams()
        await super().shutdown(sockets)
        EVENTS.info("stopped")

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Listen to both signals while serving; unlike uvicorn, do not raise them again afterwards."""
        if threading.current_thread() is not threading.main_thread():
            yield  # only the main thread hears signals
            return
        before = {number: signal.signal(number, self._stop) for number in SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _stop(self, _signal: int, _frame: FrameType | None) -> None:
        """Begin to stop, or stop at once if that has begun already."""
        if self.should_exit:
            os._exit(STOPPED_AT_ONCE)
        self.should_exit = True


def _why_not(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"Port {port} of {host} is in use by another program, perhaps by another openbook serve. Stop "
            f"that, or choose another port: openbook serve --port {port + 1 if port < 65535 else 8080} "
            "(0 takes any free one)."
        )
    if error.errno == errno.EACCES:
        return f"Port {port} may not be used by this user. Choose one of 1024 or more: --port 8080."
    if error.errno == errno.EADDRNOTAVAIL:
        return (
            f"The address {host!r} does not belong to this machine. Expected 127.0.0.1, ::1, 0.0.0.0 (every "
            "address of this machine) or one of its own."
        )
    return f"The server cannot listen at {host}, port {port}: {error}."
