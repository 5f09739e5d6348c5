"""Wrong tokens: a few are free, then each one doubles the time until the next is looked at.

Refused: to wait before answering. A guesser would hold a connection for each
guess; told to come back later, he holds none.
"""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

FREE_FAILURES: Final = 5
LONGEST_SECONDS: Final = 300.0
KNOWN_CLIENTS: Final = 10_000
"""Clients whose failures are remembered; of more, the one that failed longest ago is forgotten."""


class Attempts:
    """How often each client failed, and until when it is not listened to."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def wait(self, client: str) -> int:
        """Seconds until this client may try again; 0 means now."""
        _, until = self._failures.get(client, (0, 0.0))
        return max(0, math.ceil(until - self._clock()))

    def failed(self, client: str) -> None:
        """Count a failure."""
        count, _ = self._failures.pop(client, (0, 0.0))
        count += 1
        # 1, 2, 4 … seconds; the exponent is bounded so that the power stays a small number
        pause = 2.0 ** min(count - FREE_FAILURES, 20) if count >= FREE_FAILURES else 0.0
        self._failures[client] = (count, self._clock() + min(pause, LONGEST_SECONDS))
        if len(self._failures) > KNOWN_CLIENTS:
            self._failures.popitem(last=False)

    def succeeded(self, client: str) -> None:
        """Forget the failures of a client that knows the token."""
        self._failures.pop(client, None)
