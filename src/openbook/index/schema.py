"""The tables of the ledger, their format version and how older versions are brought up.

Version n of the format is what the first n entries of `MIGRATIONS` make of an
empty database; a new version appends an entry and touches no earlier one. The
version stands in SQLite's `user_version`, and `application_id` says that the
file is a ledger at all.

Refused: full-text and vector extensions inside SQLite (20 to 100 times slower
than the derived indexes), triggers and views (a library made by someone else
must not be able to bring code), and storing a chunk's text: it is a slice of
the document's, so it can never differ from it.
"""

from __future__ import annotations

import sqlite3
from typing import Final

APPLICATION_ID: Final = 0x6F70626B  # "opbk"

PAGE_SIZE: Final = 8192
"""Bytes. Vectors of 768 to 3072 bytes waste less of a page than with SQLite's 4096."""

BLOCK: Final = 4096
"""Characters of text in one row of `blocks`. A chunk of usual size then lies in one or two rows,
and a slice of a 50 MB document costs microseconds."""

_FORMAT_1: Final = """
CREATE TABLE facts (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE settings (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE sources (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    root TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL CHECK (kind IN ('folder', 'file', 'memory'))
) STRICT;

CREATE TABLE documents (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    source_id INTEGER NOT NULL REFERENCES sources (id),
    path TEXT NOT NULL,
    title TEXT NOT NULL,
    language TEXT NOT NULL,
    media_type TEXT NOT NULL,
    characters INTEGER NOT NULL CHECK (characters >= 0),
    first_chunk INTEGER NOT NULL,
    chunks INTEGER NOT NULL CHECK (chunks >= 0),
    added_at TEXT NOT NULL,
    modified_at TEXT NOT NULL,
    metadata TEXT NOT NULL,
    marks TEXT NOT NULL,
    UNIQUE (source_id, path)
) STRICT;

CREATE TABLE blocks (
    id INTEGER PRIMARY KEY,
    document_id INTEGER NOT NULL REFERENCES documents (id),
    number INTEGER NOT NULL,
    text TEXT NOT NULL,
    UNIQUE (document_id, number)
) STRICT;

CREATE TABLE chunks (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    document_id INTEGER NOT NULL REFERENCES documents (id),
    position INTEGER NOT NULL,
    start INTEGER NOT NULL CHECK (start >= 0),
    "end" INTEGER NOT NULL CHECK ("end" >= start),
    context TEXT NOT NULL,
    heading TEXT NOT NULL,
    page INTEGER,
    place TEXT NOT NULL,
    text_hash BLOB NOT NULL,
    plain_hash BLOB NOT NULL,
    UNIQUE (document_id, position)
) STRICT;
CREATE INDEX chunks_by_text ON chunks (text_hash);
CREATE INDEX chunks_by_plain_text ON chunks (plain_hash);

CREATE TABLE files (
    source_id INTEGER NOT NULL REFERENCES sources (id),
    path TEXT NOT NULL,
    size INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL,
    content_hash BLOB NOT NULL,
    outcome TEXT NOT NULL,
    reason TEXT NOT NULL,
    document_id INTEGER REFERENCES documents (id),
    checked_at TEXT NOT NULL,
    PRIMARY KEY (source_id, path)
) STRICT, WITHOUT ROWID;
CREATE INDEX files_by_document ON files (document_id) WHERE document_id IS NOT NULL;

CREATE TABLE generations (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    fingerprint TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    dimension INTEGER NOT NULL CHECK (dimension > 0),
    state TEXT NOT NULL CHECK (state IN ('building', 'active', 'retired')),
    created_at TEXT NOT NULL
) STRICT;

CREATE TABLE vectors (
    id INTEGER PRIMARY KEY,
    text_hash BLOB NOT NULL,
    generation_id INTEGER NOT NULL REFERENCES generations (id),
    vector BLOB NOT NULL,
    UNIQUE (text_hash, generation_id)
) STRICT;

CREATE TABLE pending (
    generation_id INTEGER NOT NULL REFERENCES generations (id),
    first_chunk INTEGER NOT NULL,
    document_id INTEGER NOT NULL REFERENCES documents (id),
    chunks INTEGER NOT NULL,
    PRIMARY KEY (generation_id, first_chunk)
) STRICT, WITHOUT ROWID;
CREATE INDEX pending_by_document ON pending (document_id);

CREATE TABLE changes (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL CHECK (kind IN ('text', 'vectors', 'removed')),
    document_id INTEGER NOT NULL,
    first_chunk INTEGER NOT NULL,
    last_chunk INTEGER NOT NULL,
    generation_id INTEGER
) STRICT;
"""

_FORMAT_2: Final = """
CREATE TABLE conversations (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    losses INTEGER NOT NULL
) STRICT;

CREATE TABLE turns (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    conversation_id INTEGER NOT NULL REFERENCES conversations (id),
    question TEXT NOT NULL,
    meant TEXT NOT NULL,
    answer TEXT NOT NULL,
    redacted TEXT NOT NULL,
    created_at TEXT NOT NULL
) STRICT;
CREATE INDEX turns_by_conversation ON turns (conversation_id);

CREATE TABLE turn_evidence (
    turn_id INTEGER NOT NULL REFERENCES turns (id),
    number INTEGER NOT NULL,
    document_id INTEGER NOT NULL REFERENCES documents (id),
    start INTEGER NOT NULL CHECK (start >= 0),
    "end" INTEGER NOT NULL CHECK ("end" >= start),
    score REAL NOT NULL,
    text_hash BLOB NOT NULL,
    PRIMARY KEY (turn_id, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX turn_evidence_by_document ON turn_evidence (document_id);
"""

MIGRATIONS: Final[tuple[str, ...]] = (_FORMAT_1, _FORMAT_2)
FORMAT_VERSION: Final = len(MIGRATIONS)

OLDEST_READABLE: Final = 1
"""The oldest format that can be read where it cannot be brought up: newer ones only added tables to it."""

CONVERSATIONS_SINCE: Final = 2
"""The first format with conversations."""


def migrate(connection: sqlite3.Connection, version: int, *, target: int | None = None) -> None:
    """Bring a database from `version` (0: empty) to `target`, inside the caller's transaction.

    Without `target`, to `FORMAT_VERSION`.
    """
    target = FORMAT_VERSION if target is None else target
    for script in MIGRATIONS[version:target]:
        for statement in script.split(";\n"):
            if statement.strip():
                connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {target}")


def schema_of(connection: sqlite3.Connection) -> dict[tuple[str, str], str]:
    """Return the SQL of every object of a database by (type, name)."""
    rows = connection.execute("SELECT type, name, coalesce(sql, '') FROM sqlite_schema")
    return {(str(kind), str(name)): str(sql) for kind, name, sql in rows}


def expected_schema(version: int | None = None) -> dict[tuple[str, str], str]:
    """Return `schema_of` an untouched ledger of a format, the current one by default."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    try:
        migrate(connection, 0, target=version)
        return schema_of(connection)
    finally:
        connection.close()
