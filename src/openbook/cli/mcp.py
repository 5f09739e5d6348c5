"""`openbook mcp`: the process that an assistant starts, to search and read libraries through it.

Refused: making a library that is not there, as `openbook serve` does. An
assistant's configuration is written once and its messages are seldom read, so
a wrong path has to be an error and not an empty library.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from openbook.cli import DONE
from openbook.cli.options import open_library
from openbook.errors import MissingExtra


def mcp(
    library: Annotated[
        list[Path] | None,
        typer.Option(
            "--library",
            "-l",
            metavar="PATH",
            envvar="OPENBOOK_LIBRARY",
            show_default=False,
            help="The library's folder; repeat it for several. Default: the nearest .openbook/ from here "
            "upward.",
        ),
    ] = None,
) -> int:
    """Serve libraries to one assistant over MCP, on standard input and output, until it closes the input.

    Assistants start this command themselves; docs/mcp.md shows how each is told to. For many at a time,
    `openbook serve` offers the same under /mcp.
    """
    try:
        from openbook.serve.mcp_stdio import serve_stdio
    except ModuleNotFoundError as error:
        if error.name is not None and error.name.startswith("openbook"):
            raise
        raise MissingExtra("openbook mcp", extra="serve") from error
    from openbook.serve.desk import Shelf
    from openbook.serve.options import ServeOptions

    opened = [open_library(place.expanduser()) for place in library] if library else [open_library(None)]
    serve_stdio(Shelf.open(opened, ServeOptions()))
    return DONE
