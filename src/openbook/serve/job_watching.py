"""Who watches values change, in any number of event loops: nobody polls, and nobody holds up the writer.

A watcher holds at most one value for each key, the newest: a slow reader
misses states in between and never the last one, and memory stays bounded.
Refused: a queue for each watcher, which grows behind a reader that sleeps.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Mapping
from typing import Generic, TypeVar

T = TypeVar("T")


class Watcher(Generic[T]):
    """One reader of changes, in the event loop that was running when it was made."""

    def __init__(self, values: Mapping[str, T], only: str | None) -> None:
        self._loop = asyncio.get_running_loop()
        self._lock = threading.Lock()
        self._fresh = dict(values)
        self._only = only
        self._closed = False
        self._wake = asyncio.Event()
        self._wake.set()

    def tell(self, key: str, value: T) -> None:
        """Take a new value, from any thread."""
        if self._only is None or key == self._only:
            with self._lock:
                self._fresh.pop(key, None)  # the last change comes last
                self._fresh[key] = value
            self._rouse()

    def close(self) -> None:
        """Let the reader end after what it has not seen yet."""
        with self._lock:
            self._closed = True
        self._rouse()

    async def changes(self) -> AsyncIterator[T]:
        """Yield the values at the beginning, then each that was told."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            with self._lock:
                fresh, self._fresh, closed = list(self._fresh.values()), {}, self._closed
            for value in fresh:
                yield value
            if closed and not self._fresh:
                return

    def _rouse(self) -> None:
        if not self._loop.is_closed():
            try:
                self._loop.call_soon_threadsafe(self._wake.set)
            except RuntimeError:
                return  # its loop was closed just now, and nobody reads any more


class Watchers(Generic[T]):
    """All readers of one set of values. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._watchers: set[Watcher[T]] = set()
        self._closed = False

    def enter(self, values: Mapping[str, T], *, only: str | None = None) -> Watcher[T]:
        """A new watcher, which sees these values first; with `only`, of one key alone."""
        watcher = Watcher(values, only)
        with self._lock:
            self._watchers.add(watcher)
            if self._closed:
                watcher.close()
        return watcher

    def leave(self, watcher: Watcher[T]) -> None:
        """Forget a watcher; one that has left already is no error."""
        with self._lock:
            self._watchers.discard(watcher)

    def tell(self, key: str, value: T) -> None:
        """Tell every watcher."""
        with self._lock:
            for watcher in self._watchers:
                watcher.tell(key, value)

    def close(self) -> None:
        """Let every watcher end, and those that come later after their first values."""
        with self._lock:
            self._closed = True
            for watcher in self._watchers:
                watcher.close()
