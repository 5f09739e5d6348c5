"""The text form of a search result."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from openbook.cli.output import print_indented, stdout_console
from openbook.snippets import highlights, place_name, snippet
from openbook.wording import one_line, printable

if TYPE_CHECKING:
    from rich.console import Console

    from openbook.types import Hit, Hits


def print_hits(hits: Hits, *, explain: bool, full: bool) -> None:
    """Print every hit with its place, score and the words that matched."""
    console = stdout_console()
    if not hits:
        console.print(Text("Nothing found."))
    for number, hit in enumerate(hits, start=1):
        _print_hit(console, number, hit, full=full)
        if explain:
            print_indented(console, _explanation(hit))
        console.print()
    for note in hits.notes:
        print_indented(console, Text(one_line(note), style="dim"), indent=0)


def _print_hit(console: Console, number: int, hit: Hit, *, full: bool) -> None:
    place = place_name(hit.path, hit.place, hit.heading, hit.page)
    line = Text(f"{number:>2}  ", style="dim")
    line.append(place, style="bold")
    line.append(f"  {hit.score:.3f}", style="dim")
    console.print(line)
    shown = printable(hit.text).strip("\n") if full else snippet(hit.text, hit.matched)
    print_indented(console, _highlighted(shown, hit.matched))
    for location in hit.locations:
        copy = place_name(location.path, location.place, "", location.page)
        console.print(Text(f"    also in {copy}", style="dim"))


def _highlighted(shown: str, words: tuple[str, ...]) -> Text:
    text = Text(shown)
    for start, end in highlights(shown, words):
        text.stylize("bold yellow", start, end)
    return text


def _explanation(hit: Hit) -> Text:
    lines = [
        _leg("words", hit.ranks.lexical, "BM25", hit.scores.lexical),
        _leg("meaning", hit.ranks.vector, "cosine", hit.scores.vector),
    ]
    if hit.explanation:
        parts = "  ".join(f"{one_line(name)} {value:.3f}" for name, value in hit.explanation.items())
        lines.append(f"score     {parts}")
    if hit.matched:
        lines.append(f"matched   {one_line(', '.join(hit.matched))}")
    return Text("\n".join(lines), style="cyan")


def _leg(name: str, rank: int | None, measure: str, score: float | None) -> str:
    place = "not among its candidates" if rank is None else f"rank {rank}"
    value = "not searched" if score is None else f"{measure} {score:.3f}"
    return f"{name:<9} {value:<16} {place if score is not None else ''}".rstrip()
