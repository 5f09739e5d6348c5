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
from contextvars import copy_context
from functools import partial
from typing import Final, ParamSpec, TypeVar, cast

from openbook.errors import UsageError

P = ParamSpec("P")
T = TypeVar("T")

ANSWERING_THREADS: Final = 16
"""Answers that are written at the same time; they mostly wait for a model."""

WAITING_ITEMS: Final = 10_000
"""Values of a stream that may wait for a slow reader before its writer waits too.

More than an answer has: a reader that has gone to sleep must not hold a thread
that others need.
"""

_END: Final = object()


class Background:
    """The threads of one server. Thread-safe; `close` lets running calls end."""

    def __init__(self) -> None:
        searching = max(2, len(os.sched_getaffinity(0)))
        self._quick = ThreadPoolExecutor(searching, thread_name_prefix="openbook-quick")
        self._slow = ThreadPoolExecutor(ANSWERING_THREADS, thread_name_prefix="openbook-slow")
        self._streams: set[_Stream] = set()

    async def run(self, function: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> T:
        """Call a function that takes milliseconds, such as a search, and return what it returns.

        A caller that is cancelled does not wait for the call, which goes on.
        Raises UsageError once the server is stopping.
        """
        return await self._begun(self._quick, partial(function, *arguments, **options))

    async def run_long(self, function: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> T:
        """Call a function that may take many seconds, such as one that waits for a model."""
        return await self._begun(self._slow, partial(function, *arguments, **options))

    async def stream(self, begin: Callable[[], Iterator[T]]) -> AsyncGenerator[T, None]:
        """Yield what the iterator that `begin` returns yields, as it comes.

        When the reader goes away, or the server stops, the iterator is closed
        before its next value, so that a stopped answer stops its model too; one
        that has not begun never does. What it raises is raised here.
        """
        stream = _Stream()
        work = self._begun(self._slow, partial(stream.produce, begin))
        work.add_done_callback(lambda _: stream.ready.put_nowait(_END))
        self._streams.add(stream)
        try:
            while (item := await stream.ready.get()) is not _END:
                stream.room.release()
                yield cast("T", item)
            await work
        finally:
            self._streams.discard(stream)
            stream.leave()
            if work.done() and not work.cancelled():
                work.exception()  # seen, though the reader left before it came
            work.cancel()

    def close(self) -> None:
        """Take no more work; calls that run end by themselves, streams before their next value."""
        for stream in list(self._streams):
            stream.leave()
        self._quick.shutdown(wait=False, cancel_futures=True)
        self._slow.shutdown(wait=False, cancel_futures=True)

    def _begun(self, threads: ThreadPoolExecutor, call: Callable[[], T]) -> asyncio.Future[T]:
        """The call, begun in a thread that sees the caller's context variables."""
        context = copy_context()
        try:
            return asyncio.get_running_loop().run_in_executor(threads, context.run, _called, call)
        except RuntimeError as error:
            raise UsageError("The server is stopping and takes no new work.") from error


class _Stream:
    """Values on their way from a thread to an event loop, which is the one that runs when it is made."""

    def __init__(self) -> None:
        self.ready: asyncio.Queue[object] = asyncio.Queue()
        self.room = threading.Semaphore(WAITING_ITEMS)
        self._loop = asyncio.get_running_loop()
        self._gone = threading.Event()

    def leave(self) -> None:
        """Let the writer end before its next value."""
        self._gone.set()
        self.room.release()

    def produce(self, begin: Callable[[], Iterator[object]]) -> None:
        """In a thread: hand over one value after the other, for as long as somebody reads."""
        if self._gone.is_set():
            return
        items = begin()
        try:
            for item in items:
                self.room.acquire()
                if self._gone.is_set() or self._loop.is_closed():
                    return
                self._loop.call_soon_threadsafe(self.ready.put_nowait, item)
        finally:
            if isinstance(items, Generator):
                items.close()


def _called(call: Callable[[], T]) -> T:
    """Call it; a StopIteration, which no future can hold, comes as what it would be in a coroutine."""
    try:
        return call()
    except StopIteration as error:
        raise RuntimeError(f"{call!r} raised StopIteration.") from error
