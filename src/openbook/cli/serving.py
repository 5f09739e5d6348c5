"""`openbook serve`: which libraries, at which address, for whom; and what the terminal is told about it."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from openbook.cli import DONE
from openbook.cli.options import library_to_fill
from openbook.errors import MissingExtra

if TYPE_CHECKING:
    from openbook.library import Library

LibrariesOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--library",
        "-l",
        metavar="PATH",
        envvar="OPENBOOK_LIBRARY",
        show_default=False,
        help="The library's folder; repeat it for several. One that is not there is made, empty. Default: "
        "the nearest .openbook/ from here upward, or a new one here.",
    ),
]


def serve(
    library: LibrariesOption = None,
    host: Annotated[
        str,
        typer.Option(
            metavar="ADDRESS",
            help="Where to listen. Any address but a loopback one needs a token: OPENBOOK_TOKEN, or one that "
            "is made and printed.",
        ),
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(metavar="NUMBER", help="The port; 0 takes any free one.")] = 8080,
    allow: Annotated[
        list[Path] | None,
        typer.Option(
            "--allow",
            metavar="FOLDER",
            show_default=False,
            help="A folder that may be added from the page or the API, besides those the library holds.",
        ),
    ] = None,
    host_name: Annotated[
        list[str] | None,
        typer.Option(
            "--host-name",
            metavar="NAME",
            show_default=False,
            help="A name under which this server is called, such as that of a reverse proxy.",
        ),
    ] = None,
    web: Annotated[bool, typer.Option("--web/--no-web", help="With the web page, or the APIs only.")] = True,
    log_form: Annotated[
        Literal["text", "json"], typer.Option("--log-form", help="How the log on stderr is written.")
    ] = "text",
    metrics: Annotated[
        bool, typer.Option("--metrics", help="Offer figures for Prometheus at /metrics.")
    ] = False,
    open_page: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
) -> int:
    """Serve libraries: a web page, an HTTP API, an OpenAI-compatible API and MCP, on one port.

    Stop it with Ctrl-C: what is being answered ends first, and work on the library goes on with the next
    start. A second Ctrl-C stops at once.
    """
    from openbook.serve.options import ServeOptions

    given = os.environ.get("OPENBOOK_TOKEN", "").strip()
    options = ServeOptions(
        host=host,
        port=port,
        token=given,
        folders=tuple(folder.resolve() for folder in allow or ()),
        hosts=tuple(host_name or ()),
        web=web,
        metrics=metrics,
        log_form=log_form,
    )
    if not options.loopback and not given:
        options = replace(options, token=secrets.token_urlsafe(32))
    try:
        from openbook.serve import logs, server
        from openbook.serve.application import create_app
    except ModuleNotFoundError as error:
        raise MissingExtra("openbook serve", extra="serve") from error
    from openbook.cli.model_setup import install_if_missing
    from openbook.serve.desk import Shelf

    logs.configure(options.log_form, hidden=(options.token,))
    listener = server.listening_socket(options.host, options.port)
    with listener:
        for note in install_if_missing(quiet=False).notes:
            sys.stderr.write(f"{note}\n")
        shelf = Shelf.open(_open(library or [library_to_fill(None)]), options)
        address = server.address_of(listener)

        def started() -> None:
            link = f"{address}/?token={options.token}" if options.token and not given else address
            print(f"openbook serves at {link} (stop with Ctrl-C)", flush=True)
            for desk in shelf:
                print(f"  {desk.name}: {desk.library.path}", flush=True)
            if open_page:
                typer.launch(link)

        server.serve(create_app(shelf, options), listener, options, started=started)
    return DONE


def _open(places: Sequence[Path]) -> list[Library]:
    """Open these libraries; make those that are not there, and say so."""
    from openbook.library import Library

    libraries = []
    for place in places:
        new = not (place / "ledger.sqlite").is_file()
        libraries.append(Library(place))
        if new:
            print(f"A new library, empty until something is added: {place}", flush=True)
    return libraries
