"""What SQLite's errors mean for a library, in words that say what to do."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Final, NoReturn

from openbook.errors import LibraryDamaged, LibraryError, LibraryLocked, OpenbookError, StorageFull

NO_PERMISSION: Final = ("SQLITE_CANTOPEN", "SQLITE_READONLY", "SQLITE_PERM", "SQLITE_AUTH")
"""Beginnings of the names of errors that come from a folder or file without permission."""

_FULL: Final = ("SQLITE_FULL", "SQLITE_IOERR_WRITE", "SQLITE_IOERR_SHMSIZE", "SQLITE_IOERR_TRUNCATE")
_DAMAGED: Final = ("SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_IOERR_SHORT_READ", "SQLITE_FORMAT")


def name_of(error: sqlite3.Error) -> str:
    """Return SQLite's own name of an error, "" if the error is not SQLite's but the module's."""
    return str(getattr(error, "sqlite_errorname", ""))


def damaged(path: Path, detail: str) -> LibraryDamaged:
    """Return the error for a ledger that cannot be read."""
    return LibraryDamaged(
        f"The ledger {str(path)!r} is damaged ({detail}). Your own files are untouched: move the "
        "library folder away, then import an export of it or add the documents again."
    )


def raise_translated(error: sqlite3.Error, path: Path) -> NoReturn:
    """Raise what an error of SQLite means for the library with this ledger; unknown ones as they are."""
    name, folder = name_of(error), str(path.parent)
    raised: OpenbookError
    if name.startswith(_DAMAGED):
        raised = damaged(path, str(error))
    elif name.startswith(_FULL):
        raised = StorageFull(
            f"The ledger in {folder!r} could not grow ({error}). Free some space or lift the limit, then "
            "run the command again. What was reported done is safe."
        )
    elif name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        raised = LibraryLocked(
            f"Another process kept the ledger in {folder!r} busy for too long ({error}). "
            "Wait until it is done and try again."
        )
    elif name.startswith(NO_PERMISSION):
        raised = LibraryError(
            f"The library {folder!r} cannot be opened or written ({error}); check the permissions of the "
            f"folder and of {path.name!r}, or copy it to a place where you may write."
        )
    elif name.startswith("SQLITE_IOERR"):
        raised = LibraryError(
            f"The disk refused to read or write {str(path)!r} ({name}: {error}). "
            "Check the disk; what was reported done is safe."
        )
    else:
        raise error
    raise raised from error
