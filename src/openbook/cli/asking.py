"""Commands that ask a library something: search and ask."""

from __future__ import annotations

from typing import Annotated

import typer

from openbook.cli import DONE, NOT_FOUND
from openbook.cli.options import JsonOption, LibraryOption, WhereOption, open_library


def ask(
    question: Annotated[str, typer.Argument(metavar="QUESTION", help="A question in your own words.")],
    k: Annotated[
        int | None, typer.Option("--k", "-k", min=1, show_default=False, help="How many hits to look at.")
    ] = None,
    where: WhereOption = None,
    library: LibraryOption = None,
    as_json: JsonOption = False,
) -> int:
    """Answer a question with quotes from the documents, each with its place.

    Says "not in your documents" (exit code 3) when nothing answers it, and shows what came nearest.
    """
    from openbook.cli.output import print_json

    with open_library(library) as opened:
        answer = opened.ask(question, k=k, where=where or ())
    if as_json:
        print_json(answer)
    else:
        from openbook.cli.answers import print_answer

        print_answer(answer)
    return DONE if answer.status == "answered" else NOT_FOUND


def search(
    question: Annotated[str, typer.Argument(metavar="QUESTION", help="Words or a question.")],
    k: Annotated[
        int | None, typer.Option("--k", "-k", min=1, show_default=False, help="How many hits to show.")
    ] = None,
    where: WhereOption = None,
    per_document: Annotated[
        int | None,
        typer.Option("--per-document", min=1, show_default=False, help="Hits of one document, at most."),
    ] = None,
    explain: Annotated[bool, typer.Option("--explain", help="Show the parts of each score.")] = False,
    full: Annotated[bool, typer.Option("--full", help="Show the whole text of each hit.")] = False,
    library: LibraryOption = None,
    as_json: JsonOption = False,
) -> int:
    """Find the places that fit a question, by words and by meaning, best first."""
    from openbook.cli.output import print_json

    with open_library(library) as opened:
        hits = opened.search(question, k=k, where=where or (), per_document=per_document, explain=explain)
    if as_json:
        print_json(hits)
    else:
        from openbook.cli.hits import print_hits

        print_hits(hits, explain=explain, full=full)
    return DONE
