"""Keeps requests and tokens below limits per minute, exactly: in any window of sixty seconds.

A request counts from its beginning until a minute after its end, not after its
beginning: a server counts a request when it arrives, which may be seconds
after it was allowed to leave (a connection to make, a library to import, a
busy machine). Counted like this, no delay on the way can put more than the
limit into any minute of the server's.

Refused: pyrate-limiter, which keeps a list entry for every token, cannot give
back tokens that were reserved and not used, and counts from the beginning; a
token bucket, which lets twice its size pass in the minute that starts when it
is full; and limits across processes, which would need a place that all of them
write to.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

from openbook.errors import UsageError

WINDOW: Final = 60.0
"""Seconds in which the limits hold."""
_NAP: Final = 1.0
"""Seconds until a waiting request looks again: tokens that another gave back may shorten its wait."""


class Limiter:
    """Limits of requests and tokens per minute, 0 meaning none, shared by all threads of a process.

        with limiter.request(tokens=1_200) as slot:   # waits for its turn
            reply = post(...)
            slot.used(reply.usage.total_tokens)

    Requests leave in the order in which they came to wait, so that many small
    ones cannot keep a large one waiting for ever.
    """

    def __init__(
        self,
        *,
        requests_per_minute: int = 0,
        tokens_per_minute: int = 0,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        for name, value in (("requests", requests_per_minute), ("tokens", tokens_per_minute)):
            if value < 0:
                raise UsageError(f"Setting {name}_per_minute is {value!r}; expected 0 (no limit) or more.")
        self.requests_per_minute = requests_per_minute
        self.tokens_per_minute = tokens_per_minute
        self._clock = clock
        self._sleep = sleep
        self._turn = threading.Lock()  # held by the one that waits; the others queue for it
        self._state = threading.Lock()  # held for moments
        self._running: set[Slot] = set()
        self._ended: deque[Slot] = deque()  # oldest end first
        self._tokens = 0  # of all slots in both
        self._paused_until = float("-inf")

    def acquire(self, tokens: int = 0) -> None:
        """Wait for a turn and count it from now. For requests whose end nobody can tell.

        Raises UsageError for a request that no minute has room for.
        """
        self.request(tokens).finish()

    def request(self, tokens: int = 0, *, sleep: Callable[[float], None] | None = None) -> Slot:
        """Wait for a turn and return it, to be finished (or left as a context) when the server has answered.

        `tokens` are reserved: prompt and reply together, as well as they are
        known before. `sleep` replaces the limiter's own; it may raise, to give
        the waiting up. Raises UsageError for a request that no minute has room for.
        """
        if 0 < self.tokens_per_minute < tokens:
            raise UsageError(
                f"One request needs {tokens!r} tokens, and tokens_per_minute allows "
                f"{self.tokens_per_minute!r} a minute: it could never be sent. Raise that limit, "
                "or send less in one request (evidence_tokens, answer_tokens)."
            )
        with self._turn:
            while True:
                with self._state:
                    seconds = self._until_free(tokens)
                    if seconds <= 0:
                        slot = Slot(self, tokens)
                        self._running.add(slot)
                        self._tokens += tokens
                        return slot
                (sleep or self._sleep)(min(seconds, _NAP))

    def pause(self, seconds: float) -> None:
        """Let nobody begin a request for this long: the server has asked for it."""
        with self._state:
            self._paused_until = max(self._paused_until, self._clock() + seconds)

    def _until_free(self, tokens: int) -> float:
        """Seconds until a request of so many tokens may begin; at least so many, as far as is known now."""
        now = self._clock()
        while self._ended and self._ended[0].ended + WINDOW <= now:
            self._tokens -= self._ended.popleft().tokens
        wait = self._paused_until - now
        requests, many = self.requests_per_minute, len(self._running) + len(self._ended)
        if requests and many >= requests:
            wait = max(wait, self._until_expired(many - requests + 1, now))
        if self.tokens_per_minute:
            excess, needed = self._tokens + tokens - self.tokens_per_minute, 0
            for slot in self._ended:
                if excess <= 0:
                    break
                excess -= slot.tokens
                needed += 1
            wait = max(wait, self._until_expired(needed + (excess > 0), now))
        return wait

    def _until_expired(self, needed: int, now: float) -> float:
        """Seconds until the oldest `needed` requests no longer count; running ones may end at once."""
        if needed <= 0:
            return 0.0
        return WINDOW if needed > len(self._ended) else self._ended[needed - 1].ended + WINDOW - now

    def _finish(self, slot: Slot) -> None:
        with self._state:
            if slot in self._running:
                self._running.remove(slot)
                slot.ended = self._clock()
                self._ended.append(slot)

    def _correct(self, slot: Slot, tokens: int) -> None:
        with self._state:
            if slot in self._running or slot.ended + WINDOW > self._clock():
                self._tokens += tokens - slot.tokens
                slot.tokens = tokens


class Slot:
    """The turn of one request. It counts until a minute after `finish`, so finish it however it ends."""

    __slots__ = ("_limiter", "ended", "tokens")

    def __init__(self, limiter: Limiter, tokens: int) -> None:
        self._limiter = limiter
        self.tokens = tokens
        self.ended = float("inf")

    def used(self, tokens: int) -> None:
        """Put the tokens that were really used in place of the reserved ones."""
        self._limiter._correct(self, tokens)

    def finish(self) -> None:
        """The server has the request: it has begun to answer, or has failed. Twice does no harm."""
        self._limiter._finish(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.finish()
