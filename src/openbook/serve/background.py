"""Work that would hold up the event loop, in threads: single calls, and streams of values.

Searches and answers have threads of their own each, so that twenty people who
wait for a language model do not keep the twenty-first from searching.

Refused: the event loop's default threads (a number that depends on the
machine, shared with everything), and a thread for each request.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncGenerator, Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final, ParamSpec, TypeVar, cast

P = ParamSpec("P")
T = TypeVar("T")

ANSWERING_THREADS: Final = 16
"""Answers that are written at the same time; they mostly wait for a model."""

WAITING_ITEMS: Final = 256
"""Values of a stream that may wait for a slow reader before its writer waits too."""

_END: Final = object()


class Background:
    """The threads of one server. Thread-safe; `close` lets running calls end."""

    def __init__(self) -> None:
        searching = max(2, len(os.sched_getaffinity(0)))
        self._quick = ThreadPoolExecutor(searching, thread_name_prefix="openbook-quick")
        self._slow = ThreadPoolExecutor(ANSWERING_THREADS, thread_name_prefix="openbook-slow")

    async def run(self, function: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> T:
        """Call a function that takes milliseconds, such as a search, and return what it returns."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._quick, partial(function, *arguments, **options))

    async def run_long(self, function: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> T:
        """Call a function that may take many seconds, such as one that waits for a model."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._slow, partial(function, *arguments, **options))

    async def stream(self, begin: Callable[[], Iterator[T]]) -> AsyncGenerator[T, None]:
        """Yield what the iterator that `begin` returns yields, as it comes.

        When the reader goes away, the iterator is closed before its next value,
        so that a stopped answer stops its model too. What it raises is raised here.
        """
        loop = asyncio.get_running_loop()
        ready: asyncio.Queue[object] = asyncio.Queue()
        room = threading.Semaphore(WAITING_ITEMS)
        gone = threading.Event()

        def pass_on(item: object) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(ready.put_nowait, item)

        def produce() -> None:
            items = begin()
            try:
                for item in items:
                    room.acquire()
                    if gone.is_set():
                        return
                    pass_on(item)
            finally:
                if isinstance(items, Generator):
                    items.close()

        work = loop.run_in_executor(self._slow, produce)
        work.add_done_callback(lambda _: ready.put_nowait(_END))
        try:
            while (item := await ready.get()) is not _END:
                room.release()
                yield cast("T", item)
            await work
        finally:
            gone.set()
            room.release()

    def close(self) -> None:
        """Take no more work; what runs ends by itself."""
        self._quick.shutdown(wait=False, cancel_futures=True)
        self._slow.shutdown(wait=False, cancel_futures=True)
