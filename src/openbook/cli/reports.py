"""The text form of runs and states: what `add`, `remove`, `status` and `verify` print."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

import typer

from openbook.wording import count, duration, one_line, size

if TYPE_CHECKING:
    from openbook.types import LibraryStatus, Outcome, Report, Verification

SHOWN: Final = 20
"""Files named with the same reason before the rest is only counted. `--json` names all."""

_ORDER: Final = ("added", "updated", "moved", "unchanged", "removed", "empty", "skipped", "failed")
_COLOURS: Final = {"failed": "red", "skipped": "yellow", "empty": "yellow"}


def print_report(report: Report, *, heading: str, extra_notes: Sequence[str] = ()) -> None:
    """Print what a run did: counts, every file that has a problem, and how long it took."""
    if heading:
        _line(heading, bold=True)
    _line(f"{count(len(report.outcomes), 'file')}: {_counts(report.counts)}  ({duration(report.seconds)})")
    if report.chunks or report.embedded or report.pending:
        _line(_chunks(report))
    print_problems(report.outcomes)
    for note in (*report.notes, *extra_notes):
        _line(note, dim=True)


def print_problems(outcomes: Iterable[Outcome]) -> None:
    """Print the files that are not in the library, with the reason, the worst kind last."""
    for kind in ("empty", "skipped", "failed"):
        chosen = [outcome for outcome in outcomes if outcome.kind == kind]
        for outcome in chosen[: SHOWN if kind != "failed" else None]:
            label = _coloured(f"  {kind:<8}", _COLOURS[kind])
            reason = one_line(outcome.reason.removeprefix(f"{outcome.path!r} "))
            _line(f"{label} {one_line(outcome.path)}: {reason}", safe=True)
        if kind != "failed" and len(chosen) > SHOWN:
            _line(f"  … and {len(chosen) - SHOWN:,} more {kind}; --json names them all.", dim=True)


def _counts(counts: dict[str, int]) -> str:
    known = [f"{counts[kind]:,} {kind}" for kind in _ORDER if counts.get(kind)]
    return ", ".join(known) or "nothing to do"


def _chunks(report: Report) -> str:
    parts = [f"{count(report.chunks, 'chunk')} written", f"{report.embedded:,} embedded"]
    if report.reused:
        parts.append(f"{report.reused:,} had their vector already")
    if report.pending:
        parts.append(f"{report.pending:,} still without a vector")
    return ", ".join(parts)


def _line(text: str, *, bold: bool = False, dim: bool = False, safe: bool = False) -> None:
    shown = text if safe else one_line(text)
    if sys.stdout.isatty() and (bold or dim):
        shown = typer.style(shown, bold=bold or None, dim=dim or None)
    typer.echo(shown)


def _coloured(text: str, colour: str) -> str:
    return typer.style(text, fg=colour) if sys.stdout.isatty() else text


def print_status(status: LibraryStatus) -> None:
    """Print what a library holds, how complete it is, and its problem files."""
    _line(f"Library {status.path}", bold=True)
    rows = {
        "Documents": f"{status.documents:,} in {count(status.chunks, 'chunk')}",
        "Vectors": _vectors(status),
        "Sources": ", ".join(status.sources) or "none yet",
        "Files": _counts(dict(status.outcomes)) if status.outcomes else "none yet",
        "Size": ", ".join(f"{part} {size(number)}" for part, number in status.bytes.items()),
    }
    if len(status.generations) > 1:
        rows["Models"] = ", ".join(status.generations)
    if status.tunings:
        rows["Tuned"] = "; ".join(status.tunings)
    if status.behind:
        rows["Behind"] = f"{', '.join(status.behind)}: catching up happens by itself, or with openbook verify"
    for name, value in rows.items():
        _line(f"{name:<10} {one_line(value)}", safe=True)
    print_problems(status.problems)


def print_verification(verification: Verification) -> None:
    """Print what was compared, put right and is left."""
    for name, number in verification.checked.items():
        _line(f"{one_line(name):<28} {number:,}", safe=True)
    for repair in verification.repaired:
        _line(f"repaired  {one_line(repair)}", safe=True)
    for problem in verification.problems:
        _line(f"{_coloured('problem', 'red')}   {one_line(problem)}", safe=True)
    _line("Everything agrees." if verification.ok else "Not everything agrees.", bold=True)


def _vectors(status: LibraryStatus) -> str:
    if not status.model:
        return "none: found by words only; get a model with openbook model install, then add again"
    share = status.embedded / status.chunks if status.chunks else 1.0
    return f"{status.embedded:,} ({share:.0%}) by {status.model}"
