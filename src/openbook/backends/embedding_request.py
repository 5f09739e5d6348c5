"""One request to an OpenAI-compatible `/embeddings`: what is sent, and what each failure means.

A failure that may pass (a busy server, a broken connection) is told apart from
one that stays, and every message names the address, what came back and what to
do, but never the key: where a server repeats it, it is struck out.

Refused: the `openai` package for this one call (a second to import, and its
own retries), and following redirects, which would carry texts and the key to
an address that nobody configured.
"""

from __future__ import annotations

import json
import threading
import weakref
from collections.abc import Mapping
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlsplit

from openbook.backends.retrying import retry_after
from openbook.errors import (
    KeyRefused,
    LanguageModelError,
    ModelBusy,
    ModelUnknown,
    ModelUnreachable,
    PromptTooLong,
    ReplyBroken,
    UsageError,
)

if TYPE_CHECKING:
    import httpx2

_MESSAGE_CHARACTERS: Final = 300
_CONNECT_SECONDS: Final = 10.0
_WHERE_KEYS_GO: Final = (
    "Put a valid one into the environment as OPENBOOK_MODEL_KEY (or OPENAI_API_KEY, at OpenAI's own address)."
)
_TOO_MUCH: Final = ("context length", "too long", "too large", "too many", "maximum", "batch size", "exceed")
"""What servers write into the error of a request that is too large, in lower case."""


class PassingFailure(Exception):
    """A failure after which the same request may succeed. `wait`: seconds that the server asked for."""

    def __init__(self, error: LanguageModelError, wait: float | None = None) -> None:
        super().__init__(str(error))
        self.error = error
        self.wait = wait


