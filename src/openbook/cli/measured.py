"""How evaluations are shown: tables of measures and differences, the history, and the JSON object."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import typer

if TYPE_CHECKING:
    from openbook.lab.comparing import Change, Comparison, Contrast, Measured
    from openbook.lab.evaluation_history import Entry

_GROUP_MEASURES: Final = ("hit@1", "hit@5", "mrr", "recall@10", "ndcg@10")
_NAME: Final = 28
_QUESTION: Final = 60
"""Columns of a question in a list of differences."""


def as_object(comparison: Comparison, texts: Mapping[str, str]) -> dict[str, Any]:
    """What `--json` prints: the first configuration's measures by name, then everything else.

    `comparisons` holds one object for each other configuration, with all questions that changed.
    """
    first = comparison.measured[0]
    evaluation = first.evaluation
    found: dict[str, Any] = {
        **evaluation.measures,
        "latency_ms": evaluation.latency_ms,
        "counts": evaluation.counts,
        "groups": evaluation.groups,
        "notes": evaluation.notes,
        "intervals": _intervals(first),
        "questions": evaluation.questions,
    }
    if comparison.contrasts:
        found["comparisons"] = [
            _compared(comparison, number, texts) for number in range(len(comparison.contrasts))
        ]
    return found


def _compared(comparison: Comparison, number: int, texts: Mapping[str, str]) -> dict[str, Any]:
    measured = comparison.measured[number + 1]
    return {
        "configuration": measured.configuration.name,
        "changes": measured.configuration.changes,
        "measures": measured.evaluation.measures,
        "latency_ms": measured.evaluation.latency_ms,
        "counts": measured.evaluation.counts,
        "groups": measured.evaluation.groups,
        "notes": measured.evaluation.notes,
        "intervals": _intervals(measured),
        "differences": {
            name: {
                "mean": contrast.difference.mean,
                "low": contrast.difference.low,
                "high": contrast.difference.high,
                "p": contrast.difference.p,
                "p_corrected": contrast.corrected,
                "questions": contrast.questions,
            }
            for name, contrast in comparison.contrasts[number].items()
        },
        "deciding": comparison.deciding,
        "changed": [
            {
                "id": change.question,
                "question": texts.get(change.question, ""),
                "before": change.before,
                "after": change.after,
                "rank_before": change.rank_before,
                "rank_after": change.rank_after,
            }
            for change in comparison.changes[number]
        ],
    }


def _intervals(measured: Measured) -> dict[str, list[float]]:
    return {name: [interval.low, interval.high] for name, interval in measured.intervals.items()}


def print_comparison(comparison: Comparison, texts: Mapping[str, str], *, differences: bool) -> None:
    """Print the first configuration's measures, then what each other one changes."""
    from openbook.wording import one_line

    _print_measures(comparison.measured[0])
    for number, contrasts in enumerate(comparison.contrasts):
        measured = comparison.measured[number + 1]
        typer.echo(f"\n{one_line(measured.configuration.name)}")
        _print_contrasts(measured, contrasts)
        changes = comparison.changes[number]
        better = sum(change.after > change.before for change in changes)
        if comparison.deciding:
            worse = len(changes) - better
            typer.echo(f"{better:,} questions better, {worse:,} worse, by {comparison.deciding}")
        if differences:
            _print_changes(changes, texts)
    if comparison.contrasts:
        typer.echo(
            "\nDifferences are to the first, question by question, with 95 % intervals; p: paired\n"
            "randomisation test, corrected (Holm) for the number of configurations; * p ≤ 0.05."
        )
    notes = dict.fromkeys(note for one in comparison.measured for note in one.evaluation.notes)
    for note in notes:
        typer.echo(one_line(note))


def _print_measures(measured: Measured) -> None:
    evaluation = measured.evaluation
    for name, value in evaluation.measures.items():
        interval = measured.intervals.get(name)
        span = f"   {interval.low:.3f} to {interval.high:.3f}" if interval is not None else ""
        typer.echo(f"{name:<{_NAME}} {'–' if value is None else f'{value:.3f}'}{span}")
    for name, milliseconds in evaluation.latency_ms.items():
        typer.echo(f"{f'latency {name}':<{_NAME}} {milliseconds:.1f} ms")
    for kind, measures in evaluation.groups.items():
        shown = "  ".join(f"{name} {measures[name]:.3f}" for name in _GROUP_MEASURES)
        typer.echo(f"{kind:<{_NAME}} {shown}")
    counts = (f"{name.replace('_', ' ')} {number:,}" for name, number in evaluation.counts.items())
    typer.echo("  ".join(counts))


def _print_contrasts(measured: Measured, contrasts: Mapping[str, Contrast]) -> None:
    for name, value in measured.evaluation.measures.items():
        line = f"{name:<{_NAME}} {'–' if value is None else f'{value:.3f}'}"
        if (contrast := contrasts.get(name)) is not None:
            found, p = contrast.difference, contrast.corrected
            line += f"   {found.mean:+.3f}  ({found.low:+.3f} to {found.high:+.3f})"
            line += ("  p < 0.001" if p < 0.001 else f"  p {p:.3f}") + (" *" if p <= 0.05 else "")
        typer.echo(line)
    for name, milliseconds in measured.evaluation.latency_ms.items():
        typer.echo(f"{f'latency {name}':<{_NAME}} {milliseconds:.1f} ms")


def _print_changes(changes: Sequence[Change], texts: Mapping[str, str]) -> None:
    from openbook.wording import one_line

    for change in changes:
        ranks = f"{change.rank_before or '–'} → {change.rank_after or '–'}"
        question = one_line(texts.get(change.question, ""))
        short = question if len(question) <= _QUESTION else f"{question[: _QUESTION - 1]}…"
        values = f"{change.before:.3f} → {change.after:.3f}"
        typer.echo(f"  {values}   rank {ranks:<9} {one_line(change.question)}  {short}")


def print_history(kept: Sequence[Entry], strange: int) -> None:
    """Print every set and configuration with its line of bars, then its evaluations, the newest last."""
    from openbook.lab.evaluation_history import series, sparkline
    from openbook.wording import count, one_line

    if not kept:
        typer.echo("Nothing was measured of this library yet, or nothing of that set.")
    for (name, configuration), line in series(kept).items():
        deciding = line[-1].deciding
        values = [value for entry in line if (value := entry.measures.get(deciding)) is not None]
        typer.echo(one_line(f"{name}: {configuration}"))
        if deciding:
            typer.echo(f"  {one_line(deciding)} {sparkline(values)}")
        for entry in line:
            typer.echo(f"  {_past(entry)}")
    if strange:
        typer.echo(f"{count(strange, 'line')} of the history cannot be read.")


def _past(entry: Entry) -> str:
    from openbook.wording import one_line

    shown = []
    for name in ("ndcg@10", "hit@5", "mrr", "abstention_accuracy", "quote_f1", "answer_f1", "answered"):
        if (value := entry.measures.get(name)) is not None:
            low, high = entry.intervals.get(name, (None, None))
            span = f" ({low:.3f} to {high:.3f})" if low is not None and name == entry.deciding else ""
            shown.append(f"{name} {value:.3f}{span}")
    when = one_line(entry.at[:16].replace("T", " "))
    return f"{when}  {'  '.join(shown)}  {entry.documents:,} documents"
