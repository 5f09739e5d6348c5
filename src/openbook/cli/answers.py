"""The text form of an answer: the text with its markers, then every source with quote and place."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote

from rich.text import Text

from openbook.cli.output import duration, print_indented, stdout_console
from openbook.cli.places import flowing, place_name, snippet
from openbook.cli.safe_text import one_line, printable

if TYPE_CHECKING:
    from rich.console import Console

    from openbook.types import Answer, Evidence


def print_answer(answer: Answer) -> None:
    """Print an answer and what it rests on, or the nearest misses."""
    console = stdout_console()
    if answer.status == "answered":
        print_indented(console, Text(flowing(printable(marked_text(answer)))), indent=0)
        console.print()
        _print_sources(console, answer)
    else:
        console.print(Text("Not in your documents.", style="bold"))
        if answer.evidence:
            console.print(Text("What came nearest:\n", style="dim"))
        for evidence in answer.evidence[:3]:
            _print_miss(console, evidence, answer.question)
    _print_footer(console, answer)


def marked_text(answer: Answer) -> str:
    """Return the answer's text with a [number] behind every cited stretch that has none yet."""
    text = answer.text
    numbers: dict[int, list[int]] = {}
    for citation in answer.citations:
        marker = f"[{citation.number}]"
        if marker not in text[citation.start : citation.end + len(marker) + 2]:
            ends = numbers.setdefault(citation.end, [])
            if citation.number not in ends:
                ends.append(citation.number)
    for end in sorted(numbers, reverse=True):
        markers = "".join(f"[{number}]" for number in sorted(numbers[end]))
        text = f"{text[:end].rstrip()} {markers}{text[end:]}"
    return text


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
                line.append("  (not supported by this source)", style="red")
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


def _print_footer(console: Console, answer: Answer) -> None:
    parts = [f"Confidence {answer.confidence:.2f}"]
    if answer.generator:
        parts.append(answer.generator)
    if answer.timings_ms:
        parts.append(duration(sum(answer.timings_ms.values()) / 1000))
    console.print(Text(" · ".join(parts), style="dim"))
    for note in answer.notes:
        print_indented(console, Text(one_line(note), style="dim"), indent=0)
