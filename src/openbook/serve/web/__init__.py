"""The web page: NiceGUI in the same process, on the same desks as every other surface."""

from __future__ import annotations

from fastapi import FastAPI


def include(app: FastAPI) -> None:
    """Add the pages."""
