"""What stands between the network and the surfaces: who may call, how much, and what a browser may do."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from openbook.serve.options import ServeOptions


def guarded(app: ASGIApp, options: ServeOptions) -> ASGIApp:
    """The application behind all checks."""
    return app
