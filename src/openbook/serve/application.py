"""All surfaces joined to one ASGI application, and what happens when it starts and stops."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from fastapi import FastAPI

from openbook.serve.guard import Guarded, guarded
from openbook.serve.silence import NO_TELEMETRY

if TYPE_CHECKING:
    from openbook.serve.desk import Shelf
    from openbook.serve.options import ServeOptions


def create_app(shelf: Shelf, options: ServeOptions) -> Guarded:
    """The application that serves these libraries. It closes the shelf when it stops.

    Raises MissingExtra where the web page is wanted and NiceGUI is not installed.
    """
    from openbook.serve import http_api, mcp_http, openai_api

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        warming = asyncio.create_task(shelf.warm())
        async with mcp_http.running(app):
            yield
        await asyncio.wait({warming})
        await shelf.close()
        warming.result()  # what was not expected is for the server's log

    app = FastAPI(title="openbook", lifespan=lifespan, docs_url=None, redoc_url=None, telemetry=NO_TELEMETRY)
    app.state.shelf = shelf
    app.state.options = options
    http_api.include(app)
    openai_api.include(app)
    mcp_http.include(app)
    observers = []
    if options.metrics:
        from openbook.serve import metrics

        figures = metrics.Metrics(shelf)
        metrics.include(app, figures)
        observers.append(figures.observe)
    if options.web:
        from openbook.serve import web

        web.include(app)
    return guarded(app, options, *observers)
