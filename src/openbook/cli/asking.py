"""Commands that ask a library something: search and ask."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from openbook.cli import DONE, FAILED, NOT_FOUND
from openbook.cli.options import (
    JsonOption,
    LibraryOption,
    ModelOption,
    StrategyOption,
    WhereOption,
    open_library,
)

if TYPE_CHECKING:
    from openbook.asking import AskOptions
    from openbook.events import Event
    from openbook.types import Answer


def ask(
    question: Annotated[
        str, typer.Argument(metavar="QUESTION", show_default=False, help="A question in your own words.")
    ] = "",
    k: Annotated[
        int | None, typer.Option("--k", "-k", min=1, show_default=False, help="How many hits to look at.")
    ] = None,
    where: WhereOption = None,
    model: ModelOption = None,
    strategy: StrategyOption = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Leave out what the documents do not support.")
    ] = False,
    agent: Annotated[
        bool, typer.Option("--agent", help="Let the model search, read and compute in several steps.")
    ] = False,
    schema: Annotated[
        Path | None,
        typer.Option("--schema", metavar="FILE", show_default=False, help="Answer in this JSON Schema."),
    ] = None,
    show_prompt: Annotated[
        bool, typer.Option("--show-prompt", help="Print exactly what the model sees (to stderr).")
    ] = False,
    explain: Annotated[
        bool, typer.Option("--explain", help="Show what was searched for, and what was found.")
    ] = False,
    batch: Annotated[
        Path | None,
        typer.Option("--batch", metavar="FILE", show_default=False, help="Answer all questions of a file."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", show_default=False, help="Where the batch's answers go."),
    ] = None,
    library: LibraryOption = None,
    as_json: JsonOption = False,
) -> int:
    """Answer a question with checked citations, each with its place.

    Without a language model the answer is made of quotes. With one (--model, or OPENBOOK_MODEL) it is
    written by the model, and every claim is checked against the documents; what they do not say is marked.

    Says "not in your documents" (exit code 3) when nothing answers it, and shows what came nearest.

    --batch takes a file with a question a line (text, or JSON objects with "question" and perhaps "id") and
    appends one line of JSON for each answer to --out. Run it again, and it goes on where it stopped.
    """
    from openbook.errors import UsageError

    if (batch is None) != (out is None):
        raise UsageError("--batch and --out belong together: the questions' file, and the answers' file.")
    if (batch is None) == (not question.strip()):
        raise UsageError('Ask one QUESTION, such as openbook ask "who may sign?", or a file with --batch.')
    options: AskOptions = {
        "k": k,
        "where": tuple(where or ()),
        "model": model,
        "strategy": strategy,
        "strict": strict,
        "agent": agent,
        "schema": _read_schema(schema) if schema is not None else None,
    }
    with open_library(library) as opened:
        if batch is not None and out is not None:
            from openbook.cli.batch import run_batch

            return run_batch(
                opened, batch, out, ask=lambda text: opened.ask(text, **options), as_json=as_json
            )
        events = opened.ask_stream(question, **options)
        if as_json:
            answer = _print_as_json(events, show_prompt=show_prompt)
        else:
            from openbook.cli.streaming import show_events

            tokens = sys.stdout.isatty() and not strict and schema is None
            answer = show_events(events, tokens=tokens, show_prompt=show_prompt, explain=explain, tip=True)
    if answer.status == "not_found":
        return NOT_FOUND
    return DONE if answer.complete else FAILED


def _print_as_json(events: Iterator[Event], *, show_prompt: bool) -> Answer:
    from openbook.answering import final_answer
    from openbook.cli.output import print_json
    from openbook.cli.streaming import show_prompt_event
    from openbook.events import PromptEvent

    def shown(event: Event) -> None:
        if show_prompt and isinstance(event, PromptEvent):
            show_prompt_event(event)

    answer = final_answer(events, shown)
    print_json(answer)
    return answer


def _read_schema(file: Path) -> dict[str, object]:
    from openbook.errors import UsageError

    try:
        schema = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"The JSON Schema {str(file)!r} cannot be read: {error}.") from error
    if not isinstance(schema, dict):
        raise UsageError(f"The JSON Schema {str(file)!r} is a {type(schema).__name__}; expected an object.")
    return schema


def search(
    question: Annotated[str, typer.Argument(metavar="QUESTION", help="Words or a question.")],
    k: Annotated[
        int | None, typer.Option("--k", "-k", min=1, show_default=False, help="How many hits to show.")
    ] = None,
    where: WhereOption = None,
    per_document: Annotated[
        int | None,
        typer.Option("--per-document", min=1, show_default=False, help="Hits of one document, at most."),
    ] = None,
    explain: Annotated[bool, typer.Option("--explain", help="Show the parts of each score.")] = False,
    full: Annotated[bool, typer.Option("--full", help="Show the whole text of each hit.")] = False,
    library: LibraryOption = None,
    as_json: JsonOption = False,
) -> int:
    """Find the places that fit a question, by words and by meaning, best first."""
    from openbook.cli.output import print_json

    with open_library(library) as opened:
        hits = opened.search(question, k=k, where=where or (), per_document=per_document, explain=explain)
    if as_json:
        print_json(hits)
    else:
        from openbook.cli.hits import print_hits

        print_hits(hits, explain=explain, full=full)
    return DONE
