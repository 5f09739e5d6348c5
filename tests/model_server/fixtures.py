"""Fixtures for tests that need a model server: `from tests.model_server.fixtures import start_server`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any, TypeAlias

import pytest

from tests.model_server.server import ModelServer

StartServer: TypeAlias = Callable[..., ModelServer]


@pytest.fixture
def start_server() -> Iterator[StartServer]:
    """Start servers that follow the given entries: `start_server(Say("yes"), Fail(500), key="k")`."""
    with ExitStack() as stack:

        def start(*script: Any, **options: Any) -> ModelServer:
            return stack.enter_context(ModelServer(script or ("ok",), **options))

        yield start


@pytest.fixture
def model_server() -> Iterator[ModelServer]:
    """A running server that answers every question with "ok"."""
    with ModelServer() as server:
        yield server
