"""A request is tried again after a passing failure, and never sooner than the server asks.

Waits grow exponentially and are drawn at random below their bound, so that
many clients that failed together do not come back together ("full jitter", M.
Brooker, Exponential Backoff and Jitter, AWS Architecture Blog, 2015). What
counts as passing is the caller's knowledge: only it knows whether a reply had
already begun.

Refused: the retries of the clients themselves (theirs know no limiter, no
progress and no clock for tests), and waiting as long as a server cares to
demand: a wait above `LONGEST_WAIT` is a failure to report, not to sit through.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from tenacity import RetryCallState

FIRST_WAIT: Final = 0.5
"""Seconds: bound of the first random wait; it doubles with every attempt."""
LONGEST_BACKOFF: Final = 30.0
"""Seconds: bound of any random wait."""
LONGEST_WAIT: Final = 120.0
"""Seconds: a server that asks for more is not waited for."""

T = TypeVar("T")


def retrying(
    call: Callable[[], T],
    *,
    retries: int,
    should_retry: Callable[[BaseException], bool],
    wait_of: Callable[[BaseException], float | None] = lambda _: None,
    sleep: Callable[[float], None] = time.sleep,
    on_retry: Callable[[BaseException, float], None] | None = None,
) -> T:
    """Return what `call` returns, trying at most `retries` times more after failures that pass.

    `wait_of` gives the seconds that the server asked to wait (see
    `retry_after`), None where it did not say. `on_retry` is told the error and
    the seconds before each wait. The last error is raised as it is: one that
    `should_retry` denies, that asks for more than LONGEST_WAIT, or that is
    still there after all attempts.
    """
    from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential

    backoff = wait_random_exponential(multiplier=FIRST_WAIT, max=LONGEST_BACKOFF)

    def passes(error: BaseException) -> bool:
        return should_retry(error) and (wait_of(error) or 0.0) <= LONGEST_WAIT

    def wait(state: RetryCallState) -> float:
        asked = wait_of(_error_of(state))
        # A little later than asked, and not all at the same moment.
        return backoff(state) if asked is None else asked + random.uniform(0.0, 0.25 + 0.1 * asked)

    def announce(state: RetryCallState) -> None:
        if on_retry is not None and state.next_action is not None:
            on_retry(_error_of(state), float(state.next_action.sleep))

    policy = Retrying(
        stop=stop_after_attempt(1 + max(retries, 0)),
        retry=retry_if_exception(passes),
        wait=wait,
        sleep=sleep,
        before_sleep=announce,
        reraise=True,
    )
    return policy(call)


def retry_after(headers: Mapping[str, str], *, now: datetime | None = None) -> float | None:
    """Return the seconds that a reply's headers ask to wait; None where they do not say it readably.

    `Retry-After` is a number of seconds or an HTTP date (RFC 9110, section
    10.2.3); `retry-after-ms` is what OpenAI sends beside it, in milliseconds.
    `headers` is looked up in lower case and as written in the standard.
    """
    milliseconds = _number(headers.get("retry-after-ms", ""))
    if milliseconds is not None:
        return milliseconds / 1000
    text = (headers.get("retry-after") or headers.get("Retry-After") or "").strip()
    seconds = _number(text)
    if seconds is not None:
        return seconds
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):  # the latter for numbers beyond all dates
        return None
    if moment.tzinfo is None:  # "-0000": the same instant, whose zone is not known
        moment = moment.replace(tzinfo=UTC)
    return max((moment - (now or datetime.now(UTC))).total_seconds(), 0.0)


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if 0.0 <= number < float("inf") else None


def _error_of(state: RetryCallState) -> BaseException:
    error = state.outcome.exception() if state.outcome is not None else None
    if error is None:
        raise RuntimeError("tenacity waits after an attempt that did not fail")
    return error
