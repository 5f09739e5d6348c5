"""How often one client may call: a bucket of tokens that fills by itself.

Refused: a limit over all clients. It would let one of them lock out the rest.
"""

from __future__ import annotations

import ipaddress
import math
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from openbook.serve.guard.refusals import Refusal, refuse
from openbook.serve.problems import Kind

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from openbook.serve.options import ServeOptions

KNOWN_CLIENTS: Final = 10_000
"""Clients that are remembered; of more, the one that called longest ago is forgotten."""

BURST_SECONDS: Final = 10.0
"""A client that was silent for so long may send at once what it did not."""

FREE: Final = ("/_nicegui/", "/api/health")
"""The files of the page, which come in dozens, and the question whether the server lives."""

_TOO_MANY: Final = Kind("too-many-requests", 429, "Too many requests.")


class Paced:
    """Serves each client so many requests a minute, and tells it when to come back."""

    def __init__(
        self, app: ASGIApp, options: ServeOptions, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.app = app
        self._rate = options.requests_per_minute / 60
        self._room = max(1.0, self._rate * BURST_SECONDS)
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or refuse it until later."""
        if scope["type"] in ("http", "websocket") and not scope["path"].startswith(FREE):
            wait = self._take(client_of(scope))
            if wait > 0:
                after = math.ceil(wait)
                detail = f"Too many requests from this address. Try again in {after} s."
                headers = ((b"retry-after", str(after).encode()),)
                await refuse(scope, send, Refusal(_TOO_MANY, detail, headers))
                return
        await self.app(scope, receive, send)

    def _take(self, client: str) -> float:
        """Take one token from the client's bucket; return 0, or the seconds until there is one."""
        now = self._clock()
        tokens, since = self._buckets.pop(client, (self._room, now))
        tokens = min(self._room, tokens + (now - since) * self._rate)
        served = tokens >= 1
        self._buckets[client] = (tokens - 1 if served else tokens, now)
        if len(self._buckets) > KNOWN_CLIENTS:
            self._buckets.popitem(last=False)
        return 0.0 if served else (1 - tokens) / self._rate


def client_of(scope: Scope) -> str:
    """Who calls: an IPv4 address, or the /64 network that an IPv6 address is handed out in."""
    host = (scope.get("client") or ("unknown", 0))[0]
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return str(host)
    if isinstance(address, ipaddress.IPv4Address) or address.is_loopback:
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((address, 64), strict=False))
