"""Documents with their text, chunks and place in the change log, as functions on an open transaction.

A document's text lies in blocks of `BLOCK` characters. The chunks of a
document have contiguous ids from `first_chunk` on, so a set of documents is a
set of ranges of chunk ids. Whatever changes a document also appends to the
change log and notes for every generation that the document waits for vectors.
"""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

from openbook.errors import ReadError, UsageError
from openbook.index.ledger_redaction import document_changes, documents_go
from openbook.index.ledger_scrub import scrub_will_be_due
from openbook.index.ledger_sources import joined, record_files
from openbook.index.records import Change, ChangeKind, DocumentRecord, FileRecord, hash_text
from openbook.index.schema import BLOCK
from openbook.types import Chunk, Document, Mark, Scalar

RECORD_COLUMNS: Final = (
    "d.id, d.source_id, d.path, d.title, d.language, d.media_type, d.characters, d.chunks, "
    "d.added_at, d.modified_at, d.metadata"
)


def now() -> str:
    """Return the current time as the ledger writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


# Writing


def put_document(
    connection: sqlite3.Connection,
    source_id: int,
    document: Document,
    chunks: Sequence[Chunk],
    file: FileRecord,
) -> int:
    """Add a document, or replace the one at the same source and path, with its file's outcome.

    Returns its id, which a replaced document keeps. Raises ReadError for text
    that cannot be stored (lone surrogates) and UsageError for chunks that do
    not belong to the document.
    """
    _check_chunks(document, chunks)
    try:
        return _put_document(connection, source_id, document, chunks, file)
    except UnicodeEncodeError as error:
        raise ReadError(
            f"{document.path!r} holds a character that is not valid Unicode ({error.reason} at "
            f"{error.start}): half of a surrogate pair. Save the file again as UTF-8."
        ) from error


def _put_document(
    connection: sqlite3.Connection,
    source_id: int,
    document: Document,
    chunks: Sequence[Chunk],
    file: FileRecord,
) -> int:
    first_chunk = _next_chunk_id(connection) if chunks else 0
    values = {
        "source_id": source_id,
        "path": document.path,
        "title": document.title,
        "language": document.language,
        "media_type": document.media_type,
        "characters": len(document.text),
        "first_chunk": first_chunk,
        "chunks": len(chunks),
        "added_at": now(),
        "modified_at": _modified_at(document, file),
        "metadata": dump_metadata(document.metadata),
        "marks": dump_marks(document.marks),
    }
    existing = connection.execute(
        "SELECT id, first_chunk, chunks FROM documents WHERE source_id = ? AND path = ?",
        (source_id, document.path),
    ).fetchone()
    if existing:
        document_id = int(existing[0])
        document_changes(connection, document_id, document, chunks, read=text)
        _drop_contents(connection, [document_id])
        scrub_will_be_due(connection)
        append_changes(connection, "removed", [existing])
        del values["added_at"]
        assignments = ", ".join(f"{column} = :{column}" for column in values)
        connection.execute(f"UPDATE documents SET {assignments} WHERE id = :id", values | {"id": document_id})
    else:
        columns = ", ".join(values)
        named = ", ".join(f":{column}" for column in values)
        cursor = connection.execute(f"INSERT INTO documents ({columns}) VALUES ({named})", values)
        document_id = int(cursor.lastrowid or 0)
    _insert_contents(connection, document_id, first_chunk, document.text, chunks)
    append_changes(connection, "text", [(document_id, first_chunk, len(chunks))])
    record_files(connection, source_id, [replace(file, path=document.path, document_id=document_id)])
    return document_id


def move_document(connection: sqlite3.Connection, document_id: int, file: FileRecord) -> None:
    """Give a document the source and path of `file`, and drop the record of its old file.

    Its text, chunks and vectors stay as they are, so nothing is logged for the
    derived indexes: they know no paths.
    """
    if not _exists(connection, document_id):
        raise UsageError(f"There is no document {document_id} to move to {file.path!r}.")
    taken = connection.execute(
        "SELECT id FROM documents WHERE source_id = ? AND path = ? AND id <> ?",
        (file.source_id, file.path, document_id),
    ).fetchone()
    if taken:
        raise UsageError(
            f"Document {document_id} cannot move to {file.path!r}: document {taken[0]} is there. "
            "Remove that one first."
        )
    scrub_will_be_due(connection)
    connection.execute("DELETE FROM files WHERE document_id = ?", (document_id,))
    connection.execute(
        "UPDATE documents SET source_id = ?, path = ? WHERE id = ?", (file.source_id, file.path, document_id)
    )
    record_files(connection, file.source_id, [replace(file, document_id=document_id)])


def remove_documents(
    connection: sqlite3.Connection, document_ids: Sequence[int], *, forget_vectors: bool
) -> None:
    """Remove documents; the records of their files say `removed` then. Unknown ids are ignored."""
    wanted = json.dumps(sorted(set(document_ids)))
    found = connection.execute(
        "SELECT id, first_chunk, chunks FROM documents WHERE id IN (SELECT value FROM json_each(?))",
        (wanted,),
    ).fetchall()
    hashes: list[tuple[bytes]] = []
    if forget_vectors:
        hashes = connection.execute(
            "SELECT DISTINCT text_hash FROM chunks WHERE document_id IN (SELECT value FROM json_each(?))",
            (wanted,),
        ).fetchall()
    if not found:
        return
    scrub_will_be_due(connection)
    ids = [int(row[0]) for row in found]
    documents_go(connection, ids, read=text)
    _drop_contents(connection, ids)
    connection.executemany(
        "UPDATE files SET document_id = NULL, outcome = 'removed', reason = '' WHERE document_id = ?",
        ((document_id,) for document_id in ids),
    )
    connection.executemany("DELETE FROM documents WHERE id = ?", ((document_id,) for document_id in ids))
    connection.executemany(
        "DELETE FROM vectors WHERE text_hash = ?1 "
        "AND NOT EXISTS (SELECT 1 FROM chunks WHERE chunks.text_hash = ?1)",
        hashes,
    )
    append_changes(connection, "removed", found)


def adopt_documents(connection: sqlite3.Connection, old_id: int, new_id: int, prefix: str) -> None:
    """Move a source's documents under another; where both have a path, the old source's goes."""
    rows = connection.execute("SELECT id, path FROM documents WHERE source_id = ?", (old_id,)).fetchall()
    paths = connection.execute("SELECT path FROM documents WHERE source_id = ?", (new_id,)).fetchall()
    taken = {str(path) for (path,) in paths}
    moves = [(int(document_id), joined(prefix, path)) for document_id, path in rows]
    scrub_will_be_due(connection)
    doubled = [document_id for document_id, path in moves if path in taken]
    remove_documents(connection, doubled, forget_vectors=False)
    connection.executemany(
        "UPDATE documents SET source_id = ?, path = ? WHERE id = ?",
        ((new_id, path, document_id) for document_id, path in moves if path not in taken),
    )


def append_changes(
    connection: sqlite3.Connection,
    kind: ChangeKind,
    documents: Iterable[tuple[int, int, int]],
    generation_id: int | None = None,
) -> None:
    """Log a change of documents, each given as (id, first chunk, number of chunks)."""
    connection.executemany(
        "INSERT INTO changes (kind, document_id, first_chunk, last_chunk, generation_id) "
        "VALUES (?, ?, ?, ?, ?)",
        ((kind, document, first, first + count - 1, generation_id) for document, first, count in documents),
    )


# The change log


def sequence(connection: sqlite3.Connection) -> int:
    """Return the number of the newest change, 0 if there was none yet."""
    row = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'changes'").fetchone()
    return int(row[0]) if row else 0


def changes_since(connection: sqlite3.Connection, since: int) -> list[Change] | None:
    """Return the changes after number `since`, oldest first, or None if they are not all known.

    They are not if the log was trimmed beyond `since`, or if `since` lies in
    the future: then the index belongs to another past of this library.
    """
    newest = sequence(connection)
    if since > newest or since < 0:
        return None
    oldest = connection.execute("SELECT min(sequence) FROM changes").fetchone()[0]
    first_known = newest + 1 if oldest is None else int(oldest)
    if since + 1 < first_known:
        return None
    rows = connection.execute(
        "SELECT sequence, kind, document_id, first_chunk, last_chunk, generation_id FROM changes "
        "WHERE sequence > ? ORDER BY sequence",
        (since,),
    )
    return [Change(*row) for row in rows]


def trim_changes(connection: sqlite3.Connection, keep: int) -> None:
    """Drop all but the newest `keep` entries of the log."""
    connection.execute("DELETE FROM changes WHERE sequence <= ?", (sequence(connection) - keep,))


# Reading


def document(connection: sqlite3.Connection, document_id: int) -> Document:
    """Return a whole document. Raises UsageError if there is none with this id."""
    row = connection.execute(
        "SELECT path, media_type, title, language, marks, metadata FROM documents WHERE id = ?",
        (document_id,),
    ).fetchone()
    if row is None:
        raise UsageError(f"There is no document {document_id} in this library.")
    path, media_type, title, language, marks, metadata = row
    blocks = connection.execute(
        "SELECT text FROM blocks WHERE document_id = ? ORDER BY number", (document_id,)
    )
    return Document(
        path=path,
        text="".join(text for (text,) in blocks),
        media_type=media_type,
        title=title,
        language=language,
        marks=load_marks(marks),
        metadata=json.loads(metadata),
    )


def text(connection: sqlite3.Connection, document_id: int, start: int, end: int) -> str:
    """Return `document.text[start:end]` for 0 <= start, reading only the blocks it lies in."""
    if start < 0:
        raise UsageError(f"A slice of a document cannot start at {start}; expected 0 or more.")
    if not _exists(connection, document_id):
        raise UsageError(f"There is no document {document_id} in this library.")
    rows = connection.execute(
        "SELECT text FROM blocks WHERE document_id = ? AND number BETWEEN ? AND ? ORDER BY number",
        (document_id, start // BLOCK, (end - 1) // BLOCK),
    )
    first = start // BLOCK * BLOCK
    return "".join(block for (block,) in rows)[start - first : max(end - first, 0)]


def ids_by_path(connection: sqlite3.Connection) -> list[int]:
    """Return the ids of all documents in the order of their paths."""
    rows = connection.execute("SELECT id FROM documents ORDER BY path, id").fetchall()
    return [int(document_id) for (document_id,) in rows]


def records(connection: sqlite3.Connection, document_ids: Sequence[int]) -> list[DocumentRecord]:
    """Return the documents with these ids, in this order; unknown ids are left out."""
    rows = connection.execute(
        f"SELECT {RECORD_COLUMNS} FROM json_each(?) j CROSS JOIN documents d ON d.id = j.value "
        "ORDER BY j.key",
        (json.dumps(list(document_ids)),),
    )
    return [document_record(row) for row in rows]


def source_root(connection: sqlite3.Connection, document_id: int) -> str:
    """Return the root of the source that a document comes from. Raises UsageError for an unknown id."""
    row = connection.execute(
        "SELECT s.root FROM documents d JOIN sources s ON s.id = d.source_id WHERE d.id = ?", (document_id,)
    ).fetchone()
    if row is None:
        raise UsageError(f"There is no document {document_id} in this library.")
    return str(row[0])


def document_record(row: tuple[Any, ...]) -> DocumentRecord:
    """Build a record from a row of `RECORD_COLUMNS`."""
    values = (*row[:-1], json.loads(row[-1]))
    return DocumentRecord(*values)


# Pieces


def dump_marks(marks: Sequence[Mark]) -> str:
    """Return marks as a JSON array of [kind, start, end, label, level]."""
    rows = [[mark.kind, mark.start, mark.end, mark.label, mark.level] for mark in marks]
    return json.dumps(rows, ensure_ascii=False, separators=(",", ":"))


def load_marks(stored: str) -> tuple[Mark, ...]:
    """Undo `dump_marks`."""
    return tuple(Mark(*row) for row in json.loads(stored))


def dump_metadata(metadata: Mapping[str, Scalar]) -> str:
    """Return metadata as JSON; infinite and undefined numbers, which JSON lacks, as words."""
    finite = {
        key: str(value) if isinstance(value, float) and not math.isfinite(value) else value
        for key, value in metadata.items()
    }
    return json.dumps(finite, ensure_ascii=False, separators=(",", ":"))


def _check_chunks(document: Document, chunks: Sequence[Chunk]) -> None:
    for position, chunk in enumerate(chunks):
        if chunk.position != position:
            raise UsageError(
                f"Chunk number {position} of {document.path!r} says position {chunk.position}; "
                "expected positions 0, 1, 2 … in order."
            )
        if document.text[chunk.start : chunk.end] != chunk.text or chunk.end - chunk.start != len(chunk.text):
            raise UsageError(
                f"Chunk {position} of {document.path!r} is not the text at {chunk.start} to {chunk.end}."
            )


def _insert_contents(
    connection: sqlite3.Connection, document_id: int, first_chunk: int, content: str, chunks: Sequence[Chunk]
) -> None:
    connection.executemany(
        "INSERT INTO blocks (document_id, number, text) VALUES (?, ?, ?)",
        (
            (document_id, number, content[start : start + BLOCK])
            for number, start in enumerate(range(0, len(content), BLOCK))
        ),
    )
    connection.executemany(
        'INSERT INTO chunks (id, document_id, position, start, "end", context, heading, page, place, '
        "text_hash, plain_hash) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            (
                first_chunk + chunk.position,
                document_id,
                chunk.position,
                chunk.start,
                chunk.end,
                chunk.context,
                chunk.heading,
                chunk.page,
                chunk.place,
                hash_text(chunk.embedded_text),
                hash_text(chunk.text),
            )
            for chunk in chunks
        ),
    )
    if chunks:
        connection.execute(
            "INSERT INTO pending (generation_id, first_chunk, document_id, chunks) "
            "SELECT id, ?, ?, ? FROM generations",
            (first_chunk, document_id, len(chunks)),
        )


def _drop_contents(connection: sqlite3.Connection, document_ids: Sequence[int]) -> None:
    each = [(document_id,) for document_id in document_ids]
    for table in ("pending", "chunks", "blocks"):
        connection.executemany(f"DELETE FROM {table} WHERE document_id = ?", each)


def _next_chunk_id(connection: sqlite3.Connection) -> int:
    row = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'chunks'").fetchone()
    return int(row[0]) + 1 if row else 1


def _exists(connection: sqlite3.Connection, document_id: int) -> bool:
    row = connection.execute("SELECT 1 FROM documents WHERE id = ?", (document_id,)).fetchone()
    return row is not None


def _modified_at(document: Document, file: FileRecord) -> str:
    stated = document.metadata.get("modified")
    if isinstance(stated, str) and stated:
        return stated
    return datetime.fromtimestamp(file.mtime_ns / 1e9, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
