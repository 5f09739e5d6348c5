"""Commands that change a library or tell its state: add, status, verify, remove."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from openbook.cli import DONE, FAILED, INTERRUPTED
from openbook.cli.options import JsonOption, LibraryOption, library_to_fill, open_library
from openbook.errors import PruneRefused

if TYPE_CHECKING:
    from openbook.cli.progress import ProgressLine
    from openbook.library import Library
    from openbook.types import Report


def add(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Folders and files to index.")],
    prune: Annotated[
        bool, typer.Option("--prune", help="Allow removing more than half of the library's documents.")
    ] = False,
    library: LibraryOption = None,
    as_json: JsonOption = False,
) -> int:
    """Bring the library in line with folders and files.

    New and changed files are read, moved ones recognised, deleted ones removed. Text can be found by its
    words at once; vectors follow. Stopping with Ctrl-C is safe: the next run goes on where this one ended.
    """
    from openbook.cli.model_setup import install_if_missing
    from openbook.cli.output import print_json
    from openbook.cli.progress import ProgressLine
    from openbook.cli.reports import print_report
    from openbook.library import Library

    place = library_to_fill(library)
    setup = install_if_missing(quiet=as_json)
    with Library(place) as opened, ProgressLine(quiet=as_json) as progress:
        try:
            report = _add(opened, paths, prune=prune, progress=progress, may_ask=not as_json)
        except KeyboardInterrupt:
            progress.stop()
            sys.stderr.write(
                "\nStopped. Every file finished so far is safely in the library and can be searched. "
                "Run the same command again to go on.\n"
            )
            return INTERRUPTED
    if as_json:
        print_json(report)
    else:
        print_report(report, heading=f"Library {place}", extra_notes=setup.notes)
    return FAILED if report.failures or setup.failed else DONE


def status(library: LibraryOption = None, as_json: JsonOption = False) -> int:
    """Say what the library holds, how complete it is and which files have problems."""
    from openbook.cli.output import print_json
    from openbook.cli.reports import print_status

    with open_library(library) as opened:
        state = opened.status()
    if as_json:
        print_json(state)
    else:
        print_status(state)
    return DONE


def verify(
    repair: Annotated[
        bool, typer.Option("--repair/--no-repair", help="Rebuild what does not agree with the ledger.")
    ] = True,
    library: LibraryOption = None,
    as_json: JsonOption = False,
) -> int:
    """Check that the ledger is sound and that both indexes hold exactly what it holds.

    The ledger is the truth; an index that was lost or damaged is built again from it.
    """
    from openbook.cli.output import print_json
    from openbook.cli.reports import print_verification

    with open_library(library) as opened:
        verification = opened.verify(repair=repair)
    if as_json:
        print_json(verification)
    else:
        print_verification(verification)
    return DONE if verification.ok else FAILED


def remove(
    paths: Annotated[
        list[str],
        typer.Argument(metavar="PATH...", help="Documents as the library names them; * is allowed."),
    ],
    library: LibraryOption = None,
    as_json: JsonOption = False,
) -> int:
    """Remove documents from the library, so that no byte of their text stays in it.

    The files themselves are left alone; `add` of their folder would bring them back.
    """
    from openbook.cli.output import print_json
    from openbook.cli.reports import print_report

    with open_library(library) as opened:
        report = opened.remove(*paths)
    if as_json:
        print_json(report)
    else:
        print_report(report, heading="")
    return FAILED if report.failures else DONE


def _add(
    library: Library, paths: list[Path], *, prune: bool, progress: ProgressLine, may_ask: bool
) -> Report:
    """Add, and ask the person at the terminal before much is removed."""
    try:
        return library.add(*paths, prune=prune, progress=progress.show)
    except PruneRefused as refusal:
        progress.stop()
        if not (may_ask and sys.stdin.isatty() and sys.stderr.isatty()):
            raise
        typer.echo(str(refusal), err=True)
        if not typer.confirm("Remove them from the library?", err=True):
            raise
    return library.add(*paths, prune=True, progress=progress.show)
