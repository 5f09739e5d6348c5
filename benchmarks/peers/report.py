"""docs/benchmarks.md from a results file: tables, plots, and what was not comparable and why.

Nothing in the document is written by hand but the sentences here. Intervals
and p-values come from `openbook.lab.significance`, on the values of single
questions that the results keep; questions of one conversation are drawn together.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

from benchmarks.peers.corpora import BOOK, COLLECTIONS
from benchmarks.peers.plan import TIMED
from benchmarks.peers.plots import Bar, Dots, draw_bars, draw_dots
from benchmarks.peers.results import Measurement, Results
from benchmarks.peers.systems import SYSTEMS, System
from openbook.lab.significance import bootstrap_interval, holm, paired_difference

OURS: Final = SYSTEMS[0].name
TABLES: Final = (
    *((f"quality:{name}", "ndcg@10", f"{name}, nDCG@10") for name in COLLECTIONS),
    (f"quality:{BOOK}", "hit@5", "book, hit@5"),
)
"""What quality is judged by: (measurement, measure, heading)."""


def write_report(results: Results, output: Path) -> list[Path]:
    """Write the document and its plots, these in a folder of its name beside it; return what was written."""
    folder = output.with_suffix("")
    folder.mkdir(parents=True, exist_ok=True)
    plots = draw_plots(results, folder)
    output.write_text(report_text(results), encoding="utf-8")
    return [output, *plots]


def report_text(results: Results) -> str:
    """The document, in Markdown."""
    parts = (
        _opening,
        _in_short,
        _quality,
        _differences,
        _speed,
        _storage,
        _changes,
        _failures,
        _comparability,
        _details,
    )
    return "\n\n".join("\n".join(part(results)) for part in parts) + "\n"


def shown(results: Results) -> list[System]:
    """The systems with any measurement, in their order."""
    present = {measurement.system for measurement in results}
    return [system for system in SYSTEMS if system.name in present]


def median(results: Results, system: str, what: str, figure: str) -> float | None:
    """The median of a figure over the runs that have it."""
    values = [m.figures[figure] for m in results.runs(system, what) if figure in m.figures]
    return statistics.median(values) if values else None


def conversations(questions: Sequence[str]) -> list[str]:
    """What each question belongs to: turns of a conversation are named "conversation<::>turn"."""
    return [question.rpartition("<::>")[0] or question for question in questions]


def _opening(results: Results) -> Iterator[str]:
    about = results.description
    machine = about.get("machine", {})
    made = {len(results.runs(OURS, what)) for what in TIMED} - {0} or {1}
    rounds = " to ".join(map(str, sorted({min(made), max(made)}))) + " round" + "s" * (max(made) > 1)
    yield "# openbook beside others"
    yield ""
    yield "This page is written by `make bench-peers` from what it measured; nothing in it is edited by hand."
    yield ""
    yield (
        "Every system is installed into a virtual environment of its own, gets the same texts, the same "
        "questions, the same cores and, where it takes a local model, the same weights (all-MiniLM-L6-v2), "
        "and is used as its own documentation shows. Nobody's settings were tuned, openbook's included. "
        f"What is timed is the median of {rounds} in which the systems take turns; "
        "every process is fresh. The last rows of a table are no systems but limits: what the parts cost "
        "by themselves."
    )
    yield ""
    words = ", ".join(f"{name} {value}" for name, value in machine.items())
    yield f"Measured {about.get('date', '')[:10]} on: {words}."


def _in_short(results: Results) -> Iterator[str]:
    yield "## In short"
    yield ""
    yield (
        "openbook beside the best of the other systems in each respect (limits aside), and what it had set "
        "itself to reach."
    )
    yield ""
    yield _row(["", "openbook", "best other", "which", "openbook is", "target", "reached"])
    yield _rule(7)
    for what, measure, heading in TABLES:
        best = _best(results, what, measure, ranking=True)
        ours = median(results, OURS, what, measure)
        if best is None or ours is None:
            continue
        value, system = best
        reached = "yes" if ours > value else "no"
        yield _row(
            [heading, f"{ours:.3f}", f"{value:.3f}", system, f"{ours - value:+.3f}", "higher", reached]
        )
    for heading, what, figure, shape, target, against in RATIOS:
        best = _best(results, what, figure, against=against)
        ours = median(results, OURS, what, figure)
        if best is None or ours is None:
            continue
        value, system = best
        word = "× smaller" if figure == "bytes" else "× faster"
        yield _row([
            heading, shape(ours), shape(value), system, f"{value / ours:.1f}{word}", f"{target:g}×",
            "yes" if value / ours >= target else "no",
        ])  # fmt: skip


def _best(
    results: Results, what: str, figure: str, *, ranking: bool = False, against: str = ""
) -> tuple[float, str] | None:
    """The best figure of the other systems that embed, and whose it is; `against` names one of them."""
    found = [
        (value, system.title)
        for system in shown(results)
        if system.kind == "peer" and against in ("", system.name)
        if (value := median(results, system.name, what, figure)) is not None
        # A system that cannot be asked has no installation that works.
        if median(results, system.name, f"quality:{BOOK}", "hit@5") is not None
    ]
    return (max(found) if ranking else min(found)) if found else None


def _quality(results: Results) -> Iterator[str]:
    yield "## What is found"
    yield ""
    yield "![Quality by system, with intervals](benchmarks/quality.svg)"
    yield ""
    yield (
        "nDCG@10 on three collections of passages (questions of mtrag are rewritten to stand alone), and the "
        "share of questions on a book of 39 chapters whose gold quote is among the first five chunks. In "
        "brackets: 95 % intervals (bootstrap over questions, whole conversations drawn together)."
    )
    yield ""
    yield _row(["", *(heading for *_, heading in TABLES), "5 chunks hold"])
    yield _rule(len(TABLES) + 2)
    for system in shown(results):
        if not system.ranks:
            continue
        cells = [_interval(results.get(system.name, what), measure) for what, measure, _ in TABLES]
        text = median(results, system.name, f"quality:{BOOK}", "characters of 5 hits")
        yield _row([_title(system), *cells, "–" if text is None else f"{text:,.0f} characters"])
    yield ""
    yield "Recall@100, the share of relevant passages among the first hundred:"
    yield ""
    yield _row(["", *COLLECTIONS])
    yield _rule(len(COLLECTIONS) + 1)
    for system in shown(results):
        if system.ranks:
            cells = [_interval(results.get(system.name, f"quality:{n}"), "recall@100") for n in COLLECTIONS]
            yield _row([_title(system), *cells])


def _differences(results: Results) -> Iterator[str]:
    yield "### openbook against each"
    yield ""
    yield (
        "Differences of the same questions with 95 % intervals, and the p-value of a paired randomisation "
        "test, corrected by Holm over the systems of a column. Positive means that openbook finds more."
    )
    yield ""
    yield _row(["openbook minus", *(heading for *_, heading in TABLES)])
    yield _rule(len(TABLES) + 1)
    others = [system for system in shown(results) if system.ranks and system.name != OURS]
    columns = [_column(results, others, what, measure) for what, measure, _ in TABLES]
    for number, system in enumerate(others):
        yield _row([_title(system), *(column[number] for column in columns)])


def _column(results: Results, others: Sequence[System], what: str, measure: str) -> list[str]:
    """Differences to each system in one measure; a dash where either was not measured."""
    ours = results.get(OURS, what)
    found = {}
    for system in others:
        theirs = results.get(system.name, what)
        if not _has(ours, measure) or not _has(theirs, measure) or ours is None or theirs is None:
            continue
        questions = sorted(ours.questions[measure].keys() & theirs.questions[measure].keys())
        found[system.name] = paired_difference(
            [ours.questions[measure][q] for q in questions],
            [theirs.questions[measure][q] for q in questions],
            groups=conversations(questions),
        )
    corrected = dict(zip(found, holm([d.p for d in found.values()]), strict=True))
    cells = {
        name: f"{made.mean:+.3f} [{made.low:+.3f}, {made.high:+.3f}], {_p(corrected[name])}"
        for name, made in found.items()
    }
    return [cells.get(system.name, "–") for system in others]


def _speed(results: Results) -> Iterator[str]:
    tokens = results.description.get("tokens", {}).get(BOOK, 0)
    yield "## How fast"
    yield ""
    yield "![Tokens indexed a second](benchmarks/indexing.svg)"
    yield ""
    yield "![Milliseconds for a question](benchmarks/question.svg)"
    yield ""
    yield (
        f"Indexing is that of the book ({tokens:,} tokens, counted once by the model's tokenizer), the model "
        "loaded before, the index written to disk. A question is one to the stored index of mtrag-fiqa "
        "(14,055 passages): embedding it and fetching ten chunks. Cold is the whole time from the start of a "
        "process to its first answer. Import is what `python -c` takes for what the recipe imports. Tokens a "
        "second count the whole book for all, although LlamaIndex and Haystack embed only the beginnings of "
        "their chunks, which are longer than the 256 tokens that the model reads."
    )
    yield ""
    heads = ["", "import", "index", "tokens/s", "question p50", "p95", "p50, book", "cold", "peak, indexing"]
    yield _row([*heads, "peak, asking"])
    yield _rule(10)
    for system in shown(results):
        seconds = median(results, system.name, "book", "index seconds")
        yield _row([
            _title(system),
            _seconds(median(results, system.name, "imports", "seconds")),
            _seconds(seconds),
            f"{tokens / seconds:,.0f}" if seconds else "–",
            _milliseconds(median(results, system.name, "questions", "p50")),
            _milliseconds(median(results, system.name, "questions", "p95")),
            _milliseconds(median(results, system.name, "book", "p50")),
            _seconds(median(results, system.name, "questions", "cold")),
            _megabytes(median(results, system.name, "book", "peak")),
            _megabytes(median(results, system.name, "questions", "peak")),
        ])  # fmt: skip


def _storage(results: Results) -> Iterator[str]:
    yield "## What it takes"
    yield ""
    yield "![Megabytes of an installation](benchmarks/installation.svg)"
    yield ""
    yield (
        "An installation is the whole environment: packages, the model, pip itself. Seconds are those of "
        "building it without pip's cache; they depend on the network and on where PyTorch came from. "
        "An index is what lies on disk afterwards."
    )
    yield ""
    yield _row(
        [
            "",
            "installation",
            "packages",
            "seconds",
            "index of the book",
            "chunks",
            "index of mtrag-fiqa",
            "chunks",
        ]
    )
    yield _rule(8)
    for system in shown(results):
        made = results.get(system.name, "install")
        name, fiqa = system.name, "quality:mtrag-fiqa"
        yield _row([
            _title(system),
            _megabytes(median(results, name, "install", "bytes")),
            str(len(made.versions)) if made and made.versions else "–",
            _number(median(results, name, "install", "seconds")),
            _megabytes(median(results, name, "book", "bytes")),
            _number(median(results, name, "book", "chunks")),
            _megabytes(median(results, name, fiqa, "bytes")),
            _number(median(results, name, fiqa, "chunks")),
        ])  # fmt: skip


def _changes(results: Results) -> Iterator[str]:
    yield "## What a change costs"
    yield ""
    yield (
        "The book is indexed; then the same folder is indexed again with nothing changed, with a paragraph "
        "put before one chapter, and with that chapter deleted. After each the harness asks for the "
        "paragraph, and a system whose index does not show the change has failed. *All again* means that "
        "no way is documented, so that the cost is that of indexing everything."
    )
    yield ""
    yield _row(["", "nothing changed", "one chapter changed", "one chapter deleted", "how"])
    yield _rule(5)
    for system in shown(results):
        made = results.get(system.name, "changes")
        if system.kind == "limit" or made is None:
            continue
        whole = median(results, system.name, "book", "index seconds")
        cells = []
        for verb in ("again", "changed", "deleted"):
            value = median(results, system.name, "changes", verb)
            again = "–" if whole is None or made.failure else f"all again, {_seconds(whole)}"
            cells.append(again if value is None else _seconds(value))
        ways = dict.fromkeys(way for verb in ("changed", "deleted") if (way := made.notes.get(verb)))
        yield _row([_title(system), *cells, made.failure or "; ".join(ways)])


def _failures(results: Results) -> Iterator[str]:
    yield "## What failed"
    yield ""
    reasons: dict[tuple[str, str], list[str]] = {}
    for made in results:
        if made.failure and made.failure != "it could not be installed":
            what = reasons.setdefault((made.system, made.failure), [])
            what.append(made.what + (f" (run {made.run})" if made.run > 1 else ""))
    for (name, reason), what in reasons.items():
        yield f"- {_named(name)}, {', '.join(what)}: {reason}"
    if not reasons:
        yield "Nothing."


def _comparability(results: Results) -> Iterator[str]:
    yield "## What is not comparable, and why"
    yield ""
    about = results.description
    for name, passages in about.get("passages", {}).items():
        yield (
            f"- {name} was cut to {passages:,} passages so that the run fits into two hours: all that have a "
            "grade, and of the others a sample by a hash of their ids, the same for every system. "
            "`--full` measures the whole."
        )
    yield (
        "- Chunks differ in size, so five of them hold more or less text; the table says how much. A chunk "
        "holds a quote if both share a run of characters at least half as long as the quote, white space "
        "aside, and the chunk is of the quote's file: the same rule for all, openbook included, judged by "
        "the text that a search returned."
    )
    yield (
        "- A document stands where its best chunk does. openbook is asked for a hundred documents; the "
        "others, which only return chunks, for 300 chunks, of which the first hundred documents count."
    )
    yield (
        "- openbook's default model is the int8 form of the weights that the others run in float32; that is "
        "part of what is compared."
    )
    yield (
        "- While quality is measured, systems that call the same `SentenceTransformer.encode` with the same "
        "versions and weights take vectors over from each other where the model reads the same tokens, which "
        "makes the run shorter and changes no result. Nothing is shared where time is measured."
    )
    yield (
        "- Systems that live in memory are written to disk in the way they document, and read again for the "
        "questions. Peak memory is that of the process and its children; pages they share count for each."
    )
    for system in shown(results):
        if system.note:
            yield f"- {system.title}: {system.note}"


def _details(results: Results) -> Iterator[str]:
    yield "## How each was used"
    yield ""
    for system in shown(results):
        yield f"- **{system.title}**: {system.recipe}"
    yield ""
    yield "## Versions"
    yield ""
    for system in shown(results):
        made = results.get(system.name, "install")
        pinned = _pins(system, made)
        if pinned:
            yield f"- {system.title}: {pinned}"
    yield ""
    yield "## Again"
    yield ""
    yield "```sh"
    yield "make bench-peers                                   # all of it, under two hours on two cores"
    yield "python -m benchmarks.peers run --full              # whole collections"
    yield "python -m benchmarks.peers report RESULTS.json     # this page"
    yield "```"
    yield ""
    yield f"These results: `{results.description.get('command', '')}`."


def _pins(system: System, made: Measurement | None) -> str:
    """What matters of an environment: the packages that its requirements name, and PyTorch."""
    if made is None or not made.versions:
        return ""
    if system.name == OURS:
        wanted = ["openbook", "onnxruntime", "tokenizers", "tantivy", "numpy"]
    else:
        lines = system.requirements.read_text(encoding="utf-8").split()
        wanted = [line.partition("==")[0] for line in lines]
    wanted += ["torch"] * system.torch
    known = {name.lower().replace("_", "-"): f"{name} {value}" for name, value in made.versions.items()}
    names = (name.lower().replace("_", "-") for name in wanted)
    return ", ".join(known[name] for name in names if name in known)


def draw_plots(results: Results, folder: Path) -> list[Path]:
    """Draw all plots into a folder; needs matplotlib."""
    systems = shown(results)
    panels = []
    for what, measure, heading in TABLES:
        rows = []
        for system in systems:
            made = results.get(system.name, what)
            if system.ranks and _has(made, measure) and made is not None:
                values = made.questions[measure]
                found = bootstrap_interval(list(values.values()), groups=conversations(list(values)))
                rows.append(Dots(system.title, found.low, found.mean, found.high, system.kind))
        panels.append((heading, rows))
    quality = folder / "quality.svg"
    draw_dots(quality, panels)
    tokens = results.description.get("tokens", {}).get(BOOK, 0)

    def bars(value: Callable[[System], float | None]) -> list[Bar]:
        found = [(system, value(system)) for system in systems]
        return [Bar(system.title, number, system.kind) for system, number in found if number]

    def per_second(system: System) -> float | None:
        seconds = median(results, system.name, "book", "index seconds")
        return tokens / seconds if seconds and system.name != "bm25s" else None

    def asking(system: System) -> float | None:
        seconds = median(results, system.name, "questions", "p50")
        return 1000 * seconds if seconds else None

    def megabytes(system: System) -> float | None:
        size = median(results, system.name, "install", "bytes")
        return size / 1e6 if size else None

    draw_bars(folder / "indexing.svg", bars(per_second), "tokens indexed a second (more is better)")
    draw_bars(folder / "question.svg", bars(asking), "ms for a question, median (less is better)", log=True)
    draw_bars(folder / "installation.svg", bars(megabytes), "MB of an installation (less is better)")
    return [quality, *(folder / f"{name}.svg" for name in ("indexing", "question", "installation"))]


def _has(made: Measurement | None, measure: str) -> bool:
    return made is not None and bool(made.questions.get(measure))


def _interval(made: Measurement | None, measure: str) -> str:
    if made is None:
        return "–"
    if not _has(made, measure):
        return "failed"
    values = made.questions[measure]
    found = bootstrap_interval(list(values.values()), groups=conversations(list(values)))
    return f"{found.mean:.3f} [{found.low:.3f}, {found.high:.3f}]"


def _p(value: float) -> str:
    return "p < 0.001" if value < 0.001 else f"p = {value:.3f}"


def _title(system: System) -> str:
    return {"ours": f"**{system.title}**", "limit": f"*{system.title}*"}.get(system.kind, system.title)


def _named(name: str) -> str:
    return next((system.title for system in SYSTEMS if system.name == name), name)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '¦') for cell in cells)} |"


def _rule(columns: int) -> str:
    return "|" + " --- |" * columns


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f}"


def _megabytes(value: float | None) -> str:
    return "–" if value is None else f"{value / 1e6:,.3g} MB" if value < 1e8 else f"{value / 1e6:,.0f} MB"


def _seconds(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{1000 * value:.2g} ms" if value < 0.0995 else f"{value:.3g} s"


def _milliseconds(value: float | None) -> str:
    return "–" if value is None else f"{1000 * value:.3g} ms"


RATIOS: Final = (
    ("indexing the book", "book", "index seconds", _seconds, 1.8, "langchain-chroma"),
    ("a question, median", "questions", "p50", _milliseconds, 2.0, ""),
    ("installation", "install", "bytes", _megabytes, 2.0, ""),
    ("the same folder again", "changes", "again", _seconds, 20.0, ""),
    ("one chapter changed", "changes", "changed", _seconds, 20.0, ""),
)
"""Costs, and by which factor openbook is to be below the cheapest other system, or the one that is named:
(heading, measurement, figure, how it is written, factor, name)."""
