"""The HTTP API under `/api`: JSON, server-sent events, and problem details for every error.

It is an application of its own inside the server's, so that its errors, its
404 and its OpenAPI document (`/api/openapi.json`) concern nothing else.

    parameters → routes (searching, conversations, documents, uploading, removing, work, service) → replies

Refused: a documentation page in the browser. The usual ones load their scripts
from another host.
"""

from __future__ import annotations

from fastapi import FastAPI

from openbook.serve import problems
from openbook.serve.http_api import (
    conversations,
    description,
    documents,
    removing,
    searching,
    service,
    uploading,
    work,
)
from openbook.serve.silence import NO_TELEMETRY


def include(app: FastAPI) -> None:
    """Add the routes of this surface. Routers have paths below `/api`: `/documents/{document_id}/pages`."""
    api = FastAPI(
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        openapi_url="/openapi.json",
        telemetry=NO_TELEMETRY,
    )
    api.state = app.state
    problems.install(api)
    description.describe(api)
    for part in (searching, conversations, documents, uploading, removing, work, service):
        api.include_router(part.router)
    from openbook.serve import http_map, http_view

    api.include_router(http_map.router)
    api.include_router(http_view.router)
    app.mount("/api", api)
