"""The command `chat`: questions typed one after another, or piped in, one a line.

With a terminal on both sides lines are edited and remembered by readline, for
this conversation only: no file of what was typed is left behind. Without one,
every line of standard input is a question or a slash command, so that a
conversation can be scripted.

Refused: a full-screen interface, and another dependency for editing lines.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Generator, Iterator
from contextlib import redirect_stdout
from typing import TYPE_CHECKING, Annotated, Final

import typer

from openbook.cli import DONE, FAILED, INTERRUPTED
from openbook.cli.options import LibraryOption, ModelOption, StrategyOption, WhereOption, open_library
from openbook.errors import OpenbookError, UsageError

if TYPE_CHECKING:
    from openbook.cli.chat_commands import Session

PROMPT: Final = "> "


def chat(
    resume: Annotated[
        str | None,
        typer.Option(
            "--resume", "-r", metavar="NAME|ID", show_default=False, help="Go on with this conversation."
        ),
    ] = None,
    name: Annotated[
        str,
        typer.Option("--name", metavar="NAME", show_default=False, help="Default: the first question."),
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
    library: LibraryOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print each answer as one line of JSON.")] = False,
) -> int:
    """Ask one question after another; follow-ups are understood.

    The conversation is kept in the library, quotes included, until you delete it with
    `openbook conversations delete`; what is removed from the library leaves its conversations, too.

    A line that begins with a slash is a command; /help lists them. Ctrl-C stops an answer and keeps what has
    arrived of it; Ctrl-D, or Ctrl-C twice, leaves. Lines can also be piped in, a question each.
    """
    from openbook.cli.chat_commands import Session

    if resume is not None and name:
        raise UsageError("--resume goes on with a conversation that has its name; use either it or --name.")
    with open_library(library) as opened:
        session = Session(
            opened,
            opened.chat(resume, name=name),
            k=k,
            where=tuple(where or ()),
            model=model,
            strategy=strategy,
            strict=strict,
        )
        if not session.chat.kept:
            sys.stderr.write("This library is open for reading only: the conversation is not kept.\n")
        if sys.stdin.isatty() and sys.stdout.isatty() and not as_json:
            session.greet()
            _talk(session, _typed(session))
            return DONE
        if as_json:
            return _talk_in_json(session, _piped())
        return _talk_in_pipes(session)


def _talk_in_pipes(session: Session) -> int:
    """Answer the lines of standard input; Ctrl-C ends not only an answer but the whole run."""
    try:
        return _talk(session, _shown(_piped()), stop_all=True)
    except KeyboardInterrupt:
        sys.stderr.write("\nStopped.\n")
        return INTERRUPTED


def _talk(session: Session, lines: Iterator[str], *, stop_all: bool = False) -> int:
    """Answer line after line. With `stop_all`, Ctrl-C is left to whoever called."""
    code = DONE
    for line in lines:
        if not line.strip():
            continue
        try:
            if line.startswith("/"):
                if session.obey(line):
                    break
            else:
                _answer(session, line.strip())
        except KeyboardInterrupt:
            if stop_all:
                raise
            sys.stdout.write("\nStopped.\n")
        except OpenbookError as error:
            from openbook.cli.failures import show_failure

            code = FAILED
            show_failure(error, code=code, as_json=False)
        sys.stdout.flush()
    return code


def _talk_in_json(session: Session, lines: Iterator[str]) -> int:
    """Answer line after line in JSON; what commands say goes to stderr."""
    from openbook.cli.failures import show_failure
    from openbook.json_form import json_form

    code = DONE
    for line in lines:
        try:
            if line.startswith("/"):
                with redirect_stdout(sys.stderr):
                    leave = session.obey(line)
                if leave:
                    break
            else:
                answer = session.chat.ask(line.strip(), **session.options())
                print(json.dumps(json_form(answer)), flush=True)
        except OpenbookError as error:
            code = FAILED
            show_failure(error, code=code, as_json=True)
    return code


def _answer(session: Session, question: str) -> None:
    """Show the answer to a question. Raises KeyboardInterrupt if it was stopped before anything arrived."""
    from openbook.cli.streaming import show_events

    stream = session.chat.ask_stream(question, **session.options())
    tokens = sys.stdout.isatty() and not session.strict
    try:
        show_events(stream, tokens=tokens)
    finally:
        if isinstance(stream, Generator):
            stream.close()  # what had arrived is kept now, not whenever the stream is forgotten
    sys.stdout.write("\n")


def _typed(session: Session) -> Iterator[str]:
    """Lines from a person; ends with Ctrl-D, or with Ctrl-C twice in a row."""
    _edit_lines(session)
    interrupted = False
    while True:
        try:
            line = input(PROMPT)
        except EOFError:
            sys.stdout.write("\n")
            return
        except KeyboardInterrupt:
            sys.stdout.write("\n" if interrupted else "\nPress Ctrl-C again, or Ctrl-D, to leave.\n")
            if interrupted:
                return
            interrupted = True
            continue
        interrupted = False
        yield line


def _edit_lines(session: Session) -> None:
    """Let readline edit lines, remember the conversation's questions and complete commands."""
    try:
        import readline
    except ImportError:  # a Python without it; lines can be typed all the same
        return
    from openbook.cli.chat_commands import completions

    for turn in session.chat.turns:
        # Its lines are strings of C, which end with a zero.
        readline.add_history(" ".join(turn.question.replace("\0", " ").split()))
    readline.set_completer_delims("")
    readline.set_completer(lambda text, number: dict(enumerate(completions(text))).get(number))
    readline.parse_and_bind("tab: complete")


def _piped() -> Iterator[str]:
    """The lines of standard input that are not empty."""
    reconfigure = getattr(sys.stdin, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="replace")
    for number, line in enumerate(sys.stdin):
        if number == 0:
            line = line.removeprefix("\ufeff")  # what some shells put before all that they pipe
        if line.strip():
            yield line.rstrip("\r\n")


def _shown(lines: Iterator[str]) -> Iterator[str]:
    """The same lines, each printed before it is answered."""
    from openbook.wording import one_line

    for line in lines:
        sys.stdout.write(f"{PROMPT}{one_line(line)}\n")
        sys.stdout.flush()
        yield line
