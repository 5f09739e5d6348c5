"""Who a request is meant for and where it comes from: Host, Origin and what browsers add about themselves.

A web page anywhere can make its visitor's browser call 127.0.0.1, and can give
a name of its own that address ("DNS rebinding"). Such a request names the
page's host, so only known names are served; an address cannot be rebound, so
any address is, where others than this machine may call at all.

Source of the rules on `Sec-Fetch-*`: the W3C's Fetch Metadata Request Headers.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from openbook.serve.guard.refusals import Refusal, header_of, headers_of, refuse
from openbook.serve.problems import Kind

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from openbook.serve.options import ServeOptions

READING: Final = ("GET", "HEAD", "OPTIONS")
"""Methods that change nothing."""

FOREIGN: Final = ("cross-site", "same-site")
"""Pages of other sites, and of other ports of this machine, which are not ours either."""


class Named:
    """Serves requests that name this server and do not come from a page of another."""

    def __init__(self, app: ASGIApp, options: ServeOptions) -> None:
        self.app = app
        self._loopback = options.loopback
        self._hosts = frozenset(name.lower() for name in (*options.hosts, "localhost", options.host))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or refuse it."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        refusal = self._wrong_host(scope) or _foreign(scope)
        if refusal is not None:
            await refuse(scope, send, refusal)
            return
        await self.app(scope, receive, send)

    def _wrong_host(self, scope: Scope) -> Refusal | None:
        given = headers_of(scope, b"host")
        name = host_name(given[0]) if len(given) == 1 else ""
        if name and (name in self._hosts or self._address(name)):
            return None
        return Refusal(
            Kind("unknown-host", 421, "This server has another name."),
            "This server is not known by the name in the Host header. Whoever runs it can allow a name with: "
            "openbook serve --host-name NAME",
        )

    def _address(self, name: str) -> bool:
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return False
        return address.is_loopback or not self._loopback


def host_name(host: str) -> str:
    """The name in a Host header, without its port, in lower case; "" where there is none.

    >>> host_name("LOCALHOST:8080"), host_name("[::1]:80"), host_name("a@b")
    ('localhost', '::1', '')
    """
    if any(mark in host for mark in "@/\\?#, \t"):
        return ""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _foreign(scope: Scope) -> Refusal | None:
    """Refuse what a page of another site sends; that it links to this one is welcome."""
    reading = scope["type"] == "http" and scope["method"] in READING
    if header_of(scope, b"sec-fetch-site") in FOREIGN:
        follows_link = (
            reading
            and header_of(scope, b"sec-fetch-mode") == "navigate"
            and header_of(scope, b"sec-fetch-dest") in ("document", "")
        )
        if not follows_link:
            return _OF_ANOTHER_SITE
    origins = headers_of(scope, b"origin")
    if not reading and origins and any(not _same(origin, scope) for origin in origins):
        return _OF_ANOTHER_SITE
    return None


def _same(origin: str, scope: Scope) -> bool:
    """Whether a page of `origin` was served under the name and port that this request names.

    The scheme is left out: behind a proxy that speaks https this server hears http.
    """
    page = urlsplit(origin)
    if page.scheme not in ("http", "https") or not page.netloc:
        return False
    return _plain(page.netloc) == _plain(header_of(scope, b"host"))


def _plain(netloc: str) -> str:
    return netloc.lower().removesuffix(":80").removesuffix(":443")


_OF_ANOTHER_SITE: Final = Refusal(
    Kind("foreign-origin", 403, "Pages of other sites may not call this server."),
    "The request comes from a page of another site, and only this server's own pages may call it from a "
    "browser. Behind a reverse proxy, have it pass the Host header on.",
)
