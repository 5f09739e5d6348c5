"""The login page: one field, no script, in the light or dark of the reader's system."""

from __future__ import annotations

import html
import secrets
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from openbook.serve.guard.refusals import Header

if TYPE_CHECKING:
    from starlette.types import Send

_PAGE: Final = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Sign in – openbook</title>
<style nonce="{nonce}">
  :root {{ color-scheme: light dark; --ink: light-dark(#1c1f23, #e8eaed);
    --quiet: light-dark(#565d66, #a3abb5); --paper: light-dark(#f7f6f3, #16181b);
    --card: light-dark(#ffffff, #1f2226); --line: light-dark(#8b929a, #727a83);
    --accent: light-dark(#0b5f8a, #6cc0ea); --on-accent: light-dark(#ffffff, #10212b);
    --wrong: light-dark(#a3211b, #ff9d94); }}
  * {{ box-sizing: border-box; }}
  body {{ margin: 0; min-height: 100vh; display: grid; place-items: center; padding: 1.5rem;
    background: var(--paper); color: var(--ink); font: 1rem/1.5 system-ui, sans-serif; }}
  main {{ width: 100%; max-width: 24rem; padding: 2rem; background: var(--card); border-radius: 0.75rem; }}
  h1 {{ margin: 0 0 0.5rem; font-size: 1.5rem; line-height: 1.25; }}
  p {{ margin: 0 0 1.5rem; color: var(--quiet); }}
  p[role=alert] {{ color: var(--wrong); }}
  label {{ display: block; margin-bottom: 0.25rem; font-weight: 600; }}
  input, button {{ width: 100%; padding: 0.625rem 0.75rem; font: inherit; border-radius: 0.5rem; }}
  input {{ margin-bottom: 1rem; background: transparent; color: inherit; border: 1px solid var(--line); }}
  button {{ border: 0; background: var(--accent); color: var(--on-accent); font-weight: 600;
    cursor: pointer; }}
  :focus-visible {{ outline: 3px solid var(--accent); outline-offset: 2px; }}
</style>
</head>
<body>
<main>
<h1>openbook</h1>
<p>This server asks for its token. Whoever runs it has seen it when it started.</p>
{problem}<form method="post" action="/login">
<input type="hidden" name="next" value="{wanted}">
<label for="token">Token</label>
<input id="token" name="token" type="password" autocomplete="current-password" required autofocus>
<button>Sign in</button>
</form>
</main>
</body>
</html>
"""


_TURN: Final = """\
<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>openbook</title><meta http-equiv="refresh" content="0;url={wanted}"></head>
<body><a href="{wanted}">Go on</a></body>
</html>
"""


async def send_turn(send: Send, wanted: str) -> None:
    """Send a page that asks for the same place again, as a page of this server.

    Who follows a link from another site comes without the cookie; from here it is sent along.
    """
    await _send(send, 200, _TURN.format(wanted=html.escape(wanted)), "", ())


async def send_page(
    send: Send, status: int, *, wanted: str, problem: str = "", headers: Iterable[Header] = ()
) -> None:
    """Send the page; `wanted` is where to go afterwards, `problem` what went wrong just now."""
    nonce = secrets.token_urlsafe(16)
    alert = f'<p role="alert">{html.escape(problem)}</p>\n' if problem else ""
    page = _PAGE.format(nonce=nonce, wanted=html.escape(wanted), problem=alert)
    await _send(send, status, page, f"style-src 'nonce-{nonce}'; form-action 'self'; ", headers)


async def _send(send: Send, status: int, page: str, allowed: str, headers: Iterable[Header]) -> None:
    body = page.encode()
    policy = f"default-src 'none'; {allowed}base-uri 'none'; frame-ancestors 'none'"
    fixed = [
        (b"content-type", b"text/html; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
        (b"content-security-policy", policy.encode()),
        # With "no-referrer", as everywhere else, a browser sends the form with "Origin: null".
        (b"referrer-policy", b"same-origin"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": [*fixed, *headers]})
    await send({"type": "http.response.body", "body": body})
