"""Broken, foreign, newer and read-only ledgers, and full disks: each has its own clear error."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from openbook.errors import (
    LibraryDamaged,
    LibraryError,
    LibraryNotFound,
    LibraryTooNew,
    UsageError,
)
from openbook.index import ledger_opening, schema
from openbook.index.ledger import LEDGER_NAME, Ledger
from openbook.index.schema import FORMAT_VERSION

if TYPE_CHECKING:
    from tests.index_ledger.conftest import Shelf


@pytest.fixture
def closed(shelf: Shelf) -> Path:
    """The file of a ledger with 200 documents that nobody has open."""
    with shelf.ledger.transaction():
        for number in range(200):
            shelf.put(f"{number}.txt", f"text {number}\n\n" + "more words " * 60)
    shelf.ledger.close()
    return shelf.ledger.path


def change(path: Path, *statements: str) -> None:
    """Change a ledger behind openbook's back."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


@pytest.mark.parametrize("read_only", [False, True])
def test_nothing_there(tmp_path: Path, read_only: bool) -> None:
    with pytest.raises(LibraryNotFound, match=r"no .ledger\.sqlite. there"):
        Ledger(tmp_path / "nowhere" / LEDGER_NAME, read_only=read_only)
    assert not (tmp_path / "nowhere").exists()


def test_an_interrupted_creation_is_no_library_until_it_is_repeated(tmp_path: Path) -> None:
    path = tmp_path / LEDGER_NAME
    path.touch()
    for read_only in (False, True):
        with pytest.raises(LibraryNotFound, match="interrupted"):
            Ledger(path, read_only=read_only)
    with Ledger(path, create=True) as ledger:
        assert ledger.counts().documents == 0
    with pytest.raises(UsageError, match="read-only at once"):
        Ledger(path, create=True, read_only=True)


@pytest.mark.parametrize("read_only", [False, True])
@pytest.mark.parametrize("part", [0.01, 0.5, 0.98])
def test_a_ledger_cut_short_is_damaged(closed: Path, part: float, read_only: bool) -> None:
    os.truncate(closed, int(closed.stat().st_size * part))
    with pytest.raises(LibraryDamaged, match="Your own files are untouched"):
        Ledger(closed, read_only=read_only)


@pytest.mark.parametrize("content", [b"not a database at all " * 999, b"SQLite format 3\0" + b"\xff" * 20000])
def test_garbage_is_damaged_and_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / LEDGER_NAME
    path.write_bytes(content)
    with pytest.raises(LibraryDamaged, match="damaged"):
        Ledger(path, create=True)
    assert path.read_bytes() == content


def test_a_page_of_garbage_is_found_by_the_check(closed: Path) -> None:
    with closed.open("r+b") as file:
        file.seek(closed.stat().st_size // 2)
        file.write(os.urandom(3 * 8192))
    with Ledger(closed) as ledger:
        assert ledger.check() != []


def test_another_database_is_refused_and_not_changed(tmp_path: Path) -> None:
    path = tmp_path / LEDGER_NAME
    change(path, "CREATE TABLE notes (text)", "INSERT INTO notes VALUES ('mine')")
    before = path.read_bytes()
    with pytest.raises(LibraryDamaged, match="not a ledger of openbook"):
        Ledger(path, create=True)
    assert path.read_bytes() == before


@pytest.mark.parametrize("read_only", [False, True])
def test_a_newer_format_is_refused(closed: Path, read_only: bool) -> None:
    change(closed, f"PRAGMA user_version = {FORMAT_VERSION + 1}")
    with pytest.raises(LibraryTooNew, match="pip install --upgrade openbook"):
        Ledger(closed, read_only=read_only)


def test_an_older_format_is_brought_up_once_it_may_be_written(
    closed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    newer = (*schema.MIGRATIONS, "CREATE TABLE novelties (name TEXT PRIMARY KEY) STRICT;\n")
    monkeypatch.setattr(schema, "MIGRATIONS", newer)
    monkeypatch.setattr(schema, "FORMAT_VERSION", len(newer))
    monkeypatch.setattr(ledger_opening, "FORMAT_VERSION", len(newer))
    monkeypatch.setattr(ledger_opening, "OLDEST_READABLE", len(newer))
    with pytest.raises(LibraryError, match=f"older format {FORMAT_VERSION}"):
        Ledger(closed, read_only=True)
    with Ledger(closed) as ledger:
        name = ledger.library_id
        assert ledger.counts().documents == 200
        assert ledger.check() == []
    with Ledger(closed, read_only=True) as ledger:
        assert ledger.library_id == name


def test_a_replaced_file_is_noticed(shelf: Shelf, tmp_path: Path) -> None:
    shelf.ledger.remove_documents([shelf.put("a.txt", "one")])
    Ledger(tmp_path / "other.sqlite", create=True).close()
    (tmp_path / "other.sqlite").replace(shelf.ledger.path)
    with pytest.raises(LibraryError):
        shelf.ledger.checkpoint()


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TRIGGER evil AFTER INSERT ON settings BEGIN DELETE FROM chunks; END",
        "CREATE VIEW evil AS SELECT load_extension('evil.so')",
        "CREATE TABLE evil (a TEXT)",
        "CREATE INDEX evil ON documents (lower(title))",
        "DROP INDEX chunks_by_text",
        "ALTER TABLE documents ADD COLUMN evil TEXT AS (hex(zeroblob(1000000000)))",
    ],
)
@pytest.mark.parametrize("read_only", [False, True])
def test_a_foreign_schema_is_refused_before_anything_of_it_runs(
    closed: Path, statement: str, read_only: bool
) -> None:
    change(closed, statement)
    with pytest.raises(LibraryDamaged, match="changed by another program"):
        Ledger(closed, read_only=read_only)
    with closing(sqlite3.connect(closed)) as connection:
        assert connection.execute("SELECT count(*) FROM chunks").fetchone() == (400,)


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("UPDATE documents SET characters = characters + 1 WHERE id = 7", "'6.txt' (document 7) has"),
        ("UPDATE blocks SET text = replace(text, 'text 6', 'text 7') WHERE document_id = 7", "other text at"),
        ("DELETE FROM chunks WHERE document_id = 7 AND position = 1", "1 chunks; expected 2"),
        ("UPDATE chunks SET position = 9 WHERE document_id = 7 AND position = 1", "do not follow"),
        ("UPDATE files SET document_id = 8 WHERE document_id = 7", "name documents of another"),
        ("UPDATE documents SET metadata = '[' WHERE id = 7", "unreadable metadata"),
        ("UPDATE documents SET metadata = '[]' WHERE id = 7", "not names with values"),
        ('UPDATE documents SET marks = \'[["page",0,99999,"",1]]\' WHERE id = 7', "mark outside its text"),
        ("DELETE FROM documents WHERE id = 7", "missing row of documents"),
        ("INSERT INTO generations VALUES (1, 'f', 'n', 8, 'active', '')", "have no vector"),
    ],
)
def test_the_check_names_what_does_not_hold_together(closed: Path, statement: str, words: str) -> None:
    change(closed, statement)
    with Ledger(closed) as ledger:
        assert words in "\n".join(ledger.check())


