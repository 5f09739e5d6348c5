"""An answer on a terminal while it comes about: what was found, the text as it arrives, then the sources."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.text import Text

from openbook.cli.answers import print_answer, print_rest
from openbook.cli.output import count, print_indented, stdout_console
from openbook.cli.places import place_name
from openbook.cli.safe_text import one_line, printable
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

if TYPE_CHECKING:
    from rich.console import Console

    from openbook.types import Answer, Step

_SHOWN_STEP = 100
"""Characters of a step's result that are shown."""


def show_events(
    events: Iterator[Event], *, tokens: bool, show_prompt: bool = False, explain: bool = False
) -> Answer:
    """Print a stream of events and return its answer.

    `tokens` shows text as it arrives; without it the checked text is printed at
    the end, as it should be where an answer is piped on, or where claims may
    still be dropped from it. Prompts and errors that are tried again go to
    stderr, so that stdout holds the answer alone.
    """
    console = stdout_console()
    answer: Answer | None = None
    arrived = False
    for event in events:
        match event:
            case RetrievalEvent() if tokens or explain:
                _show_retrieval(console, event, explain=explain)
            case PromptEvent() if show_prompt:
                show_prompt_event(event)
            case TokenEvent() if tokens:
                sys.stdout.write(printable(event.text if arrived else event.text.lstrip()))
                sys.stdout.flush()
                arrived = arrived or bool(event.text.strip())
            case ToolCallEvent():
                _show_step(event.step)
            case ErrorEvent():
                _show_error(event, in_line=arrived)
            case VerificationEvent():
                answer = event.answer
            case _:
                pass
    if answer is None:
        raise UsageError("The stream of events ended without an answer; expected a verification at its end.")
    if arrived and answer.status == "answered":
        sys.stdout.write("\n\n")
        print_rest(answer)
    else:
        if arrived:
            sys.stdout.write("\n\n")
        print_answer(answer)
    return answer


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
    sys.stderr.write(printable(f"{step.number}. {step.tool}({wished}): {shown}\n"))
    sys.stderr.flush()


def _show_error(event: ErrorEvent, *, in_line: bool) -> None:
    again = f" Trying again in {event.retry_seconds:.1f} s." if event.retry_seconds is not None else ""
    sys.stderr.write(f"{chr(10) if in_line else ''}{one_line(event.message)}{again}\n")
    sys.stderr.flush()
