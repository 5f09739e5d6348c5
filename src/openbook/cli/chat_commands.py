"""The slash commands of `openbook chat`, and what a session of it remembers between lines."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rich.text import Text

from openbook.cli.conversations import write_conversation
from openbook.cli.flowing_text import flowing
from openbook.cli.output import print_indented, stdout_console
from openbook.errors import UsageError
from openbook.snippets import place_name
from openbook.wording import count, one_line, printable

if TYPE_CHECKING:
    from openbook.conversing import Chat
    from openbook.library import Library
    from openbook.types import Answer, Claim, Evidence


@dataclass(slots=True)
class Session:
    """A library, the conversation with it, and what is wished of the next answers.

    `only` is the path that questions are restricted to, "" for none.
    """

    library: Library
    chat: Chat
    k: int | None = None
    where: tuple[str, ...] = ()
    model: str | None = None
    strategy: str | None = None
    strict: bool = False
    only: str = ""

    def options(self) -> dict[str, Any]:
        """What goes along with the next question."""
        return {
            "k": self.k,
            "where": (*self.where, f"path={self.only}") if self.only else self.where,
            "model": self.model,
            "strategy": self.strategy,
            "strict": self.strict,
        }

    def greet(self) -> None:
        """Say where one is, and how to get help."""
        turns = self.chat.turns
        if turns:
            _say(f"Going on: {self.chat.id} “{self.chat.name}”, {count(len(turns), 'turn')}.", style="bold")
            _say(f"Last asked: {turns[-1].question}", style="dim")
        _say(f"{self.library.path} · /help lists commands, Ctrl-D leaves.", style="dim")

    def obey(self, line: str) -> bool:
        """Run the slash command of a line; return whether to leave. Raises UsageError for a wrong one."""
        name, _, argument = line.strip().partition(" ")
        command = COMMANDS.get(name.lower())
        if command is None:
            raise UsageError(_unknown(name))
        argument = argument.strip()
        if argument and not command.argument:
            raise UsageError(f"{name} takes nothing behind it, but {argument!r} stands there.")
        command.run(self, argument)
        return name.lower() in LEAVING


@dataclass(frozen=True, slots=True)
class SlashCommand:
    """A command of a session. `argument` names what may stand behind it, "" if nothing may."""

    run: Callable[[Session, str], None]
    argument: str
    summary: str


def completions(text: str) -> list[str]:
    """The commands that begin with what has been typed."""
    return [name for name in COMMANDS if text.startswith("/") and name.startswith(text)]


def _unknown(name: str) -> str:
    near = difflib.get_close_matches(name.lower(), COMMANDS, n=1, cutoff=0.4)
    meant = f"Did you mean {near[0]}? " if near else ""
    return (
        f"There is no command {name!r}. {meant}/help lists all commands; to ask a question that begins "
        "with a slash, put a blank in front."
    )


def _sources(session: Session, argument: str) -> None:
    del argument
    console = stdout_console()
    evidence = _last(session).evidence
    for piece in evidence:
        console.print(_heading(piece))
        print_indented(console, Text(flowing(printable(piece.text.strip()))))
        if piece.url:
            console.print(Text(f"    {one_line(piece.url)}", style="dim"), soft_wrap=True)
        console.print()
    if not evidence:
        _say("The last answer has no evidence (any more).")


def _why(session: Session, argument: str) -> None:
    del argument
    answer = _last(session)
    console = stdout_console()
    if answer.question != answer.meant and answer.meant:
        _say(f"Asked:         {answer.question}")
    _say(f"Searched for:  {answer.meant or answer.question}")
    writer = " · ".join(part for part in (answer.generator, answer.strategy) if part) or "nobody"
    _say(f"Written by:    {writer}{'' if answer.complete else ' (stopped before its end)'}")
    verdict = "answered" if answer.status == "answered" else "not in the documents"
    _say(f"Confidence:    {answer.confidence:.2f}, {verdict}")
    cited = {citation.number for citation in answer.citations}
    for piece in answer.evidence:
        line = _heading(piece)
        line.append(f"  {piece.score:.3f}{'  cited' if piece.number in cited else ''}", style="dim")
        console.print(line)
    for claim in answer.claims:
        print_indented(console, _claim(answer, claim), indent=0)
    for note in answer.notes:
        _say(note, style="dim")


def _model(session: Session, argument: str) -> None:
    if argument:
        session.model = argument
    chosen = session.model or session.library.settings.model
    if chosen in ("", "none"):
        _say("Answers are quotes; no language model writes them.")
    else:
        _say(f"Answers are written by {chosen}.")


def _only(session: Session, argument: str) -> None:
    from openbook.index.where import parse_where

    if not argument:
        session.only = ""
        _say("Questions go to all documents again.")
        return
    paths = [record.path for record in session.library.documents()]
    for pattern in (argument, f"{argument.rstrip('/')}/*"):
        (condition,) = parse_where([f"path={pattern}"])
        if found := [path for path in paths if condition.matches(path)]:
            session.only = pattern
            named = found[0] if len(found) == 1 else count(len(found), "document")
            _say(f"Questions go to {named} from now on; /only alone lifts this.")
            return
    raise UsageError(
        f"No document of this library has a path like {argument!r}; the restriction is as it was. "
        "Write a path, a file's name, a folder, or a pattern such as drafts/*."
    )


def _save(session: Session, argument: str) -> None:
    if not argument:
        raise UsageError("Name the file to save to: /save conversation.md, or .json, or .csv.")
    place = Path(argument).expanduser()
    write_conversation(session.chat, place)
    _say(f"Saved {count(len(session.chat.turns), 'turn')} to {place}.")


def _new(session: Session, argument: str) -> None:
    session.chat = session.library.chat(name=argument)
    _say("A new conversation begins.")


def _help(session: Session, argument: str) -> None:
    del session, argument
    for name, command in COMMANDS.items():
        _say(f"{f'{name} {command.argument}':<16} {command.summary}")
    _say("Anything else is a question. Ctrl-C stops an answer and keeps what has arrived of it.")


def _quit(session: Session, argument: str) -> None:
    """Leaving is what whoever called does."""
    del session, argument


COMMANDS: Final = {
    "/sources": SlashCommand(_sources, "", "Show the whole evidence of the last answer."),
    "/why": SlashCommand(_why, "", "Show what was searched for, and how sure each part of the answer is."),
    "/model": SlashCommand(_model, "[NAME]", "Let this language model write, or 'none'; alone: say which."),
    "/only": SlashCommand(_only, "[PATH]", "Ask only documents with this path; alone: ask all again."),
    "/save": SlashCommand(_save, "FILE", "Save the conversation as .md, .json or .csv."),
    "/new": SlashCommand(_new, "[NAME]", "Begin a new conversation."),
    "/help": SlashCommand(_help, "", "List these commands."),
    "/quit": SlashCommand(_quit, "", "Leave; so does Ctrl-D."),
}
LEAVING: Final = ("/quit",)


def _last(session: Session) -> Answer:
    """The last answer, as far as documents have not taken anything from it since."""
    turns = session.chat.turns
    if not turns:
        raise UsageError("There is no answer yet to speak of; ask a question first.")
    return turns[-1].answer


def _heading(piece: Evidence) -> Text:
    line = Text(f"[{piece.number}] ", style="cyan")
    line.append(place_name(piece.path, piece.place, piece.heading, piece.page), style="bold")
    return line


def _claim(answer: Answer, claim: Claim) -> Text:
    numbers = "".join(f"[{number}]" for number in claim.numbers)
    line = Text(f"“{one_line(answer.text[claim.start : claim.end])}” ")
    verdict = f"supported by {numbers}" if claim.supported else "not supported"
    line.append(f"{verdict}, {claim.support:.2f}", style="dim" if claim.supported else "red")
    if claim.reasons:
        line.append(f" ({one_line('; '.join(claim.reasons))})", style="dim")
    return line


def _say(text: str, *, style: str = "") -> None:
    print_indented(stdout_console(), Text(printable(text), style=style), indent=0)
