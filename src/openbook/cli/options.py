"""Options that several commands share, and how they find their library."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal, TypeAlias

import typer

from openbook.errors import LibraryNotFound

if TYPE_CHECKING:
    from openbook.events import ErrorEvent
    from openbook.library import Library

FOLDER_NAME: Final = ".openbook"
"""The library that belongs to a working folder."""

LibraryOption: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--library",
        "-l",
        metavar="PATH",
        envvar="OPENBOOK_LIBRARY",
        show_default=False,
        help="The library's folder. Default: the nearest .openbook/ from here upward.",
    ),
]
JsonOption: TypeAlias = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
WhereOption: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--where",
        "-w",
        metavar="CONDITION",
        show_default=False,
        help="Only chunks for which this holds: path=joins*, page<10, modified>=2024-01-01, language=en, "
        "author~smith. Repeat it to narrow further.",
    ),
]
ModelOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--model",
        "-m",
        metavar="PROVIDER:NAME",
        show_default=False,
        help="The language model that writes, such as ollama:llama3.2 or openai:gpt-5-mini; 'none' quotes. "
        "Default: OPENBOOK_MODEL, or the settings file.",
    ),
]
StrategyOption: TypeAlias = Annotated[
    Literal["auto", "stuff", "refine", "map-reduce", "map-rerank"] | None,
    typer.Option(
        "--strategy",
        show_default=False,
        help="How evidence larger than the model's window is answered. Default: auto, chosen by size.",
    ),
]


def nearest_library(start: Path) -> Path | None:
    """Return the `.openbook/` folder of `start` or of the nearest folder above it."""
    for folder in (start, *start.parents):
        if (folder / FOLDER_NAME / "ledger.sqlite").is_file():
            return folder / FOLDER_NAME
    return None


def open_library(chosen: Path | None) -> Library:
    """Open the library that a reading command means. Raises LibraryNotFound if there is none.

    Requests to a language model that failed and are tried again are told on stderr.
    """
    place = chosen or nearest_library(Path.cwd())
    if place is None:
        raise LibraryNotFound(
            f"There is no library here: neither {str(Path.cwd())!r} nor a folder above it holds "
            f"{FOLDER_NAME}/. Make one with: openbook add FOLDER. Or name one with --library PATH."
        )
    from openbook.library import Library

    return Library(place, create=False, on_retry=_tell_retry)


def _tell_retry(event: ErrorEvent) -> None:
    from openbook.wording import one_line

    again = f" Trying again in {event.retry_seconds:.1f} s." if event.retry_seconds is not None else ""
    sys.stderr.write(f"{one_line(event.message)}{again}\n")


def library_to_fill(chosen: Path | None) -> Path:
    """Return the library that `add` writes to: the chosen, the nearest, or a new one right here."""
    return chosen or nearest_library(Path.cwd()) or Path.cwd() / FOLDER_NAME
