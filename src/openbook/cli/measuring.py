"""The eval command: measures of a labelled set, of one or several configurations, as text, JSON or a page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from openbook.cli import DONE
from openbook.cli.options import JsonOption, LibraryOption, ModelOption, open_library
from openbook.errors import LibraryError, UsageError

if TYPE_CHECKING:
    from openbook.cli.progress import ProgressLine
    from openbook.lab.comparing import Comparison, Configuration
    from openbook.lab.evaluate import Evaluation
    from openbook.lab.evaluation_history import Entry
    from openbook.lab.labelled_sets import BeirSet, Question
    from openbook.library import Library

_SETTINGS: Final = (
    "chunk_tokens", "surroundings_weight", "cosine_weight", "candidates", "k", "evidence_tokens",
    "answer_threshold", "embedder", "precision", "model",
)  # fmt: skip
"""Settings that a report names and the history keeps: those that the measures depend on."""


@dataclass(frozen=True, slots=True)
class _Wish:
    """What to compare with, and what to do with the result."""

    compare: Sequence[Configuration]
    against: Sequence[Path]
    model: str | None
    report: Path | None
    keep: bool


def evaluate(
    labelled: Annotated[
        Path | None,
        typer.Argument(
            metavar="SET",
            show_default=False,
            help="A BEIR folder, or a file of questions (JSON lines, CSV, text).",
        ),
    ] = None,
    documents: Annotated[
        Path | None,
        typer.Option("--documents", metavar="DIR", show_default=False, help="Index this folder first."),
    ] = None,
    queries: Annotated[
        str, typer.Option("--queries", metavar="FILE", help="Which query file of the BEIR folder.")
    ] = "queries.jsonl",
    compare: Annotated[
        list[str] | None,
        typer.Option(
            "--compare",
            metavar="SETTINGS",
            show_default=False,
            help="Also measure these settings, such as cosine_weight=0.7,candidates=400. Repeat it.",
        ),
    ] = None,
    against: Annotated[
        list[Path] | None,
        typer.Option(
            "--against", metavar="PATH", show_default=False, help="Also measure this library. Repeat it."
        ),
    ] = None,
    differences: Annotated[
        bool, typer.Option("--differences", help="List the questions that got better or worse.")
    ] = False,
    report: Annotated[
        Path | None,
        typer.Option("--report", metavar="FILE", show_default=False, help="Write a page (HTML) as well."),
    ] = None,
    history: Annotated[
        bool, typer.Option("--history", help="Show what was measured of the library before, of SET or all.")
    ] = False,
    keep: Annotated[
        bool, typer.Option("--keep/--no-keep", help="Whether the library keeps what is measured.")
    ] = True,
    model: ModelOption = None,
    library: LibraryOption = None,
    as_json: JsonOption = False,
) -> int:
    """Measure how well a labelled set is found and answered.

    The corpus of a BEIR folder becomes the library at --library, built once and used again, or a
    temporary one. A file of questions is asked of --documents, or of the library; each has a question
    and what is known of it: path (page, heading), quote, answer, or unanswerable. A hit contains a gold
    quote if it covers at least half of its characters. Questions of a conversation are measured with
    what was asked before and alone; in a query file their turns begin with "|user|:".

    Behind a measure stands its 95 % interval. Other settings (--compare) and libraries (--against) are
    compared with the first question by question. Settings that need other indexes are tried in a
    temporary copy. docs/measuring.md has all formulas.
    """
    from openbook.lab.comparing import configuration_of

    if history:
        return _show_history(labelled, library, as_json)
    if labelled is None:
        raise UsageError("No SET is named; expected a BEIR folder or a file of questions (or --history).")
    if report is not None and not report.absolute().parent.is_dir():
        raise UsageError(f"There is no folder {str(report.absolute().parent)!r} to write the report to.")
    configurations = [configuration_of(one) for one in compare or ()]
    wish = _Wish(configurations, against or (), model, report, keep)
    from openbook.cli.measured import as_object, print_comparison
    from openbook.cli.output import print_json
    from openbook.cli.progress import ProgressLine

    with ProgressLine(quiet=as_json) as progress:
        questions = _read(labelled, queries)
        with _filled(labelled, questions, documents, library, progress) as opened:
            name = labelled.resolve().name + ("" if queries == "queries.jsonl" else f" ({queries})")
            lasting = library is not None or (documents is None and not labelled.is_dir())
            comparison, texts = _measure(opened, questions, name, wish, lasting, progress)
    if as_json:
        print_json(as_object(comparison, texts))
    else:
        print_comparison(comparison, texts, differences=differences)
        if report is not None:
            typer.echo(f"Report: {report}")
    return DONE


def _read(labelled: Path, queries: str) -> BeirSet | tuple[Question, ...]:
    from openbook.lab.labelled_sets import read_beir, read_questions

    return read_beir(labelled, queries=queries) if labelled.is_dir() else read_questions(labelled)


@contextmanager
def _filled(
    labelled: Path,
    questions: BeirSet | tuple[Question, ...],
    documents: Path | None,
    place: Path | None,
    progress: ProgressLine,
) -> Iterator[Library]:
    """The library to measure: that of the corpus, of a folder, or the one that is there."""
    from openbook.lab.labelled_sets import BeirSet

    if isinstance(questions, BeirSet):
        with _library_at(place) as library:
            source = f"beir:{labelled.resolve().name}"
            library.add_documents(questions.documents(), source=source, progress=progress.show)
            yield library
    elif documents is not None:
        with _library_at(place) as library:
            library.add(documents, progress=progress.show)
            yield library
    else:
        with open_library(place) as library:
            yield library


@contextmanager
def _library_at(place: Path | None) -> Iterator[Library]:
    """Open or create the library at `place`, or one that is gone afterwards."""
    from tempfile import TemporaryDirectory

    from openbook.library import Library

    with TemporaryDirectory(prefix="openbook-eval-") as folder, Library(place or folder) as library:
        yield library


def _measure(
    library: Library,
    questions: BeirSet | tuple[Question, ...],
    name: str,
    wish: _Wish,
    lasting: bool,
    progress: ProgressLine,
) -> tuple[Comparison, Mapping[str, str]]:
    """Measure everything, keep it in a library that lasts, and write the report."""
    from openbook.lab.comparing import compare
    from openbook.lab.evaluate import evaluate_set

    usual = library.settings.model

    def measured(one: Library) -> Evaluation:
        # A configuration that names a model of its own wins over --model.
        model = wish.model if one.settings.model == usual else None
        return evaluate_set(one, questions, model=model, progress=progress.show)

    with ExitStack() as stack:
        others = {f"against {place}": stack.enter_context(open_library(place)) for place in wish.against}
        comparison = compare(library, wish.compare, measured, against=others, progress=progress.show)
    new = _entries(library, comparison, name, questions, wish.model)
    texts = comparison.measured[0].evaluation.texts
    earlier = _kept_before(library) if lasting and wish.report is not None else []
    if lasting and wish.keep:
        _keep(library, new)
    if wish.report is not None:
        same = [entry for entry in (*earlier, *new) if (entry.set, entry.set_mark) == (name, new[0].set_mark)]
        _write_report(wish.report, comparison, library, new[0], texts, same)
    return comparison, texts


def _entries(
    library: Library,
    comparison: Comparison,
    name: str,
    questions: BeirSet | tuple[Question, ...],
    model: str | None,
) -> list[Entry]:
    """What the library keeps: an entry for each configuration of itself."""
    from datetime import UTC, datetime

    from openbook import __version__
    from openbook.lab.evaluation_history import entry_of
    from openbook.lab.labelled_sets import mark

    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    status = library.status()
    known = {setting: getattr(library.settings, setting) for setting in _SETTINGS}
    if model is not None:
        known["model"] = model
    set_mark = mark(questions)
    first, *others = comparison.measured
    own = [first, *(one for one in others if one.configuration.changes)]
    return [
        entry_of(
            one,
            at=now,
            version=__version__,
            name=name,
            mark=set_mark,
            settings={**known, **one.configuration.changes},
            status=status,
        )
        for one in own
    ]


def _keep(library: Library, new: Sequence[Entry]) -> None:
    """Add to the history. A library that may not be written is measured all the same."""
    from openbook.lab.evaluation_history import append

    try:
        append(library.path, new)
    except LibraryError as error:
        _tell(f"The library does not keep this evaluation: {error}")


def _kept_before(library: Library) -> list[Entry]:
    """The history, for the report; what was measured is shown without it, too."""
    from openbook.lab.evaluation_history import entries

    try:
        return entries(library.path)[0]
    except LibraryError as error:
        _tell(f"The report shows no history: {error}")
        return []


def _tell(message: str) -> None:
    import sys

    from openbook.wording import one_line

    sys.stderr.write(one_line(message) + "\n")


def _write_report(
    file: Path,
    comparison: Comparison,
    library: Library,
    entry: Entry,
    texts: Mapping[str, str],
    history: Sequence[Entry],
) -> None:
    from openbook.lab.report_page import About, page

    facts = {
        "openbook": entry.version,
        "model of the vectors": entry.model or "none (words only)",
        "documents": f"{entry.documents:,}",
        "chunks": f"{entry.chunks:,}",
        **{name: str(value) for name, value in entry.settings.items() if value != ""},
    }
    at = f"{entry.at[:16].replace('T', ' ')} UTC"
    about = About(entry.set, library.path.resolve().name, at, facts, texts)
    try:
        file.write_text(page(comparison, about, history), encoding="utf-8")
    except OSError as error:
        raise UsageError(f"The report {str(file)!r} cannot be written: {error.strerror}.") from error


def _show_history(labelled: Path | None, place: Path | None, as_json: bool) -> int:
    from openbook.cli.measured import print_history
    from openbook.cli.output import print_json
    from openbook.lab.evaluation_history import entries

    with open_library(place) as library:
        kept, strange = entries(library.path)
    if labelled is not None:
        name = labelled.resolve().name
        kept = [entry for entry in kept if entry.set == name or entry.set.startswith(f"{name} (")]
    if as_json:
        shown: dict[str, Any] = {"evaluations": kept, "unreadable": strange}
        print_json(shown)
    else:
        print_history(kept, strange)
    return DONE