def test_a_library_on_a_read_only_disk_can_be_searched(closed: Path, tmp_path: Path) -> None:
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("mounting a folder read-only needs Linux and root")
    mounted = subprocess.run(
        ["mount", "--bind", str(closed.parent), str(closed.parent)], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip(f"mounting is not possible here: {mounted.stderr!r}")
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", str(closed.parent)], check=True)
        with Ledger(closed) as ledger:
            assert ledger.read_only
            assert ledger.counts().documents == 200
            assert ledger.chunks([3])[3].text == "text 1"
            with pytest.raises(LibraryError, match="reading only"):
                ledger.put_settings({"a": "b"})
    finally:
        subprocess.run(["umount", str(closed.parent)], check=True)


FILLING = """
import resource, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from writing_process import numbered, put
from openbook.errors import StorageFull
from openbook.index.ledger import Ledger
with Ledger(Path(sys.argv[1]), create=True) as ledger:
    source = ledger.put_source("/numbered", "folder")
    limit = int(sys.argv[3])
    if limit:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    number = 0
    try:
        while number < 5000:
            with ledger.transaction():
                put(ledger, source.id, number, 0)
                put(ledger, source.id, number + 1, 0)
            number += 2
    except StorageFull as error:
        assert "reported done" in str(error), error
        assert ledger.counts().documents == number, (ledger.counts(), number)
        assert ledger.check() == []
        print("full after", number)
"""


def fill(path: Path, limit: int) -> int:
    """Write documents in a process of its own until the disk is full; return how many were reported done."""
    filled = subprocess.run(
        [sys.executable, "-c", FILLING, str(path), str(Path(__file__).parent), str(limit)],
        check=False,
        capture_output=True,
        text=True,
    )
    assert filled.stdout.startswith("full after"), filled.stderr
    return int(filled.stdout.split()[-1])


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on the size of files")
def test_a_limit_on_the_size_of_files_loses_nothing_that_was_reported(tmp_path: Path) -> None:
    path = tmp_path / LEDGER_NAME
    done = fill(path, 1_500_000)
    assert done > 5
    with Ledger(path) as ledger:
        assert ledger.check() == []
        assert ledger.counts().documents == done


def test_a_full_disk_loses_nothing_that_was_reported(tmp_path: Path) -> None:
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("mounting a small disk needs Linux and root")
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(disk)], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip(f"mounting is not possible here: {mounted.stderr!r}")
    try:
        done = fill(disk / LEDGER_NAME, 0)
        assert done > 5
        with Ledger(disk / LEDGER_NAME) as ledger:
            assert ledger.check() == []
            assert ledger.counts().documents == done
    finally:
        subprocess.run(["umount", str(disk)], check=True)
