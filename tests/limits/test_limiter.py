"""The limiter: never more than the limits in any minute, as a server counts them."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openbook.backends.limiter import WINDOW, Limiter
from openbook.errors import UsageError


class Clock:
    """A clock that only sleeping and the test move."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept = 0.0
        self._lock = threading.Lock()

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        with self._lock:
            self.now += seconds
            self.slept += seconds


def limiter(clock: Clock, *, requests: int = 0, tokens: int = 0) -> Limiter:
    return Limiter(requests_per_minute=requests, tokens_per_minute=tokens, clock=clock, sleep=clock.sleep)


def busiest_minute(arrivals: Sequence[tuple[float, int]]) -> tuple[int, int]:
    """The most requests and the most tokens in any window, by looking at all of them."""
    windows = [[n for time, n in arrivals if start <= time < start + WINDOW] for start, _ in arrivals]
    return max(map(len, windows), default=0), max(map(sum, windows), default=0)


def test_requests_within_the_limit_do_not_wait() -> None:
    clock = Clock()
    limited = limiter(clock, requests=3)
    for _ in range(3):
        limited.acquire()
    assert clock.slept == 0
    limited.acquire()
    assert clock.slept == pytest.approx(WINDOW)


def test_no_limit_never_waits() -> None:
    clock = Clock()
    limited = limiter(clock)
    for _ in range(5_000):
        limited.acquire(10**9)
    assert clock.slept == 0


@given(
    st.integers(1, 6),
    st.integers(10, 60),
    st.lists(
        st.tuples(
            st.floats(0, 40),  # until the next request is asked for
            st.integers(0, 10),  # its tokens
            st.floats(0, 30),  # its way to the server
            st.floats(0, 30),  # and from there until it ends
        ),
        max_size=40,
    ),
)
def test_no_minute_of_the_server_has_more_than_the_limits(
    requests: int, tokens: int, plan: list[tuple[float, int, float, float]]
) -> None:
    """Requests overlap: each is under way while later ones already wait."""
    clock = Clock()
    under_way: list[tuple[float, object]] = []

    def sleep(seconds: float) -> None:
        target = clock.now + seconds
        for end, slot in sorted(under_way, key=lambda pair: pair[0]):
            if end <= target:
                clock.now = max(clock.now, end)
                slot.finish()  # type: ignore[attr-defined]
                under_way.remove((end, slot))
        clock.now = target

    limited = Limiter(requests_per_minute=requests, tokens_per_minute=tokens, clock=clock, sleep=sleep)
    arrivals: list[tuple[float, int]] = []
    for gap, weight, way, rest in plan:
        sleep(gap)
        slot = limited.request(weight)
        arrivals.append((clock.now + way, weight))
        under_way.append((clock.now + way + rest, slot))
    most, heaviest = busiest_minute(arrivals)
    assert most <= requests
    assert heaviest <= tokens


@given(st.integers(1, 50), st.integers(1, 200))
def test_no_time_is_wasted(requests: int, many: int) -> None:
    """Requests that take no time are all sent as early as the limit allows."""
    clock = Clock()
    limited = limiter(clock, requests=requests)
    for _ in range(many):
        limited.acquire()
    assert clock.slept == pytest.approx((many - 1) // requests * WINDOW)


def test_tokens_that_were_not_used_are_given_back() -> None:
    clock = Clock()
    limited = limiter(clock, tokens=100)
    with limited.request(90) as slot:
        slot.used(20)
    limited.acquire(80)
    assert clock.slept == 0
    slot.used(10)  # also after the end
    limited.acquire(10)
    assert clock.slept == 0
    limited.acquire(1)
    assert clock.slept == pytest.approx(WINDOW)


def test_more_tokens_than_reserved_hold_others_back() -> None:
    clock = Clock()
    limited = limiter(clock, tokens=100)
    with limited.request(10) as slot:
        slot.used(500)
    limited.acquire(1)
    assert clock.slept == pytest.approx(WINDOW)


def test_a_correction_that_comes_after_the_minute_changes_nothing() -> None:
    clock = Clock()
    limited = limiter(clock, tokens=100)
    slot = limited.request(100)
    slot.finish()
    clock.sleep(WINDOW)
    limited.acquire(60)
    slot.used(0)
    slot.finish()
    clock.slept = 0
    limited.acquire(40)
    assert clock.slept == 0
    limited.acquire(1)
    assert clock.slept > 0


def test_a_request_counts_until_a_minute_after_its_end() -> None:
    clock = Clock()
    limited = limiter(clock, requests=1)
    slot = limited.request()
    clock.sleep(45)
    slot.finish()
    limited.acquire()
    assert clock.slept == pytest.approx(45 + WINDOW)


def test_a_request_that_failed_counts_too() -> None:
    clock = Clock()
    limited = limiter(clock, requests=1)
    with pytest.raises(ZeroDivisionError), limited.request():
        raise ZeroDivisionError
    limited.acquire()
    assert clock.slept == pytest.approx(WINDOW)


def test_a_pause_holds_everybody_back() -> None:
    clock = Clock()
    limited = limiter(clock)
    limited.pause(20)
    limited.pause(5)  # a shorter one does not end a longer one
    limited.acquire()
    assert clock.slept == pytest.approx(20)
    limited.acquire()
    assert clock.slept == pytest.approx(20)


def test_a_request_that_no_minute_has_room_for() -> None:
    limited = limiter(Clock(), tokens=1000)
    limited.acquire(1000)
    with pytest.raises(UsageError, match=r"1001 tokens.*tokens_per_minute allows 1000"):
        limited.acquire(1001)


def test_a_limit_below_none() -> None:
    with pytest.raises(UsageError, match="requests_per_minute is -1"):
        Limiter(requests_per_minute=-1)


def test_threads_share_the_limits() -> None:
    clock = Clock()
    limited = limiter(clock, requests=50, tokens=400)
    arrivals: list[tuple[float, int]] = []
    start = threading.Barrier(8)

    def work(weight: int) -> None:
        start.wait()
        for _ in range(25):
            with limited.request(weight) as slot:
                arrivals.append((clock(), weight))
                slot.used(weight)

    threads = [threading.Thread(target=work, args=(weight,)) for weight in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    most, heaviest = busiest_minute(arrivals)
    assert len(arrivals) == 200
    assert most == 50
    assert heaviest <= 400


def test_a_large_request_is_not_overtaken() -> None:
    """While one waits for its turn, those that came after it wait behind it."""
    asleep, go_on = threading.Event(), threading.Event()
    clock = Clock()

    def sleep(seconds: float) -> None:
        asleep.set()
        go_on.wait()
        clock.sleep(seconds)

    limited = Limiter(tokens_per_minute=100, clock=clock, sleep=sleep)
    limited.acquire(50)
    large = threading.Thread(target=limited.acquire, args=(90,))
    large.start()
    asleep.wait()
    small = threading.Thread(target=limited.acquire, args=(20,))  # there would be room for it
    small.start()
    go_on.set()
    large.join()
    small.join()
    assert clock.slept == pytest.approx(2 * WINDOW)
