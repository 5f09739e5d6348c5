"""Ledgers from before there were conversations: read as they are, brought up where they may be written."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from openbook.errors import LibraryDamaged, UsageError
from openbook.index import ledger_documents, ledger_opening, ledger_sources
from openbook.index.ledger import LEDGER_NAME, Ledger
from openbook.index.records import FileRecord
from openbook.index.schema import FORMAT_VERSION, PAGE_SIZE, migrate
from openbook.types import Answer, Chunk, Citation, Document, Evidence

TEXT = "The heron eats fish."


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """The file of a ledger of format 1 with one document, as the first openbook wrote it."""
    path = tmp_path / LEDGER_NAME
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(f"PRAGMA page_size = {PAGE_SIZE}")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("BEGIN")
        migrate(connection, 0, target=1)
        connection.execute("INSERT INTO facts (name, value) VALUES ('library_id', 'old one')")
        source = ledger_sources.put_source(connection, "/birds", "folder")
        file = FileRecord("heron.md", source.id, len(TEXT), 1, b"", "added")
        document = Document("heron.md", TEXT, "text/markdown", title="Herons")
        ledger_documents.put_document(
            connection, source.id, document, [Chunk(0, 0, len(TEXT), TEXT, heading="Food")], file
        )
        connection.execute("COMMIT")
    return path


def version_of(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("PRAGMA user_version").fetchone()[0])


def test_an_old_ledger_can_be_read_as_it_is(old: Path) -> None:
    with Ledger(old, read_only=True) as ledger:
        assert ledger.library_id == "old one"
        assert ledger.counts().documents == 1
        assert ledger.conversations() == []
        assert ledger.check() == []
        with pytest.raises(UsageError, match="no conversation 1"):
            ledger.turns(1)
    assert version_of(old) == 1


def test_an_old_ledger_is_brought_up_in_place_and_keeps_all_it_has(old: Path) -> None:
    with Ledger(old) as ledger:
        assert ledger.library_id == "old one"
        assert ledger.text(1, 0, 99) == TEXT
        conversation = ledger.put_conversation("Birds")
        evidence = Evidence(1, "heron.md", 1, 0, len(TEXT), None, "Food", TEXT, 0.5, title="Herons")
        citation = Citation(0, 5, 1, "heron", True, 4, 9)
        answer = Answer("What?", "Fish.", "answered", 0.5, (citation,), (evidence,), "quotes", meant="What?")
        ledger.put_turn(conversation.id, answer)
        assert ledger.check() == []
    assert version_of(old) == FORMAT_VERSION
    with Ledger(old, read_only=True) as ledger:
        (turn,) = ledger.turns(conversation.id)
        assert turn.answer == answer


def test_removing_from_an_old_ledger_needs_no_conversations(old: Path) -> None:
    with Ledger(old) as ledger:
        ledger.remove_documents([1])
        assert ledger.counts().documents == 0
        assert ledger.check() == []


@pytest.mark.parametrize("read_only", [False, True])
def test_an_old_ledger_that_was_tampered_with_is_refused(old: Path, read_only: bool) -> None:
    with closing(sqlite3.connect(old)) as connection:
        connection.execute("CREATE TRIGGER evil AFTER INSERT ON settings BEGIN DELETE FROM chunks; END")
    with pytest.raises(LibraryDamaged, match="evil"):
        Ledger(old, read_only=read_only)


def test_no_trigger_of_others_runs_while_an_old_ledger_is_brought_up(old: Path) -> None:
    with closing(sqlite3.connect(old)) as connection:
        connection.execute("CREATE TRIGGER evil BEFORE INSERT ON facts BEGIN DELETE FROM chunks; END")
    with pytest.raises(LibraryDamaged, match="evil"):
        Ledger(old)
    assert version_of(old) == 1
    with closing(sqlite3.connect(old)) as connection:
        assert connection.execute("SELECT count(*) FROM chunks").fetchone() == (1,)


@pytest.mark.parametrize("read_only", [False, True])
def test_an_old_ledger_may_be_brought_up_by_another_process_at_the_same_time(
    old: Path, read_only: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    check = ledger_opening._check

    def brought_up_meanwhile(connection: sqlite3.Connection, path: Path, version: int) -> None:
        monkeypatch.setattr(ledger_opening, "_check", check)
        Ledger(old).close()
        check(connection, path, version)

    monkeypatch.setattr(ledger_opening, "_check", brought_up_meanwhile)
    with Ledger(old, read_only=read_only) as ledger:
        assert ledger.conversations() == []
        assert ledger.library_id == "old one"


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE turns SET answer = 'no JSON'",
        "UPDATE turns SET answer = '[]'",
        "UPDATE turns SET answer = '{}'",
        "UPDATE turns SET answer = replace(answer, '\"answered\"', '\"perhaps\"')",
        "UPDATE turns SET answer = replace(answer, '\"Fish.\"', '7')",
        "UPDATE turns SET answer = replace(answer, '[0,5,1,', '[0,\"5\",1,')",
        "UPDATE turns SET answer = replace(answer, '\"confidence\":0.5', '\"confidence\":true')",
    ],
)
def test_a_turn_that_cannot_be_read_is_named(old: Path, statement: str) -> None:
    test_an_old_ledger_is_brought_up_in_place_and_keeps_all_it_has(old)
    with closing(sqlite3.connect(old, isolation_level=None)) as connection:
        connection.execute(statement)
    with Ledger(old) as ledger:
        with pytest.raises(LibraryDamaged, match="Turn 1 of a conversation cannot be read"):
            ledger.turns(1)
        assert any("Turn 1" in problem for problem in ledger.check())
        assert len(ledger.conversations()) == 1
        ledger.delete_conversations([1])
        assert ledger.check() == []


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("UPDATE turn_evidence SET start = 1", "rests on other text at 1"),
        (
            "UPDATE turns SET answer = replace(answer, '\"heron\",true', '\"swift\",true')",
            "quotes what is not",
        ),
        ("DELETE FROM turn_evidence", "quotes what is not"),
        ("UPDATE turn_evidence SET document_id = 9", "missing row of documents"),
    ],
)
def test_the_check_names_what_does_not_hold_together(old: Path, statement: str, words: str) -> None:
    test_an_old_ledger_is_brought_up_in_place_and_keeps_all_it_has(old)
    with closing(sqlite3.connect(old, isolation_level=None)) as connection:
        connection.execute(statement)
    with Ledger(old) as ledger:
        assert words in "\n".join(ledger.check())
