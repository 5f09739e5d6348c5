"""What was measured as one page: figures, intervals, differences, history, settings.

The page is a single file without a script, a link or a font from elsewhere, and its
content policy forbids them, so that it can be sent to anybody and opened in ten years.
Questions, paths and settings are text of others: all of it is escaped in one place
(`report_charts.text`).

Refused: a template engine (a few functions that return strings do), and a script that
would make the tables sortable.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from openbook.lab.evaluation_history import Entry, series
from openbook.lab.report_charts import Dot, differences, dots, key, over_time, text

if TYPE_CHECKING:
    from openbook.lab.comparing import Change, Comparison, Contrast, Measured

LEADING: Final = (
    "ndcg@10",
    "hit@5",
    "abstention_accuracy",
    "quote_f1",
    "citation_precision",
    "answer_f1",
    "answered",
)
"""Of these the first four that there are stand on top, large."""
MEANINGS: Final = {
    "ndcg@10": "How well the first ten places are ordered; 1 is perfect.",
    "recall@10": "Share of what is relevant that stands among the first ten.",
    "recall@100": "Share of what is relevant that stands among the first hundred.",
    "mrr": "Mean of 1/rank of the first right hit.",
    "hit@1": "Questions whose first hit is right.",
    "hit@3": "Questions with a right hit among the first three.",
    "hit@5": "Questions with a right hit among the first five.",
    "hit@10": "Questions with a right hit among the first ten.",
    "abstention_accuracy": "Questions answered where the documents answer, and refused where they do not.",
    "quote_f1": "Words of the quotes against those of the gold quotes; unanswered questions count 0.",
    "citations_on_gold": "Citations that share half of their words with a gold quote.",
    "citation_precision": "Citations that support what they stand behind; verbatim quotes always do.",
    "citation_recall": "Claims that are supported and cited.",
    "support_rate": "Claims that the evidence supports.",
    "answer_f1": "Words of the answer against those of a reference; unanswered questions count 0.",
    "answered": "Questions that were answered.",
    "confidence": "Mean confidence of all answers.",
    "not_found_auroc": "How well confidence tells answerable from unanswerable questions; 0.5 is guessing.",
}
_MOST_CHANGES: Final = 60
"""Questions listed of each configuration; the picture has all of them."""
_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


@dataclass(frozen=True, slots=True)
class About:
    """What a reader has to know besides the numbers.

    `facts` are settings and versions by name, `texts` the questions by id.
    """

    set: str
    library: str
    at: str
    facts: Mapping[str, str] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)


def page(comparison: Comparison, about: About, history: Sequence[Entry] = ()) -> str:
    """The whole page as HTML text."""
    style = Path(__file__).with_name("report.css").read_text(encoding="utf-8")
    parts = [
        _head(comparison, about),
        _measures(comparison),
        _groups(comparison),
        *(_changes(comparison, number, about) for number in range(len(comparison.changes))),
        _history(history),
        _details(comparison, about),
    ]
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{text(about.set)} · openbook</title>\n<style>\n{style}</style>\n</head>\n"
        f"<body>\n<main>\n{''.join(parts)}</main>\n</body>\n</html>\n"
    )


def _head(comparison: Comparison, about: About) -> str:
    first = comparison.measured[0]
    others = len(comparison.measured) - 1
    what = "One configuration" if not others else f"{others + 1} configurations, compared with the first"
    counts = ", ".join(
        f"{number:,} {text(name.replace('_', ' '))}"
        for name, number in first.evaluation.counts.items()
        if number
    )
    shown = [name for name in LEADING if first.evaluation.measures.get(name) is not None][:4]
    figures = "".join(_figure(first, name) for name in shown)
    return (
        '<header><p class="eyebrow">openbook eval</p>'
        f"<h1>How well {text(about.library)} answers {text(about.set)}</h1>"
        f'<p class="muted">{text(about.at)} · {what} · {counts}</p></header>\n'
        f'<div class="figures">{figures}</div>\n'
    )


def _figure(measured: Measured, name: str) -> str:
    interval = measured.intervals.get(name)
    span = f"95 %: {interval.low:.3f} to {interval.high:.3f}" if interval else "no interval"
    value = _value(measured, name)
    return f'<div class="figure"><span>{text(name)}</span><b>{value}</b><span>{span}</span></div>'


def _measures(comparison: Comparison) -> str:
    names = [name for name in comparison.measured[0].evaluation.measures if "threshold" not in name]
    rows = []
    for name in names:
        found = [(one, one.evaluation.measures.get(name)) for one in comparison.measured]
        if all(value is None for _, value in found):
            continue
        drawn = [
            _dot(one, name, value, number) for number, (one, value) in enumerate(found) if value is not None
        ]
        says = f"{name}: " + "; ".join(f"{dot.label} {dot.value:.3f}" for dot in drawn)
        rows.append(f'<div class="name">{text(name)}</div><div>{dots(drawn, says=says)}</div>')
    ticks = "".join(
        f'<i style="left:{2.5 + 95 * share:g}%">{share:g}</i>' for share in (0, 0.25, 0.5, 0.75, 1)
    )
    return (
        '<section class="long"><h2>Measures</h2>'
        '<p class="muted">Dots are means over questions, lines their 95 % bootstrap intervals.</p>'
        f'{_legend(comparison)}<div class="measures">{"".join(rows)}'
        f'<div class="blank"></div><div><div class="scale">{ticks}</div></div></div>'
        f"{_table(comparison, names)}</section>\n"
    )


def _dot(measured: Measured, name: str, value: float, number: int) -> Dot:
    interval = measured.intervals.get(name)
    low, high = (interval.low, interval.high) if interval else (None, None)
    return Dot(value, low, high, number, measured.configuration.name)


def _legend(comparison: Comparison) -> str:
    if len(comparison.measured) == 1:
        return ""
    entries = (
        f"<span>{key(number)}{text(one.configuration.name)}</span>"
        for number, one in enumerate(comparison.measured)
    )
    return f'<div class="legend">{"".join(entries)}</div>'


def _table(comparison: Comparison, names: Iterable[str]) -> str:
    head = "".join(f'<th class="number">{text(one.configuration.name)}</th>' for one in comparison.measured)
    rows = []
    for name in names:
        cells = []
        for number, one in enumerate(comparison.measured):
            contrast = comparison.contrasts[number - 1].get(name) if number else None
            cells.append(f'<td class="number">{_value(one, name)}{_below(one, name, contrast)}</td>')
        meaning = f"<small>{text(MEANINGS[name])}</small>" if name in MEANINGS else ""
        rows.append(f"<tr><td>{text(name)}{meaning}</td>{''.join(cells)}</tr>")
    note = (
        '<p class="muted">Differences are to the first column, question by question; p is that of a paired '
        "randomisation test, corrected by Holm for the number of configurations. Coloured: p ≤ 0.05.</p>"
    )
    return (
        f'<div class="wide"><table><thead><tr><th>Measure</th>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>{note if comparison.contrasts else ''}"
    )


def _value(measured: Measured, name: str) -> str:
    value = measured.evaluation.measures.get(name)
    return "–" if value is None else f"{value:.3f}"


def _below(measured: Measured, name: str, contrast: Contrast | None) -> str:
    interval = measured.intervals.get(name)
    span = f"<small>{interval.low:.3f} to {interval.high:.3f}</small>" if interval else ""
    if contrast is None:
        return span
    difference = contrast.difference
    direction = "up" if difference.mean > 0 else "down"
    kind = f"sure {direction}" if contrast.corrected <= 0.05 else "chance"
    if abs(difference.mean) < 1e-9:
        return span + "<small>the same</small>"
    return (
        f'{span}<small class="{kind}">{difference.mean:+.3f} ({difference.low:+.3f} to '
        f"{difference.high:+.3f}), p {_p(contrast.corrected)}</small>"
    )


def _p(value: float) -> str:
    return "&lt; 0.001" if value < 0.001 else f"{value:.3f}"


def _groups(comparison: Comparison) -> str:
    first = comparison.measured[0].evaluation
    if not first.groups:
        return ""
    shown = ("hit@1", "hit@5", "mrr", "recall@10", "ndcg@10")
    head = "".join(f'<th class="number">{name}</th>' for name in shown)
    rows = "".join(
        f"<tr><td>{text(group)}</td>"
        + "".join(f'<td class="number">{measures[name]:.3f}</td>' for name in shown)
        + "</tr>"
        for group, measures in first.groups.items()
    )
    which = f" ({text(comparison.measured[0].configuration.name)})" if comparison.contrasts else ""
    return (
        f'<section><h2>Kinds of questions{which}</h2><div class="wide"><table><thead><tr><th>Kind</th>{head}'
        f"</tr></thead><tbody>{rows}</tbody></table></div></section>\n"
    )


def _changes(comparison: Comparison, number: int, about: About) -> str:
    name = comparison.measured[number + 1].configuration.name
    changes = comparison.changes[number]
    better = sum(change.after > change.before for change in changes)
    worse = len(changes) - better
    title = f"<h2>What {text(name)} changes</h2>"
    said = f"{better:,} questions got better, {worse:,} worse, by {comparison.deciding}."
    if not changes:
        return f"<section>{title}<p>No question got better or worse.</p></section>\n"
    listed = sorted(changes, key=lambda change: -abs(change.after - change.before))[:_MOST_CHANGES]
    rows = "".join(_change(change, about) for change in listed)
    left_out = len(changes) - len(listed)
    more = f'<p class="muted">{left_out:,} smaller changes are not listed.</p>' if left_out else ""
    drawing = differences([change.after - change.before for change in changes], says=said)
    deciding = text(comparison.deciding)
    head = f'<th>Question</th><th class="number">first right hit</th><th class="number">{deciding}</th>'
    return (
        f'<section class="long">{title}<p>{text(said)}</p>{drawing}'
        "<details><summary>Question by question</summary>"
        f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>{more}'
        "</details></section>\n"
    )


def _change(change: Change, about: About) -> str:
    kind = "up" if change.after > change.before else "down"
    ranks = f"{change.rank_before or '–'} → {change.rank_after or '–'}"
    return (
        f"<tr><td>{text(about.texts.get(change.question, ''))}<small>{text(change.question)}</small></td>"
        f'<td class="number">{ranks}</td>'
        f'<td class="number {kind}">{change.before:.3f} → {change.after:.3f}</td></tr>'
    )


def _history(history: Sequence[Entry]) -> str:
    lines = {name: line for name, line in series(history).items() if line[-1].deciding}
    if not any(len(line) > 1 for line in lines.values()):
        return ""
    drawn: list[list[Dot]] = []
    legend = []
    for number, ((_, configuration), line) in enumerate(lines.items()):
        measure = line[-1].deciding
        found = [_past(entry, measure, number) for entry in line if entry.measures.get(measure) is not None]
        drawn.append(found)
        legend.append(
            f"<span>{key(number)}{text(configuration)}: {text(measure)}, {len(found):,} times</span>"
        )
    said = "; ".join(f"{line[0].label} to {line[-1].label}" for line in drawn if line)
    return (
        '<section><h2>Over time</h2><p class="muted">Each dot is one evaluation of this set that the library '
        f'keeps, the newest on the right.</p><div class="legend">{"".join(legend)}</div>'
        f"{over_time(drawn, says=said)}</section>\n"
    )


def _past(entry: Entry, measure: str, number: int) -> Dot:
    low, high = entry.intervals.get(measure, (None, None))
    value = entry.measures[measure] or 0.0
    return Dot(value, low, high, number, f"{entry.at[:16].replace('T', ' ')}: {value:.3f}")


def _details(comparison: Comparison, about: About) -> str:
    facts = "".join(f"<dt>{text(name)}</dt><dd>{text(value)}</dd>" for name, value in about.facts.items())
    times = "".join(
        f"<dt>{text(one.configuration.name)}</dt><dd>"
        + ", ".join(f"{text(n)} {ms:.1f} ms" for n, ms in one.evaluation.latency_ms.items())
        + "</dd>"
        for one in comparison.measured
        if one.evaluation.latency_ms
    )
    notes = dict.fromkeys(note for one in comparison.measured for note in one.evaluation.notes)
    listed = "".join(f"<li>{text(note)}</li>" for note in notes)
    return (
        f'<section class="long"><h2>Settings and versions</h2><dl>{facts}</dl>'
        '<h3>Times</h3><p class="muted">p50 and p95: one search of ten hits; ask: one answer.</p>'
        f"<dl>{times}</dl>" + (f"<h3>Notes</h3><ul>{listed}</ul>" if listed else "") + "</section>\n"
    )
