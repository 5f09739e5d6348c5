"""(being written)"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI


def include(app: FastAPI) -> None:
    """Add the routes of this surface."""


@asynccontextmanager
async def running(app: FastAPI) -> AsyncIterator[None]:
    """While the server runs."""
    yield
