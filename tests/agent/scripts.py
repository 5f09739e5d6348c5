"""What the tests of the agent share: a small world of places, and models that follow a script."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from openbook.answer.agent import Limits, Researched, research
from openbook.answer.agent_tools import Listing, Place, Toolbox
from openbook.answer.language_model import LanguageModel
from openbook.errors import UsageError
from openbook.events import Event, ToolCallEvent
from openbook.types import Evidence, Message, ToolCall


def piece(text: str, *, document: int = 1, start: int = 0, page: int | None = None) -> Evidence:
    return Evidence(
        number=0,
        path=f"paper-{document}.md",
        document_id=document,
        start=start,
        end=start + len(text),
        page=page,
        heading="",
        text=text,
        score=0.5,
    )


PLACES = {
    "heron": piece("The heron project has the code QX-71.", document=1),
    "QX-71": piece("QX-71 was given 340 days.", document=2),
    "days": piece("A year has 365 days.", document=3),
}


@dataclass
class World:
    """Tools over a few places, which note how they were called."""

    places: dict[str, Evidence] = field(default_factory=lambda: dict(PLACES))
    calls: list[tuple[str, Any]] = field(default_factory=list)

    def search(self, query: str, where: Sequence[str]) -> list[Evidence]:
        self.calls.append(("search", (query, tuple(where))))
        if "nonsense" in where:
            raise UsageError("The filter 'nonsense' is not understood.")
        return [place for word, place in self.places.items() if word in query]

    def open_place(self, place: Place) -> Evidence:
        self.calls.append(("open_place", place))
        for known in self.places.values():
            if known.path == place.document:
                return known
        raise UsageError(f"No document is named {place.document!r}.")

    def list_documents(self, pattern: str) -> Listing:
        self.calls.append(("list_documents", pattern))
        lines = [f"{place.path} (12 characters)" for place in self.places.values() if pattern in place.path]
        return Listing(tuple(lines), len(lines))

    @property
    def toolbox(self) -> Toolbox:
        return Toolbox(self.search, self.open_place, self.list_documents)


def call(name: str, **arguments: Any) -> ToolCall:
    return ToolCall(name, json.dumps(arguments), id=f"{name}-1")


def run(
    model: LanguageModel,
    world: World,
    limits: Limits | None = None,
    question: str = "How long may the heron project take?",
    **options: Any,
) -> tuple[list[Event], Researched]:
    """All events of a run, and what it ended with."""
    items = list(research(question, model, world.toolbox, limits or Limits(), **options))
    *events, last = items
    assert isinstance(last, Researched)
    assert not any(isinstance(event, Researched) for event in events)
    return [event for event in events if not isinstance(event, Researched)], last


def steps(events: Sequence[Event]) -> list[tuple[str, bool]]:
    """The tools that ran, and whether they failed."""
    return [(event.step.tool, event.step.failed) for event in events if isinstance(event, ToolCallEvent)]


def told(messages: Sequence[Message]) -> list[str]:
    """What the tools said to the model so far."""
    return [message.text for message in messages if message.role == "tool"]


def ticking(seconds: float) -> Callable[[], float]:
    """A clock that goes on by `seconds` whenever somebody looks at it."""

    def moments() -> Iterator[float]:
        now = 0.0
        while True:
            yield now
            now += seconds

    watch = moments()
    return lambda: next(watch)
