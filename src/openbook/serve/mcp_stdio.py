"""MCP over standard input and output: how an assistant on this machine starts openbook by itself.

Nothing but the protocol reaches standard output; whatever else is written,
also by a library, goes to standard error. The process ends when its input
does, or when nobody reads its output any more.

Refused: waiting at the end for a thread that waits for a language model, or
for a line that never comes. This process only reads, so there is nothing to
lose, and an assistant that was closed should leave nothing running.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
from typing import TYPE_CHECKING, Final

from mcp.server.stdio import stdio_server

from openbook.serve.mcp_server import create_server

if TYPE_CHECKING:
    from openbook.serve.desk import Shelf

LEAVING_SECONDS: Final = 1.0
"""How long calls may take to end by themselves."""

_WORKERS: Final = ("openbook-quick", "openbook-slow")
"""What the names of the threads of `openbook.serve.background` begin with."""


def serve_stdio(shelf: Shelf) -> None:
    """Serve one client until it closes our standard input, then close the shelf.

    Where a thread cannot be ended, or nobody reads what is written, the
    process ends here, with code 0.
    """
    asyncio.run(_serve(shelf))
    if _threads_left():
        _end_now()


async def _serve(shelf: Shelf) -> None:
    server = create_server(shelf)
    async with stdio_server() as (requests, replies):
        try:
            await server.run(requests, replies, server.create_initialization_options())
        except asyncio.CancelledError:
            # Writing failed, or Ctrl-C was pressed. Reading cannot be stopped: a thread waits for a line.
            _end_now()
    await shelf.close()


def _threads_left() -> bool:
    """Whether a call is still at work after its time to end. Threads that wait for work end by themselves."""
    until = time.monotonic() + LEAVING_SECONDS
    working = [thread for thread in threading.enumerate() if thread.name.startswith(_WORKERS)]
    for thread in working:
        thread.join(max(until - time.monotonic(), 0.0))
    return any(thread.is_alive() for thread in working)


def _end_now() -> None:
    sys.stderr.flush()
    os._exit(0)
