"""Many calls at a time, each result as soon as it is there.

For calls that wait for a server. Leaving the results early (an error, Ctrl-C)
begins no further call and does not wait long for those under way: they are told
to stop, and what they still return is dropped.

Refused: `ThreadPoolExecutor`, which waits at the end of the process for every
call that has begun, so that Ctrl-C would hang for as long as a server is silent.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Generator, Iterable
from itertools import islice
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


class Stopped(Exception):
    """Nobody waits for this call any more."""


def in_threads(
    call: Callable[[T, threading.Event], R], items: Iterable[T], *, threads: int, grace: float = 0.0
) -> Generator[tuple[T, R], None, None]:
    """Yield (item, result) in the order in which the calls end, `threads` of them at a time.

    `items` are taken one by one, as threads become free. The event that a call
    is given is set when its result is no longer wanted (see `nap`). The first
    exception of a call is raised here, and ends everything; calls under way
    then have `grace` seconds to end.
    """
    results: queue.SimpleQueue[tuple[T, R] | BaseException | None] = queue.SimpleQueue()
    waiting, turn, stop = iter(items), threading.Lock(), threading.Event()

    def next_item() -> list[T]:
        with turn:
            return list(islice(waiting, 1))

    def work() -> None:
        try:
            while not stop.is_set() and (found := next_item()):
                results.put((found[0], call(found[0], stop)))
        except BaseException as error:  # noqa: BLE001 (raised again by who asked for the results)
            results.put(error)
        else:
            results.put(None)

    workers = [
        threading.Thread(target=work, name=f"openbook-{number}", daemon=True) for number in range(threads)
    ]
    for worker in workers:
        worker.start()
    try:
        running = threads
        while running:
            result = results.get()
            if result is None:
                running -= 1
            elif isinstance(result, BaseException):
                raise result
            else:
                yield result
    finally:
        stop.set()
        deadline = time.monotonic() + grace
        for worker in workers:
            worker.join(max(deadline - time.monotonic(), 0.0))


def nap(stop: threading.Event) -> Callable[[float], None]:
    """A sleep (in seconds) that raises Stopped as soon as the event is set."""

    def sleep(seconds: float) -> None:
        if stop.wait(seconds):
            raise Stopped("the call is no longer wanted")

    return sleep
