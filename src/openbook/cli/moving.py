"""Commands that carry a library elsewhere: export and import."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from openbook.cli import DONE
from openbook.cli.options import FOLDER_NAME, JsonOption, LibraryOption, open_library
from openbook.errors import UsageError


def export(
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", show_default=False, help="The file to write.")
    ] = None,
    parquet: Annotated[
        Path | None,
        typer.Option(
            "--parquet",
            metavar="DIR",
            show_default=False,
            help="Write Parquet tables here instead.",
        ),
    ] = None,
    without_conversations: Annotated[
        bool, typer.Option("--without-conversations", help="Leave out the questions asked of the library.")
    ] = False,
    library: LibraryOption = None,
    as_json: JsonOption = False,
) -> int:
    """Write the whole library to one file, which `import` opens elsewhere without embedding again.

    Conversations go along, private questions included: if the file is for somebody else, leave them out
    with --without-conversations.

    With --parquet, write tables that pandas, DuckDB and Polars open; there are no conversations in them.
    """
    with open_library(library) as opened:
        match (file, parquet):
            case (Path() as target, None):
                opened.export(target, conversations=not without_conversations)
            case (None, Path() as target):
                opened.export_parquet(target)
            case _:
                raise UsageError("Name either a FILE to write or a folder with --parquet DIR.")
    _tell("exported", target, as_json=as_json)
    return DONE


def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A file that `export` wrote.")],
    library: LibraryOption = None,
    as_json: JsonOption = False,
) -> int:
    """Open an exported library as a new folder: --library, or .openbook/ here."""
    from openbook.library import Library

    folder = library or Path.cwd() / FOLDER_NAME
    Library.import_(file, folder).close()
    _tell("imported", folder, as_json=as_json)
    return DONE


def _tell(done: str, place: Path, *, as_json: bool) -> None:
    from openbook.cli.output import print_json
    from openbook.wording import printable

    if as_json:
        print_json({done: str(place)})
    else:
        typer.echo(f"{done.capitalize()} to {printable(str(place))}")
