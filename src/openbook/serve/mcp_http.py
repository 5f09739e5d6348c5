"""MCP over streamable HTTP, under `/mcp` in the same application as everything else.

Stateless: no request needs to know of an earlier one, so that an assistant
goes on after the server was started anew, instead of failing with a session
that nobody knows. Answers come as server-sent events, which carry the notices
of progress of a long one.

Refused: sessions. They would only serve messages from server to client outside
of a request, of which there are none, and a client that goes away without a
word would leave one behind each time.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from fastapi import FastAPI
from starlette.routing import Route

if TYPE_CHECKING:
    from mcp.server.transport_security import TransportSecuritySettings
    from starlette.types import Receive, Scope, Send

    from openbook.serve.options import ServeOptions

PATH: Final = "/mcp"
_LOOPBACK: Final = ("127.0.0.1", "localhost", "[::1]")


def include(app: FastAPI) -> None:
    """Add the route of this surface."""
    for path in (PATH, f"{PATH}/"):
        app.router.routes.append(Route(path, endpoint=_Endpoint(), name="mcp", include_in_schema=False))


@asynccontextmanager
async def running(app: FastAPI) -> AsyncIterator[None]:
    """While the server runs: answers clients, and stops what is still being answered at the end."""
    from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

    from openbook.serve.mcp_server import create_server

    sessions = StreamableHTTPSessionManager(
        create_server(app.state.shelf),
        stateless=True,
        security_settings=security(app.state.options),
        max_request_body_size=app.state.options.body_bytes,
    )
    async with sessions.run():
        app.state.mcp_sessions = sessions
        try:
            yield
        finally:
            app.state.mcp_sessions = None


class _Endpoint:
    """Hands a request to the sessions of the application that it belongs to."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await scope["app"].state.mcp_sessions.handle_request(scope, receive, send)


def security(options: ServeOptions) -> TransportSecuritySettings:
    """The SDK's own check of Host and Origin: a second one behind the guard's, which may not be narrower.

    On a loopback address it takes the names that the guard takes. On another,
    where everybody needs the token, the addresses of this machine are not
    known here, and the guard checks alone.
    """
    from mcp.server.transport_security import TransportSecuritySettings

    if not options.loopback:
        return TransportSecuritySettings(enable_dns_rebinding_protection=False)
    names = list(dict.fromkeys([*_LOOPBACK, _bracketed(options.host), *map(_bracketed, options.hosts)]))
    hosts = [form for name in names for form in (name, f"{name}:*")]
    origins = [f"{scheme}://{host}" for scheme in ("http", "https") for host in hosts]
    return TransportSecuritySettings(allowed_hosts=hosts, allowed_origins=origins)


def _bracketed(host: str) -> str:
    """A host as it stands in a Host header: an IPv6 address in brackets."""
    return f"[{host}]" if ":" in host and not host.startswith("[") else host
