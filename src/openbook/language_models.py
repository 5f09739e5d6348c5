"""From settings to the language model that they name, and what it can do."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from openbook.answer.language_model import Tool
from openbook.errors import LanguageModelError, ModelBusy, ModelUnknown, ModelUnreachable, UsageError
from openbook.types import Message, ToolCall

if TYPE_CHECKING:
    from openbook.backends.language_model import PydanticModel
    from openbook.backends.limiter import Limiter
    from openbook.events import ErrorEvent
    from openbook.settings import Settings

_ANSWER_TOKENS: Final = 1_000  # models that think need room for it
_NAMES: Final = 12
_COUNT: Final = (Message("user", "Write the numbers from one to twenty as words, and nothing else."),)
_ADD: Final = (Message("user", "How much is 1765 plus 2589? Use the tool to add them."),)
_ADDING: Final = Tool(
    "add",
    "Adds two whole numbers.",
    {
        "type": "object",
        "properties": {"first": {"type": "integer"}, "second": {"type": "integer"}},
        "required": ["first", "second"],
    },
)


def open_model(
    settings: Settings,
    name: str = "",
    *,
    environment: Mapping[str, str] | None = None,
    limiter: Limiter | None = None,
    on_retry: Callable[[ErrorEvent], None] | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> PydanticModel:
    """The language model `name`, or else the one of the settings. Contacts nobody and imports nothing heavy.

    Keys are read from the environment. Without a limiter, one is made from the
    settings' limits per minute, so who uses several models passes one to all.
    Raises UsageError for a name or an address that cannot be, KeyRefused where
    a key is needed and there is none.
    """
    from openbook.backends.language_model import PydanticModel
    from openbook.backends.model_names import model_key, model_target

    environment = os.environ if environment is None else environment
    full_name = name or settings.model
    if not full_name:
        raise UsageError(
            "No language model is named. Name one as provider:name with --model, OPENBOOK_MODEL or the "
            "settings' model, such as ollama:qwen3 or openai:gpt-5-mini."
        )
    target = model_target(
        full_name, base_url=settings.base_url, environment=environment, offline=settings.offline
    )
    return PydanticModel(
        target,
        key=model_key(target, environment),
        context_tokens=settings.context_tokens,
        tokenizer=settings.tokenizer if full_name == settings.model else "",
        seconds=settings.model_seconds,
        retries=settings.model_retries,
        limiter=limiter or open_limiter(settings),
        on_retry=on_retry,
        sleep=sleep,
    )


class OpenModels:
    """The language models that one library has opened: each is kept, and all share one limiter.

    May be used by several threads at once.
    """

    def __init__(self, settings: Settings, *, on_retry: Callable[[ErrorEvent], None] | None = None) -> None:
        self._settings = settings
        self._on_retry = on_retry
        self._limiter = open_limiter(settings)
        self._models: dict[str, PydanticModel] = {}
        self._opening = threading.Lock()

    def model(self, name: str) -> PydanticModel:
        """The model of this name, opened if it is not yet. Raises what `open_model` raises."""
        with self._opening:
            if name not in self._models:
                self._models[name] = open_model(
                    self._settings, name, limiter=self._limiter, on_retry=self._on_retry
                )
            return self._models[name]

    def close(self) -> None:
        """Close all connections."""
        with self._opening:
            for model in self._models.values():
                model.close()
            self._models.clear()


def open_limiter(settings: Settings) -> Limiter | None:
    """The limiter that the settings ask for, None if they set no limits."""
    if not settings.requests_per_minute and not settings.tokens_per_minute:
        return None
    from openbook.backends.limiter import Limiter

    return Limiter(
        requests_per_minute=settings.requests_per_minute, tokens_per_minute=settings.tokens_per_minute
    )


@dataclass(frozen=True, slots=True)
class ModelCheck:
    """What a language model turned out to do when it was asked.

    `streams` says whether text arrived before the reply was over, `calls_tools`
    whether it called one that it was offered. `context_source` says who knows
    the window: "setting", "list" (pydantic-ai's), "server", or "guess".
    """

    name: str
    address: str
    streams: bool
    calls_tools: bool
    context_tokens: int
    context_source: str
    counted_by: str
    first_ms: float
    tokens_per_second: float
    text: str


def check_model(model: PydanticModel, *, clock: Callable[[], float] = time.perf_counter) -> ModelCheck:
    """Ask a model for a few words and for a tool, and say how it went.

    Raises LanguageModelError if it does not answer; of an unknown model, the
    error names those that the server has.
    """
    model.prepare()
    try:
        speed = _timed_reply(model, clock)
    except ModelUnknown as error:
        names = model.served_names()
        if not names:
            raise
        shown = ", ".join(names[:_NAMES]) + (" …" if len(names) > _NAMES else "")
        raise ModelUnknown(f"{error} The server has: {shown}.") from error
    calls_tools = _calls_tools(model)
    window = model.window
    served = None if window.known else model.served_window()
    return ModelCheck(
        name=model.name,
        address=model.target.address,
        streams=speed.streams,
        calls_tools=calls_tools,
        context_tokens=served or window.tokens,
        context_source="server" if served else window.source,
        counted_by=model.counted_by,
        first_ms=round(speed.first * 1000, 1),
        tokens_per_second=round(speed.tokens_per_second, 1),
        text=speed.text,
    )


@dataclass(frozen=True, slots=True)
class _Speed:
    text: str
    first: float  # seconds until the first text
    streams: bool
    tokens_per_second: float


def _timed_reply(model: PydanticModel, clock: Callable[[], float]) -> _Speed:
    started = clock()
    arrivals, pieces = [], []
    with model.reply(_COUNT, max_tokens=_ANSWER_TOKENS) as reply:
        for part in reply:
            arrivals.append(clock())
            pieces.append(str(part))
    whole, text = clock() - started, "".join(pieces)
    written = clock() - arrivals[0]
    # A server, or a proxy before it, that holds everything back until the end sends its pieces in one go.
    streams = len(pieces) > 1 and arrivals[-1] - arrivals[0] > 0.05 * whole
    tokens = reply.usage.get("output_tokens") or sum(model.count_tokens([text]))
    seconds = written if streams else whole
    return _Speed(text, arrivals[0] - started, streams, tokens / seconds if seconds > 0 else 0.0)


def _calls_tools(model: PydanticModel) -> bool:
    """Whether a model calls a tool that it is offered. A server that refuses tools is an answer, too."""
    try:
        with model.reply(_ADD, tools=[_ADDING], max_tokens=_ANSWER_TOKENS) as reply:
            return any(isinstance(part, ToolCall) and part.name == _ADDING.name for part in reply)
    except (ModelBusy, ModelUnreachable):
        raise
    except LanguageModelError:
        return False
