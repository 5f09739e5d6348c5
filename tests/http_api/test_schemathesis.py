"""Schemathesis holds the API against its OpenAPI document, with requests that fit it and many that do not."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import hypothesis
import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import strategies
from schemathesis import Case
from starlette.routing import Mount
from starlette.types import ASGIApp, Receive, Scope, Send

from openbook.serve import http_api
from openbook.serve.application import create_app
from openbook.serve.desk import Shelf
from openbook.serve.http_api.parameters import CONDITION, MODEL
from openbook.serve.options import ServeOptions
from tests.http_api.conftest import opened

CONDITIONS = (
    "path=*.md",
    "page<10",
    "modified>=2024-01",
    "title~heron",
    "author=",
    "language!=de",
    "document=1,2",
)
schemathesis.openapi.format(CONDITION, strategies.sampled_from(CONDITIONS))
schemathesis.openapi.format(MODEL, strategies.just("none"))  # any other would have to be asked
"""Texts whose grammar JSON Schema cannot express. What breaks it is sent as well, as a mistake."""


class Served:
    """The application of this module's tests, which is there once a library is.

    It is started and stopped with the library, and not for every request.
    """

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            while (message := (await receive())["type"]) != "lifespan.shutdown":
                await send({"type": f"{message}.complete"})
            await send({"type": "lifespan.shutdown.complete"})
        else:
            await self.app(scope, receive, send)


SERVED = Served()


def description() -> dict[str, Any]:
    """The OpenAPI document, which says nothing of a library."""
    outer = FastAPI()
    http_api.include(outer)
    mount = next(route for route in outer.routes if isinstance(route, Mount))
    document: dict[str, Any] = mount.app.openapi()  # type: ignore[attr-defined]
    return document


schema = schemathesis.openapi.from_dict(description())
schema.app = SERVED


@pytest.fixture(scope="module", autouse=True)
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A library with documents and a conversation behind the application."""
    root = tmp_path_factory.mktemp("schemathesis")
    library = opened(root)
    library.chat().ask("What does the heron eat?")
    options = ServeOptions(
        web=False, hosts=("testserver",), undo_seconds=600.0, requests_per_minute=1_000_000
    )
    shelf = Shelf.open([library], options)
    asyncio.run(shelf.warm())
    SERVED.app = create_app(shelf, options)
    yield
    asyncio.run(shelf.close())


@schema.parametrize()
@hypothesis.settings(
    max_examples=5,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=list(hypothesis.HealthCheck),
)
def test_the_api_is_as_it_is_described(case: Case[Any]) -> None:
    case.call_and_validate()
