"""Connections to the ledger's file: who may open it, transactions, and what SQLite's errors mean here.

One connection writes, guarded by a lock; reads take one from a pool, so that
threads never wait for each other or for the writer. Write-ahead logging lets
readers in other processes go on while one writes.

Durability: commits do not wait for the disk (`synchronous=NORMAL`). Killing
the process, even with -9, loses nothing that was committed, because the
operating system has it. A power cut may take back the newest commits, whole
ones only and never in the middle of one, unless `checkpoint` returned since:
it waits for the disk. So a run of 10,000 files needs one such wait, not 10,000.

A ledger made by someone else is data: its schema must equal ours to the
letter, so that no foreign trigger, view or expression ever runs.

Refused: a connection per thread (threads of a server come and go and leave
theirs behind), and opening the file by any other means than SQLite while a
connection is open: on POSIX, closing such a handle drops SQLite's own locks.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NoReturn

from openbook.errors import (
    LibraryDamaged,
    LibraryError,
    LibraryLocked,
    LibraryNotFound,
    LibraryTooNew,
    OpenbookError,
    StorageFull,
    UsageError,
)
from openbook.index.schema import (
    APPLICATION_ID,
    FORMAT_VERSION,
    PAGE_SIZE,
    expected_schema,
    migrate,
    schema_of,
)
from openbook.index.where import register_functions

BUSY_SECONDS: Final = 30.0
"""How long SQLite waits for another process's transaction, each of which takes well under a second."""

_FULL: Final = ("SQLITE_FULL", "SQLITE_IOERR_WRITE", "SQLITE_IOERR_SHMSIZE", "SQLITE_IOERR_TRUNCATE")
_NO_PERMISSION: Final = ("SQLITE_CANTOPEN", "SQLITE_READONLY", "SQLITE_PERM", "SQLITE_AUTH")
_DAMAGED: Final = ("SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_IOERR_SHORT_READ", "SQLITE_FORMAT")


