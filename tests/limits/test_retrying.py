"""Retries: how often, how long, and what the server asked for."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from openbook.backends.retrying import FIRST_WAIT, LONGEST_WAIT, retry_after, retrying

NOW = datetime(2025, 3, 1, 12, 0, 0, tzinfo=UTC)


class Busy(Exception):
    def __init__(self, wait: float | None = None) -> None:
        super().__init__("busy")
        self.wait = wait


def failing(errors: list[Exception]) -> Callable[[], str]:
    """A call that raises these errors, one after another, and then succeeds."""
    left = iter(errors)

    def call() -> str:
        error = next(left, None)
        if error is not None:
            raise error
        return "done"

    return call


def attempt(errors: list[Exception], *, retries: int = 4) -> tuple[str, list[float], list[float]]:
    slept: list[float] = []
    told: list[float] = []
    result = retrying(
        failing(errors),
        retries=retries,
        should_retry=lambda error: isinstance(error, Busy),
        wait_of=lambda error: error.wait if isinstance(error, Busy) else None,
        sleep=slept.append,
        on_retry=lambda _, seconds: told.append(seconds),
    )
    return result, slept, told


def test_a_call_that_succeeds_is_made_once() -> None:
    assert attempt([]) == ("done", [], [])


def test_waits_are_random_below_a_bound_that_doubles() -> None:
    highest = [0.0] * 4
    for _ in range(200):
        result, slept, told = attempt([Busy()] * 4)
        assert result == "done"
        assert slept == told
        for number, seconds in enumerate(slept):
            assert 0 <= seconds <= FIRST_WAIT * 2**number
        highest = [max(pair) for pair in zip(highest, slept, strict=True)]
    assert all(seconds > 0.8 * FIRST_WAIT * 2**number for number, seconds in enumerate(highest))


def test_what_the_server_asks_is_a_lower_bound() -> None:
    _, slept, _ = attempt([Busy(7.0), Busy(0.0)])
    assert 7.0 <= slept[0] <= 8.0
    assert 0.0 <= slept[1] <= 0.25


def test_a_wait_of_hours_is_a_failure() -> None:
    error = Busy(LONGEST_WAIT + 1)
    with pytest.raises(Busy) as raised:
        attempt([error])
    assert raised.value is error


def test_the_last_error_is_raised_as_it_is() -> None:
    errors: list[Exception] = [Busy(), Busy(), Busy()]
    with pytest.raises(Busy) as raised:
        attempt(errors, retries=2)
    assert raised.value is errors[2]
    with pytest.raises(Busy):
        attempt([Busy()], retries=0)


def test_other_errors_are_not_tried_again() -> None:
    with pytest.raises(ZeroDivisionError):
        attempt([ZeroDivisionError()])


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "3"}, 3.0),
        ({"Retry-After": " 0.5 "}, 0.5),
        ({"retry-after": "5", "retry-after-ms": "250"}, 0.25),
        ({"retry-after": "Sat, 01 Mar 2025 12:00:20 GMT"}, 20.0),
        ({"retry-after": "Sat, 01 Mar 2025 12:00:20 -0000"}, 20.0),
        ({"retry-after": "Sat, 01 Mar 2025 11:00:00 GMT"}, 0.0),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": "Sat, 01 Mar 99999999999999999999 12:00:20 GMT"}, None),
        ({}, None),
    ],
)
def test_retry_after_is_read_in_all_its_forms(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers, now=NOW) == seconds
