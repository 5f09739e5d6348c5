"""The text form of an answer: the text with its markers, then every source with quote and place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

from rich.text import Text

from openbook.answer.marking import marked_text
from openbook.cli.flowing_text import flowing
from openbook.cli.output import print_indented, stdout_console
from openbook.snippets import place_name, snippet
from openbook.wording import duration, one_line, printable

if TYPE_CHECKING:
    from rich.console import Console

    from openbook.types import Answer, Evidence


NAME_A_MODEL: Final = "Quoted, because no language model is named: --model provider:name, or OPENBOOK_MODEL."


def print_answer(answer: Answer, *, tip: bool = False) -> None:
    """Print an answer and what it rests on, or the nearest misses; `tip` says how to name a model."""
    console = stdout_console()
    if answer.status == "answered":
        print_indented(console, Text(flowing(printable(marked_text(answer)))), indent=0)
        console.print()
        print_rest(answer, tip=tip)
        return
    console.print(Text("Not in your documents.", style="bold"))
    if answer.evidence:
        console.print(Text("What came nearest:\n", style="dim"))
    for evidence in answer.evidence[:3]:
        _print_miss(console, evidence, answer.question)
    _print_footer(console, answer, tip=False)


def print_rest(answer: Answer, *, tip: bool = False) -> None:
    """Print what belongs under the text of an answer: sources, claims without support, the footer."""
    console = stdout_console()
    _print_sources(console, answer)
    _print_unsupported(console, answer)
    _print_footer(console, answer, tip=tip)


def _print_unsupported(console: Console, answer: Answer) -> None:
    """Name the claims that the evidence does not say, and why."""
    unsupported = [claim for claim in answer.claims if not claim.supported]
    if not unsupported:
        return
    console.print(Text("Not supported by the documents:", style="bold red"))
    for claim in unsupported:
        line = Text(f"“{one_line(answer.text[claim.start : claim.end])}”")
        if claim.reasons:
            line.append(f"  ({one_line('; '.join(claim.reasons))})", style="dim")
        print_indented(console, line)
    console.print()


def _print_sources(console: Console, answer: Answer) -> None:
    for evidence in answer.evidence:
        cited = [citation for citation in answer.citations if citation.number == evidence.number]
        if not cited:
            continue
        console.print(_heading(evidence))
        for citation in cited:
            if citation.quote == answer.text[citation.start : citation.end]:
                continue  # the answer is this quote: it has been read already
            line = Text(f"“{one_line(citation.quote)}”")
            if not citation.supported:
                line.append("  (comes nearest, but does not say it)", style="red")
            print_indented(console, line)
        if evidence.url:
            console.print(Text(f"    {one_line(unquote(evidence.url))}", style="dim"), soft_wrap=True)
    console.print()


def _print_miss(console: Console, evidence: Evidence, question: str) -> None:
    words = tuple(word for word in question.strip(" ?!.").split() if len(word) > 3)
    console.print(_heading(evidence))
    print_indented(console, Text(snippet(evidence.text, words, limit=160)))
    console.print()


def _heading(evidence: Evidence) -> Text:
    line = Text(f"[{evidence.number}] ", style="cyan")
    line.append(place_name(evidence.path, evidence.place, evidence.heading, evidence.page), style="bold")
    return line


def _print_footer(console: Console, answer: Answer, *, tip: bool) -> None:
    parts = [f"Confidence {answer.confidence:.2f}"]
    if answer.generator:
        parts.append(answer.generator)
    if answer.timings_ms:
        parts.append(duration(sum(answer.timings_ms.values()) / 1000))
    console.print(Text(" · ".join(parts), style="dim"))
    for note in answer.notes:
        print_indented(console, Text(one_line(note), style="dim"), indent=0)
    if tip and answer.generator == "quotes":
        console.print(Text(NAME_A_MODEL, style="dim"))
