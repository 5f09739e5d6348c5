"""The open ledger file: transactions, threads, and getting everything to the disk.

One connection writes, guarded by a lock; reads take one from a pool, so that
threads never wait for each other or for the writer. Write-ahead logging lets
readers in other processes go on while one writes.

Durability: commits do not wait for the disk (`synchronous=NORMAL`). Killing
the process, even with -9, loses nothing that was committed, because the
operating system has it. A power cut may take back the newest commits, whole
ones only and in order, unless `checkpoint` returned since: it waits for the
disk. So a run of 10,000 files needs one such wait, not 10,000.

Refused: a connection per thread (threads of a server come and go and leave
theirs behind), and opening the file by other means than SQLite while a
connection is open (see `ledger_scrub` for the one exception and its price).
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from openbook.errors import LibraryError, LibraryLocked, LibraryNotFound, StorageFull, UsageError
from openbook.index.ledger_errors import NO_PERMISSION, name_of, raise_translated
from openbook.index.ledger_opening import (
    BUSY_SECONDS,
    connect,
    log_is_empty,
    open_for_reading,
    open_for_writing,
)
from openbook.index.ledger_scrub import SharedFile, scrub, scrub_is_done, scrub_is_due


class Connections:
    """The open ledger file. Thread-safe; `close` ends it for all threads."""

    def __init__(self, path: Path, *, create: bool = False, read_only: bool = False) -> None:
        if read_only and create:
            raise UsageError("A ledger cannot be created and opened read-only at once; choose one.")
        if not path.is_file():
            if not create:
                raise LibraryNotFound(f"There is no library at {str(path.parent)!r}: no {path.name!r} there.")
            path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self.read_only = read_only
        self._immutable = False
        self._closed = False
        self._idle: list[sqlite3.Connection] = []
        self._writer: sqlite3.Connection | None = None
        self._write_lock = threading.RLock()
        self._writing_thread: int | None = None
        try:
            self._open(create)
        except sqlite3.Error as error:
            raise_translated(error, path)
        self._file = SharedFile(path)

    def _open(self, create: bool) -> None:
        if not self.read_only:
            try:
                self._writer = open_for_writing(self.path, create=create)
                return
            except sqlite3.OperationalError as error:
                if not name_of(error).startswith(NO_PERMISSION) or not self.path.is_file():
                    raise
            # Searching needs no permission to write, so the library opens; a write says why it cannot.
            self.read_only = True
        reader, self._immutable = open_for_reading(self.path)
        self._idle.append(reader)

    def close(self) -> None:
        """Close every connection. Harmless when repeated."""
        with self._write_lock:
            if self._writing_thread is not None:
                raise UsageError("The ledger cannot be closed inside a transaction; end it first.")
            if self._closed:
                return
            self._closed = True
            while self._idle:
                self._idle.pop().close()
            if self._writer is not None:
                self._writer.close()
                self._writer = None
            self._file.release()

    # Transactions

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection with one consistent view. Inside a thread's own transaction, that one."""
        if self._writing_thread == threading.get_ident() and self._writer is not None:
            yield self._writer
            return
        with self._reader() as connection:
            connection.execute("BEGIN")
            yield connection

    @contextmanager
    def _reader(self) -> Iterator[sqlite3.Connection]:
        """Lend a connection of the pool, or a new one; its transaction ends when it comes back."""
        self._check_open()
        connection: sqlite3.Connection | None = None
        try:
            try:
                connection = self._idle.pop()
            except IndexError:
                connection = connect(self.path, mode="ro", immutable=self._immutable)
            yield connection
            if connection.in_transaction:
                connection.execute("COMMIT")
            self._idle.append(connection)
            connection = None if not self._closed else self._idle.pop()
        except sqlite3.Error as error:
            raise_translated(error, self.path)
        finally:
            if connection is not None:  # after an error, or when the ledger was closed meanwhile
                connection.close()

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction: all of it is stored, or after an exception nothing. Nests (savepoints)."""
        if self.read_only:
            raise LibraryError(
                f"The library {str(self.path.parent)!r} is open for reading only; to change it, open it for "
                "writing in a folder where you may write."
            )
        with self._write_lock:
            self._check_open()
            outermost = self._writing_thread is None
            try:
                with self._outer_transaction() if outermost else self._inner_transaction() as connection:
                    yield connection
            except sqlite3.Error as error:
                raise_translated(error, self.path)

    @contextmanager
    def _outer_transaction(self) -> Iterator[sqlite3.Connection]:
        writer = self._open_writer()
        writer.execute("BEGIN IMMEDIATE")
        self._writing_thread = threading.get_ident()
        try:
            yield writer
            self._check_not_rolled_back(writer)
            writer.execute("COMMIT")
        finally:
            self._writing_thread = None
            if writer.in_transaction:
                writer.execute("ROLLBACK")

    @contextmanager
    def _inner_transaction(self) -> Iterator[sqlite3.Connection]:
        writer = self._open_writer()
        self._check_not_rolled_back(writer)
        writer.execute("SAVEPOINT inner_write")
        try:
            yield writer
        except BaseException:
            if writer.in_transaction:
                writer.execute("ROLLBACK TO inner_write")
                writer.execute("RELEASE inner_write")
            raise
        writer.execute("RELEASE inner_write")

    def _check_not_rolled_back(self, writer: sqlite3.Connection) -> None:
        """SQLite ends a whole transaction when the disk is full; what follows must not commit on its own."""
        if not writer.in_transaction:
            raise StorageFull(
                f"A transaction on {str(self.path)!r} was taken back after an error (most likely a full "
                "disk); nothing of it was stored. What was reported done before is safe."
            )

    def _open_writer(self) -> sqlite3.Connection:
        if self._writer is None:
            self._writer = connect(self.path, mode="rw")
        return self._writer

    def _check_open(self) -> None:
        if self._closed:
            raise UsageError(f"The ledger {str(self.path)!r} is closed; open the library again.")

    # The disk

    def checkpoint(self, seconds: float) -> None:
        """Move the write-ahead log into the ledger, wait for the disk, and overwrite removed text.

        Raises LibraryLocked if another reader or writer kept the log in use for `seconds`.
        """
        with self._write_lock:
            self._check_open()
            if self._writing_thread is not None:
                raise UsageError("A checkpoint is not possible inside a transaction; end it first.")
            try:
                self._empty_log(seconds)
                if scrub_is_due(self._open_writer()):
                    self._scrub(seconds)
                    self._empty_log(seconds)
            except sqlite3.Error as error:
                raise_translated(error, self.path)

    def copy_to(self, path: Path) -> None:
        """Write a consistent copy without free pages (VACUUM INTO). Raises UsageError if `path` exists."""
        if path.exists():
            raise UsageError(f"{str(path)!r} exists already; name a file that does not.")
        try:
            with self._reader() as connection:
                connection.execute("PRAGMA query_only = OFF")  # the copy counts as writing, though not here
                connection.execute("VACUUM INTO ?", (str(path.absolute()),))
                connection.execute("PRAGMA query_only = ON")
        except BaseException:
            path.unlink(missing_ok=True)
            raise

    def _empty_log(self, seconds: float) -> None:
        writer = self._open_writer()
        writer.execute(f"PRAGMA busy_timeout = {int(seconds * 1000)}")
        try:
            busy, _, _ = writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        finally:
            writer.execute(f"PRAGMA busy_timeout = {int(BUSY_SECONDS * 1000)}")
        if busy:
            raise self._log_in_use()

    def _scrub(self, seconds: float) -> None:
        """Overwrite the remains of removed rows, on a connection that has none of them in its cache."""
        connection = connect(self.path, mode="rw")
        try:
            connection.execute(f"PRAGMA busy_timeout = {int(seconds * 1000)}")
            connection.execute("BEGIN IMMEDIATE")
            if not log_is_empty(self.path):  # another process wrote since the log was emptied
                raise self._log_in_use()
            scrub(connection, self._file.handle())
            scrub_is_done(connection)
            connection.execute("COMMIT")
        finally:
            connection.close()

    def _log_in_use(self) -> LibraryLocked:
        return LibraryLocked(
            f"The write-ahead log of {str(self.path)!r} is in use by another reader or writer, so removed "
            "text may still be in the library's files. Nothing is lost; try again when the other is done."
        )
