"""One event loop in one thread, for clients that only work asynchronously.

It starts on first use and ends with the process. Everything that talks to
language models runs in it, so that their connections can be shared by all
threads that wait for answers.

Refused: an event loop per request (its connections would end with it), and
asking callers to bring one.
"""

from __future__ import annotations

import asyncio
import atexit
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")

_lock = threading.Lock()
_running: tuple[asyncio.AbstractEventLoop, threading.Thread] | None = None


def submit(work: Coroutine[Any, Any, T]) -> Future[T]:
    """Begin some work in the background. Cancelling the future cancels the work."""
    return asyncio.run_coroutine_threadsafe(work, _loop())


def _loop() -> asyncio.AbstractEventLoop:
    global _running  # noqa: PLW0603 (one per process is what this module is for)
    with _lock:
        # A thread does not survive a fork: the child starts its own.
        if _running is None or not _running[1].is_alive():
            loop = asyncio.new_event_loop()
            thread = threading.Thread(target=_run, args=(loop,), name="openbook-models", daemon=True)
            thread.start()
            _running = loop, thread
            atexit.register(_stop, loop, thread)
        return _running[0]


def _run(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
    finally:
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        # What is collected meanwhile, such as the stream of a reply, begins tasks of its own to end itself.
        while left:
            loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
            loop.run_until_complete(loop.shutdown_asyncgens())
            left = asyncio.all_tasks(loop)
        loop.close()


def _stop(loop: asyncio.AbstractEventLoop, thread: threading.Thread) -> None:
    """Let what still runs end, so that the interpreter does not end in the middle of it."""
    if thread.is_alive():
        loop.call_soon_threadsafe(loop.stop)
        thread.join(timeout=1.0)
