"""`openbook serve`: which libraries, at which address, for whom; and what the terminal is told about it."""

from __future__ import annotations

import gc
import os
import secrets
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from openbook.cli import DONE
from openbook.cli.options import library_to_fill
from openbook.errors import MissingExtra, OpenbookError, UsageError

if TYPE_CHECKING:
    from openbook.library import Library
    from openbook.serve.options import ServeOptions

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
    allow_model: Annotated[
        list[str] | None,
        typer.Option(
            "--allow-model",
            metavar="PROVIDER:NAME",
            show_default=False,
            help="A language model that a caller may name for an answer, besides the one that is set up.",
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
    proxy: Annotated[
        list[str] | None,
        typer.Option(
            "--proxy",
            metavar="ADDRESS",
            show_default=False,
            help="The address of a reverse proxy whose word on who calls is believed (X-Forwarded-For).",
        ),
    ] = None,
    upload_megabytes: Annotated[
        int, typer.Option(metavar="NUMBER", min=1, help="The largest file that may be uploaded.")
    ] = 1_000,
    requests_per_minute: Annotated[
        int, typer.Option(metavar="NUMBER", min=1, help="How often one client may call.")
    ] = 6_000,
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
        models=tuple(allow_model or ()),
        folders=tuple(map(_folder, allow or ())),
        hosts=tuple(host_name or ()),
        web=web,
        metrics=metrics,
        log_form=log_form,
        proxies=tuple(proxy or ()),
        upload_bytes=upload_megabytes * 1_000_000,
        requests_per_minute=requests_per_minute,
    )
    if not options.loopback and not given:
        options = replace(options, token=secrets.token_urlsafe(32))
    _check_extras(options)
    _serve(options, library or [library_to_fill(None)], link_has_token=not given, open_page=open_page)
    return DONE


def _serve(options: ServeOptions, places: Sequence[Path], *, link_has_token: bool, open_page: bool) -> None:
    """Open the libraries and serve them until a signal says to stop.

    The model is loaded while the server's own modules are imported, and no
    garbage is looked for meanwhile.
    """
    gc.disable()
    from openbook.cli.model_setup import install_if_missing
    from openbook.serve import logs, server

    logs.configure(options.log_form, hidden=(options.token,))
    with server.listening_socket(options.host, options.port) as listener:
        for note in install_if_missing(quiet=False).notes:
            sys.stderr.write(f"{note}\n")
        libraries = _opened(places)
        from openbook.serve.application import create_app
        from openbook.serve.desk import Shelf

        shelf = Shelf.open(libraries, options)
        link = server.address_of(listener)
        if options.token and link_has_token:
            link += f"/?token={options.token}"

        def started() -> None:
            gc.enable()
            gc.freeze()
            print(f"openbook serves at {link} (stop with Ctrl-C)", flush=True)
            for desk in shelf:
                print(f"  {desk.name}: {desk.library.path}", flush=True)
            if open_page:
                typer.launch(link)

        server.serve(create_app(shelf, options), listener, options, started=started)


def _opened(places: Sequence[Path]) -> list[Library]:
    """Open these libraries; make those that are not there, and say so. Their models begin to load."""
    from openbook.library import Library

    libraries = []
    for place in places:
        new = not (place / "ledger.sqlite").is_file()
        library = Library(place)
        libraries.append(library)
        if new:
            print(f"A new library, empty until something is added: {place}", flush=True)
        else:
            threading.Thread(target=_warm, args=(library,), daemon=True).start()
    return libraries


def _warm(library: Library) -> None:
    with suppress(OpenbookError):  # the server says it to whoever asks whether it is ready
        library.search("warm", k=1)


def _check_extras(options: ServeOptions) -> None:
    """Raise MissingExtra now for what would be missed later."""
    needed = ["fastapi", "uvicorn", "httptools", "mcp", "python_multipart", "nh3"]
    if options.web:
        needed.append("nicegui")
    if not all(find_spec(name) for name in needed):
        raise MissingExtra("openbook serve", extra="serve")
    if options.metrics and not find_spec("prometheus_client"):
        raise MissingExtra("openbook serve --metrics", extra="metrics")


def _folder(path: Path) -> Path:
    if not path.is_dir():
        raise UsageError(f"There is no folder {str(path)!r} to allow. Expected one that is there.")
    return path.resolve()
