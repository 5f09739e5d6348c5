"""A real HTTP server on loopback that speaks OpenAI's protocol, follows a script, and misbehaves on demand.

    with ModelServer([Say("Paris [1]."), Fail(429, retry_after=1), CutOff("half")]) as server:
        ...  # server.base_url, server.requests

It answers `/v1/chat/completions` (streaming or not, with tools and usage),
`/v1/embeddings` (deterministic vectors: texts that share words are near) and
`/v1/models`, and a GET of any other path with the JSON that `pages` has for it.
Every POST takes the next entry of the script, and after its end the last one
again; for embeddings, any entry that speaks means "vectors". A request that the
rate limit or a random failure turns away takes no entry.

Leaving the context closes every connection, joins every thread and raises what
went wrong inside the server, so that no mistake here looks like one of the client.
"""

from __future__ import annotations

import json
import random
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from tests.model_server.replies import (
    answer_chat,
    answer_embeddings,
    send_error,
    send_json,
    send_limit_error,
)
from tests.model_server.script import (
    CallTool,
    CutOff,
    Empty,
    EndEarly,
    Entry,
    Fail,
    FailInStream,
    Garbage,
    Hang,
    Say,
    ScriptEntry,
    TooLong,
    UnknownModel,
)

__all__ = [
    "CallTool", "CutOff", "Empty", "EndEarly", "Fail", "FailInStream", "Garbage", "Hang", "ModelServer",
    "Say", "Seen", "TooLong", "UnknownModel",
]  # fmt: skip

WAIT = 30.0
"""Seconds after which a test that waits for something that never comes fails."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One request as it arrived. Header names are in lower case; `at` is `time.monotonic()`.

    `answered` is set when the reply has been sent as scripted, `left` when the
    client closed the connection before that.
    """

    path: str
    body: Mapping[str, Any]
    headers: Mapping[str, str]
    at: float
    answered: threading.Event = field(default_factory=threading.Event)
    left: threading.Event = field(default_factory=threading.Event)

    def __getitem__(self, key: str) -> Any:
        return self.body[key]

    @property
    def text(self) -> str:
        """All text of the messages, joined."""
        return "\n".join(str(message.get("content") or "") for message in self.body.get("messages", ()))


