"""What a model server is told to do with a request: speak, call tools, or misbehave in one of many ways.

An entry describes one reply. A tuple of `Say` and `CallTool` is one reply with
several parts; a function of the parsed request body returns an entry.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias


@dataclass(frozen=True, slots=True)
class Say:
    """Text, streamed word by word; `max_tokens` of the request counts words and is honoured.

    After the first piece the server waits for `gate`, where one is given: a
    test that sets it only after it has read that piece proves that text
    arrives before its end.
    """

    text: str
    finish: str = "stop"
    gate: threading.Event | None = None
    reasoning: str = ""


@dataclass(frozen=True, slots=True)
class CallTool:
    """A call of a function. Arguments that are a string are sent as they are, broken JSON included."""

    name: str
    arguments: Mapping[str, Any] | str = field(default_factory=dict)
    id: str = ""


@dataclass(frozen=True, slots=True)
class Fail:
    """An HTTP error. `retry_after` is sent as it is: seconds, or an HTTP date.

    `echo_key` puts the request's own key into the message, as careless servers do.
    """

    status: int
    message: str = ""
    code: str = ""
    retry_after: float | str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str | None = None
    echo_key: bool = False


@dataclass(frozen=True, slots=True)
class FailInStream:
    """Text, then an error as an event of the stream, as servers send that had begun already."""

    text: str = ""
    message: str = "The server had an error while processing your request"
    code: str = "server_error"


@dataclass(frozen=True, slots=True)
class CutOff:
    """Text, then a connection that closes in the middle of the reply."""

    text: str = ""


@dataclass(frozen=True, slots=True)
class EndEarly:
    """Text, then a stream that ends in order but without a finish reason and without `[DONE]`."""

    text: str = ""


@dataclass(frozen=True, slots=True)
class Hang:
    """Text (with none, not even the headers), then silence until the client leaves or the server closes."""

    text: str = ""


@dataclass(frozen=True, slots=True)
class Garbage:
    """Text, then bytes that are no JSON: the whole body without text, an event of the stream with it."""

    text: str = ""


@dataclass(frozen=True, slots=True)
class Empty:
    """A reply in order, with nothing in it."""

    finish: str = "stop"


@dataclass(frozen=True, slots=True)
class TooLong:
    """The error of a prompt that is longer than the window, as OpenAI words it."""

    limit: int = 8_192


@dataclass(frozen=True, slots=True)
class UnknownModel:
    """The error for a model that the server does not have."""


Part: TypeAlias = Say | CallTool
Entry: TypeAlias = (
    Say
    | CallTool
    | tuple[Part, ...]
    | Fail
    | FailInStream
    | CutOff
    | EndEarly
    | Hang
    | Garbage
    | Empty
    | TooLong
    | UnknownModel
)
ScriptEntry: TypeAlias = Entry | str | Callable[[Mapping[str, Any]], Entry | str]
