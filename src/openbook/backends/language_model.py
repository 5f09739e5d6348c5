"""Any language model that pydantic-ai can reach, as a stream of text and calls.

A request leaves from a background event loop; what arrives is handed to the
thread that iterates. Until the first piece of a reply, a failure that may pass
is tried again; after it never, because what was shown cannot be taken back. Such
a reply ends with `ReplyBroken`, after all that had arrived.

Importing pydantic-ai takes most of a second, so nothing of it is imported before
`prepare`, which may run in a thread while something else is done, or `reply`.

Refused: agents of pydantic-ai (which documents an agent reads and when it stops
is decided here, by code that is tested), and a whole reply at once.
"""

from __future__ import annotations

import queue
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self, TypeAlias

from openbook.answer.language_model import Tool
from openbook.backends.embedding_request import PassingFailure
from openbook.backends.in_threads import Stopped
from openbook.backends.model_names import ModelTarget
from openbook.backends.model_windows import Window, context_window
from openbook.backends.retrying import retrying
from openbook.errors import LanguageModelError
from openbook.events import ErrorEvent
from openbook.types import Message, ToolCall

if TYPE_CHECKING:
    from concurrent.futures import Future

    from pydantic_ai.models import Model

    from openbook.backends.language_model_errors import Failures
    from openbook.backends.limiter import Limiter, Slot
    from openbook.backends.model_clients import OpenedClient
    from openbook.backends.token_counters import TokenCounter


@dataclass(frozen=True, slots=True)
class _Ended:
    usage: Mapping[str, int]
    finish: str


_Item: TypeAlias = "str | ToolCall | _Ended | Exception"


