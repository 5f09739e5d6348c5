"""Models behind servers that follow a script; nothing sleeps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import pytest

from openbook.answer.language_model import Tool
from openbook.backends.language_model import PydanticModel, PydanticReply
from openbook.events import ErrorEvent
from openbook.language_models import open_model
from openbook.settings import Settings
from openbook.types import Message, ToolCall
from tests.model_server.server import ModelServer

KEY = "sk-very-secret-aBcDeFgHQxZw"
QUESTION = (Message("system", "Answer with [n]."), Message("user", "Which city?"))


@dataclass
class Asked:
    """A model, its server, and what happened to one reply after another."""

    model: PydanticModel
    server: ModelServer
    slept: list[float] = field(default_factory=list)
    events: list[ErrorEvent] = field(default_factory=list)
    arrived: list[str | ToolCall] = field(default_factory=list)

    def ask(self, *, tools: tuple[Tool, ...] = (), max_tokens: int | None = None) -> PydanticReply:
        """Ask once; all that arrives is in `arrived`, also if the reply breaks off."""
        self.arrived.clear()
        with self.model.reply(QUESTION, tools=tools, max_tokens=max_tokens) as reply:
            for part in reply:
                self.arrived.append(part)
        return reply

    @property
    def text(self) -> str:
        return "".join(part for part in self.arrived if isinstance(part, str))


Serve: TypeAlias = Callable[..., Asked]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start a server with these entries, and open a model that is served by it; options are settings."""
    with ExitStack() as stack:

        def start(*script: Any, name: str = "openai:test-model", key: str = KEY, **options: Any) -> Asked:
            server = stack.enter_context(ModelServer(script or ("ok",)))
            settings = Settings(base_url=server.base_url).updated(options, source="a test")
            slept: list[float] = []
            events: list[ErrorEvent] = []
            model = open_model(
                settings,
                name,
                environment={"OPENBOOK_MODEL_KEY": key} if key else {},
                sleep=slept.append,
                on_retry=events.append,
            )
            stack.callback(model.close)
            return Asked(model, server, slept, events)

        yield start
