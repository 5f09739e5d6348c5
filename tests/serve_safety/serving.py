"""A real server on a free loopback port, in a thread, and a client that writes the bytes it is told to.

    with serving(echo, ServeOptions(port=0)) as address:
        answer = call(address, "POST", "/echo", {"Origin": "http://evil.example"}, b"{}")

The ordinary clients are too well-behaved to be hostile.
"""

from __future__ import annotations

import http.client
import json
import socket
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from openbook.serve.guard import Guarded, guarded
from openbook.serve.options import ServeOptions
from openbook.serve.server import listening_socket, server_of

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from openbook.serve.logs import Observer

PATIENCE: Final = 30.0
"""Seconds until a client gives up: never reached where the server works."""

TOKEN: Final = "a-token-that-nobody-guesses"


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server listens."""

    host: str
    port: int

    @property
    def named(self) -> str:
        """As in a Host header."""
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer. `headers` by lower-case name; of several of one name the last."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def problem(self) -> str:
        """The kind of problem that the answer tells: "unknown-host"."""
        kind: str = self.json["type"]
        return kind.removeprefix("urn:openbook:problem:")

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


@contextmanager
def serving(
    app: ASGIApp | Guarded, options: ServeOptions | None = None, *observers: Observer
) -> Iterator[Address]:
    """Serve an application behind all checks until the context is left."""
    options = options or ServeOptions(port=0)
    whole = app if isinstance(app, Guarded) else guarded(app, options, *observers)
    listener = listening_socket("127.0.0.1", 0)
    ready = threading.Event()
    server = server_of(whole, options, ready.set)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        assert ready.wait(PATIENCE)
        yield Address(*listener.getsockname()[:2])
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


def call(
    address: Address,
    method: str,
    path: str,
    headers: Mapping[str, str] | None = None,
    body: bytes | Iterable[bytes] | None = None,
) -> Reply:
    """Send one request and read its answer; blocks of a body are sent as chunks."""
    connection = http.client.HTTPConnection(address.host, address.port, timeout=PATIENCE)
    try:
        connection.request(
            method, path, body, dict(headers or {}), encode_chunked=not isinstance(body, bytes | None)
        )
        return _read(connection.getresponse())
    finally:
        connection.close()


def raw(address: Address, sent: bytes) -> Reply:
    """Send these bytes as they are, and read the answer; status 0 if the connection just ended."""
    with connected(address) as connection:
        connection.sendall(sent)
        return answer_of(connection)


@contextmanager
def connected(address: Address) -> Iterator[socket.socket]:
    """A connection on which anything can be sent."""
    with socket.create_connection((address.host, address.port), timeout=PATIENCE) as connection:
        yield connection


def answer_of(connection: socket.socket) -> Reply:
    """The answer that comes over a connection; status 0 if it ended without one."""
    response = http.client.HTTPResponse(connection)
    try:
        response.begin()
        return _read(response)
    except (http.client.BadStatusLine, ConnectionError):
        return Reply(0, {}, b"")
    finally:
        response.close()


def websocket(address: Address, path: str, headers: Mapping[str, str] | None = None) -> Reply:
    """Ask for a WebSocket; status 101 if there is one."""
    fixed = {
        "Host": address.named,
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    lines = [f"{name}: {value}\r\n" for name, value in {**fixed, **(headers or {})}.items()]
    return raw(address, f"GET {path} HTTP/1.1\r\n{''.join(lines)}\r\n".encode())


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """An application that answers with what it was sent, and takes every WebSocket."""
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
    elif scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.close", "code": 1000})
    else:
        body, more = b"", True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message.get("body", b"")
            more = message.get("more_body", False)
        text = b"%s %s %s" % (scope["method"].encode(), scope["path"].encode(), body)
        headers = [(b"content-type", b"text/plain"), (b"content-length", str(len(text)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": text})


def _read(response: http.client.HTTPResponse) -> Reply:
    headers = {name.lower(): value for name, value in response.getheaders()}
    try:
        body = b"" if response.status == 101 else response.read()
    except ConnectionError:
        body = b""
    return Reply(response.status, headers, body)
