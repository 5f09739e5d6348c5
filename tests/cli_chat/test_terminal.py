"""`openbook chat` on a terminal: Ctrl-C, Ctrl-D, and what is left afterwards."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

from openbook.library import Library
from tests.cli_chat.conftest import CTRL_C, OPENBOOK, SETTINGS, SLOW, Terminal

Start = Callable[..., Terminal]
CTRL_D = "\x04"


def test_ctrl_c_stops_an_answer_and_keeps_what_arrived(terminal: Start, library: Path) -> None:
    chat = terminal(*SLOW, "chat")
    chat.read_until("Ctrl-D leaves.")
    chat.read_until("> ")
    chat.type("What does the heron eat?\n")
    chat.read_until("It eats fish and frogs")
    chat.read_until("waiting")
    chat.type(CTRL_C)
    chat.read_until("Stopped.")
    chat.read_until("> ")
    chat.type("/why\n")
    chat.read_until("(stopped before its end)")
    chat.read_until("> ")
    chat.type(CTRL_D)
    assert chat.finish() == 0
    assert "Traceback" not in chat.text
    with Library(library, settings=SETTINGS) as opened:
        (turn,) = opened.chat(1).turns
        assert turn.question == "What does the heron eat?"
        assert turn.answer.text == "It eats fish and frogs"
        assert not turn.answer.complete


def test_ctrl_c_twice_at_the_prompt_leaves(terminal: Start, library: Path) -> None:
    chat = terminal(*OPENBOOK, "chat")
    chat.read_until("> ")
    chat.interrupt("Press Ctrl-C again, or Ctrl-D, to leave.")
    chat.read_until("> ")
    chat.type("/help\n")
    chat.read_until("Anything else is a question.")
    chat.read_until("> ")
    # the first one again: a line was typed in between
    chat.interrupt("Press Ctrl-C again, or Ctrl-D, to leave.")
    chat.read_until("> ")
    chat.interrupt()
    assert chat.finish() == 0
    assert "Traceback" not in chat.text


def test_a_question_that_readline_cannot_hold(terminal: Start, library: Path) -> None:
    with Library(library, settings=SETTINGS) as opened:
        opened.chat(name="Birds").ask("Who sleeps\0on the wing?", model="none")
    chat = terminal(*OPENBOOK, "chat", "--resume", "birds")
    chat.read_until("> ")
    chat.type(CTRL_D)
    assert chat.finish() == 0
    assert "Traceback" not in chat.text


def test_a_question_on_a_terminal_and_going_on_with_it(terminal: Start, library: Path) -> None:
    chat = terminal(*OPENBOOK, "chat", "--name", "Birds", "--model", "none")
    chat.read_until("> ")
    chat.type("Who sleeps on the wing?\n")
    chat.read_until("Confidence")
    chat.read_until("> ")
    chat.type("/quit\n")
    assert chat.finish() == 0
    again = terminal(*OPENBOOK, "chat", "--resume", "birds")
    shown = again.read_until("> ")
    assert "“Birds”, 1 turn" in shown
    assert "Last asked: Who sleeps on the wing?" in shown
    again.type("\x1b[A")  # arrow up: the earlier question is remembered
    again.read_until("Who sleeps on the wing?")
    again.interrupt("Press Ctrl-C again, or Ctrl-D, to leave.")
    again.read_until("> ")
    again.type(CTRL_D)
    assert again.finish() == 0


def test_ctrl_c_ends_a_piped_run_and_keeps_what_arrived(library: Path) -> None:
    with subprocess.Popen(
        [*SLOW, "chat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdin.write("What does the heron eat?\nAnd the swift?\n")
        process.stdin.close()
        assert process.stderr.readline() == "waiting\n"
        process.send_signal(signal.SIGINT)
        assert process.stdout.read() == "> What does the heron eat?\n"
        assert process.stderr.read() == "\nStopped.\n"
    assert process.returncode == 130
    with Library(library, settings=SETTINGS) as opened:
        (turn,) = opened.chat(1).turns
        assert turn.answer.text == "It eats fish and frogs"
