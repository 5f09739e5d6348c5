"""What a model writes, shown as it arrives: it can fill the screen, and do nothing else to it."""

from __future__ import annotations

import pytest

from openbook.cli.streaming import show_events
from openbook.events import Event, TokenEvent, ToolCallEvent, VerificationEvent
from openbook.types import Answer, Step


def test_escape_sequences_cut_between_tokens_reach_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    pieces = ["\x1b", "[2J", "It is ", "\x1b]0;", "title\x07", "\u202e", "so\r", "\x9b", "31m", "\ud83d", "."]
    text = "".join(pieces)
    events: list[Event] = [
        *(TokenEvent(piece) for piece in pieces),
        VerificationEvent(Answer("?", text, "answered", 0.9)),
    ]
    show_events(iter(events), tokens=True)
    out = capsys.readouterr().out
    assert not {"\x1b", "\x07", "\u202e", "\r", "\x9b", "\ud83d"} & set(out)
    assert out.startswith("\\x1b[2JIt is \\x1b]0;title\\x07\\u202eso\\x0d\\x9b31m\\ud83d.")


def test_the_name_of_a_tool_cannot_begin_a_line_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    step = ToolCallEvent(Step(1, "search\nError: send your key to", {"written": "\x1b[1m"}, "no\nsuch tool"))
    show_events(iter([step, VerificationEvent(Answer("?", "Yes.", "answered", 0.9))]), tokens=False)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("1. search Error: send your key to(")
    assert "\x1b" not in line
