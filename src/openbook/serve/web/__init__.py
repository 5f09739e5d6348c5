"""The web page: NiceGUI in the same process, on the same desks as every other surface.

Pages are built on the server and call desks directly; what a browser loads in
bulk (points of the map, images of pages, uploads) goes through the HTTP API.

Refused: Tailwind, which NiceGUI would compile in the browser at every visit;
the look is in a few stylesheets.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from fastapi import FastAPI
from starlette.staticfiles import StaticFiles

from openbook.errors import MissingExtra

if TYPE_CHECKING:
    from openbook.serve.desk import Shelf


def include(app: FastAPI) -> None:
    """Add the pages. One application of a process can have them: NiceGUI is one for a process.

    Raises MissingExtra where NiceGUI is not installed.
    """
    try:
        from nicegui import ui
    except ImportError as error:
        raise MissingExtra("The web page", extra="serve") from error
    from openbook.serve.web import error_pages
    from openbook.serve.web.layout import STATIC, STATIC_PATH

    shelf: Shelf = app.state.shelf
    app.mount(STATIC_PATH, StaticFiles(directory=STATIC), name="static")
    _build_pages(shelf)
    error_pages.install(shelf)
    ui.run_with(
        app,
        title="openbook",
        favicon=STATIC / "favicon.svg",
        language="en-US",
        tailwind=False,
        show_welcome_message=False,
        storage_secret=secrets.token_urlsafe(32),
        reconnect_timeout=20.0,
    )


def _build_pages(shelf: Shelf) -> None:
    from openbook.serve.web import (
        ask_page,
        document_page,
        documents_page,
        map_page,
        search_page,
        status_page,
    )

    for page in (ask_page, search_page, documents_page, document_page, map_page, status_page):
        page.build(shelf)
