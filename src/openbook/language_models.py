"""From settings to the language model that they name."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from openbook.errors import UsageError

if TYPE_CHECKING:
    from openbook.backends.language_model import PydanticModel
    from openbook.backends.limiter import Limiter
    from openbook.events import ErrorEvent
    from openbook.settings import Settings


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
