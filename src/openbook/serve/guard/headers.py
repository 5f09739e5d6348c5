"""What a browser may do with an answer: the headers that every one of them has.

The page needs `unsafe-eval`, because Vue compiles its templates in the
browser, and inline styles; scripts need the page's nonce, and nothing comes
from another host. An answer of an API may do nothing at all, so that a
document that is opened by itself stays dead text.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Final

from openbook.serve.guard.refusals import Header, header_of, without
from openbook.serve.guard.scripts import ScriptMarker

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

PAGE_POLICY: Final = (
    "default-src 'none'; script-src 'self' 'nonce-{nonce}' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)
API_POLICY: Final = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox"

FIXED: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
)


class Headed:
    """Adds the headers, and the nonce of its own to each page."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if "text/html" in header_of(scope, b"accept"):
            # Scripts in a compressed page could not be marked.
            scope["headers"] = without(scope["headers"], b"accept-encoding")
        await self.app(scope, receive, _Answer(send).send)


class _Answer:
    """One answer on its way out. The start of a page waits until its length is known or cannot be."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._marker: ScriptMarker | None = None
        self._start: Message | None = None

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            await self._begin(message)
        elif message["type"] == "http.response.body" and self._marker is not None:
            await self._pass_page(message, self._marker)
        else:
            await self._send(message)

    async def _begin(self, message: Message) -> None:
        headers = list(message.get("headers", []))
        present = {key.lower() for key, _ in headers}
        media = next((value for key, value in headers if key.lower() == b"content-type"), b"")
        policy = API_POLICY
        if media.lower().startswith(b"text/html") and not present & POLICY_OR_CODING:
            nonce = secrets.token_urlsafe(16)
            self._marker = ScriptMarker(nonce)
            policy = PAGE_POLICY.format(nonce=nonce)
        added: list[Header] = [*FIXED, (b"content-security-policy", policy.encode())]
        added.append((b"cache-control", b"no-store"))
        headers += [header for header in added if header[0] not in present]
        message = {**message, "headers": headers}
        if self._marker is None:
            await self._send(message)
        else:
            self._start = message

    async def _pass_page(self, message: Message, marker: ScriptMarker) -> None:
        last = not message.get("more_body", False)
        body = marker.feed(message.get("body", b""), last=last)
        if self._start is not None:
            start, self._start = self._start, None
            headers = without(start["headers"], b"content-length")
            if last and body:
                headers.append((b"content-length", str(len(body)).encode()))
            await self._send({**start, "headers": headers})
        await self._send({**message, "body": body})


POLICY_OR_CODING: Final = {b"content-security-policy", b"content-encoding"}
"""A page that has either is left as it is."""
