"""MCP over standard input and output: how an assistant on this machine starts openbook by itself.

Nothing but the protocol reaches standard output; whatever else is written,
also by a library, goes to standard error. The process ends when its input does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
from mcp.server.stdio import stdio_server

from openbook.serve.mcp_server import create_server

if TYPE_CHECKING:
    from openbook.serve.desk import Shelf


def serve_stdio(shelf: Shelf) -> None:
    """Serve one client until it closes our standard input, then close the shelf."""
    anyio.run(_serve, shelf)


async def _serve(shelf: Shelf) -> None:
    server = create_server(shelf)
    try:
        async with stdio_server() as (requests, replies):
            await server.run(requests, replies, server.create_initialization_options())
    finally:
        with anyio.CancelScope(shield=True):
            await shelf.close()
