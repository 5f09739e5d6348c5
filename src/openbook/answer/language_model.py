"""What a language model promises, and a fake that follows a script.

A model continues a list of messages. It is trusted with nothing: what it
writes is checked against the evidence afterwards, which tools it may call is
decided by who calls it, and whether it keeps to a format is never relied on.

Refused: an asynchronous protocol (every caller here waits for the next piece of
text, and those who want many answers at once use threads), and a method for
each of asking, streaming and calling tools: all three are one stream.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol, Self, TypeAlias

from openbook.types import Message, ToolCall

_PIECE = re.compile(r"\s*\S+|\s+$")


@dataclass(frozen=True, slots=True)
class Tool:
    """Something that a model may call. `parameters` is the JSON Schema of its arguments (an object)."""

    name: str
    description: str
    parameters: Mapping[str, Any]


class Reply(AbstractContextManager["Reply"], Protocol):
    """A reply as it arrives. Leaving the context stops it, however much has arrived.

    Iterating yields text and, where tools were offered, calls. `usage`
    (`requests`, `input_tokens`, `output_tokens`; empty where the server does
    not say) and `finish` ("stop", "length", "tools", or "" where unknown) are
    known when the iteration has ended.
    """

    def __iter__(self) -> Iterator[str | ToolCall]: ...

    @property
    def usage(self) -> Mapping[str, int]: ...

    @property
    def finish(self) -> str: ...


def add_usage(used: dict[str, int], reply: Reply) -> None:
    """Add what a reply used up. Tokens that a server does not count are not in it."""
    for name, amount in {"requests": 1, **reply.usage}.items():
        used[name] = used.get(name, 0) + amount


class LanguageModel(Protocol):
    """Continues messages. May be used by several threads at once.

    name            "openai:gpt-5-mini", as the user named it
    context_tokens  tokens that prompt and reply may have together
    counted_by      what `count_tokens` counts with: a tokenizer's name, or "estimate"
    """

    @property
    def name(self) -> str: ...

    @property
    def context_tokens(self) -> int: ...

    @property
    def counted_by(self) -> str: ...

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Number of tokens of each text; an estimate is never too low by intent."""
        ...

    def reply(
        self, messages: Sequence[Message], *, tools: Sequence[Tool] = (), max_tokens: int | None = None
    ) -> Reply:
        """Ask for a reply of at most `max_tokens`. Raises LanguageModelError, here or while iterating."""
        ...


Script: TypeAlias = str | ToolCall | Sequence[str | ToolCall] | Exception
"""One reply of a `ScriptedModel`: text, calls, both, or an error to raise."""


class ScriptedModel:
    """The shipped fake: gives the replies it was made with, one after another, then the last one again.

    A script may also be a function of the messages. Text arrives word by word.
    `seen` keeps the messages of every request, so that a test can look at
    exactly what a model would have seen. Tokens are words.
    """

    counted_by = "words"

    def __init__(
        self,
        *script: Script | Callable[[Sequence[Message]], Script],
        name: str = "scripted",
        context_tokens: int = 8_192,
    ) -> None:
        self._script = script or ("",)
        self.name = name
        self.context_tokens = context_tokens
        self.seen: list[tuple[Message, ...]] = []

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Number of words of each text."""
        return [len(text.split()) for text in texts]

    def reply(
        self, messages: Sequence[Message], *, tools: Sequence[Tool] = (), max_tokens: int | None = None
    ) -> ScriptedReply:
        """The next reply of the script."""
        del tools
        entry = self._script[min(len(self.seen), len(self._script) - 1)]
        self.seen.append(tuple(messages))
        scripted: Any = entry(messages) if callable(entry) else entry
        if isinstance(scripted, Exception):
            raise scripted
        parts = [scripted] if isinstance(scripted, str | ToolCall) else list(scripted)
        asked = sum(self.count_tokens([message.text for message in messages]))
        return ScriptedReply(parts, asked=asked, limit=max_tokens)


@dataclass(slots=True)
class ScriptedReply:
    """A reply of a `ScriptedModel`."""

    parts: Sequence[str | ToolCall]
    asked: int = 0
    limit: int | None = None
    usage: Mapping[str, int] = field(default_factory=dict)
    finish: str = ""

    def __iter__(self) -> Iterator[str | ToolCall]:
        written = 0
        self.finish = "stop"
        for part in self.parts:
            if isinstance(part, ToolCall):
                self.finish = "tools"
                yield part
                continue
            for piece in _PIECE.findall(part):
                if self.limit is not None and written >= self.limit:
                    self.finish = "length"
                    break
                written += 1
                yield piece
        self.usage = {"requests": 1, "input_tokens": self.asked, "output_tokens": written}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        return None