class ModelServer:
    """The server, running while its context is open. See the module's docstring.

    models               entries of /v1/models, by default one, "test-model"
    key                  if given, other keys are refused with 401
    failure_share        probability with which a POST fails with one of `failures`, drawn with `seed`
    requests_per_minute  limit of POSTs in any `window` seconds; more are answered 429 with Retry-After
                         and counted in `violations` (those that fail at random count as requests, too)
    dimension            length of the embedding vectors
    """

    def __init__(
        self,
        script: Sequence[ScriptEntry] = ("ok",),
        *,
        models: Sequence[Mapping[str, Any]] = ({"id": "test-model"},),
        key: str = "",
        failure_share: float = 0.0,
        failures: Sequence[Fail] = (Fail(429), Fail(500)),
        seed: int = 0,
        requests_per_minute: int = 0,
        window: float = 60.0,
        dimension: int = 64,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.requests: list[Seen] = []
        self.violations = 0
        self.connections = 0
        self.models = models
        self.pages: dict[str, Any] = {}
        self.dimension = dimension
        self.closing = threading.Event()
        self._script = list(script) or ["ok"]
        self._position = 0
        self._key = key
        self._failure_share, self._failures = failure_share, tuple(failures)
        self._random = random.Random(seed)
        self._limit, self._window, self._clock = requests_per_minute, window, clock
        self._allowed: deque[float] = deque()
        self._lock = threading.Lock()
        self._arrival = threading.Condition(self._lock)
        self._sockets: set[socket.socket] = set()
        self._errors: list[BaseException] = []
        self._http: _Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def base_url(self) -> str:
        """Where clients find it, such as "http://127.0.0.1:40123/v1"."""
        return f"http://127.0.0.1:{self._running.server_address[1]}/v1"

    @property
    def chats(self) -> list[Mapping[str, Any]]:
        """The bodies of all chat requests."""
        return [seen.body for seen in self.requests if seen.path.endswith("/chat/completions")]

    def wait_for_requests(self, number: int) -> list[Seen]:
        """Wait until so many requests have arrived, and return all of them. Fails after `WAIT`."""
        with self._arrival:
            arrived = self._arrival.wait_for(lambda: len(self.requests) >= number, timeout=WAIT)
            assert arrived, f"{len(self.requests)} requests arrived, {number} were expected"
            return list(self.requests)

    def __enter__(self) -> Self:
        self._http = _Server(self)
        self._thread = threading.Thread(
            target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, name="model-server"
        )
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()
        if self._errors and exception[0] is None:
            raise self._errors[0]

    def close(self) -> None:
        """End all replies, connections and threads. A second call does nothing."""
        if self._http is None or self._thread is None:
            return
        self.closing.set()
        self._http.shutdown()
        self._thread.join()
        self._http.socket.close()  # nobody can connect any more: the set of sockets only shrinks now
        with self._lock:
            for connection in self._sockets:
                _shut(connection)
        self._http.server_close()
        self._http = self._thread = None

    @property
    def _running(self) -> _Server:
        assert self._http is not None, "the server runs only inside its context"
        return self._http

    def opened(self, connection: socket.socket) -> None:
        """A client has connected."""
        with self._lock:
            self._sockets.add(connection)
            self.connections += 1
            if self.closing.is_set():
                _shut(connection)

    def closed(self, connection: socket.socket) -> None:
        """A connection has ended."""
        with self._lock:
            self._sockets.discard(connection)

    def failed(self, error: BaseException) -> None:
        """Something in the server itself went wrong; raised when the context is left."""
        self._errors.append(error)

    def arrived(self, seen: Seen) -> None:
        """Record a request."""
        with self._arrival:
            self.requests.append(seen)
            self._arrival.notify_all()

    def refused(self, seen: Seen) -> Fail | float | None:
        """What turns a POST away before the script is asked: a failure, or seconds of the rate limit."""
        if self._key and seen.headers.get("authorization") != f"Bearer {self._key}":
            return Fail(401, code="invalid_api_key", message="Incorrect API key provided", echo_key=True)
        with self._lock:
            now = self._clock()
            while self._allowed and self._allowed[0] + self._window <= now:
                self._allowed.popleft()
            if self._limit and len(self._allowed) >= self._limit:
                self.violations += 1
                return self._allowed[0] + self._window - now
            self._allowed.append(now)
            if self._failure_share and self._random.random() < self._failure_share:
                return self._random.choice(self._failures)
        return None

    def next_entry(self, body: Mapping[str, Any]) -> Entry:
        """The script's next entry, functions called."""
        with self._lock:
            entry = self._script[min(self._position, len(self._script) - 1)]
            self._position += 1
        made = entry(body) if callable(entry) else entry
        return Say(made) if isinstance(made, str) else made


class _Server(ThreadingHTTPServer):
    daemon_threads = False
    block_on_close = True
    request_queue_size = 256

    def __init__(self, owner: ModelServer) -> None:
        self.owner = owner
        super().__init__(("127.0.0.1", 0), _Handler)

    def server_bind(self) -> None:
        # Without the reverse look-up of the address that HTTPServer makes here: it may ask a name server.
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = "127.0.0.1", self.server_address[1]

    def handle_error(self, request: Any, client_address: Any) -> None:
        import sys

        error = sys.exception()
        if error is not None and not isinstance(error, ConnectionError):
            self.owner.failed(error)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # buffered: headers and the first event leave in one packet; replies flush themselves
    server: _Server

    def setup(self) -> None:
        super().setup()
        self.server.owner.opened(self.connection)

    def finish(self) -> None:
        try:
            super().finish()
        except ConnectionError:
            return  # the client has gone, and with it whom to send the rest to
        finally:
            self.server.owner.closed(self.connection)

    def log_message(self, *_: object) -> None:
        """Nothing is printed."""

    def do_GET(self) -> None:
        owner = self.server.owner
        owner.arrived(Seen(self.path, {}, self._headers(), time.monotonic()))
        if self.path.rstrip("/") == "/v1/models":
            models = [
                {"object": "model", "created": 0, "owned_by": "tests", **entry} for entry in owner.models
            ]
            send_json(self, {"object": "list", "data": models})
        elif self.path in owner.pages:
            send_json(self, owner.pages[self.path])
        else:
            send_error(self, Fail(404, message=f"no such path: {self.path}"))

    def do_POST(self) -> None:
        owner = self.server.owner
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        seen = Seen(self.path, json.loads(content), self._headers(), time.monotonic())
        owner.arrived(seen)
        try:
            self._answer(owner, seen)
            self.wfile.flush()
        except ConnectionError:
            self.close_connection = True
            if not owner.closing.is_set():
                seen.left.set()
        else:
            seen.answered.set()

    def _answer(self, owner: ModelServer, seen: Seen) -> None:
        refusal = owner.refused(seen)
        if isinstance(refusal, Fail):
            send_error(self, refusal)
        elif refusal is not None:
            send_limit_error(self, refusal)
        elif self.path == "/v1/chat/completions":
            answer_chat(self, seen.body, owner.next_entry(seen.body))
        elif self.path == "/v1/embeddings":
            answer_embeddings(self, seen.body, owner.next_entry(seen.body), dimension=owner.dimension)
        else:
            send_error(self, Fail(404, message=f"no such path: {self.path}"))

    def _headers(self) -> dict[str, str]:
        return {name.lower(): value for name, value in self.headers.items()}


def _shut(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # the other side was faster
