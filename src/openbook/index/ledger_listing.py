"""All files that a library knows, each with its last outcome and its document, a page at a time.

The list is sorted and cut by SQLite, so that a page of a large library costs no
more than finding its place.

Refused: a cursor. People jump to page seven, and what is between two pages may
change anyway.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from openbook.index.records import FileEntry

NOT_LISTED: Final = ("removed",)
"""Outcomes that are only listed when they are asked for."""

_FROM: Final = (
    "FROM files f JOIN sources s ON s.id = f.source_id LEFT JOIN documents d ON d.id = f.document_id "
    "WHERE (f.document_id IS NULL OR f.document_id NOT IN (SELECT value FROM json_each(?1))) "
    "AND (?2 = '' OR openbook_text(f.path, 'title', '~', ?2, 'text') "
    "OR openbook_text(coalesce(d.title, ''), 'title', '~', ?2, 'text')) "
    "AND f.outcome IN (SELECT value FROM json_each(?3))"
)


FileOrder: TypeAlias = Literal["path", "added", "modified", "size", "chunks"]


@dataclass(frozen=True, slots=True)
class FileFilter:
    """Which files are wanted.

    `text` is a part of the path or the title, without regard to case;
    `outcomes` are those wanted, all but `NOT_LISTED` where there are none;
    `hidden` are documents whose files are left out. `order` says by what they
    are sorted, from small to large unless `descending`.
    """

    text: str = ""
    outcomes: Collection[str] = ()
    hidden: Collection[int] = ()
    order: FileOrder = "path"
    descending: bool = False


ALL_FILES: Final = FileFilter()
_COLUMNS: Final[dict[FileOrder, str]] = {
    "path": "f.path",
    "added": "d.added_at",
    "modified": "d.modified_at",
    "size": "f.size",
    "chunks": "d.chunks",
}
_OUTCOMES: Final = ("added", "updated", "moved", "unchanged", "removed", "empty", "skipped", "failed")


def files(
    connection: sqlite3.Connection, wanted: FileFilter, *, offset: int, limit: int
) -> tuple[list[FileEntry], int]:
    """Return a page of the files that are wanted, and how many there are in all."""
    outcomes = list(wanted.outcomes) or [kind for kind in _OUTCOMES if kind not in NOT_LISTED]
    values = (json.dumps(sorted(wanted.hidden)), wanted.text, json.dumps(outcomes))
    total = int(connection.execute(f"SELECT count(*) {_FROM}", values).fetchone()[0])
    direction = "DESC" if wanted.descending else "ASC"
    rows = connection.execute(
        "SELECT f.path, s.root, f.size, f.outcome, f.reason, f.checked_at, f.document_id, "
        "coalesce(d.title, ''), coalesce(d.media_type, ''), coalesce(d.language, ''), "
        "coalesce(d.characters, 0), coalesce(d.chunks, 0), coalesce(d.added_at, ''), "
        f"coalesce(d.modified_at, '') {_FROM} ORDER BY {_COLUMNS[wanted.order]} {direction}, f.path, s.root "
        "LIMIT ?4 OFFSET ?5",
        (*values, limit, offset),
    )
    return [FileEntry(*row) for row in rows], total