class Endpoint:
    """An address that embeds, with its key. Connections are kept and shared by all threads.

    Where it `needs_key` and there is none, no text is sent. Raises UsageError
    for an address that is none, KeyRefused for a key that none can be.
    """

    def __init__(self, url: str, *, key: str, seconds: float, needs_key: bool = False) -> None:
        check_url(url)
        if not all("!" <= character <= "~" for character in key):
            # Found out here, because an HTTP library would show it in its error.
            raise KeyRefused(
                "The key in the environment (OPENBOOK_MODEL_KEY or OPENAI_API_KEY) has blanks, line breaks "
                "or letters that no key has; expected plain ASCII. Copy it again."
            )
        self._needs_key = needs_key
        self.url = url.rstrip("/") + "/embeddings"
        self._key = key
        self._seconds = seconds
        self._reached = False
        self._opened: httpx2.Client | None = None
        self._opening = threading.Lock()

    def prepare(self) -> httpx2.Client:
        """Import what a request needs and build the client, once, while other threads wait. Contacts nobody.

        Threads that begin to import the modules of one package at different places get some that are not
        ready yet; so nobody begins before all are there.
        """
        with self._opening:
            import httpx2
            import tenacity  # noqa: F401 (what waits between tries)

            if self._opened is None:
                headers = {"Content-Type": "application/json"}
                if self._key:
                    headers["Authorization"] = f"Bearer {self._key}"
                self._opened = httpx2.Client(
                    headers=headers,
                    timeout=httpx2.Timeout(self._seconds, connect=min(self._seconds, _CONNECT_SECONDS)),
                    limits=httpx2.Limits(max_connections=None),
                    trust_env=not is_loopback(self.url),  # no proxy stands before this machine
                )
                # Connections end with the last who could use them; nobody has to remember to close them.
                weakref.finalize(self, self._opened.close)
            return self._opened

    def post(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Send one request and return the object that came back.

        Raises PassingFailure, or the LanguageModelError that says what is wrong.
        """
        if self._needs_key and not self._key:
            raise KeyRefused(f"{self.url!r} wants a key, and none was given. {_WHERE_KEYS_GO}")
        client = self.prepare()
        import httpx2

        # Plain ASCII: half of a surrogate pair, which no UTF-8 can hold, was replaced by who called.
        content = json.dumps(body).encode()
        failure: Exception | None = None
        try:
            reply = client.post(self.url, content=content)
        except httpx2.RequestError as error:
            failure = self._unanswered(error)
        if failure is not None:
            # Outside of the handler: what the client raised holds the key, and nothing shall lead to it.
            raise failure
        self._reached = True
        if reply.status_code != 200:
            raise self._failure(reply, str(body.get("model")))
        return self._parsed(reply)

    def _unanswered(self, error: httpx2.RequestError) -> Exception:
        """The error of a request without a whole reply, and whether it may pass."""
        import httpx2

        if isinstance(error, httpx2.ConnectError | httpx2.UnsupportedProtocol):
            unreachable = ModelUnreachable(
                f"Nobody answers at {self.url!r} ({error}). "
                "Start the server, or put its address into the setting embedding_url."
            )
            # Who was there a moment ago may come back.
            return PassingFailure(unreachable) if self._reached else unreachable
        if isinstance(error, httpx2.TimeoutException):
            late = f"{self.url!r} did not answer within {self._seconds:g} s (setting model_seconds)."
            return PassingFailure(ModelUnreachable(late))
        broken = f"The connection to {self.url!r} broke before the reply was whole ({error})."
        return PassingFailure(ReplyBroken(broken))

    def _parsed(self, reply: httpx2.Response) -> dict[str, Any]:
        try:
            value = reply.json()
        except (ValueError, RecursionError) as error:
            found = self._told(reply.text, 60)
            broken = f"{self.url!r} answered {found!r}, which is no JSON. Is it the address of an API?"
            raise PassingFailure(ReplyBroken(broken)) from error
        if not isinstance(value, dict) or not isinstance(value.get("data"), list):
            raise ReplyBroken(
                f"{self.url!r} answered without 'data'; expected the reply of an OpenAI-compatible server. "
                "Check the setting embedding_url; it usually ends in /v1."
            )
        return value

    def _failure(self, reply: httpx2.Response, model: str) -> Exception:
        """The error of a reply that is none: what it means, and whether it may pass."""
        status, (message, code) = reply.status_code, self._words(reply)
        what = f"{self.url!r} answered {status}" + (f" ({message!r})." if message else ".")
        if status in (401, 403):  # without the server's words: they often repeat a part of the key
            known = "refused the key" if self._key else "wants a key, and none was given"
            return KeyRefused(f"{self.url!r} {known} ({status}). {_WHERE_KEYS_GO}")
        if status == 404:
            return ModelUnknown(
                f"{what} It knows no embedding model {model!r}, or has no such address. "
                "Check the settings embedder (openai:NAME) and embedding_url (it usually ends in /v1)."
            )
        if code == "insufficient_quota":
            return ModelBusy(f"{what} The account has no credit left; more tries cannot help.")
        if status in (408, 409, 425, 429) or status >= 500:
            return PassingFailure(ModelBusy(what), retry_after(reply.headers))
        if status == 413 or (status in (400, 422) and any(word in message.lower() for word in _TOO_MUCH)):
            return PromptTooLong(
                f"{what} Make the setting embedding_tokens as small as what the model {model!r} takes."
            )
        return LanguageModelError(f"{what} Expected 200; check the settings embedder and embedding_url.")

    def _words(self, reply: httpx2.Response) -> tuple[str, str]:
        """The server's own message and code, as far as it gives any, without the key."""
        try:
            body = reply.json()
        except (ValueError, RecursionError):
            body = "" if "html" in reply.headers.get("content-type", "") else reply.text
        error = body.get("error", body) if isinstance(body, dict) else body
        found = error if isinstance(error, dict) else {"message": error}
        message = str(found.get("message") or found.get("detail") or "")
        return self._told(message, _MESSAGE_CHARACTERS), str(found.get("code") or found.get("type") or "")

    def _told(self, text: str, limit: int) -> str:
        """What a server says, short and without the key."""
        return _shortened(without_key(text, self._key), limit)


def check_url(url: str) -> None:
    """Raise UsageError unless `url` is the address of a server, without a password in it."""
    shown = url.rpartition("@")[2].partition("?")[0]  # without what may be a password
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        valid = False
    if not valid:
        raise UsageError(
            f"Setting embedding_url is {shown!r}; expected an address such as http://127.0.0.1:8080/v1."
        )
    if parts.username or parts.password or parts.query:
        raise UsageError(
            f"Setting embedding_url, for {parts.hostname!r}, holds a name, a password or a query; expected "
            "only the address. A key belongs into the environment, as OPENBOOK_MODEL_KEY."
        )


def without_key(text: str, key: str) -> str:
    """A foreign text without the key, as it is or as addresses, JSON and Python write it."""
    if not key:
        return text
    forms = {key, quote(key), quote(key, safe=""), json.dumps(key)[1:-1], repr(key)[1:-1]}
    for form in sorted(forms, key=len, reverse=True):  # a longer one may begin with a shorter one
        text = text.replace(form, "…")
    return text


def is_loopback(url: str) -> bool:
    """Whether an address is on this machine, without asking any name server."""
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _shortened(text: str, limit: int) -> str:
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return text if len(text) <= limit else text[: limit - 1] + "…"
