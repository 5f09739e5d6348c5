"""What a job says between two processes: round trips, and a pace that people can read."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openbook.serve import job_work
from openbook.serve.job_work import (
    Failure,
    JobKind,
    Pace,
    Request,
    Stopped,
    end_line,
    parse_message,
    parse_request,
    progress_line,
    request_line,
)
from openbook.types import Outcome, OutcomeKind, Progress, Report, Verification

NAMES = st.text(st.characters(exclude_categories=()))
COUNTS = st.integers(0, 2**53)
OUTCOMES = st.builds(
    Outcome, NAMES, st.sampled_from(get_args(OutcomeKind)), NAMES, st.none() | st.integers(1)
)
ENDS = (
    st.builds(
        Report,
        st.lists(OUTCOMES).map(tuple),
        COUNTS,
        COUNTS,
        COUNTS,
        COUNTS,
        st.floats(0, 1e6),
        st.lists(NAMES).map(tuple),
    )
    | st.builds(
        Verification,
        st.lists(NAMES).map(tuple),
        st.lists(NAMES).map(tuple),
        st.dictionaries(NAMES, COUNTS),
    )
    | st.builds(Failure, NAMES, NAMES)
    | st.just(Stopped())
)


@given(ENDS)
def test_every_end_comes_back_as_it_was(end: job_work.End) -> None:
    line = end_line(end)
    assert line.isascii()
    assert line.count("\n") == 1
    assert parse_message(line) == end


@given(
    NAMES,
    st.builds(
        Request,
        st.sampled_from(get_args(JobKind)),
        st.lists(NAMES).map(tuple),
        st.lists(COUNTS).map(tuple),
        st.booleans(),
        st.booleans(),
    ),
)
def test_every_request_comes_back_as_it_was(library: str, request: Request) -> None:
    assert parse_request(request_line(library, request)) == (library, request)


@given(st.builds(Progress, NAMES, COUNTS, COUNTS, NAMES, st.none() | st.floats(0, 1e9)))
def test_progress_comes_back_as_it_was(progress: Progress) -> None:
    assert parse_message(progress_line(progress, 12.5)) == (progress, 12.5)


def test_progress_does_not_flood(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = 100.0
    monkeypatch.setattr(job_work.time, "monotonic", lambda: clock)  # type: ignore[attr-defined]
    told: list[tuple[str, int, float]] = []
    pace = Pace(lambda progress, rate: told.append((progress.stage, progress.done, round(rate, 6))))
    for done in range(1, 2001):  # two seconds of a thousand files each
        pace(Progress("reading", done, 2000))
        clock += 0.001
    pace(Progress("embedding", 0, 10))
    pace(Progress("embedding", 5, 10))
    clock += 0.5
    pace(Progress("embedding", 10, 10))
    assert told[0] == ("reading", 1, 0.0)
    assert told[-3][:2] == ("reading", 2000)
    assert told[-3][2] == pytest.approx(1000)
    assert told[-2:] == [("embedding", 0, 0.0), ("embedding", 10, 20.0)]
    assert 18 <= len(told) <= 24
