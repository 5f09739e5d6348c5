"""What a failure of a language model means: an error of openbook's tree, and whether it may pass.

Every message says who was asked and where, what came back and what to do. Of a
server's own words little is kept: they are cut, made one line, and anything that
looks like a key is struck out, because some servers repeat it.

Refused: passing the client's exceptions on as causes. They hold the request's
headers, so a traceback would print the key.
"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

import httpx2
from pydantic_ai import exceptions

from openbook.backends.embedding_request import PassingFailure, without_key
from openbook.backends.in_threads import Stopped
from openbook.backends.model_clients import NotStreamed
from openbook.backends.model_names import ModelTarget, key_advice
from openbook.errors import (
    KeyRefused,
    LanguageModelError,
    ModelBusy,
    ModelUnknown,
    ModelUnreachable,
    PromptTooLong,
    ReplyBroken,
)

_MESSAGE_CHARACTERS: Final = 300
_KEYS: Final = re.compile(
    r"\b(?:sk|pk|rk|gsk|xai|api)[-_][\w*.-]{6,}|\bAIza[\w*-]{10,}|\bBearer\s+\S+", re.IGNORECASE
)
"""What looks like a key, a masked one included: servers show its beginning and its end."""
_TOO_LONG: Final = (
    "context length",
    "context window",
    "context size",
    "maximum context",
    "prompt is too long",
    "too many tokens",
    "exceed_context_size",
    "exceeds the available",
)
"""What servers write, in lower case, when a prompt has more tokens than they take."""


class NoReply(Exception):
    """The model has ended a reply in which nothing is. `finish` is the reason that it gave."""

    def __init__(self, finish: str = "") -> None:
        super().__init__(f"an empty reply ({finish!r})")
        self.finish = finish


@dataclass(frozen=True, slots=True)
class Failures:
    """Explains the failures of one model. Knows the key only in order to strike it out."""

    target: ModelTarget
    key: str = field(repr=False)
    seconds: float
    max_tokens: int | None = None

    @property
    def who(self) -> str:
        """The model and its address, as every message names them."""
        return f"{self.target.full_name!r} at {self.target.address!r}"

    def before_reply(self, error: Exception) -> LanguageModelError | PassingFailure:
        """The meaning of a failure before anything of a reply had arrived."""
        if isinstance(error, Stopped):
            return ReplyBroken(f"The reply of {self.who} was stopped before it began.")
        if isinstance(error, NoReply):
            return self._empty(error)
        if isinstance(error, exceptions.ModelAPIError):
            # What our own hooks raise comes wrapped as a broken connection.
            inner = _within(error, NotStreamed)
            return self._not_streamed(inner) if inner is not None else self._refusal(error)
        if isinstance(error, NotStreamed):
            return self._not_streamed(error)
        if isinstance(error, httpx2.TransportError):
            return self._connection(error, timeout=isinstance(error, httpx2.TimeoutException))
        unread = f"The reply of {self.who} could not be read ({self._words(error)}).{self._address_advice}"
        if isinstance(error, exceptions.UserError):  # the request was not even sent
            return LanguageModelError(f"{self.who} cannot be asked ({self._words(error)}).")
        return PassingFailure(ReplyBroken(unread))

    def within_reply(self, error: Exception) -> ReplyBroken:
        """The meaning of a failure after some of a reply had arrived, which is never tried again."""
        timeout = isinstance(error, exceptions.ModelTimeoutError | httpx2.TimeoutException)
        if timeout:
            reason = f"it was silent for {self.seconds:g} s (setting model_seconds)"
        elif isinstance(error, Stopped):
            reason = "it was stopped"
        elif isinstance(error, NoReply):
            reason = f"its content filter stopped it ({error.finish!r})"
        else:
            reason = self._words(error)
        return ReplyBroken(
            f"The reply of {self.who} broke off: {reason}. What had arrived is kept; ask again for the rest."
        )

    def _refusal(self, error: exceptions.ModelAPIError) -> LanguageModelError | PassingFailure:
        status = getattr(error, "status_code", None)
        words = self._words(error)
        if isinstance(error, exceptions.ModelConnectionError):
            timeout = isinstance(error, exceptions.ModelTimeoutError)
            return self._connection(error, timeout=timeout, phase=error.phase)
        if isinstance(error, exceptions.ModelContextWindowExceededError) or self._too_long(status, words):
            return PromptTooLong(
                f"The prompt is longer than {self.who} takes ({words}). Set context_tokens to the model's "
                "window, so that what does not fit is left out, or lower evidence_tokens."
            )
        if isinstance(error, exceptions.ModelAuthenticationError):
            # Without the server's words: they often repeat a part of the key.
            refused = "refused the key" if self.key else "wants a key, and none was given"
            return KeyRefused(f"{self.who} {refused} ({status or 401}). {key_advice(self.target)}")
        if isinstance(error, exceptions.ModelQuotaExceededError):
            return ModelBusy(
                f"The account has no credit left for {self.who} ({words}). Trying again is no use."
            )
        if isinstance(error, exceptions.ModelNotFoundError):
            return ModelUnknown(
                f"There is no {self.who} ({words}). Check the name{self._pull()}.{self._address_advice}"
            )
        busy = exceptions.ModelRateLimitError | exceptions.ModelUnavailableError | exceptions.ModelServerError
        if isinstance(error, busy) or status in (408, 409, 425):
            said = f"{self.who} answered {status or 'with an error'} ({words})."
            return PassingFailure(ModelBusy(said), error.retry_after)
        if status is None:
            unread = f"The reply of {self.who} could not be read ({words}).{self._address_advice}"
            return PassingFailure(ReplyBroken(unread))
        return LanguageModelError(f"{self.who} refused the request with {status} ({words}).")

    def _connection(
        self, error: Exception, *, timeout: bool, phase: str | None = None
    ) -> LanguageModelError | PassingFailure:
        """No connection, or one that broke. Nobody listening on this machine is no passing failure."""
        connecting = phase == "connect" or isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout)
        if timeout and not connecting:
            return ModelUnreachable(
                f"{self.who} did not answer within {self.seconds:g} s. Wait for it to be less busy, or raise "
                "the setting model_seconds."
            )
        if connecting:
            hint = "Start the server" if self.target.local else "Check the network connection"
            unreachable = ModelUnreachable(
                f"Nobody answers for {self.who} ({self._words(error)}). {hint}.{self._address_advice}"
            )
            return unreachable if self.target.local else PassingFailure(unreachable)
        return PassingFailure(
            ModelUnreachable(f"The connection to {self.who} broke before the reply ({self._words(error)}).")
        )

    def _empty(self, error: NoReply) -> LanguageModelError | PassingFailure:
        if error.finish == "length":
            limit = f"{self.max_tokens} tokens" if self.max_tokens else "its tokens"
            return ReplyBroken(
                f"{self.who} used up {limit} without writing anything; it may have spent them on thinking. "
                "Raise the setting answer_tokens."
            )
        if error.finish == "content_filter":
            return ReplyBroken(f"The content filter of {self.who} stopped the reply. Ask in another way.")
        return PassingFailure(ReplyBroken(f"{self.who} answered with an empty reply."))

    def _not_streamed(self, error: NotStreamed) -> LanguageModelError:
        return ReplyBroken(
            f"{self.who} answered with {scrubbed(error.instead, self.key)} where a stream of events was "
            f"expected.{self._address_advice}"
        )

    @property
    def _address_advice(self) -> str:
        """What to do where the address may be wrong, for those whose address is a setting."""
        if not self.target.provider.compatible:
            return ""
        return " Check the setting base_url: the address of an OpenAI-compatible API usually ends in /v1."

    def _pull(self) -> str:
        return (
            f", or get the model: ollama pull {self.target.name}"
            if self.target.provider.name == "ollama"
            else ""
        )

    def _too_long(self, status: int | None, words: str) -> bool:
        return status in (400, 413, 422, 500) and any(phrase in words.lower() for phrase in _TOO_LONG)

    def _words(self, error: Exception) -> str:
        """What the error itself says, on one line, cut, and without anything that may be a key."""
        body = getattr(error, "body", None)
        if isinstance(body, str):
            with suppress(ValueError):
                body = json.loads(body)
        found = body.get("error", body) if isinstance(body, dict) else body
        said = (found.get("message") or found.get("detail")) if isinstance(found, dict) else found
        if not said and error.__cause__ is not None and isinstance(error, exceptions.ModelConnectionError):
            said = str(_root(error)) or type(_root(error)).__name__
        return scrubbed(str(said or error) or type(error).__name__, self.key)


def scrubbed(text: str, key: str) -> str:
    """A foreign message as one short line, without the key and without anything that looks like one."""
    text = _KEYS.sub("…", without_key(text, key))
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split()).rstrip(".")
    return text if len(text) <= _MESSAGE_CHARACTERS else text[: _MESSAGE_CHARACTERS - 1] + "…"


def _within(error: BaseException, kind: type[NotStreamed]) -> NotStreamed | None:
    """The exception of this kind that an error was made from, or None."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, kind):
            return seen
        seen = seen.__cause__
    return None


def _root(error: BaseException) -> BaseException:
    while error.__cause__ is not None:
        error = error.__cause__
    return error
