"""Overwriting the remains of removed text that SQLite's `secure_delete` leaves behind.

`secure_delete` overwrites a deleted row where it lies. But when rows had moved
to another page of their table before (pages are split and merged as rows come
and go), the old page still holds a copy in the space between its list of rows
and its first row, and nothing ever overwrites that: about 30 of 80,000 words
were found again in a ledger of 2 MB after a few hundred updates. VACUUM would
help, at the price of writing the whole ledger anew after every update. This
walks the tables that hold text and overwrites just that unused space.

Why this is safe: the caller holds SQLite's write lock and the write-ahead log
is empty, so the file is the whole database and nobody else changes it. The
bytes belong to no row by the definition of the file format
(https://sqlite.org/fileformat2.html, section 1.6), so a reader in the middle
of such a page, or a crash in the middle of the walk, sees nothing wrong.
Other connections must not write their cached pages, remains included, over
the clean ones: the caller commits a change afterwards, at which every
connection drops its cache.

On POSIX, closing any handle of a file drops all locks that the process has on
it, SQLite's included. So one handle per file is shared, counted, and closed
only when no connection of this process uses the file any more.
"""

from __future__ import annotations

import os
import sqlite3
import struct
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, Final

from openbook.errors import LibraryDamaged, LibraryError

_TABLES: Final = (
    "documents", "blocks", "chunks", "files", "sources", "settings", "generations", "conversations", "turns",
)  # fmt: skip
"""Tables with text. The others hold numbers, hashes and vectors."""

_HEADER: Final = struct.Struct(">BHHHB")  # page type, first free block, cells, start of content, fragments
_TABLE_INTERIOR, _INDEX_INTERIOR, _TABLE_LEAF, _INDEX_LEAF = 5, 2, 13, 10


class SharedFile:
    """A handle on a file that SQLite has open, too. `release` it after closing the connections."""

    _guard = threading.Lock()
    _users: ClassVar[dict[tuple[int, int], int]] = {}
    _handles: ClassVar[dict[tuple[int, int], int]] = {}

    def __init__(self, path: Path) -> None:
        self._path = path
        status = path.stat()
        self._key = (status.st_dev, status.st_ino)
        with self._guard:
            self._users[self._key] = self._users.get(self._key, 0) + 1

    def handle(self) -> int:
        """Return a file descriptor for reading and writing. Never close it."""
        with self._guard:
            if self._key not in self._handles:
                status = self._path.stat()
                if (status.st_dev, status.st_ino) != self._key:
                    raise LibraryError(
                        f"{str(self._path)!r} was replaced by another file while it was open; "
                        "open the library again."
                    )
                self._handles[self._key] = os.open(self._path, os.O_RDWR | getattr(os, "O_BINARY", 0))
            return self._handles[self._key]

    def release(self) -> None:
        """Say that the connections behind this object are closed. Call it once."""
        with self._guard:
            self._users[self._key] -= 1
            if not self._users[self._key]:
                del self._users[self._key]
                if self._key in self._handles:
                    os.close(self._handles.pop(self._key))


def scrub_will_be_due(connection: sqlite3.Connection) -> None:
    """Note, in the transaction that removes text, that remains of it have to be overwritten."""
    connection.execute("INSERT OR IGNORE INTO facts (name, value) VALUES ('unscrubbed', '')")


def scrub_is_due(connection: sqlite3.Connection) -> bool:
    """Say whether text was removed since the last scrub."""
    return connection.execute("SELECT 1 FROM facts WHERE name = 'unscrubbed'").fetchone() is not None


def scrub_is_done(connection: sqlite3.Connection) -> None:
    """Note that no remains are left. Committing this makes every connection drop its cache."""
    connection.execute("DELETE FROM facts WHERE name = 'unscrubbed'")


def scrub(connection: sqlite3.Connection, handle: int) -> int:
    """Overwrite the unused space of all pages with text; return how many pages held something there.

    `connection` is inside a write transaction that has changed nothing yet,
    and the write-ahead log is empty. Raises LibraryDamaged if a page is not
    what it should be; nothing is overwritten on that page then.
    """
    page_size = int(connection.execute("PRAGMA page_size").fetchone()[0])
    roots = connection.execute(
        f"SELECT rootpage FROM sqlite_schema WHERE tbl_name IN ({', '.join('?' * len(_TABLES))})", _TABLES
    ).fetchall()
    cleaned = 0
    for (root,) in roots:
        for number, start, end, page in _unused(handle, int(root), page_size):
            if page.count(b"\0", start, end) != end - start:
                _write(handle, bytes(end - start), (number - 1) * page_size + start)
                cleaned += 1
    os.fsync(handle)
    return cleaned


def _unused(handle: int, root: int, page_size: int) -> Iterator[tuple[int, int, int, bytes]]:
    """Yield (page number, start and end of its unused space, page) of a b-tree."""
    pages = [root]
    seen: set[int] = set()
    while pages:
        number = pages.pop()
        page = _read(handle, page_size, (number - 1) * page_size)
        if number in seen or number < 2 or len(page) != page_size:
            raise LibraryDamaged(f"The ledger is damaged: page {number} is used twice or missing.")
        seen.add(number)
        kind, _, cells, content, _ = _HEADER.unpack_from(page)
        interior = kind in (_TABLE_INTERIOR, _INDEX_INTERIOR)
        start = (12 if interior else 8) + 2 * cells
        end = content or 65536
        leaf = kind in (_TABLE_LEAF, _INDEX_LEAF)
        if not (interior or leaf) or not start <= end <= page_size:
            raise LibraryDamaged(f"The ledger is damaged: page {number} is not a page of a table.")
        if interior:
            offsets = struct.unpack_from(f">{cells}H", page, 12)
            pages += [struct.unpack_from(">I", page, offset)[0] for offset in (8, *offsets)]
        yield number, start, end, page


def _read(handle: int, size: int, offset: int) -> bytes:
    if hasattr(os, "pread"):
        return os.pread(handle, size, offset)
    os.lseek(handle, offset, os.SEEK_SET)  # pragma: no cover (Windows)
    return os.read(handle, size)


def _write(handle: int, content: bytes, offset: int) -> None:
    if hasattr(os, "pwrite"):
        os.pwrite(handle, content, offset)
    else:  # pragma: no cover (Windows)
        os.lseek(handle, offset, os.SEEK_SET)
        os.write(handle, content)
