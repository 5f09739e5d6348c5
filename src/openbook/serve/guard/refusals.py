"""How a request is refused: problem details (RFC 9457), the same for HTTP and for WebSockets.

Refused: HTML for people here. A browser is sent to the login page before it
meets any of these, except where somebody works against the page.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from openbook.serve.problems import MEDIA_TYPE, PREFIX, Kind, Problem, problem_form

if TYPE_CHECKING:
    from starlette.types import Scope, Send

Header: TypeAlias = tuple[bytes, bytes]

_POLICY_VIOLATION: Final = 1008
"""Close code of a WebSocket that breaks a rule (RFC 6455, section 7.4.1)."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request is not served: a kind of problem, and what this is about and what to do."""

    kind: Kind
    detail: str
    headers: Sequence[Header] = ()

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self.kind.status

    @property
    def body(self) -> bytes:
        """The problem details."""
        problem = Problem(PREFIX + self.kind.name, self.kind.title, self.status, self.detail)
        return json.dumps(problem_form(problem)).encode("ascii")

    @property
    def start(self) -> dict[str, object]:
        """The beginning of the answer, without its type."""
        length = str(len(self.body)).encode()
        fixed = [(b"content-type", MEDIA_TYPE.encode()), (b"content-length", length)]
        return {"status": self.status, "headers": [*fixed, *self.headers]}


async def refuse(scope: Scope, send: Send, refusal: Refusal) -> None:
    """Answer a request, or the wish for a WebSocket, with a refusal."""
    note(scope, refusal)
    if scope["type"] == "http":
        await send({"type": "http.response.start", **refusal.start})
        await send({"type": "http.response.body", "body": refusal.body})
    elif "websocket.http.response" in (scope.get("extensions") or {}):
        await send({"type": "websocket.http.response.start", **refusal.start})
        await send({"type": "websocket.http.response.body", "body": refusal.body})
    else:
        await send({"type": "websocket.close", "code": _POLICY_VIOLATION, "reason": refusal.kind.name})


def note(scope: Scope, refusal: Refusal) -> None:
    """Leave for the log why a request was refused."""
    scope.setdefault("state", {})["refused"] = refusal.kind.name


def headers_of(scope: Scope, name: bytes) -> list[str]:
    """All values of a request's header, `name` in lower case."""
    return [value.decode("latin-1") for key, value in scope["headers"] if key == name]


def header_of(scope: Scope, name: bytes) -> str:
    """The first value of a request's header, or ""."""
    for key, value in scope["headers"]:
        if key == name:
            found: bytes = value
            return found.decode("latin-1")
    return ""


def without(headers: Iterable[Header], *names: bytes) -> list[Header]:
    """These headers without those of these names."""
    return [(key, value) for key, value in headers if key.lower() not in names]
