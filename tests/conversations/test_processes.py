"""Conversations beside other processes: killed ones lose nothing that was kept, and nobody waits."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

import pytest

from openbook.index.ledger import LEDGER_NAME, Ledger
from openbook.index.lock import WriteLock
from openbook.library import Library

TALKER = Path(__file__).with_name("talking_process.py")
WRITER = Path(__file__).parent.parent / "index_ledger" / "writing_process.py"


@contextmanager
def started(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], IO[str]]]:
    """Run a Python script; gives the process and its output, and kills it at the end."""
    with subprocess.Popen([sys.executable, *arguments], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process, process.stdout
        finally:
            process.kill()


def kill(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    process.wait()


def check_turns(path: Path, kept: int) -> None:
    """The first `kept` turns and perhaps a few more are there, in order, and everything holds together."""
    with Ledger(path) as ledger:
        assert ledger.check() == []
        (conversation,) = ledger.conversations()
        questions = [turn.question for turn in ledger.turns(conversation.id)]
        assert len(questions) >= kept
        assert questions == [f"Question {number}?" for number in range(1, len(questions) + 1)]


@pytest.mark.parametrize("turns", [1, 2, 25])
def test_a_killed_talker_loses_nothing_that_was_kept(tmp_path: Path, turns: int) -> None:
    path = tmp_path / "library" / LEDGER_NAME
    with started(str(TALKER), str(path)) as (process, output):
        for _ in range(turns):
            line = output.readline()
        kill(process)
    assert line == f"kept {turns}\n"
    check_turns(path, turns)


def test_one_process_talks_while_another_adds_changes_and_removes(tmp_path: Path) -> None:
    path = tmp_path / "library" / LEDGER_NAME
    kept = 0
    with ExitStack() as stack:
        writer, written = stack.enter_context(started(str(WRITER), str(path), "10"))
        written.readline()
        talker, said = stack.enter_context(started(str(TALKER), str(path)))
        for _ in range(32):  # three versions of a hundred documents, some removed in between
            kept = int(said.readline().split()[1])
            assert written.readline().startswith("done")
        kill(writer)
        kill(talker)
    check_turns(path, kept)
    with Ledger(path) as ledger:
        turns = ledger.turns(1)
        assert any(turn.redacted for turn in turns)  # their documents changed
        for turn in turns:
            for citation in turn.answer.citations:
                (piece,) = turn.answer.evidence
                assert ledger.text(piece.document_id, citation.source_start, citation.source_end) == (
                    citation.quote
                )


def test_a_turn_is_kept_while_another_process_holds_the_librarys_write_lock(library: Library) -> None:
    with WriteLock(library.path, 0.0, command="openbook add documents/"):
        chat = library.chat()
        chat.ask("What does the heron eat?", model="none")
    assert [turn.question for turn in chat.turns] == ["What does the heron eat?"]