class PydanticModel:
    """A language model behind pydantic-ai. May be used by several threads at once.

    key             sent to the target's address and shown nowhere
    context_tokens  the window, if the user gave one
    tokenizer       the model's tokenizer.json, if the user named one
    seconds         how long the server may be silent
    retries         how often a request is tried again after a passing failure
    limiter         lets requests leave within limits per minute
    on_retry        told of each failure that is tried again, and in how many seconds
    sleep           waits for so many seconds; tests give one that does not
    """

    def __init__(
        self,
        target: ModelTarget,
        *,
        key: str = "",
        context_tokens: int = 0,
        tokenizer: str = "",
        seconds: float = 120.0,
        retries: int = 4,
        limiter: Limiter | None = None,
        on_retry: Callable[[ErrorEvent], None] | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.target = target
        self.name = target.full_name
        self.seconds = seconds
        self.retries = retries
        self.limiter = limiter
        self.on_retry = on_retry
        self.sleep = sleep
        self._key = key
        self._context_tokens = context_tokens
        self._tokenizer = tokenizer
        self._client: OpenedClient | None = None
        self._opening = threading.Lock()

    @cached_property
    def window(self) -> Window:
        """The model's window, and where it is known from."""
        return context_window(
            self.target, setting=self._context_tokens, listed=lambda: self.client().model.context_window
        )

    @property
    def context_tokens(self) -> int:
        """Tokens that prompt and reply may have together."""
        return self.window.tokens

    @property
    def counted_by(self) -> str:
        """What `count_tokens` counts with: a tokenizer's name, or "estimate"."""
        return self._counter.counted_by

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Number of tokens of each text."""
        return self._counter.count(texts)

    def prepare(self) -> None:
        """Import what a request needs and build the client, so that the next request leaves at once.

        Contacts nobody. Takes a second or two, once per process. Raises
        MissingExtra if the provider's package is not installed.
        """
        self.client()
        _ = self.window, self.counted_by, self.failures()
        if self.target.provider.compatible:
            from openbook.backends.model_rehearsal import rehearse

            rehearse()

    def reply(
        self, messages: Sequence[Message], *, tools: Sequence[Tool] = (), max_tokens: int | None = None
    ) -> PydanticReply:
        """Ask for a reply of at most `max_tokens`. The request leaves when the reply's context is entered."""
        return PydanticReply(self, messages, tools=tools, max_tokens=max_tokens)

    def client(self) -> OpenedClient:
        """The model of pydantic-ai, opened once."""
        from openbook.backends.model_clients import open_client

        with self._opening:
            if self._client is None:
                _import_one_at_a_time()
                self._client = open_client(self.target, key=self._key, seconds=self.seconds)
            return self._client

    def served_names(self) -> list[str]:
        """Names of the models that the server has; empty where it does not say. Asks it."""
        from openbook.backends.model_listing import served_names

        return served_names(self.target, key=self._key)

    def served_window(self) -> int | None:
        """The window that the server gives the model; None where it does not say. Asks it."""
        from openbook.backends.model_listing import served_window

        return served_window(self.target, key=self._key)

    def failures(self, max_tokens: int | None = None) -> Failures:
        """What explains the failures of this model."""
        from openbook.backends.language_model_errors import Failures

        return Failures(self.target, self._key, self.seconds, max_tokens)

    def close(self) -> None:
        """End all connections. Without it they end with the process."""
        with self._opening:
            client, self._client = self._client, None
        if client is not None:
            from openbook.backends.background_loop import submit

            submit(client.close()).result()

    @cached_property
    def _counter(self) -> TokenCounter:
        from openbook.backends.token_counters import counter_for

        return counter_for(self.target.provider.name, self.target.name, tokenizer=self._tokenizer)


def _import_one_at_a_time() -> None:
    """Import what every request needs, in one thread while others wait.

    The modules of pydantic-ai import each other in circles: threads that begin
    at different ones get modules of each other's that are not ready yet.
    """
    with _IMPORTING:
        import pydantic_ai.direct  # noqa: F401
        import tenacity  # noqa: F401 (what waits between attempts)


_IMPORTING = threading.Lock()


class PydanticReply:
    """A reply as it arrives; see `Reply`. The request leaves when the context is entered.

    Text begins with its first visible character. Iterating again goes on where it was left.
    """

    def __init__(
        self,
        model: PydanticModel,
        messages: Sequence[Message],
        *,
        tools: Sequence[Tool],
        max_tokens: int | None,
    ) -> None:
        self.usage: Mapping[str, int] = {}
        self.finish = ""
        self._model = model
        self._messages = messages
        self._tools = tools
        self._max_tokens = max_tokens
        self._attempt: _Attempt | None = None
        self._attempts = 0
        self._waited = 0.0
        self._first: str | ToolCall | None = None
        self._began = False
        self._over = False

    def __enter__(self) -> Self:
        if not self._over:
            self._started()
        return self

    def __exit__(self, *exception: object) -> None:
        self._over = True
        if self._attempt is not None:
            self._attempt.stop()

    def __iter__(self) -> Iterator[str | ToolCall]:
        while not self._over:
            if not self._began:
                yield self._first_part()
                continue
            item = self._started().items.get()
            if isinstance(item, _Ended):
                self._end(item)
            elif isinstance(item, Exception):
                self._over = True
                error = self._model.failures(self._max_tokens).within_reply(item)
                raise error
            else:
                yield item

    def _first_part(self) -> str | ToolCall:
        """What arrives first, after as many attempts as it takes."""
        try:
            part = retrying(
                self._try,
                retries=self._model.retries,
                should_retry=lambda error: isinstance(error, PassingFailure),
                wait_of=lambda error: error.wait if isinstance(error, PassingFailure) else None,
                sleep=self._sleep,
                on_retry=self._announce,
            )
        except PassingFailure as failure:
            error = self._given_up(failure)
        except LanguageModelError as failed:
            error = failed
        else:
            self._began = True
            return part
        self._over = True
        # Outside of the handlers: what the client raised holds the key, and no traceback shall lead to it.
        raise error

    def _try(self) -> str | ToolCall:
        """One attempt: its first part. Raises PassingFailure or the LanguageModelError that it ended with."""
        item = Stopped() if self._over else self._started().items.get()
        if isinstance(item, str | ToolCall):
            return item
        self._attempt = None
        failures = self._model.failures(self._max_tokens)
        if isinstance(item, _Ended):  # cannot be: the end of an empty reply is an exception
            item = ValueError("a reply without any part")
        raise failures.before_reply(item)

    def _started(self) -> _Attempt:
        if self._attempt is None:
            self._attempts += 1
            self._attempt = _Attempt(self._model, self._messages, self._tools, max_tokens=self._max_tokens)
            # A reply that is dropped without leaving its context stops as well.
            weakref.finalize(self, self._attempt.future.cancel)
        return self._attempt

    def _end(self, end: _Ended) -> None:
        self._over = True
        self.finish = end.finish
        if end.usage:
            self.usage = {"requests": self._attempts, **end.usage}
            if self._attempt is not None:
                self._attempt.used(sum(end.usage.values()))

    def _sleep(self, seconds: float) -> None:
        self._waited += seconds
        self._model.sleep(seconds)

    def _announce(self, error: BaseException, seconds: float) -> None:
        if not isinstance(error, PassingFailure):
            return
        if error.wait is not None and self._model.limiter is not None:
            self._model.limiter.pause(error.wait)
        if self._model.on_retry is not None:
            self._model.on_retry(ErrorEvent(type(error.error).__name__, str(error.error), seconds))

    def _given_up(self, failure: PassingFailure) -> LanguageModelError:
        """The last failure, with what was done about it."""
        said = str(failure.error)
        if self._attempts > 1:
            said += f" Gave up after {self._attempts} attempts and {self._waited:.1f} s of waiting."
        if failure.wait:
            said += f" It asks to wait {failure.wait:g} s."
        if self._model.retries == 0:
            said += " The setting model_retries is 0."
        return type(failure.error)(said)


class _Attempt:
    """One request and what has arrived of its reply, in `items`: parts, then an end or an exception."""

    def __init__(
        self,
        model: PydanticModel,
        messages: Sequence[Message],
        tools: Sequence[Tool],
        *,
        max_tokens: int | None,
    ) -> None:
        client = model.client().model  # first of all, because this imports pydantic-ai
        from openbook.backends.background_loop import submit
        from openbook.backends.model_clients import client_settings
        from openbook.backends.model_messages import model_messages, request_parameters

        self.items: queue.SimpleQueue[_Item] = queue.SimpleQueue()
        request = {
            "messages": model_messages(messages),
            "model_settings": client_settings(model.target, max_tokens=max_tokens, seconds=model.seconds),
            "model_request_parameters": request_parameters(tools),
        }
        self._slot: Slot | None = None
        if model.limiter is not None:
            self._slot = model.limiter.request(_reserved(model, messages, max_tokens))
        answered = self._slot.finish if self._slot is not None else lambda: None
        self.future: Future[None] = submit(_deliver(client, request, put=self.items.put, answered=answered))
        self.future.add_done_callback(self._left)  # work that is cancelled soon enough never begins

    def used(self, tokens: int) -> None:
        """So many tokens were used."""
        if self._slot is not None:
            self._slot.used(tokens)

    def stop(self) -> None:
        """Close the connection if the reply is still under way."""
        self.future.cancel()

    def _left(self, future: Future[None]) -> None:
        """Let go of what holds on to an attempt that was cancelled: its slot, and a thread that waits."""
        if future.cancelled():
            self.items.put(Stopped())
            if self._slot is not None:
                self._slot.finish()


def _reserved(model: PydanticModel, messages: Sequence[Message], max_tokens: int | None) -> int:
    """Tokens that a request may use, where anybody counts them."""
    if model.limiter is None or not model.limiter.tokens_per_minute:
        return 0
    return sum(model.count_tokens([message.text for message in messages])) + (max_tokens or 0)


async def _deliver(
    client: Model,
    request: Mapping[str, Any],
    *,
    put: Callable[[_Item], None],
    answered: Callable[[], None],
) -> None:
    """Send one request and hand over what arrives. `answered` is called when the server has the request."""
    from pydantic_ai.direct import model_request_stream

    from openbook.backends.language_model_errors import NoReply
    from openbook.backends.model_messages import FINISH, reply_parts

    began = called = False
    try:
        async with model_request_stream(client, instrument=False, **request) as stream:
            answered()
            async for part in reply_parts(stream):
                began = True
                called = called or isinstance(part, ToolCall)
                put(part)
            finish = str(stream.finish_reason or "")
            if not began or finish == "content_filter":
                raise NoReply(finish)
            used = {"input_tokens": stream.usage.input_tokens, "output_tokens": stream.usage.output_tokens}
        put(_Ended(used if any(used.values()) else {}, "tools" if called else FINISH.get(finish, "")))
    except Exception as error:  # noqa: BLE001 (raised again, explained, by the thread that waits)
        put(error)
    finally:
        answered()
