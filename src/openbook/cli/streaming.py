"""An answer on a terminal while it comes about: what was found, the text as it arrives, then the sources."""

from __future__ import annotations

import sys
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.text import Text

from openbook.cli.answers import print_answer, print_rest
from openbook.cli.output import print_indented, stdout_console
from openbook.errors import UsageError
from openbook.events import (
    ErrorEvent,
    Event,
    PromptEvent,
    RetrievalEvent,
    TokenEvent,
    ToolCallEvent,
    VerificationEvent,
)
from openbook.snippets import place_name
from openbook.wording import count, one_line, printable

if TYPE_CHECKING:
    from rich.console import Console

    from openbook.types import Answer, Step

_SHOWN_STEP = 100
"""Characters of a step's result that are shown."""


def show_events(
    events: Iterator[Event],
    *,
    tokens: bool,
    show_prompt: bool = False,
    explain: bool = False,
    tip: bool = False,
) -> Answer:
    """Print a stream of events and return its answer.

    `tokens` shows text as it arrives; without it the checked text is printed at
    the end, as it should be where an answer is piped on, or where claims may
    still be dropped from it. Prompts and errors that are tried again go to
    stderr, so that stdout holds the answer alone. `tip` says how to name a
    model where there is none. Ctrl-C stops the answer and keeps what arrived;
    raises KeyboardInterrupt if nothing had.
    """
    screen = _Screen(tokens, show_prompt, explain)
    try:
        for event in events:
            screen.show(event)
    except KeyboardInterrupt:
        for event in stopped(events):
            screen.show(event)
    answer = screen.answer
    if answer is None:
        raise UsageError("The stream of events ended without an answer; expected a verification at its end.")
    if screen.arrived:
        sys.stdout.write("\n\n")
    if screen.arrived and answer.status == "answered":
        print_rest(answer, tip=tip)
    else:
        print_answer(answer, tip=tip)
    return answer


def stopped(events: Iterator[Event]) -> Iterator[Event]:
    """Tell a stream to stop, and yield what it makes of what has arrived.

    Raises KeyboardInterrupt if that is nothing.
    """
    if not isinstance(events, Generator):
        raise KeyboardInterrupt
    try:
        event = events.throw(KeyboardInterrupt())
    except StopIteration:
        raise KeyboardInterrupt from None
    yield event
    yield from events


@dataclass(slots=True)
class _Screen:
    """What is shown of a stream, and what has been shown of it so far."""

    tokens: bool
    show_prompt: bool
    explain: bool
    arrived: bool = False
    answer: Answer | None = None
    pending: ErrorEvent | None = None
    """Shown once something follows it: the error that ends a stream is raised as well, and told there."""

    def show(self, event: Event) -> None:
        if self.pending is not None:
            _show_error(self.pending, in_line=self.arrived)
            self.pending = None
        match event:
            case RetrievalEvent() if self.tokens or self.explain:
                _show_retrieval(stdout_console(), event, explain=self.explain)
            case PromptEvent() if self.show_prompt:
                show_prompt_event(event)
            case TokenEvent() if self.tokens:
                sys.stdout.write(printable(event.text if self.arrived else event.text.lstrip()))
                sys.stdout.flush()
                self.arrived = self.arrived or bool(event.text.strip())
            case ToolCallEvent():
                _show_step(event.step)
            case ErrorEvent():
                self.pending = event
            case VerificationEvent():
                self.answer = event.answer
            case _:
                pass


def show_prompt_event(event: PromptEvent) -> None:
    """Write exactly what the model is about to see to stderr, each message under its role."""
    for message in event.messages:
        sys.stderr.write(f"--- {message.role} ---\n{printable(message.text)}\n")
        for call in message.calls:
            sys.stderr.write(printable(f"(calls {call.name} with {call.arguments})\n"))
    sys.stderr.write(f"--- {count(event.tokens, 'token')}, counted by {event.counted_by} ---\n")
    for line in event.left_out:
        sys.stderr.write(f"{one_line(line)}\n")
    sys.stderr.flush()


def _show_retrieval(console: Console, event: RetrievalEvent, *, explain: bool) -> None:
    if explain and event.meant != event.question:
        console.print(Text(f"Understood as: {one_line(event.meant)}", style="dim"))
    for evidence in event.evidence:
        line = Text(f"[{evidence.number}] ", style="cyan")
        line.append(place_name(evidence.path, evidence.place, evidence.heading, evidence.page), style="dim")
        if explain:
            line.append(f"  {evidence.score:.3f}", style="dim")
        print_indented(console, line, indent=0)
    if event.evidence:
        console.print()
        sys.stdout.flush()


def _show_step(step: Step) -> None:
    wished = ", ".join(f"{name}={value!r}" for name, value in step.arguments.items())
    result = one_line(step.result)
    shown = result if len(result) <= _SHOWN_STEP else f"{result[:_SHOWN_STEP].rstrip()} …"
    sys.stderr.write(one_line(f"{step.number}. {step.tool}({wished}): {shown}") + "\n")
    sys.stderr.flush()


def _show_error(event: ErrorEvent, *, in_line: bool) -> None:
    again = f" Trying again in {event.retry_seconds:.1f} s." if event.retry_seconds is not None else ""
    sys.stderr.write(f"{chr(10) if in_line else ''}{one_line(event.message)}{again}\n")
    sys.stderr.flush()
