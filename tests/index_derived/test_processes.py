"""Readers search while a writer works in another process, and a killed writer leaves sound indexes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from openbook.index.ledger import LEDGER_NAME, Ledger
from openbook.index.lexical import LexicalIndex
from openbook.index.vectors import VectorIndex

SCRIPT = Path(__file__).parent / "following_process.py"


def start(action: str, folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), action, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def lines(process: subprocess.Popen[str], count: int) -> list[str]:
    """Wait for so many lines."""
    assert process.stdout is not None
    return [process.stdout.readline().strip() for _ in range(count)]


def kill(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def test_two_readers_search_while_one_writes(tmp_path: Path) -> None:
    writer = start("write", tmp_path)
    try:
        lines(writer, 3)
        readers = [start("read", tmp_path) for _ in range(2)]
        assert [lines(reader, 1) for reader in readers] == [["ready"], ["ready"]]
        lines(writer, 40)
        for reader in readers:
            output, _ = reader.communicate("stop\n")
            assert reader.returncode == 0
            assert int(output) > 0
    finally:
        kill(writer)


@pytest.mark.parametrize("moment", range(6))
def test_a_killed_writer_leaves_indexes_that_catch_up(tmp_path: Path, moment: int) -> None:
    writer = start("write", tmp_path)
    # a line is printed after each round, so the kill comes somewhere in the next one
    lines(writer, 2 + 3 * moment)
    kill(writer)
    with Ledger(tmp_path / LEDGER_NAME) as ledger:
        generation = ledger.active_generation()
        assert generation is not None
        lexical = LexicalIndex(tmp_path / "lexical")
        vectors = VectorIndex(tmp_path / "vectors", generation.id, 32, surroundings_weight=0.5)
        assert (lexical.note, vectors.note) == ("", "")
        assert min(lexical.count, vectors.count) > 0
        for index in (lexical, vectors):
            index.catch_up(ledger)
            assert index.note == ""
            assert index.check(ledger) == []
        lexical.purge(ledger)
        assert lexical.check(ledger) == []
