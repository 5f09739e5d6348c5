"""The eval command: measures of a labelled set, as a table or as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from openbook.cli import DONE
from openbook.cli.options import JsonOption, LibraryOption, open_library

_GROUP_MEASURES: Final = ("hit@1", "hit@5", "mrr", "recall@10", "ndcg@10")

if TYPE_CHECKING:
    from openbook.cli.progress import ProgressLine
    from openbook.lab.evaluate import Evaluation
    from openbook.library import Library


def evaluate(
    labelled: Annotated[
        Path, typer.Argument(metavar="DIR", help="A BEIR folder, or a file of questions (JSON lines).")
    ],
    documents: Annotated[
        Path | None,
        typer.Option("--documents", metavar="DIR", show_default=False, help="Index this folder first."),
    ] = None,
    queries: Annotated[
        str, typer.Option("--queries", metavar="FILE", help="Which query file of the BEIR folder.")
    ] = "queries.jsonl",
    library: LibraryOption = None,
    as_json: JsonOption = False,
) -> int:
    """Measure how well a labelled set is found and answered.

    The corpus of a BEIR folder becomes the library at --library, built once and used again, or a
    temporary one. A file of questions is asked of --documents, or of the library. A hit contains a gold
    quote if it covers at least half of its characters. Questions of a conversation are measured with what
    was asked before and alone; in a query file their turns begin with "|user|:".
    """
    from openbook.cli.output import print_json
    from openbook.cli.progress import ProgressLine

    with ProgressLine(quiet=as_json) as progress:
        if labelled.is_dir():
            evaluation = _evaluate_folder(labelled, queries, library, progress)
        else:
            evaluation = _evaluate_file(labelled, documents, library, progress)
    if as_json:
        print_json(_flat(evaluation))
    else:
        _print(evaluation)
    return DONE


def _evaluate_folder(folder: Path, queries: str, place: Path | None, progress: ProgressLine) -> Evaluation:
    from openbook.lab.evaluate import evaluate_beir
    from openbook.lab.labelled_sets import read_beir

    labelled = read_beir(folder, queries=queries)
    with _library_at(place) as library:
        source = f"beir:{folder.resolve().name}"
        library.add_documents(labelled.documents(), source=source, progress=progress.show)
        return evaluate_beir(library, labelled, progress=progress.show)


def _evaluate_file(
    file: Path, documents: Path | None, place: Path | None, progress: ProgressLine
) -> Evaluation:
    from openbook.lab.evaluate import evaluate_questions
    from openbook.lab.labelled_sets import read_questions

    questions = read_questions(file)
    if documents is None:
        with open_library(place) as library:
            return evaluate_questions(library, questions, progress=progress.show)
    with _library_at(place) as library:
        library.add(documents, progress=progress.show)
        return evaluate_questions(library, questions, progress=progress.show)


@contextmanager
def _library_at(place: Path | None) -> Iterator[Library]:
    """Open or create the library at `place`, or one that is gone afterwards."""
    from tempfile import TemporaryDirectory

    from openbook.library import Library

    with TemporaryDirectory(prefix="openbook-eval-") as folder, Library(place or folder) as library:
        yield library


def _flat(evaluation: Evaluation) -> dict[str, Any]:
    return {
        **evaluation.measures,
        "latency_ms": evaluation.latency_ms,
        "counts": evaluation.counts,
        "groups": evaluation.groups,
        "notes": evaluation.notes,
    }


def _print(evaluation: Evaluation) -> None:
    from openbook.wording import one_line

    for name, value in evaluation.measures.items():
        typer.echo(f"{name:<28} {'–' if value is None else f'{value:.3f}'}")
    for name, milliseconds in evaluation.latency_ms.items():
        typer.echo(f"{f'latency {name}':<28} {milliseconds:.1f} ms")
    for kind, measures in evaluation.groups.items():
        shown = "  ".join(f"{name} {measures[name]:.3f}" for name in _GROUP_MEASURES)
        typer.echo(f"{kind:<28} {shown}")
    counts = (f"{name.replace('_', ' ')} {number:,}" for name, number in evaluation.counts.items())
    typer.echo("  ".join(counts))
    for note in evaluation.notes:
        typer.echo(one_line(note))
