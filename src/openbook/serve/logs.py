"""The log: one line for each request and each event of the server, as text or as JSON, on stderr.

A line says which route was called, not with what: questions, names of
documents and everything secret stay out. Whoever wants to see what was asked
finds the last questions on the status page, in memory only.

Refused: a logging library. The standard library's formatters do this in a few
lines, and what uvicorn and others log goes through the same ones.
"""

from __future__ import annotations

import json
import logging
import re
import secrets
import sys
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Protocol, TextIO

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from openbook.serve.options import LogForm

REQUESTS: Final = logging.getLogger("openbook.serve.requests")
EVENTS: Final = logging.getLogger("openbook.serve")

QUIET: Final = ("/_nicegui/", "/api/health", "/api/ready", "/metrics")
"""What is called all the time: logged only where something went wrong."""

_GIVEN_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_HANDLER_NAME: Final = "openbook-serve"


@dataclass(frozen=True, slots=True)
class Served:
    """A finished request. `route` is a template such as "/api/documents/{document_id}", "" for none."""

    id: str
    method: str
    route: str
    status: int
    seconds: float
    bytes: int
    refused: str = ""


class Observer(Protocol):
    """Whoever wants to know of every finished request."""

    def __call__(self, served: Served, /) -> None: ...


class Logged:
    """Gives every request an id, and logs how it ended."""

    def __init__(self, app: ASGIApp, observers: Iterable[Observer] = ()) -> None:
        self.app = app
        self._observers = (_log, *observers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, WebSocket or the lifespan."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        state = scope.setdefault("state", {})
        given = next((value for key, value in scope["headers"] if key == b"x-request-id"), b"").decode(
            "latin-1"
        )
        state["request_id"] = given if _GIVEN_ID.fullmatch(given) else secrets.token_hex(8)
        answer = _Answer(scope, send, state["request_id"])
        try:
            await self.app(scope, receive, answer.send)
        except Exception:  # noqa: BLE001
            EVENTS.exception("request failed", extra={"fields": {"request": state["request_id"]}})
            await answer.fail()
        finally:
            served = answer.served()
            for observer in self._observers:
                observer(served)


class _Answer:
    """What goes out as the answer to one request, counted."""

    def __init__(self, scope: Scope, send: Send, request_id: str) -> None:
        self._scope = scope
        self._send = send
        self._id = request_id
        self._began = time.perf_counter()
        self._status = 0
        self._bytes = 0

    async def send(self, message: Message) -> None:
        kind = message["type"]
        if kind in ("http.response.start", "websocket.http.response.start"):
            self._status = message["status"]
            headers = [*message.get("headers", ()), (b"x-request-id", self._id.encode())]
            message = {**message, "headers": headers}
        elif kind == "http.response.body":
            self._bytes += len(message.get("body", b""))
        elif kind == "websocket.accept":
            self._status = 101
        elif kind == "websocket.close" and not self._status:
            self._status = 403
        await self._send(message)

    async def fail(self) -> None:
        """Say that the server is at fault, where the answer has not begun."""
        if self._status or self._scope["type"] != "http":
            return
        problem = {
            "type": "about:blank",
            "title": "Internal Server Error",
            "status": 500,
            "detail": f"This is a mistake in openbook; the server's log says more about request {self._id}.",
        }
        body = json.dumps(problem).encode()
        headers = [
            (b"content-type", b"application/problem+json"),
            (b"content-length", str(len(body)).encode()),
        ]
        with suppress(OSError):
            await self.send({"type": "http.response.start", "status": 500, "headers": headers})
            await self.send({"type": "http.response.body", "body": body})

    def served(self) -> Served:
        """The request as it ended; status 499 for one whose sender left before there was an answer."""
        return Served(
            self._id,
            "WEBSOCKET" if self._scope["type"] == "websocket" else self._scope["method"],
            route_of(self._scope),
            self._status or 499,
            time.perf_counter() - self._began,
            self._bytes,
            self._scope["state"].get("refused", ""),
        )


def route_of(scope: Scope) -> str:
    """The template of the route that served a request; "" where none did."""
    path: str = scope["path"]
    if path.startswith("/_nicegui"):
        return "/_nicegui/…"
    template = getattr(scope.get("route"), "path", "")
    return f"{scope.get('root_path', '')}{template}" if template else ""


def _log(served: Served) -> None:
    if served.status >= 500 and not served.refused:
        level = logging.ERROR
    elif served.route.startswith(QUIET) and served.status < 400:
        level = logging.DEBUG
    else:
        level = logging.INFO
    fields = {
        "request": served.id,
        "method": served.method,
        "route": served.route or "-",
        "status": served.status,
        "ms": round(served.seconds * 1000, 1),
        "bytes": served.bytes,
    }
    if served.refused:
        fields["refused"] = served.refused
    REQUESTS.log(level, "request", extra={"fields": fields})


def configure(form: LogForm, *, hidden: Iterable[str] = (), stream: TextIO | None = None) -> None:
    """Send everything that is logged in this process to stderr in this form, `hidden` strings blotted out."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.set_name(_HANDLER_NAME)
    handler.setFormatter(Lines(form, tuple(filter(None, hidden))))
    root = logging.getLogger()
    for old in [handler for handler in root.handlers if handler.get_name() == _HANDLER_NAME]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    logging.getLogger("openbook").setLevel(logging.INFO)
    # uvicorn's own news (a process started, waits, ended) is told in words of this program
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    logging.captureWarnings(capture=True)


class Lines(logging.Formatter):
    """One line for each record: time (UTC), level, event, then what else is known."""

    def __init__(self, form: LogForm, hidden: tuple[str, ...] = ()) -> None:
        super().__init__()
        self._form = form
        self._hidden = hidden

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line; in text, a traceback follows on lines of its own."""
        at = datetime.fromtimestamp(record.created, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
        entry: dict[str, object] = {"time": at, "level": record.levelname.lower()}
        entry["event"] = record.getMessage().strip()
        if not record.name.startswith("openbook"):
            entry["logger"] = record.name
        entry.update(getattr(record, "fields", {}))
        if record.exc_info:
            entry["error"] = self.formatException(record.exc_info)
        line = json.dumps(entry, default=str, ensure_ascii=False) if self._form == "json" else _text(entry)
        for secret in self._hidden:
            line = line.replace(secret, "[hidden]")
        return line


def _text(entry: Mapping[str, object]) -> str:
    values = dict(entry)
    head = f"{values.pop('time')} {str(values.pop('level')).upper():7} {_word(values.pop('event'))}"
    error = values.pop("error", "")
    line = " ".join([head, *(f"{key}={_word(value, quoted=True)}" for key, value in values.items())])
    return f"{line}\n{error}" if error else line


def _word(value: object, *, quoted: bool = False) -> str:
    """A value that stays on its line, and in quotes where it could be taken for several."""
    text = str(value)
    if not text.isprintable() or (quoted and (" " in text or '"' in text)):
        return json.dumps(text, ensure_ascii=True)
    return text
