"""Commands about kept conversations: conversations, and its show, rename, delete and export."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal, TypeAlias

import typer

from openbook.cli import DONE
from openbook.cli.options import JsonOption, LibraryOption, open_library
from openbook.errors import UsageError

if TYPE_CHECKING:
    from openbook.conversing import Chat

WantedArgument: TypeAlias = Annotated[
    str, typer.Argument(metavar="ID|NAME", help="Its number, its name, or a part of its name.")
]
_LONGEST_NAME: Final = 60


def list_(context: typer.Context, library: LibraryOption = None, as_json: JsonOption = False) -> int:
    """List the conversations with a library, the one used last first.

    They are kept in the library, by `openbook chat`, and go where it goes: see `openbook export`.
    """
    from openbook.cli.output import print_json
    from openbook.wording import count, one_line

    if context.invoked_subcommand is not None:
        return DONE
    with open_library(library) as opened:
        found = opened.conversations()
    if as_json:
        print_json(found)
        return DONE
    for one in found:
        turns = count(one.turns, "turn")
        when = one.updated_at.replace("T", " ").removesuffix("Z")[:16]
        typer.echo(f"{one.id:>4}  {when} UTC  {turns:>9}  {one_line(one.name)}")
    if not found:
        typer.echo("No conversation is kept in this library yet. Begin one with: openbook chat")
    return DONE


def show(wanted: WantedArgument, library: LibraryOption = None, as_json: JsonOption = False) -> int:
    """Print a conversation: its questions, answers and sources."""
    from openbook.cli.output import print_json
    from openbook.wording import one_line

    with open_library(library) as opened:
        chat = opened.chat(wanted)
        name, turns = chat.name, chat.turns
    if as_json:
        print_json({"name": name, "turns": turns})
        return DONE
    from openbook.cli.answers import print_answer

    typer.echo(one_line(name))
    for turn in turns:
        typer.echo(f"\n> {one_line(turn.question)}\n")
        if turn.redacted:
            typer.echo(one_line(turn.redacted))
            for citation in turn.answer.citations:
                typer.echo(f"[{citation.number}] “{one_line(citation.quote)}”")
        else:
            print_answer(turn.answer)
    return DONE


def rename(
    wanted: WantedArgument,
    name: Annotated[str, typer.Argument(metavar="NEW", help="Its new name.")],
    library: LibraryOption = None,
    as_json: JsonOption = False,
) -> int:
    """Give a conversation another name."""
    with open_library(library) as opened:
        chat = opened.chat(wanted)
        chat.rename(name)
        _tell("renamed", chat.id, chat.name, as_json=as_json)
    return DONE


def delete(wanted: WantedArgument, library: LibraryOption = None, as_json: JsonOption = False) -> int:
    """Delete a conversation, so that no byte of it stays in the library."""
    from openbook.wording import one_line

    with open_library(library) as opened:
        chat = opened.chat(wanted)
        number, name = chat.id, chat.name
        notes = chat.delete()
    _tell("deleted", number, name, as_json=as_json)
    for note in notes:
        sys.stderr.write(f"{one_line(note)}\n")
    return DONE


def export(
    wanted: WantedArgument,
    file: Annotated[
        Path | None,
        typer.Argument(metavar="FILE", show_default=False, help="The file to write. Default: print it."),
    ] = None,
    form: Annotated[
        Literal["markdown", "json", "csv"] | None,
        typer.Option("--form", show_default=False, help="Default: by the end of FILE's name, or markdown."),
    ] = None,
    library: LibraryOption = None,
    as_json: JsonOption = False,
) -> int:
    """Write a conversation as Markdown, JSON or CSV."""
    from openbook.wording import printable

    with open_library(library) as opened:
        chat = opened.chat(wanted)
        if file is not None:
            write_conversation(chat, file, form=form)
            _tell("exported", chat.id, chat.name, as_json=as_json)
            return DONE
        text = chat.export(form or ("json" if as_json else "markdown"))
    sys.stdout.write(printable(text.replace("\r\n", "\n")))
    return DONE


def write_conversation(
    chat: Chat, file: Path, *, form: Literal["markdown", "json", "csv"] | None = None
) -> None:
    """Write a conversation to a new file, in the form that the file's name asks for unless one is given.

    Raises UsageError for a name without a known form, an existing file, or a conversation without turns.
    """
    from openbook.conversation_export import form_of

    chosen = form or form_of(file.name)
    if not chat.turns:
        raise UsageError("The conversation has no turn yet; ask a question first.")
    text = chat.export(chosen)
    try:
        with file.open("x", encoding="utf-8", errors="replace", newline="") as output:
            output.write(text)
    except FileExistsError as error:
        raise UsageError(f"{str(file)!r} exists already; name a file that does not.") from error
    except OSError as error:
        raise UsageError(f"{str(file)!r} cannot be written: {error}. Choose another place.") from error


def _tell(done: str, number: int | None, name: str, *, as_json: bool) -> None:
    from openbook.cli.output import print_json
    from openbook.wording import one_line

    if as_json:
        print_json({done: {"id": number, "name": name}})
    else:
        typer.echo(f"{done.capitalize()} {number}: {one_line(name)}")
