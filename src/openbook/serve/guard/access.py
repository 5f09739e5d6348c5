"""The token: whoever has it may do everything, everybody else nothing.

Programs send it as `Authorization: Bearer TOKEN`. People open the printed link
or the login page once and have a cookie from then on. The cookie is not the
token but a value of this process, so that nobody can guess at the token by
guessing cookies, and another server on the same host, which gets the cookie
too, learns nothing.

Refused: accounts. One token shared by those who may read the same documents is
what a small server needs; a reverse proxy adds accounts where there must be
some.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, urlencode

from openbook.serve.guard.attempts import Attempts
from openbook.serve.guard.login_page import send_page, send_turn
from openbook.serve.guard.names import FOREIGN
from openbook.serve.guard.rates import client_of
from openbook.serve.guard.refusals import Header, Refusal, header_of, headers_of, note, refuse
from openbook.serve.problems import Kind

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from openbook.serve.options import ServeOptions

OPEN: Final = ("/api/health",)
"""What is answered without a token: only whether the server lives."""

FORM_BYTES: Final = 4_096
"""A login form that is larger is none."""


class Admitted:
    """Serves those who know the token, or everybody where there is none."""

    def __init__(self, app: ASGIApp, options: ServeOptions) -> None:
        self.app = app
        self._token = _digest(options.token) if options.token else b""
        self._attempts = Attempts()
        mark = hashlib.sha256(b"openbook cookie" + options.token.encode()).hexdigest()[:8]
        self._cookie = f"openbook-{mark}"
        self._session = secrets.token_urlsafe(32)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, refuse it, or show a person the way to the login page."""
        if scope["type"] not in ("http", "websocket") or not self._token or scope["path"] in OPEN:
            await self.app(scope, receive, send)
        elif scope["type"] == "http" and scope["path"] == "/login":
            await self._log_in(scope, receive, send)
        elif scope["type"] == "http" and scope["path"] == "/logout" and scope["method"] == "POST":
            await _redirect(send, "/login", (b"set-cookie", f"{self._cookie}=; Path=/; Max-Age=0".encode()))
        elif self._has_session(scope):
            await self.app(scope, receive, send)
        else:
            await self._ask(scope, receive, send)

    async def _ask(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Look for a token in the request itself."""
        kind, _, given = header_of(scope, b"authorization").partition(" ")
        if kind.lower() == "bearer":
            refusal = self._check(scope, given.strip())
            if refusal is None:
                await self.app(scope, receive, send)
            else:
                await refuse(scope, send, refusal)
        elif _visits(scope):
            await self._lead(scope, send)
        else:
            await refuse(scope, send, _UNKNOWN)

    async def _lead(self, scope: Scope, send: Send) -> None:
        """Lead a person on: by the token in the link, or else to the login page."""
        query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        offered = [value for key, value in query if key == "token"]
        rest = urlencode([(key, value) for key, value in query if key != "token"])
        wanted = _local(scope["path"] + (f"?{rest}" if rest else ""))
        if offered:
            refusal = self._check(scope, offered[0])
            if refusal is None:
                await _redirect(send, wanted, self._set_cookie(scope))
            else:
                await _show(scope, send, refusal, wanted)
        elif header_of(scope, b"sec-fetch-site") in FOREIGN:
            await send_turn(send, wanted)
        else:
            await _redirect(send, f"/login?{urlencode({'next': wanted})}")

    async def _log_in(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The login page, and what its form sends."""
        if scope["method"] in ("GET", "HEAD"):
            query = dict(parse_qsl(scope["query_string"].decode("latin-1")))
            await send_page(send, 200, wanted=_local(query.get("next", "/")))
            return
        if scope["method"] != "POST":
            await refuse(scope, send, _NOT_SO)
            return
        form = await _form(receive)
        wanted = _local(form.get("next", "/"))
        refusal = self._check(scope, form.get("token", "").strip())
        if refusal is None:
            await _redirect(send, wanted, self._set_cookie(scope))
        else:
            await _show(scope, send, refusal, wanted)

    def _check(self, scope: Scope, given: str) -> Refusal | None:
        """Compare a token in constant time; nobody is listened to who failed too often just now."""
        client = client_of(scope)
        wait = self._attempts.wait(client)
        if wait:
            detail = f"Too many wrong tokens from this address. Try again in {wait} s."
            return Refusal(_TOO_MANY, detail, ((b"retry-after", str(wait).encode()),))
        if hmac.compare_digest(_digest(given), self._token):
            self._attempts.succeeded(client)
            return None
        self._attempts.failed(client)
        return _WRONG

    def _has_session(self, scope: Scope) -> bool:
        for value in headers_of(scope, b"cookie"):
            try:
                morsel = SimpleCookie(value).get(self._cookie)
            except CookieError:
                continue
            if morsel is not None and hmac.compare_digest(morsel.value.encode(), self._session.encode()):
                return True
        return False

    def _set_cookie(self, scope: Scope) -> Header:
        secure = "; Secure" if scope["scheme"] == "https" else ""
        cookie = f"{self._cookie}={self._session}; Path=/; HttpOnly; SameSite=Strict{secure}"
        return (b"set-cookie", cookie.encode())


def _visits(scope: Scope) -> bool:
    """Whether a person opens a page, as opposed to a program that calls an API."""
    return (
        scope["type"] == "http"
        and scope["method"] in ("GET", "HEAD")
        and "text/html" in header_of(scope, b"accept")
    )


async def _show(scope: Scope, send: Send, refusal: Refusal, wanted: str) -> None:
    """The login page, with why the token was not taken."""
    note(scope, refusal)
    extra = [header for header in refusal.headers if header[0] == b"retry-after"]
    await send_page(send, refusal.status, wanted=wanted, problem=refusal.detail, headers=extra)


async def _redirect(send: Send, target: str, *headers: Header) -> None:
    place = (b"location", target.encode("ascii", "replace"))
    fixed = [place, (b"content-length", b"0"), (b"cache-control", b"no-store")]
    await send({"type": "http.response.start", "status": 303, "headers": [*fixed, *headers]})
    await send({"type": "http.response.body", "body": b""})


async def _form(receive: Receive) -> dict[str, str]:
    """The fields of a form; none of one that is too large."""
    body = b""
    more = True
    while more and len(body) <= FORM_BYTES:
        message = await receive()
        body += message.get("body", b"")
        more = message["type"] == "http.request" and message.get("more_body", False)
    if len(body) > FORM_BYTES:
        return {}
    return dict(parse_qsl(body.decode("latin-1")))


def _local(target: str) -> str:
    """A place on this server to go to after the login; "/" for what leads elsewhere."""
    begins_elsewhere = not target.startswith("/") or target[1:2] in ("/", "\\")
    if begins_elsewhere or not target.isascii() or not target.isprintable():
        return "/"
    return target


def _digest(token: str) -> bytes:
    """Bytes that take equally long to compare, whatever the token's length."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


_CHALLENGE: Final = ((b"www-authenticate", b'Bearer realm="openbook"'),)
_TOO_MANY: Final = Kind("too-many-attempts", 429, "Too many wrong tokens.")
_NOT_SO: Final = Refusal(
    Kind("method-not-allowed", 405, "Not so."),
    "The login page knows GET and POST.",
    ((b"allow", b"GET, HEAD, POST"),),
)
_UNKNOWN: Final = Refusal(
    Kind("token-missing", 401, "This server asks for a token."),
    "Send it as: Authorization: Bearer TOKEN. Whoever runs the server has it.",
    _CHALLENGE,
)
_WRONG: Final = Refusal(
    Kind("token-wrong", 401, "The token is wrong."), "This is not the token of this server.", _CHALLENGE
)
