"""Sources and the last outcome of every file, as functions on an open transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from openbook.errors import UsageError
from openbook.index.ledger_scrub import scrub_will_be_due
from openbook.index.records import FileRecord, Source, SourceKind

_COLUMNS = "source_id, path, size, mtime_ns, content_hash, outcome, reason, document_id, checked_at"


def put_source(connection: sqlite3.Connection, root: str, kind: SourceKind) -> Source:
    """Return the source with this root, added if it is new. The kind of a known one is updated."""
    row = connection.execute(
        "INSERT INTO sources (root, kind) VALUES (?, ?) "
        "ON CONFLICT (root) DO UPDATE SET kind = excluded.kind RETURNING id, root, kind",
        (root, kind),
    ).fetchone()
    return Source(*row)


def sources(connection: sqlite3.Connection) -> list[Source]:
    """Return all sources, oldest first."""
    return [Source(*row) for row in connection.execute("SELECT id, root, kind FROM sources ORDER BY id")]


def drop_source(connection: sqlite3.Connection, source_id: int) -> None:
    """Forget a source and its files' outcomes. Raises UsageError while it has documents."""
    documents = connection.execute(
        "SELECT count(*) FROM documents WHERE source_id = ?", (source_id,)
    ).fetchone()[0]
    if documents:
        raise UsageError(
            f"Source {source_id} still has {documents} documents; remove them before the source."
        )
    scrub_will_be_due(connection)
    connection.execute("DELETE FROM files WHERE source_id = ?", (source_id,))
    connection.execute("DELETE FROM sources WHERE id = ?", (source_id,))


def files(connection: sqlite3.Connection, source_id: int) -> dict[str, FileRecord]:
    """Return the file records of a source by path."""
    rows = connection.execute(f"SELECT {_COLUMNS} FROM files WHERE source_id = ?", (source_id,))
    return {row[1]: _file(row) for row in rows}


def file_of(connection: sqlite3.Connection, document_id: int) -> FileRecord | None:
    """Return the record of the file that a document was read from; None if it came from no file."""
    row = connection.execute(f"SELECT {_COLUMNS} FROM files WHERE document_id = ?", (document_id,)).fetchone()
    return _file(row) if row is not None else None


def record_files(connection: sqlite3.Connection, source_id: int, records: Iterable[FileRecord]) -> None:
    """Add or replace file records; each is stored under `source_id`."""
    connection.executemany(
        f"INSERT OR REPLACE INTO files ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        ((source_id, *_values(record)[1:]) for record in records),
    )


def touch_files(
    connection: sqlite3.Connection, source_id: int, paths: Iterable[str], checked_at: str
) -> None:
    """Note that these files were found unchanged at `checked_at`.

    A file with a document is `unchanged` now; a failed, skipped or empty one
    keeps its outcome and reason, which still hold.
    """
    connection.executemany(
        "UPDATE files SET checked_at = ?, "
        "outcome = CASE WHEN document_id IS NULL THEN outcome ELSE 'unchanged' END "
        "WHERE source_id = ? AND path = ?",
        ((checked_at, source_id, path) for path in paths),
    )


def forget_files(connection: sqlite3.Connection, source_id: int, paths: Iterable[str]) -> None:
    """Drop the records of these files; documents stay."""
    cursor = connection.executemany(
        "DELETE FROM files WHERE source_id = ? AND path = ?", ((source_id, path) for path in paths)
    )
    if cursor.rowcount > 0:
        scrub_will_be_due(connection)


def outcome_counts(connection: sqlite3.Connection) -> dict[str, int]:
    """Return the number of files by last outcome."""
    rows = connection.execute("SELECT outcome, count(*) FROM files GROUP BY outcome ORDER BY outcome")
    return {str(outcome): int(count) for outcome, count in rows}


def adopt_files(connection: sqlite3.Connection, old_id: int, new_id: int, prefix: str) -> None:
    """Move file records of one source under another; where both know a path, the new one's stays."""
    moved = [
        replace(record, source_id=new_id, path=joined(prefix, record.path))
        for record in files(connection, old_id).values()
    ]
    connection.execute("DELETE FROM files WHERE source_id = ?", (old_id,))
    connection.executemany(
        f"INSERT OR IGNORE INTO files ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (_values(record) for record in moved),
    )


def joined(prefix: str, path: str) -> str:
    """Put a folder in front of a library path; an empty prefix changes nothing."""
    prefix = prefix.strip("/")
    return f"{prefix}/{path}" if prefix else path


def _file(row: tuple[Any, ...]) -> FileRecord:
    source_id, path, *rest = row
    return FileRecord(path, source_id, *rest)


def _values(record: FileRecord) -> tuple[object, ...]:
    return (
        record.source_id,
        record.path,
        record.size,
        record.mtime_ns,
        record.content_hash,
        record.outcome,
        record.reason,
        record.document_id,
        record.checked_at,
    )
