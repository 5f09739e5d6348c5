"""What a terminal shows of a stream of events."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from openbook.cli.streaming import show_events
from openbook.errors import ModelUnreachable
from openbook.events import ErrorEvent, Event, TokenEvent, VerificationEvent
from openbook.types import Answer

ERROR = ErrorEvent("ReplyBroken", "The reply broke off.")


def test_an_error_that_something_follows_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    answer = Answer("?", "It is so.", "answered", 0.9, complete=False)
    shown = show_events(iter([TokenEvent("It is so."), ERROR, VerificationEvent(answer)]), tokens=True)
    assert shown is answer
    assert capsys.readouterr().err.strip() == "The reply broke off."


def test_the_error_that_ends_a_stream_is_told_once_by_who_catches_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def events() -> Iterator[Event]:
        yield ERROR
        raise ModelUnreachable("Nobody answers.")

    with pytest.raises(ModelUnreachable):
        show_events(events(), tokens=True)
    assert capsys.readouterr().err == ""
