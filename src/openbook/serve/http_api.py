"""(being written)"""

from __future__ import annotations

from fastapi import FastAPI


def include(app: FastAPI) -> None:
    """Add the routes of this surface."""
