"""Opening the ledger's file: settings of every connection, and what is checked before anything is trusted.

A ledger made by someone else is data: nothing is changed in a file before it
is known to be a ledger, and its schema must equal ours to the letter, so that
no foreign trigger, view or expression ever runs.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Final

from openbook.errors import LibraryDamaged, LibraryError, LibraryNotFound, LibraryTooNew
from openbook.index.ledger_errors import NO_PERMISSION, damaged, name_of
from openbook.index.schema import (
    APPLICATION_ID,
    FORMAT_VERSION,
    OLDEST_READABLE,
    PAGE_SIZE,
    expected_schema,
    migrate,
    schema_of,
)
from openbook.index.where import register_functions

BUSY_SECONDS: Final = 30.0
"""How long SQLite waits for another process's transaction, each of which takes well under a second."""

OLDEST_SQLITE: Final = (3, 37)
"""The first SQLite with STRICT tables, which keep a foreign ledger from handing over unexpected types."""

_ALWAYS: Final = (
    "PRAGMA trusted_schema = OFF",
    "PRAGMA cell_size_check = ON",
    "PRAGMA mmap_size = 0",
    "PRAGMA temp_store = MEMORY",  # sorted text must not reach files outside the library
)
_WRITING: Final = (
    f"PRAGMA page_size = {PAGE_SIZE}",
    "PRAGMA secure_delete = ON",
    "PRAGMA synchronous = NORMAL",
    "PRAGMA foreign_keys = ON",
    "PRAGMA wal_autocheckpoint = 4000",
    "PRAGMA cache_size = -32768",
)
_READING: Final = ("PRAGMA query_only = ON", "PRAGMA cache_size = -8192")


def connect(path: Path, *, mode: str, immutable: bool = False) -> sqlite3.Connection:
    """Open a connection in `mode` ro, rw or rwc, with the settings of a reader or a writer.

    `immutable` is for a folder where SQLite cannot put its shared-memory file:
    no locks, no log, for a file that nobody is changing.
    """
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        raise LibraryError(
            f"This Python comes with SQLite {sqlite3.sqlite_version}; a library needs "
            f"{'.'.join(map(str, OLDEST_SQLITE))} or newer. Use a newer build of Python."
        )
    address = f"{path.absolute().as_uri()}?mode={mode}" + ("&immutable=1" if immutable else "")
    connection = sqlite3.connect(
        address, uri=True, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
    )
    try:
        for statement in (*_ALWAYS, *(_READING if mode == "ro" else _WRITING)):
            connection.execute(statement)
        register_functions(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def open_for_writing(path: Path, *, create: bool) -> sqlite3.Connection:
    """Return a checked connection that may write; an empty file becomes a ledger if `create`."""
    connection = connect(path, mode="rwc" if create else "rw")
    try:
        version = _checked_version(connection, path)
        if version == 0 and not create:
            raise LibraryNotFound(f"The ledger {str(path)!r} is empty: its creation was interrupted.")
        _write_ahead(connection)
        if version < FORMAT_VERSION:
            _bring_up(connection, path)
            _checked_version(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def open_for_reading(path: Path) -> tuple[sqlite3.Connection, bool]:
    """Return a checked connection that cannot write, and whether it had to be immutable."""
    immutable = False
    try:
        connection = connect(path, mode="ro")
        _version(connection, path)
    except sqlite3.OperationalError as error:
        if not name_of(error).startswith(NO_PERMISSION) or not log_is_empty(path):
            raise
        immutable = True
        connection = connect(path, mode="ro", immutable=True)
    try:
        version = _checked_version(connection, path)
        if version == 0:
            raise LibraryNotFound(f"The ledger {str(path)!r} is empty: its creation was interrupted.")
        if version < OLDEST_READABLE:
            raise LibraryError(
                f"The library {str(path.parent)!r} has the older format {version} and is open for reading "
                f"only; open it once for writing to bring it to format {FORMAT_VERSION}."
            )
    except BaseException:
        connection.close()
        raise
    return connection, immutable


def log_is_empty(path: Path) -> bool:
    """Say whether the file alone is the whole database, because its write-ahead log holds nothing."""
    log = path.with_name(path.name + "-wal")
    return not log.exists() or log.stat().st_size == 0


def _checked_version(connection: sqlite3.Connection, path: Path) -> int:
    """Return the format version, after a check that nothing else is in the schema; 0 without content.

    Both are seen at one moment: another process may be bringing the ledger up.
    """
    connection.execute("BEGIN")
    try:
        version = _version(connection, path)
        if version:
            _check(connection, path, version)
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
    return version


def _version(connection: sqlite3.Connection, path: Path) -> int:
    """Return the format version, 0 for a database without content."""
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    application = int(connection.execute("PRAGMA application_id").fetchone()[0])
    objects = int(connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0])
    if version == 0 and application == 0 and objects == 0:
        return 0
    if application != APPLICATION_ID or version < 1:
        raise LibraryDamaged(
            f"{str(path)!r} is an SQLite database but not a ledger of openbook (application id "
            f"{application:#x}); expected one that openbook has written. Nothing in it was changed."
        )
    if version > FORMAT_VERSION:
        raise LibraryTooNew(
            f"The library {str(path.parent)!r} has format {version}; this openbook reads up to "
            f"format {FORMAT_VERSION}. Upgrade it: pip install --upgrade openbook"
        )
    return version


def _write_ahead(connection: sqlite3.Connection) -> None:
    mode = connection.execute("PRAGMA journal_mode").fetchone()[0]
    if mode != "wal":  # a new ledger, or a copy made by `snapshot`
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("SELECT count(*) FROM sqlite_schema")  # opens the log, so that closing removes it


def _bring_up(connection: sqlite3.Connection, path: Path) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        version = _version(connection, path)  # asked again: another process may have been faster
        if version < FORMAT_VERSION:
            if version:  # the same for what it has changed: no trigger of others sees what follows
                _check(connection, path, version)
            migrate(connection, version)
            connection.execute(
                "INSERT OR IGNORE INTO facts (name, value) VALUES ('library_id', lower(hex(randomblob(16))))"
            )
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _check(connection: sqlite3.Connection, path: Path, version: int) -> None:
    found, expected = schema_of(connection), expected_schema(version)
    if found != expected:
        differing = dict.fromkeys(name for (_, name), _ in sorted(found.items() ^ expected.items()))
        raise LibraryDamaged(
            f"The ledger {str(path)!r} has unexpected or missing database objects: {', '.join(differing)}. "
            "It was changed by another program; nothing in it was run. Use a backup or an export, or add "
            "the documents to a new library."
        )
    size = int(connection.execute("PRAGMA page_size").fetchone()[0])
    pages = int(connection.execute("PRAGMA page_count").fetchone()[0])
    if log_is_empty(path) and path.stat().st_size < size * pages:
        raise damaged(path, f"it has {path.stat().st_size} bytes; expected {size * pages}")