class Connections:
    """The open ledger file. Thread-safe; `close` ends it for all threads."""

    def __init__(self, path: Path, *, create: bool = False, read_only: bool = False) -> None:
        self.path = path
        self.read_only = read_only
        self._create = create
        self._immutable = False
        self._closed = False
        self._idle: list[sqlite3.Connection] = []
        self._writer: sqlite3.Connection | None = None
        self._write_lock = threading.RLock()
        self._writing_thread: int | None = None
        if read_only and create:
            raise UsageError("A ledger cannot be created and opened read-only at once; choose one.")
        if not path.is_file():
            if not create:
                raise LibraryNotFound(f"There is no library at {str(path.parent)!r}: no {path.name!r} there.")
            path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._start(create)
        except sqlite3.Error as error:
            self._close_all()
            self.translate(error)
        except BaseException:
            self._close_all()
            raise

    # Transactions

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection with one consistent view. Inside a thread's own transaction, that one."""
        if self._writing_thread == threading.get_ident() and self._writer is not None:
            yield self._writer
            return
        self._check_open()
        try:
            connection = self._idle.pop() if self._idle else self._connect()
        except sqlite3.Error as error:
            self.translate(error)
        try:
            connection.execute("BEGIN")
            yield connection
        except sqlite3.Error as error:
            self.translate(error)
        finally:
            self._give_back(connection)

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction: all of it is stored, or after an exception nothing. Nests (savepoints)."""
        if self.read_only:
            raise LibraryError(f"The library {str(self.path.parent)!r} is open for reading only.")
        with self._write_lock:
            self._check_open()
            try:
                if self._writing_thread is None:
                    with self._outer_transaction() as connection:
                        yield connection
                else:
                    with self._inner_transaction() as connection:
                        yield connection
            except sqlite3.Error as error:
                self.translate(error)

    @contextmanager
    def _outer_transaction(self) -> Iterator[sqlite3.Connection]:
        if self._writer is None:
            self._writer = self._connect(writing=True)
        writer = self._writer
        writer.execute("BEGIN IMMEDIATE")
        self._writing_thread = threading.get_ident()
        try:
            yield writer
            if not writer.in_transaction:
                raise StorageFull(self._rolled_back())
            writer.execute("COMMIT")
        finally:
            self._writing_thread = None
            if writer.in_transaction:
                writer.execute("ROLLBACK")

    @contextmanager
    def _inner_transaction(self) -> Iterator[sqlite3.Connection]:
        writer = self._writer
        if writer is None or not writer.in_transaction:
            raise StorageFull(self._rolled_back())
        writer.execute("SAVEPOINT inner_write")
        try:
            yield writer
        except BaseException:
            if writer.in_transaction:
                writer.execute("ROLLBACK TO inner_write")
                writer.execute("RELEASE inner_write")
            raise
        writer.execute("RELEASE inner_write")

    def _rolled_back(self) -> str:
        return (
            f"A transaction on {str(self.path)!r} was rolled back after an earlier error; "
            "nothing of it was stored. What was reported done before is safe."
        )

    # Maintenance

    def checkpoint(self, seconds: float) -> None:
        """Move the write-ahead log into the ledger, wait for the disk, and cut the log to nothing.

        Raises LibraryLocked if a reader kept the log in use for `seconds`.
        """
        with self._write_lock:
            self._check_open()
            if self._writing_thread is not None:
                raise UsageError("A checkpoint is not possible inside a transaction; end it first.")
            try:
                if self._writer is None:
                    self._writer = self._connect(writing=True)
                self._writer.execute(f"PRAGMA busy_timeout = {int(seconds * 1000)}")
                try:
                    busy, _, _ = self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
                finally:
                    self._writer.execute(f"PRAGMA busy_timeout = {int(BUSY_SECONDS * 1000)}")
            except sqlite3.Error as error:
                self.translate(error)
            if busy:
                raise LibraryLocked(
                    f"The write-ahead log of {str(self.path)!r} is still in use by another reader or writer, "
                    "so removed text may still be in it. Nothing is lost; try again when the other is done."
                )

    def copy_to(self, path: Path) -> None:
        """Write a consistent copy without free pages (VACUUM INTO). Raises UsageError if `path` exists."""
        if path.exists():
            raise UsageError(f"{str(path)!r} exists already; name a file that does not.")
        self._check_open()
        try:
            connection = self._idle.pop() if self._idle else self._connect()
        except sqlite3.Error as error:
            self.translate(error)
        try:
            connection.execute("PRAGMA query_only = OFF")  # VACUUM INTO counts as writing, though not here
            connection.execute("VACUUM INTO ?", (str(path.absolute()),))
            connection.execute("PRAGMA query_only = ON")
        except sqlite3.Error as error:
            path.unlink(missing_ok=True)
            self.translate(error)
        finally:
            self._give_back(connection)

    def close(self) -> None:
        """Close every connection. Harmless when repeated."""
        with self._write_lock:
            if self._writing_thread is not None:
                raise UsageError("The ledger cannot be closed inside a transaction; end it first.")
            self._close_all()

    # Opening

    def _start(self, create: bool) -> None:
        if self.read_only:
            self._idle.append(self._checked_reader())
            return
        try:
            writer = self._connect(writing=True)
            self._writer = writer
            version = self._version(writer)
            if version < FORMAT_VERSION:
                self._bring_up(writer, version, create)
            self._check_schema(writer)
        except sqlite3.OperationalError as error:
            if not error.sqlite_errorname.startswith(_NO_PERMISSION):
                raise
            # Searching needs no permission to write, so the library opens; a write says why it cannot.
            self._close_all()
            self._closed = False
            self.read_only = True
            self._idle.append(self._checked_reader())

    def _checked_reader(self) -> sqlite3.Connection:
        """Open for reading, also in a folder where SQLite cannot put its shared-memory file."""
        try:
            connection = self._connect()
            version = self._version(connection)
        except sqlite3.OperationalError as error:
            log = self.path.with_name(self.path.name + "-wal")
            unused_log = not log.exists() or log.stat().st_size == 0
            if not error.sqlite_errorname.startswith(_NO_PERMISSION) or not unused_log:
                raise
            self._immutable = True
            connection = self._connect()
            version = self._version(connection)
        try:
            if version == 0:
                raise LibraryNotFound(f"{str(self.path)!r} is empty: its creation was interrupted.")
            if version < FORMAT_VERSION:
                raise LibraryError(
                    f"The library {str(self.path.parent)!r} has the older format {version} and is open for "
                    f"reading only; open it once for writing to bring it to format {FORMAT_VERSION}."
                )
            self._check_schema(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _connect(self, *, writing: bool = False) -> sqlite3.Connection:
        mode = "ro" if not writing else "rwc" if self._create else "rw"
        address = f"{self.path.absolute().as_uri()}?mode={mode}" + ("&immutable=1" if self._immutable else "")
        connection = sqlite3.connect(
            address, uri=True, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        try:
            self._configure(connection, writing)
        except BaseException:
            connection.close()
            raise
        return connection

    def _configure(self, connection: sqlite3.Connection, writing: bool) -> None:
        statements = [
            "PRAGMA trusted_schema = OFF",
            "PRAGMA cell_size_check = ON",
            "PRAGMA mmap_size = 0",
            "PRAGMA temp_store = MEMORY",  # sorted text must not reach files outside the library
        ]
        if writing:
            statements += [
                f"PRAGMA page_size = {PAGE_SIZE}",
                "PRAGMA secure_delete = ON",
                "PRAGMA journal_mode = WAL",
                "PRAGMA synchronous = NORMAL",
                "PRAGMA foreign_keys = ON",
                "PRAGMA wal_autocheckpoint = 4000",
                "PRAGMA cache_size = -32768",
            ]
        else:
            statements += ["PRAGMA query_only = ON", "PRAGMA cache_size = -8192"]
        for statement in statements:
            connection.execute(statement)
        register_functions(connection)

    def _version(self, connection: sqlite3.Connection) -> int:
        """Return the format version, 0 for a database without content."""
        version = int(connection.execute("PRAGMA user_version").fetchone()[0])
        application = int(connection.execute("PRAGMA application_id").fetchone()[0])
        objects = int(connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0])
        if version == 0 and application == 0 and objects == 0:
            return 0
        if application != APPLICATION_ID or version < 1:
            raise LibraryDamaged(
                f"{str(self.path)!r} is an SQLite database but not a ledger of openbook "
                f"(application id {application:#x}); expected one that openbook has written."
            )
        if version > FORMAT_VERSION:
            raise LibraryTooNew(
                f"The library {str(self.path.parent)!r} has format {version}; this openbook reads up to "
                f"format {FORMAT_VERSION}. Upgrade it: pip install --upgrade openbook"
            )
        return version

    def _bring_up(self, writer: sqlite3.Connection, version: int, create: bool) -> None:
        if version == 0 and not create:
            raise LibraryNotFound(f"The ledger {str(self.path)!r} is empty: its creation was interrupted.")
        writer.execute("BEGIN IMMEDIATE")
        try:
            migrate(writer, self._version(writer))  # asked again: another process may have been faster
            writer.execute(
                "INSERT OR IGNORE INTO facts (name, value) VALUES ('library_id', lower(hex(randomblob(16))))"
            )
            writer.execute("COMMIT")
        finally:
            if writer.in_transaction:
                writer.execute("ROLLBACK")

    def _check_schema(self, connection: sqlite3.Connection) -> None:
        found, expected = schema_of(connection), expected_schema()
        if found != expected:
            differing = sorted(name for (_, name), _ in found.items() ^ expected.items())
            raise LibraryDamaged(
                f"The ledger {str(self.path)!r} has unexpected or missing database objects: "
                f"{', '.join(dict.fromkeys(differing))!s}. It was changed by another program; "
                "nothing in it was run. Use a backup or export, or add the documents to a new library."
            )
        size = connection.execute("PRAGMA page_size").fetchone()[0]
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        log = self.path.with_name(self.path.name + "-wal")
        log_is_empty = not log.exists() or log.stat().st_size == 0
        if log_is_empty and self.path.stat().st_size < size * pages:
            self._raise_damaged(f"it has {self.path.stat().st_size} bytes of {size * pages}")

    # Endings

    def _give_back(self, connection: sqlite3.Connection) -> None:
        try:
            if connection.in_transaction:
                connection.execute("COMMIT")
        except sqlite3.Error:
            connection.close()
            raise
        if self._closed:
            connection.close()
        else:
            self._idle.append(connection)

    def _check_open(self) -> None:
        if self._closed:
            raise UsageError(f"The ledger {str(self.path)!r} is closed; open the library again.")

    def _close_all(self) -> None:
        self._closed = True
        while self._idle:
            self._idle.pop().close()
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _raise_damaged(self, detail: str, cause: BaseException | None = None) -> NoReturn:
        raise LibraryDamaged(
            f"The ledger {str(self.path)!r} is damaged ({detail}). Your own files are untouched: move the "
            "library folder away, then import an export of it or add the documents again."
        ) from cause

    def translate(self, error: sqlite3.Error) -> NoReturn:
        """Raise what an error of SQLite means for a library; unknown ones as they are."""
        name = getattr(error, "sqlite_errorname", "")
        folder = str(self.path.parent)
        raised: OpenbookError
        if name.startswith(_DAMAGED):
            self._raise_damaged(str(error), error)
        elif name.startswith(_FULL):
            raised = StorageFull(
                f"The ledger in {folder!r} could not grow ({error}). Free some space or lift the limit, then "
                "run the command again. What was reported done is safe."
            )
        elif name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            raised = LibraryLocked(
                f"Another process has been writing to the library {folder!r} for over {BUSY_SECONDS:g} s "
                f"({error}). Wait until it is done and try again."
            )
        elif name.startswith(_NO_PERMISSION):
            raised = LibraryError(
                f"The library {folder!r} cannot be written ({error}); check the permissions of the folder "
                f"and of {self.path.name!r}, or copy it to a place where you may write."
            )
        elif name.startswith("SQLITE_IOERR"):
            raised = LibraryError(
                f"The disk refused to read or write {str(self.path)!r} ({name}: {error}). "
                "Check the disk; what was reported done is safe."
            )
        else:
            raise error
        raise raised from error
