"""Settings of a library, and the long texts that it keeps beside them, as functions on an open transaction.

Both stand in one table. Names that begin with "kept:" are texts that are read
one at a time, when they are wanted, because settings are looked at in every search.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Final

KEPT: Final = "kept:"


def settings(connection: sqlite3.Connection) -> dict[str, str]:
    """Return the settings by name, without what is kept."""
    # "kept;" is the first name after all that begin with "kept:", so the index passes over those.
    rows = connection.execute(
        "SELECT name, value FROM settings WHERE name < 'kept:' "
        "UNION ALL SELECT name, value FROM settings WHERE name >= 'kept;'"
    )
    return dict(rows.fetchall())


def kept(connection: sqlite3.Connection, name: str) -> str | None:
    """Return a kept text, None if there is none of this name."""
    row = connection.execute("SELECT value FROM settings WHERE name = ?", (name,)).fetchone()
    return None if row is None else str(row[0])


def kept_names(connection: sqlite3.Connection, prefix: str) -> list[str]:
    """Return the names of kept texts that begin with `prefix`."""
    rows = connection.execute("SELECT name FROM settings WHERE name >= 'kept:' AND name < 'kept;'")
    return sorted(name for (name,) in rows.fetchall() if name.startswith(prefix))


def change_settings(connection: sqlite3.Connection, changes: Mapping[str, str | None]) -> None:
    """Add or replace those with a value, delete those with None."""
    for name, value in changes.items():
        if value is None:
            connection.execute("DELETE FROM settings WHERE name = ?", (name,))
        else:
            connection.execute("INSERT OR REPLACE INTO settings (name, value) VALUES (?, ?)", (name, value))
