"""The table of commands: name, function, one line about it, examples as they are typed."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from importlib import import_module
from typing import Annotated, Final

import typer

from openbook.cli import DONE


@dataclass(frozen=True, slots=True)
class Command:
    """One command of the command line. `place` names its function ("asking:ask"), imported when it runs."""

    name: str
    place: str
    summary: str
    examples: tuple[str, ...]

    def function(self) -> Callable[..., int]:
        """The function itself."""
        module, _, name = self.place.partition(":")
        found: Callable[..., int] = getattr(import_module(f"openbook.cli.{module}"), name)
        return found


@dataclass(frozen=True, slots=True)
class Group:
    """Commands under one name. `alone` is the one that runs where none of them is named."""

    name: str
    commands: tuple[Command, ...]
    summary: str
    examples: tuple[str, ...]
    alone: Command | None = None


COMMANDS: Final = (
    Command(
        "add",
        "indexing:add",
        "Bring the library in line with folders and files.",
        (
            "openbook add documents/",
            "openbook add documents/ notes.md --library ~/notes.openbook",
            "openbook add documents/ --prune",
        ),
    ),
    Command(
        "ask",
        "asking:ask",
        "Answer a question with checked citations.",
        (
            'openbook ask "how do I join two tables?"',
            'openbook ask "who may sign contracts?" --where "path=policies/*"',
            'openbook ask "what changed in March?" --json',
        ),
    ),
    Command(
        "chat",
        "chat:chat",
        "Ask one question after another.",
        (
            "openbook chat",
            'openbook chat --resume "parental leave" --model ollama:qwen3',
            "openbook chat < questions.txt",
        ),
    ),
    Command(
        "search",
        "asking:search",
        "Find the places that fit a question, best first.",
        (
            "openbook search join --k 10 --explain",
            'openbook search "rate limits" --where "modified>=2024-01-01"',
            "openbook search budget --per-document 1 --json",
        ),
    ),
    Command(
        "status",
        "indexing:status",
        "Say what the library holds and what has problems.",
        ("openbook status", "openbook status --json"),
    ),
    Command(
        "verify",
        "indexing:verify",
        "Check the library, and repair its indexes.",
        ("openbook verify", "openbook verify --no-repair"),
    ),
    Command(
        "remove",
        "indexing:remove",
        "Remove documents, so that no byte of them stays.",
        ("openbook remove old.md", 'openbook remove "drafts/*"'),
    ),
    Command(
        "export",
        "moving:export",
        "Write the library to one file, or as Parquet.",
        ("openbook export notes.zip", "openbook export --parquet tables/"),
    ),
    Command(
        "import",
        "moving:import_",
        "Open an exported library as a new folder.",
        ("openbook import notes.zip --library notes.openbook",),
    ),
    Command(
        "mcp",
        "mcp:mcp",
        "Give an assistant tools to search, ask and read (MCP).",
        ("openbook mcp", "openbook mcp --library notes.openbook --library reports.openbook"),
    ),
    Command(
        "serve",
        "serving:serve",
        "Serve libraries: web page, HTTP, OpenAI-compatible API, MCP.",
        (
            "openbook serve",
            "openbook serve --library notes.openbook --allow documents/ --open",
            "openbook serve --host 0.0.0.0 --host-name books.example.org --metrics",
        ),
    ),
    Command(
        "eval",
        "measuring:evaluate",
        "Measure how well a labelled set is found.",
        (
            "openbook eval cranfield/",
            "openbook eval cranfield/ --library cranfield.openbook --json",
            "openbook eval questions.jsonl --documents documents/",
            "openbook eval questions.csv --compare cosine_weight=0.7 --compare chunk_tokens=160",
            "openbook eval questions.csv --report report.html",
            "openbook eval --history",
        ),
    ),
    Command(
        "tune",
        "tuning:tune",
        "Fit the library's settings to questions, if it gains.",
        (
            "openbook tune questions.jsonl",
            "openbook tune --dry-run",
            "openbook tune questions.jsonl --adapter",
            "openbook tune --undo",
        ),
    ),
    Command(
        "tokens",
        "tokens:tokens",
        "Show the tokens of a text, their number and their cost.",
        (
            'openbook tokens "How do I join two tables?"',
            "openbook tokens notes.md --model openai:gpt-5-mini",
        ),
    ),
)
CONVERSATION_COMMANDS: Final = (
    Command(
        "show",
        "conversations:show",
        "Print a conversation with its sources.",
        ("openbook conversations show 3", 'openbook conversations show "parental leave" --json'),
    ),
    Command(
        "rename",
        "conversations:rename",
        "Give a conversation another name.",
        ('openbook conversations rename 3 "Parental leave"',),
    ),
    Command(
        "delete",
        "conversations:delete",
        "Delete a conversation, so that no byte of it stays.",
        ("openbook conversations delete 3",),
    ),
    Command(
        "export",
        "conversations:export",
        "Write a conversation as Markdown, JSON or CSV.",
        ("openbook conversations export 3 leave.md", "openbook conversations export leave --form csv"),
    ),
)
MODEL_COMMANDS: Final = (
    Command(
        "install",
        "models:install",
        "Get an embedding model and convert it once.",
        (
            "openbook model install",
            "openbook model install --from models/all-MiniLM-L6-v2",
        ),
    ),
    Command(
        "list", "models:list_", "List the embedding models on this machine.", ("openbook model list --json",)
    ),
    Command(
        "check",
        "model_check:check",
        "Say whether a language model answers, and what it can do.",
        ("openbook model check ollama:qwen3", "openbook model check --json"),
    ),
)


GROUPS: Final = (
    Group(
        "conversations",
        CONVERSATION_COMMANDS,
        "List, show, rename, delete and export conversations.",
        ("openbook conversations", "openbook conversations show 3"),
        alone=Command("conversations", "conversations:list_", "", ()),
    ),
    Group(
        "model",
        MODEL_COMMANDS,
        "Install, list and check models.",
        ("openbook model install", "openbook model list"),
    ),
)


def build_app(wanted: str | None = None) -> typer.Typer:
    """Return the command line; of the command `wanted` only, where one is named.

    The others have their names and summaries then, and no arguments: reading
    the arguments of all takes longer than many a command. The help is plain,
    because drawing boxes would double its time.
    """
    app = _typer("openbook", ("openbook add documents/", 'openbook ask "how do I join two tables?"'))
    app.callback()(_openbook)
    for command in COMMANDS:
        _register(app, command, whole=wanted in (None, command.name))
    for group in GROUPS:
        whole = wanted in (None, group.name)
        inner = _typer(group.name, group.examples, no_args_is_help=group.alone is None)
        if group.alone is not None and whole:
            inner.callback(invoke_without_command=True)(_until_the_reader_leaves(group.alone.function()))
        for command in group.commands:
            _register(inner, command, whole=whole)
        app.add_typer(inner, help=group.summary)
    return app


def wanted_command(arguments: Sequence[str]) -> str | None:
    """Which command these arguments are for: "" if none is, None if that takes reading all of them."""
    if "_OPENBOOK_COMPLETE" in os.environ:
        return None
    if arguments and not arguments[0].startswith("-"):
        return arguments[0]
    return "" if all(argument.startswith("-") for argument in arguments) else None


def _typer(name: str, examples: tuple[str, ...], *, no_args_is_help: bool = True) -> typer.Typer:
    return typer.Typer(
        name=name,
        epilog=_epilog(examples),
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        no_args_is_help=no_args_is_help,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    )


def _register(app: typer.Typer, command: Command, *, whole: bool) -> None:
    register = app.command(command.name, short_help=command.summary, epilog=_epilog(command.examples))
    register(_until_the_reader_leaves(command.function()) if whole else _nothing)


def _nothing() -> None:
    """Stands for a command that is only named."""


def _until_the_reader_leaves(function: Callable[..., int]) -> Callable[..., int]:
    """Let a command end well when the reader of its output goes away (`| head`): that is its right."""

    @wraps(function)
    def command(*arguments: object, **options: object) -> int:
        try:
            code = function(*arguments, **options)
            sys.stdout.flush()
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return DONE
        return code

    return command


def _epilog(examples: tuple[str, ...]) -> str:
    """Return examples one a line; the mark in front keeps them from being wrapped."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in examples)


def _version(wanted: bool) -> None:
    if wanted:
        from openbook import __version__

        typer.echo(f"openbook {__version__}")
        raise typer.Exit


def _openbook(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Ask your own documents, and trust the answer.

    Point it at a folder; ask; get an answer whose every claim rests on a quote with its exact place, or an
    honest "not in your documents". It works offline and needs no API key.

    Exit codes: 0 done, 1 done with failures that the report names, 2 wrong use, 3 not found in the documents.
    """
