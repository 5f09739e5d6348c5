"""What a browser shows where there is no page, no such library, or where a page could not be made.

A person gets the frame of the site with a way on; a program gets what NiceGUI
answers. The text of an exception that nobody raised on purpose goes to the
log, never into a page.
"""

from __future__ import annotations

import logging
from typing import Any, Final

from fastapi import Request, Response
from nicegui import Client, app, ui
from starlette.exceptions import HTTPException

from openbook.errors import UsageError
from openbook.serve.desk import Shelf
from openbook.serve.web.layout import frame, link
from openbook.serve.web.parts import state, text

_LOG: Final = logging.getLogger("openbook.serve")


def install(shelf: Shelf) -> None:
    """Have NiceGUI show these pages instead of its own."""
    theirs: Any = app.exception_handlers[404]

    async def absent(request: Request, error: Exception) -> Response:
        if "text/html" not in request.headers.get("accept", ""):
            answered: Response = await theirs(request, error)
            return answered
        return _page(shelf, request, 404, "There is no such page", "The address may be old, or mistyped.")

    async def unknown(request: Request, error: Exception) -> Response:
        return _page(shelf, request, 404, "That is not here", str(error))

    async def failed(request: Request, error: Exception) -> Response:
        if isinstance(error, HTTPException):
            raise error
        _LOG.error("The page %s could not be made.", request.url.path, exc_info=error)
        what = "Load it again; if that does not help, see the log of openbook serve."
        return _page(shelf, request, 500, "This page could not be made", what)

    handlers: dict[Any, Any] = {404: absent, UsageError: unknown, Exception: failed}
    for kind, handler in handlers.items():
        app.add_exception_handler(kind, handler)


def _page(shelf: Shelf, request: Request, status: int, title: str, explanation: str) -> Response:
    first = next(iter(shelf))
    with (
        Client(ui.page(""), request=request) as client,
        frame(shelf, request, None, title=title, desk=first),
        ui.element("div").classes("ob-page"),
    ):
        text("h1", title, "ob-visually-hidden")
        with state("o_explore_off", title, explanation):
            text("a", "Ask the documents", "ob-button ob-button--primary").props["href"] = link(first, "/")
    return client.build_response(request, status)
